"""Train, validation and test interactions.

Ways to split a graph's positive interactions: random per user, temporal per user, by calendar, cold items, cold users.
Numbering is that of the snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.errors import SplitError
from kg_rec.schema import RelationType
from kg_rec.snapshot import NO_TIME, EdgeTable
from kg_rec.snapshot.tables import counts_against, events_of, with_events

Protocol = Literal["random", "temporal", "calendar", "cold-items", "cold-users"]


@dataclass(frozen=True)
class Split:
    """A split of interactions.

    Attributes:
        protocol: how it was made.
        train: interactions that the model sees.
        valid: interactions for choosing hyperparameters.
        test: interactions for the final figures.
        valid_candidates: items ranked in validation, boolean, shape (items,).
        test_candidates: items ranked in the test, boolean, shape (items,).
        withheld: interactions that happened and that nobody learns from, to measure how much less is enough; None for
            none.  They are not ranked, so that a model is not blamed for recommending them.
        disliked: what users said not to like before anything of theirs is to be found; None for none.  A model may let
            it weigh against other items, and no list of an evaluation has it.
        again: users have items again and again (``kr:again`` of the schema): what is to be found may be known, and
            rankings have it.
        live: lists of the test are made from all that was done before it, by a model of training alone; what a model
            chooses on validation in a split by time, it chooses on such lists too.
    """

    protocol: Protocol
    train: EdgeTable
    valid: EdgeTable
    test: EdgeTable
    valid_candidates: NDArray[np.bool_]
    test_candidates: NDArray[np.bool_]
    withheld: EdgeTable | None = None
    disliked: EdgeTable | None = None
    again: bool = False
    live: bool = False

    def given(self, *, live: bool = False) -> EdgeTable:
        """What the users did before the test, liked or not; what they liked in training alone where not ``live``."""
        liked = self.known if live else self.train
        return liked if self.disliked is None else join(liked, self.disliked)

    @property
    def known(self) -> EdgeTable:
        """Train and validation interactions together."""
        return join(self.train, self.valid)

    def moment(self, part: str) -> int | None:
        """When the lists of ``valid`` or ``test`` are made, in Unix seconds: one moment for everybody, by calendar.

        It is that of the first interaction to be found.  None for the other protocols, which have no such moment.
        """
        wanted = self.valid if part == "valid" else self.test
        if self.protocol != "calendar" or wanted.time is None or not len(wanted):
            return None
        return _first(wanted)

    def masked(self, part: str) -> EdgeTable:
        """What the ranking of ``valid`` or ``test`` leaves out: what the user had before, if it is not had again."""
        seen = self.train if part == "valid" else self.known
        if self.again:
            seen = seen.take(np.zeros(len(seen), np.bool_))
        return seen if self.withheld is None else join(seen, self.withheld)


def with_disliked(split: Split, interactions: EdgeTable, interaction: RelationType) -> Split:
    """The split with what users said not to like; in a split by time only what was before all that is to be found.

    Args:
        split: of the interactions that count as positive.
        interactions: all.
        interaction: their type.
    """
    disliked = interactions.take(counts_against(interactions, interaction))
    held = join(split.valid, split.test)
    if split.protocol in ("temporal", "calendar") and disliked.time is not None and held.time is not None and len(held):
        first = np.full(int(max(disliked.source.max(initial=0), held.source.max())) + 1, np.iinfo(np.int64).max)
        if split.protocol == "calendar":
            first[:] = _first(held)
        else:
            np.minimum.at(first, held.source, held.time)
        disliked = disliked.take(disliked.time < first[disliked.source])
    return replace(split, disliked=disliked) if len(disliked) else split


def join(first: EdgeTable, second: EdgeTable) -> EdgeTable:
    """All edges of both, sorted by (source, target); where repeats are counted, a pair of both is one edge."""

    def both(a: NDArray | None, b: NDArray | None) -> NDArray | None:  # type: ignore[type-arg]
        return None if a is None or b is None else np.concatenate([a, b])

    edges = EdgeTable(
        np.concatenate([first.source, second.source]),
        np.concatenate([first.target, second.target]),
        both(first.weight, second.weight),
        both(first.time, second.time),
        None if first.times is None or second.times is None else pa.concat_arrays([first.times, second.times]),
    )
    edges = edges.take(np.lexsort((edges.target, edges.source)))
    if edges.times is None:
        return edges
    pair = _pair_of(edges)
    _, at = np.unique(pair, return_index=True)
    if len(at) == len(edges):
        return edges
    edge, time = events_of(edges)
    order = np.lexsort((time, pair[edge]))
    return with_events(edges.take(at), pair[edge[order]], time[order])


def random_split(edges: EdgeTable, n_items: int, seed: int, share: float = 0.1) -> Split:
    """Per user, k = max(1, floor(share n + 0.5)) interactions each for test and validation, the others for training.

    Users with fewer than three interactions stay in training whole.
    """
    order = np.random.default_rng(seed).random(len(edges))
    return _per_user("random", edges, n_items, order, share)


def holdout_split(edges: EdgeTable, n_items: int, seed: int, share: float) -> Split:
    """Train and validation alone: k = max(1, floor(share n + 0.5)) interactions per user are held out; no test."""
    drawn = random_split(edges, n_items, seed, share)
    nothing = edges.take(np.zeros(len(edges), dtype=bool))
    return replace(drawn, train=join(drawn.train, drawn.test), test=nothing)


def split_by(protocol: Protocol, edges: EdgeTable, n_items: int, seed: int, *, again: bool = False) -> Split:
    """The split that a protocol makes; ``seed`` is that of its random choices, where it has any.

    Where users have items ``again``, the protocols by time part what happened, so that a pair may be in several parts.

    Raises:
        SplitError: the interactions carry no times where the protocol needs them, or are too few.
    """
    if protocol == "temporal":
        return temporal_split(edges, n_items, again=again)
    if protocol == "calendar":
        return calendar_split(edges, n_items, again=again)
    if protocol == "random":
        drawn = random_split(edges, n_items, seed)
    elif protocol == "cold-items":
        drawn = cold_items_split(edges, n_items, seed)
    else:
        drawn = cold_users_split(edges, n_items, seed)
    return replace(drawn, again=again)


def temporal_split(edges: EdgeTable, n_items: int, share: float = 0.1, *, again: bool = False) -> Split:
    """As :func:`random_split`, by time: the last k interactions of a user are the test, the k before them validation.

    Raises:
        SplitError: an interaction carries no time.
    """
    if again:
        return _of_pairs(temporal_split(_each_event(edges, "temporal"), n_items, share))
    rank = np.empty(len(edges))
    rank[np.lexsort((edges.target, _times(edges, "temporal")))] = np.arange(len(edges))
    return _per_user("temporal", edges, n_items, rank, share)


def calendar_split(edges: EdgeTable, n_items: int, share: float = 0.1, *, again: bool = False) -> Split:
    """One moment for everybody: about the last ``share`` of all interactions is the test, as many before it validation.

    Interactions of one time are never parted, so that all of a part come before all of the next.  Candidates are all
    items that occur.  Users and items of the test may be new.

    Raises:
        SplitError: an interaction carries no time, or the times are too few to part at two of them.
    """
    if again:
        return _of_pairs(calendar_split(_each_event(edges, "calendar"), n_items, share))
    time = _times(edges, "calendar")
    order, n = np.sort(time), len(edges)
    part = np.zeros(n, np.int8)
    for held in (1, 2) if n else ():
        part += time >= order[n - max(held, int(held * share * n + 0.5))]
    if set(part.tolist()) != {0, 1, 2}:
        raise SplitError(
            f"expected interactions at three times or more, spread over time, for a split by calendar, got "
            f"{len(edges)} at {len(np.unique(time))}; use the random protocol"
        )
    everything = np.zeros(n_items, dtype=bool)
    everything[edges.target] = True
    return Split(
        "calendar", edges.take(part == 0), edges.take(part == 1), edges.take(part == 2), everything, everything.copy()
    )


def calendar_holdout(edges: EdgeTable, n_items: int, share: float, *, again: bool = False) -> Split:
    """Train and validation alone: about the last ``share`` of all interactions is held out; no test.

    Raises:
        SplitError: as :func:`calendar_split`.
    """
    drawn = calendar_split(edges, n_items, share, again=again)
    return replace(drawn, train=drawn.known, valid=drawn.test, test=edges.take(np.zeros(len(edges), dtype=bool)))


def is_by_calendar(split: Split) -> bool:
    """Whether every interaction has a time and none of a part is later than one of the next part."""
    parts = (split.train, split.valid, split.test)
    if any(p.time is None or not len(p) or (p.time == NO_TIME).any() for p in parts):
        return False
    return all(_last(one) <= _first(next_) for one, next_ in pairwise(parts))


def _first(edges: EdgeTable) -> int:
    """The earliest time of edges that have times."""
    return int(events_of(edges)[1].min())


def _last(edges: EdgeTable) -> int:
    """The latest time of edges that have times."""
    return int(events_of(edges)[1].max())


def _each_event(edges: EdgeTable, protocol: str) -> EdgeTable:
    """What happened, one row each, sorted by pair and time; a pair has as many as it has times.

    Raises:
        SplitError: an edge has no time.
    """
    _times(edges, protocol)
    edge, time = events_of(edges)
    return EdgeTable(edges.source[edge], edges.target[edge], None, time)


def _of_pairs(split: Split) -> Split:
    """A split of :func:`_each_event` as one of pairs, each with what happened in its part; a pair may be in several."""
    parts = []
    for part in (split.train, split.valid, split.test):
        pair = _pair_of(part)
        _, first = np.unique(pair, return_index=True)
        parts.append(with_events(part.take(first), pair, _times(part, split.protocol)))
    return replace(split, train=parts[0], valid=parts[1], test=parts[2], again=True)


def _pair_of(edges: EdgeTable) -> NDArray[np.int64]:
    """The number of each edge's pair of ends among those of edges sorted by pair, shape (m,)."""
    pair = np.zeros(len(edges), np.int64)
    pair[1:] = np.cumsum((np.diff(edges.source) != 0) | (np.diff(edges.target) != 0))
    return pair


