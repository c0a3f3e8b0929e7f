"""What a job is: a TOML file, or the same settings as flags.

::

    name = "nightly"
    graph = "neo4j://localhost:7687"
    model = "model"
    k = 10
    [candidates]
    only = ["MATCH (f:Film) WHERE f.year >= 1990 RETURN f.item_id"]
    [sinks]
    parquet = "lists"
    graph = true

Paths in a file are relative to the file's folder.  The whole file is checked before anything is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kg_rec.atomic import part
from kg_rec.errors import ConfigError, JobError
from kg_rec.jobs.rules import CandidatesConfig, check_cypher
from kg_rec.settings import expect, from_toml
from kg_rec.store.ledger import MAX_ROWS
from kg_rec.tables import table_formats

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}")
EXPLANATIONS = ("off", "ids", "sentences")
ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class UsersConfig:
    """Whose lists: all users, unless one of the two is set.

    Attributes:
        cypher: read-only; its first column holds the keys.
        file: a text file with one key a line.
    """

    cypher: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        expect(not (self.cypher and self.file), "users.file", "one of users.cypher and users.file", "both")
        check_cypher("users.cypher", self.cypher)


@dataclass(frozen=True, slots=True)
class SinksConfig:
    """Where the lists go: files, the graph, or both.

    Attributes:
        files: a folder for each table format, by the format's name (``parquet = "lists"``, ``json_lines = "lines"``);
            a run is the folder ``run=NAME`` in it, which appears when the run is complete.
        graph: write ``(user)-[:RECOMMENDED]->(item)`` into the graph.
        vectors: write the items' vectors (as for ``candidates.diversity``) into a vector index; on Neo4j.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    graph: bool = False
    vectors: bool = False

    @classmethod
    def setting_types(cls) -> dict[str, type]:
        """The type of each setting by its name in files: every table format is one."""
        return {**dict.fromkeys(table_formats(), str), "graph": bool, "vectors": bool}

    @classmethod
    def from_settings(cls, graph: bool = False, vectors: bool = False, **files: str) -> SinksConfig:
        """From the settings of :meth:`setting_types`."""
        return cls({name: folder for name, folder in files.items() if folder}, graph, vectors)


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Figures for Prometheus, in its text format.

    Attributes:
        file: written anew after every chunk, for node_exporter's textfile collector.
        port: served on 127.0.0.1 while the job runs; 0 for none.
    """

    file: str = ""
    port: int = 0

    def __post_init__(self) -> None:
        expect(0 <= self.port < 65536, "metrics.port", "a port, or 0 for none", self.port)


@dataclass(frozen=True, slots=True)
class JobConfig:
    """Everything that decides a run, besides the graph and the model.

    Attributes:
        graph: URL of the graph: interactions as they are now, the ledger, and what is written back.
        model: the folder of a trained model.
        name: of the job; its runs have one pointer in the graph.
        work: folder for what a run needs until it is done; resuming needs it.
        k: length of the lists.
        explanations: ``off``, ``ids`` (the paths as keys) or ``sentences``.
        language: of the sentences.
        chunk: users per chunk, which bounds memory and what a kill can cost; 0 for 5,000, with explanations 1,000, and
            fewer where lists are long (:attr:`users_per_chunk`).
        engine: ``local`` (threads of this process) or ``ray``.
        workers: chunks computed at a time.
        writers: chunks written into a Neo4j graph at a time; an embedded graph has one writer.
        keep: complete runs kept in the graph and in the folders; at least 1.
        retry_seconds: how long to try again while the server does not answer, before the run fails.
        changed_since: re-score only some users: ``last``, those whose interactions are not those of the list that
            readers see; Unix seconds, those with interactions from then on; "" for all.
        users: whose lists.
        candidates: what may be in a list.
        sinks: where the lists go.
        metrics: for Prometheus.
    """

    graph: str
    model: str
    name: str = "lists"
    work: str = "jobs"
    k: int = 10
    explanations: str = "off"
    language: str = "en"
    chunk: int = 0
    engine: str = "local"
    workers: int = 2
    writers: int = 2
    keep: int = 3
    retry_seconds: float = 120.0
    changed_since: str = ""
    users: UsersConfig = field(default_factory=UsersConfig)
    candidates: CandidatesConfig = field(default_factory=CandidatesConfig)
    sinks: SinksConfig = field(default_factory=SinksConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)

    def __post_init__(self) -> None:
        expect(bool(NAME.fullmatch(self.name)), "name", "up to 64 letters, digits and . _ : + -", repr(self.name))
        expect(self.chunk >= 0, "chunk", "a number of users, or 0 for one that fits", self.chunk)
        for setting in ("k", "workers", "writers", "keep"):
            expect(getattr(self, setting) >= 1, setting, "at least 1", getattr(self, setting))
        expect(self.retry_seconds >= 0, "retry_seconds", "seconds from 0", self.retry_seconds)
        expect(
            self.explanations in EXPLANATIONS, "explanations", f"one of {', '.join(EXPLANATIONS)}", self.explanations
        )
        expect(self.engine in ENGINES, "engine", f"one of {', '.join(ENGINES)}", self.engine)
        expect(
            self.changed_since in ("", "last") or self.changed_since.isdecimal(),
            "changed_since",
            '"last" or Unix seconds as a text',
            repr(self.changed_since),
        )
        names = ", ".join(table_formats())
        wanted = f"at least one of {names} (--parquet DIR, ...) and graph (--write-back)"
        expect(bool(self.sinks.files or self.sinks.graph), "sinks", wanted, "none")
        if self.sinks.graph:
            rows = self.users_per_chunk * self.k
            expect(rows <= MAX_ROWS, "chunk", f"chunk x k of at most {MAX_ROWS} to write into the graph", rows)

    @property
    def users_per_chunk(self) -> int:
        """``chunk``, or what fits: every chunk costs a transaction, and its rows are held in memory."""
        most = 5_000 if self.explanations == "off" else 1_000
        return self.chunk or max(1, min(most, 10 * most // self.k))

    def chunks(self, users: int) -> int:
        """How many chunks so many users are."""
        return -(-users // self.users_per_chunk)

    def part(self, number: int) -> slice:
        """Where the users of a chunk are among those of the run."""
        return slice(number * self.users_per_chunk, (number + 1) * self.users_per_chunk)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, as kept in the ledger; empty lists are left out, as a file could not hold them."""
        values: dict[str, Any] = _without_empty(asdict(self))
        values["sinks"] |= values["sinks"].pop("files")
        return values


