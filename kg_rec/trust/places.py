"""Where one user's data is kept, and how each place lets go of it: whole, or not at all.

A place says how much it has of a user, and erases it.  Each erasure is one transaction or one replacement of a file, so
a process that is killed within one leaves the place as it was or as it shall be; erasing again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from kg_rec.atomic import new_file
from kg_rec.errors import ConfigError
from kg_rec.feedback.learn import LearnedFile
from kg_rec.model import persist
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot
from kg_rec.store import mapping
from kg_rec.store.base import GraphStore, Statement
from kg_rec.store.ledger import RunLedger
from kg_rec.store.ledger_cypher import OWN_RELATIONS
from kg_rec.tables import JSON_LINES, PARQUET, format_of, suffixes, write_table
from kg_rec.trust.forget import forget

#: The column of files of lists, explanations and logs that says whose a row is.
USER = "user"


@dataclass(frozen=True, slots=True)
class Erased:
    """What a place let go of.

    Attributes:
        place: URL, folder or file.
        had: how much there was, by kind; empty where there was nothing.
        before: digests of what was there.
        after: digests of what is there now.
        notes: what stays, and why.
    """

    place: str
    had: Mapping[str, int]
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Place(Protocol):
    """Somewhere that a user's data is kept."""

    def find(self, user: str) -> dict[str, int]:
        """How much there is of a user, by kind; empty where there is nothing."""
        ...

    def erase(self, user: str, progress: Progress = no_progress) -> Erased:
        """Let go of it."""
        ...


@dataclass(frozen=True)
class GraphPlace:
    """A graph: the user, all relationships at it, and the records of batch runs.

    In a graph that others made, which the schema maps (``kr:from``), only what kg_rec wrote goes.

    Attributes:
        store: open for writing where something is erased.
    """

    store: GraphStore

    def find(self, user: str) -> dict[str, int]:
        """See :class:`Place`."""
        return self._found(user, RunLedger(self.store).without_user(user))

    def _found(self, user: str, records: Sequence[Statement]) -> dict[str, int]:
        kind = self.store.schema().user
        start = f"MATCH {mapping.keyed(kind, 'u', '$user')}"
        counts = {}
        if kind.pattern is None and self.store.query(f"{start} RETURN 1 AS n", {"user": user}).num_rows:
            counts[kind.name] = 1
        rows = self.store.query(
            f"{start} MATCH (u)-[r]-() RETURN type(r) AS type, count(r) AS n ORDER BY type", {"user": user}
        ).to_pylist()
        counts |= {row["type"]: row["n"] for row in rows if kind.pattern is None or row["type"] in OWN_RELATIONS}
        return counts | ({"records of runs": len(records)} if records else {})

    def erase(self, user: str, progress: Progress = no_progress) -> Erased:
        """See :class:`Place`; in one transaction."""
        records = RunLedger(self.store).without_user(user)
        kind, had = self.store.schema().user, self._found(user, records)
        start = f"MATCH {mapping.keyed(kind, 'u', '$user')}"
        if kind.pattern is None:
            gone = [(f"{start} DETACH DELETE u", {"user": user})]
        else:
            gone = [(f"{start} MATCH (u)-[r:{name}]-() DELETE r", {"user": user}) for name in OWN_RELATIONS]
        if had:
            self.store.transact([*gone, *records])
        notes = () if kind.pattern is None else (f"{kind.name} is of a graph of others: its owners delete the node",)
        return Erased(self.store.url, had, notes=notes)


