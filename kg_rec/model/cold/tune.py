"""How items without interactions are scored: the choices that :mod:`kg_rec.model.cold.folds` measures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
from scipy import sparse

from kg_rec.model.channels.knowledge import knowledge_kernel
from kg_rec.model.cold.folds import NewItems
from kg_rec.model.cold.similarity import Similarity, build, choose_weights, leave_one_out, popular
from kg_rec.model.config import TrainConfig
from kg_rec.model.encoders.text import meaning_kernel
from kg_rec.model.kernel import FactorKernel, Floats, Kernel
from kg_rec.model.train.fusion import choose_lambdas, standardise
from kg_rec.progress import Progress
from kg_rec.snapshot import Snapshot

#: Weights that the fusion of new items starts from, per channel, in units of the channel's standard deviation.
START = {"relational": 1.0, "knowledge": 0.1, "meaning": 0.1}


def tune_new_items(
    seen: Snapshot,
    binary: sparse.csr_array,
    config: TrainConfig,
    text: Floats | None,
    relational: Kernel | None,
    progress: Progress,
    log: Callable[[Mapping[str, object]], None],
) -> tuple[Similarity, float, dict[str, float]]:
    """Weights of the similarity kernel, the ridge penalty and the fusion weights of items without interactions."""
    similarity = build(seen, text, config.knowledge, config.cold)
    ridge, scores = config.cold.ridge[0], dict[str, Floats]()
    landmarks = popular(np.bincount(binary.indices, minlength=binary.shape[1]), config.cold.tuning_landmarks)
    if not similarity.weights or len(landmarks) < 2:
        return similarity, ridge, {c: w for c, w in START.items() if c in config.channels}
    new = NewItems.deal(binary, landmarks, config.cold, config.seed)
    if isinstance(relational, FactorKernel):
        reasons = new.reasons(relational.source)
        targets: Floats = relational.target

        def predicted(embeddings: Floats) -> Floats:
            everything = np.zeros_like(targets)
            everything[landmarks] = embeddings
            return new.predicted(reasons, everything)

        similarity, ridge = choose_weights(
            similarity, targets, landmarks, lambda found: new.ndcg(predicted(found)), config.cold, progress
        )
        gram = similarity(landmarks, landmarks)
        scores["relational"] = predicted(leave_one_out(gram, targets[landmarks], ridge))
    for name, kernel in content_kernels(similarity, config).items():
        scores[name] = new.scores(kernel)
    if not scores:
        return similarity, ridge, {}
    units = standardise(scores)
    first = anchor(scores)
    start, fixed = {c: START[c] / START[first] for c in scores}, frozenset({first})
    lambdas, figure = choose_lambdas(scores, start, new.ndcg, config.fusion, fixed=fixed, progress=progress)
    log({"stage": "cold", "ndcg@10": figure, "similarity": similarity.weights, "ridge": ridge, "lambda": lambdas})
    # told relative to the first channel's own unit, so that warm and cold items share one scale
    return similarity, ridge, {c: w * units[first] / units[c] for c, w in lambdas.items()}


def anchor(channels: Collection[str]) -> str:
    """The channel whose weight for new items is that for the others; the other channels' are told relative to it."""
    return next(c for c in START if c in channels)


def content_kernels(similarity: Similarity, config: TrainConfig) -> dict[str, Kernel]:
    """The knowledge and meaning channels: what the similarity kernel says of a user's items, directly."""
    kernels: dict[str, Kernel] = {}
    knowledge = knowledge_kernel(similarity.factors, similarity.weights)
    if "knowledge" in config.channels and knowledge is not None:
        kernels["knowledge"] = knowledge
    if "meaning" in config.channels and similarity.text is not None:
        kernels["meaning"] = meaning_kernel(similarity.text, config.meaning)
    return kernels
