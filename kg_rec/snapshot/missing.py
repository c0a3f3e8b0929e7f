"""Nodes that a scan does not give: no key, a key of another type, or the key of another node."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import SnapshotError, StoreError
from kg_rec.quantity import quantity
from kg_rec.schema import DATATYPES, NodeType
from kg_rec.store import mapping
from kg_rec.store.base import GraphStore


def check_all_read(store: GraphStore, node_type: NodeType, table: pa.Table) -> None:
    """Compare the nodes that were read with those there are.

    Args:
        store: where they were read.
        node_type: their type.
        table: the nodes that were read, in key order.

    Raises:
        SnapshotError: nodes were left out for their key, or two have one key; the message says which and why.
    """
    keys = table.column(node_type.key)
    if table.num_rows > 1:
        twice = pc.equal(keys[1:], keys[:-1])
        if pc.any(twice).as_py():
            key = keys[pc.index(twice, True).as_py()].as_py()
            raise SnapshotError(
                f"{node_type.name}.{node_type.key}: several nodes have the key {key!r}; every node needs its own"
            )
    every = f"MATCH {mapping.node(node_type, 'n')}{mapping.where(mapping.conditions(node_type, 'n'))}"
    count = int(store.query(f"{every} RETURN count(n) AS n")["n"][0].as_py())
    if count > table.num_rows:
        reason = _reason(store, node_type, count)
        if reason is not None:  # else nodes came while the graph was read
            raise SnapshotError(reason)


def _reason(store: GraphStore, node_type: NodeType, count: int) -> str | None:
    """Which keys of ``count`` nodes are not as the schema says; None if all are."""
    key, kind = mapping.raw_key(node_type, "n"), node_type.properties[0].datatype.upper()
    wrong = f"({key} IS NULL OR {key} = '' OR NOT {key} IS :: {kind})"
    body = f"MATCH {mapping.node(node_type, 'n')}{mapping.where([wrong, *mapping.conditions(node_type, 'n')])}"
    try:
        rows = store.query(
            f"{body} RETURN coalesce(valueType({key}), 'NULL') AS kind, count(*) AS n, "
            f"head(collect(toStringOrNull({key}))) AS example ORDER BY n DESC"
        ).to_pylist()
    except StoreError:  # this store has no such functions, and its tables are typed
        return None
    if not rows:
        return None
    first, total = rows[0], sum(row["n"] for row in rows)
    subject, nodes = f"{node_type.name}.{node_type.key}", quantity(total, "node")
    if first["kind"].startswith("NULL"):
        return f"{subject}: {nodes} of type {node_type.name} without a key; every node needs one"
    if first["kind"].startswith("STRING") and kind == "STRING":
        return f"{subject}: {nodes} of type {node_type.name} with the empty text as key; every node needs a key"
    kind = first["kind"].removesuffix(" NOT NULL").lower()
    expected = DATATYPES[node_type.properties[0].datatype].words
    if node_type.pattern is None:
        advice = "change the keys, or read the graph as it is, by a schema of its own (`kg-rec schema infer`)"
    elif total == count and len(rows) == 1 and kind in ("integer", "string"):
        advice = f"say sh:datatype xsd:{kind} in the schema, or change the keys"
    else:
        advice = f'say kr:from "toString({key})" and sh:datatype xsd:string in the schema, or change the keys'
    return (
        f"{subject}: expected {expected}, got {kind} in {nodes} of type {node_type.name}, for example "
        f"{first['example']}; they would be left out: {advice}"
    )
