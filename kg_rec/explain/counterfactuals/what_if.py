"""How a user's list would change with other interactions or other fusion weights: exact, parameters kept.

Added interactions, and those that stay, are weighed as if the store had changed (recency moves with them).  How an
added item would be rated is not known: where ratings count, it counts as one in the middle of their scale, by a factor
of 1.  As in :mod:`kg_rec.explain.counterfactuals.counterfactual`, what a user had stays left out of the list, unless
items are had again by the schema: then what is added once more counts once more, and stays listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.errors import ConfigError, NotFoundError
from kg_rec.explain.counterfactuals.user_list import Entry, UserList
from kg_rec.model.recommender import Recommender, positions
from kg_rec.snapshot import EdgeTable
from kg_rec.snapshot.tables import own_times
from kg_rec.split import join
from kg_rec.tabular import Tabular, columns


@dataclass(frozen=True, slots=True)
class Change:
    """An item of the list before or after.

    Attributes:
        item: key.
        name: name as shown to people.
        rank: rank before, among all candidates; None for an item the user had.
        rank_after: rank after; None for an item that was added.
        score: score before.
        score_after: score after.
    """

    item: str
    name: str
    rank: int | None
    rank_after: int | None
    score: float
    score_after: float


@dataclass(frozen=True, slots=True, repr=False)
class WhatIf(Tabular):
    """How a list changes.

    Attributes:
        user: user key.
        k: length of the list.
        added: keys of added interactions.
        removed: keys of interactions taken out.
        weights: factor by channel.
        changes: every item of the list before or after, by rank after.
    """

    user: str
    k: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    weights: Mapping[str, float]
    changes: tuple[Change, ...]

    @property
    def before(self) -> tuple[Entry, ...]:
        """The list as it is."""
        entries = [Entry(c.rank, c.item, c.name, c.score) for c in self.changes if c.rank and c.rank <= self.k]
        return tuple(sorted(entries, key=lambda e: e.rank))

    @property
    def after(self) -> tuple[Entry, ...]:
        """The list as it would be."""
        return tuple(
            Entry(c.rank_after, c.item, c.name, c.score_after)
            for c in self.changes
            if c.rank_after and c.rank_after <= self.k
        )

    @property
    def entered(self) -> tuple[Entry, ...]:
        """What comes into the list, best first."""
        old = {e.item for e in self.before}
        return tuple(e for e in self.after if e.item not in old)

    @property
    def left(self) -> tuple[Entry, ...]:
        """What goes out of the list, best first."""
        new = {e.item for e in self.after}
        return tuple(e for e in self.before if e.item not in new)

    def to_arrow(self) -> pa.Table:
        """The changes: columns ``item``, ``name``, ``rank``, ``rank_after``, ``score`` and ``score_after``."""
        text, whole, real = pa.string(), pa.int64(), pa.float64()
        return columns(self.changes, item=text, name=text, rank=whole, rank_after=whole, score=real, score_after=real)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        lists = {name: [asdict(e) for e in getattr(self, name)] for name in ("before", "after", "entered", "left")}
        return {**asdict(self), "weights": dict(self.weights), **lists}


def what_if(
    model: Recommender,
    user: str,
    *,
    added: Sequence[str] = (),
    removed: Sequence[str] = (),
    k: int = 10,
    candidates: Sequence[str] | None = None,
) -> WhatIf:
    """How a user's list changes with interactions added or taken out.

    Args:
        model: a trained model.
        user: user key.
        added: keys of items, as positive interactions later than all others, in the order given, each with a rating
            in the middle of the scale (a factor of 1 in a_uj).  They leave the list, unless items are had again.
        removed: keys of items the user interacted with.  They stay left out of the list.
        k: length of the list.
        candidates: keys of the items allowed; None allows all.

    Raises:
        NotFoundError: the user or an item is not in the graph, or the user did not interact with what is taken out.
        ConfigError: ``k`` is below 1, or what is added is given twice or already counts.
    """
    view = UserList.of(model, user, candidates)
    new, out = positions(model.items, added), positions(model.items, removed)
    for key, index in zip(removed, out.tolist(), strict=True):
        if index not in view.had:
            raise NotFoundError(f"user {user!r} has no interaction with {key!r}; expected one that can be taken out")
    kept = view.edges.take(~np.isin(view.edges.target, out))
    counting = [] if model.snapshot.schema.interaction.again else kept.target.tolist()
    twice = [key for n, key in enumerate(added) if int(new[n]) in {*counting, *new[:n].tolist()}]
    if twice:
        raise ConfigError(f"user {user!r} already interacted with {twice[0]!r}; add items that do not count yet")
    after = replace(view.having(new), disliked=view.disliked - set(out.tolist()))
    before = view.scores(view.edges)
    changes = _changes(view, before, after, after.scores(with_latest(kept, new)), k)
    return WhatIf(user, k, tuple(added), tuple(removed), {}, changes)


def what_if_weights(
    model: Recommender,
    user: str,
    weights: Mapping[str, float],
    k: int = 10,
    *,
    candidates: Sequence[str] | None = None,
) -> WhatIf:
    """How a user's list changes with other fusion weights lambda.

    Args:
        model: a trained model.
        user: user key.
        weights: factor on the weight of a channel, of ``again`` or ``base``: 2 doubles lambda, 0 leaves the channel
            out.
        k: length of the list.
        candidates: keys of the items allowed; None allows all.

    Raises:
        NotFoundError: the user is not in the graph.
        ConfigError: ``k`` is below 1, a channel is not in the model, or a factor is not a finite number of at least 0.
    """
    known = [*(c.name for c in model.channels), *(() if model.again is None else ("again",)), "base"]
    for name, factor in weights.items():
        if name not in known:
            raise ConfigError(f"the model has no channel {name!r}; expected some of {', '.join(known)}")
        if not (np.isfinite(factor) and factor >= 0):
            raise ConfigError(f"weight of {name}: expected a factor of at least 0, got {factor}")
    view = UserList.of(model, user, candidates)
    row = view.row(view.edges).astype(np.float64)
    addends = {c.name: c.kernel.scores(row)[0].astype(np.float64) * c.weight.astype(np.float64) for c in model.channels}
    own = model.again_in(view.edges, 1)
    if own is not None:
        addends["again"] = own.toarray()[0]
    addends["base"] = model.base.astype(np.float64)
    before = sum(addends.values(), start=np.zeros(len(model.items)))
    after = sum((weights.get(c, 1.0) * v for c, v in addends.items()), start=np.zeros(len(model.items)))
    return WhatIf(user, k, (), (), dict(weights), _changes(view, before, view, after, k))


def with_latest(edges: EdgeTable, items: NDArray[np.int64]) -> EdgeTable:
    """The edges, and later ones with more items, in the order given; where all times are kept, one edge an item."""
    time = edges.time
    if time is not None:
        first = int(time.max()) + 1 if len(time) else 0
        time = np.concatenate([time, first + np.arange(len(items))])
    target = np.concatenate([edges.target, items])
    weight = edges.weight  # none is known for what is added: it counts 1
    if weight is not None:
        weight = np.concatenate([weight, np.full(len(items), np.nan, np.float32)])
    every = EdgeTable(np.zeros(len(target), np.int64), target, weight, time)
    if edges.times is None:
        return every
    new = every.take(np.arange(len(edges), len(target)))
    return join(edges, replace(new, times=own_times(new)))


def _changes(
    view: UserList, before: NDArray[np.float64], new: UserList, after: NDArray[np.float64], k: int
) -> tuple[Change, ...]:
    if k < 1:
        raise ConfigError(f"expected k of at least 1, got {k}")
    model = view.model
    keys = {e.item for e in (*view.top(before, k), *new.top(after, k))}
    changes = []
    for i in sorted(model.items.index(key) for key in keys):
        ranks = view.rank(before, i), new.rank(after, i)
        changes.append(Change(model.items.key(i), view.name(i), *ranks, float(before[i]), float(after[i])))
    return tuple(sorted(changes, key=lambda c: (c.rank_after is None, c.rank_after or 0)))
