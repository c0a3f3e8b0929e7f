"""Shared taste, in closed form: items that the same users like, in any order or one after the other."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from kg_rec.config import SequenceConfig, TasteConfig
from kg_rec.model.histories import ranks_from_latest
from kg_rec.model.inverse import inverse, solve
from kg_rec.model.kernel import MatrixKernel
from kg_rec.snapshot import EdgeTable
from kg_rec.store.base import Progress, no_progress


def gram(interactions: sparse.csr_array, user_power: float) -> sparse.csr_array:
    """G = sum over users of n_u^-user_power x_u x_u^T, scaled to keep the trace of X^T X; shape (n, n).

    A sum over users, so it can be computed in shards and added.
    """
    counts = np.maximum(np.diff(interactions.indptr), 1).astype(np.float64)
    scale = np.repeat(counts ** (-user_power / 2), np.diff(interactions.indptr))
    weighted = interactions.astype(np.float64)
    trace = float((weighted.data**2).sum())
    weighted.data = weighted.data * scale
    weighted.data *= np.sqrt(trace / max(float((weighted.data**2).sum()), 1e-12))
    return sparse.csr_array(weighted.T @ weighted)


def edlae(interactions: sparse.csr_array, config: TasteConfig, l2: float) -> MatrixKernel:
    """The item-item operator B = I - P / diag(P), P = (G + l2 I + p/(1-p) diag G)^-1.

    EDLAE (Steck, "Autoencoders that don't overfit towards the identity", NeurIPS 2020) with users weighted by
    n_u^-user_power.  The diagonal is zero: no item is a reason for itself.

    Args:
        interactions: binary CSR, shape (users, items).
        config: dropout p, user_power.
        l2: ridge penalty.
    """
    g = gram(interactions, config.user_power).toarray()
    g[np.diag_indices_from(g)] += l2 + config.dropout / (1 - config.dropout) * np.diag(g)
    precision = inverse(g)
    operator = (-precision / np.diag(precision)[None, :]).astype(np.float32)
    np.fill_diagonal(operator, 0)
    return MatrixKernel(operator)


def neighbour_ridge(
    interactions: sparse.csr_array, config: TasteConfig, l2: float, progress: Progress = no_progress
) -> MatrixKernel:
    """The sparse form for large catalogues: each item is regressed on its most co-occurring items.

    For item i and its ``neighbours`` N by cosine: b = (G_NN + l2 I + p/(1-p) diag G_NN)^-1 G_Ni, the same ridge
    problem as :func:`edlae` restricted to N (SLIM's neighbourhood form, Ning & Karypis 2011).  Memory and time
    are linear in the number of items.
    """
    g = gram(interactions, config.user_power)
    n = g.shape[0]
    diagonal = np.maximum(g.diagonal(), 1e-12)
    rows, columns, data = [], [], []
    for item in range(n):
        if item % 1000 == 0:
            progress(item, n, "taste")
        others = g.indices[g.indptr[item] : g.indptr[item + 1]]
        shared = g.data[g.indptr[item] : g.indptr[item + 1]]
        keep = others != item
        others, shared = others[keep], shared[keep]
        if len(others) > config.neighbours:
            best = np.argpartition(-shared / np.sqrt(diagonal[others]), config.neighbours)[: config.neighbours]
            others, shared = others[best], shared[best]
        if not len(others):
            continue
        block = g[others][:, others].toarray()
        block[np.diag_indices_from(block)] += l2 + config.dropout / (1 - config.dropout) * diagonal[others]
        rows.append(others)
        columns.append(np.full(len(others), item))
        data.append(solve(block, shared).astype(np.float32))
    if not rows:
        return MatrixKernel(sparse.csr_array((n, n), dtype=np.float32))
    ends = (np.concatenate(rows), np.concatenate(columns))
    return MatrixKernel(sparse.csr_array((np.concatenate(data), ends), shape=(n, n)))


def taste_kernel(
    interactions: sparse.csr_array, config: TasteConfig, l2: float, progress: Progress = no_progress
) -> MatrixKernel:
    """:func:`edlae` up to ``max_items`` items, :func:`neighbour_ridge` beyond."""
    if interactions.shape[1] <= config.max_items:
        return edlae(interactions, config, l2)
    return neighbour_ridge(interactions, config, l2, progress)


def sequence_kernel(edges: EdgeTable, n_items: int, config: SequenceConfig) -> MatrixKernel:
    """Directed co-occurrence: K(j, i) = sum over users of 1/(steps from j to i) / (d_j d_i)^degree_exponent.

    Steps count the user's interactions in time order, up to ``window``; d are the numbers of interactions.
    """
    order = np.lexsort((ranks_from_latest(edges) * -1, edges.source))
    users, items = edges.source[order], edges.target[order]
    total = sparse.csr_array((n_items, n_items), dtype=np.float32)
    for step in range(1, min(config.window, max(len(items) - 1, 0)) + 1):
        same = users[:-step] == users[step:]
        ends = (items[:-step][same], items[step:][same])
        total = total + sparse.csr_array((np.full(int(same.sum()), 1 / step, np.float32), ends), shape=total.shape)
    scale = np.maximum(np.bincount(items, minlength=n_items), 1).astype(np.float32) ** -config.degree_exponent
    scaled = sparse.csr_array(total.multiply(scale[:, None]).multiply(scale[None, :]).tocsr())
    scaled.setdiag(0)
    scaled.eliminate_zeros()
    return MatrixKernel(scaled)
