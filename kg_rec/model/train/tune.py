"""What is chosen on validation: :func:`tune` goes through the channels, with one function per question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats32, Floats64, Ints
from kg_rec.metrics import ValidationSet, standard_error
from kg_rec.model.channels.base import PRIOR_FACTOR, ChannelKind, TrainingData
from kg_rec.model.channels.registry import kind_of, kinds
from kg_rec.model.chosen import Chosen, RatingScale
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import chosen_lately, scale
from kg_rec.model.histories import histories, learnable, ranks_from_latest, rating_scale
from kg_rec.model.kernel import FactorKernel, Kernel, SumKernel
from kg_rec.model.shards import HERE, Shards
from kg_rec.model.train.device import device
from kg_rec.model.train.fusion import choose_lambdas, standardise
from kg_rec.model.train.new_items import tune_new_items
from kg_rec.model.train.validation import Validation
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split, holdout_split

Log = Callable[[Mapping[str, object]], None]
#: Numbers chosen for a channel, and its kernel with them.
Candidate = tuple[Mapping[str, Any], Kernel]

#: Where the fusion begins for the part of the score that is the same for everybody.
BASE_START = 0.01
#: How many times ``fusion.least`` what users did not like must add: some weight of several is better by chance often.
SURE = 2.0
#: Where the weight of what is in fashion begins too, besides 0: a little of it already orders what has no other score,
#: so that a climb from 0 stops short of where it would weigh as much as all the rest.
FASHION_STARTS = (1.0, 4.0)


def used(config: TrainConfig) -> tuple[ChannelKind, ...]:
    """The channels that the settings name, in the order in which channels are shown.

    Raises:
        ModelError: a channel is unknown.
    """
    named = {kind_of(name).name for name in sorted(config.channels)}
    return tuple(kind for kind in kinds() if kind.name in named)


def tune(
    snapshot: Snapshot,
    split: Split,
    config: TrainConfig,
    text: Floats32 | None,
    progress: Progress = no_progress,
    log: Log = lambda _: None,
    shards: Shards = HERE,
) -> Chosen:
    """Choose every hyperparameter on ``split.valid``; ``split.test`` is not looked at.

    First what the graph says; then the channels that learn from interactions, one after the other, of which some are
    shrunk to it; then how alike items are by facts and texts, on known items that take turns as new ones; then the
    channels that read this likeness; at last the weights.

    Args:
        snapshot: the graph.
        split: interactions to learn from, and those to choose on.
        config: what there is to choose from.
        text: text embeddings of the items, shape (n, d), or None.
        progress: called as the work advances.
        log: receives one record per choice.
        shards: where heavy sums are computed.
    """
    shape = (len(snapshot.users), len(snapshot.items))
    warm, train = _learning_edges(split, shape, config)
    train = learnable(train, config.seed)
    seen = snapshot.with_edges(snapshot.schema.interaction.name, train)
    validation = Validation.of(train, warm, shape, config.fusion, config.seed)
    data = TrainingData(
        snapshot=seen,
        edges=train,
        interactions=histories(train, shape, 0),
        settings=config.parts,
        chosen={},
        seed=config.seed,
        device=device(config),
        items=validation.items,
        tolerance=config.fusion.tolerance,
        progress=progress,
        log=log,
        shards=shards,
        text=text,
    )
    data = with_prior(data, used(config))
    kernels: dict[str, Kernel] = {}
    variants: dict[str, list[Candidate]] = {}
    given = {r: validation.weighted(shape, r) for r in (config.recency if data.timed else (0.0,))}
    first: Kernel | None = None
    for kind in used(config):
        if kind.is_prior or kind.reads_similarity or ("times" in kind.needs and not data.timed):
            continue
        if kind.beside_others:
            candidates = list(kind.candidates(data))
            best = next(iter(candidates), None)
            variants |= {kind.name: candidates} if candidates else {}
        else:
            best = choose_candidate(kind, _judged(data, validation, given), validation, given, log)
        if best is None:
            continue
        data = replace(data, chosen={**data.chosen, kind.name: best[0]})
        kernels |= {} if kind.beside_others else {kind.name: best[1]}
        if first is None:  # the first channel decides how interactions count
            first = _with_prior(kind, best[1], data)
            recency = choose_recency(first, validation, given, log)
            given = {recency: given[recency]}
    recency, rows = next(iter(given.items()))
    embedded = {
        kind.name: kernels[kind.name] for kind in used(config) if kind.name in kernels and kind.cold_start is not None
    }
    similarity, ridge, cold = tune_new_items(data, config, used(config), text, embedded)
    data = replace(data, similarity=similarity)
    for kind in used(config):
        if kind.reads_similarity and not kind.is_prior:
            best = choose_candidate(kind, _judged(data, validation, given), validation, given, log)
            if best is not None:
                data = replace(data, chosen={**data.chosen, kind.name: best[0]})
                kernels[kind.name] = best[1]
    for kind in used(config):
        if kind.is_prior and data.prior is not None:
            kernels[kind.name] = data.prior
    rating = choose_rating(first, validation, shape, recency, config, log)
    rows = validation.weighted(shape, recency, rating)
    lately = choose_window(validation, train, split.moment("valid"), shape[1], config, log)
    counts = np.bincount(train.target, minlength=shape[1])
    scores = _Scores(validation, rows, counts, config, data, None if lately is None else lately[1])
    fused, chosen = choose_beside(kernels, variants, scores, dict(data.chosen), progress, log)
    in_fashion = lately is not None and fused.lambdas["fashion"] > 0
    log({"stage": "fusion", "ndcg@10": fused.metric, "alone": fused.alone, "lambda": fused.lambdas})
    judged = {name: next(k for numbers, k in of if numbers == chosen[name]) for name, of in variants.items()}
    against = choose_against({**kernels, **judged}, scores, fused, split.disliked, log)
    return Chosen(
        channels=chosen,
        recency=recency,
        rating=rating,
        similarity=similarity.weights,
        ridge=ridge,
        warm=fused.lambdas,
        cold=cold,
        units=fused.units,
        valid=fused.metric,
        alone=fused.alone,
        fashion=lately[0] if in_fashion and lately is not None else None,
        against=against,
    )


def _learning_edges(split: Split, shape: tuple[int, int], config: TrainConfig) -> tuple[Split, EdgeTable]:
    """The split that known items are judged by, and what may be learned from.

    For the ``cold-items`` protocol the validation items have no interactions in training, so what concerns known
    items is chosen on a further hold-out of the training interactions.  For ``temporal`` each user's latest training
    interactions are left out, so that validation is as far from what the model sees as the test will be.
    """
    warm = split
    if split.protocol == "cold-items":
        warm = holdout_split(split.train, shape[1], config.seed, config.fusion.holdout)
    train = warm.train
    if split.protocol == "temporal":
        later = np.bincount(warm.valid.source, minlength=shape[0])
        train = train.take(ranks_from_latest(train) >= later[train.source])
    return warm, train


def with_prior(data: TrainingData, kinds_used: Sequence[ChannelKind]) -> TrainingData:
    """The data with what the graph says, as the first channel that can learn it says it."""
    for kind in kinds_used:
        best = next(iter(kind.candidates(data)), None) if kind.is_prior else None
        if best is not None and isinstance(best[1], FactorKernel):
            return replace(data, prior=best[1], chosen={**data.chosen, kind.name: best[0]})
    return data


def _with_prior(kind: ChannelKind, kernel: Kernel, data: TrainingData) -> Kernel:
    """A channel's kernel with the part of the graph that goes with it: the whole operator.

    Items without interactions score nothing here: what the graph says of them has a weight of its own.
    """
    factor = prior_factor(kind, data.chosen)
    if data.prior is None or not factor:
        return kernel
    known = np.bincount(data.edges.target, minlength=data.interactions.shape[1]) > 0
    return SumKernel(((1.0, kernel), (factor, data.prior)), known.astype(np.float32))


def prior_factor(kind: ChannelKind, chosen: Mapping[str, Mapping[str, Any]]) -> float:
    """k: how many times W goes with a channel; 0 for channels that are not shrunk to W.

    The operator of taste chooses it for all.
    """
    own = chosen.get(kind.name, {}).get(PRIOR_FACTOR, chosen.get("taste", {}).get(PRIOR_FACTOR, 0.0))
    return float(own) if kind.beyond_prior else 0.0


def _judged(data: TrainingData, validation: Validation, given: Mapping[float, sparse.csr_array]) -> TrainingData:
    """The data with a judge of kernels under whichever recency is best for them."""

    def judge(kernel: Kernel) -> Floats64:
        return max((validation.per_user(kernel, rows) for rows in given.values()), key=lambda metric: metric.mean())

    return replace(data, judge=judge)


def choose_candidate(
    kind: ChannelKind, data: TrainingData, validation: Validation, given: Mapping[float, sparse.csr_array], log: Log
) -> Candidate | None:
    """The candidate of a channel that ranks best by itself, under whichever recency is best for it; None for none."""
    best: Candidate | None = None
    highest = -1.0
    for chosen, rest in kind.candidates(data):
        kernel = _with_prior(kind, rest, replace(data, chosen={**data.chosen, kind.name: chosen}))
        metrics = {r: validation.ndcg(kernel, rows) for r, rows in given.items()}
        log({"stage": kind.name, **chosen, "ndcg@10 by recency": metrics})
        if max(metrics.values()) > highest:
            best, highest = (chosen, rest), max(metrics.values())
    return best


def choose_recency(kernel: Kernel, validation: Validation, given: Mapping[float, sparse.csr_array], log: Log) -> float:
    """How fast interactions fade: the decay under which a kernel ranks best; the earlier of equal ones."""
    metrics = {r: validation.ndcg(kernel, rows) for r, rows in given.items()}
    log({"stage": "recency", "ndcg@10 by recency": metrics})
    return max(metrics, key=lambda r: metrics[r])


def choose_rating(
    kernel: Kernel | None,
    validation: Validation,
    shape: tuple[int, int],
    recency: float,
    config: TrainConfig,
    log: Log,
) -> RatingScale | None:
    """How strongly the weights of interactions count, by a kernel's validation NDCG@10; None if they do not."""
    if kernel is None or validation.edges.weight is None:
        return None
    scales = [rating_scale(validation.edges, strength) for strength in config.rating]
    metrics = [validation.ndcg(kernel, validation.weighted(shape, recency, scale)) for scale in scales]
    log({"stage": "rating", "ndcg@10": dict(zip(map(str, config.rating), metrics, strict=True))})
    return scales[int(np.argmax(metrics))]


