"""``python -m benchmarks.domains``, and what the check says of catalogues that are joined to the wrong things."""

from __future__ import annotations

import json

import pytest

from benchmarks.domains.__main__ import loaded, main
from benchmarks.domains.library import Library
from kg_rec.checks.agreement import agreement
from kg_rec.snapshot import Snapshot


def verdict(snapshot: Snapshot) -> str:
    return next(found.verdict for found in agreement(snapshot) if found.relation == "BASED_ON")


def test_books_from_films_through_joined_catalogues(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--members", "60", "--seeds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"bridged", "apart"}
    for figures in found.values():
        assert figures["members"] == 15
        for name in ("kg_rec", "without_facts", "wrongly_joined", "popular", "random"):
            low, high = figures[name]["interval"]
            assert 0 <= low <= figures[name]["ndcg"] <= high <= 1
        assert figures["kg_rec"]["ndcg"] > figures["without_facts"]["ndcg"]
    assert set(found["bridged"]["based_on_shares_members"]) == {"joined", "wrongly_joined"}


def test_the_check_catches_joins_to_the_wrong_things() -> None:
    library = Library.made(200, True, 0)
    assert library == Library.made(200, True, 0)
    snapshot = loaded(library)
    assert len(snapshot.edges["BASED_ON"]) == 40
    assert len(snapshot.items) == 180
    assert verdict(snapshot) == "fits"
    assert verdict(loaded(library.wrongly_joined(0))) != "fits"
