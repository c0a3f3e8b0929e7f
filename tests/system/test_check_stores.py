"""Faults that other programs can put into a store, planted behind its back and found again with their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import neo4j
import pyarrow as pa
import pytest

from kg_rec.checks.check import CheckReport, check
from kg_rec.checks.constraints import Finding
from kg_rec.errors import SchemaNotAppliedError
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect

SCHEMA = GraphSchema.from_turtle(
    """
@prefix : <urn:kg-rec:lab#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:lab> a kr:Schema .
:User a kr:UserType ; sh:property [ sh:path :user_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Film a kr:ItemType ; sh:property
    [ sh:path :item_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :title ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:name ] ,
    [ sh:path :year ; sh:datatype xsd:integer ; sh:minInclusive 1870 ; sh:maxInclusive 2100 ] ,
    [ sh:path :size ; sh:datatype xsd:double ] , [ sh:path :seen ; sh:datatype xsd:boolean ] ,
    [ sh:path :day ; sh:datatype xsd:date ] , [ sh:path :tags ; sh:datatype kr:stringList ] ,
    [ sh:path :vector ; sh:datatype kr:floatList ; kr:use kr:vector ; kr:dimensions 2 ] .
:Studio a kr:AttributeType ; sh:property
    [ sh:path :studio_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :name ; sh:datatype xsd:string ; kr:use kr:name ] .
:RATED a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Film ; rdfs:label "rated" ; kr:positiveFrom 3 ;
    sh:property [ sh:path :rating ; sh:datatype xsd:double ; sh:minCount 1 ; kr:use kr:weight ;
                  sh:minInclusive 0.5 ; sh:maxInclusive 5 ] ,
                [ sh:path :at ; sh:datatype xsd:integer ; kr:use kr:time ] .
:MADE_BY a kr:RelationType ; rdfs:domain :Film ; rdfs:range :Studio ; rdfs:label "made by" ; kr:maxPerSource 2 .
:SEQUEL a kr:RelationType ; rdfs:domain :Film ; rdfs:range :Film ; rdfs:label "sequel" .
:SHOWN a kr:RelationType ; rdfs:domain :User ; rdfs:range :Film ; rdfs:label "was shown" .
"""
)


@pytest.fixture
def clean_neo4j(emptied: Callable[[GraphSchema], str]) -> str:
    """URL of the server, empty but for the indexes of this schema."""
    return emptied(SCHEMA)


def fill(store: GraphStore) -> None:
    """A valid graph: two users, three films, three studios."""
    store.apply_schema(SCHEMA)
    store.write_nodes("User", pa.table({"user_id": ["u1", "u2"]}))
    store.write_nodes(
        "Film",
        pa.table(
            {
                "item_id": ["f1", "f2", "f3"],
                "title": ["One", "Two", "Three"],
                "year": [1999, None, 2001],
                "size": [1.5, 2.0, None],
                "seen": [True, False, None],
                "tags": [["a"], [], None],
                "vector": [[0.0, 1.0], [1.0, 0.0], None],
            }
        ),
    )
    store.write_nodes("Studio", pa.table({"studio_id": ["s1", "s2", "s3"], "name": ["A", "B", "C"]}))
    rated = {"source": ["u1", "u1", "u2"], "target": ["f1", "f2", "f3"], "rating": [0.5, 5.0, 3.0], "at": [1, 2, None]}
    store.write_edges("RATED", pa.table(rated))
    made = {"source": ["f1", "f1", "f2", "f3"], "target": ["s1", "s2", "s2", "s3"]}
    store.write_edges("MADE_BY", pa.table(made))


def only(report: CheckReport, *, violation: bool = True) -> Finding:
    """The one finding of its kind."""
    found = [f for f in report.findings if f.violation == violation]
    assert len(found) == 1, report.lines()
    return found[0]


# --- both --------------------------------------------------------------------------------------------


def test_a_valid_graph_has_no_findings(tmp_store: GraphStore) -> None:
    fill(tmp_store)
    report = check(tmp_store)
    assert report.findings == ()
    assert report.ok
    assert report.fits is None
    assert report.nodes == {"Film": 3, "Studio": 3, "User": 2}
    assert report.edges == {"MADE_BY": 4, "RATED": 3, "SEQUEL": 0, "SHOWN": 0}
    assert report.lines()[0] == f"{tmp_store.url}: 8 nodes and 7 edges under the schema lab: valid"


def test_an_empty_graph_is_valid(tmp_store: GraphStore) -> None:
    tmp_store.apply_schema(SCHEMA)
    report = check(tmp_store)
    assert report.ok
    assert report.findings == ()
    assert report.agreement == ()


def test_a_store_without_a_schema_cannot_be_checked(tmp_store: GraphStore) -> None:
    with pytest.raises(SchemaNotAppliedError):
        check(tmp_store)


def test_what_the_store_accepts_and_the_schema_does_not(tmp_store: GraphStore) -> None:
    fill(tmp_store)
    tmp_store.write_nodes("Film", pa.table({"item_id": ["f4"], "year": [1500]}))  # no title
    tmp_store.write_nodes("Studio", pa.table({"studio_id": ["s4"]}))
    rated = {"source": ["u1", "u2", "u2"], "target": ["f3", "f1", "f2"], "rating": [5.5, None, 0.0]}
    tmp_store.write_edges("RATED", pa.table(rated))
    tmp_store.write_edges("MADE_BY", pa.table({"source": ["f1"], "target": ["s3"]}))
    report = check(tmp_store)
    assert [(f.constraint, f.subject, f.count, f.samples, f.violation) for f in report.findings] == [
        ("missing property", "Film.title", 1, ("f4",), True),
        ("out of range", "Film.year", 1, ("f4",), True),
        ("no interaction", "Film", 1, ("f4",), False),
        ("no fact", "Film", 1, ("f4",), False),
        ("nothing at all", "Film", 1, ("f4",), False),
        ("no name", "Studio", 1, ("s4",), False),
        ("cardinality", "MADE_BY", 1, ("f1",), True),
        ("missing property", "RATED.rating", 1, ("u2 -> f1",), True),
        ("out of range", "RATED.rating", 2, ("u1 -> f3", "u2 -> f2"), True),
    ]
    assert not report.ok
    assert report.agreement is not None
    assert "5 constraints are broken" in report.lines()[0]
    line = "out of range: RATED.rating: 2 edges (expected at least 0.5 and at most 5), for example u1 -> f3, u2 -> f2"
    assert line in report.lines()


def test_a_sequel_is_a_fact(tmp_store: GraphStore) -> None:
    fill(tmp_store)
    tmp_store.write_nodes("Film", pa.table({"item_id": ["f4"], "title": ["Four"]}))
    tmp_store.write_edges("SEQUEL", pa.table({"source": ["f1"], "target": ["f4"]}))
    note = only(check(tmp_store), violation=False)
    assert (note.constraint, note.samples) == ("no interaction", ("f4",))


def test_what_users_were_shown_is_no_fact(tmp_store: GraphStore) -> None:
    fill(tmp_store)
    tmp_store.write_nodes("Film", pa.table({"item_id": ["f4"], "title": ["Four"]}))
    tmp_store.write_edges("RATED", pa.table({"source": ["u1"], "target": ["f4"], "rating": [4.0]}))
    tmp_store.write_edges("SHOWN", pa.table({"source": ["u1"], "target": ["f4"]}))
    note = only(check(tmp_store), violation=False)
    assert (note.constraint, note.samples) == ("no fact", ("f4",))


def test_samples_are_the_first_keys(tmp_store: GraphStore) -> None:
    fill(tmp_store)
    tmp_store.write_nodes(
        "Film", pa.table({"item_id": [f"x{i}" for i in range(9)], "title": ["X"] * 9, "year": [1] * 9})
    )
    finding = only(check(tmp_store, samples=2))
    assert (finding.count, finding.samples) == (9, ("x0", "x1"))
    assert only(check(tmp_store, samples=0)).samples == ()


def test_progress_reaches_the_end(tmp_store: GraphStore) -> None:
    fill(tmp_store)
    seen: list[tuple[int, int | None, str]] = []
    check(tmp_store, progress=lambda *step: seen.append(step))
    assert (0, 8, "check Film") in seen
    assert (8, 8, "checked") in seen


# --- Neo4j: any program may write anything -----------------------------------------------------------


@pytest.fixture
def server_store(clean_neo4j: str) -> Iterator[GraphStore]:
    store = connect(clean_neo4j)
    fill(store)
    yield store
    store.close()


FILM = "MATCH (n:Film {item_id: 'f2'})"
RATING = "MATCH ()-[r:RATED]->({item_id: 'f2'})"
FAULTS = {
    "missing key": ("CREATE (:Studio {name: 'Z'})", "missing key", "Studio", 1, None),
    "empty key": ("CREATE (:Studio {studio_id: '', name: 'Z'})", "missing key", "Studio", 1, ("",)),
    "key of another type": (
        "CREATE (:Studio {studio_id: 7, name: 'Z'})", "wrong datatype", "Studio.studio_id", 1, ("7",),
    ),
    "key that is a list": (
        "CREATE (:Studio {studio_id: ['a'], name: 'Z'})", "wrong datatype", "Studio.studio_id", 1, None,
    ),
    "missing name": (f"{FILM} REMOVE n.title", "missing property", "Film.title", 1, ("f2",)),
    "text for an integer": (
        f"{FILM} SET n.year = '1999'", "wrong datatype", "Film.year", 1, ("f2",),
    ),
    "fraction for an integer": (
        f"{FILM} SET n.year = 1999.5", "wrong datatype", "Film.year", 1, ("f2",),
    ),
    "text for a number": (f"{FILM} SET n.size = 'x'", "wrong datatype", "Film.size", 1, ("f2",)),
    "not a number": (f"{FILM} SET n.size = 0.0 / 0.0", "not finite", "Film.size", 1, ("f2",)),
    "infinite": (f"{FILM} SET n.size = 1.0 / 0.0", "not finite", "Film.size", 1, ("f2",)),
    "number for a boolean": (f"{FILM} SET n.seen = 1", "wrong datatype", "Film.seen", 1, ("f2",)),
    "text for a date": (
        f"{FILM} SET n.day = '1999-01-01'", "wrong datatype", "Film.day", 1, ("f2",),
    ),
    "a date far away": (
        f"{FILM} SET n.day = date('+12024-01-01')", "wrong datatype", "Film.day", 1, ("f2",),
    ),
    "text for a list": (f"{FILM} SET n.tags = 'a'", "wrong datatype", "Film.tags", 1, ("f2",)),
    "numbers for texts": (f"{FILM} SET n.tags = [1]", "wrong datatype", "Film.tags", 1, ("f2",)),
    "short vector": (
        f"{FILM} SET n.vector = [1.0]", "wrong length", "Film.vector", 1, ("f2",),
    ),
    "number for a vector": (
        f"{FILM} SET n.vector = 1", "wrong datatype", "Film.vector", 1, ("f2",),
    ),
    "too early": (f"{FILM} SET n.year = 1869", "out of range", "Film.year", 1, ("f2",)),
    "too high": (f"{RATING} SET r.rating = 5.5", "out of range", "RATED.rating", 1, ("u1 -> f2",)),
    "no rating": (
        f"{RATING} REMOVE r.rating", "missing property", "RATED.rating", 1, ("u1 -> f2",),
    ),
    "text for a rating": (
        f"{RATING} SET r.rating = '4'", "wrong datatype", "RATED.rating", 1, ("u1 -> f2",),
    ),
    "milliseconds": (
        f"{RATING} SET r.at = 1700000000000", "implausible time", "RATED.at", 1, ("u1 -> f2",),
    ),
    "wrong target": (
        "MATCH (a:User {user_id: 'u1'}), (b:Studio {studio_id: 's1'}) CREATE (a)-[:RATED {rating: 4.0}]->(b)",
        "wrongly typed ends", "RATED", 1, ("u1 -> s1",),
    ),
    "turned round": (
        "MATCH (a:Film {item_id: 'f1'}), (b:Studio {studio_id: 's3'}) CREATE (b)-[:MADE_BY]->(a)",
        "wrongly typed ends", "MADE_BY", 1, ("s3 -> f1",),
    ),
    "twice": (
        "MATCH (a:Film {item_id: 'f2'})-[:MADE_BY]->(b) CREATE (a)-[:MADE_BY]->(b), (a)-[:MADE_BY]->(b)",
        "duplicate edge", "MADE_BY", 1, ("f2 -> s2",),
    ),
    "too many": (
        "MATCH (a:Film {item_id: 'f1'}), (b:Studio {studio_id: 's3'}) CREATE (a)-[:MADE_BY]->(b)",
        "cardinality", "MADE_BY", 1, ("f1",),
    ),
}  # fmt: skip


@pytest.mark.neo4j
@pytest.mark.parametrize(("cypher", "constraint", "subject", "count", "samples"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_is_found(
    server_store: GraphStore,
    neo4j_driver: neo4j.Driver,
    cypher: str,
    constraint: str,
    subject: str,
    count: int,
    samples: tuple[str, ...] | None,
) -> None:
    neo4j_driver.execute_query(cypher, database_="neo4j")  # type: ignore[arg-type]  # wants a literal
    finding = only(check(server_store))
    assert (finding.constraint, finding.subject, finding.count) == (constraint, subject, count)
    if samples is None:  # there is no key: the database's own id stands for it
        assert len(finding.samples) == 1
        assert finding.samples[0].count(":") == 2
    else:
        assert finding.samples == samples


@pytest.mark.neo4j
def test_numbers_without_a_fraction_are_floats_too(server_store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    neo4j_driver.execute_query("MATCH ()-[r:RATED]->() SET r.rating = 4", database_="neo4j")
    neo4j_driver.execute_query("MATCH (n:Film) SET n.vector = [1, 2]", database_="neo4j")
    assert check(server_store).ok


@pytest.mark.neo4j
def test_an_end_without_a_key_or_label(server_store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    neo4j_driver.execute_query("MATCH (a:User {user_id: 'u1'}) CREATE (a)-[:RATED {rating: 4}]->()", database_="neo4j")
    report = check(server_store)
    assert only(report).samples[0].startswith("u1 -> 4:")
    note = only(report, violation=False)
    assert (note.constraint, note.count, note.samples) == ("unknown type", 1, ("no label",))


@pytest.mark.neo4j
def test_a_key_that_two_nodes_have(server_store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    neo4j_driver.execute_query("DROP CONSTRAINT kg_rec_Studio_key", database_="neo4j")
    neo4j_driver.execute_query("CREATE (:Studio {studio_id: 's1', name: 'Again'})", database_="neo4j")
    finding = only(check(server_store))
    assert (finding.constraint, finding.subject, finding.count, finding.samples) == (
        "duplicate key",
        "Studio",
        1,
        ("s1",),
    )


@pytest.mark.neo4j
def test_types_that_the_schema_lacks_are_notes(server_store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    neo4j_driver.execute_query(
        "MATCH (f:Film {item_id: 'f1'}) CREATE (f)-[:LIKE_THIS]->(:Flim {item_id: 'x'}), (:Other), (:Other)",
        database_="neo4j",
    )
    neo4j_driver.execute_query("MATCH (f:Film {item_id: 'f1'}) SET f:Favourite", database_="neo4j")
    report = check(server_store)
    assert report.ok
    assert [(f.constraint, f.unit, f.count, f.samples) for f in report.findings] == [
        ("unknown type", "node", 3, ("Flim", "Other")),
        ("unknown type", "edge", 1, ("LIKE_THIS",)),
    ]


@pytest.mark.neo4j
def test_without_an_export_agreement_is_not_measured(server_store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    neo4j_driver.execute_query("MATCH (n:Film {item_id: 'f2'}) SET n.year = 'x'", database_="neo4j")
    report = check(server_store)
    assert report.agreement is None
    assert report.fits is None
    assert report.to_dict()["agreement"] is None
    assert report.lines()[-1] == "agreement of facts and interactions was not measured: mend the graph first"


# --- embedded: only kg_rec writes to it ------------------------------------------------------------------

EMBEDDED_FAULTS = {
    "empty key": ("CREATE (:Studio {studio_id: '', name: 'Z'})", "missing key", "Studio", ("",)),
    "twice": (
        "MATCH (a:Film {item_id: 'f2'})-[:MADE_BY]->(b:Studio) CREATE (a)-[:MADE_BY]->(b)",
        "duplicate edge", "MADE_BY", ("f2 -> s2",),
    ),
    "too high": (
        "MATCH (:User)-[r:RATED]->(f:Film) WHERE f.item_id = 'f2' SET r.rating = 5.5", "out of range", "RATED.rating",
        ("u1 -> f2",),
    ),
    "no title": ("MATCH (f:Film) WHERE f.item_id = 'f2' SET f.title = NULL", "missing property", "Film.title", ("f2",)),
    "too many": (
        "MATCH (a:Film {item_id: 'f1'}), (b:Studio {studio_id: 's3'}) CREATE (a)-[:MADE_BY]->(b)",
        "cardinality", "MADE_BY", ("f1",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("cypher", "constraint", "subject", "samples"), EMBEDDED_FAULTS.values(), ids=EMBEDDED_FAULTS.keys()
)
def test_a_planted_fault_is_found_in_the_embedded_graph(
    tmp_path: Path, cypher: str, constraint: str, subject: str, samples: tuple[str, ...]
) -> None:
    report = check_after(tmp_path / "graph", cypher)
    finding = only(report)
    assert (finding.constraint, finding.subject, finding.count, finding.samples) == (constraint, subject, 1, samples)


def test_types_that_the_schema_lacks_are_notes_in_the_embedded_graph(tmp_path: Path) -> None:
    fill_flim = "MATCH (f:Film {item_id: 'f1'}) CREATE (f)-[:LIKE_THIS]->(:Flim {item_id: 'x'})"
    report = check_after(tmp_path / "graph", fill_flim)
    assert report.ok
    assert [(f.constraint, f.unit, f.count, f.samples) for f in report.findings] == [
        ("unknown type", "node", 1, ("Flim",)),
        ("unknown type", "edge", 1, ("LIKE_THIS",)),
    ]


def check_after(folder: Path, *statements: str) -> CheckReport:
    """The check of a valid graph after statements that no check of a batch saw."""
    store = connect(str(folder))
    fill(store)
    store.transact([(statement, {}) for statement in statements])
    store.close()
    store = connect(str(folder), read_only=True)
    try:
        return check(store)
    finally:
        store.close()
