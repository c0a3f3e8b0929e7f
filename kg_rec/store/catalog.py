"""Look-ups of types in a store's schema, and the errors that both stores word alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kg_rec.errors import StoreError
from kg_rec.schema import GraphSchema, NodeType, RelationType

#: How many missing keys an error shows.
SHOWN_KEYS = 5


def find_node_type(schema: GraphSchema, name: str, columns: Sequence[str] | None = None) -> NodeType:
    """The node type of that name, with all its properties or the key and those of ``columns`` alone.

    Raises:
        StoreError: the schema has no such type or property; the message lists those it has.
    """
    if name not in schema.node_types:
        known = ", ".join(schema.node_types)
        raise StoreError(f"node type {name} is not in the schema {schema.name}; it has {known}")
    found = schema.node_types[name]
    if columns is None:
        return found
    unknown = sorted(set(columns) - {p.name for p in found.properties})
    if unknown:
        known = ", ".join(p.name for p in found.properties)
        raise StoreError(f"node type {name} has no property {', '.join(unknown)}; it has {known}")
    key, *others = found.properties
    return replace(found, properties=(key, *(p for p in others if p.name in columns)))


def find_relation(schema: GraphSchema, name: str) -> tuple[RelationType, NodeType, NodeType]:
    """The relation type of that name with the node types of its source and target.

    Raises:
        StoreError: the schema has none; the message lists those it has.
    """
    if name not in schema.relation_types:
        known = ", ".join(schema.relation_types)
        raise StoreError(f"relation type {name} is not in the schema {schema.name}; it has {known}")
    r = schema.relation_types[name]
    return r, schema.node_types[r.source], schema.node_types[r.target]


def missing_ends(relation: str, end: str, node_type: str, keys: Sequence[str]) -> StoreError:
    """The error for edges whose ends do not exist; ``keys`` are the first few."""
    shown = ", ".join(repr(k) for k in keys)
    more = " (and maybe more)" if len(keys) >= SHOWN_KEYS else ""
    return StoreError(
        f"edges of type {relation}: no {node_type} has the {end} key {shown}{more}; "
        "write the nodes first. Nothing was written"
    )
