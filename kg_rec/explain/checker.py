"""Whether a sentence says what its pattern says, and nothing else."""

from __future__ import annotations

from kg_rec.explain.patterns import Pattern, Tone
from kg_rec.explain.slots import check


def check_phrase(pattern: Pattern, text: str, lang: str, tone: Tone = "friendly") -> tuple[str, ...]:
    """Reasons to reject a sentence for a pattern; empty if it may be used.

    Args:
        pattern: what it must say.
        text: the proposed sentence, with slots.
        lang: its language.
        tone: its tone; ``audit`` sentences have the slot ``[SHARE_1]`` besides the pattern's.
    """
    return check(text, tuple(slot.tag for slot in pattern.slots_of(tone)))
