"""A snapshot as a graph of PyTorch Geometric: what a GNN of one's own trains on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kg_rec.errors import ArgumentError
from kg_rec.schema import NodeType, PropertyType
from kg_rec.snapshot.convert import Graph
from kg_rec.snapshot.tables import IdMap, counts_as_positive

if TYPE_CHECKING:
    from torch_geometric.data.hetero_data import HeteroData


class NamedGraph(Graph, Protocol):
    """What is read of a :class:`~kg_rec.snapshot.snapshot.Snapshot`."""

    def names(self, node_type: str) -> pa.Array:
        """Name of every node of a type, or its key, in key order."""
        ...


#: Datatypes that :func:`number_columns` makes numbers of.
_NUMBERS = ("integer", "float", "boolean", "date")


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
    - ``x`` float32, shape (n, columns): the schema's vector (NaN for a node without one), then the numbers, then the
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
    keys, names, columns_of = {}, {}, {}
    for name, node_type in snapshot.schema.node_types.items():
        if drop_empty and not len(snapshot.ids[name]):
            continue
        data[name].num_nodes = len(snapshot.ids[name])
        keys[name], names[name] = _texts(snapshot.ids[name].keys), _texts(snapshot.names(name))
        columns = _vector_columns(node_type, snapshot.nodes[name])
        columns |= number_columns(node_type, snapshot.nodes[name]) if numbers else {}
        columns |= _text_columns(text, snapshot.ids[item]) if text is not None and name == item else {}
        if columns and len(snapshot.ids[name]):
            data[name].x = torch.from_numpy(np.stack(list(columns.values()), axis=1).astype(np.float32))
            columns_of[name] = list(columns)
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


def number_columns(node_type: NodeType, table: pa.Table) -> dict[str, NDArray[np.float64]]:
    """Columns of numbers for a network, by name: as ``numbers`` of :func:`to_pyg` says."""
    columns = {}
    for p in node_type.properties:
        if p.datatype not in _NUMBERS or p.use == "key":
            continue
        values = _floats(p, table.column(p.name))
        missing = np.isnan(values)
        if missing.all():
            continue
        values = values / (np.nanmax(np.abs(values)) or 1.0)  # the square of a large number is not finite
        columns[p.name] = np.where(missing, 0.0, (values - np.nanmean(values)) / (np.nanstd(values) or 1.0))
        if missing.any():
            columns[f"{p.name} missing"] = missing.astype(np.float64)
    return columns


def _floats(p: PropertyType, column: pa.ChunkedArray) -> NDArray[np.float64]:
    days = column.cast(pa.int32()) if p.datatype == "date" else column
    return np.asarray(pc.fill_null(days.cast(pa.float64()), np.nan), dtype=np.float64)


def _vector_columns(node_type: NodeType, table: pa.Table) -> dict[str, NDArray[np.float64]]:
    vector = next((p for p in node_type.properties if p.use == "vector"), None)
    if vector is None or not len(table):
        return {}
    absent = [np.nan] * (vector.dimensions or 0)
    rows = np.array([absent if row is None else row for row in table.column(vector.name).to_pylist()], np.float64)
    return {f"{vector.name} {n}": column for n, column in enumerate(rows.T)}


def _text_columns(text: pa.Table, items: IdMap) -> dict[str, NDArray[np.float64]]:
    if not {"item", "vector"} <= set(text.column_names):
        raise ArgumentError(f"text: expected a table with the columns item and vector, got {text.column_names}")
    known = text.filter(pc.is_valid(text["vector"]))
    vectors = known["vector"].to_pylist()
    lengths = sorted({len(v) for v in vectors})
    if len(lengths) > 1:
        raise ArgumentError(f"text: expected vectors of one length, got {lengths}")
    if not lengths:
        return {}
    places = items.indices(known["item"].combine_chunks())
    there = places >= 0
    rows = np.zeros((len(items), lengths[0]))
    rows[places[there]] = np.array(vectors, np.float64)[there]
    return {f"text {n}": column for n, column in enumerate(rows.T)}


def _labels(snapshot: NamedGraph, label: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """``y``, and the names of its classes."""
    item, schema = snapshot.schema.item, snapshot.schema
    relations = [r.name for r in schema.relation_types.values() if r.source == item.name]
    properties = [p.name for p in item.properties if not p.datatype.endswith("_list")]
    if label in relations:
        target, edges = schema.relation_types[label].target, snapshot.edges[label]
        many = np.zeros((len(snapshot.ids[item.name]), len(snapshot.ids[target])), np.float32)
        many[edges.source, edges.target] = 1
        return many, _texts(snapshot.names(target))
    if label not in properties:
        known = ", ".join([*properties, *relations])
        raise ArgumentError(f"label: expected a property or relation type of {item.name} ({known}), got {label!r}")
    column = snapshot.nodes[item.name].column(label)
    classes = pc.unique(column.drop_null()).sort()
    found = pc.fill_null(pc.index_in(column, classes).cast(pa.int64()), -1)
    return np.asarray(found, dtype=np.int64).copy(), _texts(classes)


def _texts(values: pa.Array) -> NDArray[Any]:
    return np.array([str(v) for v in values.to_pylist()], dtype=np.dtypes.StringDType())
