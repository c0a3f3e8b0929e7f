"""How batch jobs scale: load, export, fit, and top-10 lists to Parquet and into the graph.

    python -m benchmarks.jobs --interactions 100000 1000000 --graph neo4j://localhost:7687
    python -m benchmarks.jobs --faults 100

The server at ``--graph`` has to be empty; without it the graph is an embedded one.  Each stage runs in a
process of its own, whose peak memory is told.  Rates are compared with limits measured in the same run: matrix
multiplication, the memory's stream, the bare driver.  ``--faults N`` kills a job N times per store instead
(tests/unit/jobs).  Progress goes to stderr; with --json stdout is one object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.jobs import limits, stages
from kg_rec.cli.console import print_table

#: What the table shows of each stage, besides seconds and memory.
_SHOWN = (
    "rows_per_s",
    "users_per_s",
    "interactions_per_s",
    "share_of_bare_driver",
    "share_of_bound",
    "share_of_bare_write",
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=__doc__.splitlines()[0])
    parser.add_argument("--interactions", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--graph", help="URL of an empty server; default: an embedded graph")
    parser.add_argument("--users", type=int, help="default: interactions / 10")
    parser.add_argument("--items", type=int, help="default: interactions / 50, at most 20,000")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, help="kill a job so many times per store instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.faults:
        command = [sys.executable, "-m", "pytest", "-s", "tests/unit/jobs/test_job_faults.py", "-k", "random"]
        environment = os.environ | {"KG_REC_JOB_FAULTS": str(options.faults), "KG_REC_JOB_SEED": str(options.seed)}
        return subprocess.run(command, env=environment, check=False).returncode
    if options.graph and "://" in options.graph and not stages.is_empty(options.graph):
        parser.error(f"{options.graph} is not empty, and this benchmark deletes what it finds; give an empty server")
    sizes = []
    for interactions in sorted(options.interactions):
        users = options.users or interactions // 10
        items = options.items or min(interactions // 50, 20_000)
        size = stages.Size(interactions, users, items, options.seed)
        with tempfile.TemporaryDirectory() as folder:
            sizes.append(measure(size, Path(folder), options.graph, options.workers))
    growth = [grown(*pair) for pair in pairwise(sizes)]
    if options.json:
        print(json.dumps({"cores": options.workers, "seed": options.seed, "sizes": sizes, "growth": growth}))
    else:
        show(sizes, growth)
    return 0


def measure(size: stages.Size, folder: Path, graph: str | None, workers: int) -> dict[str, Any]:
    """All stages of one size."""
    url = graph or str(folder / "graph")
    found: dict[str, Any] = {}

    def stage(name: str, work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        print(f"{size.interactions:>10,}  {name} ...", file=sys.stderr, flush=True)
        values, peak, seconds = stages.apart(work, *arguments)
        found[name] = {**values, "seconds": seconds, "peak_mib": peak}
        return found[name]

    stage("load", stages.load, url, size)
    export = stage("export", stages.export_all, url, folder)
    if "://" in url:
        export["share_of_bare_driver"] = export["rows_per_s"] / stage("bare read", limits.bare_read, url)["rows_per_s"]
    stage("fit", stages.fit, folder)
    bound = stage("limits", limits.machine, folder, size.items, workers)
    for name, share in (("lists of a tenth", 0.1), ("lists", 1.0)):
        lists = stage(name, stages.lists, folder, share, workers)
        lists["share_of_bound"] = lists["users_per_s"] / bound["bound_users_per_s"]
    job = stage("job", stages.job, url, folder, workers)
    if "://" in url:
        job["share_of_bare_write"] = (
            job["rows_per_s"] / stage("bare write", limits.bare_write, url, folder)["rows_per_s"]
        )
    about = {"interactions": size.interactions, "users": size.users, "items": size.items}
    about["store"] = "neo4j" if "://" in url else "embedded"
    return {**about, "stages": found}


def grown(less: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """How seconds and memory of each stage grow from one size to the next, as factors."""
    times = {
        name: {kind: values[kind] / less["stages"][name][kind] for kind in ("seconds", "peak_mib")}
        for name, values in more["stages"].items()
    }
    return {"interactions": more["interactions"] / less["interactions"], "stages": times}


def show(sizes: Sequence[dict[str, Any]], growth: Sequence[dict[str, Any]]) -> None:
    """One row per size and stage."""
    rows = []
    for place, size in enumerate(sizes):
        for name, values in size["stages"].items():
            figures = ", ".join(f"{key} {values[key]:,.4g}" for key in _SHOWN if key in values)
            if name == "limits":
                figures = (
                    f"multiply {values['multiply_gflops']:.0f} GFLOP/s, stream {values['stream_gb_per_s']:.1f} GB/s"
                )
                figures += f", bound {values['bound_users_per_s']:,.0f} users/s ({values['binds']})"
            rise = growth[place - 1]["stages"][name] if place else None
            more = "" if rise is None else f"x{rise['seconds']:.1f}, x{rise['peak_mib']:.1f}"
            seconds, peak = f"{values['seconds']:.1f}", f"{values['peak_mib']:.0f}"
            rows.append([f"{size['interactions']:,}", name, seconds, peak, figures, more])
    print_table(["interactions", "stage", "seconds", "peak MiB", "figures", "growth"], rows, ["seconds", "peak MiB"])


if __name__ == "__main__":
    sys.exit(main())
