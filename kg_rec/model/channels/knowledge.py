"""Shared knowledge: what the graph says of two items, as paths through the facts that they have in common.

    W = sum over relation types of source diag(gate) target^T

Each node in the middle of a path has a gate, learned by message passing over the graph (:mod:`.gnn`).  W is what the
operators of taste and order are shrunk to (:mod:`.ridge`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData, settings_of
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.cold.similarity import ColdItems, Similarity
from kg_rec.model.item_paths import GatedPaths, PathFactors, shared_nodes
from kg_rec.model.kernel import FactorKernel, Kernel
from kg_rec.settings import expect
from kg_rec.snapshot import IdMap, Snapshot
from kg_rec.snapshot.item_facts import other_end

if TYPE_CHECKING:
    from torch import Tensor

#: Users x items at a time while gates are learned: 128 MB in single precision.
_CELLS = 32_000_000


@dataclass(frozen=True, slots=True)
class KnowledgeConfig:
    """Paths through shared attributes.

    Attributes:
        degree_exponent: an attribute with n items weighs n^-degree_exponent.
        max_degree: attributes with more items than this share of the catalogue are ignored.
        spread: how far the gates of a relation type stray from their mean, as a share of it (the standard deviation
            of a Gaussian prior); small values shrink them to the mean.
        holdout: share of the interactions that is predicted from the others while they are learned.
        users: most users that they are learned from, drawn with the seed; of large catalogues fewer, so that users x
            items stays within 32 million.
        candidates: most items that these users rank meanwhile.
        alignment: weight of the loss that aligns what an item's neighbours in the graph say with its own text, beside
            that of the interactions held out (:mod:`.alignment`); 0, or a model without text: none.
        temperature: of that loss: small values tell items apart that are somewhat alike.
        batch: items that are told apart at a time.
    """

    degree_exponent: float = 0.25
    max_degree: float = 1.0
    spread: float = 0.3
    holdout: float = 0.4
    users: int = 1_500
    candidates: int = 4_000
    alignment: float = 0.0
    temperature: float = 0.1
    batch: int = 512

    def __post_init__(self) -> None:
        expect(self.spread > 0, "knowledge.spread", "a positive number", self.spread)
        expect(0 < self.holdout < 1, "knowledge.holdout", "a number between 0 and 1", self.holdout)
        expect(self.alignment >= 0, "knowledge.alignment", "a number from 0", self.alignment)
        expect(self.temperature > 0, "knowledge.temperature", "a positive number", self.temperature)
        for name in ("users", "candidates", "batch"):
            expect(getattr(self, name) > 0, f"knowledge.{name}", "at least 1", getattr(self, name))


def most_users(n_items: int, config: KnowledgeConfig) -> int:
    """How many users the gates are learned from: as many as set, as long as a matrix of users by items is bounded."""
    return max(1, min(config.users, _CELLS // max(n_items, 1)))


def prior_of(paths: Sequence[GatedPaths]) -> FactorKernel | None:
    """W; None where no relation type has a gate that is open."""
    used = [p for p in paths if p.gate.any()]
    if not used:
        return None
    source = sparse.hstack([p.factors.source * p.gate for p in used], format="csr")
    target = sparse.hstack([p.factors.target for p in used], format="csr")
    return FactorKernel(sparse.csr_array(source), sparse.csr_array(target))


def factors_of(snapshot: Snapshot, config: KnowledgeConfig) -> tuple[PathFactors, ...]:
    """What ties items to nodes, for each relation type that has edges."""
    return tuple(
        shared_nodes(snapshot, relation, config.degree_exponent, config.max_degree)
        for relation in snapshot.schema.knowledge_relations
        if len(snapshot.edges[relation.name])
    )


def gated(snapshot: Snapshot, config: KnowledgeConfig, chosen: Mapping[str, Any]) -> tuple[GatedPaths, ...]:
    """The paths that W is the sum of, by relation type, with the gates that were learned.

    Args:
        snapshot: the graph; its interactions play no part.
        config: how facts are weighed.
        chosen: ``mean`` by relation type, ``deviation`` from it by relation type and key of the node.
    """
    paths = []
    for factors in factors_of(snapshot, config):
        gate = np.full(factors.source.shape[1], chosen["mean"].get(factors.relation, 0.0))
        own = chosen["deviation"].get(factors.relation, {})
        place = _nodes(snapshot, factors.relation).indices(list(own))
        values = np.fromiter(own.values(), np.float64, len(own))
        gate[place[place >= 0]] *= 1 + values[place >= 0]
        paths.append(GatedPaths(factors, gate.astype(np.float32)))
    return tuple(paths)


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
    is_prior = True

    def popularity_exponent(self, settings: Sequence[object], chosen: Mapping[str, Mapping[str, Any]]) -> float:
        """See :class:`ChannelKind`; W is scaled as the operators that are shrunk to it."""
        first = settings_of(settings, TasteConfig).popularity[0]
        return float(chosen.get("taste", {}).get("popularity_exponent", first))

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`."""
        from kg_rec.model.channels import gnn  # torch takes long to import
        from kg_rec.model.channels.alignment import Alignment

        config, taste = data.settings_of(KnowledgeConfig), data.settings_of(TasteConfig)
        factors = factors_of(data.snapshot, config)
        if not factors:
            return
        data.progress(0, 1, "learn what binds items")
        batch = gnn.batch_of(
            data.interactions,
            taste.l2[len(taste.l2) // 2],
            taste.dropout,
            taste.user_power,
            config.holdout,
            most_users(data.interactions.shape[1], config),
            config.candidates,
            data.seed,
            data.device,
        )
        if batch is None:
            return
        epochs = data.settings_of(GnnConfig).epochs
        beside = None
        if config.alignment and data.text is not None:
            aligned = Alignment(data.text, config.batch, config.temperature, data.seed, data.device)

            def beside(hop: Callable[[Tensor], Tensor]) -> Tensor:
                return config.alignment * aligned.loss(hop)

        gates, losses = gnn.learn(data.snapshot, factors, batch, config.spread, epochs, data.device, beside=beside)
        data.log({"stage": "gates", "loss": losses, "mean": gates.mean})
        chosen = {
            "mean": gates.mean,
            "deviation": {
                relation: _by_node(data.snapshot, relation, values) for relation, values in gates.deviation.items()
            },
        }
        fitted = self.fit(data, chosen)
        if fitted is not None:
            yield chosen, fitted.kernel

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted | None:
        """See :class:`ChannelKind`."""
        paths = gated(data.snapshot, data.settings_of(KnowledgeConfig), chosen)
        kernel = prior_of(paths)
        return None if kernel is None else Fitted(kernel, shared=paths)

    def without_edges(
        self,
        kernel: Kernel,
        shared: Sequence[GatedPaths],
        similarity: Similarity,
        regression: ColdItems | None,
        cold: NDArray[np.bool_],
    ) -> Kernel:
        """See :class:`ChannelKind`."""
        n = len(cold)
        return prior_of(shared) or FactorKernel(sparse.csr_array((n, 1)), sparse.csr_array((n, 1)))


def _nodes(snapshot: Snapshot, relation: str) -> IdMap:
    """The nodes in the middle of paths along a relation type."""
    return snapshot.ids[other_end(snapshot.schema, snapshot.schema.relation_types[relation])]


def _by_node(snapshot: Snapshot, relation: str, values: NDArray[np.float64]) -> dict[str, float]:
    """Deviations by key, those that are 0 left out."""
    ids = _nodes(snapshot, relation)
    return {ids.key(node): round(float(values[node]), 6) for node in np.flatnonzero(np.abs(values) >= 5e-7).tolist()}


KNOWLEDGE = Knowledge()
