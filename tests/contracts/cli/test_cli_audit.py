"""``kg-rec audit``: tables, JSON, a page, wrong use told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
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


def test_a_place_that_cannot_be_written_is_refused_before_the_work(world: World, tmp_path: Path) -> None:
    done = run("audit", tmp_path / "no model", "--out", tmp_path / "none" / "audit.html", code=1)
    assert "--out" in done.stderr  # and not that there is no such model
    assert "nothing was done yet" in done.stderr


def test_tables_are_printed_though_writing_fails(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kg_rec.audit.page.page", full)
    done = run("audit", world.model, *QUICK, "--out", tmp_path / "audit.html", code=1)
    assert "head third of likes" in done.stdout
    assert "No space left on device" in done.stderr
    assert not list(tmp_path.iterdir())


def test_lists_that_rules_empty_and_groups_left_out_are_counted(world: World) -> None:
    done = run("audit", world.model, *QUICK, "--never", "genre:Comedy", "--never", "genre:Western")
    assert "40 of 40 lists hold nothing because of the rules" in done.stdout
    told = run("audit", world.model, "--items", "directed_by", "--least", 6, "-k", 5, code=1).stderr
    assert "items 'directed_by': expected at least one group of 6 ranked items, got none (6 smaller ones" in told
    told = run("audit", world.model, "--least", 16, "-k", 5).stderr
    assert "HAS_GENRE: 2 groups left out, of fewer than 16 each (--least)" in told


def test_wrong_use_is_told(world: World) -> None:
    told = run("audit", world.model, "--by", "gender", code=1).stderr
    assert "by 'gender': expected users with gender, got none" in told
    assert "bounds" not in told
    assert "by 'shoe_size': expected one of history" in run("audit", world.model, "--by", "shoe_size", code=1).stderr
    assert "items: expected a relation type of Film" in run("audit", world.model, "--items", "shoe", code=1).stderr
    assert (
        "at least two groups of 100 users"
        in run("audit", world.model, "--by", "history", "--least", 100, code=1).stderr
    )


def test_lists_by_rules_say_what_moved_and_the_audit_what_it_costs(world: World, tmp_path: Path) -> None:
    rules = ("--calibrate", "genre", "--floor", "genre:Comedy:0.3")
    plain = run("recommend", world.model, "--users", "u1", "--json").stdout.splitlines()
    rows = [
        json.loads(row) for row in run("recommend", world.model, "--users", "u1", *rules, "--json").stdout.splitlines()
    ]
    assert len(rows) == len(plain) == 10
    assert "moved" not in json.loads(plain[0])
    assert any("of the list's exposure is for genre Comedy" in (row["moved"] or "") for row in rows)
    assert "moved from rank" in run("recommend", world.model, "--users", "u1", *rules).stdout
    run("recommend", world.model, *rules, "--out", tmp_path / "lists.parquet")
    never = run("recommend", world.model, "--users", "u0", "--never", "genre:Comedy", "--json").stdout.splitlines()
    assert {int(json.loads(row)["item"][1:]) % 2 for row in never} == {1}
    found = json.loads(run("audit", world.model, *QUICK, *rules, "--strength", "0.5", "--json").stdout)
    assert found["cost"]["strength"] == 0.5
    assert found["cost"]["floors"][0]["after"] >= found["cost"]["floors"][0]["before"]
    assert "the rules, on the test" in run("audit", world.model, *QUICK, *rules).stdout


def test_wrong_rules_are_told(world: World) -> None:
    recommend = ("recommend", world.model, "--users", "u1")
    assert "--strength needs --calibrate" in run(*recommend, "--strength", "0.5", code=2).stderr
    assert "expected GROUP:SHARE" in run(*recommend, "--floor", "genre:Comedy", code=2).stderr
    assert "expected the name or key of a Genre" in run(*recommend, "--floor", "genre:Opera:0.1", code=1).stderr
    assert "holds a number" in run(*recommend, "--limit", "title=age", code=1).stderr
