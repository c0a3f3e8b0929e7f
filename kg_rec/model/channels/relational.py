"""Closeness in embeddings of items that message passing between users and items finds (:mod:`.spectral`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ModelError
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData
from kg_rec.model.cold.similarity import ColdItems, Similarity, fit_cold
from kg_rec.model.item_paths import GatedPaths
from kg_rec.model.kernel import FactorKernel, Kernel
from kg_rec.settings import expect


@dataclass(frozen=True, slots=True)
class GnnConfig:
    """The relational embeddings.

    Attributes:
        dimensions: numbers of dimensions (the low-pass cut) to choose from on validation.
        exponents: degree exponents a = b of D_out^-a A D_in^-b to choose from on validation.
        iterations: propagation steps of the orthogonal iteration that finds the eigenvectors.
        epochs: most steps of the optimiser that learns the gates of the facts by message passing; each sees all data.
    """

    dimensions: tuple[int, ...] = (16, 32, 64)
    exponents: tuple[float, ...] = (0.2, 0.3, 0.4)
    iterations: int = 12
    epochs: int = 20

    def __post_init__(self) -> None:
        expect(min(self.dimensions) > 0, "gnn.dimensions", "whole numbers from 1", self.dimensions)
        expect(self.iterations > 0, "gnn.iterations", "at least 1", self.iterations)
        expect(self.epochs > 0, "gnn.epochs", "at least 1", self.epochs)


class Relational(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`.

    Its kernel is a product of embeddings.  Items without interactions get their embedding from known items that are
    like them (:mod:`kg_rec.model.cold.similarity`).
    """

    name = "relational"
    about = About(
        titles={"en": "relations", "zh": "关系"},
        lines={
            "en": "closeness in the embeddings that passing messages between people and items finds",
            "zh": "在用户与项目之间传递消息所得的嵌入中彼此接近",
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
        from kg_rec.model.channels.spectral import InteractionFilter  # torch takes long to import

        config = data.settings_of(GnnConfig)
        for exponent in config.exponents:
            data.progress(0, len(config.exponents), "find eigenvectors")
            layer = InteractionFilter(data.snapshot, exponent, data.device, data.shards)
            vectors = layer.eigenvectors(max(config.dimensions), config.iterations, data.seed)
            for d in sorted(config.dimensions):  # eigenvectors of fewer dimensions are the leading ones
                yield {"exponent": exponent, "dimensions": d}, layer.kernel(vectors[:, :d])

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted:
        """See :class:`ChannelKind`."""
        from kg_rec.model.channels.spectral import InteractionFilter

        if data.sums is not None:
            raise ModelError("the channel relational needs the users; leave it out of the channels")
        config = data.settings_of(GnnConfig)
        layer = InteractionFilter(data.snapshot, chosen["exponent"], data.device, data.shards)
        wide = max(config.dimensions)  # as when it was chosen
        kernel = layer.kernel(layer.eigenvectors(wide, config.iterations, data.seed)[:, : chosen["dimensions"]])
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
        self,
        kernel: Kernel,
        shared: Sequence[GatedPaths],
        similarity: Similarity,
        regression: ColdItems | None,
        cold: NDArray[np.bool_],
    ) -> Kernel:
        """See :class:`ChannelKind`."""
        if regression is None or not isinstance(kernel, FactorKernel):
            return kernel
        target = np.array(kernel.target)
        target[cold] = regression.embed(similarity, np.flatnonzero(cold))
        return FactorKernel(kernel.source, target)


RELATIONAL = Relational()
