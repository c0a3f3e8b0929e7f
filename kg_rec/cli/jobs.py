"""``kg-rec job``: batch runs that can be killed and resumed."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kg_rec.cli.console import Command, json_log, note, print_json, print_table, progress_bar
from kg_rec.cli.options import assign, graph_option, json_option, key_values, opened, toml_value
from kg_rec.errors import StoppedError
from kg_rec.tables import table_formats

if TYPE_CHECKING:
    from kg_rec.jobs.config import JobConfig
    from kg_rec.jobs.writing import Watch
    from kg_rec.store.ledger import Run

F = TypeVar("F", bound=Callable[..., Any])

#: Exit status where the same command may succeed later: EX_TEMPFAIL of sysexits.h.
LATER = 75
#: Exit status of a run that was asked to stop by SIGTERM, after its chunk.
STOPPED = 143


@click.group(short_help="Batch runs: lists for all users, killed and resumed at will.")
def job() -> None:
    """Lists for all users, in chunks with a ledger in the graph.

    A run that was killed, at any moment, goes on with `kg-rec job resume` and ends as if nothing had happened. Readers
    see a run when it is complete, all at once.

    \b
      kg-rec job run nightly.toml
      kg-rec job list
      kg-rec job resume 2026-11-22T01-00-00.000Z

    Exit status: 0 done; 1 an error that will come again; 2 wrong usage; 75 try `job resume` later (no server, no
    space); 143 stopped by SIGTERM after a chunk, to be resumed.
    """


def _run_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    from kg_rec.jobs.config import NAME

    if value is not None and not NAME.fullmatch(value):
        raise click.BadParameter("expected up to 64 letters, digits and . _ : + -, the first a letter or digit")
    return value


_FLAGS = {
    "graph": "graph",
    "model": "model",
    "name": "name",
    "k": "k",
    "users_query": "users.cypher",
    "users_file": "users.file",
    **{name: f"sinks.{name}" for name in table_formats()},
    "write_back": "sinks.graph",
    "explanations": "explanations",
    "chunk": "chunk",
    "engine": "engine",
    "workers": "workers",
    "changed_since": "changed_since",
}


def _file_options(command: F) -> F:
    """One option for each table format: the folder for its files."""
    for name, table_format in reversed(table_formats().items()):
        text = f"Write DIR/run=NAME/part-*{table_format.suffix}."
        command = click.option(f"--{name.replace('_', '-')}", name, type=click.Path(), metavar="DIR", help=text)(
            command
        )
    return command


@job.command(cls=Command, short_help="Begin a run and carry it to its end.")
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[JOB.TOML]")
@click.option(
    "--graph",
    metavar="URL",
    help="Folder of an embedded graph, or neo4j://HOST:PORT[?database=NAME].  "
    "[env var, where the file names none: KG_REC_GRAPH]",
)
@click.option("--model", type=click.Path(), metavar="DIR", help="A folder that `kg-rec train` wrote.")
@click.option("--name", metavar="JOB", help="Of the job; its readers follow one pointer.  [default: the file's name]")
@click.option("--run", callback=_run_name, metavar="NAME", help="Name of the run; default: the time.")
@click.option("--or-resume", is_flag=True, help="If the run is there already, carry it to its end; needs --run.")
@click.option("-k", type=int, help="Length of the lists.  [default: 10]")
@click.option("--users-query", metavar="CYPHER", help="Read-only; its first column holds the keys.")
@click.option("--users-file", type=click.Path(), metavar="FILE", help="One key a line.")
@_file_options
@click.option("--write-back", is_flag=True, default=None, help="Write RECOMMENDED relationships into the graph.")
@click.option("--explanations", type=click.Choice(["off", "ids", "sentences"]), help="[default: off]")
@click.option("--chunk", type=int, metavar="USERS", help="Users per chunk.  [default: 5000, with explanations 1000]")
@click.option("--engine", type=click.Choice(["local", "ray"]), help="[default: local]")
@click.option("--workers", type=int, help="Chunks computed at a time.  [default: 2]")
@click.option(
    "--changed-since",
    metavar="last|SECONDS",
    help="last: only users whose interactions changed since their list was made. SECONDS: only users with "
    "interactions from that Unix time on.",
)
@click.option(
    "--set",
    "sets",
    metavar="KEY=VALUE",
    callback=key_values,
    multiple=True,
    help="Any setting, over the file's: --set candidates.diversity=0.3. Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and the Cypher; write nothing.")
@click.option("--json-logs", is_flag=True, help="Log as JSON, one object a line, on stderr.")
@json_option
def run(
    file: Path | None,
    run: str | None,
    or_resume: bool,
    sets: list[tuple[str, str]],
    dry_run: bool,
    json_logs: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Begin a run of the job that a file describes, or flags, or both: flags win.

    \b
      kg-rec job run nightly.toml
      kg-rec job run nightly.toml --changed-since last
      kg-rec job run --graph kg.graph --model model --write-back --name nightly
      kg-rec job run nightly.toml --run 2026-11-22 --or-resume
      kg-rec job run nightly.toml --dry-run
    """
    if or_resume and run is None:
        raise click.UsageError("--or-resume needs --run NAME: the run to begin or to go on with")
    config = _config(file, {_FLAGS[name]: value for name, value in flags.items() if value is not None}, sets)
    if dry_run:
        _dry_run(config, as_json)
        return
    from kg_rec.jobs.run import start, start_or_resume

    with _watched(json_logs) as watch, opened(config.graph, read_only=False) as store:
        if run is not None and or_resume:
            record = start_or_resume(config, store, run, watch)
        else:
            record = start(config, store, run, watch)
        read = _reading(config, store.schema()) if config.sinks.graph else None
    _print_run(record, read, as_json)


