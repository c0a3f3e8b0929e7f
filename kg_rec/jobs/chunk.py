"""One chunk of a run: the lists of its users, a pure function of plan, model and number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.explain.lists import EXPLANATION_FIELDS, explain_lists
from kg_rec.explain.words.wording import Wording
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.plan import Plan
from kg_rec.jobs.ranking import MOVED, Ranker
from kg_rec.jobs.stated import Stating
from kg_rec.model.recommender import Recommender
from kg_rec.recommend import FIELDS

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
        ranker: makes lists by the rules.
        stating: the models of users who said something of themselves.
    """

    job: JobConfig
    plan: Plan
    model: Recommender
    ranker: Ranker
    stating: Stating

    @classmethod
    def of(cls, job: JobConfig, plan: Plan, model: Recommender) -> Scorer:
        """The scorer of a plan.

        Raises:
            ModelError: a relation type of the model is not in the graph's schema.
            ConfigError: a rule does not fit the model.
        """
        fitted = model.with_snapshot(plan.snapshot)
        ranker = Ranker.of(job.candidates, fitted, plan.allowed, job.k, plan.blocked, Wording(job.language).lang)
        return cls(job, plan, fitted, ranker, Stating.of(fitted, plan.said))

    def __call__(self, number: int) -> Lists:
        """The lists of chunk ``number``; the engine keeps BLAS on one thread, so that sums have one order."""
        start = time.perf_counter()
        users = self.plan.users[self.job.part(number)]
        filled = np.zeros(len(users), np.int64)
        parts, places = list[pa.RecordBatch](), list[NDArray[np.int64]]()
        for model, place in self.stating.models(users):
            ranker = self.ranker if model is self.model else replace(self.ranker, model=model)
            ranked = ranker.lists(users[place])
            filled[place] = (ranked.items >= 0).sum(axis=1)
            parts.append(self._explained(model, ranker.table(users[place], ranked)))
            places.append(np.repeat(place, filled[place]))
        rows = pa.concat_batches(parts)
        if len(parts) > 1:
            rows = rows.take(pa.array(np.argsort(np.concatenate(places), kind="stable")))
        keys = self.model.users.keys
        empty = tuple(keys.take(pa.array(users[filled == 0])).to_pylist())
        return Lists(number, rows, users, int((filled < self.job.k).sum()), empty, time.perf_counter() - start)

    def _explained(self, model: Recommender, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with ``reason`` (the sentences, or null) and ``paths`` (as keys), where the job wants them."""
        if self.job.explanations == "off":
            return rows
        table = pa.Table.from_batches([rows.select(FIELDS.names)])
        parts = explain_lists(model, lists=table, wording=Wording(self.job.language), workers=1) if len(rows) else ()
        explained = pa.Table.from_batches(parts, schema=EXPLANATION_FIELDS)
        texts = explained["text"].to_pylist() if self.job.explanations == "sentences" else [None] * len(rows)
        if MOVED in rows.schema.names and self.job.explanations == "sentences":
            moves = rows.column(MOVED).to_pylist()
            texts = [text if move is None else f"{text}\n{move}" for text, move in zip(texts, moves, strict=True)]
        paths = [[_path(p) for group in groups for p in group["paths"]] for groups in explained["groups"].to_pylist()]
        columns = [pa.array(texts, pa.string()), pa.array(paths, pa.list_(pa.string()))]
        return pa.record_batch([*rows.columns, *columns], names=[*rows.schema.names, "reason", "paths"])


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
            text += f"~[similar {step['alike'] or 'text'}]~({node})"
            continue
        left, right = ("-", "->") if step["forward"] else ("<-", "-")
        text += f"{left}[{step['type']}]{right}({node})"
    return text
