"""What is chosen on validation: :func:`tune` goes through the channels, with one function per question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
from scipy import sparse

from kg_rec.arrays.types import Floats32, Floats64, Ints
from kg_rec.model.again import Again
from kg_rec.model.channels.base import Candidate, ChannelKind, Log, TrainingData
from kg_rec.model.channels.registry import kinds_of
from kg_rec.model.chosen import Chosen, RatingScale
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import chosen_lately
from kg_rec.model.histories import edges_of, histories, learnable, ranks_from_latest, rating_scale
from kg_rec.model.kernel import Kernel
from kg_rec.model.shards import HERE, Shards
from kg_rec.model.train.device import device
from kg_rec.model.train.new_items import tune_new_items
from kg_rec.model.train.prior import kernel_with_prior, with_prior
from kg_rec.model.train.validation import Validation
from kg_rec.model.train.weights import ValidationScores, choose_against, choose_beside, same_for_all
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split, holdout_split


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
    live = warm.live and warm.protocol == "temporal"
    validation = Validation.of(warm.train if live else train, warm, shape, config.fusion, config.seed)
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
        live=live,
    )
    used = kinds_of(config.channels)
    data = with_prior(data, used)
    kernels: dict[str, Kernel] = {}
    variants: dict[str, list[Candidate]] = {}
    given = {r: validation.weighted(shape, r) for r in (config.recency if data.timed else (0.0,))}
    first: Kernel | None = None
    for kind in used:
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
            first = kernel_with_prior(kind, best[1], data)
            recency = choose_recency(first, validation, given, log)
            given = {recency: given[recency]}
    recency, rows = next(iter(given.items()))
    embedded = {kind.name: kernels[kind.name] for kind in used if kind.name in kernels and kind.cold_start is not None}
    similarity, ridge, cold = tune_new_items(data, config, used, text, embedded)
    data = replace(data, similarity=similarity)
    for kind in used:
        if kind.reads_similarity and not kind.is_prior:
            best = choose_candidate(kind, _judged(data, validation, given), validation, given, log)
            if best is not None:
                data = replace(data, chosen={**data.chosen, kind.name: best[0]})
                kernels[kind.name] = best[1]
    for kind in used:
        if kind.is_prior and data.prior is not None:
            kernels[kind.name] = data.prior
    rating = choose_rating(first, validation, shape, recency, config, log)
    rows = validation.weighted(shape, recency, rating)
    lately = choose_window(validation, train, split.moment("valid"), shape[1], config, log)
    counts = np.bincount(train.target, minlength=shape[1])
    habit = choose_again(validation, train, split, config, log)
    own = None if habit is None else habit[1]
    scores = ValidationScores(validation, rows, counts, config, data, None if lately is None else lately[1], own)
    fused, chosen = choose_beside(kernels, variants, scores, dict(data.chosen), progress, log)
    in_fashion = lately is not None and fused.lambdas["fashion"] > 0
    repeats = habit is not None and fused.lambdas["again"] > 0
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
        again=habit[0] if repeats and habit is not None else None,
    )


def _learning_edges(split: Split, shape: tuple[int, int], config: TrainConfig) -> tuple[Split, EdgeTable]:
    """The split that known items are judged by, and what may be learned from.

    For the ``cold-items`` protocol the validation items have no interactions in training, so what concerns known
    items is chosen on a further hold-out of the training interactions.  For ``temporal`` each user's latest training
    interactions are left out, so that validation is as far from what the model sees as the test will be.  Lists of
    validation are made from them only where those of the test are ``live``.
    """
    warm = split
    if split.protocol == "cold-items":
        warm = holdout_split(split.train, shape[1], config.seed, config.fusion.holdout)
    train = warm.train
    if split.protocol == "temporal":
        later = np.bincount(warm.valid.source, minlength=shape[0])
        train = train.take(ranks_from_latest(train) >= later[train.source])
    return warm, train


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
        kernel = kernel_with_prior(kind, rest, replace(data, chosen={**data.chosen, kind.name: chosen}))
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


def choose_again(
    validation: Validation, train: EdgeTable, split: Split, config: TrainConfig, log: Log
) -> tuple[Mapping[str, float], Floats32] | None:
    """The numbers under which what users had ranks best by itself, and its scores, shape (users, items ranked).

    None where users do not have items again, lists have no moment, or the users of validation did nothing before it.
    """
    moment, items = split.moment("valid"), validation.items
    if not split.again or moment is None:
        return None
    edges, n = edges_of(train, validation.rows), len(split.valid_candidates)
    best: tuple[Mapping[str, float], Floats32] | None = None
    highest = 0.0
    for days, due in product(config.again.days, config.again.due):
        own = Again(1.0, days, due, moment).matrix(edges, (len(validation.rows), n))
        scores = (own if items is None else own[:, items]).astype(np.float32).toarray()
        metric = validation.judge.ndcg(scores.copy())
        log({"stage": "again", "days": days, "due": due, "ndcg@10": metric})
        if own.nnz and metric > highest:
            best, highest = ({"days": days, "due": due}, scores), metric
    return best


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
        metric = validation.judge.ndcg(same_for_all(validation, counts))
        log({"stage": "fashion", "days": days, "ndcg@10": metric})
        if metric > highest:
            best, highest = (days, counts), metric
    return best
