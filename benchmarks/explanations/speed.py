"""Explanations per second, the time of one, memory, and the same paths by other means."""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import networkx as nx
import numpy as np

import kg_rec as kg
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.lists import explain_lists
from kg_rec.explain.single import explain
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot
from kg_rec.store import GraphStore, connect

#: Lists of ten, three groups of paths each, on two processes.
K, WORKERS, RUNS = 10, 2, 3
CONFIG = ExplainConfig(groups=3)

#: Pairs explained one by one, and pairs whose paths are found by other means; these stop after so many seconds.
SINGLES, SAMPLE, SECONDS = 300, 20, 20.0

Pairs = list[tuple[str, str]]


def measure(model: kg.Model, store_url: str | None, *, seed: int, progress: Progress = no_progress) -> dict[str, float]:
    """Figures of speed on this machine.

    ``per_second``: explanations of the top 10 of all users (three groups, with the words of each), the
    ranking included, on two processes; the median of three runs.  ``cpu_us``: processor time of one, which does not
    depend on what else the machine does.  ``warm_up_s``: what the first explanation of a loaded model takes.
    ``single_ms``: median of :func:`explain` afterwards, and ``single_cpu_ms`` of its processor time.
    ``peak_memory_mb``: resident memory at most while one process explains all; ``memory_growth_mb``: how much of it
    came then.

    ``networkx_ms``, ``cypher_ms``: what finding the paths of at most three steps between a user and an item takes with
    ``all_simple_paths`` and with Cypher's shortest paths; without scores, order and words.  ``networkx_same``: share
    of our paths of that length that it finds too, with the same number of others.  ``networkx_times``,
    ``cypher_times``: these times by ``single_ms``.

    Args:
        model: a trained model.
        store_url: a store with the model's graph; None to write the graph into an embedded one here.
        seed: of the samples.
        progress: called per part.
    """
    parts = 6
    recommender = model.recommender
    wording = Wording()
    pairs = sample(recommender, SINGLES, seed)
    progress(0, parts, "explanations one by one")
    started = time.perf_counter()
    explain(recommender, *pairs[0], config=CONFIG, wording=wording)
    found = {"warm_up_s": time.perf_counter() - started}
    walls, cpus = zip(*(one(recommender, pair, wording) for pair in pairs), strict=True)
    found |= {"single_ms": 1e3 * statistics.median(walls), "single_cpu_ms": 1e3 * statistics.median(cpus)}
    progress(1, parts, "explanations of all users")
    found |= throughput(recommender, wording)
    progress(2, parts, "memory")
    found |= memory(recommender, wording)
    progress(3, parts, "networkx")
    explained = [
        explain(recommender, *pair, config=ExplainConfig(max_hops=3), wording=wording) for pair in pairs[:SAMPLE]
    ]
    found |= by_networkx(recommender, explained)
    progress(4, parts, "cypher")
    found |= by_cypher(recommender.snapshot, pairs[:SAMPLE], store_url)
    for other in ("networkx", "cypher"):
        found[f"{other}_times"] = found[f"{other}_ms"] / found["single_ms"]
    progress(parts, parts, "speed")
    return found


def sample(model: Recommender, count: int, seed: int) -> Pairs:
    """Users at random, each with one item of the top 10."""
    rng = np.random.default_rng(seed)
    users = rng.choice(len(model.users), min(count, len(model.users)), replace=False)
    top, _ = model.rank(users, K)
    ranks = rng.integers(0, np.maximum((top >= 0).sum(axis=1), 1))
    chosen = top[np.arange(len(users)), ranks]
    return [
        (model.users.key(u), model.items.key(i)) for u, i in zip(users.tolist(), chosen.tolist(), strict=True) if i >= 0
    ]


def one(model: Recommender, pair: tuple[str, str], wording: Wording) -> tuple[float, float]:
    """Seconds of one explanation, and of processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    explain(model, *pair, config=CONFIG, wording=wording)
    return time.perf_counter() - wall, time.process_time() - cpu


def throughput(model: Recommender, wording: Wording) -> dict[str, float]:
    """Explanations per second of all users' lists, and the processor time of one."""
    rates, costs = [], []
    for _ in range(RUNS):
        before, started = processor_time(), time.perf_counter()
        count = sum(len(batch) for batch in explain_lists(model, k=K, config=CONFIG, wording=wording, workers=WORKERS))
        rates.append(count / (time.perf_counter() - started))
        costs.append(1e6 * (processor_time() - before) / count)
    return {"per_second": statistics.median(rates), "cpu_us": statistics.median(costs), "explained": float(count)}


