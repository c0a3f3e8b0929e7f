"""A snapshot as a graph of PyTorch Geometric: what a GNN of one's own trains on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.schema import RelationType
from kg_rec.snapshot.columns import NodeColumns, TextVectors, class_indices, classes_of, label_of, texts
from kg_rec.snapshot.convert import Graph
from kg_rec.snapshot.tables import counts_as_positive

if TYPE_CHECKING:
    from torch_geometric.data.hetero_data import HeteroData


class NamedGraph(Graph, Protocol):
    """What is read of a :class:`~kg_rec.snapshot.snapshot.Snapshot`."""

    def names(self, node_type: str) -> pa.Array:
        """Name of every node of a type, or its key, in key order."""
        ...


def to_pyg(
    snapshot: NamedGraph,
    *,
    numbers: bool = False,
    text: pa.Table | None = None,
    label: str | None = None,
    drop_empty: bool = False,
) -> HeteroData:
    """A ``torch_geometric.data.HeteroData``; node n of a type is the n-th of its sorted keys.

    Per node type:

    - ``num_nodes``
    - ``x`` float32, shape (n, columns): the schema's vectors (NaN for a node without one), then the numbers, then the
      text; no ``x`` where there is none of them
    - ``y`` of the items, with ``label``

    Per relation type:

    - ``edge_index`` int64, shape (2, m)
    - ``edge_weight`` float32, shape (m,), NaN for none, and ``edge_time`` Unix seconds, int64, shape (m,), the smallest
      int64 for none, where the schema has them
    - ``liked`` of the interaction, boolean, shape (m,): which count as positive (:meth:`Snapshot.liked`)

    For the graph: ``node_keys`` and ``node_names``, by node type an array of texts, shape (n,); ``feature_names``, by
    node type the columns of ``x``; and ``label_names``, the classes of ``y``.  A mini-batch keeps them, and its
    ``n_id`` counts in them.

    Args:
        snapshot: the graph.
        numbers: put numbers, dates and truth values into ``x``: each with mean 0 and standard deviation 1, 0 where it
            is missing, and a column that says where it is missing, if it ever is.
        text: vectors of the items to put into ``x``, a table with the columns ``item`` and ``vector`` such as
            ``model.text_vectors()``; 0 for an item without one.
        label: what ``y`` is: a property of the items (int64, shape (n,): a class by sorted value, -1 for none), or a
            relation type that leaves the items (float32, shape (n, targets): 1 for each target of an item).
        drop_empty: leave out node types without nodes and relation types without edges.

    Raises:
        ArgumentError: there is no such property or relation type, or the table of vectors is not one.
    """
    import torch
    from torch_geometric.data.hetero_data import HeteroData

    data, item = HeteroData(), snapshot.schema.item.name
    vectors = None if text is None else TextVectors.of(text, snapshot.ids[item])
    keys, names, columns_of = {}, {}, {}
    for name, node_type in snapshot.schema.node_types.items():
        ids, table = snapshot.ids[name], snapshot.nodes[name]
        if drop_empty and not len(ids):
            continue
        data[name].num_nodes = len(ids)
        keys[name], names[name] = texts(ids.keys), texts(snapshot.names(name))
        columns = NodeColumns.of(node_type, table, numbers=numbers, text=vectors if name == item else None)
        if columns.names and len(ids):
            data[name].x = torch.from_numpy(columns.rows(table, np.arange(len(ids))))
            columns_of[name] = columns.names
    if label is not None:
        y, data.label_names = _labels(snapshot, label)
        data[item].y = torch.from_numpy(y)
    for name, relation in snapshot.schema.relation_types.items():
        edges = snapshot.edges[name]
        if drop_empty and not len(edges):
            continue
        store = data[relation.source, name, relation.target]
        store.edge_index = torch.from_numpy(np.stack([edges.source, edges.target]))
        if edges.weight is not None:
            store.edge_weight = torch.from_numpy(np.array(edges.weight))
        if edges.time is not None:
            store.edge_time = torch.from_numpy(np.array(edges.time))
        if relation.interaction:
            store.liked = torch.from_numpy(np.array(counts_as_positive(edges, relation)))
    data.node_keys, data.node_names, data.feature_names = keys, names, columns_of
    return data


def _labels(snapshot: NamedGraph, label: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """``y``, and the names of its classes."""
    item, labelled = snapshot.schema.item.name, label_of(snapshot.schema, label)
    if isinstance(labelled, RelationType):
        edges = snapshot.edges[label]
        many = np.zeros((len(snapshot.ids[item]), len(snapshot.ids[labelled.target])), np.float32)
        many[edges.source, edges.target] = 1
        return many, texts(snapshot.names(labelled.target))
    column = snapshot.nodes[item].column(label)
    classes = classes_of(column)
    return class_indices(column, classes), texts(classes)
