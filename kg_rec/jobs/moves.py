"""What lists say of the items that do not stand where their score alone would put them."""

from __future__ import annotations

import numpy as np

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.jobs.mix import shares
from kg_rec.jobs.rerank import Calibration, Reranked, Reranker, Why


def moved(rules: Reranker, ranked: Reranked, own: Floats64 | None, best: Ints) -> list[str | None]:
    """From where each item was moved and why, user by user and by rank; None where its score has it there.

    Args:
        rules: that moved them.
        ranked: the lists.
        own: mix of kinds of what each user liked, shape (users, kinds); for a calibration.
        best: the lists by score alone, -1 for none, shape (users, k).
    """
    shown = None if own is None or rules.calibration is None else _mix(rules.calibration, best)
    found: list[str | None] = []
    for row, items in enumerate(ranked.items.tolist()):
        for place, item in enumerate(items):
            if item < 0:
                continue
            before, why = int(ranked.before[row, place]), int(ranked.why[row, place])
            if before == place + 1:
                found.append(None)
                continue
            start = (
                f"moved from rank {before} to {place + 1}"
                if before > 0
                else (f"moved from below rank {-before} to {place + 1}")
            )
            if 0 < before <= place:
                found.append(f"{start}: others were moved up")
            elif why == Why.FLOOR:
                floor = rules.floors[int(ranked.floor[row, place])]
                found.append(f"{start}: at least {_percent(floor.share)} of the list's exposure is for {floor.label}")
            elif why == Why.MIX and own is not None and shown is not None and rules.calibration is not None:
                found.append(f"{start}: {_lack(rules.calibration, item, own[row], shown[row], best.shape[1])}")
            elif why == Why.NEW:
                found.append(f"{start}: a place is kept for new items")
            elif why == Why.DIVERSE:
                found.append(f"{start}: it is less like the items above it")
            else:
                found.append(f"{start}: items above it gave way")
    return found


def _lack(calibration: Calibration, item: int, own: Floats64, shown: Floats64, k: int) -> str:
    """Of the item's kinds the one that the list by score alone lacks most."""
    kinds = np.flatnonzero(calibration.mix[item])
    lacking = (own - shown)[kinds]
    if not len(kinds) or lacking.max() <= 0:
        return f"the list's mix of {calibration.label} comes nearer to that of what you liked"
    kind = int(kinds[lacking.argmax()])
    name = f"{calibration.label} {calibration.names[kind]}"
    return f"{name} is {_percent(own[kind])} of what you liked and {_percent(shown[kind])} of the top {k} by score"


def _mix(calibration: Calibration, top: Ints) -> Floats64:
    found = np.where((top >= 0)[:, :, None], calibration.mix[np.maximum(top, 0)], 0.0).sum(axis=1)
    return shares(found)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
