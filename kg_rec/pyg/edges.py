"""The edges that come to nodes: what neighbour sampling asks of a graph, be it in memory or in a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from kg_rec.arrays.segments import bounds_of, grouped, ranges
from kg_rec.arrays.types import Ints
from kg_rec.errors import ArgumentError

if TYPE_CHECKING:
    from torch_geometric.data.hetero_data import HeteroData

#: Type of the source, relation, type of the target.
EdgeType: TypeAlias = tuple[str, str, str]

#: How PyTorch Geometric names the other direction of a relation (``ToUndirected``).
_REVERSED = "rev_"


def reverse_of(edge_type: EdgeType) -> EdgeType:
    """The type of the same edges in the other direction."""
    source, relation, target = edge_type
    reversed_ = relation[len(_REVERSED) :] if relation.startswith(_REVERSED) else _REVERSED + relation
    return target, reversed_, source


def checked(node_type: str, nodes: Any, count: int) -> Ints:
    """Dense indices of nodes of a type, int64, shape (n,).

    Args:
        node_type: their type, for the message.
        nodes: a tensor, an array, a list or one number.
        count: number of nodes of the type.

    Raises:
        ArgumentError: one is below 0 or above the last.
    """
    indices = np.atleast_1d(np.asarray(nodes)).astype(np.int64)
    wrong = indices[(indices < 0) | (indices >= count)]
    if len(wrong):
        raise ArgumentError(f"{node_type}: expected nodes from 0 to {count - 1}, got {wrong[0]}")
    return indices


@dataclass(frozen=True)
class Incoming:
    """The edges that come to some nodes, grouped by node, in each group by source.

    Attributes:
        bounds: the edges of the n-th node are ``bounds[n]:bounds[n + 1]``, shape (nodes + 1,).
        source: dense indices of their sources, shape (m,).
        time: Unix seconds, the smallest int64 for none, shape (m,); None where the edges have none.
        position: where each stands in the type's ``edge_index``, shape (m,); None where that is not known.
    """

    bounds: Ints
    source: Ints
    time: Ints | None = None
    position: Ints | None = None


class Edges(Protocol):
    """A graph that sampling can walk backwards."""

    @property
    def node_counts(self) -> Mapping[str, int]:
        """Number of nodes by type."""
        ...

    @property
    def edge_types(self) -> list[EdgeType]:
        """Its edge types, sorted."""
        ...

    def incoming(self, edge_type: EdgeType, nodes: Ints) -> Incoming:
        """The edges of a type that come to nodes, which are dense indices and may repeat."""
        ...


class MemoryEdges:
    """The edges of a ``HeteroData``, sorted by target once for each type.

    Args:
        data: the graph; ``edge_time`` of an edge type is its time.

    Raises:
        ArgumentError: a type has no ``edge_index``.
    """

    def __init__(self, data: HeteroData) -> None:
        self._counts = {name: int(data[name].num_nodes) for name in data.node_types}
        self._types: list[EdgeType] = sorted(data.edge_types)
        self._sorted: dict[EdgeType, Incoming] = {}
        for edge_type in self._types:
            if "edge_index" not in data[edge_type]:
                raise ArgumentError(f"{edge_type}: expected edges in edge_index, got {list(data[edge_type].keys())}")
            source, target = (ends.numpy() for ends in data[edge_type].edge_index.cpu())
            by_source = np.argsort(source, kind="stable")
            order, bounds = grouped(target[by_source], self._counts[edge_type[2]])
            order = by_source[order]
            time = data[edge_type].edge_time.cpu().numpy()[order] if "edge_time" in data[edge_type] else None
            self._sorted[edge_type] = Incoming(bounds, source[order], time, order)

    @property
    def node_counts(self) -> Mapping[str, int]:
        """See :class:`Edges`."""
        return self._counts

    @property
    def edge_types(self) -> list[EdgeType]:
        """See :class:`Edges`."""
        return self._types

    def incoming(self, edge_type: EdgeType, nodes: Ints) -> Incoming:
        """See :class:`Edges`."""
        every = self._sorted[edge_type]
        starts = every.bounds[nodes]
        lengths = every.bounds[nodes + 1] - starts
        rows = ranges(starts, lengths)
        return Incoming(
            bounds_of(lengths),
            every.source[rows],
            None if every.time is None else every.time[rows],
            None if every.position is None else every.position[rows],
        )
