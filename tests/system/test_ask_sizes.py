"""benchmarks.ask.sizes at a tiny size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ask.sizes import SIZES, main


def test_it_prints_a_figure_per_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(60):
        for place, item in enumerate(rng.choice(20, 12, replace=False) * 2 + user % 2):
            part = "test" if place < 2 else "valid" if place < 5 else "train"
            parts[part].append(f"u{user}\ti{item}\t4")
    for part, rows in parts.items():
        (tmp_path / f"{part}.tsv").write_text("user\titem\trating\n" + "\n".join(rows) + "\n", encoding="utf-8")
    facts = tmp_path / "facts.tsv"
    made = [f"i{item}\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(40)]
    facts.write_text("item_id\trelation\tname\n" + "\n".join(made) + "\n", encoding="utf-8")
    assert main([str(tmp_path), "--facts", str(facts), "--users", "20", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"anchor", "wish"}
    for one in found.values():
        assert one["users"] == 20
        assert list(one["ndcg@10"]) == [f"{size:g}" for size in SIZES]
        assert all(0 < value < 1 for value in one["ndcg@10"].values())
    assert main([str(tmp_path / "nothing")]) == 1
    assert "error" in capsys.readouterr().err
