"""Text that fits a number of cells: a Chinese character takes two."""

from __future__ import annotations

from rich.cells import cell_len


def cut(text: str, cells: int) -> str:
    """Text of at most so many cells; an ellipsis stands for what is left out."""
    while cell_len(text) > cells:
        text = text[: -2 if text.endswith("…") else -1].rstrip() + "…"
    return text


def padded(text: str, cells: int, *, left: bool = True) -> str:
    """Text at the left, or at the right, of so many cells."""
    gap = " " * (cells - cell_len(text))
    return text + gap if left else gap + text
