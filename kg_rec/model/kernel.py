"""Item-item kernels: what one interaction with item j adds to the score of item i.

Every channel of the model is such a kernel K with K(i, i) = 0, so every score is a sum over the user's
interactions.  Two forms: a matrix (dense or sparse) and a product of two factors (dense or sparse).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import values_at
from kg_rec.arrays.types import Floats32

#: Catalogues up to this size keep K as a dense matrix once single values of many items are asked for.
DENSE = 4_000
#: Pairs of items whose factors are multiplied at a time.
_PAIRS = 1 << 14

#: float32, dense (numpy) or CSR (scipy, which has no type stubs here).
Matrix: TypeAlias = Any


class Kernel(Protocol):
    """K over n items."""

    def scores(self, histories: sparse.csr_array, items: NDArray[np.int64] | None = None) -> Floats32:
        """histories @ K for histories of shape (b, n): float32, shape (b, n), or (b, len(items)) of some columns."""
        ...

    def values(self, sources: NDArray[np.int64], items: NDArray[np.int64] | int) -> Floats32:
        """K(j, i) for each j in ``sources``, and i of ``items`` or always the same: float32, shape (len(sources),)."""
        ...

    @property
    def transposed(self) -> Floats32 | None:
        """The transpose of K as a dense array, made once and kept: row i holds K(j, i) of all j.

        None for more than :data:`DENSE` items, where it would not fit into memory.
        """
        ...


@dataclass(frozen=True)
class MatrixKernel:
    """K held as a matrix.

    Attributes:
        matrix: shape (n, n), zero on the diagonal.
    """

    matrix: Matrix

    def scores(self, histories: sparse.csr_array, items: NDArray[np.int64] | None = None) -> Floats32:
        """See :class:`Kernel`."""
        return _dense(histories @ (self.matrix if items is None else self.matrix[:, items]))

    def values(self, sources: NDArray[np.int64], items: NDArray[np.int64] | int) -> Floats32:
        """See :class:`Kernel`."""
        if not sparse.issparse(self.matrix):
            return _dense(self.matrix[sources, items])
        return _dense(values_at(self.matrix, sources, _each(items, sources)))

    @cached_property
    def transposed(self) -> Floats32 | None:
        """See :class:`Kernel`."""
        return _transposed(self, self.matrix.shape[0])


@dataclass(frozen=True)
class FactorKernel:
    """K(j, i) = <source_j, target_i> for j != i, else 0.

    Attributes:
        source: what an item says as a reason, shape (n, d).
        target: how an item is reached, shape (n, d).
    """

    source: Matrix
    target: Matrix

    @cached_property
    def diagonal(self) -> NDArray[np.float64]:
        """<source_i, target_i>, which :meth:`scores` takes out again, shape (n,)."""
        total: NDArray[np.float64] = (self.source * self.target).sum(axis=1, dtype=np.float64)
        return total

    def scores(self, histories: sparse.csr_array, items: NDArray[np.int64] | None = None) -> Floats32:
        """See :class:`Kernel`; computed in the precision of ``histories``."""
        scores = (histories @ self.source) @ (self.target if items is None else self.target[items]).T
        total = scores.toarray() if sparse.issparse(scores) else scores
        rows = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
        own = histories.data * self.diagonal[histories.indices]
        if items is None:
            total[rows, histories.indices] -= own
            return _dense(total)
        place = np.full(histories.shape[1], -1)
        place[items] = np.arange(len(items))
        column = place[histories.indices]
        asked = column >= 0
        total[rows[asked], column[asked]] -= own[asked]
        return _dense(total)

    def values(self, sources: NDArray[np.int64], items: NDArray[np.int64] | int) -> Floats32:
        """See :class:`Kernel`; summed in double precision."""
        items = _each(items, sources)
        values = np.empty(len(sources), np.float32)
        for start in range(0, len(sources), _PAIRS):
            part = slice(start, start + _PAIRS)
            source, target = self.source[sources[part]], self.target[items[part]]
            if sparse.issparse(source):
                values[part] = source.astype(np.float64).multiply(target).sum(axis=1)
            else:
                values[part] = np.einsum("pd,pd->p", source.astype(np.float64), target.astype(np.float64))
        return np.where(sources == items, np.float32(0), values)

    @cached_property
    def transposed(self) -> Floats32 | None:
        """See :class:`Kernel`."""
        return _transposed(self, self.source.shape[0])


@dataclass(frozen=True)
class SumKernel:
    """K = sum of factor times kernel, each column scaled: a channel beside W, while validation judges the two together.

    Attributes:
        parts: factor and kernel of each addend.
        scale: per item i, what K(j, i) is multiplied by, shape (n,); None for 1.
    """

    parts: tuple[tuple[float, Kernel], ...]
    scale: Floats32 | None = None

    def scores(self, histories: sparse.csr_array, items: NDArray[np.int64] | None = None) -> Floats32:
        """See :class:`Kernel`."""
        total = np.zeros((histories.shape[0], histories.shape[1] if items is None else len(items)), np.float32)
        for factor, kernel in self.parts:
            total += np.float32(factor) * kernel.scores(histories, items)
        return total if self.scale is None else total * (self.scale if items is None else self.scale[items])

    def values(self, sources: NDArray[np.int64], items: NDArray[np.int64] | int) -> Floats32:
        """See :class:`Kernel`."""
        total = np.zeros(len(sources), np.float32)
        for factor, kernel in self.parts:
            total += np.float32(factor) * kernel.values(sources, items)
        return total if self.scale is None else total * self.scale[items]

    @property
    def transposed(self) -> Floats32 | None:
        """See :class:`Kernel`; it is not kept."""
        return None


def _transposed(kernel: Kernel, n: int) -> Floats32 | None:
    if n > DENSE:
        return None
    transposed = np.ascontiguousarray(kernel.scores(sparse.csr_array(sparse.eye_array(n))).T)
    np.fill_diagonal(transposed, 0)  # exactly: no item is a reason for itself
    return transposed


def _each(items: NDArray[np.int64] | int, sources: NDArray[np.int64]) -> NDArray[np.int64]:
    """The item of each source."""
    return items if isinstance(items, np.ndarray) else np.full(len(sources), items)


def _dense(values: Matrix) -> Floats32:
    array = values.toarray() if sparse.issparse(values) else values
    return np.asarray(array, dtype=np.float32)
