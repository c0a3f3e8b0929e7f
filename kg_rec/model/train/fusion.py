"""Fusion: the weight lambda of each channel, chosen by coordinate ascent on validation NDCG@10."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kg_rec.model.config import FusionConfig
from kg_rec.model.kernel import Floats
from kg_rec.progress import Progress, no_progress

#: The channel whose weight is raised as far as the tolerance allows.
CHECKABLE = "knowledge"
_CHECKABLE_STEPS = (0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02)


def choose_lambdas(
    scores: Mapping[str, Floats],
    start: Mapping[str, float],
    judge: Callable[[Floats], float],
    config: FusionConfig,
    *,
    fixed: frozenset[str] = frozenset(),
    positive: frozenset[str] = frozenset(),
    least: float = 0.0,
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
        least: share of the figure that a move must add, so that weights stay where they are on mere chance.
        progress: called per weight.

    Returns:
        The weights and their validation figure.  A weight moves only if the figure gets better, so channels that
        harm on validation end at 0; but the knowledge channel, whose paths people can check, is then raised
        as far as ``config.tolerance`` allows.
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
                if found > best * (1 + least):
                    best, weights[channel], moved = found, old * step, True
            total = rest + weights[channel] * scores[channel]
        if not moved:
            break
    progress(config.rounds * len(free), config.rounds * len(free), "weigh the channels")
    if CHECKABLE in free:
        rest = total - weights[CHECKABLE] * scores[CHECKABLE]
        for weight in _CHECKABLE_STEPS:
            found = judge(rest + weight * scores[CHECKABLE]) if weight > weights[CHECKABLE] else -1.0
            if found >= best - config.tolerance:
                return {**weights, CHECKABLE: weight}, found
    return weights, best


def standardise(scores: Mapping[str, Floats]) -> dict[str, float]:
    """Divide each channel's scores by their standard deviation, in place; returns the divisors."""
    units = {name: max(float(values.std()), 1e-12) for name, values in scores.items()}
    for name, values in scores.items():
        values /= np.float32(units[name])
    return units