def checked_name(run: str) -> str:
    """The name of a run, which is a folder's name too: it cannot lead out of the folders of the job.

    Raises:
        JobError: it is no name of a run.
    """
    if not NAME.fullmatch(run):
        raise JobError(f"expected the name of a run (up to 64 letters, digits and . _ : + -), got {run!r}")
    return run


def read_job(path: str | Path, graph: str | None = None) -> JobConfig:
    """A job's file, checked whole; without a name it is called as the file.

    Args:
        path: a TOML file.
        graph: URL of the graph where the file names none; a relative path is one from the file's folder.

    Raises:
        ConfigError: the message names file and line.
    """
    job = from_toml(JobConfig, path, {} if graph is None else {"graph": graph})
    if job.name == JobConfig.__dataclass_fields__["name"].default:
        stem = re.sub(r"[^A-Za-z0-9._:+-]", "-", Path(path).stem).lstrip("._:+-")[:64]
        job = replace(job, name=stem or job.name)
    return located(job, Path(path).absolute().parent)


def located(job: JobConfig, folder: Path) -> JobConfig:
    """The job with its relative paths made absolute, from ``folder``."""

    def at(path: str) -> str:
        return path if not path or "://" in path else str(folder / path)

    c, s = job.candidates, job.sinks
    return replace(
        job,
        graph=at(job.graph),
        model=at(job.model),
        work=at(job.work),
        users=replace(job.users, file=at(job.users.file)),
        candidates=replace(c, allow_file=at(c.allow_file), block_file=at(c.block_file)),
        sinks=replace(s, files={name: at(folder) for name, folder in s.files.items()}),
        metrics=replace(job.metrics, file=at(job.metrics.file)),
    )


def check_files(job: JobConfig) -> None:
    """Raise ConfigError unless the files and folders that the job reads are there."""
    files = {
        "users.file": job.users.file,
        "candidates.allow_file": job.candidates.allow_file,
        "candidates.block_file": job.candidates.block_file,
    }
    for setting, name in files.items():
        if name and not Path(name).is_file():
            raise ConfigError(f"{setting}: expected a file with one key a line, there is no {name}")
    if not part(Path(job.model), "model.json").is_file():
        raise ConfigError(f"model: {job.model} holds no model; write one with `kg-rec train`")


def queries(job: JobConfig) -> Sequence[tuple[str, str]]:
    """The settings that hold Cypher, and their text."""
    statements = [("users.cypher", job.users.cypher)] if job.users.cypher else []
    statements += [("candidates.only", text) for text in job.candidates.only]
    statements += [("candidates.never", text) for text in job.candidates.never]
    return [*statements, *(("candidates.never_for", text) for text in job.candidates.never_for)]


def _without_empty(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _without_empty(value) for name, value in values.items() if value not in ((), [])}
    return [_without_empty(value) for value in values] if isinstance(values, list | tuple) else values
