"""How batch jobs scale: load, export, fit, and top-10 lists to Parquet and into the graph.

    python -m benchmarks.jobs --interactions 100000 1000000 10000000 --graph start
    python -m benchmarks.jobs --faults 100

Each size is measured on an embedded graph and, with ``--graph``, on a server: one that is empty, or, with ``start``, a
new one for each size (tests/neo4j_server.py).  Each stage runs in a process of its own, whose peak memory is told.
Rates are compared with limits measured in the same run: matrix multiplication, the memory's stream, the bare driver.
``--faults N`` kills a job N times per store instead (tests/system/jobs).  Each stage is told on stderr when it is done;
with --json stdout is one object, also when a later stage fails.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.jobs import faults, limits, stages
from kg_rec.cli.console import print_table

#: What the table shows of each stage, besides seconds and memory.
_SHOWN = (
    "rows_per_s",
    "users_per_s",
    "interactions_per_s",
    "snapshot_rows_per_s",
    "collected_rows_per_s",
    "share_of_bare_driver",
    "snapshot_share_of_bare_driver",
    "share_of_bound",
    "memory_of_a_tenth",
    "share_of_bare_write",
)
_COLUMNS = ["interactions", "store", "stage", "seconds", "peak MiB", "private MiB", "figures", "growth"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=__doc__.splitlines()[0])
    parser.add_argument("--interactions", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument(
        "--graph", help="measure a server too: the URL of an empty one, or start, for a new one per size"
    )
    parser.add_argument("--users", type=int, help="default: interactions / 10")
    parser.add_argument("--items", type=int, help="default: interactions / 50, at most 20,000")
    parser.add_argument("--job-users", type=int, default=100_000, help="most users of the stages job and bare write")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, help="kill a job so many times per store instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.faults:
        return faults.main(options.faults, options.seed, options.json)
    if options.graph and "://" in options.graph and not stages.is_empty(options.graph):
        parser.error(f"{options.graph} is not empty, and this benchmark deletes what it finds; give an empty server")
    if options.graph and "://" not in options.graph and options.graph != "start":
        parser.error(f"--graph: expected a URL like neo4j://localhost:7687, or start, got {options.graph}")
    sizes: list[dict[str, Any]] = []
    try:
        for interactions in sorted(options.interactions):
            users = options.users or interactions // 10
            items = options.items or min(interactions // 50, 20_000)
            size = stages.Size(interactions, users, items, min(users, options.job_users), options.seed)
            with tempfile.TemporaryDirectory() as name, served(options.graph) as url:
                folder = Path(name)
                for where in (str(folder / "graph"), *([url] if url else [])):
                    measure(size, folder, where, options.workers, sizes)
    finally:
        growth = grown(sizes)
        if options.json:
            print(json.dumps({"cores": options.workers, "seed": options.seed, "sizes": sizes, "growth": growth}))
        else:
            show(sizes, growth)
    return 0


@contextmanager
def served(graph: str | None) -> Iterator[str | None]:
    """The server's URL; with ``start``, of a new one that is stopped and removed in the end."""
    if graph != "start":
        yield graph
        return
    from tests import neo4j_server

    server = neo4j_server.start()
    before = dict(os.environ)
    os.environ.update(NEO4J_USERNAME=server.user, NEO4J_PASSWORD=server.password)
    try:
        yield server.url
    finally:
        server.stop()
        os.environ.clear()
        os.environ.update(before)


def measure(size: stages.Size, folder: Path, url: str, workers: int, sizes: list[dict[str, Any]]) -> None:
    """All stages of one size on one store, added to ``sizes`` as they are done.

    Model and lists from files do not depend on the store: they are measured with the embedded one only.
    """
    server = "://" in url
    found: dict[str, Any] = {}
    about = {"interactions": size.interactions, "users": size.users, "items": size.items, "job_users": size.job_users}
    sizes.append({**about, "store": "neo4j" if server else "embedded", "stages": found})

    def stage(name: str, work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        found[name] = stages.apart(work, *arguments)
        return found[name]

    def tell(*names: str) -> None:
        for name in names:
            print("  ".join(row(sizes[-1], name, None)).rstrip(), file=sys.stderr, flush=True)

    stage("load", stages.load, url, size)
    tell("load")
    export = stage("export", stages.export_all, url, folder)
    if server:
        bare = stage("bare read", limits.bare_read, url)
        fastest = max(bare["rows_per_s"], bare["collected_rows_per_s"])
        export["share_of_bare_driver"] = export["rows_per_s"] / fastest
        export["snapshot_share_of_bare_driver"] = export["snapshot_rows_per_s"] / fastest
        tell("export", "bare read")
    else:
        tell("export")
        stage("fit", stages.fit, folder)
        tell("fit")
        bound = stage("limits", limits.machine, folder, size.items, workers)
        tell("limits")
        for name, share in (("lists of a tenth", 0.1), ("lists", 1.0)):
            lists = stage(name, stages.lists, folder, share, workers)
            lists["share_of_bound"] = lists["users_per_s"] / bound["bound_users_per_s"]
        lists["memory_of_a_tenth"] = lists["private_mib"] / found["lists of a tenth"]["private_mib"]
        tell("lists of a tenth", "lists")
    job = stage("job", stages.job, url, folder, size, workers)
    if server:
        job["share_of_bare_write"] = (
            job["rows_per_s"] / stage("bare write", limits.bare_write, url, folder)["rows_per_s"]
        )
        tell("job", "bare write")
    else:
        tell("job")


def grown(sizes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How seconds and memory of each stage grow from one size to the next on the same store, as factors."""
    found = []
    for place, more in enumerate(sizes):
        for less in [s for s in sizes[:place] if s["store"] == more["store"]][-1:]:
            times = {
                name: {
                    kind: values[kind] / less["stages"][name][kind] for kind in ("seconds", "peak_mib", "private_mib")
                }
                for name, values in more["stages"].items()
                if name in less["stages"]
            }
            factor = more["interactions"] / less["interactions"]
            found.append({"store": more["store"], "to": more["interactions"], "interactions": factor, "stages": times})
    return found


def show(sizes: Sequence[dict[str, Any]], growth: Sequence[dict[str, Any]]) -> None:
    """One row per size, store and stage."""
    rows = []
    for size in sizes:
        rise = next((g for g in growth if (g["store"], g["to"]) == (size["store"], size["interactions"])), None)
        rows += [row(size, name, rise) for name in size["stages"]]
    print_table(_COLUMNS, rows, ["seconds", "peak MiB", "private MiB"])


def row(size: dict[str, Any], name: str, rise: dict[str, Any] | None) -> list[str]:
    """The cells of one stage, named as in ``_COLUMNS``."""
    values = size["stages"][name]
    figures = ", ".join(f"{key} {values[key]:,.4g}" for key in _SHOWN if key in values)
    if name == "limits":
        figures = f"multiply {values['multiply_gflops']:.0f} GFLOP/s, stream {values['stream_gb_per_s']:.1f} GB/s"
        figures += f", bound {values['bound_users_per_s']:,.0f} users/s ({values['binds']})"
    more = ""
    if rise is not None and name in rise["stages"]:
        factors = rise["stages"][name]
        more = f"x{factors['seconds']:.1f} s, x{factors['private_mib']:.1f} private MiB for x{rise['interactions']:.0f}"
    numbers = [f"{values['seconds']:.1f}", f"{values['peak_mib']:.0f}", f"{values['private_mib']:.0f}"]
    return [f"{size['interactions']:,}", size["store"], name, *numbers, figures, more]


if __name__ == "__main__":
    sys.exit(main())
