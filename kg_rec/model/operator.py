"""All channels of a large catalogue joined into one item-item operator, which is never dense.

    s(u, i) = b_i + (a_u M)_i + <a_u L, R_i> + <a_u P, Q_i> [+ r(u, i)]

M is sparse: the matrix kernels, minus the diagonals of the products.  L, R are the dense factors of all channels side
by side, P, Q the sparse ones; R and Q hold lambda.  Lists are made in single precision up to the few items whose
scores are within the rounding error of the k-th best; these are scored again in double precision, each by itself.  So
lists are those of double precision, and no score depends on the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import bounds_of, lengths_of, ranges, spans, sums
from kg_rec.arrays.topk import topk_candidates, topk_sorted
from kg_rec.arrays.types import Floats32, Floats64, Ints
from kg_rec.errors import ModelError
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel

#: Users whose scores are made at a time: few enough for the processor's cache.
TILE = 64
#: Scores held at a time, but for a single user.
_CELLS = 1 << 22
#: Addends of the sparse operator held at a time, but for a single user.
_ADDENDS = 1 << 20
#: Pairs of user and item that are scored again at a time.
_PAIRS = 1 << 14
_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Operator:
    """See the module's formula; n items, in double precision.

    Attributes:
        base: b, shape (n,).
        matrix: M, CSR, shape (n, n).
        left: L, shape (n, d).
        right: R, shape (n, d).
        source: P, CSR, shape (n, m).
        target: Q, CSR, shape (n, m).
    """

    base: Floats64
    matrix: sparse.csr_array
    left: Floats64
    right: Floats64
    source: sparse.csr_array
    target: sparse.csr_array

    @classmethod
    def of(cls, kernels: Sequence[tuple[Kernel, Floats32]], base: Floats32) -> Operator:
        """Join kernels with lambda_c per item, shape (n,); a matrix among them has to be sparse."""
        n = len(base)
        matrix = sparse.csr_array((n, n))
        diagonal = np.zeros(n)
        parts: dict[bool, list[tuple[FactorKernel, Floats64]]] = {True: [], False: []}
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
        if matrix.nnz < np.iinfo(np.int32).max:
            matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
        empty, none = np.zeros((n, 0)), sparse.csr_array((n, 0))
        left = [kernel.source.astype(np.float64) for kernel, _ in parts[False]]
        right = [kernel.target * scale[:, None] for kernel, scale in parts[False]]
        source = [sparse.csr_array(kernel.source, dtype=np.float64) for kernel, _ in parts[True]]
        target = [_scaled(kernel.target, scale) for kernel, scale in parts[True]]
        return cls(
            base.astype(np.float64),
            matrix,
            np.hstack([empty, *left]),
            np.hstack([empty, *right]),
            sparse.csr_array(sparse.hstack([none, *source], format="csr")),
            sparse.csr_array(sparse.hstack([none, *target], format="csr")),
        )

    def scores(self, histories: sparse.csr_array) -> Floats64:
        """All scores in double precision, shape (b, n)."""
        given = histories.astype(np.float64)
        total = (given @ self.left) @ self.right.T + self.base
        total += (given @ self.matrix).toarray()
        total += (self.target @ (given @ self.source).toarray().T).T
        return np.asarray(total, dtype=np.float64)

    def best(
        self,
        histories: sparse.csr_array,
        seen: sparse.csr_array,
        k: int,
        candidates: NDArray[np.bool_] | None = None,
        again: sparse.csr_array | None = None,
    ) -> tuple[Ints, Floats64]:
        """The k best items per row, equal scores by smaller index.

        What a row gets does not depend on the other rows, to the last bit.

        Args:
            histories: a, CSR, shape (b, n), columns sorted.
            seen: items left out, CSR, shape (b, n).
            k: list length.
            candidates: items allowed, boolean, shape (n,); None allows all.
            again: r, CSR, shape (b, n); None for 0.

        Returns:
            Items, int64, shape (b, min(k, n)), -1 where there are fewer; and their scores, -inf there.
        """
        b, n = histories.shape
        dense = histories @ self.left
        features = histories @ self.source if self.source.shape[1] else None
        narrow = np.ones((b, dense.shape[1] + 1), np.float32)
        narrow[:, :-1] = dense
        right = self._narrow if candidates is None or candidates.all() else _without(self._narrow, candidates)
        hidden = (np.arange(b) * n).repeat(spans(seen.indptr)) + seen.indices
        slack = 2 * self._rounding(histories, again)
        each, matrix = histories, self.matrix
        if again is not None:  # r is a M' of the rows [a r] with the identity below M
            each, matrix = sparse.csr_array(sparse.hstack([histories, again], format="csr")), self._above_identity
        weights, own, lengths = each.data.astype(np.float64), each.indices, lengths_of(matrix, each.indices)
        addends = bounds_of(lengths)[each.indptr]
        top, values = np.empty((b, min(k, n)), np.int64), np.empty((b, min(k, n)))
        tile = max(1, min(b, TILE, _CELLS // max(n, self.source.shape[1])))
        scores, wanted = np.empty((tile, n), np.float32), np.zeros(tile * n, np.bool_)
        for first, last in _parts(addends):
            part = slice(each.indptr[first], each.indptr[last])
            starts = (np.arange(last - first) % tile * n).repeat(spans(each.indptr[first : last + 1]))
            cells, parts = _sparse(matrix, own[part], weights[part], lengths[part], starts)
            single = parts.astype(np.float32)
            for start in range(first, last, tile):
                end = min(start + tile, last)
                nearly = np.matmul(narrow[start:end], right, out=scores[: end - start])
                mine = slice(addends[start] - addends[first], addends[end] - addends[first])
                np.add.at(nearly.reshape(-1), cells[mine], single[mine])
                wide = None if features is None else features[start:end].toarray()
                if wide is not None:
                    nearly += (self._target @ np.ascontiguousarray(wide.T, dtype=np.float32)).T
                nearly.put(hidden[seen.indptr[start] : seen.indptr[end]] - start * n, -np.inf)
                few = topk_candidates(nearly, k, slack[start:end])
                exact = self._factors(dense[start:end], wide, few)
                wanted[few] = True
                asked = mine.start + wanted.take(cells[mine]).nonzero()[0]
                wanted[few] = False
                exact += sums(parts[asked], few.searchsorted(cells[asked]), len(few))
                top[start:end], values[start:end] = topk_sorted(few, exact + self.base[few % n], nearly.shape, k)
        return top, values

    def _factors(self, dense: Floats64, features: Floats64 | None, cells: Ints) -> Floats64:
        """<a_u L, R_i> + <a_u P, Q_i> of cells row n + item, each by itself."""
        values = np.empty(len(cells))
        for start in range(0, len(cells), _PAIRS):
            part = slice(start, start + _PAIRS)
            row, item = np.divmod(cells[part], self.right.shape[0])
            values[part] = np.einsum("pd,pd->p", dense[row], self.right[item])
            if features is not None:
                target = self.target[item]
                pair = np.repeat(np.arange(len(item)), np.diff(target.indptr))
                values[part] += sums(target.data * features[row[pair], target.indices], pair, len(item))
        return values

    def _rounding(self, histories: sparse.csr_array, again: sparse.csr_array | None = None) -> Floats64:
        """A bound of the error of scores in single precision, shape (b,).

        A sum of c terms, however it is added up, is wrong by at most c u times the sum of their absolute values, to
        first order in the unit roundoff u (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 4.2);
        eps = 2 u leaves room for the higher orders and for the roundings of the terms themselves.
        """
        lengths, (most, largest) = spans(histories.indptr), self._sizes
        each = np.abs(histories.data) * self._reach[histories.indices]
        size = sums(each, np.arange(len(lengths)).repeat(lengths), len(lengths)) + largest
        if again is not None:
            size = size + abs(again).max(axis=1).toarray().ravel()
        return np.asarray(_EPS * (most + lengths) * size, dtype=np.float64)

    @cached_property
    def _sizes(self) -> tuple[int, float]:
        """The most addends of a score besides those of M, and the largest |b_i|."""
        most = self.left.shape[1] + int(np.diff(self.target.indptr).max(initial=0)) + 8
        return most, float(np.abs(self.base).max(initial=0))

    @cached_property
    def _reach(self) -> Floats64:
        """The most that the addends of one interaction of weight 1 can be, in absolute values, shape (n,)."""
        right, target = np.linalg.norm(self.right, axis=1), np.sqrt((self.target**2).sum(axis=1))
        source = np.sqrt((self.source**2).sum(axis=1))
        reach = np.linalg.norm(self.left, axis=1) * right.max(initial=0) + source * target.max(initial=0)
        return np.asarray(reach + abs(self.matrix).max(axis=1).toarray().ravel(), dtype=np.float64)

    @cached_property
    def _above_identity(self) -> sparse.csr_array:
        """M with the identity below it, CSR, shape (2 n, n)."""
        return sparse.csr_array(sparse.vstack([self.matrix, sparse.eye_array(len(self.base))], format="csr"))

    @cached_property
    def _narrow(self) -> Floats32:
        """R transposed, and b below it, in single precision, shape (d + 1, n)."""
        return np.ascontiguousarray(np.vstack([self.right.T, self.base]), dtype=np.float32)

    @cached_property
    def _target(self) -> sparse.csr_array:
        """Q in single precision."""
        return self.target.astype(np.float32)


def _sparse(
    matrix: sparse.csr_array, items: Ints, weights: Floats64, lengths: Ints, starts: Ints
) -> tuple[Ints, Floats64]:
    """The addends a_uj M_ji of some interactions: cells u n + i, where u counts from each tile, and their values.

    Args:
        matrix: M.
        items: j of each interaction.
        weights: a_uj.
        lengths: entries of M in row j.
        starts: u n.
    """
    at = ranges(matrix.indptr[items], lengths)
    return matrix.indices[at] + starts.repeat(lengths), matrix.data[at] * weights.repeat(lengths)


def _parts(addends: Ints) -> Iterator[tuple[int, int]]:
    """Where to cut the rows into parts of at most :data:`_ADDENDS` addends of M each: first row and end of every part.

    A row with more addends than that is a part by itself.

    Args:
        addends: how many addends of M the rows before row u have, at last those of all rows; shape (b + 1,).
    """
    start = 0
    while start < len(addends) - 1:
        fits = int(np.searchsorted(addends, addends[start] + _ADDENDS, "right")) - 1
        end = max(start + 1, fits)
        yield start, end
        start = end


def _without(narrow: Floats32, candidates: NDArray[np.bool_]) -> Floats32:
    """A base of -inf for what is no candidate."""
    bare = narrow.copy()
    bare[-1, ~candidates] = -np.inf
    return bare


def _scaled(matrix: sparse.csr_array, scale: Floats64) -> sparse.csr_array:
    scaled = sparse.csr_array(matrix, dtype=np.float64)
    scaled.data = scaled.data * np.repeat(scale, np.diff(scaled.indptr))
    return scaled
