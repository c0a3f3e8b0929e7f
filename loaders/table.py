"""Tables: CSV, TSV, JSON Lines or Parquet, with a mapping file (:mod:`kg_rec.loaders.mapping`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import ConfigError, LoadError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import EdgeBatch, NodeBatch, relation_type
from kg_rec.loaders.cells import text_of, texts
from kg_rec.loaders.mapping import EdgeRule, FactRule, TableMapping
from kg_rec.loaders.text import Chunk, Faults, Layout, Origin, bare_name, header, lines, read_whole
from kg_rec.schema import GraphSchema, NodeType, RelationType
from kg_rec.textfile import is_link_outside, parse_json

_FACTS_HEADER = ["item_id", "relation", "name"]
_TEXT_SUFFIXES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_JSON_SUFFIXES = (".jsonl", ".ndjson")


class TableLoader:
    """A table with a mapping file."""

    name = "table"
    description = "CSV, TSV, JSON Lines or Parquet with a mapping file; item_id, relation, name needs none"
    options: Mapping[str, str] = {
        "mapping": "TOML file that says which columns feed which types; default: facts, for item_id, relation, name",
        "encoding": "of CSV and TSV; default: utf-8",
        "delimiter": "of CSV and TSV; default: ',' or tab by the file's suffix",
        "quotes": "of CSV and TSV: 'no' where a quotation mark is an ordinary character; default: yes",
    }

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The chosen schema, else the one that the store holds."""
        return base

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Nodes by rule, then edges by rule, then facts.

        Raises:
            ConfigError: the mapping is absent or not understood.
            LoadError: the table is malformed.
            SchemaError: the mapping names a type that the schema lacks.
        """
        mapping = _mapping(path, context.options)
        schema = context.schema
        chunk = _read(path, context, mapping.reads(), _list_columns(schema, mapping))
        for node in mapping.nodes:
            columns = _pick(chunk, node.columns)
            yield NodeBatch(node.type, columns, chunk.origin, node.mention)
        for edge in mapping.edges:
            yield from _edges(schema, edge, relation_type(schema, edge.relation), chunk)
        for fact in mapping.facts:
            yield from _facts(context, fact, chunk)


def _mapping(path: Path, options: Mapping[str, Any]) -> TableMapping:
    if (given := options.get("mapping")) is not None:
        return TableMapping.from_file(Path(given))
    names = list(_columns(path, options))
    if names != _FACTS_HEADER:
        shown = "that it has" if is_link_outside(path) else ", ".join(names)
        raise ConfigError(
            f"{path}: a table with the columns {shown:.300} needs mapping=FILE (or --mapping FILE); "
            f"only {', '.join(_FACTS_HEADER)} is understood without"
        )
    with as_file(files("kg_rec.loaders") / "facts.toml") as facts:
        return TableMapping.from_file(facts)


def _layout(path: Path, options: Mapping[str, Any]) -> Layout | None:
    """How a text table is written; None for other kinds."""
    suffix = Path(bare_name(path)).suffix.lower()
    if suffix not in _TEXT_SUFFIXES and "delimiter" not in options:
        return None
    delimiter = str(options.get("delimiter", _TEXT_SUFFIXES.get(suffix)))
    if len(delimiter) != 1:
        raise ConfigError(f"option delimiter: expected one character, got {delimiter!r}")
    encoding = str(options.get("encoding", "utf-8"))
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise ConfigError(f"option encoding: unknown encoding {encoding!r}; expected e.g. utf-8 or latin-1") from error
    quotes = str(options.get("quotes", "yes"))
    if quotes not in ("yes", "no"):
        raise ConfigError(f"option quotes: expected 'yes' or 'no', got {quotes!r}")
    return Layout(delimiter, encoding=encoding, quoted=quotes == "yes")


def _columns(path: Path, options: Mapping[str, Any]) -> Sequence[str]:
    layout = _layout(path, options)
    if layout is not None:
        return header(path, layout)
    if bare_name(path).lower().endswith(_JSON_SUFFIXES):
        for _, text in lines(path, Faults(stop=False)):
            row = _object(text)
            return list(row) if isinstance(row, dict) else []
    elif path.suffix.lower() == ".parquet":
        return [str(name) for name in _parquet(path).column_names]
    return []


def _list_columns(schema: GraphSchema, mapping: TableMapping) -> frozenset[str]:
    """Columns in which a list is a value: several targets of an edge, or a property that is a list."""
    targets = {rule.target for rule in mapping.edges if not rule.columns}  # with columns, an edge is one row
    types: list[tuple[NodeType | RelationType | None, Mapping[str, str]]] = [
        *((schema.node_types.get(rule.type), rule.columns) for rule in mapping.nodes),
        *((schema.relation_types.get(rule.relation), rule.columns) for rule in mapping.edges),
    ]
    for kind, columns in types:
        lists = {p.name for p in kind.properties if p.datatype.endswith("_list")} if kind is not None else set()
        targets.update(column for name, column in columns.items() if name in lists)
    return frozenset(targets)


def _read(path: Path, context: LoadContext, expect: Sequence[str], lists: frozenset[str]) -> Chunk:
    layout = _layout(path, context.options)
    if layout is not None:
        return read_whole(path, layout, context.faults, expect)
    if bare_name(path).lower().endswith(_JSON_SUFFIXES):
        return _json_lines(path, context.faults, expect, lists)
    if path.suffix.lower() == ".parquet":
        table = _parquet(path)
        missing = [name for name in expect if name not in table.column_names]
        if missing:
            got = ", ".join(table.column_names)
            raise LoadError(f"expected the columns {', '.join(expect)}; {', '.join(missing)} not among {got}", path)
        if not table.num_rows:
            raise LoadError("the file holds no rows", path)
        return Chunk(table, Origin(path, pa.array(range(1, table.num_rows + 1), pa.int64())))
    known = ", ".join((*_TEXT_SUFFIXES, *_JSON_SUFFIXES, ".parquet"))
    advice = (
        "write one object a line, as `jq -c '.[]'` does of a list" if path.suffix.lower() == ".json" else "rename it"
    )
    raise LoadError(f"expected a file named {known} (text also with .gz); {advice}, or give delimiter=", path)


def _parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names if path.is_file() else []
        if len(set(names)) < len(names):
            raise LoadError(f"column names must differ, got {', '.join(names):.300}", path)
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise LoadError(f"expected a Parquet file, got {error}; write it again", path) from error


def _object(text: str) -> dict[str, Any] | str:
    """A line of JSON Lines, or what is wrong with it."""
    try:
        row = parse_json(text)
    except ValueError as error:
        return str(error)
    if isinstance(row, dict):
        return row
    kinds = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return f"expected a JSON object, got {kinds.get(type(row), 'a number')}"


def _advice(text: str) -> str:
    """What to do about a first line that is no object: the file may be one list, or have objects over several lines."""
    if text.lstrip().startswith("["):
        return "if the file is one list, write one object a line, as `jq -c '.[]'` does"
    if text.lstrip().startswith("{") and not text.rstrip().endswith("}"):
        return "write each object on a line of its own, as `jq -c .` does"
    return "correct the line"


def _json_lines(path: Path, faults: Faults, expect: Sequence[str], lists: frozenset[str]) -> Chunk:
    """Columns of text, those in ``lists`` of lists of text where a row holds one; an absent key is a missing value."""
    columns: dict[str, list[Any]] = {name: [] for name in expect}
    numbers: list[int] = []
    empty = True
    for number, text in lines(path, faults):
        empty = False
        row = _object(text)
        if isinstance(row, dict) and not any(name in row for name in expect):
            row = f"expected the keys {', '.join(expect)}, got {', '.join(row) or 'none':.300}"
        if isinstance(row, dict):
            row = _cells(row, expect, lists)
        if isinstance(row, str):
            advice = "correct the line" if numbers else _advice(text)
            faults.add(path, number, f"{row.removesuffix('; correct it')}; {advice}", [text])
            continue
        numbers.append(number)
        for name, values in columns.items():
            values.append(row[name])
    if empty:
        raise LoadError("the file is empty; expected one JSON object a line", path)
    table = pa.table({name: _column(values) for name, values in columns.items()})
    return Chunk(table, Origin(path, pa.array(numbers, pa.int64())))


def _cells(row: Mapping[str, Any], expect: Sequence[str], lists: frozenset[str]) -> dict[str, Any] | str:
    """The values of a row as text or lists of text, or what is wrong with one of them."""
    cells: dict[str, Any] = {}
    for name in expect:
        value = row.get(name)
        try:
            cells[name] = [text_of(v) for v in value] if name in lists and isinstance(value, list) else text_of(value)
        except ValueError as error:
            return f"{name}: {error}"
    return cells


def _column(values: list[Any]) -> pa.Array:
    if any(isinstance(value, list) for value in values):
        nested = [value if value is None or isinstance(value, list) else [value] for value in values]
        return pa.array(nested, pa.list_(pa.string()))
    return pa.array(values, pa.string())


def _pick(chunk: Chunk, columns: Mapping[str, str]) -> pa.Table:
    return pa.table({name: _takeable(chunk.table[column]) for name, column in columns.items()})


def _takeable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type whose rows can be picked; Arrow cannot pick rows of a view of texts or bytes."""
    views = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return column.cast(views[column.type]) if column.type in views else column


