"""A run: plan, chunks, sinks, ledger, and the moment when readers see it.

Every step can be cut off and repeated: the plan is complete when its last file is there, a chunk when its record is in
the ledger and its parts have their names, the run when the pointer moved.  So a run that is resumed ends as one that
was never disturbed.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from kg_rec.config import from_dict
from kg_rec.errors import ConfigError, JobError, KgRecError, StoreUnavailableError
from kg_rec.jobs import engine
from kg_rec.jobs.chunk import Lists, Scorer, quantiles
from kg_rec.jobs.config import JobConfig, check_files
from kg_rec.jobs.metrics import Metrics
from kg_rec.jobs.plan import Plan, check_same, make_plan, open_plan
from kg_rec.jobs.preview import check_sinks
from kg_rec.jobs.report import Timer, report_of
from kg_rec.jobs.rules import embeddings
from kg_rec.jobs.sinks import FileSink, file_sinks
from kg_rec.model import persist
from kg_rec.store.base import GraphStore, Progress, no_progress
from kg_rec.store.runs import Chunk, Run, Runs, now
from kg_rec.store.vectors import Statement, show_vectors, write_vectors, written_model

_log = logging.getLogger(__name__)
_FIRST_WAIT = 0.5
T = TypeVar("T")


class StoppedError(JobError):
    """The run was asked to stop; it can be resumed."""


class CancelledError(JobError):
    """The run was cancelled by another process."""


@dataclass(frozen=True)
class Watch:
    """What a run tells and is told while it goes on.

    Attributes:
        progress: called per chunk with users done.
        stop: set from outside to stop after the chunk at hand.
    """

    progress: Progress = no_progress
    stop: threading.Event | None = None


def new_name() -> str:
    """A run's name from the time; later ones sort later."""
    return now().replace(":", "-")


def start(job: JobConfig, store: GraphStore, run: str | None = None, watch: Watch | None = None) -> Run:
    """Begin a run and carry it to its end.

    Args:
        job: the job.
        store: its graph, open for writing.
        run: its name, unique in the graph; from the time by default.
        watch: progress and stop.

    Returns:
        Its record, with the report.

    Raises:
        JobError: the name is taken, or the run was cancelled or stopped.
        ConfigError: the job does not fit the graph or the model.
        StoreUnavailableError: the server did not answer for longer than the job's patience; resume later.
        OSError: a file could not be written; resume when there is space.
    """
    check_files(job)
    check_sinks(job, store)
    runs = Runs(store)
    _patiently(job, runs.prepare)
    name = run or new_name()
    if _patiently(job, partial(runs.find, name)) is not None:
        raise JobError(f"run {name} is there already; resume it, cancel it, or choose another name")
    base = _patiently(job, partial(_base, job, runs, name))
    about = {"config": job.to_dict(), "base": list(base), "pid": os.getpid()}
    record = Run(name, job.name, "running", now(), about=about)
    _patiently(job, partial(runs.save, record))
    return _carry(job, store, runs, record, watch or Watch())


def resume(store: GraphStore, run: str, watch: Watch | None = None) -> Run:
    """Carry a run that was killed, failed or stopped to its end; its settings are those it began with.

    Raises:
        JobError: there is no such run, or it is done or cancelled, or what it works on changed.
    """
    runs = Runs(store)
    runs.prepare()
    record = runs.find(run)
    if record is None:
        raise JobError(f"{store.url} has no run {run}; `kg-rec job list` shows those it has")
    if record.state == "cancelled":
        raise JobError(f"run {run} was cancelled; start a new one")
    job = from_dict(JobConfig, record.about["config"])
    if record.state == "done":
        _tidy(job, runs, record)
        return record
    record = replace(record, state="running", error="", about={**record.about, "pid": os.getpid()})
    _patiently(job, partial(runs.save, record))
    return _carry(job, store, runs, record, watch or Watch())


def start_or_resume(job: JobConfig, store: GraphStore, run: str, watch: Watch | None = None) -> Run:
    """Begin a run or, if it is there already, carry it to its end; if it is done, this changes nothing.

    Raises:
        JobError: the run began with other settings or was cancelled; also as :func:`start` and :func:`resume`.
    """
    record = Runs(store).find(run)
    if record is None:
        return start(job, store, run, watch)
    began = _flat(from_dict(JobConfig, record.about["config"]).to_dict())
    given = _flat(job.to_dict())
    differ = sorted(name for name in began.keys() | given.keys() if began.get(name) != given.get(name))
    if differ:
        raise JobError(
            f"run {run} began with other settings: {', '.join(differ)}; go on with those it began with by "
            f"`kg-rec job resume {run}`, or choose another name"
        )
    return resume(store, run, watch)


