"""Shared taste, in closed form: items that the same users like, in any order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from kg_rec.config import TasteConfig
from kg_rec.model.inverse import inverse, solve
from kg_rec.model.kernel import MatrixKernel
from kg_rec.store.base import Progress, no_progress

#: Computes a function of each part, in their order.
Shards = Callable[[Callable[[sparse.csr_array], sparse.csr_array], list[sparse.csr_array]], list[sparse.csr_array]]


def in_turn(
    function: Callable[[sparse.csr_array], sparse.csr_array], parts: list[sparse.csr_array]
) -> list[sparse.csr_array]:
    """One part after the other, in this process."""
    return [function(part) for part in parts]


#: Users per addend of the Gram matrix.
SHARD = 100_000


def gram(
    interactions: sparse.csr_array, user_power: float, run: Shards = in_turn, shard: int = SHARD
) -> sparse.csr_array:
    """G = sum over users of n_u^-user_power x_u x_u^T, scaled to keep the trace of X^T X; shape (n, n).

    Args:
        interactions: X, CSR, shape (users, items).
        user_power: exponent of the users' weights.
        run: computes the addends, in their order: here, or on a cluster (:func:`kg_rec.jobs.engine.ray_map`).
        shard: users per addend.  The addends are summed in their order, so the same shards give the same bytes.
    """
    counts = np.maximum(np.diff(interactions.indptr), 1).astype(np.float64)
    scale = np.repeat(counts ** (-user_power / 2), np.diff(interactions.indptr))
    weighted = interactions.astype(np.float64)
    trace = float((weighted.data**2).sum())
    weighted.data = weighted.data * scale
    weighted.data *= np.sqrt(trace / max(float((weighted.data**2).sum()), 1e-12))
    parts = run(outer, [weighted[at : at + shard] for at in range(0, max(weighted.shape[0], 1), shard)])
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return sparse.csr_array(total)


def outer(part: sparse.csr_array) -> sparse.csr_array:
    """X^T X of some users."""
    return sparse.csr_array(part.T @ part)


def taste_kernel(
    interactions: sparse.csr_array, config: TasteConfig, l2: float, progress: Progress = no_progress
) -> MatrixKernel:
    """EDLAE with users weighted by n_u^-user_power; ``interactions`` is binary CSR, shape (users, items)."""
    return regress(gram(interactions, config.user_power), config, l2, None, progress)


def regress(
    g: sparse.csr_array,
    config: TasteConfig,
    l2: float,
    wanted: sparse.csr_array | None = None,
    progress: Progress = no_progress,
) -> MatrixKernel:
    """:func:`edlae` up to ``max_items`` items, :func:`neighbour_ridge` beyond."""
    if g.shape[0] <= config.max_items:
        return edlae(g, config, l2, wanted)
    return neighbour_ridge(g, config, l2, wanted, progress)


def edlae(g: sparse.csr_array, config: TasteConfig, l2: float, wanted: sparse.csr_array | None = None) -> MatrixKernel:
    """The item-item operator B = I - P / diag(P), P = (G + l2 I + p/(1-p) diag G)^-1.

    EDLAE (Steck, "Autoencoders that don't overfit towards the identity", NeurIPS 2020).  The diagonal is zero: no item
    is a reason for itself.  With other targets C than G itself, B = P (C - diag(c)), c such that the diagonal is zero.

    Args:
        g: Gram matrix G, shape (n, n).
        config: dropout p.
        l2: ridge penalty.
        wanted: C, shape (n, n), column i: what item i shares with the others; None for G.
    """
    penalised = g.toarray()
    penalised[np.diag_indices_from(penalised)] += l2 + config.dropout / (1 - config.dropout) * np.diag(penalised)
    precision = inverse(penalised)
    own = np.diag(precision)
    if wanted is None:
        operator = -precision / own[None, :]
    else:
        operator = np.asarray((wanted.T @ precision).T)
        operator -= precision * (np.diag(operator) / own)[None, :]
    operator = operator.astype(np.float32)
    np.fill_diagonal(operator, 0)
    return MatrixKernel(operator)


def neighbour_ridge(
    g: sparse.csr_array,
    config: TasteConfig,
    l2: float,
    wanted: sparse.csr_array | None = None,
    progress: Progress = no_progress,
) -> MatrixKernel:
    """The sparse form for large catalogues: each item is regressed on the items that share most with it.

    For item i and its ``neighbours`` N by C_ji / sqrt(G_jj): b = (G_NN + l2 I + p/(1-p) diag G_NN)^-1 C_Ni, the same
    ridge problem as :func:`edlae` restricted to N (SLIM's neighbourhood form, Ning & Karypis 2011).  Memory and time
    are linear in the number of items.  Arguments as for :func:`edlae`.
    """
    n = g.shape[0]
    targets = g if wanted is None else sparse.csr_array(wanted.T)  # row i: what item i shares with the others
    diagonal = np.maximum(g.diagonal(), 1e-12)
    rows, columns, data = [], [], []
    for item in range(n):
        if item % 1000 == 0:
            progress(item, n, "taste")
        others = targets.indices[targets.indptr[item] : targets.indptr[item + 1]]
        shared = targets.data[targets.indptr[item] : targets.indptr[item + 1]]
        keep = (others != item) & (shared > 0)
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
