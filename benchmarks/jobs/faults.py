"""A job that is killed many times per store and resumed: the figures of tests/system/jobs/test_job_faults.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from kg_rec.cli.console import print_table

#: Where in its run a job was killed, by what the ledger held then: nothing, no plan, some chunks, all chunks and no
#: pointer, the pointer.
STAGES = ("begin", "plan", "chunks", "publish", "tidy")


def main(count: int, seed: int, as_json: bool) -> int:
    """Kill ``count`` runs per store and print the figures; what the tests print goes to stderr.

    Per store: ``runs``, ``equal`` (runs whose files and edges are those of an undisturbed run), ``kills``, ``stages``
    (kills per stage), ``seconds``, and ``undisturbed_seconds`` of one run.

    Returns:
        pytest's exit status: not 0 where a run differs or a store could not be tested.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.jsonl"
        told = {"KG_REC_JOB_FAULTS": str(count), "KG_REC_JOB_SEED": str(seed), "KG_REC_JOB_FIGURES": str(figures)}
        command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/system/jobs/test_job_faults.py", "-k", "random"]
        environment = os.environ | told | {"KG_REC_REQUIRE_ALL": "1"}
        code = subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode
        stores = [json.loads(line) for line in figures.read_text().splitlines()] if figures.exists() else []
    if as_json:
        print(json.dumps({"faults": count, "seed": seed, "stores": stores}))
    else:
        show(stores)
    return code


def show(stores: list[dict[str, Any]]) -> None:
    """One row per store, on stdout."""
    columns = ["store", "runs", "resumed equal", "kills", *STAGES, "s", "s of one run"]
    rows = [
        [
            s["store"],
            s["runs"],
            f"{s['equal'] / s['runs']:.0%}",
            s["kills"],
            *(s["stages"].get(name, 0) for name in STAGES),
            round(s["seconds"]),
            round(s["undisturbed_seconds"], 1),
        ]
        for s in stores
    ]
    print_table(columns, rows, ["resumed equal"])
