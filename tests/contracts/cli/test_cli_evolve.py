"""``kg-rec evolve``: windows, the change of a score that adds up, wrong use."""

from __future__ import annotations

import json
import re

import pytest
from cli_world import World, run
from markupsafe import escape


def test_windows_in_words_and_as_json(world: World) -> None:
    text = run("evolve", world.model, "u1", "--windows", "2").stdout
    assert "1970-01-12" in text
    found = json.loads(run("evolve", world.model, "u1", "--windows", "3", "--json").stdout)
    assert [w["total"] for w in found["windows"]] == [3, 3, 3]
    everybody = json.loads(run("evolve", world.model, "--json").stdout)
    assert everybody["user"] is None
    assert sum(w["total"] for w in everybody["windows"]) == 360


def test_change_as_a_card(world: World) -> None:
    page = run("evolve", world.model, "u1", "--windows", "3", "--html").stdout
    found = json.loads(run("evolve", world.model, "u1", "--windows", "3", "--json").stdout)
    drawn = [float(w) for w in re.findall(r'style="width:([\d.]+)%"', page)]
    totals = [w["total"] for w in found["windows"]]
    shares = [100 * n / total for f in found["features"] for n, total in zip(f["counts"], totals, strict=True)]
    assert drawn == pytest.approx(shares, abs=0.005)
    assert str(escape(found["text"])) in page
    assert "viewers" in run("evolve", world.model, "--html").stdout
    assert (
        "--item" in run("evolve", world.model, "u1", "--html", "--item", "f2", "--since", "1970-01-12", code=2).stderr
    )


def test_the_change_of_a_score_adds_up(world: World) -> None:
    args = ("evolve", world.model, "u1", "--item", "f2", "--since", "1970-01-12T13:49:00")
    found = json.loads(run(*args, "--json").stdout)
    assert sum(s["value"] for s in found["shifts"]) == pytest.approx(found["after"] - found["before"], abs=1e-5)
    assert any(s["new"] for s in found["shifts"])
    assert len(run(*args).stdout.splitlines()) == len(found["shifts"]) + 2


def test_wrong_use_is_told(world: World) -> None:
    assert "--since" in run("evolve", world.model, "u1", "--item", "f2", code=2).stderr
    assert "nobody" in run("evolve", world.model, "nobody", code=1).stderr
