"""What the machine and the server allow, measured beside the stages."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import neo4j
import numpy as np
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from benchmarks.jobs.stages import best_rate
from kg_rec.model import persist
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.operator import TILE
from kg_rec.schema import GraphSchema
from kg_rec.store.credentials import read_credentials, split_url

_REPEATS = 200
_ROWS = 10_000
_READ = 100_000


def machine(folder: Path, items: int, workers: int) -> dict[str, Any]:
    """Users per second that matrix multiplication and the memory's stream allow, on ``workers`` threads.

    Multiplication: (users x d) @ (d x items) for the model's factors.  Stream: every score is written once and read
    once.  Both in the single precision and for as many users at a time as lists are made; what binds is the slower of
    the two.
    """
    model = persist.load(folder / "model")
    wide = max(1, sum(c.kernel.source.shape[1] for c in model.channels if isinstance(c.kernel, FactorKernel)))
    left, right = np.ones((TILE, wide), np.float32), np.ones((wide, items), np.float32)
    scores = [np.empty((TILE, items), np.float32) for _ in range(workers)]
    with threadpool_limits(1):
        multiply = _rate(workers, lambda n: np.matmul(left, right, out=scores[n]))
        stream = _rate(workers, lambda n: (scores[n].fill(1.0), scores[n].max()))
    return {
        "factors": wide,
        "multiply_gflops": multiply * 2 * wide * items / 1e9,
        "multiply_users_per_s": multiply,
        "stream_gb_per_s": stream * items * 8 / 1e9,
        "stream_users_per_s": stream,
        "bound_users_per_s": min(multiply, stream),
        "binds": "multiply" if multiply < stream else "stream",
    }


def _rate(workers: int, work: Callable[[int], Any]) -> float:
    """Users per second of ``work``, done by all workers at a time."""

    def repeated(worker: int) -> None:
        for _ in range(_REPEATS):
            work(worker)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
        start = time.perf_counter()
        list(pool.map(repeated, range(workers)))
        return _REPEATS * workers * TILE / (time.perf_counter() - start)


def bare_read(url: str) -> dict[str, Any]:
    """Interactions per second that the bare driver (neo4j-rust-ext) decodes, row by row and collected per user.

    Those of at most 100,000 users: a server with a small heap cannot collect more in one query.
    """
    r, user, item = _schema()
    match = f"MATCH (u:{user.name}) WITH u LIMIT {_READ} MATCH (u)-[r:{r.name}]->(i:{item.name}) RETURN u.{user.key}"
    others = (f"i.{item.key}", f"r.{r.weight}", f"r.{r.time}")
    query = ", ".join([match, *others])
    collected = ", ".join([match, *(f"collect({value})" for value in others)])
    address, database = split_url(url)
    with neo4j.GraphDatabase.driver(address, auth=read_credentials()) as driver, driver.session(database=database) as s:
        rows, rate = best_rate(lambda: sum(1 for _ in s.run(query)))
        _, collected_rate = best_rate(lambda: sum(len(record[1]) for record in s.run(collected)))
    return {"rows": rows, "rows_per_s": rate, "collected_rows_per_s": collected_rate}


def bare_write(url: str, folder: Path) -> dict[str, Any]:
    """Rows per second of a bare UNWIND loop that writes the lists of the job again, as another relation type."""
    _, user, item = _schema()
    query = (
        f"UNWIND $rows AS row MATCH (u:{user.name} {{{user.key}: row[0]}}) "
        f"MATCH (i:{item.name} {{{item.key}: row[1]}}) "
        "CREATE (u)-[:BARE {run: 'bare', rank: row[2], score: row[3]}]->(i)"
    )
    table = pq.read_table(folder / "written/run=benchmark", partitioning=None)
    columns = [table[name].to_pylist() for name in ("user", "item", "rank", "score")]
    rows = [list(row) for row in zip(*columns, strict=True)]
    address, database = split_url(url)
    with neo4j.GraphDatabase.driver(address, auth=read_credentials()) as driver, driver.session(database=database) as s:
        start = time.perf_counter()
        for at in range(0, len(rows), _ROWS):
            part = rows[at : at + _ROWS]
            s.execute_write(lambda tx, part=part: tx.run(query, rows=part).consume())
        seconds = time.perf_counter() - start
        s.run("MATCH ()-[r:BARE]->() CALL (r) { DELETE r } IN TRANSACTIONS OF 20000 ROWS").consume()
    return {"rows": len(rows), "rows_per_s": len(rows) / seconds}


def _schema() -> tuple[Any, Any, Any]:
    schema = GraphSchema.bundled("interactions")
    return schema.interaction, schema.user, schema.item
