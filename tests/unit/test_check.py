"""Reports: what they say, as sentences and as JSON; and the check of the real films."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from kg_rec.checks.agreement import Agreement
from kg_rec.checks.check import CheckReport, check
from kg_rec.checks.constraints import Finding
from kg_rec.store import connect

MISSING = Finding("missing property", "Film.title", 2, "node", "the schema requires it", ("f1", "f2"), True)
TWICE = Finding("duplicate edge", "STARRING", 1, "pair", "several edges between two nodes", ("f1 -> p1",), True)
NOTE = Finding("no fact", "Film", 1, "node", "nothing is known of them", (), False)
FITS = Agreement("STARRING", 1.5, 0.02, 0.005, 300, 200, "fits")
OPEN = Agreement("SEQUEL", math.nan, math.nan, 1.0, 2, 4, "too few to say")


def report(*findings: Finding, agreement: tuple[Agreement, ...] | None = (FITS, OPEN)) -> CheckReport:
    return CheckReport("movies", "graph", {"Film": 3, "User": 2}, {"RATED": 4}, findings, agreement)


def test_lines_of_a_valid_graph() -> None:
    assert report(NOTE).ok
    assert report(NOTE).lines() == [
        "graph: 5 nodes and 4 edges under the schema movies: valid",
        "note: no fact: Film: 1 node (nothing is known of them)",
        "graph fits the interactions: of 1 relation type with enough facts 1 ties items that share users more than "
        "chance",
        "STARRING: fits; items that it ties share users 1.50 times as much as chance (p = 0.005; 300 pairs of 200 "
        "items)",
        "SEQUEL: too few to say (2 pairs of items with interactions)",
    ]


def test_lines_of_a_broken_graph() -> None:
    assert not report(MISSING).ok
    assert report(MISSING).lines()[:2] == [
        "graph: 5 nodes and 4 edges under the schema movies: 1 constraint is broken",
        "missing property: Film.title: 2 nodes (the schema requires it), for example f1, f2",
    ]
    both = report(MISSING, TWICE, NOTE, agreement=None).lines()
    assert both[0].endswith("2 constraints are broken")
    assert both[2] == "duplicate edge: STARRING: 1 pair (several edges between two nodes), for example f1 -> p1"
    assert both[-1] == "agreement of facts and interactions was not measured: mend the graph first"


def test_fits_is_open_without_a_verdict() -> None:
    assert report().fits is True
    assert report(agreement=(OPEN,)).fits is None
    assert report(agreement=None).fits is None


def test_to_dict_is_valid_json() -> None:
    data = json.loads(json.dumps(report(MISSING, NOTE).to_dict(), allow_nan=False))
    assert (data["ok"], data["fits"], data["nodes"], data["edges"]) == (
        False,
        True,
        {"Film": 3, "User": 2},
        {"RATED": 4},
    )
    assert data["findings"][0] == {
        "constraint": "missing property",
        "subject": "Film.title",
        "count": 2,
        "unit": "node",
        "detail": "the schema requires it",
        "samples": ["f1", "f2"],
        "violation": True,
    }
    assert data["agreement"][1]["ratio"] is None
    assert data["conclusion"].startswith("graph fits")


@pytest.mark.shared
@pytest.mark.parametrize(("facts", "fits"), [("right", True), ("wrong", False)])
def test_the_real_films(real_films: Callable[[str], Path], facts: str, fits: bool) -> None:
    with closing(connect(str(real_films(facts)), read_only=True)) as store:
        found = check(store, permutations=99)
    assert found.ok
    assert found.fits is fits
    assert (found.nodes["Film"], found.nodes["User"], found.edges["RATED"]) == (1682, 943, 100_000)
    notes = {(f.constraint, f.subject): f for f in found.findings}
    assert notes["no name", "Person"].count == found.nodes["Person"]  # the .kg has ids only
    assert any(line.startswith("graph does not fit the interactions") for line in found.lines()) is not fits
