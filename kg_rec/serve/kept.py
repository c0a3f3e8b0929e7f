"""Lists that were answered, kept as they were sent, and what says that nothing has changed since."""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Longest text of a request whose answer is kept, in bytes.
_LONGEST = 1_000
#: Times of changes that are kept.
_SLOTS = 1 << 17
#: Name, size and time of files.
Files = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the graph: what a list was made from.

    Attributes:
        state: number of the state of model and graph.
        files: of an embedded graph, by name, size and time; none for a server.
        at: when it was, on the monotonic clock.
    """

    state: int
    files: Files
    at: float

    def still(self, now: Look, seconds: float) -> bool:
        """Whether what was seen holds: the files are the same; of a server, the look is not older than ``seconds``."""
        if self.state != now.state or self.files != now.files:
            return False
        return bool(self.files) or now.at - self.at < seconds


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer.

    Attributes:
        user: whose list it is.
        look: when the graph was last seen to be as it was.
        did: a digest of what the user did then; empty where it is what the state holds.
        body: the answer, as it is sent.
    """

    user: str
    look: Look
    did: bytes
    body: bytes


class Changes:
    """When something was last written of a user; processes that are given the same file share it.

    Users share slots: one that another's change falls into is asked of the graph once more than needed.  The clock is
    the machine's monotonic one, which all its processes have in common.

    Args:
        file: where it is shared; made where it is not there.  None for one process.
    """

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            self._at: NDArray[np.float64] = np.zeros(_SLOTS)
            return
        with file.open("ab") as made:
            made.truncate(8 * _SLOTS)
        self._at = np.memmap(file, np.float64, "r+", shape=(_SLOTS,))

    def of(self, user: str) -> float:
        """When something was last written of a user; 0 for never."""
        return float(self._at[_slot(user)])

    def mark(self, users: Iterable[str]) -> None:
        """Something was written of some users, or was tried to be."""
        for user in users:
            self._at[_slot(user)] = time.monotonic()


def _slot(user: str) -> int:
    return zlib.crc32(user.encode()) % _SLOTS


class KeptLists:
    """The newest answers by the text of their request, least used first out.

    Args:
        size: how many.
        changes: what says that something was written of a user since, also while an answer was made.
    """

    def __init__(self, size: int, changes: Changes) -> None:
        self._size, self._kept, self._lock = size, OrderedDict[bytes, Kept](), threading.Lock()
        self._changes = changes

    def get(self, request: bytes) -> Kept | None:
        """The answer to a request; None where there is none."""
        with self._lock:
            found = self._kept.get(request)
            if found is None or self._changes.of(found.user) >= found.look.at:
                return None
            self._kept.move_to_end(request)
            return found

    def put(self, request: bytes, answer: Kept) -> None:
        """Keep an answer."""
        if len(request) > _LONGEST:
            return
        with self._lock:
            self._kept[request] = answer
            self._kept.move_to_end(request)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def files_of(url: str) -> Files:
    """Name, size and time of the files of an embedded graph, without those that lock it; nothing for a server."""
    if "://" in url:
        return ()
    try:
        with os.scandir(url) as found:
            there = [(f.name, f.stat()) for f in found if ".lock" not in f.name and f.is_file()]
        return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in there))
    except OSError:
        return ()
