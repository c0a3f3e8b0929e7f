"""The ledger of batch runs, and the lists that they write back, in the graph itself.

A run is a node ``KgRecRun``; its chunks are nodes ``KgRecChunk``.  A chunk's record says that it is done when its lists
are in the graph, whole and once: writing it again changes nothing.  Readers follow the node ``KgRecLatest`` of the job,
which changes in one transaction when a run is complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.errors import SchemaError, StoreError
from kg_rec.progress import Progress, no_progress
from kg_rec.schema import GraphSchema
from kg_rec.store import ledger_cypher as cypher
from kg_rec.store.base import GraphStore, Statement
from kg_rec.store.ledger_cypher import RECOMMENDED, read_list

__all__ = ["RECOMMENDED", "ChunkRecord", "Run", "RunLedger", "check_lists", "now", "read_list"]

#: Most edges of one transaction: what a server with a heap of 512 MB takes.
MAX_ROWS = 100_000
_ALL = 10_000_000


def now() -> str:
    """The time, UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job.

    Attributes:
        run: its name, unique in the graph.
        job: the job's name.
        state: ``running``, ``failed``, ``stopped``, ``cancelled`` or ``done``.
        started: time, ISO 8601.
        finished: time, or "".
        about: the settings and what they led to: digests, users, chunks, watermark.
        report: figures of a run that is done.
        error: why it failed, or "".
    """

    run: str
    job: str
    state: str
    started: str
    finished: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """One chunk of a run.

    Attributes:
        number: from 0.
        state: ``done`` or ``failed``.
        users: users in it.
        rows: recommendations.
        short: users with fewer than k.
        first: smallest user key.
        last: largest user key.
        seconds: time to compute it.
        at: when it was recorded.
        quantiles: of the scores, from the smallest to the largest in equal steps.
        error: why it failed, or "".
        keys: of its users; like the next, written and then read by :meth:`RunLedger.digests` alone.
        digests: of what each of these users did, int64.
    """

    number: int
    state: str
    users: int
    rows: int = 0
    short: int = 0
    first: str = ""
    last: str = ""
    seconds: float = 0.0
    at: str = ""
    quantiles: tuple[float, ...] = ()
    error: str = ""
    keys: tuple[str, ...] = field(default=(), repr=False, compare=False)
    digests: tuple[int, ...] = field(default=(), repr=False, compare=False)


def check_lists(schema: GraphSchema, properties: Sequence[str]) -> None:
    """Raise SchemaError unless the schema has ``RECOMMENDED`` from user to item with these properties."""
    relation = schema.relation_types.get(RECOMMENDED)
    ends = None if relation is None else (relation.source, relation.target)
    known = set() if relation is None else {p.name for p in relation.properties}
    if ends != (schema.user.name, schema.item.name) or not set(properties) <= known:
        raise SchemaError(
            f"schema {schema.name}: to write back, add a kr:RelationType {RECOMMENDED} from {schema.user.name} to "
            f"{schema.item.name} with the properties run (xsd:string), rank (xsd:integer), score (xsd:double), and for "
            "explanations reason (xsd:string) and paths (kr:stringList), as the bundled schemas have it"
        )


class RunLedger:
    """The ledger of a store.

    Args:
        store: an open store with a schema; reading needs no more than ``read_only``.
    """

    def __init__(self, store: GraphStore) -> None:
        self._store = store

    def prepare(self) -> None:
        """Create the constraints of the ledger; again, this changes nothing."""
        for statement in cypher.PREPARE:
            self._store.transact([(statement, {})])

    # --- runs --------------------------------------------------------------------------------------

    def save(self, run: Run) -> None:
        """Write or replace a run's record."""
        self._store.transact([_saved(run)])

    def find(self, run: str) -> Run | None:
        """The record of a run."""
        found = self._rows(cypher.READ_RUN, {"run": run})
        return _run(found[0]) if found else None

    def all(self, job: str | None = None) -> tuple[Run, ...]:
        """The records of all runs, or of a job's, by their start."""
        return tuple(r for r in map(_run, self._rows(cypher.READ_RUNS, {})) if job in (None, r.job))

    def latest(self, job: str) -> tuple[str, ...]:
        """The runs that a job's readers see: the newest first, the last one of all users; empty if none is done."""
        found = self._rows(cypher.READ_LATEST, {"job": job})
        return tuple(found[0]["runs"] or ()) if found else ()

    def publish(
        self, run: Run, runs: Sequence[str], emptied: Sequence[str] = (), more: Sequence[Statement] = ()
    ) -> None:
        """Let the job's readers see ``runs``, and record the run as done, in one transaction.

        Args:
            run: its record, with the state ``done``.
            runs: the newest first.
            emptied: users whose list became empty: what older runs recommended to them goes.
            more: statements for the same transaction.
        """
        statements: list[Statement] = []
        if emptied and len(runs) > 1:
            values = {"users": list(emptied), "runs": list(runs[1:])}
            statements.append((cypher.delete_users_lists(self._store.schema()), values))
        statements.append((cypher.SAVE_LATEST, {"job": run.job, "runs": list(runs), "at": run.finished}))
        self._store.transact([*statements, *more, _saved(run)])

    def forget(self, run: str, progress: Progress = no_progress) -> None:
        """Delete a run: its lists chunk by chunk, then its record.  Cut off, it can be repeated."""
        chunks = self._rows(cypher.READ_CHUNKS, {"run": run})
        statement = cypher.delete_lists(self._store.schema())
        for done, chunk in enumerate(chunks):
            progress(done, len(chunks), f"delete run {run}")
            values = {"run": run, "first": chunk["first"] or "", "last": chunk["last"] or ""}
            self._store.transact([(statement, values), (cypher.DELETE_CHUNK, {"id": chunk["id"]})])
        self._store.transact([(cypher.DELETE_RUN, {"run": run})])

    def without_user(self, user: str) -> list[Statement]:
        """Statements that take a user's key out of all records; none where it is in none.

        Settings and errors are texts of people and of programs: they stay as they are.
        """
        statements: list[Statement] = []
        for row in self._rows(cypher.CHUNKS_OF_USER, {"user": user}):
            others = [(k, d) for k, d in zip(row["keys"] or (), row["digests"] or (), strict=True) if k != user]
            keys = [key for key, _ in others]
            ends = {"first": min(keys, default=""), "last": max(keys, default="")}
            statements.append(
                (cypher.SAVE_KEYS, {"id": row["id"], "keys": keys, "digests": [d for _, d in others], **ends})
            )
        for run in self.all():
            if user in run.about.get("gone", ()):
                left = [key for key in run.about["gone"] if key != user]
                statements.append(_saved(replace(run, about={**run.about, "gone": left})))
        return statements

    # --- chunks ------------------------------------------------------------------------------------

    def chunks(self, run: str) -> dict[int, ChunkRecord]:
        """The records of a run's chunks, by number."""
        found = self._rows(cypher.READ_CHUNKS, {"run": run})
        return {row["number"]: _chunk(row) for row in found if row["number"] is not None}

    def digests(self, run: str) -> Iterator[tuple[list[str], NDArray[np.int64]]]:
        """Keys and digests of the users of each chunk that is done, one chunk at a time."""
        for number, chunk in sorted(self.chunks(run).items()):
            if chunk.state == "done":
                for row in self._rows(cypher.READ_DIGESTS, {"id": _id(run, number)}):
                    yield list(row["keys"] or ()), np.array(row["digests"] or (), dtype=np.int64)

    def commit(self, run: str, chunk: ChunkRecord, lists: pa.RecordBatch | None = None) -> None:
        """Record a chunk and, if given, write its lists, in one transaction; a chunk that is done stays as it is.

        Args:
            run: the run's name.
            chunk: its record.
            lists: columns ``user``, ``item``, ``rank`` and others of the relation type RECOMMENDED, the rows of a user
                together and by rank.

        Raises:
            StoreError: more than :data:`MAX_ROWS` rows, or the store failed.
        """
        lists_of = {name: list(getattr(chunk, name)) for name in ("quantiles", "keys", "digests")}
        values = {**asdict(chunk), **lists_of, "id": _id(run, chunk.number), "run": run}
        if lists is not None and len(lists) > MAX_ROWS:
            raise StoreError(
                f"a chunk of {len(lists)} rows; at most {MAX_ROWS} fit one transaction: use smaller chunks"
            )
        known = {"id": values["id"], "run": run}
        statements: list[Statement] = [(cypher.LOCK_CHUNK, known)]
        if lists is not None and len(lists):
            properties = _properties(lists)
            items, nested = _nested(lists, properties)
            statement = cypher.create_lists(self._store.schema(), properties)
            statements.append((statement, {**known, "items": items, "lists": nested}))
        self._store.transact([*statements, (cypher.SAVE_CHUNK, values)])

    def _rows(self, statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(self._store.query(statement, values, limit=_ALL, timeout=600).to_pylist())


def _saved(run: Run) -> tuple[str, dict[str, Any]]:
    values = asdict(run)
    for name in ("about", "report"):
        values[name] = json.dumps(values[name])
    return cypher.SAVE_RUN, values


def _run(row: Mapping[str, Any]) -> Run:
    texts: dict[str, Any] = {name: row[name] or "" for name in cypher.RUN_PROPERTIES}
    return Run(**{**texts, "about": json.loads(row["about"] or "{}"), "report": json.loads(row["report"] or "{}")})


def _chunk(row: Mapping[str, Any]) -> ChunkRecord:
    values = {name: row[name] for name in cypher.CHUNK_PROPERTIES[2:]}
    return replace(ChunkRecord(**values), quantiles=tuple(row["quantiles"] or ()), error=row["error"] or "")


def _id(run: str, number: int) -> str:
    return f"{run}/{number}"


def _properties(lists: pa.RecordBatch) -> list[str]:
    return [name for name in lists.schema.names if name in ("score", "reason", "paths")]


def _nested(lists: pa.RecordBatch, properties: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """The item keys, each once, and per user ``[key, places in them, column, column ...]``."""
    users, items = lists.column("user").to_pylist(), lists.column("item").dictionary_encode()
    starts = np.flatnonzero(lists.column("rank").to_numpy() == 1).tolist()
    ends = [*starts[1:], len(users)]
    columns = [items.indices.to_pylist(), *(lists.column(name).to_pylist() for name in properties)]
    nested = [[users[a], *(column[a:b] for column in columns)] for a, b in zip(starts, ends, strict=True)]
    return items.dictionary.to_pylist(), nested
