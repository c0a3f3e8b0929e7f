"""benchmarks.quality on data that nobody tuned on: other ids, no times, counts, no text, no graph."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.__main__ import main
from benchmarks.quality.graph import Files, build, split_of
from benchmarks.quality.peers import ease
from kg_rec.progress import no_progress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two groups of users with their own items; the items' ids are no numbers, counts stand for ratings."""
    rng = np.random.default_rng(5)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(60):
        group = user % 2
        items = rng.choice(20, 12, replace=False) * 2 + group
        for place, item in enumerate(items):
            part = "test" if place < 2 else "valid" if place < 4 else "train"
            parts[part].append(f"u-{user:x}\tT/{item}#\t{rng.geometric(0.3)}")
    for part, rows in parts.items():
        (tmp_path / f"{part}.tsv").write_text("user\titem\tplays\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> dict:
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def test_one_line_of_json_with_every_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = folder / "facts.tsv"
    rows = [f"T/{item}#\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(40)]
    facts.write_text("item_id\trelation\tname\n" + "\n".join(rows) + "\n", encoding="utf-8")
    out = folder / "line.json"
    assert main([str(folder), "--facts", str(facts), "--out", str(out), "--peers", "ease"]) == 0
    result = said(capsys)
    assert json.loads(out.read_text(encoding="utf-8")) == result
    assert {"data", "protocol", "users", "items", "metrics", "valid", "intervals", "chosen", "seconds",
            "peak_memory_mb", "kg_lift"} <= result.keys()  # fmt: skip
    assert set(result["kg_lift"]) == {"no_graph", "shuffled_graph", "no_text", "no_gnn"}
    assert set(result["seconds"]) == {"fit", "tune", "rank", "text"}
    assert (result["protocol"], result["users"], result["items"]) == ("random", 60, 40)
    # of the 20 items of a group 8 are left to rank and 2 to find: a random order of all 30 would reach .15
    assert result["metrics"]["ndcg@10"] > 0.4
    low, high = result["intervals"]["ndcg@10"]
    assert low <= result["metrics"]["ndcg@10"] <= high
    assert result["peers"]["ease"]["ndcg@10"] > 0.4


def test_cold_folds_are_averaged(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = [r for p in ("train", "valid", "test") for r in (folder / f"{p}.tsv").read_text("utf-8").splitlines()[1:]]
    for fold in range(2):
        parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for row in lines:
            item = int(row.split("\t")[1][2:-1]) // 2
            parts["test" if item % 5 == fold else "valid" if item % 5 == fold + 2 else "train"].append(row)
        (tmp_path / "folds" / str(fold)).mkdir(parents=True)
        for part, rows in parts.items():
            file = tmp_path / "folds" / str(fold) / f"{part}.tsv"
            file.write_text("user\titem\tplays\n" + "\n".join(rows) + "\n", encoding="utf-8")
    facts = folder / "facts.tsv"
    rows = [f"T/{item}#\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(40)]
    facts.write_text("item_id\trelation\tname\n" + "\n".join(rows) + "\n", encoding="utf-8")
    arguments = [str(tmp_path / "folds"), "--protocol", "cold-items", "--facts", str(facts), "--ablations", "no_graph"]
    assert main(arguments) == 0
    result = said(capsys)
    assert result["protocol"] == "cold-items"
    figures = [fold["metrics"]["ndcg@10"] for fold in result["folds"]]
    assert len(figures) == 2
    assert result["metrics"]["ndcg@10"] == pytest.approx(np.mean(figures))
    assert all(fold["items"] == 8 for fold in result["folds"])
    # the facts say which group an item is of, and nothing else does
    assert result["kg_lift"]["no_graph"]["drop"] > 0.1


def test_ratings_that_the_schema_would_call_negative_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "films.item").write_text("item_id:token\tmovie_title:token_seq\nf\tUp\ng\tHer\n", encoding="utf-8")
    for part, item in (("train", "f"), ("valid", "g"), ("test", "g")):
        (tmp_path / f"{part}.tsv").write_text(f"user\titem\trating\nu\t{item}\t1\n", encoding="utf-8")
    snapshot, rejected = build(tmp_path, Files(items=tmp_path / "films.item"), no_progress)
    assert rejected == 0
    assert snapshot.schema.name == "movies"
    split = split_of(tmp_path, snapshot, "random")
    assert [part.weight for part in (split.train, split.valid, split.test)] == [None] * 3


def test_a_folder_without_a_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"expected train\.tsv, valid\.tsv and test\.tsv"):
        main([str(tmp_path)])


@pytest.mark.shared
def test_ease_reaches_what_was_measured_elsewhere(shared_data: Path) -> None:
    folder = shared_data / "ml-100k" / "splits" / "random"
    snapshot, _ = build(folder, Files(), no_progress)
    split = split_of(folder, snapshot, "random")
    found = ease(split, (len(snapshot.users), len(snapshot.items)), no_progress, 0)
    assert found["ndcg@10"] == pytest.approx(0.305, abs=5e-4)  # ../shared/peers.md, by another library
    assert found["recall@10"] == pytest.approx(0.2804, abs=5e-4)
