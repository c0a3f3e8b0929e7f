"""A snapshot for other libraries: Arrow tables, networkx, PyTorch Geometric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from kg_rec.schema import GraphSchema
from kg_rec.snapshot.tables import NO_TIME, EdgeTable, IdMap

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data.hetero_data import HeteroData


class Graph(Protocol):
    """What is read of a :class:`~kg_rec.snapshot.snapshot.Snapshot`."""

    @property
    def schema(self) -> GraphSchema:
        """Node types and relation types."""
        ...

    @property
    def ids(self) -> Mapping[str, IdMap]:
        """Id map by node type."""
        ...

    @property
    def nodes(self) -> Mapping[str, pa.Table]:
        """Rows by node type."""
        ...

    @property
    def edges(self) -> Mapping[str, EdgeTable]:
        """Edges by relation type."""
        ...


def to_arrow(snapshot: Graph) -> dict[str, pa.Table]:
    """Every node type and relation type as an Arrow table; edges carry keys in ``source`` and ``target``."""
    tables = dict(snapshot.nodes)
    for name, edges in snapshot.edges.items():
        relation = snapshot.schema.relation_types[name]
        columns: dict[str, Any] = {
            "source": snapshot.ids[relation.source].keys.take(pa.array(edges.source)),
            "target": snapshot.ids[relation.target].keys.take(pa.array(edges.target)),
        }
        if relation.weight is not None and edges.weight is not None:
            columns[relation.weight] = pa.array(edges.weight, mask=np.isnan(edges.weight))
        if relation.time is not None and edges.time is not None:
            columns[relation.time] = pa.array(edges.time, mask=edges.time == NO_TIME)
        tables[name] = pa.table(columns)
    return tables


def to_networkx(snapshot: Graph) -> nx.MultiDiGraph[tuple[str, str]]:
    """A multi-digraph: nodes are (type, key) with their properties, edges are keyed by relation type.

    The attributes are what GraphML and GEXF can hold: a property without a value is left out, a date is text
    (YYYY-MM-DD), a list is JSON.
    """
    import networkx as nx

    graph: nx.MultiDiGraph[tuple[str, str]] = nx.MultiDiGraph()
    tables = to_arrow(snapshot)
    for name, node_type in snapshot.schema.node_types.items():
        rows = tables[name].to_pylist()
        graph.add_nodes_from(((name, row[node_type.key]), {"type": name, **_attributes(row)}) for row in rows)
    for name, relation in snapshot.schema.relation_types.items():
        for row in tables[name].to_pylist():
            ends = (relation.source, row.pop("source")), (relation.target, row.pop("target"))
            graph.add_edge(*ends, key=name)
            graph.edges[*ends, name].update(_attributes(row))  # by itself, as a property may be called "key"
    return graph


def _attributes(row: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    return {name: _plain(value) for name, value in row.items() if value is not None}


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return value  # type: ignore[no-any-return]  # a number, a text or a boolean


def to_pyg(snapshot: Graph) -> HeteroData:
    """A ``torch_geometric.data.HeteroData``.

    Per node type ``num_nodes`` and, where the schema has a vector, ``x`` (n, dimensions), NaN for a node without
    one; per relation type
    ``edge_index`` (2, m), and ``edge_weight`` (m,) and ``edge_time`` (m,) where the schema has them.
    """
    import torch
    from torch_geometric.data.hetero_data import HeteroData

    data = HeteroData()
    for name, node_type in snapshot.schema.node_types.items():
        data[name].num_nodes = len(snapshot.ids[name])
        vector = next((p for p in node_type.properties if p.use == "vector"), None)
        if vector is not None and len(snapshot.ids[name]):
            absent = [float("nan")] * (vector.dimensions or 0)
            rows = [absent if row is None else row for row in snapshot.nodes[name].column(vector.name).to_pylist()]
            data[name].x = torch.tensor(rows, dtype=torch.float32)
    for name, relation in snapshot.schema.relation_types.items():
        edges, store = snapshot.edges[name], data[relation.source, name, relation.target]
        store.edge_index = torch.from_numpy(np.stack([edges.source, edges.target]))
        if edges.weight is not None:
            store.edge_weight = torch.from_numpy(np.array(edges.weight))
        if edges.time is not None:
            store.edge_time = torch.from_numpy(np.array(edges.time))
    return data
