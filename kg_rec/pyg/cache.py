"""A cache of what was looked up of nodes, which never holds more than it may.

It has two halves.  What is looked up goes into the newer one; when that is full, the older one is given up, and the
newer becomes the older.  What is asked for again in the older half goes over into the newer.  So what was not used for
long goes first, as in a cache by last use, and many nodes are found at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.segments import bounds_of, ranges
from kg_rec.arrays.types import Ints

#: Nodes that one call of ``fetch`` asks for.
KEYS_PER_LOOKUP = 2_000
#: Bytes of a node besides its values: its number, where it is, where its values begin.
BYTES_PER_NODE = 24


@dataclass(frozen=True)
class Segments:
    """Values of several nodes side by side.

    Attributes:
        bounds: those of the n-th node are ``bounds[n]:bounds[n + 1]``, shape (nodes + 1,).
        columns: arrays of one length, or None where the nodes have no such values.
    """

    bounds: Ints
    columns: tuple[Any, ...]

    def take(self, rows: Ints) -> Segments:
        """The values of some nodes, in that order."""
        starts, lengths = self.bounds[rows], self.bounds[rows + 1] - self.bounds[rows]
        places = ranges(starts, lengths)
        return Segments(bounds_of(lengths), tuple(None if c is None else c[places] for c in self.columns))

    @classmethod
    def joined(cls, parts: Sequence[Segments]) -> Segments:
        """The nodes of all parts, one part after the other; of one kind, and at least one part."""
        lengths = np.concatenate([np.diff(part.bounds) for part in parts])
        columns = zip(*(part.columns for part in parts), strict=True)
        return cls(bounds_of(lengths), tuple(None if c[0] is None else np.concatenate(c) for c in columns))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return sum(column.nbytes for column in self.columns if column is not None)


class _Shelf:
    """Nodes of one kind in one half, found by binary search."""

    def __init__(self) -> None:
        self._nodes: Ints = np.empty(0, np.int64)  # sorted
        self._slots: Ints = np.empty(0, np.int64)  # of each node, in the order in which they came
        self._parts: list[Segments] = []

    def found(self, nodes: Ints) -> tuple[NDArray[np.bool_], Ints]:
        """Which nodes are here, and the slots of those."""
        if not len(self._nodes):
            return np.zeros(len(nodes), bool), np.empty(0, np.int64)
        near = np.minimum(np.searchsorted(self._nodes, nodes), len(self._nodes) - 1)
        there = self._nodes[near] == nodes
        return there, self._slots[near[there]]

    def take(self, slots: Ints) -> Segments:
        """The values in slots, in that order."""
        if len(self._parts) == 1:
            return self._parts[0].take(slots)
        firsts = bounds_of(np.array([len(part) for part in self._parts]))
        rows = [np.flatnonzero((slots >= first) & (slots < end)) for first, end in pairwise(firsts)]
        parts = [part.take(slots[r] - first) for part, r, first in zip(self._parts, rows, firsts, strict=False)]
        return Segments.joined(parts).take(np.argsort(np.concatenate(rows), kind="stable"))

    def add(self, nodes: Ints, values: Segments) -> None:
        """Put nodes that are not here beside the others."""
        self._slots = np.concatenate([self._slots, len(self._nodes) + np.arange(len(nodes))])
        self._nodes = np.concatenate([self._nodes, nodes])
        order = np.argsort(self._nodes, kind="stable")
        self._nodes, self._slots = self._nodes[order], self._slots[order]
        self._parts.append(values)
        while len(self._parts) > 1 and 2 * len(self._parts[-1]) > len(self._parts[-2]):  # so there are few of them
            self._parts[-2:] = [Segments.joined(self._parts[-2:])]


class Cache:
    """Values of nodes by their kind (an edge type, a node type) and number.  Threads may share it.

    Args:
        most_bytes: what it may hold: the values, and :data:`BYTES_PER_NODE` a node.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._halves: list[dict[Hashable, _Shelf]] = [{}, {}]  # the newer, the older
        self._bytes = [0, 0]
        self._turn = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes that are held now."""
        return sum(self._bytes)

    def values(self, kind: Hashable, nodes: Ints, fetch: Callable[[Ints], Segments]) -> Segments:
        """The values of nodes, in that order.

        Args:
            kind: their kind.
            nodes: numbers, which may repeat.
            fetch: looks up the values of numbers that are not here, which are sorted and do not repeat.
        """
        wanted, inverse = np.unique(nodes, return_inverse=True)
        inverse = inverse.reshape(-1)
        missing, order, parts = wanted, [np.empty(0, np.int64)], []
        with self._turn:
            again: list[tuple[Ints, Segments]] = []
            for half in self._halves:
                shelf = half.get(kind, _Shelf())
                there, slots = shelf.found(missing)
                if half is self._halves[0] and len(there) and there.all():
                    return shelf.take(slots[inverse])
                if there.any():
                    parts.append(shelf.take(slots))
                    order.append(missing[there])
                    again.append((missing[there], parts[-1]))
                missing = missing[~there]
        for start in range(0, len(missing) or int(not parts), KEYS_PER_LOOKUP):
            some = missing[start : start + KEYS_PER_LOOKUP]
            parts.append(fetch(some))
            order.append(some)
            again.append((some, parts[-1]))
        with self._turn:
            for numbers, values in again:
                self._keep(kind, numbers, values)
        place = np.argsort(np.concatenate(order), kind="stable")
        return Segments.joined(parts).take(place[inverse])

    def _keep(self, kind: Hashable, nodes: Ints, values: Segments) -> None:
        """Put nodes into the newer half, but for those that are there."""
        there, _ = self._halves[0].get(kind, _Shelf()).found(nodes)
        if there.all():
            return
        nodes, values = nodes[~there], values.take(np.flatnonzero(~there))
        size = values.nbytes + BYTES_PER_NODE * len(nodes)
        if 2 * size > self.most_bytes:
            return
        if 2 * (self._bytes[0] + size) > self.most_bytes:
            self._halves, self._bytes = [{}, self._halves[0]], [0, self._bytes[0]]
        self._halves[0].setdefault(kind, _Shelf()).add(nodes, values)
        self._bytes[0] += size

    def __getstate__(self) -> int:
        return self.most_bytes  # another process begins with an empty one

    def __setstate__(self, most_bytes: int) -> None:
        self.__init__(most_bytes)  # type: ignore[misc]