def cancel(store: GraphStore, run: str, progress: Progress = no_progress) -> Run:
    """End a run for good, and delete what it wrote; a process that still works on it stops at its next chunk.

    Raises:
        JobError: there is no such run, or it is done.
    """
    runs = Runs(store)
    record = runs.find(run)
    if record is None:
        raise JobError(f"{store.url} has no run {run}; `kg-rec job list` shows those it has")
    if record.state == "done":
        raise JobError(f"run {run} is done; newer runs replace it")
    record = replace(record, state="cancelled", finished=now())
    runs.save(record)
    _clean(from_dict(JobConfig, record.about["config"]), runs, record, progress)
    return record


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _base(job: JobConfig, runs: Runs, name: str) -> tuple[str, ...]:
    """The runs that a run of some users adds to."""
    if not job.changed_since:
        return ()
    base = runs.latest(job.name)
    if not base:
        raise ConfigError(f"changed_since: job {job.name} has no run that is done; run it for all users first")
    if name <= base[0]:
        raise ConfigError(f"a run of some users needs a name that sorts after {base[0]}; leave the name out")
    return base


def _carry(job: JobConfig, store: GraphStore, runs: Runs, record: Run, watch: Watch) -> Run:
    try:
        timer = Timer()
        metrics = Metrics(job.name, job.metrics, stages=timer.seconds)
        with metrics.served():
            record, plan = _chunks(job, store, runs, record, watch, timer, metrics)
            with timer("vectors"):
                more = _vectors(job, store, record, plan, watch.progress)
            record = _publish(job, runs, record, plan, timer, more)
            drift = {} if record.report["drift"] is None else {"drift": record.report["drift"]}
            metrics.update(last_success_timestamp_seconds=time.time(), **drift)
    except BaseException as error:
        state = "stopped" if isinstance(error, StoppedError | KeyboardInterrupt | SystemExit) else "failed"
        _record_failure(runs, record.run, state, error)
        raise
    _tidy(job, runs, record)
    _log.info("run done", extra={"run": record.run, **{k: record.report[k] for k in ("users", "rows", "seconds")}})
    return record


def _record_failure(runs: Runs, run: str, state: str, error: BaseException) -> None:
    try:
        found = runs.find(run)
        if found is not None and found.state == "running":
            text = f"{type(error).__name__}: {error}"[:1000]
            runs.save(replace(found, state=state, error=text, finished=now()))
    except KgRecError as second:  # the first error is the one to show
        _log.warning("run %s: its failure could not be recorded: %s", run, second)


def _chunks(
    job: JobConfig, store: GraphStore, runs: Runs, record: Run, watch: Watch, timer: Timer, metrics: Metrics
) -> tuple[Run, Plan]:
    """Plan, and compute and write the chunks that are missing."""
    with timer("plan"):
        plan, record = _plan(job, store, runs, record, watch)
    with timer("model"):
        scorer = Scorer.of(job, plan, persist.load(job.model))
    sinks = file_sinks(job.sinks, record.run)
    known = _patiently(job, partial(runs.chunks, record.run))
    missing = [n for n in range(plan.about["chunks"]) if not _is_done(n, known, sinks)]
    done = plan.about["users"] - sum(_size(job, plan, n) for n in missing)
    if missing and len(missing) < plan.about["chunks"]:
        _log.info("run resumed", extra={"run": record.run, "missing": len(missing)})
    metrics.update(users=plan.about["users"], chunks=plan.about["chunks"])
    rows, short = 0, 0
    watch.progress(done, plan.about["users"], "recommend")
    parts = _parts(job, runs, record.run, plan, _computed(job, scorer, missing, timer), timer)
    writers = job.writers if store.dialect == "neo4j" else 1
    try:
        with closing(_committed(job, runs, record.run, parts, writers, timer)) as committed:
            for number, chunk in enumerate(committed, plan.about["chunks"] - len(missing) + 1):
                done += chunk.users
                told = {"run": record.run, "chunk": chunk.number, "users": chunk.users, "rows": chunk.rows}
                rows, short = rows + chunk.rows, short + chunk.short
                metrics.update(users_done=done, rows=rows, chunks_done=number, users_with_fewer_than_k=short)
                _log.info("chunk done", extra=told)
                _check_going_on(job, runs, record.run, watch, chunk.number == missing[-1])
                watch.progress(done, plan.about["users"], "recommend")
    except CancelledError:  # no writer is at work any more
        _clean(job, runs, replace(record, state="cancelled"), no_progress)
        raise
    return record, plan


