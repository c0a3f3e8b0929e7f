"""A run: plan, chunks, sinks, ledger, and the moment when readers see it.

Every step can be cut off and repeated: the plan is complete when its last file is there, a chunk when its record is in
the ledger and its parts have their names, the run when the pointer moved.  So a run that is resumed ends as one that
was never disturbed.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kg_rec.errors import CancelledError, ConfigError, JobError, KgRecError, StoppedError
from kg_rec.jobs.chunk import Scorer
from kg_rec.jobs.config import NAME, JobConfig, check_files, checked_name
from kg_rec.jobs.metrics import Metrics
from kg_rec.jobs.plan import Plan, check_same, discard_plan, keep_settings, make_plan, open_plan, settings_of
from kg_rec.jobs.preview import check_sinks
from kg_rec.jobs.report import Timer, report_of
from kg_rec.jobs.rerank import embeddings
from kg_rec.jobs.retry import retry_while_unavailable
from kg_rec.jobs.sinks import file_sinks
from kg_rec.jobs.writing import Watch, write_chunks
from kg_rec.model import persist
from kg_rec.progress import Progress, no_progress
from kg_rec.settings import from_dict
from kg_rec.store.base import GraphStore, Statement
from kg_rec.store.ledger import ChunkRecord, Run, RunLedger, now
from kg_rec.store.neo4j.vectors import show_vectors, write_vectors, written_model

_log = logging.getLogger(__name__)


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
        StoreUnavailableError: the server did not answer for longer than the job's ``retry_seconds``; resume later.
        OSError: a file could not be written; resume when there is space.
    """
    check_files(job)
    check_sinks(job, store)
    runs = RunLedger(store)
    retry_while_unavailable(job, runs.prepare)
    name = checked_name(run or new_name())
    base = retry_while_unavailable(job, partial(_base, job, runs))
    if base and name <= base[0] and not run:  # readers take the last name: this one follows that of the last whole run
        name = checked_name(f"{base[-1]}+{name}")
    if base and name <= base[0]:
        raise ConfigError(f"a run of some users needs a name that sorts after {base[0]}, got {name}")
    if retry_while_unavailable(job, partial(runs.find, name)) is not None:
        raise JobError(f"run {name} is there already; resume it, cancel it, or choose another name")
    about = {"config": job.to_dict(), "base": list(base), "pid": os.getpid()}
    keep_settings(Path(job.work) / name, job)
    record = Run(name, job.name, "running", now(), about=about)
    retry_while_unavailable(job, partial(runs.save, record))
    return _carry(job, store, runs, record, watch or Watch())


def resume(store: GraphStore, run: str, watch: Watch | None = None) -> Run:
    """Carry a run that was killed, failed or stopped to its end; its settings are those it began with.

    Raises:
        JobError: there is no such run, or it was cancelled, or what it works on changed, or its folder on this machine
            does not hold the settings that the ledger says of it.
    """
    runs = RunLedger(store)
    runs.prepare()
    record = _resumable(store, runs, run)
    if record.state == "done" and not _here(record):
        return record
    return _go_on(settings_of(record), store, runs, record, watch)


def _resumable(store: GraphStore, runs: RunLedger, run: str) -> Run:
    record = runs.find(checked_name(run))
    if record is None:
        raise JobError(f"{store.url} has no run {run}; `kg-rec job list` shows those it has")
    if record.state == "cancelled":
        raise JobError(f"run {run} was cancelled; start a new one")
    return record


def _here(record: Run) -> bool:
    """Whether a run that is done left its folder, as one does that is killed just then."""
    return (Path(record.about["config"]["work"]) / record.run).exists()


def _go_on(job: JobConfig, store: GraphStore, runs: RunLedger, record: Run, watch: Watch | None) -> Run:
    if record.state == "done":
        _tidy(job, runs, record)
        return record
    keep_settings(Path(job.work) / record.run, job)
    record = replace(record, state="running", error="", about={**record.about, "pid": os.getpid()})
    retry_while_unavailable(job, partial(runs.save, record))
    return _carry(job, store, runs, record, watch or Watch())


