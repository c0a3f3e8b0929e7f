"""How items without interactions are scored: the choices that :mod:`kg_rec.model.cold.folds` measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats32
from kg_rec.model.adapt import anchor
from kg_rec.model.channels.base import ChannelKind, TrainingData
from kg_rec.model.channels.knowledge import KnowledgeConfig
from kg_rec.model.cold.folds import NewItems
from kg_rec.model.cold.similarity import Similarity, build, choose_weights, leave_one_out, popular
from kg_rec.model.config import TrainConfig
from kg_rec.model.kernel import FactorKernel, Kernel
from kg_rec.model.train.fusion import choose_lambdas, standardise
from kg_rec.snapshot import Snapshot


def tune_new_items(
    data: TrainingData,
    config: TrainConfig,
    used: Sequence[ChannelKind],
    text: Floats32 | None,
    embedded: Mapping[str, Kernel],
) -> tuple[Similarity, float, dict[str, float]]:
    """Weights of the similarity of items, the ridge penalty, and the fusion weights of items without interactions.

    Args:
        data: the training interactions.
        config: what there is to choose from.
        used: the channels.
        text: text embeddings of the items, or None.
        embedded: kernels of the channels that embed items and so place new ones by regression; at most one.
    """
    similarity = similarity_of(data.snapshot, config, text)
    ridge, scores = config.cold.ridge[0], dict[str, Floats32]()
    starts = {kind.name: kind.cold_start for kind in used if kind.cold_start is not None}
    counts = np.bincount(data.interactions.indices, minlength=data.interactions.shape[1])
    landmarks = popular(counts, config.cold.tuning_landmarks)
    if not similarity.weights or len(landmarks) < 2:
        return similarity, ridge, starts
    new = NewItems.deal(data.interactions, landmarks, config.cold, data.seed)
    for name, kernel in embedded.items():
        if not isinstance(kernel, FactorKernel):
            continue
        reasons = new.reasons(kernel.source)
        targets: Floats32 = kernel.target

        def predicted(embeddings: Floats32, reasons: list[Floats32] = reasons, targets: Floats32 = targets) -> Floats32:
            everything = np.zeros_like(targets)
            everything[landmarks] = embeddings
            return new.predicted(reasons, everything)

        similarity, ridge = choose_weights(
            similarity, targets, landmarks, lambda rows: new.ndcg(predicted(rows)), config.cold, data.progress
        )
        gram = similarity(landmarks, landmarks)
        scores[name] = predicted(leave_one_out(gram, targets[landmarks], ridge))
    for kind in used:
        if kind.is_prior and data.prior is not None:
            scores[kind.name] = new.scores(data.prior)
        elif kind.name in starts and kind.reads_similarity and not kind.is_prior:
            for _, kernel in kind.candidates(replace(data, similarity=similarity)):
                scores[kind.name] = new.scores(kernel)
                break
    if not scores:
        return similarity, ridge, {}
    units = standardise(scores)
    first = anchor(scores)
    lambdas, metric = choose_lambdas(
        scores,
        {c: starts[c] / starts[first] for c in scores},
        new.per_user,
        config.fusion,
        fixed=frozenset({first}),
        raised=tuple(kind.name for kind in used if kind.paths == "facts"),
        progress=data.progress,
    )
    data.log({"stage": "cold", "ndcg@10": metric, "similarity": similarity.weights, "ridge": ridge, "lambda": lambdas})
    # relative to the first channel's own unit, so that known and new items share one scale
    return similarity, ridge, {c: w * units[first] / units[c] for c, w in lambdas.items()}


def similarity_of(
    snapshot: Snapshot, config: TrainConfig, text: Floats32 | None, known: NDArray[np.int64] | None = None
) -> Similarity:
    """How alike items are by facts, numbers and text, all weights 1; see :func:`.build`."""
    knowledge = config.of(KnowledgeConfig)
    return build(snapshot, text, knowledge.degree_exponent, knowledge.max_degree, config.cold, known)
