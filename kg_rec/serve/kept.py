"""Lists that were answered, kept as they were sent, and what says that nothing has changed since."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

#: Longest text of a request whose answer is kept, in bytes.
_LONGEST = 1_000
#: Users whose last change is known.
_USERS = 100_000


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the graph: what a list was made from.

    Attributes:
        state: number of the state of model and graph.
        files: of an embedded graph, by name, size and time; none for a server.
        at: when it was, on the monotonic clock.
    """

    state: int
    files: tuple[tuple[str, int, int], ...]
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
        did: what the user did then.
        body: the answer, as it is sent.
    """

    user: str
    look: Look
    did: bytes
    body: bytes


class KeptLists:
    """The newest answers by the text of their request, least used first out.

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self._size, self._kept, self._lock = size, OrderedDict[bytes, Kept](), threading.Lock()
        self._changed, self._before = OrderedDict[str, float](), float("-inf")

    def get(self, request: bytes) -> Kept | None:
        """The answer to a request; None where there is none."""
        with self._lock:
            found = self._kept.get(request)
            if found is None or self._changed.get(found.user, self._before) >= found.look.at:
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

    def change(self, users: Iterable[str]) -> None:
        """Something was written of some users: what was seen of them before does not hold, also what is being made."""
        with self._lock:
            for user in users:
                self._changed[user] = time.monotonic()
                self._changed.move_to_end(user)
            while len(self._changed) > _USERS:
                self._before = self._changed.popitem(last=False)[1]  # what is older holds of nobody any more
