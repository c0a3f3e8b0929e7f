"""``kg-rec prefer``: what a user says is kept, shown, tried without writing, and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import World, run, write_facts, write_ratings


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph of its own, as these commands write."""
    write_ratings(tmp_path / "tiny")
    write_facts(tmp_path / "facts.tsv")
    run("load", "recbole", tmp_path / "tiny", "--graph", tmp_path / "g")
    run("load", "table", tmp_path / "facts.tsv", "--graph", tmp_path / "g")
    return tmp_path / "g"


def test_what_is_said_is_kept_and_changes_the_list(world: World, graph: Path) -> None:
    shown = json.loads(run("prefer", world.model, "u1", "no westerns", "--graph", graph, "--try", "--json").stdout)
    assert [p["kind"] for p in shown["preferences"]] == ["never"]
    assert json.loads(run("prefer", world.model, "u1", "--graph", graph, "--json").stdout)["preferences"] == []
    args = ("more comedies", "--strike", "Western", "--graph", graph, "--json")
    found = json.loads(run("prefer", world.model, "u1", *args).stdout)
    assert [p["kind"] for p in found["preferences"]] == ["more", "struck"]
    assert found["entered"]
    for row in found["items"]:
        assert sum(a["value"] for a in row["addends"]) == pytest.approx(row["score"])
    text = run("prefer", world.model, "u1", "--graph", graph).stdout
    assert "You struck Western from your profile." in text
    assert "You asked for more of Comedy." in text
    lists = run("recommend", world.model, "--graph", graph, "--json").stdout.splitlines()
    mine = [row for row in map(json.loads, lists) if row["user"] == "u1"]
    assert [(row["item"], pytest.approx(row["score"])) for row in mine] == [
        (r["item"], r["score"]) for r in found["items"]
    ]
    assert run("recommend", world.model, "--users", "u2", "--json").stdout.splitlines() == [
        row for row in lists if json.loads(row)["user"] == "u2"
    ]
    why = json.loads(run("explain", world.model, "u1", mine[0]["item"], "--graph", graph, "--json").stdout)
    assert "You asked for more of Comedy." in why["text"]
    assert "You asked for more of Comedy" in run("ask", "u1", "films", "--model", world.model, "--graph", graph).stdout
    run("explain", world.model, "--all", "--graph", graph, "--out", graph.parent / "all.jsonl")
    told = map(json.loads, (graph.parent / "all.jsonl").read_text("utf-8").splitlines())
    assert next(row for row in told if row["user"] == "u1" and row["rank"] == 1)["text"] == why["text"]
    profile = run("profile", world.model, "u1", "--graph", graph).stdout
    assert "of the genre Western" not in profile
    assert "You struck Western" in profile
    assert "你想多要一些" in run("prefer", world.model, "u1", "--graph", graph, "--lang", "zh").stdout
    assert json.loads(run("prefer", world.model, "u1", "--forget", "--graph", graph, "--json").stdout)["left"] == []


def test_wrong_use_is_told(world: World, graph: Path) -> None:
    assert "Western" in run("prefer", world.model, "u1", "--strike", "nothing", "--graph", graph, code=1).stderr
    assert "blorps" in run("prefer", world.model, "u1", "more blorps", "--graph", graph).stderr
    assert "nobody" in run("prefer", world.model, "nobody", "no westerns", "--graph", graph, code=1).stderr
