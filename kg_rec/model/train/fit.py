"""Fitting a model with hyperparameters that were chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats32
from kg_rec.model.adapt import new_item_weight
from kg_rec.model.again import Again
from kg_rec.model.channels.base import Fitted, TrainingData
from kg_rec.model.channels.registry import kinds_of
from kg_rec.model.channels.sums import Sums
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import popular
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import Fashion
from kg_rec.model.histories import histories, learnable
from kg_rec.model.item_paths import GatedPaths
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.model.shards import HERE, Shards
from kg_rec.model.train.device import device
from kg_rec.model.train.new_items import similarity_of
from kg_rec.model.train.prior import prior_factor
from kg_rec.model.train.weights import popularity_scale
from kg_rec.model.trusted import learned_from
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.item_facts import without_relations


def fit(
    snapshot: Snapshot,
    chosen: Chosen,
    config: TrainConfig,
    text: Floats32 | None,
    progress: Progress = no_progress,
    shards: Shards = HERE,
    sums: Sums | None = None,
) -> Recommender:
    """Fit the model to a graph's positive interactions.

    Args:
        snapshot: the graph.
        chosen: the hyperparameters.
        config: what was not chosen.
        text: text embeddings of the items, shape (n, d), or None.
        progress: called as the work advances.
        shards: where heavy sums are computed.
        sums: of the interactions of users who are not in the graph.
    """
    snapshot = without_relations(snapshot, config.blocked)
    shape = (len(snapshot.users), len(snapshot.items))
    edges = learned_from(learnable(snapshot.liked(), config.seed), shape, config.robust, config.seed)
    seen = snapshot.with_edges(snapshot.schema.interaction.name, edges)
    counts = np.bincount(edges.target, minlength=shape[1]) if sums is None else sums.degrees
    cold = counts == 0
    similarity = similarity_of(seen, config, text, np.flatnonzero(counts))
    similarity = replace(similarity, weights={name: chosen.similarity.get(name, 0.0) for name in similarity.weights})
    data = TrainingData(
        snapshot=seen,
        edges=edges,
        interactions=histories(edges, shape, 0),
        settings=config.parts,
        chosen=chosen.channels,
        seed=config.seed,
        device=device(config),
        similarity=similarity,
        cold=cold,
        ridge=chosen.ridge,
        landmarks=popular(counts, config.cold.landmarks),
        progress=progress,
        shards=shards,
        sums=sums,
    )
    channels, regression = [], None
    data, shared = _prior_fitted(data, chosen, config)
    # first the channels that say nothing of new items; these are left out where known items do without them
    fitting = [kind for kind in kinds_of(config.channels) if kind.name in chosen.channels]
    order = sorted(fitting, key=lambda kind: kind.cold_start is not None)
    for step, kind in enumerate(order):
        if kind.cold_start is None and not chosen.warm.get(kind.name):
            continue
        progress(step, len(order), f"fit {kind.name}")
        if kind.is_prior:
            fitted = None if data.prior is None else Fitted(data.prior)
        else:
            fitted = kind.fit(data, chosen.channels[kind.name])
        if fitted is None:
            continue
        regression = regression or fitted.regression
        unit = chosen.units.get(kind.name, 1.0)
        warm_weight = chosen.warm.get(kind.name, 0.0) / unit * popularity_scale(kind, counts, config, chosen.channels)
        if kind.is_prior:
            warm_weight = warm_weight + _beside_operators(chosen, config, counts)
        weight = np.where(cold, new_item_weight(chosen, kind.name), warm_weight).astype(np.float32)
        channels.append(Channel(kind.name, fitted.kernel, weight))
    base = np.log1p(counts) * (chosen.warm["base"] / chosen.units["base"])
    progress(len(order), len(order), "fitted")
    parts = tuple(channels), base.astype(np.float32), cold, shared, similarity, regression, text
    model = Recommender(snapshot, config, chosen, *parts)
    if chosen.again is not None:
        gate = chosen.warm["again"] / chosen.units["again"]
        again = Again.of(gate, chosen.again["days"], chosen.again["due"], snapshot.liked())
        model = replace(model, again=again)
    if chosen.fashion is None:
        return model
    lambda_ = chosen.warm["fashion"] / chosen.units["fashion"]
    return replace(model, fashion=Fashion.of(lambda_, chosen.fashion, model.base, snapshot.liked())).at(None)


def _prior_fitted(
    data: TrainingData, chosen: Chosen, config: TrainConfig
) -> tuple[TrainingData, tuple[GatedPaths, ...]]:
    """The data with W, and the paths that W is the sum of."""
    for kind in kinds_of(config.channels):
        fitted = kind.fit(data, chosen.channels[kind.name]) if kind.is_prior and kind.name in chosen.channels else None
        if fitted is not None and isinstance(fitted.kernel, FactorKernel):
            return replace(data, prior=fitted.kernel), fitted.shared
    return data, ()


def _beside_operators(chosen: Chosen, config: TrainConfig, counts: NDArray[np.int64]) -> Floats32:
    """The weight of W per item that goes with the operators that are shrunk to it, shape (items,)."""
    total = np.zeros(len(counts), np.float32)
    for kind in kinds_of(config.channels):
        factor = prior_factor(kind, chosen.channels) if kind.name in chosen.channels else 0.0
        if factor:
            weight = chosen.warm.get(kind.name, 0.0) / chosen.units.get(kind.name, 1.0)
            total += np.float32(factor * weight) * popularity_scale(kind, counts, config, chosen.channels)
    return total
