"""``kg-rec newcomer``: the list adds up, and wrong use is told."""

from __future__ import annotations

import json

import pytest
from cli_world import World, run


def test_a_list_for_somebody_new_adds_up(world: World) -> None:
    liked = json.loads(run("recommend", world.model, "--users", "u1", "-k", "1", "--json").stdout)["item"]
    found = json.loads(run("newcomer", world.model, "--like", liked, "-k", "3", "--json").stdout)
    assert len(found["items"]) == 3
    for row in found["items"]:
        assert row["item"] != liked
        assert sum(a["value"] for a in row["addends"]) == pytest.approx(row["score"], abs=1e-12)
        assert all(a["text"] for a in row["addends"])
    text = run("newcomer", world.model, "--like", liked, "-k", "3", "--why", "--lang", "zh").stdout
    assert found["items"][0]["addends"][0]["text"] not in text
    assert f"({found['items'][0]['item']})" in text
    assert run("newcomer", world.model, "--like", liked, "-k", "3").stdout.count("\n") == 5


def test_wrong_use_is_told(world: World) -> None:
    assert "--like" in run("newcomer", world.model, code=2).stderr
    assert "nobody-has-this" in run("newcomer", world.model, "--like", "nobody-has-this", code=1).stderr
    assert "shoe" in run("newcomer", world.model, "--attribute", "shoe=42", code=1).stderr


def test_counts_are_verified_in_the_graph(world: World) -> None:
    args = ("newcomer", world.model, "--like", "f3", "-k", "3", "--graph", world.graph, "--verify")
    assert "verified:" in run(*args).stdout
    found = json.loads(run(*args, "--json").stdout)
    assert found["differences"] == []
    counted = [a for row in found["items"] for a in row["addends"] if a["users"] is not None]
    assert counted
    assert all("count(*)" in a["cypher"] for a in counted)
    assert "--graph" in run("newcomer", world.model, "--like", "f3", "--verify", code=2).stderr
