"""The features of a store's nodes for PyTorch Geometric: those of the nodes of a mini-batch, looked up by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import FeatureStore, TensorAttr

from kg_rec.arrays.types import Ints
from kg_rec.errors import ArgumentError
from kg_rec.pyg.cache import Cache, Segments
from kg_rec.pyg.connection import Connection
from kg_rec.pyg.edges import EdgeType, checked, reverse_of
from kg_rec.pyg.graph import StoreGraph
from kg_rec.schema import RelationType
from kg_rec.snapshot.columns import NodeColumns, class_indices, texts
from kg_rec.snapshot.tables import IdMap


@dataclass(frozen=True)
class Label:
    """What ``y`` of the items is.

    Attributes:
        name: a property of the items, or a relation type that leaves them.
        classes: the values of the property, sorted; None for a relation type, whose targets are the classes.
        relation: the relation type; None for a property.
    """

    name: str
    classes: pa.Array | None
    relation: RelationType | None


class StoreFeatures(FeatureStore):  # type: ignore[misc]
    """The nodes of a store as a ``torch_geometric.data.FeatureStore``, for reading only.

    Per node type ``n_id``, the dense indices; ``x``, float32, with the columns of ``snapshot.to_pyg()``; and of the
    items ``y``, where a label is asked for.  A node that is gone since the keys were read has the features of one
    without any value.

    Args:
        connection: the store.
        graph: its edges, of which a label may be one.
        ids: id map by node type.
        cache: where features are kept.
        columns: the columns of ``x`` by node type.
        item: name of the item type.
        label: what ``y`` is, if it is wanted.
    """

    def __init__(
        self,
        connection: Connection,
        graph: StoreGraph,
        ids: Mapping[str, IdMap],
        cache: Cache,
        columns: Mapping[str, NodeColumns],
        item: str,
        label: Label | None,
    ) -> None:
        super().__init__()
        self._connection, self._graph, self._ids, self._cache = connection, graph, ids, cache
        self._columns, self._item, self._label = columns, item, label

    @property
    def feature_names(self) -> dict[str, list[str]]:
        """The columns of ``x`` by node type."""
        return {name: columns.names for name, columns in self._columns.items() if self._has_x(name)}

    @property
    def label_names(self) -> NDArray[Any] | None:
        """The classes of ``y`` (keys of the targets where the label is a relation type); None without a label."""
        if self._label is None:
            return None
        relation = self._label_relation
        return texts(self._label.classes if relation is None else self._ids[relation.target].keys)

    def keys(self, node_type: str, nodes: Tensor) -> list[str]:
        """The keys of nodes, such as those of a mini-batch: ``features.keys("Film", batch["Film"].n_id)``."""
        return list(self._ids[node_type].keys.take(pa.array(nodes.numpy())).to_pylist())

    def indices(self, node_type: str, keys: list[str]) -> Tensor:
        """Dense indices of keys, int64; what a loader's ``input_nodes`` takes.

        Raises:
            NotFoundError: a key is not in the graph, or came after the keys were read.
        """
        return torch.tensor([self._ids[node_type].index(key) for key in keys], dtype=torch.int64)

    # --- what PyTorch Geometric asks ---------------------------------------------------------------

    def get_all_tensor_attrs(self) -> list[TensorAttr]:
        """What there is of each node type."""
        return [TensorAttr(name, attribute) for name in self._ids for attribute in self._attributes(name)]

    def _get_tensor(self, attr: TensorAttr) -> Tensor:
        name, nodes = self._group(attr), self._nodes(attr)
        if attr.attr_name == "n_id":
            return torch.from_numpy(nodes)
        if attr.attr_name == "y" and self._label_relation is not None:
            return torch.from_numpy(self._targets(self._label_relation, nodes))
        x, y = self._cache.values(name, nodes, lambda some: self._fetched(name, some)).columns
        return torch.from_numpy(x if attr.attr_name == "x" else y)

    def _get_tensor_size(self, attr: TensorAttr) -> tuple[int, ...]:
        count = len(self._ids[self._group(attr)])
        if attr.attr_name == "x":
            return count, len(self._columns[attr.group_name].names)
        if attr.attr_name == "y" and self._label_relation is not None:
            return count, len(self._ids[self._label_relation.target])
        return (count,)

    def _put_tensor(self, tensor: Any, attr: TensorAttr) -> bool:
        raise ArgumentError("a feature store of kg_rec is for reading only; write nodes with kg-rec load")

    def _remove_tensor(self, attr: TensorAttr) -> bool:
        raise ArgumentError("a feature store of kg_rec is for reading only; delete nodes with Cypher of your own")

    def __repr__(self) -> str:
        parts = (f"{name}: {' '.join(self._attributes(name))}" for name in self._ids)
        return f"StoreFeatures({', '.join(parts)}; in a store)"

    # --- inside ------------------------------------------------------------------------------------

    @property
    def _label_relation(self) -> RelationType | None:
        return None if self._label is None else self._label.relation

    def _has_x(self, name: str) -> bool:
        return bool(self._columns[name].names) and len(self._ids[name]) > 0

    def _attributes(self, name: str) -> list[str]:
        names = ["n_id", "x"] if self._has_x(name) else ["n_id"]
        return [*names, "y"] if name == self._item and self._label is not None else names

    def _group(self, attr: TensorAttr) -> str:
        name = attr.group_name
        if name not in self._ids:
            raise ArgumentError(f"expected one of the node types {', '.join(self._ids)}, got {name}")
        known = self._attributes(name)
        if attr.attr_name not in known:
            raise ArgumentError(f"expected one of {', '.join(known)} of {name}, got {attr.attr_name}")
        return str(name)

    def _nodes(self, attr: TensorAttr) -> Ints:
        index, count = attr.index, len(self._ids[attr.group_name])
        if index is None or isinstance(index, slice):
            return np.arange(count)[slice(None) if index is None else index]
        return checked(attr.group_name, index, count)

    def _fetched(self, name: str, nodes: Ints) -> Segments:
        """Of each node its row of ``x`` and its class, None where it has none."""
        ids, columns = self._ids[name], self._columns[name]
        label = self._label if name == self._item and self._label_relation is None else None
        if not len(nodes):
            x = np.empty((0, len(columns.names)), np.float32) if self._has_x(name) else None
            return Segments(np.zeros(1, np.int64), (x, None if label is None else np.empty(0, np.int64)))
        properties = [*columns.properties, *([label.name] if label is not None else [])]
        table = pa.table({})
        if properties:
            keys = ids.keys.take(pa.array(nodes))
            rows = self._connection.store.read_nodes(name, keys.to_pylist(), columns=properties)
            table = rows.take(pc.index_in(keys, rows.column(0)))  # no value of a node that is gone
        x = columns.rows(table, nodes) if self._has_x(name) else None
        y = class_indices(table[label.name], label.classes) if label is not None else None
        return Segments(np.arange(len(nodes) + 1), (x, y))

    def _targets(self, relation: RelationType, items: Ints) -> NDArray[np.float32]:
        """1 for each target of each item, shape (n, targets)."""
        kind: EdgeType = reverse_of((relation.source, relation.name, relation.target))
        incoming = self._graph.incoming(kind, items)
        many = np.zeros((len(items), len(self._ids[relation.target])), np.float32)
        many[np.repeat(np.arange(len(items)), np.diff(incoming.bounds)), incoming.source] = 1
        return many
