"""The Python of docs/pyg.md, run from top to bottom on a small demonstration graph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import kg_rec as kg
from kg_rec.loaders.demo import FILMS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "pyg.md").read_text(encoding="utf-8")


def test_the_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = kg.connect("kg.graph")
    kg.load(store, "demo", FILMS, viewers=60)
    store.close()
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE):
        exec(block, names)
        if "timed" in names and "in_memory" not in names:
            batch = names["batch"]
            owner = batch["User"].batch[batch["Film", "rev_RATED", "User"].edge_index[1]]
            assert len(owner) > 0
    losses = names["losses"]
    assert losses[-1] < 0.9 * losses[0]
    first = next(iter(names["in_memory"]))
    assert torch.equal(first["Film"].n_id, names["batch"]["Film"].n_id)
    names["store"].close()
