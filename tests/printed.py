"""Compares what was printed with what a text says was printed: words exactly, numbers as far as processors differ."""

from __future__ import annotations

import re

#: A number that is no part of a name such as sim-0100, and the sign of a percentage.
NUMBER = re.compile(r"(?<![A-Za-z0-9.,@-])(\d[\d,]*(?:\.\d+)?)( ?%)?(?![\d-])")


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