def choose_window(
    validation: Validation, train: EdgeTable, moment: int | None, items: int, config: TrainConfig, log: Log
) -> tuple[int, Ints] | None:
    """The days before ``moment`` whose most chosen items rank best by themselves, and how many users chose each item.

    None where lists have no moment or nothing was chosen then.
    """
    best, highest = None, -1.0
    for days in config.fashion.days if moment is not None else ():
        counts = chosen_lately(train, days, int(moment or 0), items)
        if not counts.any():
            continue
        metric = validation.judge.ndcg(_of_everybody(validation, counts))
        log({"stage": "fashion", "days": days, "ndcg@10": metric})
        if metric > highest:
            best, highest = (days, counts), metric
    return best


def _of_everybody(validation: Validation, counts: Ints) -> Floats32:
    """The same scores for every validation user, log(1 + n), shape (users, items ranked)."""
    ranked = scale(counts if validation.items is None else counts[validation.items])
    return np.tile(ranked, (len(validation.rows), 1))


@dataclass(frozen=True)
class _Scores:
    """Scores of the validation users.

    Attributes:
        validation: the users and the items that they rank.
        rows: their histories, CSR, shape (users, items).
        popularity: interactions of each item in training, shape (items,).
        config: settings.
        data: what was chosen, and what the graph says.
        lately: how many users chose each item in the days before validation, shape (items,); None for no such days.
    """

    validation: Validation
    rows: sparse.csr_array
    popularity: NDArray[np.int64]
    config: TrainConfig
    data: TrainingData
    lately: Ints | None

    @property
    def _popularity(self) -> NDArray[np.int64]:
        items = self.validation.items
        return self.popularity if items is None else self.popularity[items]

    def of(self, channel: str, kernel: Kernel) -> Floats32:
        """Of a channel with the graph's part that goes with it, scaled by popularity, shape (users, items ranked)."""
        kind = kind_of(channel)
        scale = popularity_scale(kind, self._popularity, self.config, self.data.chosen)
        return _with_prior(kind, kernel, self.data).scores(self.rows, self.validation.items) * scale

    def base(self) -> Floats32:
        """Of popularity alone, shape (users, items ranked)."""
        return np.tile(np.log1p(self._popularity).astype(np.float32), (self.rows.shape[0], 1))

    def fashion(self) -> dict[str, Floats32]:
        """Of what is in fashion alone, by name, shape (users, items ranked); nothing where no days are chosen."""
        if self.lately is None:
            return {}
        return {"fashion": _of_everybody(self.validation, self.lately)}


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
    scores: _Scores,
    chosen: dict[str, Mapping[str, Any]],
    progress: Progress,
    log: Log,
) -> tuple[Fusion, Mapping[str, Mapping[str, Any]]]:
    """The weights, and the numbers of those channels that are only judged beside the others.

    The first candidate of such a channel stays, unless another one is better by more than chance.
    """
    judge, config = scores.validation.judge, scores.config
    parts = {name: scores.of(name, kernel) for name, kernel in kernels.items()}
    parts |= scores.fashion()
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
    for start in FASHION_STARTS if "fashion" in parts else ():
        other = fuse(parts, judge, config, progress, start)
        log({"stage": "fashion", "start": start, "ndcg@10": other.metric, "lambda": other.lambdas})
        fused = other if other.beats(fused, config.fusion.least) else fused
    return fused, chosen


