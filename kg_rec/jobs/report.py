"""The report of a run, and the drift of its scores against the run before."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.jobs.config import JobConfig
from kg_rec.quantity import quantity
from kg_rec.store.ledger import ChunkRecord, Run

_BINS = 10
_FLOOR = 1e-4
#: Most scores at which distributions are compared: keeps the work linear in the number of chunks.
_GRID = 1000


@dataclass
class Timer:
    """Seconds per stage of this process."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add time to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def report_of(
    job: JobConfig, run: Run, chunks: Mapping[int, ChunkRecord], before: Run | None, stages: Mapping[str, float]
) -> dict[str, Any]:
    """The figures of a run that is complete.

    Args:
        job: its settings.
        run: its record, with its end.
        chunks: all of them.
        before: the run that readers saw until now; the scores are compared with its own where both have all users
            and one model.
        stages: seconds per stage of the process that ended the run.
    """
    users = sum(c.users for c in chunks.values())
    short = sum(c.short for c in chunks.values())
    scores = mixture(chunks.values())
    if before is not None and not _alike(run, before):
        before = None
    earlier = None if before is None else before.report.get("score_quantiles")
    seconds = (datetime.fromisoformat(run.finished) - datetime.fromisoformat(run.started)).total_seconds()
    return {
        "users": users,
        "rows": sum(c.rows for c in chunks.values()),
        "chunks": len(chunks),
        "k": job.k,
        "users_with_fewer_than_k": short,
        "share_with_fewer_than_k": short / users if users else 0.0,
        "seconds": seconds,
        "stages": {name: round(value, 3) for name, value in stages.items()},
        "score_quantiles": scores,
        "compared_with": None if before is None else before.run,
        "drift": drift(earlier, scores) if earlier and scores else None,
    }


def _alike(run: Run, before: Run) -> bool:
    """Whether the scores of two runs are of the same users and the same model, so that a difference means something."""
    return not any(r.about.get("base") for r in (run, before)) and all(
        run.about.get(name) == before.about.get(name) for name in ("model", "users_sha256")
    )


def mixture(chunks: Iterable[ChunkRecord]) -> list[float]:
    """Quantiles of all scores from those of the chunks, weighted by their rows; empty without rows.

    The distribution of a chunk is taken as even between two of its quantiles.
    """
    filled = [c for c in chunks if c.quantiles]
    if not filled:
        return []
    known = np.sort(np.concatenate([c.quantiles for c in filled]))
    grid = known[np.unique(np.linspace(0, len(known) - 1, _GRID).astype(int))]
    levels = np.linspace(0, 1, len(filled[0].quantiles))
    below = sum(c.rows * np.interp(grid, c.quantiles, levels, left=0.0, right=1.0) for c in filled)
    inner = np.interp(levels[1:-1], below / sum(c.rows for c in filled), grid)
    return [float(known[0]), *inner.tolist(), float(known[-1])]


def drift(before: list[float], after: list[float]) -> float:
    """Population stability index of two distributions given by quantiles in equal steps.

    sum over tenths of the earlier one of (p - q) ln(p / q), where q is the share of the later one in it.  By custom,
    below 0.1 nothing moved, above 0.25 look what did.
    """
    edges = np.interp(np.linspace(0, 1, _BINS + 1), np.linspace(0, 1, len(before)), before)
    share = np.diff(_below(before, edges)), np.diff(_below(after, edges))
    p, q = (np.maximum(s, _FLOOR) for s in share)
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def _below(quantiles: list[float], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of a distribution below each edge; everything is between the first and the last."""
    values = np.maximum.accumulate(np.array(quantiles))
    inner: NDArray[np.float64] = np.interp(edges[1:-1], values, np.linspace(0, 1, len(values)))
    return np.concatenate([[0.0], inner, [1.0]])


def summary(run: Run) -> list[str]:
    """A run that is done, in plain sentences."""
    r = run.report
    lines = [
        f"run {run.run} of {run.job}: {quantity(r['rows'], 'recommendation')} for {quantity(r['users'], 'user')} "
        f"in {r['seconds']:.1f} s",
        f"{r['share_with_fewer_than_k']:.1%} of the users have fewer than {r['k']}",
    ]
    if r["drift"] is not None:
        lines.append(f"drift of the scores against {r['compared_with']}: {r['drift']:.3f} (population stability index)")
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in r["stages"].items())
    return [*lines, f"stages: {stages}"]
