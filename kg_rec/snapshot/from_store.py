"""Reading a whole graph from a store: every node and edge that the schema speaks of, or an error that says why not.

The graph belongs to its owners: any program may have written it, and may write while it is read.  So nothing is taken
on trust.  Nodes read are counted against nodes there are; several edges between two nodes become one by the schema's
rule; an edge whose end came or went meanwhile is left out and counted.
"""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import SnapshotError
from kg_rec.progress import Progress, no_progress
from kg_rec.quantity import quantity
from kg_rec.schema import NodeType, RelationType
from kg_rec.snapshot.canonical import one_edge_a_pair
from kg_rec.snapshot.missing import check_all_read
from kg_rec.snapshot.snapshot import Snapshot
from kg_rec.snapshot.tables import NO_TIME, EdgeTable, IdMap
from kg_rec.store.base import GraphStore
from kg_rec.store.batch import node_schema
from kg_rec.store.ledger_cypher import RECOMMENDED
from kg_rec.store.unfinished import unfinished_load

_log = logging.getLogger(__name__)


def export(store: GraphStore, progress: Progress = no_progress) -> Snapshot:
    """Read a whole graph from a store, but for the lists that runs wrote back: their relation type stays empty.

    Raises:
        SchemaNotAppliedError: the store holds no schema.
        SnapshotError: nodes have no key, or one of another type than the schema says; two nodes have one key; or a
            graph that others made has no users or no items.
        StoreError: a property holds values of another type than the schema says.
    """
    schema = store.schema()
    unfinished = unfinished_load(store)
    if unfinished is not None:
        _log.warning(
            "%s: a load did not end (%s), so a part of the data may be missing; run it again", store.url, unfinished
        )
    steps, done = len(schema.node_types) + len(schema.relation_types), 0
    nodes: dict[str, pa.Table] = {}
    for name, node_type in schema.node_types.items():
        progress(done, steps, f"export {name}")
        nodes[name] = _node_table(node_type, list(store.scan_nodes(name)))
        check_all_read(store, node_type, nodes[name])
        if schema.mapped and node_type.role in ("user", "item") and not nodes[name].num_rows:
            raise SnapshotError(
                f"{name}: the graph has no node {node_type.pattern or name}, so there is nothing to recommend"
                f"{' to anybody' if node_type.role == 'user' else ''}; if it has another label now, say so by kr:from "
                "in the schema (`kg-rec schema infer` guesses it anew)"
            )
        done += 1
    ids = {name: IdMap(name, nodes[name].column(t.key).combine_chunks()) for name, t in schema.node_types.items()}
    edges: dict[str, EdgeTable] = {}
    for name, relation in schema.relation_types.items():
        progress(done, steps, f"export {name}")
        edges[name] = scanned_edges(store, relation, ids[relation.source], ids[relation.target])
        done += 1
    progress(done, steps, "exported")
    return Snapshot(schema, store.url, nodes, edges)


def _node_table(node_type: NodeType, batches: list[pa.RecordBatch]) -> pa.Table:
    fields = node_schema(node_type)
    if not batches:
        return fields.empty_table()
    table = pa.Table.from_batches(batches).select(fields.names).cast(fields)
    return table.sort_by(node_type.key).combine_chunks()


def scanned_edges(store: GraphStore, relation: RelationType, sources: IdMap, targets: IdMap) -> EdgeTable:
    """All edges of a type, one a pair; none of the lists that runs wrote back, which are no facts.

    Args:
        store: where they are.
        relation: their type.
        sources: ids of the source nodes.
        targets: ids of the target nodes.

    Raises:
        StoreError: a property holds values of another type than the schema says.
    """
    parts, lost = [], 0
    for batch in store.scan_edges(relation.name) if relation.name != RECOMMENDED else ():
        part = edges_of_batch(relation, sources, targets, batch)
        parts.append(part)
        lost += batch.num_rows - len(part)
    edges, several = one_edge_a_pair(_concatenate(relation, parts), relation)
    if lost:
        _log.warning(
            "%s: %s left out: an end came or went while the graph was read", relation.name, quantity(lost, "edge")
        )
    if several and relation.repeats is None:
        _log.warning(
            "%s: %s several edges; each pair counts once, with its largest weight; say what repeated "
            "edges mean by kr:repeats in the schema",
            relation.name,
            quantity(several, "pair has", "pairs have"),
        )
    return edges


def edges_of_batch(relation: RelationType, sources: IdMap, targets: IdMap, batch: pa.RecordBatch) -> EdgeTable:
    """The edges of a batch, as :meth:`~kg_rec.store.base.GraphStore.scan_edges` gives them, whose two ends are known.

    Args:
        relation: their type.
        sources: ids of the source nodes.
        targets: ids of the target nodes.
        batch: columns ``source`` and ``target``, and one per property.

    Raises:
        SnapshotError: a weight is infinite, or too large to count with.
    """
    source = sources.indices(batch.column("source"))
    target = targets.indices(batch.column("target"))
    weight = time = None
    if relation.weight is not None:
        weight = _weights(relation, batch)
    if relation.time is not None:
        time = np.asarray(pc.fill_null(batch.column(relation.time).cast(pa.int64()), NO_TIME), dtype=np.int64)
    edges, there = EdgeTable(source, target, weight, time), (source >= 0) & (target >= 0)
    return edges if there.all() else edges.take(there)


def _weights(relation: RelationType, batch: pa.RecordBatch) -> np.ndarray:
    """The weights of a batch, NaN where there is none."""
    column = batch.column(relation.weight)
    weight = np.asarray(pc.fill_null(column.cast(pa.float32()), np.nan), dtype=np.float32)
    if np.isinf(weight).any():
        row = int(np.flatnonzero(np.isinf(weight))[0])
        raise SnapshotError(
            f"{relation.name}.{relation.weight}: expected a weight of at most {np.finfo(np.float32).max:.1e}, got "
            f"{column[row].as_py():g} of {batch.column('source')[row]} -> {batch.column('target')[row]}; correct it"
        )
    return weight


def _concatenate(relation: RelationType, parts: list[EdgeTable]) -> EdgeTable:
    empty = EdgeTable(
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        None if relation.weight is None else np.empty(0, np.float32),
        None if relation.time is None else np.empty(0, np.int64),
    )
    parts = [empty, *parts]
    return EdgeTable(
        np.concatenate([p.source for p in parts]),
        np.concatenate([p.target for p in parts]),
        None if relation.weight is None else np.concatenate([p.weight for p in parts if p.weight is not None]),
        None if relation.time is None else np.concatenate([p.time for p in parts if p.time is not None]),
    )
