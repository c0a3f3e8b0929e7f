"""Shared knowledge: facts that the two items have in common, as paths through the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData, settings_of
from kg_rec.model.cold.similarity import ColdItems, Similarity
from kg_rec.model.item_paths import PathFactors
from kg_rec.model.kernel import FactorKernel, Kernel


@dataclass(frozen=True, slots=True)
class KnowledgeConfig:
    """Paths through shared attributes.

    Attributes:
        degree_exponent: an attribute with n items weighs n^-degree_exponent.
        popularity_exponent: scores of an item with n interactions are scaled by n^popularity_exponent.
        max_degree: attributes with more items than this share of the catalogue are ignored.
    """

    degree_exponent: float = 0.25
    popularity_exponent: float = 0.5
    max_degree: float = 1.0


def knowledge_kernel(factors: Sequence[PathFactors], weights: Mapping[str, float]) -> FactorKernel | None:
    """K(j, i) = sum of w_r K_r(j, i) over relation types of positive weight; None if there are none."""
    used = [f for f in factors if weights[f.relation] > 0]
    if not used:
        return None
    source = sparse.hstack([f.source * np.float32(weights[f.relation]) for f in used], format="csr")
    target = sparse.hstack([f.target for f in used], format="csr")
    return FactorKernel(sparse.csr_array(source), sparse.csr_array(target))


class Knowledge(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`."""

    name = "knowledge"
    about = About(
        titles={"en": "knowledge", "zh": "知识"},
        lines={
            "en": "facts that the two share: paths through the graph",
            "zh": "两者共有的事实：经过图谱的路径",
        },
        colour="#c26a06",
    )
    paths = "facts"
    table = "knowledge"
    settings = KnowledgeConfig
    needs = frozenset({"facts"})
    start = 0.15
    cold_start = 0.1

    def popularity_exponent(self, settings: Sequence[object]) -> float:
        """See :class:`ChannelKind`."""
        return settings_of(settings, KnowledgeConfig).popularity_exponent

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`."""
        fitted = self.fit(data, {})
        if fitted is not None:
            yield {}, fitted.kernel

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted | None:
        """See :class:`ChannelKind`."""
        if data.similarity is None:
            return None
        kernel = knowledge_kernel(data.similarity.factors, data.similarity.weights)
        return None if kernel is None else Fitted(kernel)

    def without_edges(
        self, kernel: Kernel, similarity: Similarity, regression: ColdItems | None, cold: NDArray[np.bool_]
    ) -> Kernel:
        """See :class:`ChannelKind`."""
        return knowledge_kernel(similarity.factors, similarity.weights) or kernel


KNOWLEDGE = Knowledge()