def _times(edges: EdgeTable, protocol: str) -> NDArray[np.int64]:
    """The times of edges.

    Raises:
        SplitError: one is missing.
    """
    without = len(edges) if edges.time is None else int((edges.time == NO_TIME).sum())
    if edges.time is None or without:
        raise SplitError(
            f"expected a time on every interaction for a {protocol} split, got {without} of {len(edges)} without one; "
            "use the random protocol"
        )
    return edges.time


def _per_user(protocol: Protocol, edges: EdgeTable, n_items: int, order: NDArray[np.float64], share: float) -> Split:
    rows = np.lexsort((-order, edges.source))
    counts = np.bincount(edges.source)
    starts = np.concatenate([[0], np.cumsum(counts)])
    position = np.arange(len(edges)) - starts[edges.source[rows]]
    held = np.where(counts >= 3, np.maximum(1, np.floor(share * counts + 0.5)), 0)[edges.source[rows]]
    part = np.empty(len(edges), dtype=np.int8)
    part[rows] = np.where(position < held, 2, np.where(position < 2 * held, 1, 0))
    everything = np.zeros(n_items, dtype=bool)
    everything[edges.target] = True
    return Split(
        protocol, edges.take(part == 0), edges.take(part == 1), edges.take(part == 2), everything, everything.copy()
    )


