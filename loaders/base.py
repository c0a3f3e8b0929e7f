"""Loading: a loader turns files into batches, :func:`load` checks them and writes them.

A format is a class found by the entry-point group ``kg_rec.loaders``; other packages can add theirs.  A loader
only says what its files mean, in the terms of the schema; types, required values, ranges, repeated keys and
unknown ends are checked here for all of them.  Writes are upserts, nodes before edges, so a load that was
killed and started again ends in the same graph.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

from kg_rec.errors import ConfigError, LoadError, SchemaError, SchemaNotAppliedError
from kg_rec.loaders.batches import EdgeBatch, NodeBatch, attributes, explode, relation_type
from kg_rec.loaders.check import Checker
from kg_rec.loaders.text import Faults, Origin
from kg_rec.plugins import installed
from kg_rec.progress import Progress, no_progress
from kg_rec.quantity import quantity
from kg_rec.schema import GraphSchema, NodeType, RelationType
from kg_rec.store.base import GraphStore
from kg_rec.store.unfinished import begin_load, end_load
from kg_rec.textfile import HIDDEN, is_link_outside

__all__ = [
    "EdgeBatch",
    "Format",
    "LoadContext",
    "LoadReport",
    "Loader",
    "NodeBatch",
    "attributes",
    "explode",
    "find_loader",
    "formats",
    "load",
    "relation_type",
]

_GROUP = "kg_rec.loaders"
_PIECE_ROWS = 100_000


@dataclass(frozen=True)
class LoadContext:
    """What :func:`load` lends to a loader.

    Attributes:
        schema: the schema in force.
        options: the options the caller gave, all of them among the loader's own.
        faults: takes malformed rows; :meth:`~kg_rec.loaders.text.Faults.add` raises or records.
        unmapped: counts what is in the files and is left out on purpose, by what it is; shown in the report.
        progress: for long reading.
        known: the keys of a node type that the store held before.
        notes: what the report tells besides.
    """

    schema: GraphSchema
    options: Mapping[str, Any]
    faults: Faults
    unmapped: Counter[str] = field(default_factory=Counter)
    progress: Progress = no_progress
    known: Callable[[str], frozenset[str]] = lambda node_type: frozenset()
    notes: list[str] = field(default_factory=list)


class Loader(Protocol):
    """One file format."""

    name: str
    """Name of the format, as in the entry point."""
    description: str
    """The format in one line."""
    options: Mapping[str, str]
    """Options it takes, each with one line of help."""

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The schema for these files.

        Args:
            path: file or folder.
            options: as given to :func:`load`.
            base: the schema that the caller chose, or None.
            faults: takes malformed rows where the files must be read to find the schema.

        Returns:
            ``base``, the format's own schema or an extension of either; None: the one that the store holds.
        """
        ...

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Batches in the terms of ``context.schema``, the ends of edges before the edges.

        Raises:
            LoadError: a file is missing or malformed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be loaded: its name, one line about it, and help for each option."""

    name: str
    description: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did.

    Attributes:
        format: name of the format.
        path: what was loaded.
        schema: name of the schema.
        nodes: rows written, by node type.
        edges: rows written, by relation type.
        repeated: rows merged into another with the same ends, by relation type.
        unmapped: what the files hold and the schema has no place for, with counts.
        rejected: rows at fault that were left out.
        rejects: the file that lists them, or None.
        seconds: wall time.
        notes: what was loaded as it is and may not be meant so.
    """

    format: str
    path: Path
    schema: str
    nodes: Mapping[str, int]
    edges: Mapping[str, int]
    repeated: Mapping[str, int]
    unmapped: Mapping[str, int]
    rejected: int
    rejects: Path | None
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows written."""
        return sum(self.nodes.values()) + sum(self.edges.values())

    @property
    def rows_per_second(self) -> float:
        """Rows written per second of wall time."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0


def formats() -> dict[str, Format]:
    """The installed formats by name.  One that cannot be imported is listed with the reason."""
    by_name = {}
    for point in installed(_GROUP):
        try:
            loader = point.load()
            by_name[point.name] = Format(point.name, loader.description, dict(loader.options))
        except (ImportError, AttributeError) as error:
            by_name[point.name] = Format(point.name, f"cannot be used: {error}", {})
    return by_name