def _parts(
    job: JobConfig, runs: Runs, run: str, plan: Plan, computed: Iterator[Lists], timer: Timer
) -> Iterator[tuple[Chunk, pa.RecordBatch | None]]:
    """The chunks whose files are written, and what is to be written into the graph."""
    sinks = file_sinks(job.sinks, run)
    for lists in computed:
        chunk = _chunk(lists, plan)
        with timer("files"):
            for sink in sinks:
                _write_part(sink, lists, runs, run, chunk)
        yield chunk, lists.rows if job.sinks.graph else None


def _committed(
    job: JobConfig,
    runs: Runs,
    run: str,
    parts: Iterator[tuple[Chunk, pa.RecordBatch | None]],
    writers: int,
    timer: Timer,
) -> Generator[Chunk, None, None]:
    """The chunks in their order, each when it is in the ledger, ``writers`` at a time."""

    def commit(part: tuple[Chunk, pa.RecordBatch | None]) -> tuple[Chunk, float, float]:
        begin = time.perf_counter()
        _patiently(job, partial(runs.commit, run, *part))
        return part[0], begin, time.perf_counter()

    counted = 0.0
    for chunk, begin, end in engine.in_order(commit, parts, writers, writers):
        timer.add("graph", max(0.0, end - max(begin, counted)))  # the time when any writer was at work
        counted = max(counted, end)
        yield chunk


def _computed(job: JobConfig, scorer: Scorer, missing: list[int], timer: Timer) -> Iterator[Lists]:
    compute = engine.on_ray if job.engine == "ray" else engine.local
    lists = compute(scorer, missing, job.workers)
    while True:
        with timer("wait for chunks"):
            found = next(lists, None)
        if found is None:
            return
        timer.add("compute (all workers)", found.seconds)
        yield found


def _plan(job: JobConfig, store: GraphStore, runs: Runs, record: Run, watch: Watch) -> tuple[Plan, Run]:
    """The plan of the run's folder, else a new one, which has to be the same if the run began with one."""
    folder = Path(job.work) / record.run
    plan = open_plan(folder)
    if plan is None:
        base = _patiently(job, lambda: [r for r in map(runs.find, record.about["base"]) if r is not None])
        plan = _patiently(job, partial(make_plan, job, store, folder, base, watch.progress))
    if "snapshot" in record.about:
        check_same(dict(record.about), plan.about, record.run)
        return plan, record
    record = replace(record, about={**record.about, **plan.about})
    _patiently(job, partial(runs.save, record))
    return plan, record


def _is_done(number: int, known: dict[int, Chunk], sinks: tuple[FileSink, ...]) -> bool:
    return number in known and known[number].state == "done" and all(s.part(number).exists() for s in sinks)


def _size(job: JobConfig, plan: Plan, number: int) -> int:
    return min(job.users_per_chunk, len(plan.users) - number * job.users_per_chunk)


def _chunk(lists: Lists, plan: Plan) -> Chunk:
    keys, users = plan.snapshot.users, lists.users
    first, last = keys.key(int(users[0])), keys.key(int(users[-1]))
    rows = len(lists.rows)
    scores, names = quantiles(lists.rows), tuple(keys.keys.take(pa.array(users)).to_pylist())
    digests = tuple(plan.digests[np.searchsorted(plan.users, users)].tolist())
    found = Chunk(lists.number, "done", len(users), rows, lists.short, first, last, lists.seconds, now(), scores)
    return replace(found, keys=names, digests=digests)


def _write_part(sink: FileSink, lists: Lists, runs: Runs, run: str, chunk: Chunk) -> None:
    try:
        sink.write(lists.number, lists.rows)
    except OSError as error:
        runs.commit(run, replace(chunk, state="failed", error=str(error), rows=0, quantiles=()))
        raise


