"""The chunks of a run that are missing: computed, written into files and graph, recorded in the ledger."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from kg_rec.errors import CancelledError, StoppedError
from kg_rec.jobs import engine
from kg_rec.jobs.chunk import Lists, Scorer, quantiles
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.metrics import Metrics
from kg_rec.jobs.plan import Plan
from kg_rec.jobs.report import Timer
from kg_rec.jobs.retry import retry_while_unavailable
from kg_rec.jobs.sinks import FileSink, file_sinks
from kg_rec.progress import Progress, no_progress
from kg_rec.store.base import GraphStore
from kg_rec.store.ledger import ChunkRecord, RunLedger, now

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """What a run tells and is told while it goes on.

    Attributes:
        progress: called per chunk with users done.
        stop: set from outside to stop after the chunk at hand.
    """

    progress: Progress = no_progress
    stop: threading.Event | None = None


def write_chunks(
    scorer: Scorer, store: GraphStore, runs: RunLedger, run: str, watch: Watch, timer: Timer, metrics: Metrics
) -> None:
    """Compute and write the chunks that are missing.

    Raises:
        CancelledError: another process cancelled the run; no writer is at work any more.
        StoppedError: the run was asked to stop.
    """
    job, plan = scorer.job, scorer.plan
    sinks = file_sinks(job.sinks, run)
    known = retry_while_unavailable(job, partial(runs.chunks, run))
    missing = [n for n in range(plan.about["chunks"]) if not _is_done(n, known, sinks)]
    done = plan.about["users"] - sum(len(plan.users[job.part(n)]) for n in missing)
    if missing and len(missing) < plan.about["chunks"]:
        _log.info("run resumed", extra={"run": run, "missing": len(missing)})
    metrics.update(users=plan.about["users"], chunks=plan.about["chunks"])
    rows, short = 0, 0
    watch.progress(done, plan.about["users"], "recommend")
    parts = _parts(job, runs, run, plan, sinks, _computed(scorer, missing, timer), timer)
    writers = job.writers if store.capabilities.concurrent_writers else 1
    with closing(_committed(job, runs, run, parts, writers, timer)) as committed:
        for number, chunk in enumerate(committed, plan.about["chunks"] - len(missing) + 1):
            done += chunk.users
            told = {"run": run, "chunk": chunk.number, "users": chunk.users, "rows": chunk.rows}
            rows, short = rows + chunk.rows, short + chunk.short
            metrics.update(users_done=done, rows=rows, chunks_done=number, users_with_fewer_than_k=short)
            _log.info("chunk done", extra=told)
            _check_going_on(job, runs, run, watch, chunk.number == missing[-1])
            watch.progress(done, plan.about["users"], "recommend")


def _parts(
    job: JobConfig,
    runs: RunLedger,
    run: str,
    plan: Plan,
    sinks: Sequence[FileSink],
    computed: Iterator[Lists],
    timer: Timer,
) -> Iterator[tuple[ChunkRecord, pa.RecordBatch | None]]:
    """The chunks whose files are written, and what is to be written into the graph."""
    for lists in computed:
        chunk = _chunk(job, lists, plan)
        with timer("files"):
            for sink in sinks:
                _write_part(sink, lists, runs, run, chunk)
        yield chunk, lists.rows if job.sinks.graph else None


def _committed(
    job: JobConfig,
    runs: RunLedger,
    run: str,
    parts: Iterator[tuple[ChunkRecord, pa.RecordBatch | None]],
    writers: int,
    timer: Timer,
) -> Generator[ChunkRecord, None, None]:
    """The chunks in their order, each when it is in the ledger, ``writers`` at a time."""

    def commit(part: tuple[ChunkRecord, pa.RecordBatch | None]) -> tuple[ChunkRecord, float, float]:
        begin = time.perf_counter()
        retry_while_unavailable(job, partial(runs.commit, run, *part))
        return part[0], begin, time.perf_counter()

    counted = 0.0
    for chunk, begin, end in engine.in_order(commit, parts, writers, writers):
        timer.add("graph", max(0.0, end - max(begin, counted)))  # the time when any writer was at work
        counted = max(counted, end)
        yield chunk


def _computed(scorer: Scorer, missing: list[int], timer: Timer) -> Iterator[Lists]:
    compute = engine.on_ray if scorer.job.engine == "ray" else engine.local
    lists = compute(scorer, missing, scorer.job.workers)
    while True:
        with timer("wait for chunks"):
            chunk = next(lists, None)
        if chunk is None:
            return
        timer.add("compute (all workers)", chunk.seconds)
        yield chunk


def _is_done(number: int, known: dict[int, ChunkRecord], sinks: tuple[FileSink, ...]) -> bool:
    return number in known and known[number].state == "done" and all(s.part(number).exists() for s in sinks)


def _chunk(job: JobConfig, lists: Lists, plan: Plan) -> ChunkRecord:
    keys = tuple(plan.snapshot.users.keys.take(pa.array(lists.users)).to_pylist())
    digests = tuple(plan.digests[job.part(lists.number)].tolist())
    rows, scores, ends = len(lists.rows), quantiles(lists.rows), (keys[0], keys[-1])
    record = ChunkRecord(lists.number, "done", len(keys), rows, lists.short, *ends, lists.seconds, now(), scores)
    return replace(record, keys=keys, digests=digests)


def _write_part(sink: FileSink, lists: Lists, runs: RunLedger, run: str, chunk: ChunkRecord) -> None:
    try:
        sink.write(lists.number, lists.rows)
    except OSError as error:
        runs.commit(run, replace(chunk, state="failed", error=str(error), rows=0, quantiles=()))
        raise


def _check_going_on(job: JobConfig, runs: RunLedger, run: str, watch: Watch, last: bool) -> None:
    record = retry_while_unavailable(job, partial(runs.find, run))
    if record is None or record.state == "cancelled":
        raise CancelledError(f"run {run} was cancelled; what it wrote was deleted")
    if watch.stop is not None and watch.stop.is_set() and not last:
        raise StoppedError(f"run {run} was stopped; go on with `kg-rec job resume {run}`")
