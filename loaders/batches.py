"""Batches: what a loader gives to :func:`kg_rec.loaders.base.load`, and ways to make the usual ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from kg_rec.errors import SchemaError
from kg_rec.loaders.check import Repeats
from kg_rec.loaders.text import Chunk, Origin
from kg_rec.schema import GraphSchema, RelationType


@dataclass(frozen=True, slots=True)
class NodeBatch:
    """Nodes to write.

    Attributes:
        node_type: a node type of the schema.
        table: one column per property, as text or typed; the key is among them.
        origin: where the rows came from, for messages; None: the path that was loaded.
        mention: the rows only mention nodes (a genre beside a film, a user beside a rating): keys may come again.
    """

    node_type: str
    table: pa.Table
    origin: Origin | None = None
    mention: bool = False


@dataclass(frozen=True, slots=True)
class EdgeBatch:
    """Edges to write; one batch is checked as a whole before any of it is written.

    Attributes:
        relation: a relation type of the schema.
        table: columns ``source``, ``target`` and one per edge property, as text or typed.
        origin: where the rows came from, for messages; None: the path that was loaded.
        repeats: what becomes of rows with the same ends: ``last`` (the latest by time), ``sum`` or ``max`` of the
            weights; None: as the schema says (``kr:repeats``), else the last.
    """

    relation: str
    table: pa.Table
    origin: Origin | None = None
    repeats: Repeats | None = None


def attributes(
    schema: GraphSchema, relation: RelationType, pairs: pa.Table, origin: Origin, named: bool = True
) -> Iterator[NodeBatch | EdgeBatch]:
    """Edges to attribute nodes that the file only names: first the nodes, then the edges.

    Args:
        schema: the schema in force.
        relation: the relation type of the edges.
        pairs: columns ``source``, ``target`` and the edge properties.
        origin: of the rows.
        named: the target is a name to show, not only an id.
    """
    target = schema.node_types[relation.target]
    columns = {target.key: pairs["target"]}
    if named and target.name_property is not None:
        columns[target.name_property] = pairs["target"]
    yield NodeBatch(target.name, pa.table(columns), origin, mention=True)
    yield EdgeBatch(relation.name, pairs, origin)


def relation_type(schema: GraphSchema, name: str) -> RelationType:
    """A relation type of the schema.

    Raises:
        SchemaError: it has none of that name.
    """
    if name not in schema.relation_types:
        known = ", ".join(schema.relation_types)
        raise SchemaError(f"schema {schema.name} has no relation type {name!r}; it has {known}")
    return schema.relation_types[name]


def explode(keys: Sequence[str | None], lists: Iterable[Sequence[str]], origin: Origin) -> Chunk:
    """One row per (key, value) from a list of values per key: columns ``source`` and ``target``."""
    source: list[str | None] = []
    target: list[str] = []
    lines: list[int | None] = []
    for key, values, line in zip(keys, lists, origin.lines.to_pylist(), strict=True):
        for value in values:
            source.append(key)
            target.append(value)
            lines.append(line)
    table = pa.table({"source": pa.array(source, pa.string()), "target": pa.array(target, pa.string())})
    return Chunk(table, Origin(origin.path, pa.array(lines, pa.int64())))
