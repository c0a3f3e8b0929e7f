"""Kills of a process that writes into an embedded graph, at random moments, and what is left of what it wrote.

The process loads nodes and edges, writes lists back, keeps the ledger and lets checkpoints be written; it tells each
call that returned.  After the kill the graph has to hold all that was told, and of the call that was cut off all or
nothing.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from kg_rec.store import connect
from kg_rec.store.ledger import RunLedger

_WRITER = """
    import sys
    import numpy as np
    import pyarrow as pa
    from kg_rec.schema import GraphSchema
    from kg_rec.store import connect
    from kg_rec.store.ledger import ChunkRecord, Run, RunLedger

    store = connect(sys.argv[1])
    first = int(sys.argv[2])
    store.apply_schema(GraphSchema.bundled("movies"))
    films = [f"i{i}" for i in range(100)]
    store.write_nodes("Film", pa.table({"item_id": films, "title": films}))
    ledger = RunLedger(store)
    ledger.prepare()
    ledger.save(Run("run", "job", "running", "now"))
    print("ready", flush=True)
    for n in range(first, first + 100_000):
        users = [f"u{n:06d}-{i}" for i in range(20)]
        store.write_nodes("User", pa.table({"user_id": users}))
        print(f"nodes {n}", flush=True)
        ends = {"source": [u for u in users for _ in films], "target": films * 20}
        store.write_edges("RATED", pa.table({**ends, "rating": np.full(2000, n % 5 + 1.0)}))
        print(f"edges {n}", flush=True)
        rows = {"user": [u for u in users for _ in range(5)], "rank": list(range(1, 6)) * 20}
        lists = pa.record_batch({**rows, "item": films[:5] * 20, "score": [0.1 + n] * 100})
        ledger.commit("run", ChunkRecord(n, "done", 20, 100, 0, users[0], users[-1], 1.0, "now", (0.1 + n,)), lists)
        print(f"chunk {n}", flush=True)
        if n % 7 == 0:
            store.close()
            store = connect(sys.argv[1])
            ledger = RunLedger(store)
            print(f"closed {n}", flush=True)
"""


def lost_or_wrong(kills: int, seed: int) -> list[str]:
    """Kill a writer so many times, each time going on in the graph that the last one left.

    Returns:
        A line for each kill after which something told was missing, something was there by halves, or the graph did
        not open, for reading and for writing.
    """
    found = []
    moments = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="kg_rec-kills-"))
    told: dict[str, set[int]] = {"nodes": set(), "edges": set(), "chunk": set()}
    try:
        for kill in range(kills):
            if kill % 10 == 0:  # a new graph, so that a check stays cheap
                shutil.rmtree(folder / "graph", ignore_errors=True)
                told = {what: set() for what in told}
            for what, n in _killed(folder / "graph", kill * 1000, moments.uniform(0.0, 0.6)):
                if what in told:
                    told[what].add(n)
            for read_only in (True, False):
                found += [f"kill {kill}: {line}" for line in _faults(folder / "graph", told, read_only=read_only)]
    finally:
        shutil.rmtree(folder)
    return found


def _killed(graph: Path, first: int, seconds: float) -> list[tuple[str, int]]:
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(graph), str(first)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if writer.stdout is None or writer.stdout.readline() != "ready\n":
        raise RuntimeError("the writer did not start")
    time.sleep(seconds)
    writer.kill()
    lines = writer.communicate()[0].splitlines()
    return [(what, int(n)) for what, n in (line.split() for line in lines)]


def _faults(graph: Path, told: dict[str, set[int]], *, read_only: bool) -> list[str]:
    store = connect(str(graph), read_only=read_only)
    try:
        found = []
        users = _counted(k for b in store.scan_nodes("User") for k in b["user_id"].to_pylist())
        rated = _counted(k for b in store.scan_edges("RATED") for k in b["source"].to_pylist())
        listed = _counted(
            store.query("MATCH (u:User)-[:RECOMMENDED]->() RETURN u.user_id AS u", limit=10_000_000)["u"].to_pylist()
        )
        chunks = RunLedger(store).chunks("run")
        for what, counts, whole in (("nodes", users, 20), ("edges", rated, 2000), ("chunk", listed, 100)):
            found += [f"{what} {n} lost" for n in told[what] - counts.keys()]
            found += [f"{what} {n}: {count} of {whole}" for n, count in counts.items() if count != whole]
        found += [f"chunk {n} and its lists differ" for n in set(chunks) ^ set(listed)]
        found += [f"chunk {n}: {c.quantiles}" for n, c in chunks.items() if c.quantiles != (0.1 + n,)]
        return found
    finally:
        store.close()


def _counted(keys: object) -> dict[int, int]:
    counts: dict[int, int] = {}
    for key in keys:  # type: ignore[attr-defined]
        number = int(key[1:7])
        counts[number] = counts.get(number, 0) + 1
    return counts
