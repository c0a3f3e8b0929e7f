"""A store as what PyTorch Geometric calls a remote backend: a feature store and a graph store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.errors import ArgumentError
from kg_rec.pyg.cache import Cache
from kg_rec.pyg.connection import Connection
from kg_rec.pyg.features import Label, StoreFeatures
from kg_rec.pyg.graph import StoreGraph
from kg_rec.schema import RelationType
from kg_rec.snapshot.columns import NodeColumns, TextVectors, classes_of, label_of, number_properties
from kg_rec.snapshot.missing import check_all_read
from kg_rec.snapshot.tables import IdMap
from kg_rec.store import GraphStore, mapping
from kg_rec.store.batch import node_schema
from kg_rec.store.catalog import find_node_type
from kg_rec.store.ledger_cypher import RECOMMENDED


def remote_backend(
    store: GraphStore,
    *,
    numbers: bool = False,
    text: pa.Table | None = None,
    label: str | None = None,
    drop_empty: bool = False,
    reverse: bool = True,
    cache_mib: int = 256,
) -> tuple[StoreFeatures, StoreGraph]:
    """A store for the loaders of PyTorch Geometric, which then look up what each mini-batch needs.

    ::

        data = kg_rec.pyg.remote_backend(kg_rec.connect("neo4j://localhost"), numbers=True)
        sampler = kg_rec.pyg.SeededNeighborSampler(data, [10, 5], seed=0)
        loader = LinkNeighborLoader(
            data, [10, 5], ("User", "RATED", "Film"), neighbor_sampler=sampler, neg_sampling="binary", batch_size=512
        )

    Node n of a type is the n-th of its sorted keys, and edge types, features and labels are those of
    ``ToUndirected(merge=False)(snapshot.to_pyg(...))``: with the same seed, mini-batches hold the same.

    Read at once are the keys of all nodes (with ``numbers``, their numbers too, for mean and standard deviation; with
    ``label``, the label), about 200 bytes a node.  No edge is read before a mini-batch needs it.

    Args:
        store: an open store, which must stay open.
        numbers: as for ``snapshot.to_pyg()``.
        text: as for ``snapshot.to_pyg()``.
        label: as for ``snapshot.to_pyg()``.
        drop_empty: as for ``snapshot.to_pyg()``; saves a look-up a hop for each of them.
        reverse: have each edge type in the other direction too, as ``rev_NAME``; without them users have no edges that
            come to them, so nothing to learn from.
        cache_mib: room of the two caches, of edges and of features, in MiB each; 0 for none.

    Raises:
        SchemaNotAppliedError: the store holds no schema.
        SnapshotError: nodes have no key, or one of another type than the schema says; or two nodes have one key.
        ArgumentError: there is no such property or relation type, or the table of vectors is not one.
    """
    if cache_mib < 0:
        raise ArgumentError(f"cache_mib: expected at least 0, got {cache_mib}")
    schema, connection = store.schema(), Connection(store)
    wanted = None if label is None else label_of(schema, label)
    ids: dict[str, IdMap] = {}
    columns: dict[str, NodeColumns] = {}
    labelled: Label | None = None
    for name, node_type in schema.node_types.items():
        is_item = name == schema.item.name
        read = [p.name for p in number_properties(node_type)] if numbers else []
        of_label = is_item and wanted is not None and not isinstance(wanted, RelationType)
        table = _nodes(store, name, [*read, label] if of_label and label is not None else read)
        ids[name] = KeyTable(name, table.column(node_type.key).combine_chunks())
        vectors = TextVectors.of(text, ids[name]) if is_item and text is not None else None
        columns[name] = NodeColumns.of(node_type, table, numbers=numbers, text=vectors)
        if is_item and label is not None:
            relation = wanted if isinstance(wanted, RelationType) else None
            labelled = Label(label, None if relation is not None else classes_of(table.column(label)), relation)
    kept = {name: of for name, of in ids.items() if len(of) or not drop_empty}
    relations = [r for r in schema.relation_types.values() if not (drop_empty and _is_empty(store, r))]
    graph = StoreGraph(connection, relations, kept, Cache(cache_mib << 20), reverse=reverse)
    features = StoreFeatures(connection, graph, kept, Cache(cache_mib << 20), columns, schema.item.name, labelled)
    return features, graph


def _is_empty(store: GraphStore, relation: RelationType) -> bool:
    """Whether there is no edge of a type that counts as a fact."""
    if relation.name == RECOMMENDED:
        return True
    pattern, conditions = mapping.step(relation, "a", "b", "r")
    return len(store.query(f"MATCH {pattern}{mapping.where(conditions)} RETURN 1 AS found LIMIT 1")) == 0


def _nodes(store: GraphStore, name: str, columns: Sequence[str]) -> pa.Table:
    """The key and some columns of all nodes of a type, in key order."""
    node_type = find_node_type(store.schema(), name, columns)
    batches = list(store.scan_nodes(name, columns=columns))
    table = pa.Table.from_batches(batches, node_schema(node_type)).combine_chunks()
    check_all_read(store, node_type, table)
    return table


class KeyTable(IdMap):
    """An id map that finds few keys among many fast, time and again: by a table of all keys, made once."""

    def indices(self, keys: Sequence[str] | pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """See :meth:`IdMap.indices`."""
        asked = keys if isinstance(keys, Sequence) else keys.to_pylist()
        return np.fromiter((self._index.get(key, -1) for key in asked), np.int64, len(asked))