def choose_against(
    kernels: Mapping[str, Kernel], scores: _Scores, fused: Fusion, disliked: EdgeTable | None, log: Log
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

    def total(of: _Scores) -> Floats32:
        parts = (weights[name] * of.of(name, kernel) for name, kernel in kernels.items() if name in weights)
        return sum(parts, np.zeros(shape, np.float32))

    same = {**scores.fashion(), "base": scores.base()}  # for everybody, whatever they liked
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
    scores: Mapping[str, Floats32], judge: ValidationSet, config: TrainConfig, progress: Progress, fashion: float = 0.0
) -> Fusion:
    """Weights of score matrices by channel and of ``base``, each of shape (users, items ranked).

    Args:
        scores: the matrices.
        judge: the users.
        config: settings.
        progress: called per weight.
        fashion: where the weight of what is in fashion begins.
    """
    scores = {name: values.copy() for name, values in scores.items()}
    units = standardise(scores)
    alone = {name: judge.ndcg(values.copy()) for name, values in scores.items()}
    whole = any(kind.beyond_prior and kind.name in scores for kind in used(config))
    starts = {kind.name: 0.0 if kind.is_prior and whole else kind.start for kind in used(config)}
    lambdas, metric = choose_lambdas(
        scores,
        starts | {"base": BASE_START, "fashion": fashion},
        judge.per_user,
        config.fusion,
        positive=frozenset({"base"}),
        raised=checkable(config),
        least=config.fusion.least,
        progress=progress,
    )
    in_order = [c for c in (*(kind.name for kind in used(config)), "fashion", "base") if c in scores]
    whole_score = sum((np.float32(lambdas[c]) * scores[c] for c in scores), np.float32(0))
    per_user = judge.per_user(np.asarray(whole_score))
    return Fusion({c: lambdas[c] for c in in_order}, units, metric, {c: alone[c] for c in in_order}, per_user)


def checkable(config: TrainConfig) -> tuple[str, ...]:
    """Channels whose paths run through named facts, which people can check."""
    return tuple(kind.name for kind in used(config) if kind.paths == "facts")


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
