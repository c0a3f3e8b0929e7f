"""``kg-rec compress``: smaller, and every command that reads a model reads the small one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_world import SMALL, World, run

from kg_rec.api import Model
from kg_rec.model import persist
from kg_rec.model.compression import compressed
from kg_rec.model.train.train import fit_again
from kg_rec.trust.forget import without_user
from kg_rec.trust.private import without_users


@pytest.fixture(scope="module")
def told(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The compressed model, and what the command said of it."""
    out = tmp_path_factory.mktemp("compress") / "small"
    done = run("compress", "--model", world.model, "--out", out, "--max-drop", "0.2", "--json")
    return out, json.loads(done.stdout)


@pytest.fixture
def small(told: tuple[Path, dict[str, object]]) -> Path:
    return told[0]


def test_it_says_what_was_tried_and_how_small_it_is(world: World, told: tuple[Path, dict[str, object]]) -> None:
    out, found = told
    assert found["bytes"] == {"before": persist.size(world.model), "after": persist.size(out)}
    assert found["smaller"] == persist.size(world.model) / persist.size(out)
    curve = found["curve"]
    assert isinstance(curve, list)
    assert found["taken"] in curve
    assert found["taken"]["drop"] <= 0.2  # type: ignore[index]
    within = [point["bytes"] for point in curve if point["drop"] + point["error"] <= 0.2]
    assert found["taken"]["bytes"] == min(within)  # type: ignore[index]
    assert len({point["bits"] for point in curve}) > 2
    sizes = [point["bytes"] for point in curve]
    assert sizes[-1] < sizes[0]
    assert len(curve) > 5
    for point in curve:
        assert point["drop"] == pytest.approx(1 - point["ndcg"] / found["ndcg@10"])  # type: ignore[operator]
    model = Model.load(out).recommender
    assert model.compression is not None
    assert model.compression.keep == found["taken"]["keep"]  # type: ignore[index]


def test_a_table_and_a_picture(world: World) -> None:
    shown = run("compress", "--model", world.model, "--out", "new", "--curve", "curve.png").stdout
    assert "entries kept" in shown
    assert "taken" in shown
    assert "times smaller; written to new" in shown.splitlines()[-1]
    assert Path("curve.png").read_bytes()[:4] == b"\x89PNG"


def test_every_command_reads_it(world: World, small: Path) -> None:
    shutil.copytree(small, "small")
    user, item = "u2", json.loads(run("recommend", "small", "--users", "u2", "-k", "1", "--json").stdout)["item"]
    graph = ("--graph", world.graph)
    for args in (
        ("recommend", "small", *graph, "--out", "lists.parquet"),
        ("explain", "small", user, item, *graph, "--verify"),
        ("explain", "small", user, "--why-not", "f9"),
        ("what-if", "small", user, "--remove", "f0"),
        ("profile", "small", user),
        ("evolve", "small", user),
        ("inspect", "small"),
        ("similar", "small", item),
        ("newcomer", "small", "--like", item),
        ("ask", "--model", "small", user, "a western"),
        ("feedback", "show", "small", *graph, "--users", user),
    ):
        run(*args)


def test_a_mapped_model_makes_the_same_lists(world: World, small: Path) -> None:
    def lists(*args: object) -> list[tuple[str, str, float]]:
        lines = run("recommend", world.model, "--graph", world.graph, "--json", *args).stdout.splitlines()
        return [(row["user"], row["item"], round(row["score"], 5)) for row in map(json.loads, lines)]

    assert lists("--mmap") == lists()
    assert "load it without mmap" in run("recommend", small, "--mmap", code=1).stderr


def test_forgetting_compresses_again_as_far(world: World, small: Path) -> None:
    shutil.copytree(small, "small")
    run("load", "recbole", world.ratings, "--graph", "own.graph")
    run("load", "table", world.facts, "--graph", "own.graph")
    before = Model.load("small").recommender
    run("forget", "u2", "--graph", "own.graph", "--model", "small")
    after = Model.load("small").recommender
    assert "u2" not in after.users
    assert persist.size("small") <= persist.size(small)
    assert before.compression is not None
    others = fit_again(before, without_user(before.snapshot, "u2"))
    expected = compressed(others, before.compression.keep, before.compression.bits, before.compression.text)
    np.testing.assert_array_equal(after.scores(np.arange(39)), expected.scores(np.arange(39)))


def test_what_cannot_be_is_refused_in_one_line(world: World, small: Path) -> None:
    def refused(*args: object, code: int = 1) -> str:
        return run("compress", *args, code=code).stderr

    assert "compressed already" in refused("--model", small, "--out", "again")
    assert "name another folder" in refused("--model", world.model, "--out", world.model, code=2)
    assert "not a model" in refused("--model", world.folder, "--out", "again")
    assert "expected a file ending in .png" in refused(
        "--model", world.model, "--out", "again", "--curve", "c.gif", code=2
    )
    model = Model.load(world.model).recommender
    persist.save(replace(model, snapshot=without_users(model.snapshot)), "nobody")
    assert "holds none" in refused("--model", "nobody", "--out", "again")
    private = replace(model.chosen, privacy={"epsilon": 1.0, "delta": 1e-5})
    persist.save(replace(model, chosen=private), "private")
    assert "does not count" in refused("--model", "private", "--out", "again")
    assert not Path("again").exists()


def test_a_model_that_finds_nothing_of_what_is_held_out_is_refused() -> None:
    Path("apart").mkdir()
    rows = ["user_id:token\titem_id:token", *(f"u{n // 30}\ti{n}" for n in range(60))]  # nobody shares an item
    Path("apart/apart.inter").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run("load", "recbole", "apart", "--graph", "apart.graph", "--schema", "interactions")
    run("train", "--graph", "apart.graph", "--out", "model", *SMALL)
    told = run("compress", "--model", "model", "--out", "again", code=1).stderr
    assert "NDCG@10 on the interactions that are held out is 0" in told
    assert not Path("again").exists()
