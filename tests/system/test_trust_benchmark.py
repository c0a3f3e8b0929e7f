"""benchmarks.trust at a tiny size: every key, and figures that mean something."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_split import write_split

from benchmarks.trust import small
from benchmarks.trust.__main__ import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two groups of users with their own items, and facts that tell the items apart."""
    rng = np.random.default_rng(5)
    chosen = {f"u-{user:x}": rng.choice(20, 12, replace=False) * 2 + user % 2 for user in range(60)}
    return write_split(tmp_path, chosen, 40, [5.0, 20.0], "T/{}#".format)


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
    assert found["forget_equal"] == 0
    assert found["forget_tensors_differ"] == 0
    assert found["forget_moved"] > 1e-6
    assert 0 < found["forget_time_ratio_low"] <= found["forget_time_ratio"] <= found["forget_time_ratio_high"]
    assert found["federated_error"] <= 1e-9
    assert found["compress_ratio"] > 1
    assert found["compress_ratio"] == found["compress_bytes_before"] / found["compress_bytes_after"]
    assert found["compress_ndcg_drop"] == 1 - found["compress_ndcg_after"] / found["compress_ndcg_before"]
    for figure in ("epsilon3_ndcg", "epsilon1_ndcg", "sites_epsilon3_ndcg", "compress_ndcg_drop"):
        assert found[f"{figure}_low"] <= found[figure] <= found[f"{figure}_high"]
    assert found["compress_valid_drop"] <= 0.01
    for name in ("whole", "small", "mapped"):
        assert found[f"{name}_list_ms"] > 0


def test_a_generated_catalogue_is_chosen_by_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    """Most of what a user chose is of few items' neighbourhoods; the figures are those of the model that is saved."""
    graph = small.catalogue(300, 150, 6_000, seed=1, kinds=10, chosen=2)
    again = small.catalogue(300, 150, 6_000, seed=1, kinds=10, chosen=2)
    assert graph.interactions.source.tolist() == again.interactions.source.tolist()
    together = np.zeros((150, 300))
    together[graph.interactions.source, graph.interactions.target] = 1
    alike = np.corrcoef(together.T[together.sum(axis=0) > 5])
    assert (alike > 0.3).mean() > 0.05  # pairs of one kind: a tenth of all
    arguments = ["--items", "300", "--users", "150", "--interactions", "6000", "--json"]
    assert small.main(arguments) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["compress_ratio"] > 1
    assert figures["compress_ndcg_before"] > 0.1
