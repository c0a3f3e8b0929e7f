"""Limits: items that are listed only to users whose number (an age) reaches the item's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ConfigError
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.schema import NodeType
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.columns import floats


@dataclass(frozen=True)
class Limits:
    """The numbers that are compared.

    Attributes:
        of_items: what a user's number has to reach, -inf where an item has none, shape (limits, items).
        of_users: the users' numbers, -inf for none, shape (limits, users).
    """

    of_items: Floats64
    of_users: Floats64

    def parts(self, users: Ints, allowed: NDArray[np.bool_]) -> Iterator[tuple[Ints, NDArray[np.bool_]]]:
        """The users in parts who may be shown the same items: their places, and these items.

        Args:
            users: dense indices, shape (b,).
            allowed: items that anybody may be shown, shape (items,).
        """
        if not len(self.of_items):
            yield np.arange(len(users)), allowed
            return
        # as only the items' own numbers count, a user's number is that of the highest one that it reaches
        steps = [np.unique(row) for row in self.of_items]
        reached = [np.searchsorted(s, mine, "right") for s, mine in zip(steps, self.of_users[:, users], strict=True)]
        codes, place = np.unique(np.stack(reached, axis=1), axis=0, return_inverse=True)
        for n in range(len(codes)):
            rows = np.flatnonzero(place.ravel() == n)
            mine = self.of_users[:, users[rows[0]]][:, None]
            yield rows, allowed & (self.of_items <= mine).all(axis=0)


def limits_of(rules: CandidatesConfig, snapshot: Snapshot) -> Limits:
    """The limits that rules name.

    Raises:
        ConfigError: there is no such property, or it holds no numbers.
    """
    item, user = snapshot.schema.item, snapshot.schema.user
    pairs = [
        (
            _numbers(snapshot, item, limit.item, f"candidates.limits[{n}].item"),
            _numbers(snapshot, user, limit.user, f"candidates.limits[{n}].user"),
        )
        for n, limit in enumerate(rules.limits)
    ]
    return Limits(
        np.array([one for one, _ in pairs]).reshape(len(pairs), len(snapshot.items)),
        np.array([other for _, other in pairs]).reshape(len(pairs), len(snapshot.users)),
    )


def _numbers(snapshot: Snapshot, kind: NodeType, name: str, setting: str) -> Floats64:
    numeric = {p.name: p for p in kind.properties if p.datatype in ("integer", "float")}
    if name not in numeric:
        known = ", ".join(numeric) or "it has none"
        raise ConfigError(f"{setting}: expected a property of {kind.name} that holds a number ({known}), got {name!r}")
    found = floats(numeric[name], snapshot.nodes[kind.name].column(name))
    return np.where(np.isnan(found), -np.inf, found)
