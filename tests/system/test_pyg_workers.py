"""Worker processes of a data loader open the store for themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.loader import NeighborLoader
from toy_graph import fill, films

from kg_rec import pyg
from kg_rec.errors import ArgumentError
from kg_rec.store import GraphStore, connect


def batches(store: GraphStore, **options: Any) -> list[Any]:
    data = pyg.remote_backend(store, numbers=True, drop_empty=True)
    sampler = pyg.SeededNeighborSampler(data, [3, 2], seed=4)
    loader = NeighborLoader(data, [0], "User", neighbor_sampler=sampler, batch_size=32, **options)
    return [(b["Film"].n_id, b["Film"].x, b["Film", "rev_RATED", "User"].edge_index) for b in loader]


def assert_same(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other) == 2
    for mine, theirs in zip(one, other, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


@pytest.mark.neo4j
def test_a_server_is_connected_to_again(films_neo4j: str) -> None:
    store = connect(films_neo4j)
    fill(store, films())
    assert_same(batches(store), batches(store, num_workers=1))
    assert store.query("RETURN 1 AS one")["one"].to_pylist() == [1]  # the worker's end has cut no line of ours
    store.close()


def test_an_embedded_graph_is_opened_again_by_a_new_process_and_not_by_a_copy(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    fill(store, films())
    here = batches(store)
    with pytest.raises(ArgumentError, match=r"a forked worker.*prefetched.*spawn"):
        batches(store, num_workers=1)
    assert_same(here, batches(store, num_workers=1, multiprocessing_context="spawn"))
    store.close()
