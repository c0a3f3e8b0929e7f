"""``kg-rec profile``: clauses in words and as JSON, counts verified in the graph, wrong use told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_world import World, run
from markupsafe import escape


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


def test_a_profile_as_a_card(world: World, tmp_path: Path) -> None:
    run("profile", world.model, "u1", "--html", "--out", tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text("utf-8")
    told = json.loads(run("profile", world.model, "u1", "--json").stdout)
    shares = [c[n] / c[of] for c in told["clauses"] for n, of in (("count", "total"), ("all_count", "all_total"))]
    assert [float(w) for w in re.findall(r'style="width:([\d.]+)%"', page)] == pytest.approx(
        [100 * share for share in shares], abs=0.005
    )
    assert all(str(escape(c["text"])) in page for c in told["clauses"])
    assert "所有人" in run("profile", world.model, "u1", "--html", "--lang", "zh").stdout
    assert "--json" in run("profile", world.model, "u1", "--html", "--json", code=2).stderr
    assert "--html" in run("profile", world.model, "u1", "--out", tmp_path / "x", code=2).stderr


def test_wrong_use_is_told(world: World) -> None:
    assert "--verify needs --graph" in run("profile", world.model, "u1", "--verify", code=2).stderr
    assert "nobody" in run("profile", world.model, "nobody", code=1).stderr
