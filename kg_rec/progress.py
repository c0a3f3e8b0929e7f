"""How far long work is: a function that is called as it advances."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (steps done, all steps or None where that is unknown, what is being done).
Progress = Callable[[int, int | None, str], None]


def no_progress(done: int, total: int | None, what: str) -> None:
    """A :data:`Progress` that shows nothing; the default everywhere."""
