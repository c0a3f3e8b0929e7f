"""How well new items are ranked, measured on known items that take turns as the new ones.

The known items are dealt into groups.  Within a group, each user's other interactions are the history, and those in
the group are to be found among the group's items, as if these had no interactions yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.topk import top_k
from kg_rec.arrays.types import Floats32, Floats64
from kg_rec.metrics import per_user
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.kernel import Kernel


@dataclass(frozen=True)
class NewItems:
    """Rankings of groups of items.

    Attributes:
        groups: item indices, int64, shape (folds, width).
        histories: per group, the sampled users' interactions with other items, CSR, shape (users, items).
        relevant: which of its group's items each user interacted with, CSR, shape (all rankings, width).
    """

    groups: NDArray[np.int64]
    histories: tuple[sparse.csr_array, ...]
    relevant: sparse.csr_array

    @classmethod
    def deal(cls, interactions: sparse.csr_array, items: NDArray[np.int64], config: ColdConfig, seed: int) -> NewItems:
        """Deal ``items`` (at least one per group) into ``config.folds`` groups of equal size; the rest is left out.

        Args:
            interactions: training interactions, binary CSR, shape (users, items).
            items: known items, int64.
            config: folds and users.
            seed: of the deal and the sampled users.
        """
        rng = np.random.default_rng(seed)
        folds = min(config.folds, len(items))
        width = len(items) // folds
        groups = rng.permutation(items)[: folds * width].reshape(folds, width)
        given, wanted = [], []
        for group in groups:
            inside = np.zeros(interactions.shape[1], dtype=np.float32)
            inside[group] = 1
            users = np.flatnonzero(interactions @ inside > 0)
            if len(users) > config.users:
                users = np.sort(rng.choice(users, config.users, replace=False))
            rows = interactions[users]
            wanted.append(sparse.csr_array(rows[:, group]))
            history = rows.copy()
            history.data = rows.data * (1 - inside[rows.indices])
            history.eliminate_zeros()
            given.append(history)
        relevant = sparse.csr_array(sparse.vstack(wanted, format="csr"))
        relevant.sort_indices()
        return cls(groups, tuple(given), relevant)

    def scores(self, kernel: Kernel) -> Floats32:
        """Scores of every ranking under a kernel, shape (all rankings, width)."""
        parts = [kernel.scores(h)[:, g] for h, g in zip(self.histories, self.groups, strict=True)]
        return np.concatenate(parts)

    def reasons(self, source: Floats32) -> list[Floats32]:
        """Per group, histories @ source embeddings, each shape (users, d)."""
        return [np.asarray(h @ source, dtype=np.float32) for h in self.histories]

    def predicted(self, reasons: list[Floats32], embeddings: Floats32) -> Floats32:
        """Scores of every ranking from target embeddings of all items, shape (items, d)."""
        return np.concatenate([r @ embeddings[g].T for r, g in zip(reasons, self.groups, strict=True)])

    def per_user(self, scores: Floats32) -> Floats64:
        """NDCG@10 of every ranking, shape (all rankings,)."""
        return per_user(top_k(scores, 10), self.relevant, 10)["ndcg"]

    def ndcg(self, scores: Floats32) -> float:
        """Mean NDCG@10 over the rankings."""
        return float(self.per_user(scores).mean())
