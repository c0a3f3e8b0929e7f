"""Training: choose the hyperparameters on validation (:func:`tune`), then fit the model (:func:`fit`)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kg_rec.errors import ConfigError, ModelError
from kg_rec.metrics import Judge
from kg_rec.model.channels import relational as gnn
from kg_rec.model.channels.sequence import sequence_kernel
from kg_rec.model.channels.taste import taste_kernel, taste_kernels
from kg_rec.model.chosen import Choices, RatingScale
from kg_rec.model.cold.similarity import build, fit_cold, popular
from kg_rec.model.cold.tune import anchor, content_kernels, tune_new_items
from kg_rec.model.config import TrainConfig
from kg_rec.model.encoders.text import TextEncoder, find_encoder, item_texts
from kg_rec.model.histories import histories, ranks_from_latest, rating_scale
from kg_rec.model.kernel import FactorKernel, Floats, Kernel
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.model.shards import HERE, Shards
from kg_rec.model.train.fusion import choose_lambdas, standardise
from kg_rec.model.train.validation import Validation
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import NO_TIME, Snapshot
from kg_rec.split import Split, holdout_split

logger = logging.getLogger(__name__)

Log = Callable[[Mapping[str, object]], None]

#: Catalogues up to this size are trained on one thread.
_ONE_THREAD = 4_000

#: Weights that the fusion starts from, per channel, in units of the channel's standard deviation.
_START = {"taste": 1.0, "relational": 0.65, "sequence": 0.65, "knowledge": 0.15, "meaning": 0.3, "base": 0.01}


def train(
    snapshot: Snapshot,
    config: TrainConfig | None = None,
    *,
    split: Split | None = None,
    progress: Progress = no_progress,
    log_file: str | Path | None = None,
    shards: Shards = HERE,
) -> Recommender:
    """Train a model.

    Args:
        snapshot: the graph.
        config: settings; None for the defaults.
        split: train on ``split.train`` and choose on ``split.valid``; None holds some of the graph's positive
            interactions out to choose on, then fits on all of them.
        progress: called as the work advances.
        log_file: training log, one JSON object per line.
        shards: where the heavy sums are computed: Gram matrices, the sparse form of the taste operator, and the
            propagation without gradients.  The model has the same bytes as with all of them here.

    Raises:
        ModelError: the graph has no positive interactions, or a channel is unknown.
        MissingDependencyError: the meaning channel is on and no text model is installed.
    """
    config = config or TrainConfig()
    unknown = set(config.channels) - (set(_START) - {"base"})
    if unknown:
        raise ModelError(f"unknown channel {min(unknown)!r}; expected some of {sorted(set(_START) - {'base'})}")
    if split is not None:
        snapshot = snapshot.with_edges(snapshot.schema.interaction.name, split.train)
    positive = snapshot.liked()
    if not len(positive):
        raise ModelError(
            f"the graph has no positive {snapshot.schema.interaction.name} to learn from; load interactions first"
        )
    text = encode_items(snapshot, config, progress)
    if split is None:
        split = holdout_split(positive, len(snapshot.items), config.seed, config.fusion.holdout)
    with _logging(log_file) as log, _threads(len(snapshot.items)):
        choices = tune(snapshot, split, config, text, progress, log, shards)
        model = fit(snapshot, choices, config, text, progress, shards)
        log({"stage": "done", "valid": choices.valid, "warm": choices.warm, "cold": choices.cold})
    return model


@contextmanager
def _logging(file: str | Path | None) -> Iterator[Log]:
    """A training log that is written line by line, so that it tells how far a run came."""
    start = time.perf_counter()
    with ExitStack() as stack:
        lines = None if file is None else stack.enter_context(Path(file).open("w", encoding="utf-8", buffering=1))

        def log(record: Mapping[str, object]) -> None:
            if lines is not None:
                lines.write(json.dumps({"seconds": round(time.perf_counter() - start, 3), **record}) + "\n")

        yield log


@contextmanager
def _threads(n_items: int) -> Iterator[None]:
    """One thread for small matrices, where several wait for each other more than they work.

    On a busy machine of two cores two threads took 85 s of processor time where one took 7 s.  It also makes the
    last digits, and with them the choices, independent of the number of cores.
    """
    if n_items > _ONE_THREAD:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def encode_items(snapshot: Snapshot, config: TrainConfig, progress: Progress = no_progress) -> Floats | None:
    """Text embeddings of the items, shape (n, d); None where the channel or encoder is off, or no item has text."""
    if "meaning" not in config.channels or config.meaning.encoder == "none":
        return None
    texts = item_texts(snapshot)
    if not any(texts):
        return None
    return TextEncoder(find_encoder(config.meaning.encoder), config.meaning, device(config)).encode(texts, progress)


def device(config: TrainConfig) -> str:
    """The torch device that ``config.device`` stands for.

    Raises:
        ConfigError: it names no device of this machine.
    """
    if config.device != "auto":
        try:
            torch.empty(0, device=config.device)
        except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
            reason = str(error).splitlines()[0]
            raise ConfigError(f"device {config.device!r} cannot be used ({reason}); set cpu or auto") from error
        return config.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def tune(
    snapshot: Snapshot,
    split: Split,
    config: TrainConfig,
    text: Floats | None,
    progress: Progress = no_progress,
    log: Log = lambda _: None,
    shards: Shards = HERE,
) -> Choices:
    """Choose every hyperparameter on ``split.valid``; ``split.test`` is not looked at.

    For the ``cold-items`` protocol the validation items have no interactions in training, so what concerns warm
    items is chosen on a further hold-out of the training interactions.  For ``temporal`` each user's latest training
    interactions are left out, so that validation is as far from what the model sees as the test will be.
    """
    shape = (len(snapshot.users), len(snapshot.items))
    warm = split
    if split.protocol == "cold-items":
        warm = holdout_split(split.train, shape[1], config.seed, config.fusion.holdout)
    train = warm.train
    if split.protocol == "temporal":
        later = np.bincount(warm.valid.source, minlength=shape[0])
        train = train.take(ranks_from_latest(train) >= later[train.source])
    seen = snapshot.with_edges(snapshot.schema.interaction.name, train)
    binary = histories(train, shape, 0)
    view = Validation.of(train, warm, shape, config.fusion, config.seed)
    judge = view.judge
    timed = train.time is not None and bool((train.time != NO_TIME).any())
    given = {r: view.weighted(shape, r) for r in (config.recency if timed else (0.0,))}

    def by_recency(kernel: Kernel) -> dict[float, float]:
        return {r: view.ndcg(kernel, rows) for r, rows in given.items()}

    kernels: dict[str, Kernel] = {}
    kernel: Kernel
    l2, recency, parameters = config.taste.l2[0], next(iter(given)), None
    sequences: dict[float, Kernel] = {}
    if "taste" in config.channels:
        best = -1.0
        candidates = taste_kernels(binary, config.taste, config.taste.l2, view.items, progress, shards)
        for step, candidate in enumerate(config.taste.l2):
            progress(step, len(config.taste.l2), "fit taste")
            kernel = next(candidates)
            figures = by_recency(kernel)
            if max(figures.values()) > best:
                l2, recency, best, kernels["taste"] = (
                    candidate,
                    max(figures, key=lambda r: figures[r]),
                    max(figures.values()),
                    kernel,
                )
            log({"stage": "taste", "l2": candidate, "ndcg@10 by recency": figures})
    if "relational" in config.channels:

        def alone(kernel: Kernel) -> float:
            return view.ndcg(kernel, given[recency])

        parameters = gnn.fit(seen, binary, alone, config.gnn, config.seed, device(config), progress, log, shards)
        kernels["relational"] = gnn.embed(seen, parameters, config.gnn, config.seed, device(config), shards)
    if "sequence" in config.channels and timed:
        for candidate in config.sequence.directions:
            kernel = sequence_kernel(
                train, shape[1], config.taste, config.sequence, candidate, l2, progress, view.items, shards
            )
            sequences[candidate] = kernel
    probes = [*kernels.values(), *sequences.values()]
    if "taste" not in config.channels and probes:
        figures = by_recency(probes[0])
        recency = max(figures, key=lambda r: figures[r])
        log({"stage": "recency", "ndcg@10 by recency": figures})

    similarity, ridge, cold = tune_new_items(seen, binary, config, text, kernels.get("relational"), progress, log)
    kernels.update(content_kernels(similarity, config))
    popularity = np.bincount(train.target, minlength=shape[1])
    if view.items is not None:
        popularity = popularity[view.items]
    scores = {}
    rating = _choose_rating(view, shape, recency, probes[0] if probes else None, config, log)
    rows = view.weighted(shape, recency, rating)
    for name, kernel in kernels.items():
        scores[name] = kernel.scores(rows, view.items) * _popularity_scale(name, popularity, config)
    scores["base"] = np.tile(np.log1p(popularity).astype(np.float32), (len(rows.indptr) - 1, 1))
    fusions = {}
    for direction, sequence in sequences.items():
        scale = _popularity_scale("sequence", popularity, config)
        own = sequence.scores(rows, view.items) * scale
        fusions[direction] = _fuse({"sequence": own, **scores}, judge, config, progress)
        log({"stage": "sequence", "direction": direction, "ndcg@10": fusions[direction].figure})
    fusions = fusions or {0.0: _fuse(scores, judge, config, progress)}
    direction = next(iter(fusions))  # the first, unless another one is better by more than chance
    for other, fusion in fusions.items():
        if fusion.figure > fusions[direction].figure * (1 + config.fusion.least):
            direction = other
    fused = fusions[direction]
    log({"stage": "fusion", "ndcg@10": fused.figure, "alone": fused.alone, "lambda": fused.lambdas})
    return Choices(
        l2=l2,
        gnn=parameters,
        recency=recency,
        rating=rating,
        direction=direction,
        similarity=similarity.weights,
        ridge=ridge,
        warm=fused.lambdas,
        cold=cold,
        units=fused.units,
        valid=fused.figure,
        alone=fused.alone,
    )


@dataclass(frozen=True)
class _Fusion:
    """Channel weights, the units they are told in, the validation figure, and that of each channel alone."""

    lambdas: Mapping[str, float]
    units: Mapping[str, float]
    figure: float
    alone: Mapping[str, float]


def _fuse(scores: Mapping[str, Floats], judge: Judge, config: TrainConfig, progress: Progress) -> _Fusion:
    scores = {name: values.copy() for name, values in scores.items()}
    units = standardise(scores)
    alone = {name: judge.ndcg(values.copy()) for name, values in scores.items()}
    start = {c: _START[c] for c in scores}
    least = config.fusion.least
    lambdas, figure = choose_lambdas(
        scores, start, judge.ndcg, config.fusion, positive=frozenset({"base"}), least=least, progress=progress
    )
    in_order = [c for c in _START if c in scores]
    return _Fusion({c: lambdas[c] for c in in_order}, units, figure, {c: alone[c] for c in in_order})


def _choose_rating(
    view: Validation, shape: tuple[int, int], recency: float, kernel: Kernel | None, config: TrainConfig, log: Log
) -> RatingScale | None:
    """How strongly the weights of interactions count, by a kernel's validation figure."""
    if kernel is None or view.edges.weight is None:
        return None
    scales = [rating_scale(view.edges, strength) for strength in config.rating]
    figures = [view.ndcg(kernel, view.weighted(shape, recency, scale)) for scale in scales]
    log({"stage": "rating", "ndcg@10": dict(zip(map(str, config.rating), figures, strict=True))})
    return scales[int(np.argmax(figures))]


