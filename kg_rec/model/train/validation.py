"""The users on whom hyperparameters are chosen, and how they are judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64
from kg_rec.errors import ModelError
from kg_rec.metrics import ValidationSet
from kg_rec.model.chosen import RatingScale
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.model.histories import histories
from kg_rec.model.kernel import Kernel
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot
from kg_rec.split import Split, calendar_holdout, holdout_split, with_disliked

#: Scores of a channel while weights are chosen, users x items: 240 MB in single precision.
_CELLS = 60_000_000


def held_out(snapshot: Snapshot, config: TrainConfig) -> Split:
    """Of a graph's positive interactions some to choose on, and the others, as ``config.fusion`` says.

    Raises:
        SplitError: they are to be held out by time, and have none.
    """
    positive, fusion, again = snapshot.liked(), config.fusion, snapshot.schema.interaction.again
    timed = positive.time is not None and bool((positive.time != NO_TIME).all())
    if fusion.holdout_by == "time" or (again and timed):  # what is had again is found at another time only
        split = calendar_holdout(positive, len(snapshot.items), fusion.holdout, again=again)
    else:
        split = holdout_split(positive, len(snapshot.items), config.seed, fusion.holdout)
    return with_disliked(split, snapshot.interactions, snapshot.schema.interaction)


@dataclass(frozen=True)
class Validation:
    """Sampled users with something to find: their histories, what to find, and of large catalogues the items ranked.

    So the work of every choice is bounded.  Where each user has one item to find, it takes thousands of users to tell
    two operators apart.

    Attributes:
        rows: dense indices of the users, ascending.
        edges: interactions that the model may see.
        judge: what is to be found, and among what.
        items: dense indices of the items ranked; None for all.
    """

    rows: NDArray[np.int64]
    edges: EdgeTable
    judge: ValidationSet
    items: NDArray[np.int64] | None

    @classmethod
    def of(cls, train: EdgeTable, split: Split, shape: tuple[int, int], config: FusionConfig, seed: int) -> Validation:
        """Histories from ``train``; what ``split`` has for training is not ranked."""
        relevant = histories(split.valid, shape, 0)
        ranked = min(int(split.valid_candidates.sum()), config.candidates)
        most = max(1, min(config.users, _CELLS // max(ranked, 1)))
        rows = np.flatnonzero(np.diff(relevant.indptr))
        if len(rows) > most:
            rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
        if not len(rows):
            raise ModelError("no user has validation interactions; give more interactions or a larger holdout")
        given, seen, relevant = (
            histories(train, shape, 0)[rows],
            histories(split.masked("valid"), shape, 0)[rows],
            relevant[rows],
        )
        items = _sampled(split.valid_candidates, relevant, train, config.candidates, seed)
        if items is None:
            return cls(rows, train, ValidationSet(given, seen, relevant, split.valid_candidates), None)
        judge = ValidationSet(given, seen[:, items], relevant[:, items], split.valid_candidates[items])
        return cls(rows, train, judge, items)

    def per_user(self, kernel: Kernel, rows: sparse.csr_array) -> Floats64:
        """NDCG@10 of each user under a kernel by itself, shape (users,)."""
        return self.judge.per_user(kernel.scores(rows, self.items))

    def ndcg(self, kernel: Kernel, rows: sparse.csr_array) -> float:
        """Mean NDCG@10 of a kernel by itself."""
        return float(self.per_user(kernel, rows).mean())

    def weighted(self, shape: tuple[int, int], recency: float, rating: RatingScale | None = None) -> sparse.csr_array:
        """The users' a_uj under a recency and a rating scale, CSR, shape (users, items)."""
        return histories(self.edges, shape, recency, rating)[self.rows]


def _sampled(
    candidates: NDArray[np.bool_], relevant: sparse.csr_array, train: EdgeTable, most: int, seed: int
) -> NDArray[np.int64] | None:
    """Items to rank: what is to be found, the most popular ones, and as many at random; None for all candidates.

    Popular items are what takes places in a list; random ones show what noise does.
    """
    if candidates.sum() <= most:
        return None
    popularity = np.bincount(train.target, minlength=len(candidates))
    wanted = np.unique(relevant.indices)
    left = np.setdiff1d(np.flatnonzero(candidates), wanted)
    left = left[np.argsort(-popularity[left], kind="stable")]
    half = max(0, most - len(wanted)) // 2
    drawn = np.random.default_rng(seed).choice(left[half:], half, replace=False)
    return np.sort(np.concatenate([wanted, left[:half], drawn]))
