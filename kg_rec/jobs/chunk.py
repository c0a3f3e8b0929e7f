"""One chunk of a run: the lists of its users, a pure function of plan, model and number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import ranges
from kg_rec.explain.lists import EXPLANATION_FIELDS, explain_lists
from kg_rec.explain.words.wording import Wording
from kg_rec.jobs.candidates import Reranker, reranker
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.plan import Plan
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.recommend import lists_table
from kg_rec.snapshot import positive

#: Steps of the quantiles kept per chunk.
QUANTILES = 20


@dataclass(frozen=True)
class Lists:
    """The lists of one chunk.

    Attributes:
        number: of the chunk.
        rows: columns of :data:`kg_rec.recommend.FIELDS`, and ``reason`` and ``paths`` with explanations; by user key
            and rank.
        users: dense indices of the chunk's users.
        short: users with fewer than k.
        empty: keys of the users with none.
        seconds: time it took.
    """

    number: int
    rows: pa.RecordBatch
    users: NDArray[np.int64]
    short: int
    empty: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Scorer:
    """Computes chunks; the same chunk gives the same bytes wherever and however often it is computed.

    Attributes:
        job: the settings.
        plan: users and candidates.
        model: over the plan's snapshot.
        reranker: caps and diversity, or None.
    """

    job: JobConfig
    plan: Plan
    model: Recommender
    reranker: Reranker | None

    @classmethod
    def of(cls, job: JobConfig, plan: Plan, model: Recommender) -> Scorer:
        """The scorer of a plan.

        Raises:
            ModelError: the graph's items are not those of the model.
            ConfigError: a rule does not fit the model.
        """
        fitted = model.with_snapshot(plan.snapshot)
        return cls(job, plan, fitted, reranker(job.candidates, fitted, job.k))

    def __call__(self, number: int) -> Lists:
        """The lists of chunk ``number``; the engine keeps BLAS on one thread, so that sums have one order."""
        start = time.perf_counter()
        users = self.plan.users[self.job.part(number)]
        top, scores = self._ranked(users)
        filled = (top >= 0).sum(axis=1)
        rows = self._explained(lists_table(self.model, users, top, scores))
        keys = self.model.users.keys
        empty = tuple(keys.take(pa.array(users[filled == 0])).to_pylist())
        return Lists(number, rows, users, int((filled < self.job.k).sum()), empty, time.perf_counter() - start)

    def _explained(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with ``reason`` (the sentences, or null) and ``paths`` (as keys), where the job wants them."""
        if self.job.explanations == "off":
            return rows
        table = pa.Table.from_batches([rows])
        parts = (
            explain_lists(self.model, lists=table, wording=Wording(self.job.language), workers=1) if len(rows) else ()
        )
        found = pa.Table.from_batches(parts, schema=EXPLANATION_FIELDS)
        texts = found["text"].to_pylist() if self.job.explanations == "sentences" else [None] * len(rows)
        paths = [[_path(p) for group in groups for p in group["paths"]] for groups in found["groups"].to_pylist()]
        columns = [pa.array(texts, pa.string()), pa.array(paths, pa.list_(pa.string()))]
        return pa.record_batch([*rows.columns, *columns], names=[*rows.schema.names, "reason", "paths"])

    def _ranked(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Items, -1 for none, and scores, shape (b, k)."""
        k, rerank, plan = self.job.k, self.reranker, self.plan
        liked, seen = user_rows(self.model, users)
        if not self.job.candidates.exclude_seen:
            seen = sparse.csr_array(seen.shape, dtype=np.float32)
        seen = _with_pairs(seen, users, plan.blocked)
        top, values = _filled(*self.model.best(liked, seen, k if rerank is None else rerank.pool, plan.allowed), k)
        if rerank is None:
            return top, values
        chosen, its = rerank(*self._with_new(top, values, liked, seen), k)
        cut = np.flatnonzero((chosen[:, -1] < 0) & (top[:, -1] >= 0))  # the caps left more places than the pool filled
        if len(cut):
            everything = self.model.best(liked[cut], seen[cut], liked.shape[1], plan.allowed)
            chosen[cut], its[cut] = rerank(*everything, k)
        return chosen, its

    def _with_new(
        self, top: NDArray[np.int64], values: NDArray[np.float64], liked: sparse.csr_array, seen: sparse.csr_array
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The best items, and behind them the best new ones, where places are kept for these."""
        rerank = self.reranker
        if rerank is None or not rerank.reserved:
            return top, values
        new, its = self.model.best(liked, seen, rerank.pool, self.plan.allowed & rerank.new)
        known = np.array([np.isin(a, b) for a, b in zip(new, top, strict=True)]).reshape(new.shape)
        new, its = np.where(known, -1, new), np.where(known, -np.inf, its)
        return np.concatenate([top, new], axis=1), np.concatenate([values, its], axis=1)


def user_rows(model: Recommender, users: NDArray[np.int64]) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Histories a_uj and what was seen, of some users only, CSR, shape (users, items).

    Reads these users' interactions alone, so memory does not grow with the number of users.
    """
    edges = model.snapshot.interactions
    starts, ends = np.searchsorted(edges.source, users, "left"), np.searchsorted(edges.source, users, "right")
    lengths = ends - starts
    part = replace(edges.take(ranges(starts, lengths)), source=np.repeat(np.arange(len(users)), lengths))
    liked = positive(part, model.snapshot.schema.interaction)
    shape = (len(users), len(model.items))
    return histories(liked, shape, model.chosen.recency, model.chosen.rating), histories(part, shape, 0)


def _with_pairs(seen: sparse.csr_array, users: NDArray[np.int64], pairs: NDArray[np.int64]) -> sparse.csr_array:
    """What is left out of the users' lists, with the pairs of these users; an entry counts whatever its value."""
    starts, ends = (np.searchsorted(pairs[:, 0], users, side) for side in ("left", "right"))
    if not (ends > starts).any():
        return seen
    rows = np.concatenate([np.repeat(np.arange(len(users)), n) for n in (np.diff(seen.indptr), ends - starts)])
    columns = np.concatenate([seen.indices, pairs[ranges(starts, ends - starts), 1]])
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=seen.shape)


def _filled(
    top: NDArray[np.int64], values: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At least k columns, -1 and -inf where a small catalogue gave fewer."""
    wide = ((0, 0), (0, max(0, k - top.shape[1])))
    return np.pad(top, wide, constant_values=-1), np.pad(values, wide, constant_values=-np.inf)


def quantiles(rows: pa.RecordBatch) -> tuple[float, ...]:
    """Quantiles of the scores in equal steps, smallest to largest; empty without rows."""
    scores = rows.column("score").to_numpy()
    if not len(scores):
        return ()
    return tuple(np.quantile(scores, np.linspace(0, 1, QUANTILES + 1)).tolist())


def _path(path: Mapping[str, Any]) -> str:
    """A path as keys: ``(u1)-[RATED]->(f3)<-[RATED]-(35 User)-[RATED]->(f7)``; other users are counted, not named."""
    nodes = [n["key"] or f"{n['count']} {n['type']}" for n in path["nodes"]]
    text = f"({nodes[0]})"
    for node, step in zip(nodes[1:], path["relations"], strict=True):
        if step["type"] is None:  # which the graph does not hold
            text += f"~[similar text]~({node})"
            continue
        left, right = ("-", "->") if step["forward"] else ("<-", "-")
        text += f"{left}[{step['type']}]{right}({node})"
    return text
