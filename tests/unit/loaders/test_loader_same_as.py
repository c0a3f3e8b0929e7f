"""``owl:sameAs`` joins nodes, names what does not fit, and can be taken back."""

from __future__ import annotations

import csv
import random
from contextlib import closing
from pathlib import Path

import pytest
from loader_graph import Graph

from kg_rec.errors import ConfigError, LoadError
from kg_rec.schema import GraphSchema
from kg_rec.store import connect

MOVIES = GraphSchema.bundled("movies")
TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
LABEL, SAME = "<http://www.w3.org/2000/01/rdf-schema#label>", "<http://www.w3.org/2002/07/owl#sameAs>"


def film(iri: str, title: str, year: int | None = None) -> list[str]:
    lines = [f"<{iri}> {TYPE} <http://schema.org/Movie> .", f'<{iri}> {LABEL} "{title}" .']
    return lines + ([] if year is None else [f'<{iri}> <http://schema.org/copyrightYear> "{year}" .'])


def same(one: str, other: str) -> str:
    return f"<{one}> {SAME} <{other}> ."


def fact(film: str, relation: str, who: str) -> str:
    return f"<{film}> <http://schema.org/{relation}> <{who}> ."


def written(folder: Path, lines: list[str], name: str = "g.nt") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


CHAIN = [
    *film("http://a/heat", "Heat", 1995),
    *film("http://b/film7", "Heat", 1995),
    fact("http://a/heat", "director", "http://a/mann"),
    fact("http://b/film7", "actor", "http://b/pacino"),
    fact("http://c/x", "genre", "http://c/crime"),
    same("http://a/heat", "http://c/x"),
    same("http://c/x", "http://b/film7"),
    same("http://b/film7", "http://a/heat"),
    same("http://a/heat", "http://a/heat"),
    same("http://a/mann", "http://d/michael_mann"),
]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_chains_and_loops_are_one_node_in_any_order(graph: Graph, folder: Path, seed: int) -> None:
    lines = list(CHAIN)
    random.Random(seed).shuffle(lines)
    report = graph.load("rdf", written(folder, lines), schema=MOVIES)
    assert graph.nodes("Film") == {"heat": {"title": "Heat", "year": 1995}}
    assert set(graph.edges("DIRECTED_BY")) == {("heat", "mann")}
    assert set(graph.edges("STARRING")) == {("heat", "pacino")}
    assert set(graph.edges("HAS_GENRE")) == {("heat", "crime")}
    assert report.notes[0] == "3 nodes became one with another node, as owl:sameAs says"


def test_the_node_that_the_graph_has_already_keeps_its_key(graph: Graph, folder: Path) -> None:
    """Catalogues are joined, whichever is loaded first; here the first has no RDF of its own."""
    graph.load("rdf", written(folder, film("http://z/tt0113277", "Heat"), "first.nt"), schema=MOVIES)
    lines = [*film("http://a/heat", "Heat", 1995), same("http://a/heat", "http://z/tt0113277")]
    graph.load("rdf", written(folder, lines), schema=MOVIES)
    assert graph.nodes("Film") == {"tt0113277": {"title": "Heat", "year": 1995}}


def test_what_cannot_be_one_node_is_named_with_its_line(graph: Graph, folder: Path) -> None:
    lines = [
        *film("http://a/heat", "Heat"),
        f"<http://a/mann> {TYPE} <http://schema.org/Person> .",
        same("http://a/heat", "http://a/mann"),
    ]
    path = written(folder, lines)
    with pytest.raises(LoadError, match="one is a Film, the other a Person; they are not joined") as error:
        graph.load("rdf", path, schema=MOVIES)
    assert error.value.line == 4
    report = graph.load("rdf", path, schema=MOVIES, on_error="skip", rejects=folder / "r.csv")
    assert report.rejected == 1
    assert set(graph.nodes("Film")) == {"heat"}
    assert set(graph.nodes("Person")) == {"mann"}


def test_two_nodes_of_the_graph_are_not_made_one(graph: Graph, folder: Path) -> None:
    lines = [*film("http://a/heat", "Heat"), *film("http://b/film7", "Heat")]
    graph.load("rdf", written(folder, lines), schema=MOVIES)
    again = written(folder, [*lines, same("http://a/heat", "http://b/film7")], "again.nt")
    with pytest.raises(LoadError, match="both are nodes of the graph already, Film 'heat' and 'film7'"):
        graph.load("rdf", again, schema=MOVIES)


def test_two_values_are_told_and_the_first_is_kept(graph: Graph, folder: Path) -> None:
    lines = [*film("http://a/heat", "Heat", 1995), *film("http://b/film7", "heat ", 1986)]
    report = graph.load("rdf", written(folder, [*lines, same("http://a/heat", "http://b/film7")]), schema=MOVIES)
    assert graph.nodes("Film") == {"heat": {"title": "Heat", "year": 1995}}
    assert report.notes[1:] == (
        "Film.year: 1 pair of joined nodes had two values, such as '1995' of <http://a/heat> and '1986' of "
        "<http://b/film7> (g.nt:7); the first is kept",
    )


def test_joins_of_other_data_are_noticed_by_their_names(graph: Graph, folder: Path) -> None:
    lines = [line for n in range(6) for line in film(f"http://a/f{n}", f"Film {n}")]
    lines += [line for n in range(6) for line in film(f"http://b/g{n}", f"Film {(n + 1) % 6}")]
    lines += [same(f"http://a/f{n}", f"http://b/g{n}") for n in range(6)]
    report = graph.load("rdf", written(folder, lines), schema=MOVIES)
    assert report.notes[-1].startswith("6 of 6 joined nodes have another name")


def test_joins_are_listed_and_can_be_taken_back(graph: Graph, folder: Path, tmp_path: Path) -> None:
    path, listed = written(folder, CHAIN), folder / "joins.csv"
    graph.load("rdf", path, schema=MOVIES, joins=listed, same="yes")
    with listed.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["joined"], r["into"], r["type"], r["key"], r["line"]) for r in rows] == [
        ("http://b/film7", "http://a/heat", "Film", "heat", "11"),
        ("http://c/x", "http://a/heat", "Film", "heat", "10"),
        ("http://d/michael_mann", "http://a/mann", "", "mann", "14"),
    ]
    rest = folder / "apart.csv"
    rest.write_text("joined,into\nhttp://b/film7,http://a/heat\nhttp://c/x,http://b/film7\n", encoding="utf-8")
    with closing(connect(str(tmp_path / "other"))) as store:
        other = Graph(store)
        other.load("rdf", path, schema=MOVIES, apart=rest)
        assert set(other.nodes("Film")) == {"heat", "film7"}
        assert set(other.edges("STARRING")) == {("film7", "pacino")}
        assert set(other.edges("HAS_GENRE")) == {("heat", "crime")}
    with closing(connect(str(tmp_path / "third"))) as store:
        third = Graph(store)
        third.load("rdf", path, schema=MOVIES, same="no", on_error="skip", rejects=folder / "r.csv")
        assert set(third.nodes("Film")) == {"heat", "film7"}
        assert third.edges("HAS_GENRE") == {}
    with pytest.raises(ConfigError, match="expected a CSV file with the columns joined and into, got a,  b"):
        graph.load("rdf", path, schema=MOVIES, apart=written(folder, ["a, b"], "bad.csv"))