def start_or_resume(job: JobConfig, store: GraphStore, run: str, watch: Watch | None = None) -> Run:
    """Begin a run or, if it is there already, carry it to its end; if it is done, this changes nothing.

    Raises:
        JobError: the run began with other settings or was cancelled; also as :func:`start` and :func:`resume`.
    """
    runs = RunLedger(store)
    if runs.find(checked_name(run)) is None:
        return start(job, store, run, watch)
    runs.prepare()
    record = _resumable(store, runs, run)
    began = _flat(from_dict(JobConfig, record.about["config"]).to_dict())
    given = _flat(job.to_dict())
    differ = sorted(name for name in began.keys() | given.keys() if began.get(name) != given.get(name))
    if differ:
        raise JobError(
            f"run {run} began with other settings: {', '.join(differ)}; go on with those it began with by "
            f"`kg-rec job resume {run}`, or choose another name"
        )
    return _go_on(job, store, runs, record, watch)


def cancel(store: GraphStore, run: str, progress: Progress = no_progress) -> Run:
    """End a run for good, and delete what it wrote; a process that still works on it stops at its next chunk.

    Raises:
        JobError: there is no such run, or it is done, or its folder on this machine does not hold the settings that
            the ledger says of it.
    """
    runs = RunLedger(store)
    record = runs.find(checked_name(run))
    if record is None:
        raise JobError(f"{store.url} has no run {run}; `kg-rec job list` shows those it has")
    if record.state == "done":
        raise JobError(f"run {run} is done; newer runs replace it")
    job = settings_of(record)
    record = replace(record, state="cancelled", finished=now())
    runs.save(record)
    _clean(job, runs, record, progress)
    return record


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _base(job: JobConfig, runs: RunLedger) -> tuple[str, ...]:
    """The runs that a run of some users adds to."""
    if not job.changed_since:
        return ()
    base = runs.latest(job.name)
    if not base:
        raise ConfigError(f"changed_since: job {job.name} has no run that is done; run it for all users first")
    return base


def _carry(job: JobConfig, store: GraphStore, runs: RunLedger, record: Run, watch: Watch) -> Run:
    try:
        timer = Timer()
        metrics = Metrics(job.name, job.metrics, stages=timer.seconds)
        with metrics.served():
            with timer("plan"):
                plan, record = _plan(job, store, runs, record, watch)
            with timer("model"):
                scorer = Scorer.of(job, plan, persist.load(job.model))
            write_chunks(scorer, store, runs, record.run, watch, timer, metrics)
            more = _vectors(job, store, record, plan, timer, watch.progress)
            record = _publish(scorer, runs, record, timer, more)
            drift = {} if record.report["drift"] is None else {"drift": record.report["drift"]}
            metrics.update(last_success_timestamp_seconds=time.time(), **drift)
    except CancelledError:
        _clean(job, runs, replace(record, state="cancelled"), no_progress)
        raise
    except BaseException as error:
        state = "stopped" if isinstance(error, StoppedError | KeyboardInterrupt | SystemExit) else "failed"
        _record_failure(runs, record.run, state, error)
        raise
    _tidy(job, runs, record)
    _log.info("run done", extra={"run": record.run, **{k: record.report[k] for k in ("users", "rows", "seconds")}})
    return record


def _record_failure(runs: RunLedger, run: str, state: str, error: BaseException) -> None:
    try:
        record = runs.find(run)
        if record is not None and record.state == "running":
            text = f"{type(error).__name__}: {error}"[:1000]
            runs.save(replace(record, state=state, error=text, finished=now()))
    except KgRecError as second:  # the first error is the one to show
        _log.warning("run %s: its failure could not be recorded: %s", run, second)


def _plan(job: JobConfig, store: GraphStore, runs: RunLedger, record: Run, watch: Watch) -> tuple[Plan, Run]:
    """The plan of the run's folder, else a new one, which has to be the same if the run began with one."""
    folder = Path(job.work) / record.run
    plan = open_plan(folder)
    if plan is None:
        base = retry_while_unavailable(job, lambda: [r for r in map(runs.find, record.about["base"]) if r is not None])
        plan = retry_while_unavailable(job, partial(make_plan, job, store, folder, base, watch.progress))
    if "snapshot" in record.about:
        check_same(dict(record.about), plan.about, record.run)
        return plan, record
    record = replace(record, about={**record.about, **plan.about})
    retry_while_unavailable(job, partial(runs.save, record))
    return plan, record


