"""Fusion: the weight lambda of each channel, chosen by coordinate ascent on validation NDCG@10."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kg_rec.config import FusionConfig
from kg_rec.model.kernel import Floats
from kg_rec.store.base import Progress, no_progress


def choose_lambdas(
    scores: Mapping[str, Floats],
    start: Mapping[str, float],
    judge: Callable[[Floats], float],
    config: FusionConfig,
    *,
    fixed: frozenset[str] = frozenset(),
    positive: frozenset[str] = frozenset(),
    progress: Progress = no_progress,
) -> tuple[dict[str, float], float]:
    """Weights of score matrices.

    Args:
        scores: one matrix per channel, each shape (validation users, items).
        start: initial weights.
        judge: validation figure of a score matrix (it may change the matrix), larger is better.
        config: steps and rounds.
        fixed: channels whose weight stays.
        positive: channels whose weight must not become 0.
        progress: called per weight.

    Returns:
        The weights and their validation figure.  A weight moves only if the figure gets better, so channels that
        do not help on validation end at 0.
    """
    weights = dict(start)
    total = sum((scores[c] * weights[c] for c in scores), start=0.0 * next(iter(scores.values())))
    best = judge(total.copy())
    free = [c for c in scores if c not in fixed]
    done = 0
    for _ in range(config.rounds):
        moved = False
        for channel in free:
            progress(done, config.rounds * len(free), "weigh the channels")
            done += 1
            rest = total - weights[channel] * scores[channel]
            old = weights[channel] or 0.05
            for step in config.steps:
                if step == 0 and channel in positive:
                    continue
                found = judge(rest + old * step * scores[channel])
                if found > best:
                    best, weights[channel], moved = found, old * step, True
            total = rest + weights[channel] * scores[channel]
        if not moved:
            break
    progress(config.rounds * len(free), config.rounds * len(free), "weigh the channels")
    return weights, best
