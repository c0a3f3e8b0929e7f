"""PyTorch Geometric on a graph in a store: mini-batches are sampled where the graph is, and nothing is exported.

A graph in a store, and one in memory, go through the same sampler; ``docs/pyg.md`` shows both.
"""

from __future__ import annotations

from kg_rec.pyg.backend import remote_backend
from kg_rec.pyg.features import StoreFeatures
from kg_rec.pyg.graph import Links, StoreGraph
from kg_rec.pyg.prefetch import prefetched
from kg_rec.pyg.sampler import SeededNeighborSampler

__all__ = ["Links", "SeededNeighborSampler", "StoreFeatures", "StoreGraph", "prefetched", "remote_backend"]