def find_loader(name: str) -> Loader:
    """The loader of a format.

    Raises:
        ConfigError: no such format is installed; the message lists those that are.
    """
    points = {p.name: p for p in installed(_GROUP)}
    if name not in points:
        raise ConfigError(f"unknown format {name!r}; expected one of {', '.join(points)}")
    try:
        loader: Loader = points[name].load()()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"format {name!r} is registered but cannot be imported: {error}; install it again") from error
    return loader


def load(
    store: GraphStore,
    format: str,  # noqa: A002  the word of the command line
    path: str | Path,
    *,
    schema: GraphSchema | str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    rejects: str | Path | None = None,
    liked_from: float | None = None,
    progress: Progress = no_progress,
    **options: Any,
) -> LoadReport:
    """Load files into a store.

    Args:
        store: an open store; its schema is applied first.
        format: name of an installed format (:func:`formats`).
        path: file or folder.
        schema: schema to load under, or its name or file; None: the format's own.  Where the store holds a wider schema
            of the same name, that one is kept.
        on_error: ``stop`` at the first malformed row, before anything of its batch is written, or ``skip`` such
            rows and list them in ``rejects``.
        rejects: CSV file for rejected rows (file, line, reason, row); needed with ``skip``, replaced if there.
        liked_from: least weight of an interaction that counts as liked, kept in the graph's schema; None: as the schema
            says, or as an earlier load did.
        progress: called with rows written so far.
        options: of the format.

    Raises:
        ConfigError: unknown format or option, or ``skip`` without ``rejects``.
        LoadError: a file is missing or malformed.
        SchemaError: the schema does not fit the store or the loader.
        SchemaNotAppliedError: the format has no schema of its own, none was given and the store holds none.
        StoreError: the store failed.
    """
    if isinstance(schema, str):
        schema = GraphSchema.find(schema)
    try:
        return _load(store, format, Path(path), schema, on_error, rejects, liked_from, progress, options)
    except LoadError as error:
        if is_link_outside(error.path):
            raise LoadError(HIDDEN, error.path, error.line) from None
        raise


def _load(
    store: GraphStore,
    format: str,  # noqa: A002
    path: Path,
    schema: GraphSchema | None,
    on_error: Literal["stop", "skip"],
    rejects: str | Path | None,
    liked_from: float | None,
    progress: Progress,
    options: Mapping[str, Any],
) -> LoadReport:
    started = time.perf_counter()
    loader = find_loader(format)
    _check_call(loader, path, on_error, rejects, options)
    reject_file = Path(rejects) if rejects is not None and on_error == "skip" else None
    held = _held(store)
    given = _choose(loader, path, options, schema, held, Faults(stop=on_error == "stop"))
    if liked_from is None and held is not None and schema is None and given is not None and held.name == given.name:
        liked_from = held.interaction.positive_from
    chosen = given if given is not None else held
    if chosen is not None and liked_from not in (None, chosen.interaction.positive_from):
        given = chosen = chosen.liked_from(liked_from)
    if chosen is None:
        raise SchemaNotAppliedError(
            f"format {format} has no schema of its own and the store holds none yet; "
            "name one (schema=, or --schema NAME)"
        )
    nodes: Counter[str] = Counter()
    edges: Counter[str] = Counter()
    weights: Counter[float] = Counter()
    done = 0
    with _faults(on_error, reject_file) as faults:
        checker = Checker(chosen, faults, lambda node_type: _keys(store, chosen, node_type))
        context = LoadContext(chosen, options, faults, Counter(), progress, checker.stored)
        if given is not None:
            store.apply_schema(given)
        store.reserve(_rows_at_most(path))
        begun = False
        for batch in loader.read(path, context):
            origin = batch.origin or Origin(path, pa.nulls(batch.table.num_rows, pa.int64()))
            write: Callable[[str, pa.Table], int]
            if isinstance(batch, NodeBatch):
                name, count, write = batch.node_type, nodes, store.write_nodes
                table = checker.nodes(name, batch.table, origin, batch.mention)
            else:
                name, count, write = batch.relation, edges, store.write_edges
                table = checker.edges(name, batch.table, origin, batch.repeats)
                if name == chosen.interaction.name and chosen.interaction.weight in table.column_names:
                    values = table[chosen.interaction.weight].drop_null().value_counts()
                    weights.update({w["values"]: w["counts"] for w in values.to_pylist()})
            for piece in _pieces(table):
                if not begun:  # a load that fails before it writes leaves nothing behind
                    begin_load(store, f"{format} {path}")
                    begun = True
                written = write(name, piece)
                count[name] += written
                done += written
                progress(done, None, f"writing {name}")
        end_load(store)
    if faults.count and not done:
        wrong = quantity(faults.count, "row is", "rows are")
        raise LoadError(f"no row fits: {wrong} at fault, listed in {reject_file}; correct them", path)
    return LoadReport(
        format=format,
        path=path,
        schema=chosen.name,
        nodes=dict(sorted(nodes.items())),
        edges=dict(sorted(edges.items())),
        repeated=dict(sorted(checker.repeated.items())),
        unmapped=dict(sorted(context.unmapped.items())),
        rejected=faults.count,
        rejects=reject_file,
        notes=(*context.notes, *checker.notes(), *_what_is_liked(chosen, weights), *checker.odd_times()),
        seconds=time.perf_counter() - started,
    )