def _clean(job: JobConfig, runs: RunLedger, record: Run, progress: Progress) -> None:
    """Delete what a cancelled run wrote; its record stays."""
    runs.forget(record.run, progress)
    for sink in file_sinks(job.sinks, record.run):
        sink.remove()
    discard_plan(Path(job.work) / record.run)
    runs.save(record)


def _vectors(
    job: JobConfig, store: GraphStore, record: Run, plan: Plan, timer: Timer, progress: Progress
) -> list[Statement]:
    """Write the items' vectors, unless they are there; the statement that lets readers see them."""
    digest = plan.about["model"]
    if not job.sinks.vectors or retry_while_unavailable(job, partial(written_model, store)) == digest:
        return []
    with timer("vectors"):
        model = persist.load(job.model)
        vectors = embeddings(model)
        if vectors is None:
            raise ConfigError("sinks.vectors: the model has neither text nor relational embeddings; set it to false")
        keys = model.items.keys.to_pylist()
        retry_while_unavailable(job, partial(write_vectors, store, record.run, keys, vectors, progress))
    return [show_vectors(record.run, digest)]


def _publish(scorer: Scorer, runs: RunLedger, record: Run, timer: Timer, more: list[Statement]) -> Run:
    """Give the files their name and move the pointer."""
    job = scorer.job
    previous = retry_while_unavailable(job, partial(runs.latest, job.name))
    base = tuple(record.about["base"])
    if base and previous != base:
        raise JobError(
            f"run {previous[0]} was published while {record.run} went on, which adds to {base[0]}; cancel it"
        )
    with timer("publish"):
        for sink in file_sinks(job.sinks, record.run):
            sink.publish()
        chunks = retry_while_unavailable(job, partial(runs.chunks, record.run))
        emptied = _emptied(scorer, record, chunks)
    record = replace(record, state="done", finished=now(), error="")
    before = retry_while_unavailable(job, partial(runs.find, previous[0])) if previous else None
    record = replace(record, report=report_of(job, record, chunks, before, timer.seconds))
    retry_while_unavailable(job, lambda: runs.publish(record, (record.run, *base), emptied, more))
    return record


def _tidy(job: JobConfig, runs: RunLedger, record: Run) -> None:
    """Delete old runs, and what this one needed until it was done."""
    retry_while_unavailable(job, partial(prune, job, runs))
    discard_plan(Path(job.work) / record.run)


def _emptied(scorer: Scorer, record: Run, chunks: dict[int, ChunkRecord]) -> list[str]:
    """Users of a run of some users whose list is empty or gone: their older lists must not be shown."""
    if not record.about["base"] or not scorer.job.sinks.graph:
        return []
    suspects = [n for n, c in chunks.items() if c.short]
    return [*scorer.plan.about["gone"], *(user for number in suspects for user in scorer(number).empty)]


def prune(job: JobConfig, runs: RunLedger, progress: Progress = no_progress) -> tuple[str, ...]:
    """Delete the job's runs that began before the oldest one kept: done, failed, stopped or cancelled.

    ``keep`` complete runs of all users, what readers see, and runs that are going on stay.

    Returns:
        The names of the runs deleted.
    """
    visible = set(runs.latest(job.name))
    known = [r for r in runs.all(job.name) if NAME.fullmatch(r.run)]
    whole = [r for r in known if r.state == "done" and not r.about.get("base")]
    if len(whole) < job.keep:
        return ()
    oldest = whole[-job.keep].started
    gone = [r.run for r in known if r.state != "running" and r.started < oldest and r.run not in visible]
    for run in gone:
        runs.forget(run, progress)
        for sink in file_sinks(job.sinks, run):
            sink.remove()
        discard_plan(Path(job.work) / run)
        _log.info("run deleted", extra={"run": run})
    return tuple(gone)
