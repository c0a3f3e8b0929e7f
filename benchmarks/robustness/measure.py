"""What an attack does to the real users' lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.robustness.world import Ints
from kg_rec.arrays.topk import masked, top_k
from kg_rec.arrays.types import Floats, Floats64
from kg_rec.metrics import per_user
from kg_rec.model.histories import histories
from kg_rec.split import Split

#: Length of a list.
K = 10


@dataclass(frozen=True)
class Judge:
    """The real users' lists: what is left out of them, and what is to be found.

    Attributes:
        seen: what users had, CSR, shape (users, items).
        relevant: test items, CSR, shape (users, items).
        candidates: items ranked, shape (items,).
    """

    seen: sparse.csr_array
    relevant: sparse.csr_array
    candidates: NDArray[np.bool_]

    @classmethod
    def of(cls, split: Split, shape: tuple[int, int]) -> Judge:
        """That of a split's test."""
        return cls(histories(split.masked("test"), shape, 0), histories(split.test, shape, 0), split.test_candidates)

    def lists(self, scores: Floats) -> Ints:
        """The K best items of each user, shape (users, K)."""
        return top_k(masked(np.array(scores), self.seen, self.candidates), K)

    def exposure(self, lists: Ints, target: int) -> float:
        """Share of the real users in whose list the target is."""
        return float((lists == target).any(axis=1).mean())

    def ndcg(self, lists: Ints, target: int | None = None) -> Floats64:
        """NDCG@10 of each user with a test item other than the target, shape (such users,)."""
        relevant = self.relevant.copy()
        if target is not None:
            relevant.data = np.where(relevant.indices == target, 0, relevant.data)
            relevant.eliminate_zeros()
        some = np.flatnonzero(np.diff(relevant.indptr))
        return per_user(lists[some], relevant[some], K)["ndcg"]


@dataclass(frozen=True)
class Run:
    """One attack on one model.

    Attributes:
        before: exposure of the target, by the same model, without fake users.
        after: the same with them.
        clean: NDCG@10 without fake users and without defence.
        ndcg: with them.
    """

    before: float
    after: float
    clean: float
    ndcg: float


def summary(runs: list[Run], users: int, seed: int) -> dict[str, object]:
    """Figures over several targets, with 95 % intervals by bootstrap over these.

    ``exposure_ratio`` is the mean exposure of the targets after over that before; either counts as one user's list
    where it is less.
    """
    table = np.array([[r.before, r.after, r.clean, r.ndcg] for r in runs])
    rng = np.random.default_rng(seed)
    drawn = [table[rng.integers(0, len(table), len(table))] for _ in range(1000)] if len(table) > 1 else []
    found: dict[str, object] = {"runs": len(runs)}
    for name, figure in (("exposure_ratio", _ratio(1 / users)), ("ndcg_drop", _drop)):
        found[name] = figure(table)
        found[f"{name}_interval"] = np.quantile([figure(d) for d in drawn], [0.025, 0.975]).tolist() if drawn else None
    return {**found, "exposure_before": float(table[:, 0].mean()), "exposure_after": float(table[:, 1].mean())}


def _ratio(least: float) -> Callable[[Floats64], float]:
    return lambda table: float(max(table[:, 1].mean(), least) / max(table[:, 0].mean(), least))


def _drop(table: Floats64) -> float:
    return float(1 - table[:, 3].mean() / table[:, 2].mean())
