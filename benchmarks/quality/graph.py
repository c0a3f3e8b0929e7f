"""From the files of a split, and of what is known of the items, to a graph: through the loaders and a store."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kg_rec.errors import LoadError
from kg_rec.loaders.base import load
from kg_rec.loaders.triples import Triples, derive_schema
from kg_rec.progress import Progress
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot, export
from kg_rec.split import Split, calendar_split, is_by_calendar, join
from kg_rec.split_files import read_rows, read_split
from kg_rec.store import GraphStore, connect

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Files:
    """What there is besides the interactions; each may be absent.

    Attributes:
        kg: RecBole's ``.kg``.
        link: RecBole's ``.link``; which entity is which item.
        items: RecBole's ``.item``.
        facts: tables of item, relation and name or other item; or of item and one more column, which names the
            relation.
        schema: a bundled schema or a ``.ttl`` file; None takes one that fits.
        users: RecBole's ``.user``.
    """

    kg: Path | None = None
    link: Path | None = None
    items: Path | None = None
    facts: tuple[Path, ...] = ()
    schema: str | None = None
    users: Path | None = None


@dataclass(frozen=True)
class Rejected:
    """Rows that were left out of the graph.

    Attributes:
        rows: how many.
        first: where the first one is and what is wrong with it; empty without any.
    """

    rows: int
    first: str = ""


def build(folder: Path, files: Files, progress: Progress) -> tuple[Snapshot, Rejected]:
    """The graph of a split's users and items and of ``files``.

    Ratings and times stay with the split, which :func:`split_of` reads: what a schema says of them takes no row away.
    Without a schema in ``files`` it is ``movies`` where the items are films and every relation is known there, else
    ``interactions``; it is extended by the relations that occur.

    Raises:
        LoadError: a file cannot be read, or a row of the split is malformed.
    """
    with tempfile.TemporaryDirectory() as place:
        inter = Path(place) / "data.inter"
        schema = _schema(files)
        _write_pairs(folder, inter, schema)
        options = {
            "kg": "none" if files.kg is None else str(files.kg),
            **({} if files.link is None else {"link": str(files.link)}),
            **({} if files.items is None else {"items": str(files.items)}),
            **({} if files.users is None else {"users": str(files.users)}),
        }
        with closing(connect(str(Path(place) / "graph"))) as store:
            rejected = [_load(store, "recbole", inter, Path(place), progress, schema=schema, **options)]
            for table in files.facts:
                store.apply_schema(_with_facts(store.schema(), table))
                mapping = Path(place) / "mapping.toml"
                mapping.write_text(_mapping(store.schema(), table), encoding="utf-8")
                rejected.append(_load(store, "table", table, Path(place), progress, mapping=str(mapping), quotes="no"))
            snapshot = export(store, progress)
    first = next((r.first for r in rejected if r.rows), "")
    return snapshot, Rejected(sum(r.rows for r in rejected), first)


def _load(store: GraphStore, name: str, path: Path, place: Path, progress: Progress, **options: Any) -> Rejected:
    rejects = place / "rejects.csv"
    done = load(store, name, path, on_error="skip", rejects=rejects, progress=progress, **options)
    if not done.rejected:
        return Rejected(0)
    with rejects.open(encoding="utf-8", newline="") as lines:
        row = next(csv.DictReader(lines))
    return Rejected(done.rejected, f"{row['file']}:{row['line']}: {row['reason']}")


def split_of(folder: Path, snapshot: Snapshot, protocol: str) -> Split:
    """The split in a folder.  Its rows are all positive; where the schema calls some negative, ratings are left out.

    For ``calendar`` files that are not cut by calendar, such as those of ``temporal``, are taken together and cut: the
    last tenth of all is the test, the tenth before it validation.

    Raises:
        SplitError: it is to be cut by calendar, and an interaction has no time.
    """
    split = read_split(folder, snapshot, "temporal" if protocol == "calendar" else protocol)  # type: ignore[arg-type]
    if protocol == "calendar" and is_by_calendar(split):
        split = replace(split, protocol=protocol)
    elif protocol == "calendar":
        whole = join(split.known, split.test)
        split = calendar_split(whole, len(snapshot.items), again=split.again)
    least = snapshot.schema.interaction.positive_from
    parts = (split.train, split.valid, split.test)
    if least is None or all(p.weight is None or bool((p.weight >= least).all()) for p in parts):
        return split
    bare = [EdgeTable(p.source, p.target, None, p.time, p.times) for p in parts]
    return replace(split, train=bare[0], valid=bare[1], test=bare[2])


def _write_pairs(folder: Path, path: Path, schema: GraphSchema) -> None:
    """The users and items of a split as RecBole's ``.inter``, each pair once, with a rating that the schema takes."""
    rating = schema.interaction.positive_from or 1
    pairs: dict[tuple[str, str], None] = {}
    for part in PARTS:
        table = read_rows(folder / f"{part}.tsv")
        pairs |= dict.fromkeys(zip(table.column("user").to_pylist(), table.column("item").to_pylist(), strict=True))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("user_id:token\titem_id:token\trating:float\n")
        file.writelines(f"{user}\t{item}\t{rating:g}\n" for user, item in pairs)


