"""Linear item-item models in closed form, for histories of any user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.cholesky import inverse

#: Items per block of a sum over pairs of users.
_ITEMS = 2048


class LinearAutoencoder:
    """B = I - P / diag(P) with P = (G + D)^-1, D = l2 I + p/(1-p) diag(G): EDLAE, and EASE for p = 0.

    Where users are fewer than items the inverse is taken over users (Woodbury): P = D^-1 - D^-1 X^T A X D^-1 with
    A = (I + X D^-1 X^T)^-1, so that memory is the square of the smaller number and B is never held.

    Args:
        interactions: X, binary CSR, shape (users, items).
        l2: ridge penalty.
        dropout: p, in [0, 1).
    """

    def __init__(self, interactions: sparse.csr_array, l2: float, dropout: float = 0.0) -> None:
        x = interactions.astype(np.float64)
        self._penalty = l2 + dropout / (1 - dropout) * np.bincount(x.indices, minlength=x.shape[1])
        self._x = x if x.shape[0] < x.shape[1] else None
        if self._x is None:
            gram = (x.T @ x).toarray()
            gram[np.diag_indices_from(gram)] += self._penalty
            self._inner = inverse(gram)
            self._diagonal = np.diag(self._inner).copy()
            return
        scaled = x / self._penalty[None, :]
        kernel = (sparse.csr_array(scaled) @ x.T).toarray()
        kernel[np.diag_indices_from(kernel)] += 1
        self._inner = inverse(kernel)
        self._diagonal = 1 / self._penalty - self._quadratic(sparse.csc_array(x)) / self._penalty**2

    def _quadratic(self, columns: sparse.csc_array) -> NDArray[np.float64]:
        """x_i^T A x_i of each item's users x_i."""
        parts = []
        for start in range(0, columns.shape[1], _ITEMS):
            block = columns[:, start : start + _ITEMS]
            parts.append(np.asarray(block.multiply(self._inner @ block).sum(axis=0)).ravel())
        return np.concatenate(parts)

    def scores(self, histories: sparse.csr_array) -> NDArray[np.float64]:
        """histories @ B, shape (b, items)."""
        rows = histories.astype(np.float64)
        if self._x is None:
            product = rows @ self._inner
        else:
            scaled = sparse.csr_array(rows / self._penalty[None, :])
            through = (scaled @ self._x.T).toarray() @ self._inner
            product = scaled.toarray() - (self._x.T @ through.T).T / self._penalty
        total = -product / self._diagonal
        own = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        total[own, rows.indices] += rows.data  # the diagonal of B is 0
        return np.asarray(total)


class ItemKnn:
    """Cosine with shrinkage between two items' users, for the k most alike of each item.

    Args:
        interactions: binary CSR, shape (users, items).
        k: neighbours.
        shrink: added to the denominator, in users.
    """

    def __init__(self, interactions: sparse.csr_array, k: int, shrink: float) -> None:
        x = interactions.astype(np.float64)
        counts = np.bincount(x.indices, minlength=x.shape[1]).astype(np.float64)
        both = sparse.csr_array(x.T @ x)
        both.setdiag(0)
        both.eliminate_zeros()
        row = np.repeat(np.arange(x.shape[1]), np.diff(both.indptr))
        both.data /= np.sqrt(counts[row] * counts[both.indices]) + shrink
        order = np.lexsort((both.indices, -both.data, row))
        place = np.arange(len(order)) - both.indptr[row]
        kept = order[place < k]
        # row i holds the neighbours of item i, so that its transpose takes a history to scores
        self._neighbours = sparse.csr_array((both.data[kept], (both.indices[kept], row[kept])), shape=both.shape)

    def scores(self, histories: sparse.csr_array) -> NDArray[np.float64]:
        """What the items of a history add to the items whose neighbours they are, shape (b, items)."""
        return np.asarray((histories.astype(np.float64) @ self._neighbours).toarray())
