"""How batch jobs scale: load, export, fit, and top-10 lists to Parquet and into the graph.

    python -m benchmarks.jobs --interactions 100000 1000000 --graph neo4j://localhost:7687
    python -m benchmarks.jobs --faults 100

The store at ``--graph`` is DELETED first; a folder is the default.  Each stage runs in a process of its own, whose peak
memory is told.  Rates are compared with limits measured in the same run: matrix multiplication, the memory's stream,
and a bare driver's UNWIND loop.  ``--faults N`` kills a job N times per store instead (tests/unit/jobs).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.jobs import limits, stages


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interactions", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--graph", help="URL of a server whose data is deleted; default: an embedded graph")
    parser.add_argument("--users", type=int, help="default: interactions / 20")
    parser.add_argument("--items", type=int, help="default: interactions / 50, at most 20,000")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, help="kill a job so many times per store instead")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.faults:
        command = [sys.executable, "-m", "pytest", "-s", "tests/unit/jobs/test_job_faults.py", "-k", "random"]
        environment = os.environ | {"KG_REC_JOB_FAULTS": str(options.faults), "KG_REC_JOB_SEED": str(options.seed)}
        return subprocess.run(command, env=environment, check=False).returncode
    results = []
    for interactions in options.interactions:
        users = options.users or interactions // 20
        items = options.items or min(interactions // 50, 20_000)
        size = stages.Size(interactions, users, items, options.seed)
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(size, Path(folder), options.graph, options.workers, tell=not options.json))
    if options.json:
        print(json.dumps(results, indent=2))
    return 0


def measure(size: stages.Size, folder: Path, graph: str | None, workers: int, *, tell: bool) -> dict[str, Any]:
    """All stages of one size."""
    url = graph or str(folder / "graph")
    found: dict[str, Any] = {"interactions": size.interactions, "users": size.users, "items": size.items, "graph": url}

    def stage(name: str, work: Callable[..., dict[str, Any]], *arguments: Any) -> None:
        values, peak, seconds = stages.apart(work, *arguments)
        found[name] = {**values, "seconds": seconds, "peak_mib": peak}
        if tell:
            shown = "  ".join(f"{k} {v:,.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in found[name].items())
            print(f"{size.interactions:>10,}  {name:12} {shown}", flush=True)

    stage("load", stages.load, url, size)
    stage("export", stages.export_all, url, folder)
    if "://" in url:
        stage("bare read", limits.bare_read, url)
        found["export"]["share_of_bare_driver"] = found["export"]["rows_per_s"] / found["bare read"]["rows_per_s"]
    stage("fit", stages.fit, folder)
    stage("limits", limits.machine, folder, size.items, workers)
    bound = found["limits"]["users_per_s"]
    for name, share in (("lists/10", 0.1), ("lists", 1.0)):
        stage(name, stages.lists, folder, share, workers)
        found[name]["share_of_bound"] = found[name]["users_per_s"] / bound
    stage("job", stages.job, url, folder, workers)
    if "://" in url:
        stage("bare write", limits.bare_write, url, folder)
        found["job"]["share_of_bare_write"] = found["job"]["written_rows_per_s"] / found["bare write"]["rows_per_s"]
    for name in ("export", "lists", "job"):
        shares = {k: round(v, 3) for k, v in found[name].items() if k.startswith("share")}
        if tell and shares:
            print(f"{size.interactions:>10,}  {name:12} {shares}")
    shutil.rmtree(folder / "jobs", ignore_errors=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
