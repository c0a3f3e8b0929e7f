"""The k largest of each row, with equal values in a fixed order."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats


def top_k(scores: Floats, k: int) -> NDArray[np.int64]:
    """Indices of the k largest scores per row, best first; equal scores by smaller index.

    Args:
        scores: shape (b, n); -inf marks items that may not be ranked.
        k: at least 1; rows with fewer than k rankable items are filled with -1.

    Returns:
        int64, shape (b, min(k, n)).
    """
    cells = topk_candidates(scores, k)
    return topk_sorted(cells, scores.take(cells), scores.shape, k)[0]


def topk_candidates(scores: Floats, k: int, slack: Floats | float = 0.0) -> NDArray[np.int64]:
    """The cells of a matrix of scores that have to be looked at to find the k largest of each row.

    They hold all of the k largest of every row (with ``slack``, all that are nearly as large), and few others: a quick
    first step, after which :func:`topk_sorted` orders what is left.

    Args:
        scores: shape (b, n); -inf marks items that may not be ranked.
        k: at least 1.
        slack: how far below the k-th largest score a cell still counts: a number, or shape (b,).

    Returns:
        Row n + column of every cell, ascending.
    """
    rows, n = scores.shape
    k = min(k, n)
    # the k-th largest of the maxima of some groups of items is a bound: at least k items reach it, and few others;
    # group g holds the columns g, g + groups, g + 2 groups, ...
    groups = min(n, 2 * math.isqrt(k * n))
    deep, rest = divmod(n, groups)
    maxima = scores[:, : n - rest].reshape(rows, deep, groups).max(axis=1)
    np.maximum(maxima[:, :rest], scores[:, n - rest :], out=maxima[:, :rest])
    bound = np.partition(maxima, groups - k, axis=1)[:, groups - k] - np.asarray(slack, dtype=scores.dtype)
    bound = np.maximum(bound, np.finfo(scores.dtype).min)  # -inf may not be ranked
    row, group = np.divmod((maxima >= bound[:, None]).ravel().nonzero()[0], groups)
    cells = (row * n + group)[:, None] + np.arange(0, n, groups)
    kept = scores.take(cells, mode="clip") >= bound[row][:, None]
    kept[:, deep:] &= (group < rest)[:, None]  # the last columns are not in every group
    return np.sort(cells[kept])


def topk_sorted(
    cells: NDArray[np.int64], values: Floats, shape: tuple[int, ...], k: int
) -> tuple[NDArray[np.int64], Floats]:
    """The k largest of some cells per row, best first; equal ones by smaller column.

    Args:
        cells: row n + column, ascending.
        values: of the cells.
        shape: (b, n).
        k: at least 1.

    Returns:
        Columns, int64, shape (b, min(k, n)), -1 where a row has fewer cells; and their values, -inf there.
    """
    rows, n = shape
    row, column = np.divmod(cells, n)
    order = np.lexsort((-values, row))  # stable
    place = np.arange(len(cells)) - row.searchsorted(np.arange(rows))[row]
    best = place < min(k, n)
    at, kept = (row[best], place[best]), order[best]
    top = np.full((rows, min(k, n)), -1, dtype=np.int64)
    its = np.full(top.shape, -np.inf, dtype=values.dtype)
    top[at], its[at] = column[kept], values[kept]
    return top, its


def masked(scores: Floats, seen: sparse.csr_array, candidates: NDArray[np.bool_] | None) -> Floats:
    """``scores`` with -inf, in place, at the stored entries of ``seen`` and outside ``candidates``."""
    b, n = scores.shape
    np.put(scores, np.repeat(np.arange(b) * n, np.diff(seen.indptr)) + seen.indices, -np.inf)
    if candidates is not None and not candidates.all():
        scores[:, ~candidates] = -np.inf
    return scores
