"""A number with its noun."""

from __future__ import annotations


def quantity(count: int, one: str, several: str = "") -> str:
    """A number and its noun; ``several`` where the plural has more than an s.

    >>> quantity(1, "item"), quantity(2000, "item"), quantity(2, "category", "categories")
    ('1 item', '2,000 items', '2 categories')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"
