"""Neighbour sampling that a seed decides alone, over a graph in memory or in a store, without pyg-lib.

PyTorch Geometric's own ``NeighborSampler`` needs pyg-lib or torch-sparse and the whole graph in memory.  This one is a
``BaseSampler``: ``NeighborLoader`` and ``LinkNeighborLoader`` take it by ``neighbor_sampler=``.

From the nodes of a mini-batch it walks edges backwards, hop by hop, and keeps of each node and edge type at most so
many edges, drawn without replacement (Hamilton, Ying and Leskovec, "Inductive representation learning on large graphs",
NeurIPS 2017).  What is drawn depends on the seed and on the nodes of the mini-batch alone: it is the same from memory
and from a store, in one process and in several, and in whatever order mini-batches come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.sampler import (
    BaseSampler,
    EdgeSamplerInput,
    HeteroSamplerOutput,
    NegativeSampling,
    NodeSamplerInput,
)
from torch_geometric.sampler.base import NumNeighbors
from torch_geometric.sampler.neighbor_sampler import edge_sample, node_sample

from kg_rec.arrays.segments import bounds_of, grouped, ranges
from kg_rec.arrays.types import Ints
from kg_rec.errors import ArgumentError
from kg_rec.pyg.edges import Edges, EdgeType, Incoming, MemoryEdges, checked, reverse_of
from kg_rec.pyg.graph import StoreGraph

if TYPE_CHECKING:
    from kg_rec.pyg.features import StoreFeatures


class SeededNeighborSampler(BaseSampler):  # type: ignore[misc]
    """A sampler for ``NeighborLoader(..., neighbor_sampler=)`` and ``LinkNeighborLoader(..., neighbor_sampler=)``.

    Negative links are drawn from the same seed, uniformly or by the weights of ``NegativeSampling``; like those of
    PyTorch Geometric they may be links that exist.

    With a time for each seed (``input_time`` or ``edge_label_time``) every seed has a subgraph of its own, of edges
    that are older than it: what is learned of a moment is not told what came at that moment or after it.  Edges
    without a time count as always there.

    Args:
        data: a ``HeteroData``, as of ``snapshot.to_pyg()``, or what :func:`kg_rec.pyg.remote_backend` returns.
        num_neighbors: most edges per node, one number a hop, -1 for all; or such a list by edge type, or a
            ``NumNeighbors``.  An edge type with 0 is not looked up.
        seed: what is drawn depends on it, at least 0.
        disjoint: give every seed a subgraph of its own.
        leave_out_links: links that are seeds are not walked along, in neither direction; else a model sees in its input
            what it has to predict.

    Raises:
        ArgumentError: the data is no heterogeneous graph of these two kinds, or the seed is below 0.
    """

    def __init__(
        self,
        data: HeteroData | tuple[StoreFeatures, StoreGraph],
        num_neighbors: Sequence[int] | Mapping[EdgeType, Sequence[int]] | NumNeighbors,
        *,
        seed: int,
        disjoint: bool = False,
        leave_out_links: bool = True,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ArgumentError(f"seed: expected an integer of at least 0, got {seed!r}")
        self._edges: Edges = _edges_of(data)
        given = num_neighbors if isinstance(num_neighbors, NumNeighbors) else NumNeighbors(_plain(num_neighbors))
        self.num_neighbors = given  # PyTorch Geometric's models ask a loader's sampler for it
        self._most: dict[EdgeType, list[int]] = given.get_values(self._edges.edge_types)
        self._seed = seed
        self._disjoint = disjoint
        self._leave_out_links = leave_out_links

    def sample_from_nodes(self, index: NodeSamplerInput, **_: Any) -> HeteroSamplerOutput:
        """A subgraph around nodes; see ``BaseSampler``."""
        rng = self._rng(index.input_type, index.node)
        walk = _Walk(self._edges, self._most, rng, self._disjoint or index.time is not None)
        return node_sample(index, walk.sampled)

    def sample_from_edges(
        self, index: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> HeteroSamplerOutput:
        """A subgraph around both ends of links, and of negative ones; see ``BaseSampler``."""
        rng = self._rng("->".join(index.input_type), index.row, index.col)
        disjoint = self._disjoint or index.time is not None
        walk = _Walk(self._edges, self._most, rng, disjoint)
        if self._leave_out_links:
            walk.leave_out(tuple(index.input_type), index.row.numpy(), index.col.numpy())
        negatives = None if neg_sampling is None else _Negatives(neg_sampling, rng)
        return edge_sample(index, walk.sampled, dict(self._edges.node_counts), disjoint, None, negatives)

    def _rng(self, what: str, *seeds: Tensor) -> np.random.Generator:
        digest = hashlib.blake2b(what.encode(), digest_size=16)
        for nodes in seeds:
            digest.update(nodes.numpy().astype(np.int64).tobytes())
        return np.random.default_rng([self._seed, int.from_bytes(digest.digest(), "little")])


def _edges_of(data: Any) -> Edges:
    if isinstance(data, HeteroData):
        return MemoryEdges(data)
    if isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[1], StoreGraph):
        return data[1]
    raise ArgumentError(
        "data: expected a HeteroData such as snapshot.to_pyg(), or what kg_rec.pyg.remote_backend returns, got "
        f"{type(data).__name__}"
    )


def _plain(num_neighbors: Sequence[int] | Mapping[EdgeType, Sequence[int]]) -> Any:
    if isinstance(num_neighbors, Mapping):
        return {edge_type: list(most) for edge_type, most in num_neighbors.items()}
    return list(num_neighbors)


class _Negatives(NegativeSampling):  # type: ignore[misc]
    """A configuration of negative links that draws from a generator of ours, not from the process's."""

    def __init__(self, given: Any, rng: np.random.Generator) -> None:
        super().__init__(given.mode, given.amount, given.src_weight, given.dst_weight)
        self._weights, self._rng = {"src": given.src_weight, "dst": given.dst_weight}, rng

    def sample(self, num_samples: int, endpoint: str, num_nodes: int) -> Tensor:
        """Nodes for one end of the negative links."""
        weight = self._weights[endpoint]
        if weight is None:
            return torch.from_numpy(self._rng.integers(num_nodes, size=num_samples))
        if len(weight) != num_nodes:
            raise ArgumentError(f"{endpoint}_weight: expected {num_nodes} numbers, one a node, got {len(weight)}")
        chances = weight.cpu().numpy().astype(np.float64)
        return torch.from_numpy(self._rng.choice(num_nodes, num_samples, p=chances / chances.sum()))


