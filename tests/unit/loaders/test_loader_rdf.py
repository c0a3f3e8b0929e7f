"""RDF as Turtle and as N-Triples: both give the same graph."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from loader_graph import Graph
from rdflib import Graph as RdfGraph

from kg_rec.errors import ConfigError, LoadError
from kg_rec.schema import GraphSchema

MOVIES = GraphSchema.bundled("movies")
TURTLE = """\
@prefix : <http://example.org/> . @prefix m: <urn:kg-rec:movies#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
:Toy_Story a m:Film ; m:title "Toy Story"@en , "Jouet"@fr ; m:year 1995 ; m:directed_by :John_Lasseter ;
    m:unheard "x" ; m:summary "a \\"quoted\\"\\nline \\u00e9" .
:Net a m:Film ; rdfs:label "The Net" ; m:item_id "net-7" ; m:starring <http://example.org/Sandra%20B> .
:John_Lasseter a m:Person ; m:name "John Lasseter" .
:u1 a m:User ; m:age 30 .
:John_Lasseter <http://rdf.freebase.com/ns/film.director.film> :Net .
:u1 m:DIRECTED_BY :Net .
:Ghost m:title "nobody said what I am" .
:Shop a :Shop .
_:b a m:Film ; m:title "blank" .
"""


def check(graph: Graph) -> None:
    assert graph.nodes("Film") == {
        "Toy_Story": {"title": "Toy Story", "year": 1995, "summary": 'a "quoted"\nline é'},
        "net-7": {"title": "The Net"},
    }
    assert graph.nodes("Person") == {
        "John_Lasseter": {"name": "John Lasseter"},
        "Sandra B": {"name": "Sandra B"},
    }
    assert graph.nodes("User") == {"u1": {"age": 30}}
    assert set(graph.edges("STARRING")) == {("net-7", "Sandra B")}


def test_turtle(graph: Graph, folder: Path) -> None:
    path = folder / "g.ttl"
    text = TURTLE.replace("<http://rdf.freebase.com/ns/film.director.film>", "<http://f.com/film.director.film>")
    path.write_text(text, encoding="utf-8")
    report = graph.load("rdf", path, schema=MOVIES)
    check(graph)
    assert set(graph.edges("DIRECTED_BY")) == {("Toy_Story", "John_Lasseter"), ("net-7", "John_Lasseter")}
    assert report.unmapped == {
        "predicate DIRECTED_BY: no relation between these types": 1,
        "predicate unheard: no such property": 1,
        "statements about blank nodes": 2,
        "subjects with properties and without a type of the schema": 1,
        "texts in language fr": 1,
        "type Shop: no such node type": 1,
    }


@pytest.mark.parametrize("packed", [False, True])
def test_n_triples(graph: Graph, folder: Path, packed: bool) -> None:
    content = RdfGraph().parse(data=TURTLE, format="turtle").serialize(format="nt", encoding="utf-8")
    content = b"# a comment\n\n" + content
    path = folder / ("g.nt.gz" if packed else "g.nt")
    path.write_bytes(gzip.compress(content) if packed else content)
    graph.load("rdf", path, schema=MOVIES)
    check(graph)


def test_options(graph: Graph, folder: Path) -> None:
    path = folder / "g.ttl"
    path.write_text(TURTLE.replace('; m:item_id "net-7"', ""), encoding="utf-8")
    graph.load("rdf", path, schema=MOVIES, keys="iri", language="fr")
    assert graph.nodes("Film")["http://example.org/Toy_Story"]["title"] == "Jouet"
    assert "http://example.org/Net" in graph.nodes("Film")
    with pytest.raises(ConfigError, match="option keys"):
        graph.load("rdf", path, keys="both")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("<http://a/x> <http://a/p> .\n", 1, "as in N-Triples"),
        ('# c\n<http://a/x> <http://a/p> "a"\n', 2, "as in N-Triples"),
        ("<http://a/x> <http://a/p> <http://a/y z> .\n", 1, "as in N-Triples"),
        ("# only a comment\n", None, "holds no triples"),
        (
            "<http://a/x> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:m#Film> .\n",
            1,
            "Film.title: a value is required",
        ),
        (
            "".join(
                f"<http://{host}/x> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:m#User> .\n" for host in "ab"
            ),
            2,
            "the same key 'x'; load with keys=iri",
        ),
        (
            "".join(
                f"<http://a/x> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:m#{kind}> .\n"
                for kind in ("User", "Person")
            ),
            2,
            "is a User and a Person",
        ),
        (
            "<http://a/x> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:m#Person> .\n"
            "<http://a/film> <urn:m#directed_by> <http://a/x> .\n",
            2,
            "unknown Film 'film'",
        ),
    ],
)
def test_faults_name_the_line(graph: Graph, folder: Path, text: str, line: int | None, message: str) -> None:
    path = folder / "g.nt"
    path.write_text(text)
    with pytest.raises(LoadError) as error:
        graph.load("rdf", path, schema=MOVIES)
    assert (error.value.path, error.value.line) == (path, line)
    assert message in str(error.value)


def test_other_files(graph: Graph, folder: Path) -> None:
    path = folder / "g.ttl"
    path.write_text("nonsense")
    with pytest.raises(LoadError, match="not valid Turtle"):
        graph.load("rdf", path, schema=MOVIES)
    path = folder / "g.xml"
    path.write_text("<rdf/>")
    with pytest.raises(LoadError, match=r"expected a file named \*\.nt"):
        graph.load("rdf", path, schema=MOVIES)
