"""What each channel weighs, chosen on the scores of the validation users.

Beside the weights stands what only shows beside the other channels: the numbers of some channels, how much dislikes
count, and the weight of what is in fashion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats32, Floats64, Ints
from kg_rec.metrics import ValidationSet, standard_error
from kg_rec.model.channels.base import Candidate, ChannelKind, Log, TrainingData
from kg_rec.model.channels.registry import kind_of, kinds_of
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import scale
from kg_rec.model.histories import histories
from kg_rec.model.kernel import Kernel
from kg_rec.model.train.fusion import choose_lambdas, standardise
from kg_rec.model.train.prior import kernel_with_prior
from kg_rec.model.train.validation import Validation
from kg_rec.progress import Progress
from kg_rec.snapshot import EdgeTable

#: Where the fusion begins for the part of the score that is the same for everybody.
BASE_START = 0.01
#: How many times ``fusion.least`` what users did not like must add: some weight of several is better by chance often.
SURE = 2.0
#: Where the weight of what is in fashion begins too, besides 0: a little of it already orders what has no other score,
#: so that a climb from 0 stops short of where it would weigh as much as all the rest.
FASHION_STARTS = (1.0, 4.0)
#: The same of what users have again.
AGAIN_STARTS = (0.3, 1.0, 3.0)


def same_for_all(validation: Validation, counts: Ints) -> Floats32:
    """The same scores for every validation user, log(1 + n), shape (users, items ranked)."""
    ranked = scale(counts if validation.items is None else counts[validation.items])
    return np.tile(ranked, (len(validation.rows), 1))


@dataclass(frozen=True)
class ValidationScores:
    """Scores of the validation users.

    Attributes:
        validation: the users and the items that they rank.
        rows: their histories, CSR, shape (users, items).
        popularity: interactions of each item in training, shape (items,).
        config: settings.
        data: what was chosen, and what the graph says.
        lately: how many users chose each item in the days before validation, shape (items,); None for no such days.
        habit: scores by what the users had again and again, shape (users, items ranked); None where they do not.
    """

    validation: Validation
    rows: sparse.csr_array
    popularity: NDArray[np.int64]
    config: TrainConfig
    data: TrainingData
    lately: Ints | None
    habit: Floats32 | None = None

    @property
    def _popularity(self) -> NDArray[np.int64]:
        items = self.validation.items
        return self.popularity if items is None else self.popularity[items]

    def of(self, channel: str, kernel: Kernel) -> Floats32:
        """Scores of a channel with its part of W, scaled by popularity, shape (users, items ranked)."""
        kind = kind_of(channel)
        scale = popularity_scale(kind, self._popularity, self.config, self.data.chosen)
        return kernel_with_prior(kind, kernel, self.data).scores(self.rows, self.validation.items) * scale

    def base(self) -> Floats32:
        """Scores by popularity alone, shape (users, items ranked)."""
        return same_for_all(self.validation, self.popularity)

    def of_time(self) -> dict[str, Floats32]:
        """Scores by the time of the list, by name, shape (users, items ranked): what is had again, what is in fashion.

        Each is left out where it is off.
        """
        again = {} if self.habit is None else {"again": self.habit}
        return again if self.lately is None else {**again, "fashion": same_for_all(self.validation, self.lately)}


@dataclass(frozen=True)
class Fusion:
    """Weights of the channels.

    Attributes:
        lambdas: weight by channel, and of ``base``, in units of the channel.
        units: standard deviation of each channel's scores.
        metric: validation NDCG@10 of the weighted sum.
        alone: validation NDCG@10 of each channel by itself.
        per_user: validation NDCG@10 of each user.
    """

    lambdas: Mapping[str, float]
    units: Mapping[str, float]
    metric: float
    alone: Mapping[str, float]
    per_user: Floats64

    def beats(self, other: Fusion, least: float) -> bool:
        """Whether it is better by more than so many standard errors of the difference."""
        return self.metric - other.metric > least * standard_error(self.per_user, other.per_user)


def choose_beside(
    kernels: Mapping[str, Kernel],
    variants: Mapping[str, list[Candidate]],
    scores: ValidationScores,
    chosen: dict[str, Mapping[str, Any]],
    progress: Progress,
    log: Log,
) -> tuple[Fusion, Mapping[str, Mapping[str, Any]]]:
    """The weights, and the numbers of those channels that are only judged beside the others.

    The first candidate of such a channel stays, unless another one is better by more than chance.
    """
    judge, config = scores.validation.judge, scores.config
    parts = {name: scores.of(name, kernel) for name, kernel in kernels.items()}
    parts |= scores.of_time()
    parts["base"] = scores.base()
    for name, candidates in variants.items():
        parts = {name: scores.of(name, candidates[0][1]), **parts}
    fused = None
    for name, candidates in variants.items():
        picked = None
        for numbers, kernel in candidates:
            own = scores.of(name, kernel)
            fusion = fuse({n: own if n == name else part for n, part in parts.items()}, judge, config, progress)
            log({"stage": name, **numbers, "ndcg@10": fusion.metric})
            if picked is None or fusion.beats(picked[0], config.fusion.least):
                picked = fusion, own
                chosen[name] = numbers
        if picked is not None:
            fused, parts[name] = picked
    fused = fused or fuse(parts, judge, config, progress)
    begun: dict[str, float] = {}
    for name, starts in (("again", AGAIN_STARTS), ("fashion", FASHION_STARTS)):
        tried = [{**begun, name: start} for start in starts] if name in parts else []
        for start in tried:
            other = fuse(parts, judge, config, progress, start)
            log({"stage": name, "start": start[name], "ndcg@10": other.metric, "lambda": other.lambdas})
            if other.beats(fused, config.fusion.least):
                fused, begun = other, start
    return fused, chosen


def choose_against(
    kernels: Mapping[str, Kernel], scores: ValidationScores, fused: Fusion, disliked: EdgeTable | None, log: Log
) -> float:
    """How much a pair that says that an item was not liked takes away from items like it, under the fused weights.

    The weight whose gain is largest after what chance may have added; 0 where none is left, or there is no such pair.
    """
    config, validation = scores.config, scores.validation
    if disliked is None or not any(config.against):
        return 0.0
    rows = histories(disliked, scores.data.interactions.shape, 0)[validation.rows]
    if not rows.nnz:
        return 0.0
    shape = (rows.shape[0], len(scores._popularity))
    weights = {name: np.float32(fused.lambdas.get(name, 0.0) / fused.units[name]) for name in fused.units}

    def total(of: ValidationScores) -> Floats32:
        parts = (weights[name] * of.of(name, kernel) for name, kernel in kernels.items() if name in weights)
        return sum(parts, np.zeros(shape, np.float32))

    same = {**scores.of_time(), "base": scores.base()}  # whatever they disliked
    liked = sum((weights[name] * values for name, values in same.items()), total(scores))
    taken = total(replace(scores, rows=rows))
    never = rows if validation.items is None else rows[:, validation.items]
    judge = replace(validation.judge, seen=validation.judge.seen + never)  # what was disliked is not recommended
    metrics = {w: judge.per_user(liked - np.float32(w) * taken) for w in dict.fromkeys((0.0, *config.against))}
    log({"stage": "against", "ndcg@10": {str(w): float(metric.mean()) for w, metric in metrics.items()}})
    least, without = SURE * config.fusion.least, metrics[0.0]
    sure = {w: m.mean() - without.mean() - least * standard_error(m, without) for w, m in metrics.items()}
    return max(sure, key=lambda w: sure[w])


def fuse(
    scores: Mapping[str, Floats32],
    judge: ValidationSet,
    config: TrainConfig,
    progress: Progress,
    begun: Mapping[str, float] | None = None,
) -> Fusion:
    """Weights of score matrices by channel and of ``base``, each of shape (users, items ranked).

    Args:
        scores: the matrices.
        judge: the users.
        config: settings.
        progress: called per weight.
        begun: where the weights of ``again`` and ``fashion`` begin; 0 where nothing is said.
    """
    scores = {name: values.copy() for name, values in scores.items()}
    units = standardise(scores)
    alone = {name: judge.ndcg(values.copy()) for name, values in scores.items()}
    whole = any(kind.beyond_prior and kind.name in scores for kind in kinds_of(config.channels))
    starts = {kind.name: 0.0 if kind.is_prior and whole else kind.start for kind in kinds_of(config.channels)}
    lambdas, metric = choose_lambdas(
        scores,
        starts | {"base": BASE_START, "again": 0.0, "fashion": 0.0, **(begun or {})},
        judge.per_user,
        config.fusion,
        positive=frozenset({"base"}),
        raised=checkable(config),
        least=config.fusion.least,
        progress=progress,
    )
    in_order = [
        c for c in (*(kind.name for kind in kinds_of(config.channels)), "again", "fashion", "base") if c in scores
    ]
    whole_score = sum((np.float32(lambdas[c]) * scores[c] for c in scores), np.float32(0))
    per_user = judge.per_user(np.asarray(whole_score))
    return Fusion({c: lambdas[c] for c in in_order}, units, metric, {c: alone[c] for c in in_order}, per_user)


def checkable(config: TrainConfig) -> tuple[str, ...]:
    """Channels whose paths run through named facts, which people can check."""
    return tuple(kind.name for kind in kinds_of(config.channels) if kind.paths == "facts")


def popularity_scale(
    kind: ChannelKind,
    popularity: NDArray[np.int64],
    config: TrainConfig,
    chosen: Mapping[str, Mapping[str, Any]],
) -> Floats32:
    """What a channel's scores are multiplied by, shape as given."""
    exponent = np.float32(kind.popularity_exponent(config.parts, chosen))
    scale: Floats32 = np.maximum(popularity, 1).astype(np.float32) ** exponent
    return scale * (popularity > 0) if kind.is_prior else scale
