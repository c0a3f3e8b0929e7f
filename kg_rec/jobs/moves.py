"""What lists say of the items that do not stand where their score alone would put them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.explain.words.languages.base import speaker
from kg_rec.jobs.mix import shares
from kg_rec.jobs.rerank import Calibration, Reranked, Reranker, Why
from kg_rec.schema import GraphSchema


def moved(schema: GraphSchema, rules: Reranker, ranked: Reranked, own: Floats64 | None, best: Ints) -> list[str | None]:
    """From where each item was moved and why, user by user and by rank; None where its score has it there.

    Args:
        schema: that names the languages' words.
        rules: that moved them.
        ranked: the lists.
        own: mix of kinds of what each user liked, shape (users, kinds); for a calibration.
        best: the lists by score alone, -1 for none, shape (users, k).
    """
    shown = None if own is None or rules.calibration is None else _mix(rules.calibration, best)
    words = speaker(schema, rules.lang).what_if
    texts: list[str | None] = []
    for row, items in enumerate(ranked.items.tolist()):
        for place, item in enumerate(items):
            if item < 0:
                continue
            before, why = int(ranked.before[row, place]), int(ranked.why[row, place])
            if before == place + 1:
                texts.append(None)
                continue
            if 0 < before <= place:
                reason = words["moved_down"]
            elif why == Why.FLOOR:
                floor = rules.floors[int(ranked.floor[row, place])]
                reason = words["moved_floor"].format(share=_percent(floor.share), group=floor.label)
            elif why == Why.MIX and own is not None and shown is not None and rules.calibration is not None:
                reason = _lack(rules.calibration, item, own[row], shown[row], best.shape[1], words)
            elif why == Why.NEW:
                reason = words["moved_new"]
            else:
                reason = words["moved_diverse" if why == Why.DIVERSE else "moved_room"]
            how = "moved" if before > 0 else "moved_below"
            texts.append(words[how].format(before=abs(before), now=place + 1, why=reason))
    return texts


def _lack(calibration: Calibration, item: int, own: Floats64, shown: Floats64, k: int, words: Mapping[str, str]) -> str:
    """Of the item's kinds the one that the list by score alone lacks most."""
    kinds = np.flatnonzero(calibration.mix[item])
    lacking = (own - shown)[kinds]
    if not len(kinds) or lacking.max() <= 0:
        return words["moved_nearer"].format(relation=calibration.label)
    kind = int(kinds[lacking.argmax()])
    name = f"{calibration.label} {calibration.names[kind]}"
    return words["moved_mix"].format(kind=name, own=_percent(own[kind]), shown=_percent(shown[kind]), k=k)


def _mix(calibration: Calibration, top: Ints) -> Floats64:
    mixes = np.where((top >= 0)[:, :, None], calibration.mix[np.maximum(top, 0)], 0.0).sum(axis=1)
    return shares(mixes)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
