"""The stages of a nightly job on a generated graph."""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.schema import GraphSchema
from kg_rec.settings import from_dict
from kg_rec.snapshot import Snapshot, export
from kg_rec.store import connect

#: As the loaders write.
_ROWS = 100_000


@dataclass(frozen=True)
class Size:
    """A graph to generate; the whole job is run for its first ``job_users`` users."""

    interactions: int
    users: int
    items: int
    job_users: int
    seed: int


def ratings(size: Size) -> pa.Table:
    """Interactions by a power law over items and users, without repetitions (so slightly fewer than asked for)."""
    rng = np.random.default_rng(size.seed)
    popularity = (np.arange(1, size.items + 1) + 10.0) ** -0.8
    activity = rng.pareto(2.0, size.users) + 0.5
    users = rng.choice(size.users, size.interactions, p=activity / activity.sum())
    items = rng.choice(size.items, size.interactions, p=popularity / popularity.sum())
    pairs = np.unique(users * size.items + items)
    columns = {
        "source": pa.array(pairs // size.items).cast(pa.string()),
        "target": pa.array(pairs % size.items).cast(pa.string()),
        "rating": rng.integers(1, 6, len(pairs)).astype(float),
        "timestamp": rng.integers(1_000_000_000, 1_100_000_000, len(pairs)),
    }
    return pa.table(columns)


def load(url: str, size: Size) -> dict[str, Any]:
    """Write the graph into a store; what an earlier size left on a server is deleted."""
    if "://" in url:
        _clear(url)
    table = ratings(size)
    store = connect(url)
    store.apply_schema(GraphSchema.bundled("interactions"))
    schema = store.schema()
    start = time.perf_counter()
    for node_type, count in ((schema.user, size.users), (schema.item, size.items)):
        keys = pa.array(range(count)).cast(pa.string())
        columns = {p.name: keys for p in node_type.properties if p.name == node_type.key or p.required}
        for part in pa.table(columns).to_batches(_ROWS):
            store.write_nodes(node_type.name, pa.Table.from_batches([part]))
    relation = schema.interaction
    names = {"rating": relation.weight, "timestamp": relation.time}
    table = table.rename_columns([names.get(n) or n for n in table.column_names])
    for part in table.to_batches(_ROWS):
        store.write_edges(relation.name, pa.Table.from_batches([part]))
    seconds = time.perf_counter() - start
    store.close()
    return {"rows": table.num_rows, "rows_per_s": (table.num_rows + size.users + size.items) / seconds}


def is_empty(url: str) -> bool:
    """Whether a server holds no node."""
    with _session(url) as session:
        return session.run("MATCH (n) RETURN n LIMIT 1").single() is None


def _clear(url: str) -> None:
    with _session(url) as session:
        for what in ("()-[x]->()", "(x)"):
            session.run(f"MATCH {what} CALL (x) {{ DELETE x }} IN TRANSACTIONS OF 20000 ROWS").consume()


@contextmanager
def _session(url: str) -> Iterator[Any]:
    import neo4j

    from kg_rec.store.credentials import read_credentials, split_url

    address, database = split_url(url)
    with neo4j.GraphDatabase.driver(address, auth=read_credentials()) as driver, driver.session(database=database) as s:
        yield s


def export_all(url: str, folder: Path) -> dict[str, Any]:
    """Export to a snapshot; the rate is that of reading the interactions alone."""
    store = connect(url, read_only=True)
    relation = store.schema().interaction.name
    rows, rate = best_rate(lambda: sum(len(batch) for batch in store.scan_edges(relation)))
    start = time.perf_counter()
    export(store).save(folder / "snapshot")
    store.close()
    return {"rows": rows, "rows_per_s": rate, "snapshot_rows_per_s": rows / (time.perf_counter() - start)}


def best_rate(read: Callable[[], int], most: int = 5, within: float = 15.0) -> tuple[int, float]:
    """Rows, and rows per second of the fastest of some reads: the first ones warm a new server up."""
    began, seconds = time.perf_counter(), []
    for _ in range(most):
        start = time.perf_counter()
        rows = read()
        seconds.append(time.perf_counter() - start)
        if time.perf_counter() - began > within:
            break
    return rows, rows / min(seconds)


def fit(folder: Path) -> dict[str, Any]:
    """Train with one value per choice, and the sparse form of the taste operator."""
    from kg_rec.model import persist
    from kg_rec.model.train.train import train

    snapshot = Snapshot.load(folder / "snapshot")
    config = TrainConfig(
        device="cpu",
        channels=("taste", "relational"),
        recency=(0.0,),
        taste=TasteConfig(l2=(50.0,), max_items=2_000),
        gnn=GnnConfig(dimensions=(64,), exponents=(0.3,)),
        meaning=MeaningConfig(encoder="none"),
        fusion=FusionConfig(rounds=1, users=200),
    )
    start = time.perf_counter()
    model = train(snapshot, config)
    seconds = time.perf_counter() - start
    persist.save(model, folder / "model")
    return {"interactions_per_s": len(snapshot.interactions) / seconds}


def _settings(folder: Path, url: str, workers: int, **more: Any) -> Any:
    from kg_rec.jobs.config import JobConfig

    where = {"graph": url, "model": str(folder / "model"), "work": str(folder / "jobs")}
    return from_dict(JobConfig, {**where, "k": 10, "workers": workers, **more})


def lists(folder: Path, share: float, workers: int) -> dict[str, Any]:
    """Top-10 lists of a share of the users to Parquet, from an exported graph: compute and write."""
    from kg_rec.jobs import engine
    from kg_rec.jobs.chunk import Scorer
    from kg_rec.jobs.plan import Plan
    from kg_rec.jobs.sinks import FileSink
    from kg_rec.model import persist
    from kg_rec.tables import PARQUET

    job = _settings(folder, "none", workers, sinks={"parquet": str(folder / "lists")})
    snapshot = Snapshot.load(folder / "snapshot")
    users = np.arange(max(1, int(len(snapshot.users) * share)))
    plan = Plan(snapshot, users, np.zeros(len(users), np.int64), np.ones(len(snapshot.items), dtype=bool), {})
    scorer = Scorer.of(job, plan, persist.load(job.model))
    scorer(0)  # what is computed once
    sink = FileSink(folder / "lists", f"share-{share}", PARQUET)
    start, rows = time.perf_counter(), 0
    for found in engine.local(scorer, range(job.chunks(len(users))), workers):
        sink.write(found.number, found.rows)
        rows += len(found.rows)
    seconds = time.perf_counter() - start
    sink.publish()
    return {"users": len(users), "users_per_s": len(users) / seconds, "rows_per_s": rows / seconds}


def job(url: str, folder: Path, size: Size, workers: int) -> dict[str, Any]:
    """The whole job: export, lists to Parquet and into the graph, published."""
    from kg_rec.jobs.run import start

    users = folder / "users.txt"
    users.write_text("".join(f"{key}\n" for key in range(size.job_users)), encoding="utf-8")
    shutil.rmtree(folder / "written", ignore_errors=True)
    sinks = {"parquet": str(folder / "written"), "graph": True}
    settings = _settings(folder, url, workers, sinks=sinks, users={"file": str(users)})
    store = connect(url)
    began = time.perf_counter()
    record = start(settings, store, "benchmark")
    seconds = time.perf_counter() - began
    store.close()
    shutil.rmtree(folder / "jobs", ignore_errors=True)
    report = record.report
    return {
        "users_per_s": report["users"] / seconds,
        "rows_per_s": report["rows"] / report["stages"]["graph"],
        "stages": report["stages"],
    }


def apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """A stage in a process of its own.

    Returns:
        Its result, with ``seconds`` without the start, ``peak_mib`` and ``private_mib``: the peak with and without the
        pages of mapped files, which the system takes back when it needs them.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(timed, work, arguments).result()


def timed(work: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """See :func:`apart`, in this process."""
    with _private_peak() as private:
        start = time.perf_counter()
        values = work(*arguments)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**values, "seconds": seconds, "peak_mib": peak, "private_mib": private[0]}


@contextmanager
def _private_peak(pause: float = 0.02) -> Iterator[list[float]]:
    """Private memory in MiB (RssAnon), sampled until the block ends."""
    found, done = [0.0], threading.Event()

    def sample() -> None:
        while True:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            found[0] = max(found[0], int(status.split("RssAnon:")[1].split()[0]) / 1024)
            if done.wait(pause):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