def _what_is_liked(schema: GraphSchema, weights: Mapping[float, int]) -> Iterator[str]:
    """Which weights count as liked, where the loaded ones differ and the schema that ships does not say."""
    relation = schema.interaction
    least, total = relation.positive_from, sum(weights.values())
    if len(weights) > 1 and (least is None or schema.turtle != _shipped(schema.name)):
        liked = sum(n for weight, n in weights.items() if (weight > 0 if least is None else weight >= least))
        rule = "above 0" if least is None else f"of at least {least:g}"
        yield (
            f"{relation.name}: a weight {rule} counts as liked: {liked:,} of {total:,} ({min(weights):g} to "
            f"{max(weights):g}); --liked-from NUMBER sets another limit"
        )


def _shipped(name: str) -> str:
    try:
        return GraphSchema.bundled(name).turtle
    except SchemaError:
        return ""


def _rows_at_most(path: Path) -> int:
    """Lines of the files, for an estimate before anything is written; files of other kinds than text count little."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file() and not p.is_symlink()]
    rows = 0
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                rows += block.count(b"\n")
    return rows


def _check_call(
    loader: Loader, path: Path, on_error: str, rejects: str | Path | None, options: Mapping[str, Any]
) -> None:
    if on_error not in ("stop", "skip"):
        raise ConfigError(f"on_error: expected 'stop' or 'skip', got {on_error!r}")
    if on_error == "skip" and rejects is None:
        raise ConfigError("on_error='skip' needs rejects=FILE, the file that lists the rows left out")
    unknown = sorted(set(options) - set(loader.options))
    if unknown:
        known = ", ".join(loader.options) or "none"
        raise ConfigError(f"format {loader.name}: unknown option {unknown[0]!r}; expected one of {known}")
    if not path.exists():
        raise LoadError("no such file or folder; check the path", path)


def _faults(on_error: str, reject_file: Path | None) -> Faults:
    try:
        return Faults(stop=on_error == "stop", rejects=reject_file)
    except OSError as error:
        raise ConfigError(f"rejects: cannot write {reject_file}: {error.strerror}; choose another file") from error


def _held(store: GraphStore) -> GraphSchema | None:
    try:
        return store.schema()
    except SchemaNotAppliedError:
        return None


def _choose(
    loader: Loader,
    path: Path,
    options: Mapping[str, Any],
    schema: GraphSchema | None,
    held: GraphSchema | None,
    faults: Faults,
) -> GraphSchema | None:
    """The loader's schema; where the store holds a wider one of the same name, that one, extended if need be."""
    given = loader.schema(path, options, schema, faults)
    if given is None or held is None or given.name != held.name or _covers(given, held):
        return given
    return loader.schema(path, options, held, faults) if schema is None or _covers(held, schema) else given


def _covers(wide: GraphSchema, narrow: GraphSchema) -> bool:
    """Whether ``wide`` has every type and property of ``narrow``, by name."""

    def names(schema: GraphSchema) -> set[tuple[str, str]]:
        types: list[NodeType | RelationType] = [*schema.node_types.values(), *schema.relation_types.values()]
        return {(t.name, name) for t in types for name in ("", *(p.name for p in t.properties))}

    return names(narrow) <= names(wide)


def _keys(store: GraphStore, schema: GraphSchema, node_type: str) -> Iterable[str]:
    key = schema.node_types[node_type].key
    for batch in store.scan_nodes(node_type):
        yield from batch.column(key).to_pylist()


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, table.num_rows, _PIECE_ROWS):
        yield table.slice(start, _PIECE_ROWS)