def _edges(schema: GraphSchema, rule: EdgeRule, kind: RelationType, chunk: Chunk) -> Iterator[NodeBatch | EdgeBatch]:
    table = _pick(chunk, {"source": rule.source, "target": rule.target, **rule.columns})
    origin = chunk.origin
    lists = pa.types.is_list(table["target"].type) or pa.types.is_large_list(table["target"].type)
    if rule.split is not None or lists:
        if rule.columns:
            raise ConfigError(f"mapping: {rule.relation}: columns and a list of targets do not go together")
        table, origin = _split(table, origin, None if lists else rule.split)
    yield from _created(schema, rule.create, kind, table, origin)
    yield EdgeBatch(kind.name, table, origin)


def _split(table: pa.Table, origin: Origin, separator: str | None) -> tuple[pa.Table, Origin]:
    """One row per target from lists of targets, or from texts that a separator splits."""
    targets = table["target"].combine_chunks()
    if separator is None:
        rows, values = pc.list_parent_indices(targets).to_numpy(), pc.list_flatten(targets)
        if pa.types.is_string(values.type):
            values = pc.utf8_trim_whitespace(values)
        kept = (
            np.flatnonzero(pc.fill_null(pc.not_equal(values, ""), False)) if pa.types.is_string(values.type) else None
        )
    else:
        keys, _ = texts(targets)
        parts = [[] if key is None else key.split(separator) for key in keys.to_pylist()]
        rows = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
        values = pa.array([part.strip() for of_one in parts for part in of_one], pa.string())
        kept = np.flatnonzero(pc.not_equal(values, "").to_numpy(zero_copy_only=False))
    if kept is not None:
        rows, values = rows[kept], values.take(pa.array(kept))
    chosen = pa.array(rows.astype(np.int64))
    return pa.table({"source": table["source"].combine_chunks().take(chosen), "target": values}), origin.take(chosen)


