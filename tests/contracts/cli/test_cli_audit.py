"""``kg-rec audit``: tables, JSON, a page, wrong use told."""

from __future__ import annotations

import json
from pathlib import Path

from cli_world import World, run

QUICK = ("--least", "5", "-k", "5")


def test_tables_json_and_a_page(world: World, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    done = run("audit", world.model, *QUICK, "--out", page)
    assert "random: 40 users with something to find, 30 items ranked" in done.stdout
    assert "head third of likes" in done.stdout
    assert "Western" in done.stdout  # kinds of films, by the relation that sorts most of them
    assert "A gap is not a cause." in done.stderr
    assert "nothing tells two groups of users apart" in done.stderr  # all viewers liked 9 films, no more is known
    assert "<h1>Who is served how well</h1>" in page.read_text(encoding="utf-8")
    found = json.loads(run("audit", world.model, *QUICK, "--json", "--graph", world.graph).stdout)
    assert found["calibration"] == "HAS_GENRE"
    for score in found["scores"]:
        assert abs(sum(value for _, value in score["parts"]) - score["gap"]) < 1e-5


def test_wrong_use_is_told(world: World) -> None:
    assert "by 'shoe_size': expected one of history" in run("audit", world.model, "--by", "shoe_size", code=1).stderr
    assert "items: expected a relation type of Film" in run("audit", world.model, "--items", "shoe", code=1).stderr
    assert (
        "at least two groups of 100 users"
        in run("audit", world.model, "--by", "history", "--least", 100, code=1).stderr
    )