def _patiently(job: JobConfig, action: Callable[[], T]) -> T:
    """Try again while the server does not answer, up to the job's patience from the first time that it did not."""
    until, wait = None, _FIRST_WAIT
    while True:
        try:
            return action()
        except StoreUnavailableError as error:
            until = time.monotonic() + job.patience if until is None else until
            if time.monotonic() + wait > until:
                raise
            _log.warning("the graph does not answer; trying again: %s", error)
            time.sleep(wait)
            wait = min(2 * wait, 10.0)


def _check_going_on(job: JobConfig, runs: Runs, run: str, watch: Watch, last: bool) -> None:
    found = _patiently(job, partial(runs.find, run))
    if found is None or found.state == "cancelled":
        raise CancelledError(f"run {run} was cancelled; what it wrote was deleted")
    if watch.stop is not None and watch.stop.is_set() and not last:
        raise StoppedError(f"run {run} was stopped; go on with `kg-rec job resume {run}`")


def _clean(job: JobConfig, runs: Runs, record: Run, progress: Progress) -> None:
    """Delete what a cancelled run wrote; its record stays."""
    runs.forget(record.run, progress)
    for sink in file_sinks(job.sinks, record.run):
        sink.remove()
    shutil.rmtree(Path(job.work) / record.run, ignore_errors=True)
    runs.save(record)


def _vectors(job: JobConfig, store: GraphStore, record: Run, plan: Plan, progress: Progress) -> list[Statement]:
    """Write the items' vectors, unless they are there; the statement that lets readers see them."""
    digest = plan.about["model"]
    if not job.sinks.vectors or _patiently(job, partial(written_model, store)) == digest:
        return []
    model = persist.load(job.model)
    vectors = embeddings(model)
    if vectors is None:
        raise ConfigError("sinks.vectors: the model has neither text nor relational embeddings; set it to false")
    keys = model.items.keys.to_pylist()
    _patiently(job, partial(write_vectors, store, record.run, keys, vectors, progress))
    return [show_vectors(record.run, digest)]


def _publish(job: JobConfig, runs: Runs, record: Run, plan: Plan, timer: Timer, more: list[Statement]) -> Run:
    """Give the files their name and move the pointer."""
    previous = _patiently(job, partial(runs.latest, job.name))
    base = tuple(record.about["base"])
    if base and previous != base:
        raise JobError(
            f"run {previous[0]} was published while {record.run} went on, which adds to {base[0]}; cancel it"
        )
    with timer("publish"):
        for sink in file_sinks(job.sinks, record.run):
            sink.publish()
        chunks = _patiently(job, partial(runs.chunks, record.run))
        emptied = _emptied(job, record, plan, chunks)
    record = replace(record, state="done", finished=now(), error="")
    before = _patiently(job, partial(runs.find, previous[0])) if previous else None
    record = replace(record, report=report_of(job, record, chunks, before, timer.seconds))
    _patiently(job, lambda: runs.publish(record, (record.run, *base), emptied, more))
    return record


def _tidy(job: JobConfig, runs: Runs, record: Run) -> None:
    """Delete old runs, and what this one needed until it was done."""
    _patiently(job, partial(prune, job, runs))
    shutil.rmtree(Path(job.work) / record.run, ignore_errors=True)


def _emptied(job: JobConfig, record: Run, plan: Plan, chunks: dict[int, Chunk]) -> list[str]:
    """Users of a run of some users whose list is empty or gone: their older lists must not be shown."""
    if not record.about["base"] or not job.sinks.graph:
        return []
    gone = list(plan.about["gone"])
    suspects = [n for n, c in chunks.items() if c.short]
    if not suspects:
        return gone
    scorer = Scorer.of(job, plan, persist.load(job.model))
    return [*gone, *(user for number in suspects for user in scorer(number).empty)]


def prune(job: JobConfig, runs: Runs, progress: Progress = no_progress) -> tuple[str, ...]:
    """Delete the job's oldest runs that are done; ``keep`` of all users, and what readers see stay.

    Returns:
        The names of the runs deleted.
    """
    visible = set(runs.latest(job.name))
    done = [r for r in runs.all(job.name) if r.state == "done"]
    whole = [r for r in done if not r.about.get("base")]
    if len(whole) <= job.keep:
        return ()
    oldest = whole[-job.keep].started
    gone = [r.run for r in done if r.started < oldest and r.run not in visible]
    for run in gone:
        runs.forget(run, progress)
        for sink in file_sinks(job.sinks, run):
            sink.remove()
        _log.info("run deleted", extra={"run": run})
    return tuple(gone)
