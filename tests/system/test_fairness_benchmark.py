"""benchmarks.fairness at a tiny size: every key, and figures that mean something."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_split import write_split

from benchmarks.fairness.__main__ import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three of four users like odd items; a third like both kinds, which lists by score do not show."""
    rng = np.random.default_rng(5)
    chosen = {}
    for user in range(80):
        odd = rng.choice(20, 12 if user % 4 else 4, replace=False) * 2 + 1
        even = rng.choice(20, 4 if user % 4 else 12, replace=False) * 2
        chosen[f"u{user}"] = rng.permutation([*odd, *even])
    return write_split(tmp_path, chosen, 40, [5.0, 20.0])


def test_one_line_of_json_and_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(folder), "--facts", str(folder / "facts.tsv"), "--config", str(folder / "quick.toml")]
    page = folder / "audit.html"
    assert main([*arguments, "--least", "5", "--json", "--page", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert found["users"] == 80
    assert found["parts_error"] <= 1e-5
    assert found["floor_tail"] >= max(0.1 - 1e-9, found["floor_tail_before"] - 1e-9)
    assert 0 < found["own_divergence"] < found["divergence"]
    assert found["halved_kl_ratio"] < found["calibration_kl_ratio"] + 1e-9
    assert found["head_ratio"] > found["tail_ratio"]
    assert "MADE_IN" in page.read_text(encoding="utf-8").upper()