def _schema(files: Files) -> GraphSchema:
    """The one that was asked for; else ``movies`` if the items are films and it knows all relations; else any."""
    if files.schema is not None:
        return GraphSchema.find(files.schema)
    generic = GraphSchema.bundled("interactions")
    if files.items is None or "movie_title:token_seq" not in _header(files.items):
        return generic
    movies = GraphSchema.bundled("movies")
    used = set() if files.kg is None else {row[1] for _, row in _rows(files.kg)}
    for table in files.facts:
        used |= {relation for _, relation, _, _ in _facts(table)}
    return movies if all(movies.relations_called(name) for name in used) else generic


def _with_facts(schema: GraphSchema, table: Path) -> GraphSchema:
    """The schema, extended by relations of the facts that it lacks."""
    by_relation: dict[str, list[tuple[str, str, int]]] = {}
    for item, relation, name, line in _facts(table):
        if not schema.relations_called(relation):
            by_relation.setdefault(relation, []).append((item, name, line))
    if not by_relation:
        return schema
    items = {item: (item,) for rows in by_relation.values() for item, _, _ in rows}
    for relation, rows in by_relation.items():  # a relation leads to items or to other nodes, never to both
        to_items = sum(other in items for _, other, _ in rows)
        if 2 * to_items > len(rows):
            items |= {other: (other,) for _, other, _ in rows}
        else:
            by_relation[relation] = [row for row in rows if row[1] not in items]
    return derive_schema(schema, Triples(dict(sorted(by_relation.items())), items, table))


def _mapping(schema: GraphSchema, table: Path) -> str:
    """How the table loader is to read a table of facts, as TOML."""
    columns = [json.dumps(name) for name in _header(table)]
    if len(columns) == 3:
        source, relation, target = columns
        return f'[[facts]]\nsource = {source}\nrelation = {relation}\ntarget = {target}\ncreate = ["target"]\n'
    kind, inverted = schema.relations_called(_header(table)[1])[0]
    item, other = ("target", "source") if inverted else ("source", "target")
    return f'[[edges]]\nrelation = "{kind.name}"\n{item} = {columns[0]}\n{other} = {columns[1]}\ncreate = ["{other}"]\n'


def _facts(table: Path) -> Iterator[tuple[str, str, str, int]]:
    """Item, relation, name or other item, and the line of each fact of a table; rows of another width are left out.

    Raises:
        LoadError: the table has not two or three columns.
    """
    columns = _header(table)
    if len(columns) not in (2, 3) or (len(columns) == 3 and columns[1] != "relation"):
        raise LoadError(
            f"expected the columns item, relation, name, or item and one more, got {', '.join(columns) or 'none'}",
            table,
            1,
        )
    for line, row in _rows(table):
        if len(row) == len(columns):
            yield row[0], row[1] if len(row) == 3 else columns[1], row[-1], line


def _header(path: Path) -> list[str]:
    return next(_lines(path), (1, []))[1]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each row below the header."""
    rows = _lines(path)
    next(rows, None)
    return rows


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if text:
                    yield number, text.split("\t")
    except OSError as error:
        raise LoadError(f"cannot be read: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise LoadError(
            f"expected text in UTF-8, got {error.object[error.start : error.end]!r}", path, number
        ) from error