@job.command(cls=Command, short_help="Carry a run that was cut off to its end.")
@click.argument("run")
@graph_option
@click.option("--json-logs", is_flag=True, help="Log as JSON, one object a line, on stderr.")
@json_option
def resume(run: str, graph: str, json_logs: bool, as_json: bool) -> None:
    """Carry a RUN that was killed, failed or was stopped to its end.

    Its settings are those it began with; what was written stays and is not computed again.

    \b
      kg-rec job resume 2026-11-22T01-00-00.000Z --graph kg.graph
    """
    from kg_rec.jobs.run import resume as resume_run

    with _watched(json_logs) as watch, opened(graph, read_only=False) as store:
        record = resume_run(store, run, watch)
    _print_run(record, None, as_json)


@job.command(cls=Command, short_help="How far is a run?")
@click.argument("run")
@graph_option
@json_option
def status(run: str, graph: str, as_json: bool) -> None:
    """State, progress and figures of a RUN.

    \b
      kg-rec job status 2026-11-22T01-00-00.000Z --graph neo4j://localhost:7687
    """
    from kg_rec.errors import JobError
    from kg_rec.jobs.report import summary
    from kg_rec.store.ledger import RunLedger

    with opened(graph) as store:
        runs = RunLedger(store)
        record = runs.find(run)
        if record is None:
            raise JobError(f"{graph} has no run {run}; `kg-rec job list` shows those it has")
        chunks = runs.chunks(run).values()
    done = [c for c in chunks if c.state == "done"]
    failed = [c for c in chunks if c.state == "failed"]
    if as_json:
        print_json({**asdict(record), "chunks_done": len(done), "failed": [asdict(c) for c in failed]})
        return
    click.echo(f"{record.state}; begun {record.started}" + (f", ended {record.finished}" if record.finished else ""))
    total = record.about.get("chunks")
    if record.state != "done":
        users, rows = sum(c.users for c in done), sum(c.rows for c in done)
        click.echo(
            f"{len(done)} of {'?' if total is None else total} chunks: {users:,} users, {rows:,} recommendations"
        )
    for line in summary(record) if record.report else ():
        click.echo(line)
    if record.error:
        click.echo(record.error)
    for chunk in failed:
        click.echo(f"chunk {chunk.number}: {chunk.error}")


