"""Paths between items through facts of the graph: a node that both are tied to, or a relation between the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot
from kg_rec.snapshot.item_facts import other_end


@dataclass(frozen=True)
class PathFactors:
    """One relation type's part of the kernel, as a product over the node in the middle of the path.

    K(j, i) = sum_a source[j, a] target[i, a].  Through an attribute a: both are the normalised incidence.  For a
    relation between items, a is item i itself: target is the identity, source is I + D^-1/2 A D^-1/2 of the
    adjacency A with degrees D.  Both are positive semidefinite, as the regression for new items needs it.

    Attributes:
        relation: relation type.
        source: CSR, shape (items, middle nodes).
        target: CSR, shape (items, middle nodes).
    """

    relation: str
    source: sparse.csr_array
    target: sparse.csr_array


@dataclass(frozen=True)
class GatedPaths:
    """One relation type's part of W: K(j, i) = sum_a gate[a] source[j, a] target[i, a].

    Attributes:
        factors: what ties items to nodes.
        gate: weight of each node in the middle, float32, shape (middle nodes,).
    """

    factors: PathFactors
    gate: NDArray[np.float32]


def incidence(snapshot: Snapshot, relation: RelationType) -> sparse.csr_array:
    """Binary CSR, shape (items, other nodes): which item is tied to which node by a relation type."""
    edges = snapshot.edges[relation.name]
    item = snapshot.schema.item.name
    ends = (edges.source, edges.target) if relation.source == item else (edges.target, edges.source)
    other = other_end(snapshot.schema, relation)
    shape = (len(snapshot.items), len(snapshot.ids[other]))
    matrix = sparse.csr_array((np.ones(len(edges), np.float32), ends), shape=shape)
    if other == item:
        matrix = sparse.csr_array(matrix + matrix.T)
        matrix.setdiag(0)
        matrix.eliminate_zeros()
    matrix.data[:] = 1
    matrix.sort_indices()
    return matrix


def path_factors(
    snapshot: Snapshot, relation: RelationType, degree_exponent: float, max_degree: float = 1.0
) -> PathFactors:
    """Degree-weighted cosine of two items' attributes: a node with n items weighs n^-degree_exponent per side.

    Args:
        snapshot: the graph.
        relation: a relation type of :attr:`GraphSchema.knowledge_relations`.
        degree_exponent: how strongly common attributes are discounted.
        max_degree: attributes tied to more than this share of the items are left out.
    """
    matrix = incidence(snapshot, relation)
    if relation.source == relation.target:
        return _direct(relation.name, matrix)
    degree = np.bincount(matrix.indices, minlength=matrix.shape[1])
    weight = np.where(degree > max(max_degree * matrix.shape[0], 2), 0, np.maximum(degree, 1.0) ** -degree_exponent)
    matrix.data = weight[matrix.indices].astype(np.float32)
    norm = np.sqrt(np.maximum(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel(), 1e-12))
    matrix.data /= np.repeat(norm, np.diff(matrix.indptr)).astype(np.float32)
    matrix.eliminate_zeros()
    return PathFactors(relation.name, matrix, matrix)


def shared_nodes(
    snapshot: Snapshot, relation: RelationType, degree_exponent: float, max_degree: float = 1.0
) -> PathFactors:
    """Which nodes two items share: a node with n items weighs n^-degree_exponent, whatever else the items have.

    Unlike :func:`path_factors`, an item with many facts is tied more than one with few.  The arguments are those.
    """
    matrix = incidence(snapshot, relation)
    if relation.source == relation.target:
        return _direct(relation.name, matrix)
    degree = np.bincount(matrix.indices, minlength=matrix.shape[1])
    weight = np.where(degree > max(max_degree * matrix.shape[0], 2), 0, np.maximum(degree, 1.0) ** -degree_exponent)
    target = matrix.copy()
    matrix.data = weight[matrix.indices].astype(np.float32)
    matrix.eliminate_zeros()
    return PathFactors(relation.name, matrix, target)


def _direct(relation: str, adjacency: sparse.csr_array) -> PathFactors:
    n = adjacency.shape[0]
    degree = np.diff(adjacency.indptr)
    scale = np.where(degree, np.maximum(degree, 1) ** -0.5, 0).astype(np.float32)
    rows = np.repeat(np.arange(n), degree)
    adjacency.data = scale[rows] * scale[adjacency.indices]
    own = sparse.dia_array(((degree > 0)[None, :].astype(np.float32), [0]), shape=(n, n))
    identity = sparse.csr_array(sparse.eye_array(n, dtype=np.float32))
    return PathFactors(relation, sparse.csr_array(adjacency + own), identity)


def still_there(factors: PathFactors, before: Snapshot, after: Snapshot) -> PathFactors:
    """The factors without the entries whose edges are gone from the graph; the other entries keep their values.

    Degrees and norms are those of training, so what an edge added to a score is what its deletion takes away.  New
    edges have no entry until the next training.  Columns follow the middle nodes' ids in the new graph.

    Args:
        factors: of a relation type in ``before``.
        before: the graph they stand for.
        after: another state of it, with the same items.
    """
    relation = after.schema.relation_types[factors.relation]
    other = other_end(after.schema, relation)
    old, new = before.edges[relation.name], after.edges[relation.name]
    same = len(old) == len(new) and bool((old.source == new.source).all() and (old.target == new.target).all())
    if same and before.ids[other].keys.equals(after.ids[other].keys):
        return factors
    there = incidence(after, relation)
    if relation.source == relation.target:
        there = sparse.csr_array(there + sparse.eye_array(there.shape[0], dtype=np.float32))
        return PathFactors(relation.name, _where(factors.source, there), factors.target)
    column = after.ids[other].indices(before.ids[other].keys)

    def kept(matrix: sparse.csr_array) -> sparse.csr_array:
        cells = matrix.tocoo()
        known = column[cells.col] >= 0
        ends = (cells.row[known], column[cells.col[known]])
        return _where(sparse.csr_array((cells.data[known], ends), shape=there.shape), there)

    source = kept(factors.source)
    return PathFactors(relation.name, source, source if factors.target is factors.source else kept(factors.target))


def gates_there(paths: GatedPaths, before: Snapshot, after: Snapshot) -> GatedPaths:
    """:func:`still_there` with gates: a node keeps its gate, a new one has none."""
    factors = still_there(paths.factors, before, after)
    if factors is paths.factors:
        return paths
    relation = after.schema.relation_types[factors.relation]
    if relation.source == relation.target:
        return GatedPaths(factors, paths.gate)
    other = other_end(after.schema, relation)
    column = after.ids[other].indices(before.ids[other].keys)
    gate = np.zeros(factors.source.shape[1], np.float32)
    gate[column[column >= 0]] = paths.gate[column >= 0]
    return GatedPaths(factors, gate)


def _where(matrix: sparse.csr_array, binary: sparse.csr_array) -> sparse.csr_array:
    """The entries of a matrix where another has any."""
    kept = sparse.csr_array(matrix.multiply(binary))
    kept.sort_indices()
    return kept


@dataclass(frozen=True, slots=True)
class Way:
    """How one relation type leads from an item to another.

    Attributes:
        relation: relation type.
        through: node type of the shared node between the two items; None for a relation between the items themselves.
        forward: the relation points from the first item to the shared node, or to the second item.
    """

    relation: str
    through: str | None
    forward: bool


@dataclass(frozen=True)
class Links:
    """The :class:`PathFactors` of all relation types side by side: the paths between items, one column each.

    Column a is a shared node, or for a relation between items the second item; it links the items with an entry in
    ``source`` to those with an entry in ``target``, and adds ``weight[a] source[j, a] target[i, a]`` to their likeness.

    Attributes:
        ways: each way that a column may belong to.
        way: per column, its position in ``ways``, int64, shape (columns,).
        node: per column, the dense index of the shared node in its type, int64, shape (columns,).
        weight: per column, the gate of the node or the weight of the relation type, float64, shape (columns,).
        source: CSR, float64, shape (items, columns).
        target: CSR, float64, shape (items, columns).
    """

    ways: tuple[Way, ...]
    way: NDArray[np.int64]
    node: NDArray[np.int64]
    weight: NDArray[np.float64]
    source: sparse.csr_array
    target: sparse.csr_array

    @cached_property
    def commonness(self) -> NDArray[np.float64]:
        """Per column, the share of all items that have the shared node; 0 for a relation between items."""
        items, columns = self.source.shape
        shares: NDArray[np.float64] = np.bincount(self.source.indices, minlength=columns) / max(items, 1)
        shares[~np.array([way.through is not None for way in self.ways] or [False])[self.way]] = 0
        return shares


def links(snapshot: Snapshot, paths: Sequence[GatedPaths]) -> Links:
    """All paths between items through some relation types."""
    n = len(snapshot.items)
    ways: list[Way] = []
    sources, targets, weight = [], [], []
    for path in paths:
        factor = path.factors
        relation = snapshot.schema.relation_types[factor.relation]
        if relation.source == relation.target:
            steps = [Way(relation.name, None, True), Way(relation.name, None, False)]
            parts = _directions(snapshot, factor)
        else:
            forward = relation.source == snapshot.schema.item.name
            steps = [Way(relation.name, relation.target if forward else relation.source, forward)]
            parts = [factor.source]
        for way, part in zip(steps, parts, strict=True):
            ways.append(way)
            sources.append(part)
            targets.append(factor.target)
            weight.append(path.gate.astype(np.float64))
    widths = [t.shape[1] for t in targets]
    stacked = [
        sparse.csr_array(sparse.hstack(m, format="csr")) if m else sparse.csr_array((n, 0)) for m in (sources, targets)
    ]
    for matrix in stacked:
        matrix.data = matrix.data.astype(np.float64)
        matrix.sort_indices()
    return Links(
        ways=tuple(ways),
        way=np.repeat(np.arange(len(ways)), widths),
        node=np.concatenate([np.arange(w) for w in widths] or [np.empty(0, np.int64)]),
        weight=np.concatenate([*weight, np.empty(0)]),
        source=stacked[0],
        target=stacked[1],
    )


def _directions(snapshot: Snapshot, factor: PathFactors) -> list[sparse.csr_array]:
    """A relation between items: the entries along an edge, and those against it only."""
    edges = snapshot.edges[factor.relation]
    ends = (edges.source, edges.target)
    along = sparse.csr_array((np.ones(len(edges), np.float32), ends), shape=factor.source.shape)
    forth = sparse.csr_array(factor.source.multiply(along))
    back = sparse.csr_array(factor.source - forth)
    for matrix in (forth, back):
        matrix.setdiag(0)
        matrix.eliminate_zeros()
    return [forth, back]
