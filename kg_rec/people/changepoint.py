"""Did a sequence change at some point?  A scan over the points, and a permutation test of the largest difference.

    T(t) = t (n - t) / n |mean of the rows before t - mean of the rows from t on|^2

is the statistic of a kernel change-point test with a linear kernel (Matteson & James 2014 with alpha = 2).  The p value
of its largest value is the share of random orders of the rows that reach it, the given order included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from kg_rec.arrays.types import Floats64, Ints

#: Most directions in which rows are compared.
_DIRECTIONS = 16
#: Rows of all orders that are held at a time.
_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """Where a sequence changed most.

    Attributes:
        place: the first row after the change.
        statistic: T there.
        p: p value; small where the change is larger than in random orders.
    """

    place: int
    statistic: float
    p: float


def change_point(rows: Floats64, time: Ints, *, least: int, permutations: int, seed: int) -> ChangePoint | None:
    """The point where rows in order of time change most, and its p value.

    Args:
        rows: shape (n, d), in order of time.
        time: of each row, ascending, shape (n,); a change lies between two different times.
        least: rows before and after a change, at least.
        permutations: random orders.
        seed: of their choice.

    Returns:
        None where there is no such point.
    """
    n = len(rows)
    places = np.arange(least, n - least + 1)
    places = places[time[places - 1] < time[np.minimum(places, n - 1)]] if n else places
    if not len(places):
        return None
    rows = rows - rows.mean(axis=0)
    given = _scan(rows[None], places)[0]
    best = int(given.argmax())
    rng, reached = np.random.default_rng(seed), 1
    block = max(1, _CELLS // max(rows.size, 1))
    for start in range(0, permutations, block):
        orders = np.stack([rng.permutation(n) for _ in range(min(block, permutations - start))])
        reached += int((_scan(rows[orders], places).max(axis=1) >= given[best] * (1 - 1e-12)).sum())
    return ChangePoint(int(places[best]), float(given[best]), reached / (permutations + 1))


def _scan(rows: NDArray[np.float64], places: Ints) -> Floats64:
    """T at some places of centred sequences, shape (b, n, d) to (b, places)."""
    n = rows.shape[1]
    before = np.cumsum(rows, axis=1)[:, places - 1]
    statistics: Floats64 = np.square(before).sum(axis=2) * n / (places * (n - places))
    return statistics


def directions(matrix: sparse.csr_array) -> Floats64:
    """Rows of unit length in their main directions, shape (n, at most 16): what a change is looked for in."""
    norm = np.sqrt(np.maximum(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel(), 1e-12))
    scaled = sparse.csr_array(sparse.dia_array((1 / norm[None, :], [0]), shape=(len(norm), len(norm))) @ matrix)
    k = min(_DIRECTIONS, *(s - 1 for s in scaled.shape))
    if k < 1 or not scaled.nnz or min(scaled.shape) <= _DIRECTIONS:
        return np.asarray(scaled.todense(), dtype=np.float64)
    left, values, _ = svds(scaled.astype(np.float64), k=k, v0=np.ones(min(scaled.shape)))
    projected: Floats64 = left * values
    return projected
