"""The next mini-batches while a model learns from the last one, in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from kg_rec.errors import ArgumentError


class prefetched:  # noqa: N801  # read as a function: for batch in prefetched(loader)
    """A loader whose mini-batches are made ahead by one thread, while it waits for the store or the model computes.

    Mini-batches and their order are those of the loader.  An error of the loader is raised where the mini-batch would
    have come; who stops early ends the thread.

    Args:
        loader: what gives mini-batches; iterated once per iteration of this.
        ahead: most mini-batches that wait, at least 1.

    Raises:
        ArgumentError: ``ahead`` is below 1.
    """

    def __init__(self, loader: Iterable[Any], ahead: int = 2) -> None:
        if ahead < 1:
            raise ArgumentError(f"ahead: expected at least 1 mini-batch, got {ahead}")
        self._loader, self._ahead = loader, ahead

    def __len__(self) -> int:
        return len(self._loader)  # type: ignore[arg-type]  # where the loader has a length

    def __iter__(self) -> Iterator[Any]:
        made: queue.Queue[tuple[bool, Any]] = queue.Queue(self._ahead)
        stopped = threading.Event()

        def work() -> None:
            try:
                for batch in self._loader:
                    if not _put(made, (True, batch), stopped):
                        return
                _put(made, (False, None), stopped)
            except BaseException as error:  # noqa: BLE001  # raised by the reader
                _put(made, (False, error), stopped)

        thread = threading.Thread(target=work, name="kg_rec-prefetch", daemon=True)
        thread.start()
        try:
            while True:
                more, value = made.get()
                if more:
                    yield value
                elif value is None:
                    return
                else:
                    raise value
        finally:
            stopped.set()
            thread.join()


def _put(made: queue.Queue[tuple[bool, Any]], entry: tuple[bool, Any], stopped: threading.Event) -> bool:
    """Whether the entry was taken before the reader stopped."""
    while not stopped.is_set():
        try:
            made.put(entry, timeout=0.05)
        except queue.Full:
            continue
        return True
    return False