class _Walk:
    """One mini-batch."""

    def __init__(
        self, edges: Edges, most: Mapping[EdgeType, list[int]], rng: np.random.Generator, disjoint: bool
    ) -> None:
        self._edges, self._most, self._rng, self._disjoint = edges, most, rng, disjoint
        self._left_out: dict[EdgeType, Ints] = {}
        self._times: Ints | None = None

    def leave_out(self, edge_type: EdgeType, source: Ints, target: Ints) -> None:
        """Do not walk along these links, nor back."""
        for kind, ends in ((edge_type, (source, target)), (reverse_of(edge_type), (target, source))):
            if kind in self._most:
                self._left_out[kind] = np.unique(self._codes(kind, *ends))

    def sampled(self, seeds: Mapping[str, Tensor], times: Mapping[str, Tensor] | None) -> HeteroSamplerOutput:
        """The subgraph around seeds, by node type, each with its time, if they have one."""
        counts = self._edges.node_counts
        reached = {name: _Found(count) for name, count in counts.items()}
        begun = 0
        for name, tensor in seeds.items():
            nodes = checked(name, tensor, counts[name])
            reached[name].begin(nodes, begun + np.arange(len(nodes)) if self._disjoint else np.zeros(len(nodes), int))
            begun += len(nodes)
        for nodes_found in reached.values():
            nodes_found.go_on()
        if times is not None:
            self._times = np.concatenate([times[name].numpy().astype(np.int64) for name in seeds])
        walked: dict[EdgeType, list[tuple[Ints, Ints, Ints | None]]] = {kind: [] for kind in self._most}
        for hop in range(max(map(len, self._most.values()), default=0)):
            for edge_type, most in self._most.items():
                walked[edge_type].append(self._step(edge_type, most[hop], reached))
            for nodes_found in reached.values():
                nodes_found.go_on()
        return self._output(reached, walked)

    def _step(self, edge_type: EdgeType, most: int, reached: Mapping[str, _Found]) -> tuple[Ints, Ints, Ints | None]:
        """Local rows, local columns and positions of the edges that one hop takes of one type."""
        source, _, target = edge_type
        columns = reached[target].frontier if most else np.empty(0, np.int64)
        nodes, batch = reached[target].nodes[columns], reached[target].batch[columns]
        incoming = self._edges.incoming(edge_type, nodes)
        owner = np.repeat(np.arange(len(nodes)), np.diff(incoming.bounds))
        rows = np.flatnonzero(self._allowed(edge_type, incoming, nodes[owner], batch[owner]))
        owner = owner[rows]
        kept = _drawn(self._rng, owner, len(nodes), most)
        rows, owner = rows[kept], owner[kept]
        local = reached[source].add(incoming.source[rows], batch[owner])
        return local, columns[owner], None if incoming.position is None else incoming.position[rows]

    def _allowed(self, edge_type: EdgeType, incoming: Incoming, target: Ints, batch: Ints) -> NDArray[np.bool_]:
        allowed = np.ones(len(incoming.source), bool)
        if self._times is not None and incoming.time is not None:
            allowed &= incoming.time < self._times[batch]
        if edge_type in self._left_out:
            allowed &= ~np.isin(self._codes(edge_type, incoming.source, target), self._left_out[edge_type])
        return allowed

    def _codes(self, edge_type: EdgeType, source: Ints, target: Ints) -> Ints:
        """One number a pair."""
        return source * self._edges.node_counts[edge_type[2]] + target

    def _output(
        self, reached: Mapping[str, _Found], walked: Mapping[EdgeType, list[tuple[Ints, Ints, Ints | None]]]
    ) -> HeteroSamplerOutput:
        rows: dict[EdgeType, Tensor] = {}
        columns: dict[EdgeType, Tensor] = {}
        positions: dict[EdgeType, Tensor | None] = {}
        for kind, hops in walked.items():
            rows[kind] = _tensor([row for row, _, _ in hops])
            columns[kind] = _tensor([column for _, column, _ in hops])
            known = [position for _, _, position in hops if position is not None]
            positions[kind] = _tensor(known) if len(known) == len(hops) else None
        batch = {name: torch.from_numpy(nodes.batch) for name, nodes in reached.items()} if self._disjoint else None
        return HeteroSamplerOutput(
            node={name: torch.from_numpy(nodes.nodes) for name, nodes in reached.items()},
            row=rows,
            col=columns,
            edge=positions,
            batch=batch,
            num_sampled_nodes={name: np.diff(nodes.steps).tolist() for name, nodes in reached.items()},
            num_sampled_edges={kind: [len(row) for row, _, _ in hops] for kind, hops in walked.items()},
        )


