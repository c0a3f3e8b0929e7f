"""A job and a training on a Ray cluster give the bytes of one machine, though a node dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_world import World, edges
from toy_graph import NO_TEXT, films

from kg_rec.jobs.cluster import RayShards
from kg_rec.jobs.run import start
from kg_rec.jobs.writing import Watch
from kg_rec.model import persist
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.config import FusionConfig
from kg_rec.model.train.train import train
from kg_rec.store import GraphStore


def check_training_on_ray(folder: Path) -> None:
    """Gram matrices, the sparse form of the operator, and propagation: the same tensors as on one machine."""
    used = []

    class Counted(RayShards):
        def map(self, function: Callable[..., Any], parts: Iterable[Any], *shared: Any) -> Iterator[Any]:
            used.append(function.__name__)
            return super().map(function, parts, *shared)

    config = replace(
        NO_TEXT,
        taste=TasteConfig(l2=(5.0,), max_items=30),
        gnn=GnnConfig(dimensions=(4,), exponents=(0.3,), iterations=3),
        fusion=FusionConfig(rounds=1),
    )
    persist.save(train(films(), config, shards=Counted(rows=31)), folder / "sharded")
    persist.save(train(films(), config), folder / "alone")
    for file in ("model.json", "tensors.safetensors"):
        assert (folder / "sharded" / file).read_bytes() == (folder / "alone" / file).read_bytes()
    assert {name: used.count(name) > 1 for name in used} == {"_product": True, "_ridges": True, "part_sums": True}


@pytest.mark.timeout(600)
def test_ray_gives_the_same_bytes_though_a_node_dies(world: World, store: GraphStore) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    start(world.job(), store, "here")
    soon = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500}  # that a node is gone
    soon |= {"worker_niceness": 0}  # else its workers wait for all other tests
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        other = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        cluster.wait_for_nodes()
        assert ray.cluster_resources()["CPU"] == 2
        check_training_on_ray(world.folder)
        killed = []

        def kill(done: int, _: int | None, what: str) -> None:
            if what == "recommend" and done >= 21 and not killed:
                killed.append(done)
                cluster.remove_node(other, allow_graceful=False)

        start(world.job(engine="ray", workers=3), store, "there", Watch(kill))
        assert killed
        for _ in range(600):  # the head notices a node that is gone when it misses its heartbeats
            if ray.cluster_resources()["CPU"] == 1:
                break
            time.sleep(0.1)
        assert ray.cluster_resources()["CPU"] == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert list(world.files("there").values()) == list(world.files("here").values())
    assert edges(store, "there") == edges(store, "here")
