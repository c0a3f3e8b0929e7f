"""benchmarks.trust at a tiny size: every key, and figures that mean something."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.trust.__main__ import main

CONFIG = """
recency = [0.0]
[taste]
l2 = [5.0, 20.0]
[gnn]
dimensions = [4]
exponents = [0.3]
[meaning]
encoder = "none"
[fusion]
rounds = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two groups of users with their own items, and facts that tell the items apart."""
    rng = np.random.default_rng(5)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(60):
        items = rng.choice(20, 12, replace=False) * 2 + user % 2
        for place, item in enumerate(items):
            part = "test" if place < 2 else "valid" if place < 4 else "train"
            parts[part].append(f"u-{user:x}\tT/{item}#\t1")
    for part, rows in parts.items():
        (tmp_path / f"{part}.tsv").write_text("user\titem\tplays\n" + "\n".join(rows) + "\n", encoding="utf-8")
    rows = [f"T/{item}#\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(40)]
    (tmp_path / "facts.tsv").write_text("item_id\trelation\tname\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "quick.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_one_line_of_json_with_every_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [str(folder), "--facts", str(folder / "facts.tsv"), "--runs", "2", "--models", "4"]
    assert main([*args, "--config", str(folder / "quick.toml"), "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    asked = {"epsilon3_ndcg", "epsilon1_ndcg", "membership_auc", "federated_error", "forget_equal", "forget_time_ratio"}
    asked |= {"compress_ratio", "compress_ndcg_drop"}
    assert asked <= found.keys()
    assert all(isinstance(found[key], float) for key in asked)
    # the facts are public and tell the groups apart, which popularity does not
    assert found["epsilon3_ndcg"] > 1.2 * found["popular_ndcg"]
    assert 0.3 < found["membership_auc"] < 0.8
    assert found["membership_auc_not_private"] > found["membership_auc"]
    assert found["forget_equal"] <= 1e-6
    assert found["forget_moved"] > 1e-6
    assert found["forget_time_ratio"] > 0
    assert found["federated_error"] <= 1e-9
    assert found["compress_ratio"] > 1
    assert found["compress_ratio"] == found["compress_bytes_before"] / found["compress_bytes_after"]
    assert found["compress_ndcg_drop"] == 1 - found["compress_ndcg_after"] / found["compress_ndcg_before"]
    assert found["compress_valid_drop"] <= 0.01
    for name in ("whole", "small", "mapped"):
        assert found[f"{name}_list_ms"] > 0
