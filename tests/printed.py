"""Compares what is printed with what a page or a notebook has: words exactly, numbers as far as processors differ."""

from __future__ import annotations

import re

from nbformat import NotebookNode

#: A number that is no part of a name such as sim-0100, and the sign of a percentage.
NUMBER = re.compile(r"(?<![A-Za-z0-9.,@-])(\d[\d,]*(?:\.\d+)?)( ?%)?(?![\d-])")

#: The tag of a cell whose numbers depend on the processor: rounding grows in hundreds of steps of training.
DIFFERS = "differs"
#: What is another one each time: the address of an object.
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def numbers(text: str) -> tuple[str, list[tuple[float, float]]]:
    """A text with a NUL for each number, and the numbers, each with how much another one may differ.

    Whole numbers count something and are the same everywhere; others may differ by 2 % from one processor to another,
    a percentage also by one of its last digit.
    """
    found = []

    def taken(match: re.Match[str]) -> str:
        digits, percent = match.group(1).replace(",", ""), match.group(2)
        places = len(digits.partition(".")[2])
        value = float(digits)
        slack = 0.02 * value if places or percent else 0.0
        found.append((value, max(slack, 10.0**-places) if percent else slack))
        return f"\0{percent or ''}"

    masked = NUMBER.sub(taken, re.sub(r"\s+", " ", text).strip())
    return masked, found


def says(line: str, printed: str) -> bool:
    """Whether a line is among what was printed."""
    wanted, expected = numbers(line)
    masked, found = numbers(printed)
    at = masked.find(wanted)
    while at >= 0:
        skipped = masked[:at].count("\0")
        pairs = zip(expected, found[skipped:], strict=False)
        if all(abs(value - other) <= slack + 1e-9 for (value, slack), (other, _) in pairs):
            return True
        at = masked.find(wanted, at + 1)
    return False


def cell_texts(cell: NotebookNode) -> list[str]:
    """What a cell of a notebook prints and the plain text of what it shows."""
    shown = [o.text if o.output_type == "stream" else o.data.get("text/plain", "") for o in cell.outputs]
    return [ADDRESS.sub("0x…", text) for text in shown]
