"""A cache of small arrays that never holds more than it may: what was not used for longest goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

#: Bytes that an entry takes besides the numbers in its arrays: the key, the tuple and up to three array objects.
ENTRY_BYTES = 600

#: What is kept of one node: arrays, or None where there is none.
Entry: TypeAlias = "tuple[Any, ...]"


class Cache:
    """Arrays by key, up to a number of bytes (:data:`ENTRY_BYTES` an entry, and the numbers).  Threads may share it.

    Args:
        most_bytes: what it may hold.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._bytes = 0
        self._turn = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes that are held now."""
        return self._bytes

    def found(self, keys: Iterable[Hashable]) -> dict[Hashable, Entry]:
        """The entries of those keys that have one; they count as used now."""
        with self._turn:
            entries = self._entries
            there = {key: entries[key] for key in keys if key in entries}
            for key in there:
                entries.move_to_end(key)
        return there

    def keep(self, entries: Mapping[Hashable, Entry]) -> None:
        """Hold more entries, as many as fit; what was not used for longest is given up for them."""
        with self._turn:
            for key, entry in entries.items():
                self._bytes += _size(entry) - _size(self._entries.pop(key, None))
                self._entries[key] = entry
            while self._bytes > self.most_bytes and self._entries:
                self._bytes -= _size(self._entries.popitem(last=False)[1])

    def __getstate__(self) -> int:
        return self.most_bytes  # another process begins with an empty one

    def __setstate__(self, most_bytes: int) -> None:
        self.__init__(most_bytes)  # type: ignore[misc]


def _size(entry: Entry | None) -> int:
    if entry is None:
        return 0
    return ENTRY_BYTES + sum(array.nbytes for array in entry if isinstance(array, np.ndarray))
