"""Groups of users who share something, and what they chose: counts that anybody can take in the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ArgumentError
from kg_rec.model.recommender import Recommender
from kg_rec.schema import PropertyType
from kg_rec.snapshot.columns import floats

#: Groups of equal size that the users are cut into by a number, such as their age.
_BANDS = 6
#: A code (a zip code) is shortened until so many users share it.
_CODE_USERS = 20


@dataclass(frozen=True)
class Group:
    """Users who share an attribute, or who liked an item.

    Attributes:
        kind: ``attribute`` or ``like``.
        name: the property, or the key of the item.
        low: least value of the property; the value itself for a text, its start for a code; None for no bound.
        high: greatest value of the property; None for a text and for no bound.
        code: ``low`` is the start of a code.
        users: how many there are.
        chose: how many of them liked each item, int64, shape (items,).
    """

    kind: Literal["attribute", "like"]
    name: str
    low: str | float | None
    high: float | None
    code: bool
    users: int
    chose: Ints

    def told(self) -> str:
        """What they share, for a line of text: "student", "25–31", "55…"."""
        if isinstance(self.low, str):
            return f"{self.low}…" if self.code else self.low
        if self.low is None:
            return "" if self.high is None else f"≤ {self.high:g}"
        return f"≥ {self.low:g}" if self.high is None else f"{self.low:g}–{self.high:g}"


@dataclass(frozen=True)
class Choices:
    """Who chose what, for counting by groups; only users who liked something count.

    Attributes:
        model: the model whose users are counted.
        least: a group of fewer users is not spoken of, so that no count tells of one person.
    """

    model: Recommender
    least: int

    @cached_property
    def liked(self) -> sparse.csr_array:
        """Who liked what, binary CSR, int64, shape (users, items)."""
        return sparse.csr_array(self.model.users_of_items.tocsr().astype(np.int64))

    @cached_property
    def active(self) -> NDArray[np.bool_]:
        """Users who liked something, shape (users,)."""
        active: NDArray[np.bool_] = np.diff(self.liked.indptr) > 0
        return active

    @cached_property
    def users(self) -> int:
        """How many users liked something."""
        return int(self.active.sum())

    @cached_property
    def shares(self) -> Floats64:
        """Share of the users who liked each item, shape (items,)."""
        counts = np.bincount(self.liked.indices, minlength=self.liked.shape[1])
        shares: Floats64 = counts / max(self.users, 1)
        return shares

    @property
    def properties(self) -> dict[str, PropertyType]:
        """The attributes of users that group them: numbers and texts besides the key, the name and vectors."""
        user = self.model.snapshot.schema.user
        return {
            p.name: p
            for p in user.properties[1:]
            if p.use is None and p.datatype in ("string", "integer", "float", "boolean")
        }

    def of_likes(self, items: Ints) -> Iterator[Group]:
        """Per item the users who liked it; an item with too few is left out."""
        by_item = self.model.users_of_items
        for item in items.tolist():
            members = by_item.indices[by_item.indptr[item] : by_item.indptr[item + 1]]
            if len(members) >= self.least:
                chose = self._chosen(members)
                chose[item] = 0  # no item is a reason for itself
                yield Group("like", self.model.items.key(item), None, None, False, len(members), chose)

    def of_attributes(self, attributes: Mapping[str, Any]) -> Iterator[Group]:
        """Per attribute the users who share it; one that too few share is left out.

        Raises:
            ArgumentError: the schema's users have no such attribute, or a number was expected.
        """
        known = self.properties
        for name, value in attributes.items():
            if name not in known:
                told = ", ".join(known) or "none"
                kind = self.model.snapshot.schema.user.name
                raise ArgumentError(f"attribute {name!r}: expected one of those of {kind} in the schema ({told})")
            group = self._attribute(known[name], value)
            if group is not None:
                yield group

    def _attribute(self, kind: PropertyType, value: Any) -> Group | None:
        if kind.datatype in ("integer", "float"):
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = np.nan
            if not np.isfinite(number):
                raise ArgumentError(f"attribute {kind.name!r}: expected a number, got {value!r}")
            return self._band(kind.name, number)
        text = str(value).strip().casefold()
        texts = self._texts(kind.name)
        members = np.flatnonzero(self.active & (texts == text))
        code = any(c.isdigit() for c in text)
        while code and len(members) < max(self.least, _CODE_USERS) and len(text) > 1:
            text = text[:-1]
            members = np.flatnonzero(self.active & np.char.startswith(texts, text))
        if not text or len(members) < self.least:
            return None
        shortened = code and text != str(value).strip().casefold()
        told = str(value).strip()[: len(text)]
        return Group("attribute", kind.name, told, None, shortened, len(members), self._chosen(members))

    def _band(self, name: str, value: float) -> Group | None:
        numbers = self._numbers(name)
        known = np.sort(numbers[self.active & np.isfinite(numbers)])
        if not len(known):
            return None
        starts = np.unique(np.quantile(known, np.linspace(0, 1, _BANDS + 1)[1:-1], method="higher"))
        place = int(np.searchsorted(starts, value, "right"))
        inside = self.active & np.isfinite(numbers) & (np.searchsorted(starts, numbers, "right") == place)
        members = np.flatnonzero(inside)
        if len(members) < self.least:
            return None
        low = None if place == 0 else float(numbers[members].min())
        high = None if place == len(starts) else float(numbers[members].max())
        return Group("attribute", name, low, high, False, len(members), self._chosen(members))

    def _numbers(self, name: str) -> Floats64:
        column = self.model.snapshot.nodes[self.model.snapshot.schema.user.name].column(name)
        return floats(self.properties[name], column)

    def _texts(self, name: str) -> NDArray[np.str_]:
        column = self.model.snapshot.nodes[self.model.snapshot.schema.user.name].column(name)
        texts = pc.fill_null(column.cast(pa.string()), "").to_pylist()
        return np.array([t.strip().casefold() for t in texts], dtype=np.str_)

    def _chosen(self, members: Ints) -> Ints:
        chosen: Ints = np.bincount(self.liked[members].indices, minlength=self.liked.shape[1]).astype(np.int64)
        return chosen