def _facts(context: LoadContext, rule: FactRule, chunk: Chunk) -> Iterator[NodeBatch | EdgeBatch]:
    schema = context.schema
    raw = _pick(chunk, {"source": rule.source, "target": rule.target})
    relations, _ = texts(chunk.table[rule.relation].combine_chunks())
    batches: dict[str, list[Chunk]] = {}
    for name in sorted(pc.unique(relations).to_pylist(), key=lambda n: n or ""):
        rows = pc.indices_nonzero(pc.equal(relations, name) if name is not None else pc.is_null(relations))
        part = Chunk(raw.take(rows), chunk.origin.take(rows))
        meant = schema.relations_called(rule.names.get(name or "", name or ""))
        if len(meant) != 1:
            fault = _unknown_relation(schema, name, meant)
            for row, line in zip(part.table.to_pylist(), part.origin.lines.to_pylist(), strict=True):
                context.faults.add(chunk.origin.path, line, fault, [row["source"], name, row["target"]])
            continue
        kind, inverted = meant[0]
        if inverted:
            turned = pa.table({"source": part.table["target"], "target": part.table["source"]})
            part = Chunk(turned, part.origin)
        batches.setdefault(kind.name, []).append(part)
    for name, parts in batches.items():
        kind = schema.relation_types[name]
        for part in parts:
            yield from _created(schema, rule.create, kind, part.table, part.origin)
            yield EdgeBatch(name, part.table, part.origin)


def _unknown_relation(schema: GraphSchema, name: str | None, relations: Sequence[tuple[RelationType, bool]]) -> str:
    if relations:
        kinds = ", ".join(kind.name for kind, _ in relations)
        return f"relation {name!r} may mean {kinds}; name the relation type itself"
    known = ", ".join(a for r in schema.relation_types.values() for a in (r.name, *r.aliases))
    return f"relation {name!r} is no relation type or alias of schema {schema.name}; expected one of {known}"


def _created(
    schema: GraphSchema, create: Sequence[str], kind: RelationType, table: pa.Table, origin: Origin
) -> Iterator[NodeBatch]:
    """Nodes for the ends that are made from their key."""
    ends: dict[str, NodeType] = {"source": schema.node_types[kind.source], "target": schema.node_types[kind.target]}
    for end in create:
        node_type = ends[end]
        columns = {node_type.key: table[end]}
        if node_type.name_property is not None:
            columns[node_type.name_property] = table[end]
        yield NodeBatch(node_type.name, pa.table(columns), origin, mention=True)
