"""Graphs of more shapes that others made: what is guessed of each is read as it is meant, weight for weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import neo4j
import pytest

from kg_rec.api import train
from kg_rec.checks.infer import Wishes, infer
from kg_rec.checks.manage import apply, contradictions
from kg_rec.errors import SchemaError
from kg_rec.explain.show.cypher import mismatches
from kg_rec.model.config import TrainConfig
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import Snapshot, export
from kg_rec.store import GraphStore, connect

pytestmark = pytest.mark.neo4j
START = datetime(2023, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(clean_neo4j: str) -> Iterator[GraphStore]:
    with closing(connect(clean_neo4j)) as found:
        yield found


def read(store: GraphStore, wishes: Wishes | None = None) -> Snapshot:
    """The graph under the schema that is guessed, which nothing in it contradicts."""
    schema = GraphSchema.from_turtle(infer(store, wishes))
    assert [finding.line() for finding in contradictions(store, schema) if finding.violation] == []
    apply(store, schema)
    return export(store)


def edges(graph: Snapshot, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row.pop("source"), row.pop("target")): row for row in graph.to_arrow()[name].to_pylist()}


def test_a_hospital(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    """Three steps from patients to drugs, a label over all people, warnings that are no reasons, numbers as texts."""
    run = neo4j_driver.execute_query
    rows = [[u, i, START.replace(tzinfo=None) + timedelta(days=u + i)] for u in range(12) for i in range(u % 4, 12, 4)]
    run("UNWIND range(0, 2) AS i CREATE (:Condition {icd10: 'I' + i, display: 'condition no. ' + i})")
    run(
        "UNWIND range(0, 11) AS i "
        "MATCH (c:Condition {icd10: 'I' + (i % 3)}), (d:Condition {icd10: 'I' + ((i + 1) % 3)}) "
        "CREATE (x:Drug {ndc: '0002-' + i, brand_name: 'Medix ' + i, mg: CASE i % 2 WHEN 0 THEN 5 ELSE '10' END}) "
        "CREATE (x)-[:INDICATED_FOR]->(c), (x)-[:CONTRAINDICATED_IN]->(d)"
    )
    run("UNWIND range(0, 11) AS u CREATE (:Person:Patient {mrn: 7000 + u, family: 'F' + u})")
    run("UNWIND range(0, 4) AS u CREATE (:Person:Doctor {npi: 90 + u, family: 'D' + u})")
    run(
        "UNWIND $rows AS r MATCH (p:Patient {mrn: 7000 + r[0]}), (x:Drug {ndc: '0002-' + r[1]}), (d:Doctor) "
        "WHERE d.npi = 90 + r[0] % 5 CREATE (d)-[:TREATED]->(e:Encounter {end: r[2] + duration('P1D'), start: r[2]}), "
        "(p)-[:HAD]->(e)-[:PRESCRIBED]->(:Prescription {rx: randomUUID()})-[:OF_DRUG]->(x)",
        rows=rows,
    )
    graph = read(store)
    assert {(f"{7000 + u}", f"0002-{i}"): int(at.replace(tzinfo=UTC).timestamp()) for u, i, at in rows} == {
        pair: row["time"] for pair, row in edges(graph, "TOOK_TO").items()
    }
    rules = {name: r.rule for name, r in graph.schema.relation_types.items() if r.target == "Condition"}
    assert rules == {"INDICATED_FOR": False, "CONTRAINDICATED_IN": True}
    assert graph.schema.item.name_property == "brand_name"
    assert "mg left out: integer or string" in graph.schema.turtle
    assert graph.name("Condition", 0) == "condition no. 0"


def hotel(run: Any) -> dict[tuple[str, str], float]:
    """Stays and reviews are nodes, cancellations are not; a label over everything; no name is plain ASCII."""
    run(
        "UNWIND range(0, 11) AS i CREATE (h:Entity:`Hôtel` {uuid: $start + right('00' + i, 2), nom: 'Hôtel ' + i, "
        "`prix moyen`: CASE i % 2 WHEN 0 THEN 80 ELSE 99.5 END}) "
        "MERGE (v:Entity:Ville {nom: ['Nîmes', 'Brest', 'Orléans'][i % 3]}) CREATE (h)-[:`situé à`]->(v)",
        start="6f1c2b4e-0000-4000-8000-0000000000",
    )
    run("UNWIND range(0, 20) AS u CREATE (:Entity:Voyageur {courriel: 'v' + u + '@exemple.fr'})")
    match = "UNWIND $rows AS r MATCH (v:Voyageur {courriel: 'v' + r[0] + '@exemple.fr'}), (h:`Hôtel` {nom: r[3]})"
    stays = [[u, i, START + timedelta(days=u), f"Hôtel {i}"] for u in range(21) for i in range(u % 3, 12, 3)]
    reviews = [[*row, 10 if n % 3 else 2] for n, row in enumerate(stays) if n % 2]
    run(
        f"{match} CREATE (v)-[:`a réservé`]->(:Entity:`Séjour` {{`départ`: r[2] + duration('P3D'), `arrivée`: r[2]}})"
        "-[:dans]->(h)",
        rows=stays,
    )
    run(f"{match} CREATE (v)<-[:`écrit par`]-(:Entity:Avis {{score: r[4], date: r[2]}})-[:sur]->(h)", rows=reviews)
    run(f"{match} CREATE (v)-[:`a annulé` {{le: r[2]}}]->(h)", rows=stays[::7])
    found: dict[tuple[str, str], float] = defaultdict(float)
    for rows, weight in ((stays, lambda _: 1.0), (reviews, lambda r: (r[4] - 6) / 4), (stays[::7], lambda _: -1.0)):
        for row in rows:
            found[f"v{row[0]}@exemple.fr", f"6f1c2b4e-0000-4000-8000-0000000000{row[1]:02}"] += weight(row)
    return found


def test_a_hotel(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    expected = hotel(neo4j_driver.execute_query)
    graph = read(store)
    found = edges(graph, "TOOK_TO")
    assert {pair: row["weight"] for pair, row in found.items()} == pytest.approx(expected)
    assert {row["time"] for row in found.values()} == {int((START + timedelta(days=u)).timestamp()) for u in range(21)}
    assert (graph.schema.user.name, graph.schema.item.name) == ("Voyageur", "Hotel")
    assert graph.name("Hotel", 3) == "Hôtel 3"  # not the uuid
    model = train(graph, TrainConfig.from_dict({"meaning": {"encoder": "none"}, "channels": ["taste", "knowledge"]}))
    for user in graph.users.keys.to_pylist()[:4]:
        for item in model.recommend([user], k=2)["item"].to_pylist():
            explained = model.explain(user, item)
            assert mismatches(explained.paths, store.query(explained.cypher, explained.parameters)) == ()


def test_stars_of_reviews_may_be_left_out_or_weighed(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    hotel(neo4j_driver.execute_query)
    graph = read(store, Wishes(weights={"a réservé_dans": 2.0, "écrit par_sur": -0.5}))
    assert {row["weight"] for row in edges(graph, "TOOK_TO").values()} == {1.5, 2.0}
    with pytest.raises(
        SchemaError, match="no dans leads from Voyageur to Hôtel; expected some of a annulé, a réservé_dans"
    ):
        infer(store, Wishes(weights={"dans": 2.0}))


def test_a_stream_of_music(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    """Plays are counted, skips speak against, keys are numbers and texts, a type is called as a label."""
    run = neo4j_driver.execute_query
    run(
        "UNWIND range(0, 11) AS i "
        "CREATE (t:Track:Media {id: CASE WHEN i < 9 THEN i ELSE 'new-' + i END, title: 'Song ' + i}) "
        "MERGE (g:`流派` {`名称`: '流派' + (i % 3)}) MERGE (a:Genre {name: 'genre ' + (i % 2)}) "
        "CREATE (t)-[:`属于`]->(g), (t)-[:GENRE]->(a), (g)-[:GENRE]->(a)"
    )
    run("UNWIND range(0, 5) AS i CREATE (:Episode:Media {id: 'e' + i, title: 'Episode ' + i})")
    run(
        "UNWIND range(0, 9) AS u "
        "CREATE (:Account {login: 'a' + u})-[:HAS_PROFILE]->(:Profile {account: u / 2, slot: u % 2})"
    )
    rows = [[u, i, u + i + 1] for u in range(10) for i in range(u % 2, 12, 2)]
    match = "UNWIND $rows AS r MATCH (p:Profile {account: r[0] / 2, slot: r[0] % 2}), (t:Track {title: 'Song ' + r[1]})"
    run(f"{match} CREATE (p)-[:PLAYED {{plays: r[2], last: 1700000000000 + r[2] * 1000}}]->(t)", rows=rows)
    run(f"{match} CREATE (p)-[:SKIPPED {{times: 30, iso: '2024-01-02 03:04:05'}}]->(t)", rows=rows[::3])
    graph = read(store)

    def key(i: int) -> str:
        return str(i) if i < 9 else f"new-{i}"

    played = {(f"{u // 2}|{u % 2}", key(i)): (float(n), 1_700_000_000 + n) for u, i, n in rows}
    for u, i, _ in rows[::3]:
        weight, _ = played[f"{u // 2}|{u % 2}", key(i)]
        played[f"{u // 2}|{u % 2}", key(i)] = weight - 30, 1_704_164_645
    found = edges(graph, "TOOK_TO")
    assert {pair: (row["weight"], row["time"]) for pair, row in found.items()} == played
    assert len(graph.liked()) == len(rows) - len(rows[::3])
    assert graph.schema.item.name == "Track"
    assert len(edges(graph, "GENRE_Genre")) == 12


def test_a_supermarket(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    """Where pairs have several relationships with times, items are had again, and every time is kept."""
    run = neo4j_driver.execute_query
    run("UNWIND range(0, 7) AS i CREATE (:Product {sku: 'p' + i, name: 'Product ' + i})")
    run("UNWIND range(0, 5) AS u CREATE (:Customer {card: 'c' + u})")
    rows = [
        [u, i, START + timedelta(days=9 * n + u)]
        for u in range(6)
        for i in range(u % 2, 8, 2)
        for n in range(1 + i % 4)
    ]
    run(
        "UNWIND $rows AS r MATCH (c:Customer {card: 'c' + r[0]}), (p:Product {sku: 'p' + r[1]}) "
        "CREATE (c)-[:BOUGHT {at: r[2]}]->(p)",
        rows=rows,
    )
    assert "of the pairs have several" in infer(store)
    graph = read(store)
    relation = graph.schema.interaction
    assert (relation.repeats, relation.again) == ("count", True)
    bought = defaultdict[tuple[str, str], list[int]](list)
    for u, i, at in rows:
        bought[f"c{u}", f"p{i}"].append(int(at.timestamp()))
    found = edges(graph, "TOOK_TO")
    assert {pair: row["times"] for pair, row in found.items()} == bought
    assert len(graph.liked()) == len(bought)


def test_a_library(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    """Single copies stand for books, cards are numbered by branch, days are numbers of two kinds."""
    run = neo4j_driver.execute_query
    run(
        "UNWIND range(0, 9) AS i CREATE (b:Book {isbn: '978-' + i, title: 'Book ' + i}) "
        "MERGE (a:Author {viaf: 'v' + (i % 3), name: 'Author ' + (i % 3), born: 1900 + i % 3}) "
        "CREATE (a)-[:WROTE]->(b) "
        "FOREACH (k IN [1, 2] | CREATE (b)<-[:COPY_OF]-(:Copy {barcode: b.isbn + '/' + k}))"
    )
    run("UNWIND range(0, 7) AS u CREATE (:Borrower {branch: 'B' + u % 2, card: u / 2, postcode: 20000 + u})")
    rows = [[u, i, 1 + (u + i) % 2, START + timedelta(days=u + i)] for u in range(8) for i in range(u % 3, 10, 3)]
    values = [{"u": u, "i": i, "k": k, "n": int(f"{at:%Y%m%d}"), "d": 19_358 + u + i} for u, i, k, at in rows]
    match = "UNWIND $rows AS r MATCH (u:Borrower {postcode: 20000 + r.u}), (c:Copy {barcode: '978-' + r.i + '/' + r.k})"
    run(f"{match} CREATE (u)-[:BORROWED {{due: 20991231, day: r.n}}]->(c)", rows=values)
    run(f"{match}-[:COPY_OF]->(b) CREATE (u)-[:RESERVED {{day: r.d}}]->(b)", rows=values[::5])
    graph = read(store)
    assert (graph.schema.item.name, graph.schema.node_types["Author"].key) == ("Book", "viaf")
    expected = {
        (f"B{u % 2}|{u // 2}", f"978-{i}"): (1.0 + (n % 5 == 0), int(at.timestamp()))
        for n, (u, i, _, at) in enumerate(rows)
    }
    found = edges(graph, "TOOK_TO")
    assert {pair: (row["weight"], row["time"]) for pair, row in found.items()} == expected
    assert graph.schema.interaction.labels["en"] == "borrowed or reserved"


def test_what_is_no_opinion_of_the_user_s(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    """Votes of others for an answer, a firm's refusal; a drug does not stand for what it must not be taken with."""
    run = neo4j_driver.execute_query
    run("UNWIND range(0, 11) AS i CREATE (:Post {no: i, title: 'Post ' + i})-[:TAGGED]->(:Tag {name: 'tag ' + i})")
    run("UNWIND range(0, 9) AS u CREATE (:Member {no: u})")
    match = "UNWIND range(0, 9) AS u UNWIND range(0, 3) AS j MATCH (m:Member {no: u}), (p:Post {no: (u + 3 * j) % 12})"
    run(f"{match} CREATE (m)-[:GAVE]->(:Answer {{score: j - 1}})-[:ANSWERS]->(p)")
    run(f"{match} WHERE j = 0 CREATE (m)-[:DISMISSED]->(p), (p)-[:REJECTED]->(m)")
    run(f"{match} WHERE j < 3 CREATE (m)-[:VIEWED]->(p)")
    graph = read(store)
    found = {pair: row["weight"] for pair, row in edges(graph, "TOOK_TO").items()}
    own = {(str(u), str((u + 3 * j) % 12)): w for u in range(10) for j, w in enumerate((0.2, 1.2, 1.2, 1.0))}
    assert found == pytest.approx(own)
    assert graph.schema.relation_types["TAGGED"].phrases["en"] == "has the tag {}"
    run("MATCH (n) DETACH DELETE n")
    run("UNWIND range(0, 2) AS i CREATE (:Diagnose {icd: 'I' + i, bezeichnung: 'Diagnose ' + i})")
    run(
        "UNWIND range(0, 11) AS i MATCH (d:Diagnose {icd: 'I' + i % 3}), (e:Diagnose {icd: 'I' + (i + 1) % 3}) "
        "CREATE (m:Medikament {pzn: i, name: 'Medix ' + i})-[:INDIZIERT_BEI]->(d), (m)-[:KONTRAINDIZIERT_BEI]->(e)"
    )
    run("UNWIND range(0, 9) AS u CREATE (:Patient {nr: u})")
    run(
        "UNWIND range(0, 9) AS u UNWIND range(0, 3) AS j "
        "MATCH (p:Patient {nr: u}), (m:Medikament {pzn: (u + 3 * j) % 12}) "
        "CREATE (p)-[:HAT_VERORDNUNG]->(:Verordnung {datum: date('2024-01-01')})-[:VON]->(m)"
    )
    schema = GraphSchema.from_turtle(infer(store))
    assert schema.item.name == "Medikament"
    assert schema.relation_types["KONTRAINDIZIERT_BEI"].rule


