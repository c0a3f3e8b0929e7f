"""A number with its noun."""

from __future__ import annotations


def quantity(count: int, one: str, several: str = "") -> str:
    """``1 item``, ``2,000 items``; ``several`` where the plural has more than an s."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
