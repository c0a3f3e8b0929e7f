"""Names of users and items are found as people type them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kg_rec.ask.search import NameIndex


def index(*names: str, counts: list[int] | None = None, earlier: NameIndex | None = None) -> NameIndex:
    """Names whose keys are k0, k1, ..."""
    keys = pa.array([f"k{n}" for n in range(len(names))])
    return NameIndex(keys, pa.array(names), None if counts is None else np.array(counts), earlier)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("amelie", "Amélie"),
        ("AMÉL", "Amélie"),
        ("blad", "Blade Runner"),
        ("runner blade", "Blade Runner"),
        ("blade runer", "Blade Runner"),
        ("the-blade!", "The Blade"),
        ("k4", "Heat"),
        ("饮食", "饮食男女"),
    ],
)
def test_as_people_type(typed: str, first: str) -> None:
    found = index("Amélie", "Blade Runner", "Runner Runner", "The Blade", "Heat", "饮食男女").find(typed)
    assert found[0].name == first
    assert 60 <= found[-1].score <= found[0].score <= 100


@pytest.mark.parametrize("typed", ["zzzz", "  ", "!?"])
def test_nothing_is_found(typed: str) -> None:
    assert index("Amélie", "Heat").find(typed) == []


def test_of_equal_matches_the_best_known_come_first() -> None:
    films = index("Star Maps", "Lone Star", "Star Wars", "Star Trek", "Heat", "Star", counts=[1, 9, 50, 7, 99, 0])
    found = [(match.name, match.score) for match in films.find("star")]
    assert found == [("Star", 100), ("Star Wars", 95), ("Star Trek", 95), ("Star Maps", 95), ("Lone Star", 90)]
    assert [match.name for match in films.find("star", limit=2)] == ["Star", "Star Wars"]


def test_what_is_only_alike_is_found_where_little_says_what_was_typed() -> None:
    films = index("Star Wars", "Stir Crazy", "Star Trek")
    assert [match.name for match in films.find("star", limit=2)] == ["Star Wars", "Star Trek"]
    assert "Stir Crazy" in [match.name for match in films.find("star")]


def test_an_index_takes_over_the_work_of_an_earlier_one_only_if_names_and_keys_are_the_same() -> None:
    first = index("Star Wars", "Heat", counts=[1, 2])
    same = index("Star Wars", "Heat", counts=[1, 3], earlier=first)
    assert same._plain is first._plain
    assert index("Star Wars", "Heat!", earlier=first).find("heat")[0].name == "Heat!"
    other = NameIndex(pa.array(["k0", "other"]), pa.array(["Star Wars", "Heat"]), None, first)
    assert other.find("other")[0].name == "Heat"
