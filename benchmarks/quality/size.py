"""How long a fit takes and how much memory, on a generated catalogue of any size: no tuning, everything is chosen.

    python -m benchmarks.quality.size --items 100000 --interactions 2000000 --json

Users choose by kinds, which are facts of the items (:func:`benchmarks.trust.small.catalogue`).  The hyperparameters are
those that training on a catalogue of at most 2,000 items chose.  ``fit_seconds``: of the fit, all channels, by the
clock; ``fit_cpu_seconds``: processor time; ``peak_memory_mb``: of the process, the graph included; ``ndcg@10``: of the
test, where each user with three interactions or more has some to be found.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

from benchmarks.trust.small import catalogue, test_of
from kg_rec.cli.console import progress_bar
from kg_rec.metrics import per_user
from kg_rec.model.config import TrainConfig
from kg_rec.model.train.fit import fit
from kg_rec.model.train.train import train
from kg_rec.progress import Progress
from kg_rec.split import random_split

#: Largest catalogue that hyperparameters are chosen on.
_CHOSEN_ON = 2_000
#: Test users whose lists are judged.
_JUDGED = 2_000


def measure(items: int, users: int, interactions: int, seed: int, progress: Progress) -> dict[str, float]:
    """The figures of one size."""
    n = min(items, _CHOSEN_ON)
    few = catalogue(n, n, 30 * n, seed, facts=True)
    config = TrainConfig()
    chosen = train(few, config, split=random_split(few.interactions, n, seed), progress=progress).chosen
    graph = catalogue(items, users, interactions, seed, facts=True)
    split = random_split(graph.interactions, items, seed)
    seen = graph.with_edges(graph.schema.interaction.name, split.train)
    start, begun = time.perf_counter(), time.process_time()
    model = fit(seen, chosen, config, None, progress)
    seconds, processor = time.perf_counter() - start, time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    judge, rows = test_of(split, (users, items))
    some = np.random.default_rng(seed).permutation(len(rows))[:_JUDGED]
    top, _ = model.best(model.histories[rows[some]], judge.seen[some], 10)
    found = per_user(top, judge.relevant[some], 10)["ndcg"].mean()
    return {
        "items": items, "users": users, "interactions": len(split.train), "fit_seconds": seconds,
        "fit_cpu_seconds": processor, "peak_memory_mb": peak, "ndcg@10": float(found),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.size", description=__doc__, formatter_class=form
    )
    for name, default in (("items", 100_000), ("users", 100_000), ("interactions", 2_000_000)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"[default: {default:,}]")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    with progress_bar() as progress:
        figures = measure(options.items, options.users, options.interactions, options.seed, progress)
    print(json.dumps(figures, indent=None if options.json else 2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
