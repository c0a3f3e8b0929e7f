"""Are the explanations true, do they matter, and how fast are they?  On MovieLens 100K with named facts.

    python -m benchmarks.explanations --data ../shared/data/ml-100k --pairs 10000

With --json one object on stdout: ``pairs``, the shares ``exists``, ``adds_up``, ``names_true``, ``numbers_true`` (0 to
1), of the texts of top-10 places ``against_told`` and ``specific_told``, then ``max_relative_error``, ``matters``,
``per_second``, ``single_ms``, ``peak_memory_mb``.  Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.explanations.checks import checked, confirmed
from benchmarks.explanations.deletions import measured
from benchmarks.explanations.graph import prepared
from benchmarks.explanations.matters import curves
from benchmarks.explanations.retrained import survives
from benchmarks.explanations.speed import measure
from kg_rec.cli.console import print_table, progress_bar
from kg_rec.errors import KgRecError
from kg_rec.model.recommender import Recommender
from kg_rec.progress import Progress
from kg_rec.store import connect


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    started = time.perf_counter()
    try:
        with progress_bar() as progress:
            model, url = prepared(options.data, options.work, options.graph, options.seed, progress)
            found = truth(model.recommender, url, options, progress)
            if not options.no_speed:
                found |= measure(model, url, seed=options.seed, progress=progress)
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _print(found)
    return 0


def truth(model: Recommender, url: str, options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """All but the speed."""
    tally = checked(model, options.pairs, options.seed, progress)
    shares = {
        name: tally.counts[name] / tally.explanations for name in ("exists", "adds_up", "names_true", "numbers_true")
    }
    shares |= {name: tally.counts[name] / max(1, tally.counts["top"]) for name in ("against_told", "specific_told")}
    matters = curves(model, options.curves, options.seed, progress)
    with closing(connect(url)) as store:
        answers = confirmed(model, store, options.sample, options.seed, progress)
        matters["deleted_in_the_store"] = measured(model, store, options.sample, options.seed, progress)
    return {
        "pairs": options.pairs,
        "explanations": tally.explanations,
        "paths": tally.counts["paths"],
        **shares,
        "max_relative_error": tally.worst,
        "store": answers,
        "matters": matters,
        "counterfactuals": survives(model, options.counterfactuals, options.seed, progress),
        "failures": tally.failures,
    }


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explanations", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ml-100k"), metavar="DIR")
    parser.add_argument("--pairs", type=int, default=10_000, help="pairs of user and item, each in both languages")
    parser.add_argument("--curves", type=int, default=1_000, help="recommendations for the curves (default: 1000)")
    parser.add_argument("--sample", type=int, default=100, help="explanations and edges tried on the store")
    parser.add_argument(
        "--counterfactuals", type=int, default=40, help="counterfactuals tried on a model trained again (default: 40)"
    )
    parser.add_argument("--graph", metavar="URL", help="load into this store; default: an embedded one in --work")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "kg-rec-explanations",
        metavar="DIR",
        help="where the graph and the model are kept for the next time",
    )
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--no-speed", action="store_true", help="leave the measurement of speed out")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def _print(found: Mapping[str, Any]) -> None:
    rows = [(name, f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in _flat(found)]
    print_table(["measure", "figure"], rows, ["figure"])


def _flat(found: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in found.items():
        rows += _flat(value, f"{prefix}{name}, ") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return rows


if __name__ == "__main__":
    sys.exit(main())
