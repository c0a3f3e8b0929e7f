"""The metrics of a ranking.

Definitions, per user with at least one relevant item: Recall@k = hits / relevant; Precision@k = hits / k;
NDCG@k binary with gain 1/log2(1 + rank) and the ideal over min(k, relevant); MRR@k = 1/rank of the first hit,
else 0; Hit@k = 1 if any hit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.topk import masked, top_k
from kg_rec.arrays.types import Floats, Floats64

METRICS = ("ndcg", "recall", "precision", "mrr", "hit")


def discounts(k: int) -> Floats64:
    """What the ranks from 1 to k are worth, 1/log2(1 + rank), shape (k,)."""
    gains: Floats64 = 1 / np.log2(np.arange(2, k + 2))
    return gains


def per_user(top: NDArray[np.int64], relevant: sparse.csr_array, k: int) -> dict[str, NDArray[np.float64]]:
    """Every metric of :data:`METRICS` at k, for each user.

    Args:
        top: ranked item indices, shape (users, at least k or all), -1 for none.
        relevant: binary CSR, shape (users, items); every row must hold an item.
        k: cut-off.
    """
    top = top[:, :k]
    rows = np.repeat(np.arange(top.shape[0]), top.shape[1])
    is_relevant = np.asarray(relevant[rows, np.maximum(top, 0).ravel()]).reshape(top.shape) > 0
    hits = is_relevant & (top >= 0)
    number = np.diff(relevant.indptr)
    gain = discounts(k)
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
class ValidationSet:
    """Fixed users with what they should find; it scores their rankings by mean NDCG@10, which validation maximises.

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

    def per_user(self, scores: Floats) -> Floats64:
        """NDCG@10 of each user's scores, shape (u, items), which are changed; shape (u,)."""
        top = top_k(masked(scores, self.seen, self.candidates), 10)
        return per_user(top, self.relevant, 10)["ndcg"]

    def ndcg(self, scores: Floats) -> float:
        """Mean NDCG@10 of scores, shape (u, items); the array is changed."""
        return float(self.per_user(scores).mean())


def standard_error(first: Floats64, second: Floats64) -> float:
    """The standard error of the mean difference of two metrics of the same users, each of shape (u,)."""
    return float((first - second).std() / np.sqrt(len(first)))
