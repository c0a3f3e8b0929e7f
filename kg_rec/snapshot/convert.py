"""A snapshot for other libraries: Arrow tables and networkx; :mod:`kg_rec.snapshot.hetero` is for PyTorch Geometric."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from kg_rec.schema import GraphSchema
from kg_rec.snapshot.tables import NO_TIME, EdgeTable, IdMap

if TYPE_CHECKING:
    import networkx as nx

#: Attributes that GraphML or GEXF, or the graph itself, mean something else by; a property of this name gets a "_".
_TAKEN = frozenset({"id", "type", "viz"})
#: What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
        if edges.times is not None:
            columns["times"] = edges.times
        tables[name] = pa.table(columns)
    return tables


def to_networkx(snapshot: Graph) -> nx.MultiDiGraph[tuple[str, str]]:
    """A multi-digraph: nodes are (type, key) with their properties, edges are keyed by relation type.

    The attributes are what GraphML and GEXF can hold: a property without a value is left out, a date is text
    (YYYY-MM-DD), a list is JSON, a character that XML cannot hold is U+FFFD, and a property called ``id``, ``type`` or
    ``viz`` has a ``_`` after its name.
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
    return {f"{name}_" if name in _TAKEN else name: _plain(value) for name, value in row.items() if value is not None}


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return _NOT_XML.sub("\ufffd", value)
    return value  # type: ignore[no-any-return]  # a number, a text or a boolean
