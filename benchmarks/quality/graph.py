"""From the files of a split, and of what is known of the items, to a graph: through the loaders and a store."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv

from kg_rec.errors import LoadError
from kg_rec.loaders.base import load
from kg_rec.loaders.triples import Triples, derive_schema
from kg_rec.progress import Progress
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot, export
from kg_rec.split import Split, read_split
from kg_rec.store import connect

PARTS = ("train", "valid", "test")
#: Columns of the files, as RecBole heads them.
_FIELDS = {"user": "user_id:token", "item": "item_id:token", "rating": "rating:float", "timestamp": "timestamp:float"}


@dataclass(frozen=True)
class Files:
    """What there is besides the interactions; each may be absent.

    Attributes:
        kg: RecBole's ``.kg``.
        link: RecBole's ``.link``; which entity is which item.
        items: RecBole's ``.item``.
        facts: table with the columns item_id, relation, name.
    """

    kg: Path | None = None
    link: Path | None = None
    items: Path | None = None
    facts: Path | None = None


def build(folder: Path, files: Files, progress: Progress) -> tuple[Snapshot, int]:
    """The graph of a split's interactions and of ``files``, and the number of malformed rows left out.

    The schema is ``movies`` where the items are films and every relation is known there, else ``interactions``,
    extended by the relations that occur.
    """
    with tempfile.TemporaryDirectory() as place:
        inter = Path(place) / "data.inter"
        _write_interactions(folder, inter)
        schema = _schema(files)
        rejects = Path(place) / "rejects.csv"
        options = {
            "kg": "none" if files.kg is None else str(files.kg),
            **({} if files.link is None else {"link": str(files.link)}),
            **({} if files.items is None else {"items": str(files.items)}),
        }
        with closing(connect(str(Path(place) / "graph"))) as store:
            done = load(store, "recbole", inter, schema=schema, on_error="skip", rejects=rejects, progress=progress,
                        **options)  # fmt: skip
            rejected = done.rejected
            if files.facts is not None:
                store.apply_schema(_with_facts(store.schema(), files.facts))
                done = load(store, "table", files.facts, on_error="skip", rejects=rejects, progress=progress)
                rejected += done.rejected
            return export(store, progress), rejected


def split_of(folder: Path, snapshot: Snapshot, protocol: str) -> Split:
    """The split in a folder.  Its rows are all positive; where the schema calls some negative, ratings are left out."""
    split = read_split(folder, snapshot, protocol)  # type: ignore[arg-type]
    least = snapshot.schema.interaction.positive_from
    parts = (split.train, split.valid, split.test)
    if least is None or all(p.weight is None or bool((p.weight >= least).all()) for p in parts):
        return split
    bare = [EdgeTable(p.source, p.target, None, p.time) for p in parts]
    return replace(split, train=bare[0], valid=bare[1], test=bare[2])


def _write_interactions(folder: Path, path: Path) -> None:
    tables = []
    for part in PARTS:
        file = folder / f"{part}.tsv"
        try:
            types = {"user": pa.string(), "item": pa.string()}
            tables.append(pv.read_csv(file, parse_options=pv.ParseOptions(delimiter="\t", quote_char=False),
                                      convert_options=pv.ConvertOptions(column_types=types)))  # fmt: skip
        except (OSError, pa.ArrowInvalid) as error:
            raise LoadError(
                f"expected tab-separated user, item and optionally rating, timestamp: {error}", file
            ) from error
    names = [name for name in _FIELDS if all(name in t.column_names for t in tables)]
    if names[:2] != ["user", "item"]:
        raise LoadError(
            f"expected columns user and item, got {', '.join(tables[0].column_names)}", folder / "train.tsv", 1
        )
    whole = pa.concat_tables([t.select(names) for t in tables], promote_options="permissive")
    with path.open("wb") as file:
        file.write(("\t".join(_FIELDS[name] for name in names) + "\n").encode())
        pv.write_csv(whole, file, pv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none"))


def _schema(files: Files) -> GraphSchema | None:
    """``movies`` if the items are films and it knows all relations; else the generic schema, which takes any."""
    if files.items is None or "movie_title:token_seq" not in next(_rows(files.items)):
        return GraphSchema.bundled("interactions")
    movies = GraphSchema.bundled("movies")
    used = set() if files.kg is None else {row[1] for row in _rows(files.kg, skip=1)}
    used |= set() if files.facts is None else {row[1] for row in _rows(files.facts, skip=1)}
    return movies if all(movies.relations_called(name) for name in used) else GraphSchema.bundled("interactions")


def _with_facts(schema: GraphSchema, facts: Path) -> GraphSchema:
    """The schema, extended by relations of the facts that it lacks."""
    by_relation: dict[str, list[tuple[str, str, int]]] = {}
    for line, row in enumerate(_rows(facts, skip=1), 2):
        if len(row) == 3 and not schema.relations_called(row[1]):
            by_relation.setdefault(row[1], []).append((row[0], row[2], line))
    if not by_relation:
        return schema
    items = {item: (item,) for rows in by_relation.values() for item, _, _ in rows}
    return derive_schema(schema, Triples(dict(sorted(by_relation.items())), items, facts))


def _rows(path: Path, skip: int = 0) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)):
            if number >= skip and row:
                yield row
