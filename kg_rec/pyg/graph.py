"""The edges of a store for PyTorch Geometric: those that come to the nodes of a mini-batch, looked up by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import EdgeAttr, GraphStore, HeteroData
from torch_geometric.data.graph_store import EdgeLayout

from kg_rec.arrays.segments import grouped
from kg_rec.arrays.types import Ints
from kg_rec.errors import ArgumentError
from kg_rec.pyg.cache import Cache, Segments
from kg_rec.pyg.connection import Connection
from kg_rec.pyg.edges import EdgeType, Incoming, checked, reverse_of
from kg_rec.schema import RelationType
from kg_rec.snapshot.canonical import one_edge_a_pair
from kg_rec.snapshot.from_store import edges_of_batch, scanned_edges
from kg_rec.snapshot.tables import EdgeTable, IdMap, counts_as_positive
from kg_rec.store.batch import edge_schema
from kg_rec.store.ledger_cypher import RECOMMENDED


@dataclass(frozen=True)
class Links:
    """Some edges of one type, as tensors; what a ``LinkNeighborLoader`` starts from.

    Attributes:
        edge_index: dense indices of sources and targets, int64, shape (2, m).
        weight: float32, shape (m,), NaN for none; None where the type has no weight.
        time: Unix seconds, int64, shape (m,), the smallest int64 for none; None where the type has no time.
        liked: which count as positive, shape (m,); None where the edges are no interactions.
    """

    edge_index: Tensor
    weight: Tensor | None
    time: Tensor | None
    liked: Tensor | None


class StoreGraph(GraphStore):  # type: ignore[misc]
    """The edges of a store as a ``torch_geometric.data.GraphStore``, for reading only.

    Sampling looks up the edges that come to nodes: all of each node, once, as long as the cache has room for them.  A
    whole edge type is read only where it is asked for, as by ``get_edge_index`` or by a loader that starts from all
    links of a type.  Several edges between two nodes count once, by the schema's rule; an edge from a node that came
    after the keys were read is left out.

    Args:
        connection: the store.
        relations: the relation types to have.
        ids: id map by node type.
        cache: where edges are kept.
        reverse: have each edge type in the other direction too, as ``rev_NAME``.
    """

    def __init__(
        self,
        connection: Connection,
        relations: Sequence[RelationType],
        ids: Mapping[str, IdMap],
        cache: Cache,
        *,
        reverse: bool,
    ) -> None:
        super().__init__()
        self._connection, self._ids, self._cache = connection, ids, cache
        forward = {(r.source, r.name, r.target): (r, False) for r in relations}
        backward = {reverse_of(kind): (r, True) for kind, (r, _) in forward.items()} if reverse else {}
        self._relations: dict[EdgeType, tuple[RelationType, bool]] = {**backward, **forward}

    @property
    def node_counts(self) -> Mapping[str, int]:
        """Number of nodes by type, when the keys were read."""
        return {name: len(ids) for name, ids in self._ids.items()}

    @property
    def edge_types(self) -> list[EdgeType]:
        """Its edge types, sorted."""
        return sorted(self._relations)

    def incoming(self, edge_type: EdgeType, nodes: Ints) -> Incoming:
        """The edges of a type that come to nodes, which are dense indices and may repeat."""
        values = self._values(edge_type, nodes)
        source, _, time = values.columns
        return Incoming(values.bounds, source, time)

    def links(self, edge_type: EdgeType, nodes: Sequence[int] | Tensor | None = None) -> Links:
        """The edges of a type that come to nodes, by target and source; or all of them, as in the exported graph.

        Args:
            edge_type: such as ``("User", "RATED", "Film")``.
            nodes: dense indices of targets; all edges of the type where it is None.

        Raises:
            ArgumentError: there is no such type or node.
        """
        relation, reversed_ = self._relation(edge_type)
        if nodes is None:
            ends = self._ids[relation.source], self._ids[relation.target]
            edges = scanned_edges(self._connection.store, relation, *ends)
            if reversed_:
                edges = EdgeTable(edges.target, edges.source, edges.weight, edges.time)
        else:
            of = checked(edge_type[2], nodes, len(self._ids[edge_type[2]]))
            edges = self._table(edge_type, np.unique(of))
        liked = counts_as_positive(edges, relation) if relation.interaction else None
        return Links(
            torch.from_numpy(np.stack([edges.source, edges.target])),
            _tensor(edges.weight),
            _tensor(edges.time),
            _tensor(liked),
        )

    def add_edge_attributes(self, batch: HeteroData) -> HeteroData:
        """Put ``edge_weight``, ``edge_time`` and ``liked`` on the edges of a mini-batch; a loader's ``transform``.

        PyTorch Geometric reads no attributes of edges from a ``GraphStore``.  What sampling looked up is still in the
        cache, if that is not too small.
        """
        for edge_type in self.edge_types:
            if edge_type not in batch.edge_types:
                continue
            source, _, target = edge_type
            row, column = (ends.numpy() for ends in batch[edge_type].edge_index)
            sources, targets = batch[source].n_id.numpy()[row], batch[target].n_id.numpy()[column]
            edges = self._table(edge_type, np.unique(targets))
            count = len(self._ids[source])
            edges = edges.take(np.searchsorted(edges.target * count + edges.source, targets * count + sources))
            relation, _ = self._relation(edge_type)
            if edges.weight is not None:
                batch[edge_type].edge_weight = torch.from_numpy(edges.weight)
            if edges.time is not None:
                batch[edge_type].edge_time = torch.from_numpy(edges.time)
            if relation.interaction:
                batch[edge_type].liked = torch.from_numpy(counts_as_positive(edges, relation))
        return batch

    # --- what PyTorch Geometric asks ---------------------------------------------------------------

    def get_all_edge_attrs(self) -> list[EdgeAttr]:
        """Every edge type with its size."""
        counts = self.node_counts
        return [EdgeAttr(kind, EdgeLayout.COO, size=(counts[kind[0]], counts[kind[2]])) for kind in self.edge_types]

    def _get_edge_index(self, edge_attr: EdgeAttr) -> tuple[Tensor, Tensor] | None:
        if edge_attr.layout != EdgeLayout.COO:
            raise ArgumentError(f"expected edges in the layout coo, got {edge_attr.layout.value}; graph.csc() converts")
        source, target = self.links(tuple(edge_attr.edge_type)).edge_index
        return source, target

    def _put_edge_index(self, edge_index: Any, edge_attr: EdgeAttr) -> bool:
        raise ArgumentError("a graph store of kg_rec is for reading only; write edges with kg-rec load")

    def _remove_edge_index(self, edge_attr: EdgeAttr) -> bool:
        raise ArgumentError("a graph store of kg_rec is for reading only; delete edges with Cypher of your own")

    def __repr__(self) -> str:
        nodes = sum(self.node_counts.values())
        return f"StoreGraph({nodes:,} nodes, {len(self._relations)} edge types; in a store)"

    # --- inside ------------------------------------------------------------------------------------

    def _relation(self, edge_type: EdgeType) -> tuple[RelationType, bool]:
        if edge_type not in self._relations:
            known = ", ".join(map(str, self.edge_types))
            raise ArgumentError(f"expected one of the edge types {known}, got {edge_type}")
        return self._relations[edge_type]

    def _values(self, edge_type: EdgeType, nodes: Ints) -> Segments:
        """The edges that come to nodes: sources, weights, times; from the cache, or looked up."""
        relation, reversed_ = self._relation(edge_type)
        return self._cache.values(edge_type, nodes, lambda some: self._fetched(relation, reversed_, some))

    def _fetched(self, relation: RelationType, reversed_: bool, nodes: Ints) -> Segments:
        sources, targets = self._ids[relation.source], self._ids[relation.target]
        if relation.name == RECOMMENDED or not len(nodes):  # our own lists are no facts
            batch = edge_schema(relation).empty_table()
        else:
            keys = (sources if reversed_ else targets).keys.take(pa.array(nodes)).to_pylist()
            batch = self._connection.store.read_edges(relation.name, keys, end="source" if reversed_ else "target")
        edges, _ = one_edge_a_pair(edges_of_batch(relation, sources, targets, batch), relation)
        of, other = (edges.source, edges.target) if reversed_ else (edges.target, edges.source)
        order, bounds = grouped(np.searchsorted(nodes, of), len(nodes))
        columns = (None if column is None else column[order] for column in (other, edges.weight, edges.time))
        return Segments(bounds, tuple(columns))

    def _table(self, edge_type: EdgeType, nodes: Ints) -> EdgeTable:
        """The edges that come to nodes, by target in the order of ``nodes``, then by source."""
        values = self._values(edge_type, nodes)
        sources, weights, times = values.columns
        return EdgeTable(sources, np.repeat(nodes, np.diff(values.bounds)), weights, times)


def _tensor(values: NDArray[Any] | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(np.array(values))
