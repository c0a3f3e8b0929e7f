"""A model that is replaced while it is read and its writers are killed."""

from __future__ import annotations

import random
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from toy_graph import everything

from kg_rec.model import persist
from kg_rec.model.persist import load, save
from kg_rec.model.recommender import Recommender


def replace_for_ever(models: list[Recommender], target: Path) -> None:
    while True:
        for model in models:
            save(model, target)


@pytest.mark.timeout(300)
def test_a_kill_leaves_the_old_model_or_the_new_one(tmp_path: Path) -> None:
    """Six kills at any moment of replacing; a reader that reads all the while never sees anything else."""
    model = everything()
    saved = tmp_path / "saved"
    save(model, saved)
    e = model.snapshot.interactions
    fewer = model.with_interactions(e.take(np.arange(len(e)) % 2 == 0))
    save(fewer, tmp_path / "fewer")
    target = tmp_path / "target"
    save(model, target)
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    whole = {persist.digest(saved), persist.digest(tmp_path / "fewer")}
    chosen = random.Random(2)
    for _ in range(6):
        writer = get_context("fork").Process(target=replace_for_ever, args=([model, fewer], target))
        writer.start()
        until = time.monotonic() + chosen.uniform(0.1, 0.8)
        while time.monotonic() < until:
            load(target)
        writer.kill()
        writer.join()
        load(target)
        assert persist.digest(target) in whole
    save(model, target)
    assert {p.name for p in target.iterdir()} == {"model.json", "tensors.safetensors", "snapshot", "notes.txt"}
    assert persist.digest(target) == persist.digest(saved)
