"""Load, open, export and query one store, each phase in a process of its own where memory is measured.

Times are of the processor, over all threads of the process: on a machine that others use, the clock measures them.
What a server does, and waiting for the disk, is not in them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from kg_rec.schema import GraphSchema
from kg_rec.snapshot import export
from kg_rec.store import connect

_BATCH = 50_000
#: Questions of two hops: one user's, and one between two nodes.
_COUNTS = {
    "two_hops_ms": "MATCH (a:User {user_id: 'u0000007'})-[:RATED]->(i:Film)<-[:RATED]-(b:User) RETURN count(*) AS c",
    "neighbours_ms": "MATCH (a:User {user_id: 'u0000007'})-[:RATED]->(i:Film)<-[:RATED]-(b:User) "
    "RETURN count(DISTINCT b) AS c",
}


def measured(url: str, interactions: int, seed: int) -> dict[str, Any]:
    """Figures of one store and size: rows/s of load and scan, seconds to open, milliseconds of counts, peak MiB."""
    found: dict[str, Any] = {"interactions": interactions}
    for phase in ("load", "read"):
        command = [sys.executable, "-m", "benchmarks.stores.speed", phase, url, str(interactions), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{phase} of {url}: {done.stderr.strip().splitlines()[-1:]}")
        found |= json.loads(done.stdout.splitlines()[-1])
    return found


def load(url: str, interactions: int, seed: int) -> dict[str, float]:
    """Write users, films and interactions into an empty store, in random order, and close it."""
    rng = np.random.default_rng(seed)
    users, films = max(100, interactions // 100), max(50, interactions // 300)
    pairs = np.unique(rng.integers(0, users * films, interactions))
    rng.shuffle(pairs)
    user_keys = pa.array([f"u{i:07d}" for i in range(users)])
    film_keys = pa.array([f"f{i:07d}" for i in range(films)])
    store = connect(url)
    store.apply_schema(GraphSchema.bundled("movies"))
    store.write_nodes("User", pa.table({"user_id": user_keys}))
    store.write_nodes("Film", pa.table({"item_id": film_keys, "title": film_keys}))
    columns = {
        "source": user_keys.take(pa.array(pairs // films)),
        "target": film_keys.take(pa.array(pairs % films)),
        "rating": pa.array(rng.integers(1, 6, len(pairs)).astype(float)),
        "timestamp": pa.array(rng.integers(10**9, 2 * 10**9, len(pairs))),
    }
    table = pa.table(columns)
    started = time.process_time()
    for start in range(0, len(table), _BATCH):
        store.write_edges("RATED", table.slice(start, _BATCH))
    store.close()
    return {"load_rows_per_s": len(table) / (time.process_time() - started), "load_peak_mib": _peak()}


def read(url: str) -> dict[str, float]:
    """Open a store, scan its interactions to Arrow, and count."""
    found: dict[str, float] = {}
    before = _peak()
    connect(url, read_only=True).close()  # imports
    store, found["open_s"] = _timed(lambda: connect(url, read_only=True))
    scans = [_timed(lambda: sum(batch.num_rows for batch in store.scan_edges("RATED"))) for _ in range(3)]
    found["scan_rows_per_s"] = max(rows / seconds for rows, seconds in scans)
    snapshot, seconds = _timed(lambda: export(store))
    found["export_rows_per_s"] = len(snapshot.interactions.source) / seconds
    del snapshot
    for name, statement in _COUNTS.items():
        times = [_timed(lambda s=statement: store.query(s))[1] for _ in range(5)]
        found[name] = min(times) * 1000
    store.close()
    return {**found, "read_peak_mib": _peak(), "empty_process_mib": before}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    phase, url, interactions, seed = sys.argv[1:]
    print(json.dumps(load(url, int(interactions), int(seed)) if phase == "load" else read(url)))
