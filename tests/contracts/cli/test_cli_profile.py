"""``kg-rec profile``: clauses in words and as JSON, counts verified in the graph, wrong use told."""

from __future__ import annotations

import json

from cli_world import World, run


def test_a_profile_in_words_and_as_json(world: World) -> None:
    text = run("profile", world.model, "u1").stdout
    assert "of your 9 films" in text
    found = json.loads(run("profile", world.model, "u1", "--json", "--tone", "audit").stdout)
    assert found["total"] == 9
    for clause in found["clauses"]:
        assert sum(t["value"] for t in clause["terms"]) - clause["everybody"] == clause["value"]
    assert "9部电影" in run("profile", world.model, "u1", "--lang", "zh", "-n", "1").stdout


def test_counts_are_verified_in_the_graph(world: World) -> None:
    told = run("profile", world.model, "u1", "--graph", world.graph, "--verify", "--cypher").stdout
    assert "verified:" in told
    assert "UNION ALL" in told
    found = json.loads(run("profile", world.model, "u1", "--graph", world.graph, "--verify", "--json").stdout)
    assert found["differences"] == []


def test_wrong_use_is_told(world: World) -> None:
    assert "--verify needs --graph" in run("profile", world.model, "u1", "--verify", code=2).stderr
    assert "nobody" in run("profile", world.model, "nobody", code=1).stderr
