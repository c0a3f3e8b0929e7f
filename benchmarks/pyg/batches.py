"""Mini-batches a second: how long a loader takes, what it gave, and how fast a network learns from it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch_geometric.loader import LinkNeighborLoader
from torch_geometric.nn import HeteroConv, SAGEConv

from kg_rec import pyg

#: Numbers of a node in the network.
_SIZE = 32


@dataclass(frozen=True)
class Work:
    """What every loader does.

    Attributes:
        kind: edge type of the interactions.
        links: those to start from, shape (2, n).
        neighbors: most neighbours, one number a hop.
        batch: links a mini-batch.
        seed: of the sampler.
    """

    kind: tuple[str, str, str]
    links: torch.Tensor
    neighbors: tuple[int, ...]
    batch: int
    seed: int

    def loader(self, data: Any) -> LinkNeighborLoader:
        """A loader over the links, on an exported graph or one in a store."""
        return LinkNeighborLoader(
            data,
            list(self.neighbors),
            (self.kind, self.links),
            neighbor_sampler=pyg.SeededNeighborSampler(data, self.neighbors, seed=self.seed),
            neg_sampling="binary",
            batch_size=self.batch,
            transform=data[1].add_edge_attributes if isinstance(data, tuple) else None,
        )


def passed(work: Work, data: Any) -> tuple[float, list[str]]:
    """Links a second of one pass, and a digest of each mini-batch, which is not in the time."""
    digests, seconds = [], 0.0
    batches = iter(work.loader(data))
    while True:
        started = time.perf_counter()
        batch = next(batches, None)
        seconds += time.perf_counter() - started
        if batch is None:
            return work.links.shape[1] / seconds, digests
        digests.append(_digest(batch))


def _digest(batch: Any) -> str:
    """Of nodes, edges, links and attributes of edges; features are floats and compared by the tests."""
    digest = hashlib.sha256()
    for name in sorted(batch.node_types):
        digest.update(batch[name].n_id.numpy().tobytes())
    for kind in sorted(batch.edge_types):
        for part in ("edge_index", "edge_weight", "edge_time", "liked", "edge_label_index", "edge_label"):
            if part in batch[kind]:
                digest.update(batch[kind][part].contiguous().numpy().tobytes())
    return digest.hexdigest()


def trained(work: Work, data: Any, batches: Iterable[Any], counts: dict[str, int]) -> float:
    """Links a second of one pass in which a network of two layers of GraphSAGE learns from each mini-batch.

    Args:
        work: the links.
        data: where the mini-batches come from.
        batches: the loader, or what makes its mini-batches ahead.
        counts: number of nodes by type.
    """
    torch.manual_seed(work.seed)
    kinds = data[1].edge_types if isinstance(data, tuple) else sorted(data.edge_types)
    start = {name: torch.nn.Embedding(count, _SIZE) for name, count in counts.items()}
    layers = [HeteroConv({kind: SAGEConv(_SIZE, _SIZE) for kind in kinds}) for _ in work.neighbors]
    modules = torch.nn.ModuleList([*start.values(), *layers])
    optimizer = torch.optim.SGD(modules.parameters(), lr=0.01)
    started = time.perf_counter()
    for batch in batches:
        h = {name: embedding(batch[name].n_id) for name, embedding in start.items()}
        for layer in layers:
            h |= {name: h[name] + new.relu() for name, new in layer(h, batch.edge_index_dict).items()}
        source, target = batch[work.kind].edge_label_index
        scores = (h[work.kind[0]][source] * h[work.kind[2]][target]).sum(dim=1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, batch[work.kind].edge_label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return work.links.shape[1] / (time.perf_counter() - started)
