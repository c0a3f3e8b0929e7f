"""Shared knowledge: paths between items through attributes and relations of the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg_rec.schema import RelationType
from kg_rec.snapshot import Snapshot


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


def incidence(snapshot: Snapshot, relation: RelationType) -> sparse.csr_array:
    """Binary CSR, shape (items, other nodes): which item is tied to which node by a relation type."""
    edges = snapshot.edges[relation.name]
    item = snapshot.schema.item.name
    ends = (edges.source, edges.target) if relation.source == item else (edges.target, edges.source)
    other = relation.target if relation.source == item else relation.source
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


def _direct(relation: str, adjacency: sparse.csr_array) -> PathFactors:
    n = adjacency.shape[0]
    degree = np.diff(adjacency.indptr)
    scale = np.where(degree, np.maximum(degree, 1) ** -0.5, 0).astype(np.float32)
    rows = np.repeat(np.arange(n), degree)
    adjacency.data = scale[rows] * scale[adjacency.indices]
    own = sparse.dia_array(((degree > 0)[None, :].astype(np.float32), [0]), shape=(n, n))
    identity = sparse.csr_array(sparse.eye_array(n, dtype=np.float32))
    return PathFactors(relation, sparse.csr_array(adjacency + own), identity)