def _tensor(parts: Sequence[Ints]) -> Tensor:
    return torch.from_numpy(np.concatenate([np.empty(0, np.int64), *parts]))


def _drawn(rng: np.random.Generator, owner: Ints, owners: int, most: int) -> Ints:
    """Positions of at most so many edges of each owner, drawn without replacement, in their order.

    Args:
        rng: the generator.
        owner: of each edge, sorted, shape (m,).
        owners: their number.
        most: edges per owner; -1 for all.
    """
    lengths = np.bincount(owner, minlength=owners)
    if most < 0 or not (lengths > most).any():
        return np.arange(len(owner))
    bounds = bounds_of(lengths)
    many = np.flatnonzero(lengths > most)
    rows = ranges(bounds[many], lengths[many])
    of = np.repeat(np.arange(len(many)), lengths[many])
    shuffled = rng.permutation(len(rows))
    order, starts = grouped(of[shuffled], len(many))
    rank = np.arange(len(order)) - np.repeat(starts[:-1], lengths[many])
    keep = np.ones(len(owner), bool)
    keep[rows[shuffled[order[rank >= most]]]] = False
    return np.flatnonzero(keep)


class _Found:
    """The nodes of one type that a walk has found, in that order; in disjoint subgraphs each has its own.

    Attributes:
        nodes: their dense indices, shape (n,).
        batch: the seed of each one's subgraph, shape (n,); zeros where all share one.
        steps: number of nodes at the beginning, with the seeds, and after each hop.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.nodes: Ints = np.empty(0, np.int64)
        self.batch: Ints = np.empty(0, np.int64)
        self.steps = [0]
        self._codes: Ints = np.empty(0, np.int64)  # sorted, with the local index of each
        self._local: Ints = np.empty(0, np.int64)

    @property
    def frontier(self) -> Ints:
        """Local indices of the nodes that the last hop found."""
        return np.arange(self.steps[-2], self.steps[-1]) if len(self.steps) > 1 else np.empty(0, np.int64)

    def begin(self, nodes: Ints, batch: Ints) -> None:
        """Begin at seeds; a node that is there twice stays so, and edges from it begin at the first."""
        self.nodes, self.batch = nodes, batch
        self._codes, self._local = np.unique(batch * self._count + nodes, return_index=True)

    def go_on(self) -> None:
        """The next hop begins."""
        self.steps.append(len(self.nodes))

    def add(self, nodes: Ints, batch: Ints) -> Ints:
        """Local indices of nodes; those that were not there get the next ones."""
        codes = batch * self._count + nodes
        unique, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        place = np.searchsorted(self._codes, unique)
        near = np.minimum(place, max(len(self._codes) - 1, 0))
        known = self._codes[near] == unique if len(self._codes) else np.zeros(len(unique), bool)
        local = np.empty(len(unique), np.int64)
        local[known] = self._local[near[known]]
        new = np.flatnonzero(~known)
        new = new[np.argsort(first[new], kind="stable")]
        local[new] = len(self.nodes) + np.arange(len(new))
        self.nodes = np.concatenate([self.nodes, nodes[first[new]]])
        self.batch = np.concatenate([self.batch, batch[first[new]]])
        merged = np.concatenate([self._codes, unique[new]])
        order = np.argsort(merged, kind="stable")
        self._codes, self._local = merged[order], np.concatenate([self._local, local[new]])[order]
        return local[inverse]
