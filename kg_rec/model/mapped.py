"""Scores of a model whose parts stay in the file that holds them, for catalogues larger than memory.

    s(u, i) = b_i + sum_c lambda_c(i) sum_j a_uj K_c(j, i)

One user at a time: the rows of the user's items are read of matrices and of sources, and all of targets, a block after
the other.  What is held in memory is a few numbers per item and those of one user's addends; the operating system keeps
of the file what there is room for.  Sums are in double precision, each user's by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import lengths_of, ranges, sums
from kg_rec.arrays.topk import masked, topk_candidates, topk_sorted
from kg_rec.arrays.types import Floats32, Floats64, Ints
from kg_rec.errors import ModelError
from kg_rec.model.kernel import FactorKernel, Kernel, Matrix, MatrixKernel

#: Numbers of a part that are in memory at a time.
_CELLS = 1 << 18


@dataclass(frozen=True)
class MappedOperator:
    """See the module's formula; what it gives is what :class:`kg_rec.model.operator.Operator` gives, but for rounding.

    Attributes:
        parts: K_c and lambda_c of each channel.
        base: b, shape (n,).
    """

    parts: tuple[tuple[Kernel, Floats32], ...]
    base: Floats64

    @classmethod
    def of(cls, kernels: Sequence[tuple[Kernel, Floats32]], base: Floats32) -> MappedOperator:
        """Of kernels and lambda_c per item, shape (n,)."""
        return cls(tuple(kernels), base.astype(np.float64))

    def scores(self, histories: sparse.csr_array) -> Floats64:
        """All scores, shape (b, n)."""
        scores = np.empty(histories.shape)
        for user in range(histories.shape[0]):
            scores[user] = self._scores(histories, user)
        return scores

    def best(
        self,
        histories: sparse.csr_array,
        seen: sparse.csr_array,
        k: int,
        candidates: NDArray[np.bool_] | None = None,
        again: sparse.csr_array | None = None,
    ) -> tuple[Ints, Floats64]:
        """The k best items per row, as :meth:`kg_rec.model.operator.Operator.best` gives them."""
        b, n = histories.shape
        top, values = np.empty((b, min(k, n)), np.int64), np.empty((b, min(k, n)))
        for user in range(b):
            whole = self._scores(histories, user)
            if again is not None:
                own = slice(again.indptr[user], again.indptr[user + 1])
                whole[again.indices[own]] += again.data[own]
            scores = masked(whole[None], seen[[user]], candidates)
            cells = topk_candidates(scores, k)
            top[user], values[user] = (part[0] for part in topk_sorted(cells, scores.take(cells), scores.shape, k))
        return top, values

    def _scores(self, histories: sparse.csr_array, user: int) -> Floats64:
        own = slice(histories.indptr[user], histories.indptr[user + 1])
        sources, weights = histories.indices[own].astype(np.int64), histories.data[own].astype(np.float64)
        total = self.base.copy()
        for kernel, scale in self.parts:
            total += _sum(kernel, sources, weights) * scale
        return total


def _sum(kernel: Kernel, sources: Ints, weights: Floats64) -> Floats64:
    """sum_j a_j K(j, i) of all items i, shape (n,)."""
    if isinstance(kernel, MatrixKernel):
        return _rows(kernel.matrix, sources, weights)
    if not isinstance(kernel, FactorKernel):
        raise ModelError(f"expected a matrix or factors, got {type(kernel).__name__}: load the model without mmap")
    total = _times(kernel.target, _rows(kernel.source, sources, weights))
    total[sources] -= weights * _products(kernel.source, kernel.target, sources)
    return total


def _rows(matrix: Matrix, sources: Ints, weights: Floats64) -> Floats64:
    """The weighted sum of some rows, shape (columns,)."""
    total = np.zeros(matrix.shape[1])
    if sparse.issparse(matrix):
        lengths = lengths_of(matrix, sources)
        for part in _blocks(len(sources), int(lengths.max(initial=0))):
            cells = ranges(matrix.indptr[sources[part]], lengths[part])
            values = matrix.data[cells] * np.repeat(weights[part], lengths[part])
            total += sums(values, matrix.indices[cells], len(total))
        return total
    for part in _blocks(len(sources), matrix.shape[1]):
        total += weights[part] @ matrix[sources[part]].astype(np.float64)
    return total


def _times(matrix: Matrix, vector: Floats64) -> Floats64:
    """matrix @ vector, shape (rows,)."""
    product = np.empty(matrix.shape[0])
    wide = -(-matrix.nnz // max(matrix.shape[0], 1)) if sparse.issparse(matrix) else matrix.shape[1]
    for part in _blocks(matrix.shape[0], wide):
        if sparse.issparse(matrix):
            bounds = matrix.indptr[part.start : part.stop + 1]
            cells = slice(bounds[0], bounds[-1])
            rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
            product[part] = sums(matrix.data[cells] * vector[matrix.indices[cells]], rows, len(bounds) - 1)
        else:
            product[part] = matrix[part].astype(np.float64) @ vector
    return product


def _products(source: Matrix, target: Matrix, items: Ints) -> Floats64:
    """<source_j, target_j>, shape (items,)."""
    products = np.empty(len(items))
    for part in _blocks(len(items), source.shape[1]):
        left, right = source[items[part]].astype(np.float64), target[items[part]].astype(np.float64)
        products[part] = (left * right).sum(axis=1)
    return products


def _blocks(rows: int, wide: int) -> Iterator[slice]:
    size = max(1, _CELLS // max(wide, 1))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