def processor_time() -> float:
    """Seconds of this process and of those that it waited for."""
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in of)


def memory(model: Recommender, wording: Wording) -> dict[str, float]:
    """Resident memory while one process explains all users' lists, in a process of its own; Linux only."""
    if not Path("/proc/self/clear_refs").exists():
        return {}
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_memory, args=(model, wording, sender))
    process.start()
    before, peak = receiver.recv()
    process.join()
    return {"peak_memory_mb": peak / 1024, "memory_growth_mb": (peak - before) / 1024}


def _memory(model: Recommender, wording: Wording, sender: Connection) -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    before = _status("VmRSS")
    for _ in explain_lists(model, k=K, config=CONFIG, wording=wording, workers=1):
        pass
    sender.send((before, _status("VmHWM")))


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def by_networkx(model: Recommender, explained: list[Explanation]) -> dict[str, float]:
    """All simple paths of at most three steps in the undirected graph of likes and facts."""
    snapshot, schema = model.snapshot, model.snapshot.schema
    acted, item = schema.interaction.name, schema.item.name
    likes = snapshot.with_edges(acted, snapshot.liked())
    facts = {name for name in (r.name for r in schema.knowledge_relations) if len(snapshot.edges[name])}
    graph = nx.Graph()
    for name in {acted, *facts}:
        relation, edges = schema.relation_types[name], likes.edges[name]
        ends = [
            ((relation.source, s), (relation.target, t))
            for s, t in zip(edges.source.tolist(), edges.target.tolist(), strict=True)
        ]
        graph.add_edges_from(ends)
    times, same, ours = [], 0, 0
    for e in explained:
        source, target = (schema.user.name, model.users.index(e.user)), (item, model.items.index(e.item))
        started = time.perf_counter()
        through = Counter(
            (path[1], path[2] if path[2][0] != schema.user.name else None)
            for path in nx.all_simple_paths(graph, source, target, cutoff=3)
            if len(path) == 4
        )
        times.append(time.perf_counter() - started)
        for path in e.paths:
            if len(path.nodes) == 4:
                known = (item, model.items.index(path.nodes[1].key or ""))
                middle = path.nodes[2]
                shared = None if middle.key is None else (middle.type, snapshot.ids[middle.type].index(middle.key))
                ours += 1
                same += through[known, shared] == middle.count if shared is None else through[known, shared] > 0
        if sum(times) > SECONDS:
            break
    return {
        "networkx_ms": 1e3 * statistics.median(times),
        "networkx_same": same / max(ours, 1),
        "networkx_sample": float(len(times)),
    }


def by_cypher(snapshot: Snapshot, pairs: Pairs, store_url: str | None) -> dict[str, float]:
    """All shortest paths from user to item, by ``allShortestPaths``."""
    if store_url is not None:
        store = connect(store_url, read_only=True)
        try:
            return _by_cypher(store, snapshot, pairs)
        finally:
            store.close()
    with tempfile.TemporaryDirectory() as folder:
        store = connect(os.path.join(folder, "graph"))
        try:
            store.apply_schema(snapshot.schema)
            tables = snapshot.to_arrow()
            for name in snapshot.schema.node_types:
                store.write_nodes(name, tables[name])
            for name in snapshot.edges:
                store.write_edges(name, tables[name])
            return _by_cypher(store, snapshot, pairs)
        finally:
            store.close()


def _by_cypher(store: GraphStore, snapshot: Snapshot, pairs: Pairs) -> dict[str, float]:
    schema = snapshot.schema
    user, item = schema.user, schema.item
    used = [schema.interaction.name, *(r.name for r in schema.knowledge_relations if len(snapshot.edges[r.name]))]
    steps = "|".join(f"`{name}`" for name in used)
    ends = f"(u:`{user.name}` {{`{user.key}`: $user}})", f"(i:`{item.name}` {{`{item.key}`: $item}})"
    statement = f"MATCH p = allShortestPaths({ends[0]}-[:{steps}*..3]-{ends[1]}) RETURN count(p) AS paths"
    times, paths = [], []
    for u, i in pairs:
        started = time.perf_counter()
        table = store.query(statement, {"user": u, "item": i})
        times.append(time.perf_counter() - started)
        paths.append(table.column("paths")[0].as_py())
        if sum(times) > SECONDS:
            break
    return {
        "cypher_ms": 1e3 * statistics.median(times),
        "cypher_paths": statistics.median(paths),
        "cypher_sample": float(len(times)),
    }
