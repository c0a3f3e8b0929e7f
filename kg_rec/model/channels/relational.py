"""Closeness in the relational embeddings of items, which a linear graph network makes (:mod:`.gnn`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ModelError
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData
from kg_rec.model.channels.gnn_numbers import GnnConfig, GnnParameters
from kg_rec.model.cold.similarity import ColdItems, Similarity, fit_cold
from kg_rec.model.kernel import FactorKernel, Kernel


class Relational(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`.

    Its kernel is a product of embeddings.  Items without interactions get their embedding from known items that are
    like them (:mod:`kg_rec.model.cold.similarity`).
    """

    name = "relational"
    about = About(
        titles={"en": "relations", "zh": "关系"},
        lines={
            "en": "closeness in the embeddings of a linear graph network, over the relations of positive weight",
            "zh": "在线性图网络（涵盖权重为正的关系）的嵌入中彼此接近",
        },
        colour="#0d8f8f",
    )
    paths = "co-users"
    table = "gnn"
    settings = GnnConfig
    start = 0.65
    cold_start = 1.0

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`."""
        from kg_rec.model.channels import gnn  # torch takes long to import

        if data.judge is None:
            raise ModelError("expected a validation figure to train the graph network by; give TrainingData.judge")
        config = data.settings_of(GnnConfig)
        parameters = gnn.fit(
            data.snapshot,
            data.interactions,
            data.judge,
            config,
            data.seed,
            data.device,
            data.progress,
            data.log,
            data.shards,
        )
        yield asdict(parameters), gnn.embed(data.snapshot, parameters, config, data.seed, data.device, data.shards)

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted:
        """See :class:`ChannelKind`."""
        from kg_rec.model.channels import gnn

        config = data.settings_of(GnnConfig)
        kernel = gnn.embed(data.snapshot, GnnParameters(**chosen), config, data.seed, data.device, data.shards)
        cold, similarity, landmarks = data.cold, data.similarity, data.landmarks
        if cold is None or similarity is None or landmarks is None:
            return Fitted(kernel)
        target = np.array(kernel.target)
        target[cold] = 0
        regression = None
        if any(similarity.weights.values()) and cold.any() and not cold.all():
            regression = fit_cold(similarity, target, landmarks, data.ridge)
            target[cold] = regression.embed(similarity, np.flatnonzero(cold))
        return Fitted(FactorKernel(np.asarray(kernel.source), target), regression)

    def without_edges(
        self, kernel: Kernel, similarity: Similarity, regression: ColdItems | None, cold: NDArray[np.bool_]
    ) -> Kernel:
        """See :class:`ChannelKind`."""
        if regression is None or not isinstance(kernel, FactorKernel):
            return kernel
        target = np.array(kernel.target)
        target[cold] = regression.embed(similarity, np.flatnonzero(cold))
        return FactorKernel(kernel.source, target)


RELATIONAL = Relational()
