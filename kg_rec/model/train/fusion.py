"""Fusion: the weight lambda of each channel, chosen by coordinate ascent on validation NDCG@10."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from kg_rec.arrays.types import Floats32, Floats64
from kg_rec.metrics import standard_error
from kg_rec.model.config import FusionConfig
from kg_rec.progress import Progress, no_progress

#: Weights tried for a channel that is raised as far as the tolerance allows, the largest first.
_RAISED = (0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02)


def choose_lambdas(
    scores: Mapping[str, Floats32],
    start: Mapping[str, float],
    judge: Callable[[Floats32], Floats64],
    config: FusionConfig,
    *,
    fixed: frozenset[str] = frozenset(),
    positive: frozenset[str] = frozenset(),
    raised: Collection[str] = (),
    least: float = 0.0,
    progress: Progress = no_progress,
) -> tuple[dict[str, float], float]:
    """Weights of score matrices.

    Args:
        scores: one matrix per channel, each shape (validation users, items).
        start: initial weights.
        judge: validation metric of each user under a score matrix (which it may change), larger is better.
        config: steps and rounds.
        fixed: channels whose weight stays.
        positive: channels whose weight must not become 0.
        raised: channels whose weight is raised at the end as far as ``config.tolerance`` allows, because people can
            check their paths.
        least: standard errors that a move must add, so that weights stay where they are on mere chance.
        progress: called per weight.

    Returns:
        The weights and their mean validation metric.  A weight moves only if the metric gets better, so channels that
        harm on validation end at 0, unless they are raised.
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
                metric = judge(rest + old * step * scores[channel])
                if metric.mean() - best.mean() > least * standard_error(metric, best):
                    best, weights[channel], moved = metric, old * step, True
            total = rest + weights[channel] * scores[channel]
        if not moved:
            break
    progress(config.rounds * len(free), config.rounds * len(free), "weigh the channels")
    highest = best
    for channel in raised:
        if channel not in free:
            continue
        rest = total - weights[channel] * scores[channel]
        for weight in _RAISED:
            if weight <= weights[channel]:
                break
            metric = judge(rest + weight * scores[channel])
            if highest.mean() - metric.mean() <= config.tolerance * standard_error(metric, highest):
                weights[channel], best = weight, metric
                total = rest + weight * scores[channel]
                break
    return weights, float(best.mean())


def standardise(scores: Mapping[str, Floats32]) -> dict[str, float]:
    """Divide each channel's scores by their standard deviation, in place; returns the divisors."""
    units = {name: max(float(values.std()), 1e-12) for name, values in scores.items()}
    for name, values in scores.items():
        values /= np.float32(units[name])
    return units