@job.command("list", cls=Command, short_help="The runs in a graph.")
@graph_option
@click.option("--name", metavar="JOB", help="Only runs of this job.")
@json_option
def list_runs(graph: str, name: str | None, as_json: bool) -> None:
    """The runs that a graph knows, oldest first.

    \b
      kg-rec job list --graph kg.graph
    """
    from kg_rec.store.ledger import RunLedger

    with opened(graph) as store:
        runs = RunLedger(store)
        records = runs.all(name)
        visible = {r for job_name in {record.job for record in records} for r in runs.latest(job_name)}
    if as_json:
        print_json([{**asdict(r), "visible": r.run in visible} for r in records])
        return
    rows = [
        (r.run, r.job, r.state, r.report.get("users"), r.report.get("rows"), "yes" if r.run in visible else None)
        for r in records
    ]
    print_table(["run", "job", "state", "users", "rows", "read now"], rows)


@job.command(cls=Command, short_help="End a run for good, and delete what it wrote.")
@click.argument("run")
@graph_option
@json_option
def cancel(run: str, graph: str, as_json: bool) -> None:
    """End a RUN that is not done for good, and delete what it wrote.

    A process that still works on it, on a Neo4j graph, ends at its next chunk.

    \b
      kg-rec job cancel 2026-11-22T01-00-00.000Z --graph kg.graph
    """
    from kg_rec.jobs.run import cancel as cancel_run

    with progress_bar() as progress, opened(graph, read_only=False) as store:
        record = cancel_run(store, run, progress)
    if as_json:
        print_json(asdict(record))
    else:
        click.echo(f"run {run} of {record.job} is cancelled")


def _config(file: Path | None, flags: Mapping[str, Any], sets: list[tuple[str, str]]) -> JobConfig:
    """The job of a file, changed by flags.

    Raises:
        ConfigError: a setting is unknown, missing or wrong; from a file, with its line.
    """
    from kg_rec.jobs.config import JobConfig, located, read_job
    from kg_rec.settings import from_dict

    graph = flags.get("graph") or os.environ.get("KG_REC_GRAPH")
    if graph and "://" not in graph:
        graph = str(Path.cwd() / graph)
    values: dict[str, Any] = ({"graph": graph} if graph else {}) if file is None else read_job(file, graph).to_dict()
    for setting, value in flags.items():
        assign(values, setting, value)
    for setting, text in sets:
        assign(values, setting, toml_value(text))
    return located(from_dict(JobConfig, values), Path.cwd())


def _dry_run(config: JobConfig, as_json: bool) -> None:
    from kg_rec.jobs.preview import preview

    with progress_bar() as progress, opened(config.graph) as store:
        plan = preview(config, store, progress)
    if as_json:
        print_json(plan)
        return
    for line in plan["lines"]:
        click.echo(line)
    for title, statement in plan["cypher"]:
        click.echo(f"\n// {title}\n{statement}")


@contextmanager
def _watched(json_logs: bool) -> Iterator[Watch]:
    """Progress, logs and signals of a run, and its exit status."""
    from kg_rec.errors import StoreUnavailableError
    from kg_rec.jobs.writing import Watch

    if json_logs:
        json_log()
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with progress_bar() as progress:
            yield Watch(progress, stop)
    except StoppedError as error:
        note(str(error))
        click.get_current_context().exit(STOPPED)
    except (StoreUnavailableError, OSError) as error:
        note(f"error: {error}; `kg-rec job list` shows a run that had begun, and it can be resumed")
        click.get_current_context().exit(LATER)
    finally:
        signal.signal(signal.SIGTERM, before)


def _reading(config: JobConfig, schema: Any) -> str:
    from kg_rec.store.ledger import read_list

    return read_list(schema, config.name)


def _print_run(record: Run, read: str | None, as_json: bool) -> None:
    from kg_rec.jobs.report import summary

    if as_json:
        print_json({**asdict(record), "cypher": read})
        return
    for line in summary(record):
        click.echo(line)
    if read is not None:
        command = ["kg-rec", "query", read, "--graph", record.about["config"]["graph"], "--param"]
        click.echo(f"a user's list as it is now:\n  {shlex.join(command)} user='\"KEY\"'")