def cold_items_split(edges: EdgeTable, n_items: int, seed: int, fold: int = 0, folds: int = 10) -> Split:
    """Of the items with 5 or more interactions, ``1/folds`` are test items, half as many others validation."""
    counts = np.bincount(edges.target, minlength=n_items)
    eligible = np.random.default_rng(seed).permutation(np.flatnonzero(counts >= 5))
    test_items = eligible[fold::folds]
    valid_items = eligible[(fold + 1) % folds :: folds][::2]
    return _by_item("cold-items", edges, n_items, valid_items, test_items)


def _by_item(
    protocol: Protocol, edges: EdgeTable, n_items: int, valid: NDArray[np.int64], test: NDArray[np.int64]
) -> Split:
    part = np.zeros(n_items, dtype=np.int8)
    part[valid], part[test] = 1, 2
    of_edge = part[edges.target]
    return Split(
        protocol, edges.take(of_edge == 0), edges.take(of_edge == 1), edges.take(of_edge == 2), part == 1, part == 2
    )


def cold_users_split(edges: EdgeTable, n_items: int, seed: int, given: int = 5, share: float = 0.1) -> Split:
    """A share of the users each for test and validation give only ``given`` interactions; the rest is to be found."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(np.unique(edges.source))
    k = max(1, int(share * len(users)))
    part_of_user = np.zeros(int(edges.source.max()) + 1, dtype=np.int8)
    part_of_user[users[:k]], part_of_user[users[k : 2 * k]] = 2, 1
    rows = np.lexsort((rng.random(len(edges)), edges.source))
    starts = np.concatenate([[0], np.cumsum(np.bincount(edges.source))])
    position = np.empty(len(edges), dtype=np.int64)
    position[rows] = np.arange(len(edges)) - starts[edges.source[rows]]
    part = np.where(position < given, 0, part_of_user[edges.source])
    everything = np.ones(n_items, dtype=bool)
    return Split(
        "cold-users", edges.take(part == 0), edges.take(part == 1), edges.take(part == 2), everything, everything.copy()
    )
