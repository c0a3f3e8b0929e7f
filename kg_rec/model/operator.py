"""All channels of a large catalogue joined into one item-item operator, which is never dense.

    s(u, i) - b_i = (a_u M)_i + <a_u L, R_i> + <a_u P, Q_i>

M is sparse: the matrix kernels, minus the diagonals of the products.  L, R are the dense factors of all channels side
by side, P, Q the sparse ones; R and Q hold lambda.  Many users are ranked in single precision; the few items that can
be in a list are then scored again in double precision, each from its own column, so no score depends on the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import ModelError
from kg_rec.model.kernel import FactorKernel, Floats, Kernel, MatrixKernel

Doubles = NDArray[np.float64]
#: Single or double precision.
Reals: TypeAlias = "NDArray[np.floating[Any]]"


@dataclass(frozen=True)
class Operator:
    """See the module's formula; n items, in double precision but for what ranks many users.

    Attributes:
        matrix: M, CSR, shape (n, n).
        left: L, shape (n, d).
        right: R, shape (n, d).
        source: P, CSR, shape (n, m).
        target: Q, CSR, shape (n, m).
    """

    matrix: sparse.csr_array
    left: Reals
    right: Reals
    source: sparse.csr_array
    target: sparse.csr_array

    @classmethod
    def of(cls, kernels: Sequence[tuple[Kernel, Floats]], n: int) -> Operator:
        """Join kernels with lambda_c per item, shape (n,); a matrix among them has to be sparse."""
        matrix = sparse.csr_array((n, n))
        diagonal = np.zeros(n)
        parts: dict[bool, list[tuple[FactorKernel, Doubles]]] = {True: [], False: []}
        for kernel, weight in kernels:
            scale = weight.astype(np.float64)
            if isinstance(kernel, FactorKernel):
                parts[sparse.issparse(kernel.source)].append((kernel, scale))
                diagonal += kernel.diagonal * scale
            elif isinstance(kernel, MatrixKernel) and sparse.issparse(kernel.matrix):
                part = sparse.csr_array(kernel.matrix, dtype=np.float64)
                part.data = part.data * scale[part.indices]
                matrix = matrix + part
            else:
                raise ModelError(f"expected a sparse matrix or factors for {n} items, got {type(kernel).__name__}")
        matrix = sparse.csr_array(matrix - sparse.dia_array((diagonal[None, :], [0]), shape=(n, n)))
        empty, none = np.zeros((n, 0)), sparse.csr_array((n, 0))
        left = [kernel.source.astype(np.float64) for kernel, _ in parts[False]]
        right = [kernel.target * scale[:, None] for kernel, scale in parts[False]]
        source = [sparse.csr_array(kernel.source, dtype=np.float64) for kernel, _ in parts[True]]
        target = [_scaled(kernel.target, scale) for kernel, scale in parts[True]]
        return cls(
            matrix,
            np.hstack([empty, *left]),
            np.hstack([empty, *right]),
            sparse.csr_array(sparse.hstack([none, *source], format="csr")),
            sparse.csr_array(sparse.hstack([none, *target], format="csr")),
        )

    @property
    def width(self) -> int:
        """Cells that a row of histories takes while it is scored."""
        return max(int(self.matrix.shape[1]), int(self.source.shape[1]))

    def scores(self, histories: sparse.csr_array) -> Doubles:
        """All scores without the base, shape (b, n)."""
        return np.asarray(_scores(self, histories.astype(np.float64)), dtype=np.float64)

    def nearly(self, histories: sparse.csr_array) -> Floats:
        """:meth:`scores` in single precision."""
        return np.asarray(_scores(self._single, histories.astype(np.float32)), dtype=np.float32)

    def some(self, histories: sparse.csr_array, items: NDArray[np.int64]) -> Doubles:
        """Scores without the base of a few items per row.

        Args:
            histories: CSR, shape (b, n).
            items: shape (b, k).

        Returns:
            Shape (b, k); what a row gets does not depend on the other rows, to the last bit.
        """
        given = histories.astype(np.float64)
        total = np.einsum("bd,bkd->bk", given @ self.left, self.right[items])
        features = histories.toarray()
        if self.source.shape[1]:
            features = np.hstack([features, (given @ self.source).toarray()])
        columns = self._columns[items.ravel()]
        starts = np.repeat(np.arange(len(items)) * features.shape[1], items.shape[1])
        columns.data *= features.ravel().take(np.repeat(starts, np.diff(columns.indptr)) + columns.indices)
        total += (columns @ np.ones(columns.shape[1])).reshape(items.shape)  # each row from left to right
        return np.asarray(total, dtype=np.float64)

    @cached_property
    def _single(self) -> Operator:
        """The same in single precision."""
        wide = (self.matrix, self.left, self.right, self.source, self.target)
        matrix, left, right, source, target = (part.astype(np.float32) for part in wide)
        return Operator(matrix, left, right, source, target)

    @cached_property
    def _columns(self) -> sparse.csr_array:
        """Row i holds column i of M and then Q_i, CSR, shape (n, n + m)."""
        found = sparse.csr_array(sparse.hstack([self.matrix.T, self.target], format="csr"))
        found.sort_indices()
        return found


def _scores(operator: Operator, histories: sparse.csr_array) -> Reals:
    total: Reals = (histories @ operator.left) @ operator.right.T
    total += (histories @ operator.matrix).toarray()
    if operator.source.shape[1]:
        total += (operator.target @ np.ascontiguousarray((histories @ operator.source).toarray().T)).T
    return total


def _scaled(matrix: sparse.csr_array, scale: Doubles) -> sparse.csr_array:
    found = sparse.csr_array(matrix, dtype=np.float64)
    found.data = found.data * np.repeat(scale, np.diff(found.indptr))
    return found
