"""Whether a sentence says what its pattern says, and nothing else."""

from __future__ import annotations

from kg_rec.explain.patterns import Pattern
from kg_rec.explain.slots import check


def check_phrase(pattern: Pattern, text: str, lang: str) -> tuple[str, ...]:
    """Reasons to reject a sentence for a pattern; empty if it may be used.

    Args:
        pattern: what it must say.
        text: the proposed sentence, with slots.
        lang: its language.
    """
    return check(text, tuple(slot.tag for slot in pattern.slots))
