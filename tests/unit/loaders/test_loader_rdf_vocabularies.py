"""RDF in existing vocabularies, as it is: classes that are several types, texts for nodes, dates, large files."""

from __future__ import annotations

import bz2
from pathlib import Path

import pytest
from loader_graph import Graph
from rdflib import Graph as RdfGraph

from kg_rec.errors import ConfigError, LoadError, SchemaError
from kg_rec.schema import GraphSchema

BOOKS, MOVIES = GraphSchema.bundled("books"), GraphSchema.bundled("movies")
PREFIXES = """\
@prefix : <http://example.org/> . @prefix b: <urn:kg-rec:books#> . @prefix schema: <https://schema.org/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix dbo: <http://dbpedia.org/ontology/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
PEOPLE = (
    PREFIXES
    + """\
:dune a schema:Book , schema:CreativeWork ; schema:name "Dune" ; schema:author :frank ; schema:copyrightYear 1965 ;
    schema:genre "Science  fiction" , "Roman"@fr ; schema:editor :nobody .
:essays a schema:Book ; schema:name "Essays" ; schema:author :critic .
:frank a schema:Person ; schema:name "Frank Herbert" .
:critic a foaf:Person ; foaf:name "A. Critic" ; b:READ :dune .
:reader a foaf:Person ; foaf:name "R" ; b:READ :essays .
:idle a foaf:Person ; foaf:name "I" .
"""
)


def written(folder: Path, text: str, name: str = "g.ttl") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".ttl", ".nt", ".nt.bz2"])
def test_relations_tell_who_a_person_is(graph: Graph, folder: Path, suffix: str) -> None:
    """An author, a reader, or both: one node of each type."""
    path = written(folder, PEOPLE)
    if suffix != ".ttl":
        lines = RdfGraph().parse(path).serialize(format="nt", encoding="utf-8")
        path = folder / f"g{suffix}"
        path.write_bytes(bz2.compress(lines) if suffix.endswith("bz2") else lines)
    report = graph.load("rdf", path, schema=BOOKS)
    assert graph.nodes("Author") == {"frank": {"name": "Frank Herbert"}, "critic": {"name": "A. Critic"}}
    assert set(graph.nodes("Reader")) == {"critic", "reader"}
    assert graph.nodes("Book")["dune"] == {"title": "Dune", "year": 1965}
    assert graph.nodes("Genre") == {"Science fiction": {"name": "Science fiction"}}
    assert set(graph.edges("WRITTEN_BY")) == {("dune", "frank"), ("essays", "critic")}
    assert set(graph.edges("READ")) == {("critic", "dune"), ("reader", "essays")}
    assert report.unmapped == {
        "nodes that may be Author or Reader, as no relation tells which": 1,
        "predicate editor: no relation between these types": 1,
        "subjects with properties and without a type of the schema": 1,
        "texts in language fr": 1,
        "type CreativeWork: no such node type": 1,
    }


def test_a_class_narrows_another(graph: Graph, folder: Path) -> None:
    text = (
        PREFIXES + ':x a foaf:Person , dbo:Writer ; foaf:name "X" .\n:y a dbo:Novel ; foaf:name "Y" ; dbo:author :x .\n'
    )
    graph.load("rdf", written(folder, text), schema=BOOKS)
    assert set(graph.nodes("Author")) == {"x"}
    assert set(graph.edges("WRITTEN_BY")) == {("y", "x")}


@pytest.mark.parametrize("keep", ["all", "linked"])
@pytest.mark.parametrize("first", [True, False])
def test_terms_that_the_data_put_below_known_ones(graph: Graph, folder: Path, keep: str, first: bool) -> None:
    """An ontology in the file, before or after its use, with a loop in it."""
    rdfs, owl = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#"
    ontology = [
        f"<urn:o#Thriller> <{rdfs}subClassOf> <urn:o#Fiction> .",
        f"<urn:o#Fiction> <{rdfs}subClassOf> <http://schema.org/Book> .",
        f"<urn:o#Fiction> <{rdfs}subClassOf> <urn:o#Thriller> .",
        f"<urn:o#penned> <{rdfs}subPropertyOf> <http://schema.org/author> .",
        f"<urn:o#heading> <{owl}equivalentProperty> <http://schema.org/name> .",
        f"<http://schema.org/Person> <{owl}equivalentClass> <urn:o#Human> .",
    ]
    data = [
        "<urn:d#x> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:o#Thriller> .",
        '<urn:d#x> <urn:o#heading> "X" .',
        "<urn:d#x> <urn:o#penned> <urn:d#ann> .",
        "<urn:d#ann> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:o#Human> .",
        '<urn:d#ann> <urn:o#heading> "Ann" .',
    ]
    path = written(folder, "\n".join(ontology + data if first else data + ontology) + "\n", "o.nt")
    report = graph.load("rdf", path, schema=BOOKS, keep=keep)
    assert graph.nodes("Book") == {"x": {"title": "X"}}
    assert graph.nodes("Author") == {"ann": {"name": "Ann"}}
    assert set(graph.edges("WRITTEN_BY")) == {("x", "ann")}
    assert report.unmapped == {}


def test_a_schema_where_everybody_is_two_things(graph: Graph, folder: Path) -> None:
    """``owl:equivalentClass`` of two node types: one statement is an edge of each relation type that fits."""
    schema = GraphSchema.from_turtle(
        BOOKS.turtle.replace("rdfs:subClassOf schema:Person , foaf:Person ;", "owl:equivalentClass foaf:Person ;")
        .replace(
            "rdfs:subClassOf schema:Person , foaf:Person , dbo:Person , wd:Q5 ;", "owl:equivalentClass foaf:Person ;"
        )
        .replace(
            "# --- what kg_rec writes back",
            ":KNOWS a kr:RelationType ; rdfs:domain :Reader ; rdfs:range :Author ; "
            'rdfs:label "knows" ; owl:equivalentProperty foaf:knows .\n'
            ":MET a kr:RelationType ; rdfs:domain :Author ; rdfs:range :Author ; "
            'rdfs:label "met" ; owl:equivalentProperty foaf:knows .\n# ---',
        )
    )
    text = PREFIXES + ':a a foaf:Person ; foaf:name "A" ; foaf:knows :b .\n:b a foaf:Person ; foaf:name "B" .\n'
    graph.load("rdf", written(folder, text), schema=schema)
    assert set(graph.nodes("Author")) == set(graph.nodes("Reader")) == {"a", "b"}
    assert set(graph.edges("KNOWS")) == set(graph.edges("MET")) == {("a", "b")}


def test_of_a_date_and_time_the_date(graph: Graph, folder: Path) -> None:
    text = PREFIXES + ':n a schema:NewsArticle ; schema:headline "N" ; schema:datePublished "2026-11-20T08:00:00Z" .\n'
    graph.load("rdf", written(folder, text), schema=GraphSchema.bundled("news"))
    assert str(graph.nodes("Article")["n"]["published"]) == "2026-11-20"


# --- large dumps ---------------------------------------------------------------------------------------

WIKIDATA = "\n".join(
    f"<http://www.wikidata.org/{s}> <http://www.wikidata.org/prop/direct/{p}> <http://www.wikidata.org/entity/{o}> ."
    for s, p, o in [
        ("entity/Q1", "P31", "Q11424"),
        ("entity/Q2", "P31", "Q11424"),
        ("entity/Q10", "P31", "Q5"),
        ("entity/Q11", "P31", "Q5"),
        ("entity/Q1", "P57", "Q10"),
        ("entity/Q1", "P161", "Q12"),
        ("entity/Q2", "P161", "Q10"),
    ]
)
LABEL = '<http://www.wikidata.org/entity/{}> <http://www.w3.org/2000/01/rdf-schema#label> "{}"@en .'
WIKIDATA += "\n" + "\n".join(LABEL.format(f"Q{n}", f"Name {n}") for n in (1, 2, 10, 11, 12)) + "\n"


def test_wikidata_s_truthy_statements(graph: Graph, folder: Path) -> None:
    graph.load("rdf", written(folder, WIKIDATA, "w.nt"), schema=MOVIES)
    assert set(graph.nodes("Film")) == {"Q1", "Q2"}
    assert set(graph.nodes("Person")) == {"Q10", "Q11", "Q12"}
    assert set(graph.edges("STARRING")) == {("Q1", "Q12"), ("Q2", "Q10")}


def test_keep_linked_reads_what_a_relation_ties_to_an_item(graph: Graph, folder: Path) -> None:
    report = graph.load("rdf", written(folder, WIKIDATA, "w.nt"), schema=MOVIES, keep="linked", relations="DIRECTED_BY")
    assert graph.nodes("Person") == {"Q10": {"name": "Name 10"}}
    assert set(graph.edges("DIRECTED_BY")) == {("Q1", "Q10")}
    assert graph.edges("STARRING") == {}
    assert report.unmapped == {}


def test_keep_known_reads_the_items_of_the_graph(graph: Graph, folder: Path) -> None:
    first = "\n".join(line for line in WIKIDATA.splitlines() if "/Q2>" in line and "P161" not in line)
    graph.load("rdf", written(folder, first, "f.nt"), schema=MOVIES)
    report = graph.load("rdf", written(folder, WIKIDATA, "w.nt"), schema=MOVIES, keep="known")
    assert set(graph.nodes("Film")) == {"Q2"}
    assert set(graph.edges("STARRING")) == {("Q2", "Q10")}
    assert set(graph.nodes("Person")) == {"Q10"}
    assert report.unmapped == {"Film: not in the graph (keep=known)": 1}


def test_options_are_checked(graph: Graph, folder: Path) -> None:
    path = written(folder, WIKIDATA, "w.nt")
    with pytest.raises(ConfigError, match="option keep: expected 'all' or 'linked' or 'known', got 'some'"):
        graph.load("rdf", path, schema=MOVIES, keep="some")
    with pytest.raises(SchemaError, match="no relation type 'DIRECTED'"):
        graph.load("rdf", path, schema=MOVIES, relations="DIRECTED")
    damaged = folder / "w.nt.bz2"
    damaged.write_bytes(bz2.compress(WIKIDATA.encode())[:-20])
    with pytest.raises(LoadError, match="cut or damaged after line"):
        graph.load("rdf", damaged, schema=MOVIES)
