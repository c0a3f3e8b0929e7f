"""Reading a whole graph from a store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import SnapshotError
from kg_rec.progress import Progress, no_progress
from kg_rec.schema import DATATYPES, NodeType, RelationType
from kg_rec.snapshot.snapshot import Snapshot
from kg_rec.snapshot.tables import NO_TIME, EdgeTable, IdMap
from kg_rec.store.base import GraphStore
from kg_rec.store.run_cypher import RECOMMENDED


def export(store: GraphStore, progress: Progress = no_progress) -> Snapshot:
    """Read a whole graph from a store, but for the lists that runs wrote back: their relation type stays empty.

    Raises:
        SchemaNotAppliedError: the store holds no schema.
        SnapshotError: an edge names a node that is not there.
    """
    schema = store.schema()
    steps, done = len(schema.node_types) + len(schema.relation_types), 0
    nodes: dict[str, pa.Table] = {}
    for name, node_type in schema.node_types.items():
        progress(done, steps, f"export {name}")
        nodes[name] = _node_table(node_type, list(store.scan_nodes(name)))
        done += 1
    ids = {name: IdMap(name, nodes[name].column(t.key).combine_chunks()) for name, t in schema.node_types.items()}
    edges: dict[str, EdgeTable] = {}
    for name, relation in schema.relation_types.items():
        progress(done, steps, f"export {name}")
        scanned = store.scan_edges(name) if name != RECOMMENDED else iter(())  # our own lists are no facts
        parts = [_edge_part(relation, ids, batch) for batch in scanned]
        edges[name] = _sorted(_concatenate(relation, parts))
        done += 1
    progress(done, steps, "exported")
    return Snapshot(schema, store.url, nodes, edges)


def _node_table(node_type: NodeType, batches: list[pa.RecordBatch]) -> pa.Table:
    fields = pa.schema([(p.name, DATATYPES[p.datatype].arrow) for p in node_type.properties])
    if not batches:
        return fields.empty_table()
    table = pa.Table.from_batches(batches).select(fields.names).cast(fields)
    return table.sort_by(node_type.key).combine_chunks()


def _edge_part(relation: RelationType, ids: Mapping[str, IdMap], batch: pa.RecordBatch) -> EdgeTable:
    source = ids[relation.source].indices(batch.column("source"))
    target = ids[relation.target].indices(batch.column("target"))
    if (source < 0).any() or (target < 0).any():
        row = int(np.argmax((source < 0) | (target < 0)))
        raise SnapshotError(
            f"{relation.name}: an edge from {batch.column('source')[row]} to {batch.column('target')[row]} names "
            "a node that is not there; the graph changed during the export: export again"
        )
    weight = time = None
    if relation.weight is not None:
        weight = np.asarray(pc.fill_null(batch.column(relation.weight).cast(pa.float32()), np.nan), dtype=np.float32)
    if relation.time is not None:
        time = np.asarray(pc.fill_null(batch.column(relation.time).cast(pa.int64()), NO_TIME), dtype=np.int64)
    return EdgeTable(source, target, weight, time)


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


def _sorted(edges: EdgeTable) -> EdgeTable:
    step = np.diff(edges.source)
    if (step >= 0).all() and (np.diff(edges.target)[step == 0] >= 0).all():
        return edges  # as scans give them
    return edges.take(np.lexsort((edges.target, edges.source)))
