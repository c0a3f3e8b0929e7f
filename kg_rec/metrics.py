"""Ranking: top-k with fixed tie-breaking, and the metrics of a ranking.

Definitions, per user with at least one relevant item: Recall@k = hits / relevant; Precision@k = hits / k;
NDCG@k binary with gain 1/log2(1 + rank) and the ideal over min(k, relevant); MRR@k = 1/rank of the first hit,
else 0; Hit@k = 1 if any hit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

#: Scores, single or double precision.
Floats: TypeAlias = "NDArray[np.floating[Any]]"

METRICS = ("ndcg", "recall", "precision", "mrr", "hit")


def top_k(scores: Floats, k: int) -> NDArray[np.int64]:
    """Indices of the k largest scores per row, best first; equal scores by smaller index.

    Args:
        scores: shape (b, n); -inf marks items that may not be ranked.
        k: at least 1; rows with fewer than k rankable items are filled with -1.

    Returns:
        int64, shape (b, min(k, n)).
    """
    cells = leaders(scores, k)
    return listed(cells, scores.take(cells), scores.shape, k)[0]


def leaders(scores: Floats, k: int, slack: Floats | float = 0.0) -> NDArray[np.int64]:
    """Cells that can be among the k largest of their row, and few others.

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
    row, group = np.divmod(np.flatnonzero(maxima >= bound[:, None]), groups)
    cells = (row * n + group)[:, None] + np.arange(0, n, groups)
    found = scores.take(cells, mode="clip") >= bound[row][:, None]
    found[:, deep:] &= (group < rest)[:, None]  # the last columns are not in every group
    return np.sort(cells[found])


def listed(
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
    place = np.arange(len(cells)) - np.searchsorted(row, np.arange(rows))[row]
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


def per_user(top: NDArray[np.int64], relevant: sparse.csr_array, k: int) -> dict[str, NDArray[np.float64]]:
    """Every metric of :data:`METRICS` at k, for each user.

    Args:
        top: ranked item indices, shape (users, at least k or all), -1 for none.
        relevant: binary CSR, shape (users, items); every row must hold an item.
        k: cut-off.
    """
    top = top[:, :k]
    rows = np.repeat(np.arange(top.shape[0]), top.shape[1])
    found = np.asarray(relevant[rows, np.maximum(top, 0).ravel()]).reshape(top.shape) > 0
    hits = found & (top >= 0)
    number = np.diff(relevant.indptr)
    gain = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gain)])[np.minimum(number, k)]
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1.0, np.inf)
    return {
        "ndcg": (hits * gain[: top.shape[1]]).sum(axis=1) / ideal,
        "recall": hits.sum(axis=1) / number,
        "precision": hits.sum(axis=1) / k,
        "mrr": 1 / first,
        "hit": hits.any(axis=1).astype(np.float64),
    }


@dataclass(frozen=True)
class Judge:
    """Scores rankings of fixed users by mean NDCG@10: the quantity that validation maximises.

    Attributes:
        histories: what the users did, CSR, shape (u, items).
        seen: items left out of the ranking, CSR, shape (u, items).
        relevant: the items to find, CSR, shape (u, items), at least one a row.
        candidates: items ranked, boolean, shape (items,).
    """

    histories: sparse.csr_array
    seen: sparse.csr_array
    relevant: sparse.csr_array
    candidates: NDArray[np.bool_]

    def ndcg(self, scores: Floats) -> float:
        """Mean NDCG@10 of scores, shape (u, items); the array is changed."""
        top = top_k(masked(scores, self.seen, self.candidates), 10)
        return float(per_user(top, self.relevant, 10)["ndcg"].mean())
