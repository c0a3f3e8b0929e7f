"""What compression costs on the test set, in bytes, in time and in memory.

``compress_ratio``: bytes of the model's folder over those of the compressed one, both with their snapshots;
``compress_learned_ratio``: the same of the tensors alone.  ``compress_ndcg_drop``: how much less NDCG@10 is on the test
set, as a share of it; how far to go was chosen on interactions held out from training.  Times are the medians of single
lists of ten, memory is what one process holds after it has read the model and made them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from kg_rec.api import Model
from kg_rec.metrics import ValidationSet
from kg_rec.model import persist
from kg_rec.progress import Progress
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
    before, after = (judge.ndcg(m.recommender.scores(rows).astype(np.float32)) for m in (model, Model.load(out)))
    tensors = [(f / "tensors.safetensors").stat().st_size for f in (folder, out)]
    result = {
        "compress_ratio": persist.size(folder) / persist.size(out),
        "compress_ndcg_drop": 1 - after / before,
        "compress_learned_ratio": tensors[0] / tensors[1],
        "compress_bytes_before": float(persist.size(folder)),
        "compress_bytes_after": float(persist.size(out)),
        "compress_ndcg_before": before,
        "compress_ndcg_after": after,
        "compress_valid_drop": small.taken.drop,
        "compress_keep": small.taken.keep,
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
