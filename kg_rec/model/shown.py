"""Who may be shown what: rules that are a model's own, which hold in every list that is made by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ConfigError
from kg_rec.model.item_groups import items_of_fact
from kg_rec.schema import NodeType
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.columns import floats


@dataclass(frozen=True, slots=True)
class LimitConfig:
    """An item is listed only to users whose number reaches the item's.

    Who has no number is shown no item that has one; an item without one is shown to all.

    Attributes:
        item: a property of items that holds a number, such as ``min_age``.
        user: a property of users that holds a number, such as ``age``.
    """

    item: str
    user: str


@dataclass(frozen=True, slots=True)
class ShownConfig:
    """What every list of a model keeps to, whoever asks for it and by whatever command.

    Attributes:
        never_facts: items that have one of these facts are in no list, each as ``genre:Horror``.
        limits: age limits and the like: a number of the item that the user's number has to reach.
    """

    never_facts: tuple[str, ...] = ()
    limits: tuple[LimitConfig, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self.never_facts or self.limits)


@dataclass(frozen=True)
class Limits:
    """The numbers that are compared.

    Attributes:
        of_items: what a user's number has to reach, -inf where an item has none, shape (limits, items).
        of_users: the users' numbers, -inf for none, shape (limits, users).
        properties: of users, one a limit.
    """

    of_items: Floats64
    of_users: Floats64
    properties: tuple[str, ...]

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
            yield rows, allowed & self.reached(self.of_users[:, users[rows[0]]])

    def reached(self, numbers: Floats64) -> NDArray[np.bool_]:
        """The items whose numbers these reach, shape (items,).

        Args:
            numbers: of one user, -inf for none, shape (limits,).
        """
        return np.asarray((self.of_items <= numbers[:, None]).all(axis=0))


@dataclass(frozen=True)
class Shown:
    """A model's rules over a graph.

    Attributes:
        items: that no fact shuts out, boolean, shape (items,).
        limits: of items and users.
    """

    items: NDArray[np.bool_]
    limits: Limits

    def to(self, user: int | None) -> NDArray[np.bool_]:
        """The items that may be shown to a user by dense index, or to somebody unknown; boolean, shape (items,)."""
        limits = self.limits
        return self.items & limits.reached(
            np.full(len(limits.properties), -np.inf) if user is None else limits.of_users[:, user]
        )

    def to_person(self, attributes: Mapping[str, Any]) -> NDArray[np.bool_]:
        """The same for a person who is not in the graph, by what is known of the person."""
        known = [attributes.get(name) for name in self.limits.properties]
        return self.items & self.limits.reached(
            np.array([-np.inf if value is None else float(value) for value in known], dtype=np.float64)
        )

    def parts(
        self, users: Ints, candidates: NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[Ints, NDArray[np.bool_]]]:
        """See :meth:`Limits.parts`; ``candidates`` are what may be listed besides, None for all."""
        return self.limits.parts(users, self.items if candidates is None else self.items & candidates)


def shown_of(rules: ShownConfig, snapshot: Snapshot, blocked: Sequence[str] = ()) -> Shown:
    """Rules over a graph.

    Args:
        rules: the rules.
        snapshot: the graph.
        blocked: relation types that the graph is read without, by which no item can be shut out.

    Raises:
        ConfigError: there is no such fact or property, or it holds no numbers.  So no list is made by rules that a
            graph has lost the words for.
    """
    items = np.ones(len(snapshot.items), np.bool_)
    for n, fact in enumerate(rules.never_facts):
        setting = f"shown.never_facts[{n}]"
        relation, _, members = items_of_fact(snapshot, fact, setting)
        if relation.name in blocked:
            raise ConfigError(
                f"{setting}: {relation.name} is blocked, so the model does not know which items have {fact!r}; "
                "name another relation or train without --block"
            )
        items &= ~members
    return Shown(items, limits_of(rules.limits, snapshot, "shown.limits"))


def limits_of(rules: Sequence[LimitConfig], snapshot: Snapshot, setting: str) -> Limits:
    """Limits over a graph.

    Raises:
        ConfigError: there is no such property, or it holds no numbers.
    """
    item, user = snapshot.schema.item, snapshot.schema.user
    pairs = [
        (
            _numbers(snapshot, item, limit.item, f"{setting}[{n}].item"),
            _numbers(snapshot, user, limit.user, f"{setting}[{n}].user"),
        )
        for n, limit in enumerate(rules)
    ]
    return Limits(
        np.array([one for one, _ in pairs]).reshape(len(pairs), len(snapshot.items)),
        np.array([other for _, other in pairs]).reshape(len(pairs), len(snapshot.users)),
        tuple(limit.user for limit in rules),
    )


def _numbers(snapshot: Snapshot, kind: NodeType, name: str, setting: str) -> Floats64:
    numeric = {p.name: p for p in kind.properties if p.datatype in ("integer", "float")}
    if name not in numeric:
        known = ", ".join(numeric) or "it has none"
        raise ConfigError(f"{setting}: expected a property of {kind.name} that holds a number ({known}), got {name!r}")
    numbers = floats(numeric[name], snapshot.nodes[kind.name].column(name))
    return np.where(np.isnan(numbers), -np.inf, numbers)