def test_nodes_without_a_key_are_left_out_and_told(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    run = neo4j_driver.execute_query
    run("UNWIND range(0, 29) AS i CREATE (:Book {pages: 100 + i, isbn: CASE WHEN i <> 7 THEN 'i' + i END})")
    run("UNWIND range(0, 9) AS u CREATE (:Reader {reader_id: u})")
    run("MATCH (r:Reader), (b:Book) WHERE (r.reader_id + b.pages) % 3 = 0 CREATE (r)-[:LIKED]->(b)")
    turtle = infer(store)
    assert "# key isbn: present in and different for the 29 that have it of 30 nodes" in turtle
    assert "# left out: 1 node without isbn" in turtle
    graph = read(store)
    assert len(graph.items) == 29
    assert len(graph.interactions) == 100 - 3
    run("MATCH (b:Book) SET b.title = 'Book ' + b.pages WITH b WHERE b.pages IN [103, 104] SET b.isbn = 'same'")
    assert "# isbn is called a key, but has 28 values for 29 nodes; if it is one, give each node its own" in infer(
        store
    )
    run("MATCH (b:Book) REMOVE b.title WITH b WHERE b.pages < 105 SET b.isbn = 'same', b.pages = 1")
    with pytest.raises(SchemaError, match="isbn has 25 values for 30 nodes; 'same' is there several times"):
        infer(store)
