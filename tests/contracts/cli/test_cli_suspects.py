"""``kg-rec train --robust``, what inspect tells of it, and ``kg-rec suspects``, on a graph with fake users."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from cli_world import SMALL, World, run


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> World:
    """120 viewers who each like films of one of two genres, and three users of random films who all like f0."""
    made = World(tmp_path_factory.mktemp("attacked"))
    rng = random.Random(3)
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(120):
        liked = rng.sample([i for i in range(60) if i % 2 == user % 2], 14)
        rows += [f"u{user}\tf{film}\t5\t{1_000_000 + 1000 * n}" for n, film in enumerate(liked)]
    for fake in range(3):
        rows += [f"x{fake}\tf{film}\t5\t2000000" for film in {0, *rng.sample(range(60), 30)}]
    made.ratings.mkdir()
    (made.ratings / "tiny.inter").write_text("\n".join(rows) + "\n", encoding="utf-8")
    facts = [f"f{i}\tgenre\tkind {i % 2}" for i in range(60)]
    made.facts.write_text("\n".join(["item_id\trelation\tname", *facts]) + "\n", encoding="utf-8")
    run("load", "recbole", made.ratings, "--graph", made.graph)
    run("load", "table", made.facts, "--graph", made.graph)
    run("train", "--graph", made.graph, "--out", made.model, "--robust", *SMALL)
    return made


def test_fake_users_are_named_with_numbers(attacked: World) -> None:
    data = json.loads(run("suspects", "--model", attacked.model, "--graph", attacked.graph, "--json").stdout)
    named = {one["user"]: one for one in data["named"]}
    assert {"x0", "x1", "x2"} <= set(named)
    assert len(named) <= 6
    assert data["users"] == 123
    assert data["fakes"] == 0.05
    for user in ("x0", "x1", "x2"):
        assert named[user]["coherence"] < data["coherence"]
        assert named[user]["facts"] < data["facts"]
        assert named[user]["item"] in {f"f{i}" for i in range(60)}
        assert 0 < named[user]["pushers"] <= named[user]["holders"] <= 123
    shown = run("suspects", "--model", attacked.model, "--top", 1).stdout
    assert "by chance" in shown
    assert f"{len(named)} of 123 users named; usual: taste {data['coherence']:.4f}, facts {data['facts']:.4f}" in shown
    assert sum(line.startswith(tuple(named)) for line in shown.splitlines()) == 1


def test_inspect_tells_how_many_were_not_learned_from(attacked: World, world: World) -> None:
    robust = json.loads(run("inspect", attacked.model, "--json").stdout)["robust"]
    assert robust["fakes"] == 0.05
    assert 3 <= robust["left_out"] <= 6
    shown = run("inspect", attacked.model).stdout
    assert f"robust.fakes = 0.05: {robust['left_out']} of 123 users are not learned from" in shown
    assert json.loads(run("inspect", world.model, "--json").stdout)["robust"] is None
    assert "not learned from" not in run("inspect", world.model).stdout


def test_who_is_not_learned_from_still_gets_a_list(attacked: World) -> None:
    rows = [json.loads(r) for r in run("recommend", attacked.model, "--users", "x0", "--json").stdout.splitlines()]
    assert len(rows) >= 5


def test_training_says_how_many_and_refuses_what_does_not_go_together(attacked: World, tmp_path: Path) -> None:
    args = ("train", "--graph", attacked.graph, "--out", tmp_path / "m", "--robust")
    assert "--robust does not go with --epsilon" in run(*args, "--epsilon", 1, code=2).stderr
    for name, given in (("--split", tmp_path), ("--log", tmp_path / "log"), ("--engine", "ray")):
        assert f"{name} does not go with --epsilon" in run(*args[:-1], name, given, "--epsilon", 1, code=2).stderr
    off = run(*args, "--set", "robust.fakes=0.7", code=1).stderr
    assert "robust.fakes: expected a number from 0 to below 0.5, got 0.7" in off


def test_nobody_is_named_where_all_are_alike(world: World) -> None:
    shown = run("suspects", "--model", world.model, "--fakes", 0.0001).stdout
    assert shown.startswith("0 of 40 users named; usual: taste ")
