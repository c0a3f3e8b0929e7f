"""Ids and edges of a snapshot: keys by dense index, edges as arrays."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kg_rec.errors import NotFoundError
from kg_rec.schema import RelationType

#: Stands for "no time" in :attr:`EdgeTable.time`.
NO_TIME = int(np.iinfo(np.int64).min)
#: Among more keys the nearest is not looked for: a message is to come at once.
_MOST_COMPARED = 20_000


@dataclass(frozen=True)
class IdMap:
    """Keys of one node type, sorted; the position of a key is its dense index.

    Attributes:
        node_type: the node type, for messages.
        keys: Arrow string array, sorted by code point, without duplicates.
    """

    node_type: str
    keys: pa.Array

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self.keys.to_pylist())}

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def index(self, key: str) -> int:
        """Dense index of a key.

        Raises:
            NotFoundError: the key is not in the graph.
        """
        try:
            return self._index[key]
        except KeyError:
            if not len(self):
                raise NotFoundError(
                    f"no {self.node_type} with key {key!r}: the snapshot holds no {self.node_type} at all; "
                    "a model that was trained with --epsilon keeps no user, give it those of a graph (--graph)"
                ) from None
            near = self._near(key)
            raise NotFoundError(
                f"no {self.node_type} with key {key!r} in the snapshot; expected one of {len(self)} keys such as "
                + ", ".join(map(repr, near))
            ) from None

    def _near(self, key: str) -> list[str]:
        """Three keys that a message may name: the nearest to one that is not there, else the first."""
        if isinstance(key, str) and len(self) <= _MOST_COMPARED:
            written = {one.casefold(): one for one in reversed(self.keys.to_pylist())}
            if alike := get_close_matches(key.casefold(), written, 3):
                return [written[one] for one in alike]
        found: list[str] = self.keys[:3].to_pylist()
        return found

    def indices(self, keys: Sequence[str] | pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """Dense indices of many keys, shape (n,); -1 where a key is unknown."""
        asked = pa.array(keys, pa.string()) if isinstance(keys, Sequence) else keys
        bounds = pc.min_max(asked).as_py()
        if bounds["min"] is None:
            return np.full(len(asked), -1, dtype=np.int64)
        # the hash table that index_in builds is of this part alone: a batch in key order costs what it holds
        first = bisect_left(self.keys, bounds["min"], key=pa.StringScalar.as_py)
        last = bisect_right(self.keys, bounds["max"], lo=first, key=pa.StringScalar.as_py)
        found = pc.index_in(asked, self.keys[first:last]).cast(pa.int64())
        return np.asarray(pc.fill_null(pc.add(found, first), -1), dtype=np.int64)

    def mask(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Which ids are among some keys, boolean, shape (ids,); keys that are unknown say nothing."""
        found = self.indices(keys)
        mask = np.zeros(len(self), np.bool_)
        mask[found[found >= 0]] = True
        return mask

    def key(self, index: int) -> str:
        """The key at a dense index."""
        return str(self.keys[index].as_py())


@dataclass(frozen=True)
class EdgeTable:
    """Edges of one relation type, sorted by (source, target), at most one per pair.

    Attributes:
        source: dense indices of the tails, int64, shape (m,).
        target: dense indices of the heads, int64, shape (m,).
        weight: float32, shape (m,), or None where the relation has no weight; NaN for a missing value.
        time: Unix seconds, int64, shape (m,), or None; the smallest int64 for a missing value.
        times: of a relation whose repeats are counted (``kr:repeats kr:count``) when each happened: an Arrow large list
            of int64 per edge, ascending, without missing ones; None for other relations, and where there are no times.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float32] | None = None
    time: NDArray[np.int64] | None = None
    times: pa.LargeListArray | None = None

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: NDArray[Any]) -> EdgeTable:
        """The edges at positions (or a boolean mask) ``rows``, in their order."""
        return EdgeTable(
            self.source[rows],
            self.target[rows],
            None if self.weight is None else self.weight[rows],
            None if self.time is None else self.time[rows],
            None if self.times is None else self.times.take(pa.array(np.arange(len(self))[rows])),
        )


def own_times(edges: EdgeTable) -> pa.LargeListArray:
    """When each edge happened, shape (m,): :attr:`EdgeTable.times`, or else its one time.

    An empty list for an edge without a time.
    """
    if edges.times is not None:
        return edges.times
    time = np.full(len(edges), NO_TIME) if edges.time is None else edges.time
    there = time != NO_TIME
    offsets = np.concatenate([[0], np.cumsum(there)])
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(time[there], pa.int64()))


def events_of(edges: EdgeTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Everything that happened, by :func:`own_times`: the edge of each event, ascending, and its time; shape (events,).

    An edge without a time has none.
    """
    times = own_times(edges)
    counts = np.asarray(pc.list_value_length(times), dtype=np.int64)
    return np.repeat(np.arange(len(edges)), counts), np.asarray(times.flatten(), dtype=np.int64)


def with_events(edges: EdgeTable, edge: NDArray[np.int64], time: NDArray[np.int64]) -> EdgeTable:
    """The edges of some events alone: the weight is their number, the time the latest; edges without any are left out.

    Args:
        edges: where repeats are counted.
        edge: of each event, ascending, shape (events,).
        time: of each event, ascending within an edge, shape (events,).
    """
    rows, counts = np.unique(edge, return_counts=True)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    times = pa.LargeListArray.from_arrays(pa.array(bounds, pa.int64()), pa.array(time, pa.int64()))
    weight = counts.astype(np.float32)
    return EdgeTable(edges.source[rows], edges.target[rows], weight, time[bounds[1:] - 1], times)


def counts_as_positive(edges: EdgeTable, interaction: RelationType) -> NDArray[np.bool_]:
    """Which of some interactions count as positive, shape (m,); see :meth:`kg_rec.snapshot.Snapshot.liked`."""
    if edges.weight is None:
        return np.ones(len(edges), np.bool_)
    if interaction.positive_from is None:
        return ~(edges.weight <= 0)  # also where there is no weight
    return edges.weight >= interaction.positive_from


def counts_against(edges: EdgeTable, interaction: RelationType) -> NDArray[np.bool_]:
    """Which of some interactions say that an item was not liked, shape (m,).

    An opinion (``repeats`` is ``last`` or not said) counts against below ``positive_from``, or below 0 where the schema
    does not say from which weight on.  An amount is another thing: little of it is no dislike.  A sum counts against
    from 0 down, as what was bought and returned, another amount below 0.  A missing weight says nothing.
    """
    if edges.weight is None:
        return np.zeros(len(edges), np.bool_)
    if interaction.repeats == "sum":
        return edges.weight <= 0
    opinion = interaction.repeats in (None, "last")
    return edges.weight < ((interaction.positive_from or 0.0) if opinion else 0.0)


def positive(edges: EdgeTable, interaction: RelationType) -> EdgeTable:
    """Of some interactions those that count as positive; see :meth:`kg_rec.snapshot.Snapshot.liked`."""
    liked = counts_as_positive(edges, interaction)
    return edges if liked.all() else edges.take(liked)
