"""What compression costs on the test set, in bytes, in time and in memory.

``compress_ratio``: bytes of the model's folder over those of the compressed one, both with their snapshots;
``compress_learned_ratio``: the same of the tensors alone.  ``compress_ndcg_drop``: how much less NDCG@10 is on the test
set, as a share of it; how far to go was chosen on interactions held out from training.  Times are the medians of single
lists of ten, memory is what one process holds after it has read the model and made them.

    python -m benchmarks.trust.small --items 30000 --json

does this alone, with a model of a generated catalogue: items are of kinds, users choose by some of them and by
popularity, and nothing else is known.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kg_rec.api import Model
from kg_rec.cli.console import progress_bar
from kg_rec.evaluation.bootstrap import ratio_interval
from kg_rec.metrics import ValidationSet
from kg_rec.model import persist
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories
from kg_rec.model.train.train import train
from kg_rec.progress import Progress
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split, random_split
from kg_rec.trust.compress import MAX_DROP, compress

#: Users whose lists are timed.
LISTS = 300
_ONE = """
import json, sys, time
import numpy as np
from kg_rec.api import Model
import scipy.sparse, kg_rec.recommend

def held(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))

empty = held("RssAnon")
start = time.perf_counter()
model = Model.load(sys.argv[1], mmap=sys.argv[2] == "mapped").recommender
model.rank(np.array([0]), 10)
ready = time.perf_counter() - start
times = []
for user in range(min(int(sys.argv[3]), model.shape[0])):
    begun = time.perf_counter()
    model.rank(np.array([user]), 10)
    times.append(time.perf_counter() - begun)
found = {"ready_seconds": ready, "list_ms": 1e3 * float(np.median(times)), "memory_mb": (held("RssAnon") - empty) / 1e6}
print(json.dumps(found))
"""


def compression(folder: Path, judge: ValidationSet, rows: np.ndarray[Any, Any], progress: Progress) -> dict[str, float]:
    """Figures of the model of one split.

    Args:
        folder: that the model was written into; the compressed one is written beside it.
        judge: the test.
        rows: dense indices of its users.
        progress: called as the work advances.
    """
    model = Model.load(folder)
    small = compress(model, MAX_DROP, progress=progress)
    out = folder.with_name("small")
    small.model.save(out)
    before, after = (judge.per_user(m.recommender.scores(rows).astype(np.float32)) for m in (model, Model.load(out)))
    kept = ratio_interval(after, before, 0) or (float("nan"), float("nan"))
    tensors = [(f / "tensors.safetensors").stat().st_size for f in (folder, out)]
    result = {
        "compress_ratio": persist.size(folder) / persist.size(out),
        "compress_ndcg_drop": float(1 - after.mean() / before.mean()),
        "compress_ndcg_drop_low": 1 - kept[1],
        "compress_ndcg_drop_high": 1 - kept[0],
        "compress_learned_ratio": tensors[0] / tensors[1],
        "compress_bytes_before": float(persist.size(folder)),
        "compress_bytes_after": float(persist.size(out)),
        "compress_ndcg_before": float(before.mean()),
        "compress_ndcg_after": float(after.mean()),
        "compress_valid_drop": small.taken.drop,
        "compress_keep": small.taken.keep,
        "compress_bits": float(small.taken.bits),
        "compress_directions": float(small.taken.directions),
    }
    for name, of, how in (("whole", folder, "read"), ("small", out, "read"), ("mapped", folder, "mapped")):
        progress(0, None, f"time lists of the model, {name}")
        result |= {f"{name}_{key}": value for key, value in in_a_process(of, how).items()}
    return result


def in_a_process(folder: Path, how: str) -> dict[str, float]:
    """Time and memory of lists, in a process that does nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", _ONE, str(folder), how, str(LISTS)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_of(split: Split, shape: tuple[int, int]) -> tuple[ValidationSet, np.ndarray[Any, Any]]:
    """Test users: what is masked, what is to be found, among what; and their dense indices."""
    relevant = histories(split.test, shape, 0)
    rows = np.flatnonzero(np.diff(relevant.indptr))
    given, masked = histories(split.train, shape, 0)[rows], histories(split.masked("test"), shape, 0)[rows]
    return ValidationSet(given, masked, relevant[rows], split.test_candidates), rows


def catalogue(
    items: int, users: int, interactions: int, seed: int, kinds: int = 100, chosen: int = 4, *, facts: bool = False
) -> Snapshot:
    """A graph in which each user chooses, nine times of ten, among the items of ``chosen`` of the ``kinds``.

    With ``facts`` the kinds are in the graph, as categories.
    """
    rng = np.random.default_rng(seed)
    popularity = (rng.permutation(items) + 10.0) ** -0.6
    kind = rng.integers(0, kinds, items)
    order = np.argsort(kind, kind="stable")
    starts = np.searchsorted(kind[order], np.arange(kinds + 1))
    cumulated = np.concatenate([[0.0], np.cumsum(popularity[order])])
    user = np.sort(rng.integers(0, users, interactions))
    mine = rng.integers(0, kinds, (users, chosen))[user, rng.integers(0, chosen, interactions)]
    anywhere = rng.random(interactions) < 0.1
    low = np.where(anywhere, 0.0, cumulated[starts[mine]])
    high = np.where(anywhere, cumulated[-1], cumulated[starts[mine + 1]])
    place = np.searchsorted(cumulated, low + rng.random(interactions) * (high - low), side="right") - 1
    pairs = np.unique(user * items + order[np.minimum(place, items - 1)])
    schema = GraphSchema.bundled("interactions")
    counts = {schema.user.name: users, schema.item.name: items, "Category": kinds if facts else 0}
    nodes = {}
    for name, node_type in schema.node_types.items():
        count = counts.get(name, 0)
        keys = pa.array([f"{n:06d}" for n in range(count)], pa.string())
        columns = {p.name: keys if p.name == node_type.key else pa.nulls(count) for p in node_type.properties}
        nodes[name] = pa.table(columns)
    none = np.zeros(0, np.int64)
    others = {name: EdgeTable(none, none) for name in schema.relation_types}
    if facts:
        others["HAS_CATEGORY"] = EdgeTable(np.arange(items), kind)
    edges = EdgeTable(pairs // items, pairs % items, np.full(len(pairs), 5, np.float32), np.arange(len(pairs)))
    return Snapshot(schema, "a generated catalogue", nodes, {**others, schema.interaction.name: edges})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust.small",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in (("items", 30_000), ("users", 15_000), ("interactions", 600_000)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"[default: {default:,}]")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    with progress_bar() as progress, tempfile.TemporaryDirectory() as place:
        graph = catalogue(options.items, options.users, options.interactions, options.seed)
        split = random_split(graph.interactions, options.items, options.seed)
        folder = Path(place) / "model"
        persist.save(train(graph, TrainConfig(), split=split, progress=progress), folder)
        judge, rows = test_of(split, (options.users, options.items))
        figures = {"items": options.items, "interactions": len(graph.interactions)}
        result = figures | compression(folder, judge, rows, progress)
    print(json.dumps(result, indent=None if options.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
