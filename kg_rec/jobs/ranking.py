"""The lists of some users by the rules: the same for jobs and for ``kg-rec recommend``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import ranges
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.jobs.candidates import allowed_items, blocked_pairs
from kg_rec.jobs.mix import shares
from kg_rec.jobs.moves import moved
from kg_rec.jobs.rerank import Reranked, Reranker, reranker
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.model.histories import edges_of, left_out, weighed
from kg_rec.model.recommender import Recommender, positions
from kg_rec.model.shown import Limits, limits_of
from kg_rec.progress import Progress, no_progress
from kg_rec.recommend import FIELDS, in_batches, lists_table
from kg_rec.store.base import GraphStore

#: The column that tells moves.
MOVED = "moved"
#: Users whose lists are made at a time.
_USERS = 1024


@dataclass(frozen=True)
class Ranker:
    """Makes lists by rules.

    Attributes:
        rules: the rules.
        model: over the graph as it is now.
        allowed: items that may be in a list, shape (items,).
        blocked: users and items that may not be in these users' lists, shape (pairs, 2), sorted.
        k: length of the lists.
        reranker: None where lists follow the scores.
        limits: of items and users.
    """

    rules: CandidatesConfig
    model: Recommender
    allowed: NDArray[np.bool_]
    blocked: Ints
    k: int
    reranker: Reranker | None
    limits: Limits

    @classmethod
    def of(
        cls,
        rules: CandidatesConfig,
        model: Recommender,
        allowed: NDArray[np.bool_],
        k: int,
        blocked: Ints | None = None,
        lang: str = "en",
    ) -> Ranker:
        """The ranker of some rules, and of those that are the model's own; see the attributes.

        Raises:
            ConfigError: a rule does not fit the model or its graph.
            SchemaError: there is no such language, which tells moves.
        """
        pairs = np.empty((0, 2), np.int64) if blocked is None else blocked
        every = (*rules.limits, *model.config.shown.limits)
        limits = limits_of(every, model.snapshot, "candidates.limits")
        return cls(rules, model, allowed & model.shown.items, pairs, k, reranker(rules, model, k, lang), limits)

    def lists(self, users: Ints) -> Reranked:
        """The lists of users by dense index."""
        return self._of(users, self.reranker)

    def table(self, users: Ints, ranked: Reranked) -> pa.RecordBatch:
        """What :meth:`lists` made as rows of :data:`kg_rec.recommend.FIELDS`.

        Where a rule moves items there is :data:`MOVED` besides, which says from where an item was moved and why; null
        where it stands as its score has it.
        """
        rows = lists_table(self.model, users, ranked.items, ranked.scores)
        if not tells_moves(self.rules) or self.reranker is None:
            return rows
        own = self._own(self._rows(users)[0], self.reranker)
        texts = moved(self.model.snapshot.schema, self.reranker, ranked, own, self._of(users, None).items)
        return pa.record_batch([*rows.columns, pa.array(texts, pa.string())], schema=fields_of(self.rules))

    def choose(
        self,
        liked: sparse.csr_array,
        seen: sparse.csr_array,
        allowed: NDArray[np.bool_],
        again: sparse.csr_array | None = None,
    ) -> Reranked:
        """Lists for any histories.

        Args:
            liked: a_uj, CSR, shape (b, items).
            seen: items left out, CSR, shape (b, items).
            allowed: items that may be in these lists, shape (items,).
            again: r, CSR, shape (b, items); None for 0.
        """
        return self._chosen(liked, seen, again, allowed, self.reranker)

    def _of(self, users: Ints, rerank: Reranker | None) -> Reranked:
        reranked = Reranked.empty(len(users), self.k)
        for rows, allowed in self.limits.parts(users, self.allowed):
            reranked.put(rows, self._chosen(*self._rows(users[rows]), allowed, rerank))
        return reranked

    def _chosen(
        self,
        liked: sparse.csr_array,
        seen: sparse.csr_array,
        again: sparse.csr_array | None,
        allowed: NDArray[np.bool_],
        rerank: Reranker | None,
    ) -> Reranked:
        wanted = self.k if rerank is None else rerank.pool
        top, values = _filled(*self.model.best(liked, seen, wanted, allowed, again), self.k)
        if rerank is None:
            return Reranked.by_score(top, values)
        own = self._own(liked, rerank)
        more = self._with_groups(top, values, liked, seen, again, allowed, rerank)
        reranked = rerank(*more, self.k, own, top.shape[1])
        # caps left more places than the pool filled
        cut = np.flatnonzero((reranked.items[:, -1] < 0) & (top[:, -1] >= 0))
        if len(cut):
            some = None if again is None else again[cut]
            everything = self.model.best(liked[cut], seen[cut], liked.shape[1], allowed, some)
            reranked.put(cut, rerank(*everything, self.k, None if own is None else own[cut]))
        return reranked

    def _rows(self, users: Ints) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array | None]:
        liked, seen, again = user_rows(self.model, users)
        if not self.rules.exclude_seen:
            seen = sparse.csr_array(seen.shape, dtype=np.float32)
        return liked, _with_pairs(seen, users, self.blocked), again

    def _own(self, liked: sparse.csr_array, rerank: Reranker) -> Floats64 | None:
        """The mix of kinds of what each user liked, shape (b, kinds); None without a calibration."""
        if rerank.calibration is None:
            return None
        each = sparse.csr_array(((liked.data > 0).astype(np.float64), liked.indices, liked.indptr), shape=liked.shape)
        return shares(np.asarray(each @ rerank.calibration.mix))

    def _with_groups(
        self,
        top: Ints,
        values: Floats64,
        liked: sparse.csr_array,
        seen: sparse.csr_array,
        again: sparse.csr_array | None,
        allowed: NDArray[np.bool_],
        rerank: Reranker,
    ) -> tuple[Ints, Floats64]:
        """The best items, and behind them the best of each group that places are kept for."""
        for group in rerank.also:
            wanted = min(rerank.pool, max(self.k, int(group.sum())))
            more, its = self.model.best(liked, seen, wanted, allowed & group, again)
            known = np.array([np.isin(a, b) for a, b in zip(more, top, strict=True)], np.bool_).reshape(more.shape)
            more, its = np.where(known, -1, more), np.where(known, -np.inf, its)
            top, values = np.concatenate([top, more], axis=1), np.concatenate([values, its], axis=1)
        return top, values


def tells_moves(rules: CandidatesConfig) -> bool:
    """Whether lists by these rules say from where items were moved."""
    return bool(rules.calibrate or rules.floors)


def fields_of(rules: CandidatesConfig) -> pa.Schema:
    """The columns of lists by some rules."""
    return FIELDS.append(pa.field(MOVED, pa.string())) if tells_moves(rules) else FIELDS


def by_rules(
    model: Recommender,
    users: Sequence[str] | None,
    k: int,
    rules: CandidatesConfig,
    store: GraphStore | None = None,
    progress: Progress = no_progress,
) -> Iterator[pa.RecordBatch]:
    """Lists by rules, in batches, as :meth:`Ranker.table` has them.

    Args:
        model: over the graph as it is now.
        users: user keys; None for all users, in key order.
        k: length of the lists.
        rules: the rules.
        store: the graph that rules in Cypher ask.
        progress: called per batch with users done.

    Raises:
        NotFoundError: a user is unknown; raised with the first batch, as are the others.
        ConfigError: a rule does not fit the model or its graph.
    """
    allowed, _ = allowed_items(rules, store, model.snapshot)
    blocked = None if store is None else blocked_pairs(rules, store, model.snapshot)[0]
    ranker = Ranker.of(rules, model, allowed, k, blocked)
    rows = np.arange(len(model.users)) if users is None else positions(model.users, users)
    yield from in_batches(rows, _USERS, lambda part: ranker.table(part, ranker.lists(part)), progress)


def user_rows(model: Recommender, users: Ints) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array | None]:
    """Histories a_uj, what no list shows, and r (None where it is off) of some users, CSR, shape (users, items).

    Reads these users' interactions alone, so memory does not grow with the number of users.
    """
    part, relation = edges_of(model.snapshot.interactions, users), model.snapshot.schema.interaction
    shape = (len(users), len(model.items))
    again = model.again_in(part, len(users))
    return weighed(part, relation, shape, model.chosen), left_out(part, relation, shape), again


def _with_pairs(seen: sparse.csr_array, users: Ints, pairs: Ints) -> sparse.csr_array:
    """What is left out of the users' lists, with the pairs of these users; an entry counts whatever its value."""
    starts, ends = (np.searchsorted(pairs[:, 0], users, side) for side in ("left", "right"))
    if not (ends > starts).any():
        return seen
    rows = np.concatenate([np.repeat(np.arange(len(users)), n) for n in (np.diff(seen.indptr), ends - starts)])
    columns = np.concatenate([seen.indices, pairs[ranges(starts, ends - starts), 1]])
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=seen.shape)


def _filled(top: Ints, values: Floats64, k: int) -> tuple[Ints, Floats64]:
    """At least k columns, -1 and -inf where a small catalogue gave fewer."""
    wide = ((0, 0), (0, max(0, k - top.shape[1])))
    return np.pad(top, wide, constant_values=-1), np.pad(values, wide, constant_values=-np.inf)
