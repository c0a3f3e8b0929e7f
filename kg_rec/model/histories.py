"""Users as what they did: sparse rows of weighted interactions (a_uj of the score)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.snapshot import NO_TIME, EdgeTable

_FLOOR = 0.02


def histories(edges: EdgeTable, shape: tuple[int, int], recency: float) -> sparse.csr_array:
    """The matrix of a_uj.

    Args:
        edges: interactions that count.
        shape: (users, items).
        recency: 0 for equal weights; else a_uj = exp(-rank / recency) + 0.02, scaled to mean 1 per user, where
            rank counts from the user's latest interaction (0).  Interactions without a time come last.

    Returns:
        float32 CSR, shape (users, items), columns sorted.
    """
    data = np.ones(len(edges), dtype=np.float32)
    if recency > 0 and edges.time is not None and len(edges):
        rank = ranks_from_latest(edges)
        data = recency_weights(rank, recency)
        counts = np.bincount(edges.source, minlength=shape[0])
        totals = np.bincount(edges.source, weights=data, minlength=shape[0])
        data *= (counts / np.maximum(totals, 1e-12)).astype(np.float32)[edges.source]
    matrix = sparse.csr_array((data, (edges.source, edges.target)), shape=shape, dtype=np.float32)
    matrix.sort_indices()
    return matrix


def recency_weights(ranks: NDArray[np.int64], recency: float) -> NDArray[np.float32]:
    """exp(-rank / recency) + 0.02, before it is scaled to mean 1; 1 for a recency of 0.  Same shape as ``ranks``."""
    if recency == 0:
        return np.ones(ranks.shape, dtype=np.float32)
    return np.exp(-ranks / recency).astype(np.float32) + np.float32(_FLOOR)


def ranks_from_latest(edges: EdgeTable) -> NDArray[np.int64]:
    """For each edge, how many interactions of the same user are later (ties by item), shape (m,)."""
    time = np.full(len(edges), NO_TIME) if edges.time is None else edges.time
    rows = np.lexsort((edges.target, time, edges.source))
    ends = np.cumsum(np.bincount(edges.source))
    rank = np.empty(len(edges), dtype=np.int64)
    rank[rows] = ends[edges.source[rows]] - 1 - np.arange(len(edges))
    return rank