@dataclass(frozen=True)
class ModelPlace:
    """A model's folder: its snapshot, what was fitted, and what feedback taught.

    Attributes:
        folder: that ``kg-rec train`` wrote.
    """

    folder: Path

    def find(self, user: str) -> dict[str, int]:
        """See :class:`Place`."""
        return _in_snapshot(persist.load(self.folder).snapshot, user)

    def erase(self, user: str, progress: Progress = no_progress) -> Erased:
        """See :class:`Place`; what feedback taught goes as a whole, as it is a sum over all who gave feedback."""
        model, before, notes = persist.load(self.folder), persist.digest(self.folder), []
        had = _in_snapshot(model.snapshot, user)
        learned = LearnedFile.beside(self.folder).path
        if learned.exists():
            learned.unlink()
            notes.append("what feedback taught is deleted: kg-rec feedback learn learns it again from the others")
        rest = forget(model, user, progress) if had else model
        if had:
            persist.save(rest, self.folder)
            notes.append("hyperparameters, weights of channels and gates of facts stay as they were chosen")
        elif model.chosen.privacy is not None:
            notes.append("trained with differential privacy: it holds no user, and its sums stay as they are")
        return Erased(
            str(self.folder),
            had,
            {"model": before, "snapshot": model.snapshot.digest},
            {"model": persist.digest(self.folder), "snapshot": rest.snapshot.digest},
            tuple(notes),
        )


def _in_snapshot(snapshot: Snapshot, user: str) -> dict[str, int]:
    if user not in snapshot.users:
        return {}
    index = snapshot.users.index(user)
    return {snapshot.schema.user.name: 1, "interactions": int((snapshot.interactions.source == index).sum())}


@dataclass(frozen=True)
class FilePlace:
    """A file with one row per list entry, explanation or event, whose column ``user`` says whose it is.

    Attributes:
        path: Parquet or JSON Lines.
    """

    path: Path

    def find(self, user: str) -> dict[str, int]:
        """See :class:`Place`.

        Raises:
            ConfigError: the file is of another format, or has no column ``user``.
        """
        rows = sum(1 for whose in self._users() if whose == user)
        return {"rows": rows} if rows else {}

    def erase(self, user: str, progress: Progress = no_progress) -> Erased:
        """See :class:`Place`; the other rows stay as they are, in their order."""
        had, before = self.find(user), persist.file_digest(self.path)
        if had and format_of(self.path).suffix == PARQUET.suffix:
            import pyarrow.compute as pc
            import pyarrow.parquet as pq

            table = pq.read_table(self.path)
            table = table.filter(pc.fill_null(pc.not_equal(table[USER].cast(pa.string()), user), True))
            write_table(table.to_batches(), self.path, table.schema)
        elif had:
            with new_file(self.path) as partial, partial.open("wb") as out, self.path.open("rb") as lines:
                out.writelines(line for line in lines if not line.strip() or _whose(line, self.path) != user)
        return Erased(str(self.path), had, {"file": before}, {"file": persist.file_digest(self.path)})

    def _users(self) -> Iterator[str | None]:
        suffix = format_of(self.path).suffix
        if suffix == JSON_LINES.suffix:
            with self.path.open("rb") as lines:
                yield from (_whose(line, self.path) for line in lines if line.strip())
            return
        if suffix != PARQUET.suffix:
            raise ConfigError(f"{self.path}: expected Parquet or JSON Lines; delete the user's rows by other means")
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self.path)
        if USER not in file.schema_arrow.names:
            raise ConfigError(f"{self.path}: expected a column {USER!r}, got {', '.join(file.schema_arrow.names)}")
        for batch in file.iter_batches(columns=[USER]):
            yield from batch.column(0).cast(pa.string()).to_pylist()


def files_of(path: Path) -> tuple[FilePlace, ...]:
    """A file, or all files of lists in a folder and below it, such as the parts of a job's runs.

    Raises:
        ConfigError: there is none.
    """
    if not path.is_dir():
        format_of(path)
        if not path.exists():
            raise ConfigError(f"{path}: no such file")
        return (FilePlace(path),)
    endings = (PARQUET.suffix, JSON_LINES.suffix)
    files = tuple(FilePlace(p) for p in sorted(path.rglob("*")) if p.is_file() and p.suffix in endings)
    if not files:
        raise ConfigError(f"{path}: expected files ending in {suffixes()}, found none")
    return files


def _whose(line: bytes, path: Path) -> str | None:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{path}: expected one JSON object a line ({error}); nothing was changed") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{path}: expected one JSON object a line, got {type(row).__name__}; nothing was changed")
    user = row.get(USER)
    return None if user is None else str(user)
