"""The item-item operator in closed form, shrunk to what the graph says.

    B = argmin |X - X B|^2 + tr (B - W)^T L (B - W),  diag B = 0;   L = l2 I + p/(1-p) diag G,  G = X^T X

    B = P (G + L W) - P diag(c),  P = (G + L)^-1,  c such that the diagonal is zero

Without W it is EDLAE (Steck, "Autoencoders that don't overfit towards the identity", NeurIPS 2020).  W is what the
graph says (:mod:`kg_rec.model.channels.knowledge`), zero on the diagonal; the more is known of an item from
interactions, the further B strays from it.  B is kept as W and the rest, T = B - W, which is the regression of what W
leaves over, X - X W, on X.  It is linear in W: with k W in place of W, T = T_0 - k T_W, so one inverse serves all k.

An item without interactions has W alone: its column of T is 0, as nobody could have had it.

Three forms: dense; of rank (users) by the Woodbury identity, where users are few; and for large catalogues each item
regressed on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from kg_rec.arrays.cholesky import inverse, solve
from kg_rec.errors import ArgumentError
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel
from kg_rec.model.shards import HERE, Shards, row_ranges
from kg_rec.progress import Progress, no_progress

#: Items per block of the sparse form.
_ITEMS = 1000
#: Columns of the prior's source that are multiplied at a time.
_COLUMNS = 2048


@dataclass(frozen=True)
class Penalty:
    """L = l2 I + p/(1-p) diag G.

    Attributes:
        l2: ridge penalty, in interactions.
        dropout: p.
    """

    l2: float
    dropout: float

    def of(self, gram_diagonal: NDArray[np.float64]) -> NDArray[np.float64]:
        """The diagonal of L, shape (n,)."""
        return self.l2 + self.dropout / (1 - self.dropout) * gram_diagonal


@dataclass(frozen=True)
class Rest:
    """T = B - k W for any k.

    Attributes:
        alone: T_0, which is B where there is no W.
        taken: T_W; None without a prior.
    """

    alone: Kernel
    taken: Kernel | None

    def at(self, factor: float) -> Kernel:
        """T_0 - factor T_W, as one kernel."""
        if self.taken is None or factor == 0:
            return self.alone
        if isinstance(self.alone, FactorKernel) and isinstance(self.taken, FactorKernel):
            target = self.alone.target - np.float32(factor) * self.taken.target
            return FactorKernel(self.alone.source, target)
        if isinstance(self.alone, MatrixKernel) and isinstance(self.taken, MatrixKernel):
            return MatrixKernel(self.alone.matrix - np.float32(factor) * self.taken.matrix)
        raise ArgumentError(
            f"expected two kernels of one form, got {type(self.alone).__name__} and {type(self.taken).__name__}"
        )


def dense(
    g: sparse.csr_array, penalty: Penalty, wanted: sparse.csr_array | None = None, prior: FactorKernel | None = None
) -> Rest:
    """The dense form.

    Args:
        g: Gram matrix G, shape (n, n).
        penalty: L.
        wanted: C in place of G as the target of the regression, shape (n, n), column i: what item i shares with the
            others; None for G.
        prior: W.
    """
    precision = g.toarray()
    new = np.diag(precision) == 0
    own = penalty.of(np.diag(precision).copy())
    precision[np.diag_indices_from(precision)] += own
    precision = inverse(precision.T)  # it is symmetric; in LAPACK's order of columns it is not copied
    diagonal = np.diag(precision).copy()
    if wanted is None:
        operator = precision / -diagonal[None, :]
    else:
        operator = np.asarray((wanted.T @ precision).T)
        operator -= precision * (np.diag(operator) / diagonal)[None, :]
    alone = _hollow(operator, new)
    del operator
    if prior is None:
        return Rest(alone, None)
    prior = _between(prior)
    # transposed, P is its own transpose: rows of W are quicker than its columns
    moved = reached(precision * own[:, None], prior)  # W^T L P
    correction = np.diag(moved) / diagonal
    np.negative(moved, out=moved)
    moved += precision * correction[:, None]
    add_transposed(moved, prior)
    return Rest(alone, _hollow(moved.T, new))


def of_rank(rows: sparse.csr_array, penalty: Penalty, prior: FactorKernel | None = None) -> Rest:
    """The form of rank (users), shape (users, items): exact, without any matrix of items by items.

    With M = (I + X L^-1 X^T)^-1, P = L^-1 - L^-1 X^T M X L^-1, so off the diagonal, which :class:`FactorKernel` takes
    out, T_0 = L^-1 X^T M (X + X L^-1 diag c) and T_W = L^-1 X^T M (X W - X L^-1 diag c_W).

    Args:
        rows: X, weighted by user, CSR.
        penalty: L.
        prior: W.
    """
    x = rows.toarray().astype(np.float64)
    counts = (x**2).sum(axis=0)
    own, known = penalty.of(counts), (counts > 0)[None, :]
    scaled = x / own
    inner = scaled @ x.T
    inner[np.diag_indices_from(inner)] += 1
    reach = solve(inner, x)  # M X
    diagonal = 1 / own - (x * reach).sum(axis=0) / own**2  # of P
    source = (reach / own).T.astype(np.float32)
    c = (1 - diagonal * own) / diagonal
    alone = FactorKernel(source, ((x + scaled * c) * known).T.astype(np.float32))
    if prior is None:
        return Rest(alone, None)
    correction = -(x * times(reach, prior)).sum(axis=0) / own / diagonal
    taken = (times(x, prior) - scaled * correction) * known
    return Rest(alone, FactorKernel(source, taken.T.astype(np.float32)))


def of_neighbours(
    g: sparse.csr_array,
    penalty: Penalty,
    neighbours: int,
    wanted: sparse.csr_array | None = None,
    prior: FactorKernel | None = None,
    items: NDArray[np.int64] | None = None,
    progress: Progress = no_progress,
    shards: Shards = HERE,
) -> Rest:
    """The form for large catalogues: T of each item has entries for the items that share most with it alone.

    For item i and its ``neighbours`` N by C_ji / sqrt(G_jj): t = (G_NN + L_NN)^-1 (C_Ni - (G W)_Ni), the problem of
    :func:`dense` with T restricted to N (SLIM's neighbourhood form, Ning & Karypis 2011).  Memory and time are linear
    in the number of items.

    Args:
        g: Gram matrix G, shape (n, n).
        penalty: L.
        neighbours: most entries per item.
        wanted: C as for :func:`dense`.
        prior: W.
        items: compute the columns of these items alone; None for all.
        progress: called per block of items.
        shards: where blocks of items are computed.
    """
    n = g.shape[0]
    targets = None if wanted is None else sparse.csr_array(wanted.T)  # row i: what item i shares with the others
    asked = np.arange(n) if items is None else items
    blocks = [asked[part] for part in row_ranges(len(asked), min(_ITEMS, shards.rows))]
    parts, done = [], 0
    for block, part in zip(blocks, shards.map(_ridges, blocks, g, targets, penalty, neighbours, prior), strict=True):
        progress(done, len(asked), "taste")
        parts.append(part)
        done += len(block)
    ends = (np.concatenate([rows for rows, _, _ in parts]), np.concatenate([columns for _, columns, _ in parts]))
    values = np.concatenate([data for _, _, data in parts], axis=1)
    kernels = [MatrixKernel(sparse.csr_array((v, ends), shape=(n, n))) for v in values]
    return Rest(kernels[0], kernels[1] if prior is not None else None)


def _ridges(
    items: NDArray[np.int64],
    g: sparse.csr_array,
    targets: sparse.csr_array | None,
    penalty: Penalty,
    neighbours: int,
    prior: FactorKernel | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Rows, columns and the values of T_0 and T_W, shape (1 or 2, cells), of some items' columns."""
    targets, diagonal = g if targets is None else targets, np.maximum(g.diagonal(), 1e-12)
    own, sides = penalty.of(diagonal), 1 if prior is None else 2
    said = None if prior is None else columns_of(prior, items)
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    data = [np.empty((sides, 0), np.float32)]
    with threadpool_limits(1):  # the systems are small; and sums have one order whatever the number of cores
        for place, item in enumerate(items):
            others = targets.indices[targets.indptr[item] : targets.indptr[item + 1]]
            shared = targets.data[targets.indptr[item] : targets.indptr[item + 1]]
            keep = (others != item) & (shared > 0)
            others, shared = others[keep], shared[keep]
            if len(others) > neighbours:
                best = np.argpartition(-shared / np.sqrt(diagonal[others]), neighbours)[:neighbours]
                others, shared = others[best], shared[best]
            if not len(others):
                continue
            near = g[others]
            right = [shared]
            if said is not None:
                right.append(near @ said[:, place])
            block = near[:, others].toarray()
            block[np.diag_indices_from(block)] += own[others]
            rows.append(others)
            columns.append(np.full(len(others), item))
            data.append(solve(block, np.stack(right, axis=1)).T.astype(np.float32))
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(data, axis=1)


def _between(prior: FactorKernel) -> FactorKernel:
    """W without the columns that tie an item to itself alone, which add nothing beside the diagonal."""
    source, target = sparse.csc_array(prior.source), sparse.csc_array(prior.target)
    first, second = np.diff(source.indptr), np.diff(target.indptr)
    used = (first > 0) & (second > 0)
    alone = np.flatnonzero((first == 1) & (second == 1))
    used[alone] = source.indices[source.indptr[alone]] != target.indices[target.indptr[alone]]
    return FactorKernel(sparse.csr_array(source[:, used]), sparse.csr_array(target[:, used]))


def times(left: NDArray[np.float64], prior: FactorKernel) -> NDArray[np.float64]:
    """left W for a dense matrix, shape (m, n)."""
    return np.ascontiguousarray(reached(np.ascontiguousarray(left.T), prior).T)


def reached(features: NDArray[np.float64], prior: FactorKernel) -> NDArray[np.float64]:
    """W^T features for a dense matrix, shape (n, m); the factors of W are sparse."""
    total = features * -prior.diagonal[:, None]
    for source, target in _parts(prior):
        total += target @ (source.T @ features)
    return total


def add_transposed(matrix: NDArray[np.float64], prior: FactorKernel) -> None:
    """matrix += W^T, but for the diagonal, in place; shape (n, n)."""
    for source, target in _parts(prior):
        turned = source.T.toarray()  # dense, as one common attribute ties most pairs
        for rows in row_ranges(len(matrix), _ITEMS):
            matrix[rows] += target[rows] @ turned


def _parts(prior: FactorKernel) -> Iterator[tuple[sparse.csc_array, sparse.csr_array]]:
    """Some columns of the factors of W at a time, float64; by columns and by rows, as they are multiplied."""
    source, target = sparse.csc_array(prior.source), sparse.csc_array(prior.target)
    for start in range(0, source.shape[1], _COLUMNS):
        part = slice(start, start + _COLUMNS)
        yield source[:, part].astype(np.float64), sparse.csr_array(target[:, part].astype(np.float64))


def columns_of(prior: FactorKernel, items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Columns of W, dense, shape (n, len(items))."""
    columns = (prior.source.astype(np.float64) @ prior.target[items].T.astype(np.float64)).toarray()
    columns[items, np.arange(len(items))] = 0
    return np.asarray(columns, dtype=np.float64)


def _hollow(matrix: NDArray[np.float64], new: NDArray[np.bool_]) -> MatrixKernel:
    """The kernel of a matrix, with zeros on the diagonal and in the columns of new items."""
    hollow = np.array(matrix, np.float32, order="C")
    hollow[:, new] = 0
    np.fill_diagonal(hollow, 0)  # exactly: no item is a reason for itself
    return MatrixKernel(hollow)
