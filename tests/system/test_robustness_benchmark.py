"""benchmarks.robustness at a tiny size: every key, and figures that mean something."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.robustness.__main__ import MODELS, main
from benchmarks.robustness.attacks import ATTACKS

CONFIG = """
recency = [0.0]
[taste]
l2 = [5.0]
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
    """Two groups of users with their own items, some of which few have, and facts that tell the items apart."""
    rng = np.random.default_rng(5)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    weight = 1 / (1 + np.arange(30))
    for user in range(80):
        items = rng.choice(30, 14, replace=False, p=weight / weight.sum()) * 2 + user % 2
        for place, item in enumerate(items):
            part = "test" if place < 2 else "valid" if place < 4 else "train"
            parts[part].append(f"u-{user:x}\tT/{item}#\t1")
    for part, rows in parts.items():
        (tmp_path / f"{part}.tsv").write_text("user\titem\tplays\n" + "\n".join(rows) + "\n", encoding="utf-8")
    rows = [f"T/{item}#\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(60)]
    (tmp_path / "facts.tsv").write_text("item_id\trelation\tname\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "quick.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_one_line_of_json_with_every_attack_and_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [str(folder), "--facts", str(folder / "facts.tsv"), "--config", str(folder / "quick.toml")]
    assert main([*args, "--quick", "--targets", "2", "--slow", "1", "--fakes", ".05", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert set(found["ndcg"]) == set(MODELS)
    assert min(found["ndcg"].values()) > 0.05
    assert set(found["attacks"]) == {f"{name}-5%" for name in ATTACKS}
    for models in found["attacks"].values():
        assert set(models) == set(MODELS)
        for name, figures in models.items():
            assert figures["runs"] == (1 if name == "lightgcn" else 2)
            least = 1 / found["users"]
            ratio = max(figures["exposure_after"], least) / max(figures["exposure_before"], least)
            assert figures["exposure_ratio"] == pytest.approx(ratio)
            assert -1 < figures["ndcg_drop"] < 1
            interval = figures["exposure_ratio_interval"]
            assert interval is None if figures["runs"] == 1 else interval[0] <= ratio <= interval[1]
    # four users made for the closed form push an item into more of its lists
    assert found["attacks"]["whitebox-5%"]["ease"]["exposure_ratio"] > 1.5
    assert set(found["noise"]) == {"interactions-10%", "facts-10%", "links-10%"}
    assert set(found["noise"]["facts-10%"]) == {"ours", "ours-robust"}
    assert found["noise"]["interactions-10%"]["ease"]["exposure_ratio"] is None
    assert set(found["suspects"]) == {"nothing", *found["attacks"]}
    copies = found["suspects"]["copied-5%"]
    assert copies["recall"] == 1
    assert copies["fakes"] == 8
    assert copies["named"] * copies["precision"] == pytest.approx(8)
