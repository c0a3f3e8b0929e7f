"""A model that is larger than the memory of the process: mapped it makes lists, read whole it does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from toy_graph import CONFIG, everything, films

from kg_rec.model.cold.similarity import Similarity
from kg_rec.model.kernel import FactorKernel, MatrixKernel
from kg_rec.model.persist import save
from kg_rec.model.recommender import Channel, Recommender

ITEMS, NEAR, WIDE = 6_000, 1_500, 400
#: What the process may take besides what it takes at its start, half of it a buffer of the linear algebra that is never
#: filled; the tensors are more.
ROOM = 64 << 20
_SCRIPT = """
import json, resource, sys
import numpy as np
from kg_rec.api import Model
from kg_rec.snapshot import Snapshot
import kg_rec.recommend, kg_rec.model.operator, scipy.sparse

def held(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))

Snapshot.load(f"{sys.argv[1]}/snapshot")  # threads are made before memory is bounded: without it they wait for ever
mapped, private = sys.argv[2] == "mapped", held("RssAnon")
if mapped:
    most = held("VmData") + int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
model = Model.load(sys.argv[1], mmap=mapped)
rows = model.recommend(["u00", "u17"], 10).to_pylist()
one = model.recommender.contributions(17, model.recommender.items.index(rows[-1]["item"])).score
print(json.dumps({"rows": rows, "score": one, "private": held("RssAnon") - private}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(8)
    columns = np.concatenate([np.sort(rng.choice(ITEMS, NEAR, replace=False)) for _ in range(ITEMS)])
    bounds = np.arange(0, ITEMS * NEAR + 1, NEAR)
    near = sparse.csr_array((rng.random(ITEMS * NEAR, np.float32), columns, bounds), shape=(ITEMS, ITEMS))
    wide = FactorKernel(*(rng.random((ITEMS, WIDE), np.float32) for _ in range(2)))
    one, none = np.ones(ITEMS, np.float32), np.zeros(ITEMS, bool)
    channels = (Channel("taste", MatrixKernel(near), one), Channel("relational", wide, one))
    likeness = Similarity((), None, None, {}, np.zeros((ITEMS, 0), np.float32), {}, 2.0)
    parts = channels, np.zeros(ITEMS, np.float32), none, (), likeness, None, None
    made = tmp_path_factory.mktemp("large") / "model"
    save(Recommender(films(items=ITEMS, cold=0), CONFIG, everything().chosen, *parts), made)
    return made


def child(folder: Path, how: str) -> Any:
    args = [sys.executable, "-c", _SCRIPT, str(folder), how, str(ROOM)]
    done = subprocess.run(args, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on private memory is Linux's")
def test_a_model_larger_than_memory_makes_lists(folder: Path) -> None:
    size = (folder / "tensors.safetensors").stat().st_size
    whole, found = child(folder, "whole"), child(folder, "mapped")
    assert whole["private"] > size  # what follows would not be possible so
    assert size > ROOM
    assert found["private"] < size / 4
    assert [row["item"] for row in found["rows"]] == [row["item"] for row in whole["rows"]]
    scores = [[row["score"] for row in one["rows"]] for one in (found, whole)]
    np.testing.assert_allclose(*scores, rtol=1e-6)
    assert found["score"] == pytest.approx(found["rows"][-1]["score"], rel=1e-5)