def _popularity_scale(channel: str, popularity: NDArray[np.int64], config: TrainConfig) -> Floats:
    exponents = {
        "taste": config.taste.popularity_exponent,
        "sequence": config.taste.popularity_exponent,
        "knowledge": config.knowledge.popularity_exponent,
        "meaning": config.meaning.popularity_exponent,
    }
    scale: Floats = np.maximum(popularity, 1).astype(np.float32) ** np.float32(exponents.get(channel, 0.0))
    return scale


def fit(
    snapshot: Snapshot,
    choices: Choices,
    config: TrainConfig,
    text: Floats | None,
    progress: Progress = no_progress,
    shards: Shards = HERE,
) -> Recommender:
    """Fit the model to a graph's positive interactions with chosen hyperparameters."""
    edges = snapshot.liked()
    shape = (len(snapshot.users), len(snapshot.items))
    seen = snapshot.with_edges(snapshot.schema.interaction.name, edges)
    binary = histories(edges, shape, 0)
    counts = np.bincount(edges.target, minlength=shape[1])
    cold = counts == 0
    steps = len(config.channels)
    kernels: dict[str, Kernel] = {}
    if choices.warm.get("taste"):
        progress(0, steps, "fit taste")
        kernels["taste"] = taste_kernel(binary, config.taste, choices.l2, progress, shards)
    if choices.warm.get("sequence"):
        progress(1, steps, "fit sequence")
        kernels["sequence"] = sequence_kernel(
            edges, shape[1], config.taste, config.sequence, choices.direction, choices.l2, progress, None, shards
        )
    similarity = build(seen, text, config.knowledge, config.cold)
    weights = {name: choices.similarity.get(name, 0.0) for name in similarity.weights}
    similarity = replace(similarity, weights=weights)
    regression = None
    if choices.gnn is not None:
        progress(2, steps, "fit relational")
        relational = gnn.embed(seen, choices.gnn, config.gnn, config.seed, device(config), shards)
        target = np.array(relational.target)
        target[cold] = 0
        if any(weights.values()) and cold.any() and not cold.all():
            regression = fit_cold(similarity, target, popular(counts, config.cold.landmarks), choices.ridge)
            target[cold] = regression.embed(similarity, np.flatnonzero(cold))
        kernels["relational"] = FactorKernel(np.asarray(relational.source), target)
    kernels.update(content_kernels(similarity, config))
    first = anchor(choices.cold) if choices.cold else ""
    first_weight = (choices.warm.get(first) or 1.0) / choices.units.get(first, 1.0)
    channels = []
    for name, kernel in kernels.items():
        warm_weight = (
            choices.warm.get(name, 0.0) / choices.units.get(name, 1.0) * _popularity_scale(name, counts, config)
        )
        cold_weight = choices.cold.get(name, 0.0) * first_weight
        channels.append(Channel(name, kernel, np.where(cold, cold_weight, warm_weight).astype(np.float32)))
    base = np.log1p(counts) * (choices.warm["base"] / choices.units["base"])
    progress(steps, steps, "fitted")
    return Recommender(
        snapshot, config, choices, tuple(channels), base.astype(np.float32), cold, similarity, regression, text
    )
