"""Facts that went and came since a model was trained, in the paths that it is the sum of.

What goes leaves no path; what came counts as training on the graph of now would have it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from kg_rec.model.channels.knowledge import KnowledgeConfig
from kg_rec.model.chosen import Chosen
from kg_rec.model.config import TrainConfig
from kg_rec.model.item_paths import (
    GatedPaths,
    PathFactors,
    gates_there,
    incidence,
    path_factors,
    shared_nodes,
    still_there,
)
from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.item_facts import other_end


def with_facts(factors: PathFactors, before: Snapshot, after: Snapshot, config: TrainConfig) -> PathFactors:
    """The factors without the facts that went, and with those that came."""
    knowledge = config.of(KnowledgeConfig)
    kept = still_there(factors, before, after)
    return _joined(
        kept, before, after, lambda r: path_factors(after, r, knowledge.degree_exponent, knowledge.max_degree)
    )


def with_gates(paths: GatedPaths, before: Snapshot, after: Snapshot, config: TrainConfig, chosen: Chosen) -> GatedPaths:
    """The paths of W without the facts that went, and with those that came; a new node has the gate of its type."""
    knowledge = config.of(KnowledgeConfig)
    kept = gates_there(paths, before, after)
    factors = _joined(
        kept.factors, before, after, lambda r: shared_nodes(after, r, knowledge.degree_exponent, knowledge.max_degree)
    )
    if factors is kept.factors:
        return kept
    relation = after.schema.relation_types[factors.relation]
    other = other_end(after.schema, relation)
    new = before.ids[other].indices(after.ids[other].keys) < 0
    gate = np.where(new, np.float32(mean_gate(chosen, relation.name)), kept.gate)
    return GatedPaths(factors, gate.astype(np.float32))


def mean_gate(chosen: Chosen, relation: str) -> float:
    """The gate of a node that training did not know: that of its relation type."""
    return float(chosen.channels.get("knowledge", {}).get("mean", {}).get(relation, 0.0))


def _joined(
    kept: PathFactors, before: Snapshot, after: Snapshot, fresh_of: Callable[[RelationType], PathFactors]
) -> PathFactors:
    """Factors of the facts that stayed, and of those that came as training on the graph of now would have them."""
    relation = after.schema.relation_types[kept.relation]
    came = _came(before, after, relation)
    if not came.nnz:
        return kept
    fresh, direct = fresh_of(relation), relation.source == relation.target
    if direct:
        own = sparse.dia_array(((kept.source.diagonal() == 0).astype(np.float32)[None, :], [0]), shape=came.shape)
        came = sparse.csr_array(came + own)

    def both(old: sparse.csr_array, new: sparse.csr_array) -> sparse.csr_array:
        joined = sparse.csr_array(old + new.multiply(came))
        joined.sort_indices()
        return joined

    source = both(kept.source, fresh.source)
    if direct:
        return PathFactors(kept.relation, source, kept.target)
    return PathFactors(kept.relation, source, source if kept.target is kept.source else both(kept.target, fresh.target))


def _came(before: Snapshot, after: Snapshot, relation: RelationType) -> sparse.csr_array:
    """The facts of a relation type that only ``after`` has, binary CSR, shape (items, other nodes)."""
    there = incidence(after, relation)
    other = other_end(after.schema, relation)
    column = after.ids[other].indices(before.ids[other].keys)
    cells = incidence(before, relation).tocoo()
    known = column[cells.col] >= 0
    had = sparse.csr_array((cells.data[known], (cells.row[known], column[cells.col[known]])), shape=there.shape)
    came = sparse.csr_array(there - there.multiply(had))
    came.eliminate_zeros()
    return came
