"""Speed and memory of the graph stores: ``python -m benchmarks.speed.stores --edges 1000000 --graph URL``.

Loads random ratings into an empty store and scans them back.  On Neo4j the same edges are also decoded with the
bare driver, row by row and collected per source node, which is what a scan has to be compared with.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect

ROWS = "MATCH (u:User)-[r:RATED]->(f:Film) RETURN u.user_id, f.item_id, r.rating, r.timestamp"
LISTS = (
    "MATCH (u:User)-[r:RATED]->(f:Film) RETURN u.user_id, collect(f.item_id), collect(r.rating), collect(r.timestamp)"
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graph", required=True, help="URL or folder of an EMPTY store; it is filled")
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=50_000, help="rows a write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    store = connect(options.graph)
    store.apply_schema(GraphSchema.bundled("movies"))
    if any(True for _ in store.scan_nodes("User")):
        parser.error(f"{options.graph} is not empty; this benchmark fills it")
    result = measure(store, options.edges, options.batch, options.seed)
    if "://" in options.graph:
        result |= bare_driver(options.graph)
        result["scan_to_bare_driver_rows"] = result["scan_edges_per_s"] / result["bare_driver_rows_per_s"]
        result["scan_to_bare_driver_lists"] = result["scan_edges_per_s"] / result["bare_driver_lists_per_s"]
    store.close()
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:30} {value:>14,.2f}")
    return 0


def measure(store: GraphStore, edges: int, batch: int, seed: int) -> dict[str, float]:
    """Rows per second of loading, loading again and scanning; resident memory in MiB before and while scanning."""
    users, films, ratings = data(edges, seed)
    result: dict[str, float] = {"edges": edges}
    result["load_nodes_per_s"] = rate(
        lambda: write(store.write_nodes, "User", users, batch) + write(store.write_nodes, "Film", films, batch)
    )
    result["load_edges_per_s"] = rate(lambda: write(store.write_edges, "RATED", ratings, batch))
    part = ratings.slice(0, max(edges // 10, 1))
    result["load_same_edges_again_per_s"] = rate(lambda: write(store.write_edges, "RATED", part, batch))
    result["scan_nodes_per_s"] = rate(lambda: sum(b.num_rows for t in ("User", "Film") for b in store.scan_nodes(t)))
    next(store.scan_edges("RATED"))  # what is opened once is not the scan's
    before = resident()
    with Peak() as peak:
        result["scan_edges_per_s"] = rate(lambda: sum(b.num_rows for b in store.scan_edges("RATED")))
    result["resident_before_scan_mib"] = before
    result["resident_peak_in_scan_mib"] = peak.mib
    result["resident_peak_to_before"] = peak.mib / before
    return result


def data(edges: int, seed: int) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Users, films and ratings in random order; about 160 ratings a user, as in MovieLens-1M."""
    random = np.random.default_rng(seed)
    n_users, n_films = max(edges // 160, 40), max(edges // 250, 40)
    pairs = random.choice(n_users * n_films, size=edges, replace=False)
    users = pa.table({"user_id": [f"u{i}" for i in range(n_users)], "age": random.integers(15, 80, n_users)})
    films = pa.table({"item_id": [f"i{i}" for i in range(n_films)], "title": [f"Film {i}" for i in range(n_films)]})
    user_keys, film_keys = users["user_id"].combine_chunks(), films["item_id"].combine_chunks()
    ratings = {
        "source": user_keys.take(pa.array(pairs // n_films)),
        "target": film_keys.take(pa.array(pairs % n_films)),
        "rating": random.integers(1, 6, edges).astype(np.float64),
        "timestamp": random.integers(870_000_000, 1_600_000_000, edges),
    }
    return users, films, pa.table(ratings)


def write(to: Callable[[str, pa.Table], int], name: str, table: pa.Table, batch: int) -> int:
    return sum(to(name, table.slice(i, batch)) for i in range(0, table.num_rows, batch))


def rate(work: Callable[[], int]) -> float:
    """Rows per second of work that returns its number of rows."""
    start = time.perf_counter()
    rows = work()
    return rows / (time.perf_counter() - start)


def bare_driver(url: str) -> dict[str, float]:
    """Edges per second that the driver decodes and hands over, without building anything of them."""
    import neo4j

    from kg_rec.store.credentials import read_credentials, split_url

    address, database = split_url(url)

    def rows(session: Any) -> int:
        return sum(1 for _ in session.run(ROWS))

    def lists(session: Any) -> int:
        return sum(len(record[1]) for record in session.run(LISTS))

    with (
        neo4j.GraphDatabase.driver(address, auth=read_credentials()) as driver,
        driver.session(database=database) as session,
    ):
        return {
            "bare_driver_rows_per_s": rate(lambda: rows(session)),
            "bare_driver_lists_per_s": rate(lambda: lists(session)),
        }


def resident() -> float:
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Peak:
    """The largest resident memory in MiB while it is entered, looked at a hundred times a second."""

    def __enter__(self) -> Peak:
        self.mib = resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.mib = max(self.mib, resident())

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


if __name__ == "__main__":
    sys.exit(main())
