"""Graphs that others made: from what is there to explained, verified, written-back lists; no node of theirs changes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neo4j
import neo4j_server
import numpy as np
import pyarrow as pa
import pytest
import torch
from cli_world import run
from foreign_shop import liked, shop
from starlette.testclient import TestClient
from torch_geometric.transforms import ToUndirected

from kg_rec.api import Model, train
from kg_rec.checks.infer import Wishes, infer
from kg_rec.checks.manage import apply, contradictions, difference, remove
from kg_rec.errors import SchemaError, StoreError
from kg_rec.explain.show.cypher import mismatches
from kg_rec.feedback.events import REACTED, EventLog
from kg_rec.feedback.explore import show
from kg_rec.feedback.policy import Greedy
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.run import start
from kg_rec.model.config import TrainConfig
from kg_rec.people.profile import ProfileConfig
from kg_rec.pyg import remote_backend
from kg_rec.schema import GraphSchema
from kg_rec.serve.app import create_app
from kg_rec.serve.live import Live
from kg_rec.settings import from_dict
from kg_rec.snapshot import NO_TIME, Snapshot, export
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import RunLedger
from kg_rec.store.ledger_cypher import OWN_RELATIONS, REACTED_TYPE, SHOWN_TYPE
from kg_rec.trust.places import GraphPlace

pytestmark = pytest.mark.neo4j
QUICK = TrainConfig.from_dict(
    {
        "meaning": {"encoder": "none"},
        "channels": ["taste", "knowledge"],
        "recency": [0.0, 5.0],
        "taste": {"l2": [5.0], "popularity": [0.0]},
        "fusion": {"rounds": 1},
    }
)


def social(run: Any) -> None:
    """Text keys of two properties together, a local time, facts that point at the item."""
    run("UNWIND range(0, 23) AS i CREATE (:Post {board: i % 4, no: i / 4, headline: 'Post ' + i, body: 'About ' + i})")
    run("UNWIND range(0, 3) AS k CREATE (:Topic {slug: 'topic-' + k})")
    run("MATCH (p:Post), (t:Topic) WHERE t.slug = 'topic-' + p.board CREATE (t)-[:COVERS]->(p)")
    run("UNWIND range(0, 31) AS u CREATE (:Member {handle: 'm' + u})")
    match = "UNWIND $rows AS row MATCH (m:Member {handle: 'm' + row[0]}), (p:Post {board: row[1] % 4, no: row[1] / 4})"
    rows = [[u, i, n] for n, (u, i) in enumerate(liked(32, 24, 4))]
    run(
        f"{match} CREATE (m)-[:LIKED {{on: localdatetime('2024-05-01T10:00:00') + duration({{hours: row[2]}})}}]->(p)",
        rows=rows,
    )


def news(run: Any) -> None:
    """Uuids, milliseconds, a single relationship type with a number of stars."""
    run(
        "UNWIND range(0, 26) AS i CREATE (:Article {uuid: '00000000-0000-4000-8000-' + right('00000000000' + i, 12), "
        "title: 'News ' + i, published: date('2024-02-01')})"
    )
    run("UNWIND range(0, 2) AS k CREATE (:Section {code: 's' + k, label: 'Section ' + k})")
    run(
        "MATCH (a:Article), (s:Section) WHERE s.code = 's' + (toInteger(right(a.uuid, 2)) % 3) "
        "CREATE (a)-[:HAS_SECTION]->(s)"
    )
    run("UNWIND range(0, 35) AS u CREATE (:Reader {reader_id: 'r' + u})")
    rows = [
        [u, f"00000000-0000-4000-8000-{i:012d}", n, 5 if i % 3 == u % 3 else 1]
        for n, (u, i) in enumerate(liked(36, 27, 3))
    ]
    run(
        "UNWIND $rows AS row MATCH (r:Reader {reader_id: 'r' + row[0]}), (a:Article {uuid: row[1]}) "
        "CREATE (r)-[:RATED {stars: row[3], ts: 1700000000000 + row[2] * 60000}]->(a)",
        rows=rows,
    )


def medical(run: Any) -> None:
    """The interaction runs over a node in the middle."""
    run("UNWIND range(0, 20) AS i CREATE (:Drug {code: 'D' + i, name: 'Drug ' + i})")
    run("UNWIND range(0, 2) AS k CREATE (:Substance {code: 'S' + k, name: 'Substance ' + k})")
    run(
        "MATCH (d:Drug), (s:Substance) WHERE s.code = 'S' + (toInteger(substring(d.code, 1)) % 3) "
        "CREATE (d)-[:CONTAINS]->(s)"
    )
    run("UNWIND range(0, 29) AS u CREATE (:Patient {mrn: 5000 + u})")
    rows = [[u, i, n] for n, (u, i) in enumerate(liked(30, 21, 3))]
    run(
        "UNWIND $rows AS row MATCH (p:Patient {mrn: 5000 + row[0]}), (d:Drug {code: 'D' + row[1]}) CREATE "
        "(p)-[:HAD]->(:Episode {on: date('2024-01-01') + duration({days: row[2]})})-[:TREATED_WITH]->(d)",
        rows=rows,
    )


def library(run: Any) -> None:
    """Two integers together are the key of users and of items; the interaction runs over a node, in epoch seconds."""
    run("UNWIND range(0, 23) AS i CREATE (:Book {shelf: i % 6, no: i / 6, title: 'Book ' + i, pages: 100 + i})")
    run("UNWIND range(0, 2) AS k CREATE (:Author {id: k, name: 'Author ' + k})")
    run("MATCH (b:Book), (a:Author) WHERE a.id = (b.shelf + 6 * b.no) % 3 CREATE (a)-[:WROTE]->(b)")
    run("UNWIND range(0, 29) AS u CREATE (:Borrower {branch: u % 5, no: u / 5})")
    match = (
        "UNWIND $rows AS row MATCH (r:Borrower {branch: row[0] % 5, no: row[0] / 5}), "
        "(b:Book {shelf: row[1] % 6, no: row[1] / 6})"
    )
    rows = [[u, i, n] for n, (u, i) in enumerate(liked(30, 24, 3))]
    for part in (rows, rows[::4]):  # some borrow a book twice
        run(f"{match} CREATE (r)-[:TOOK]->(:Loan {{at: 1700000000 + row[2] * 60}})-[:OF]->(b)", rows=part)


def school(run: Any) -> None:
    """Four kinds of interaction, two of which speak against; some pairs have one of each; times are dates."""
    run("UNWIND range(0, 20) AS i CREATE (:Course {code: 'C' + i, title: 'Course ' + i})")
    run("UNWIND range(0, 2) AS k CREATE (:Subject {name: 'Subject ' + k})")
    run(
        "MATCH (c:Course), (s:Subject) WHERE s.name = 'Subject ' + (toInteger(substring(c.code, 1)) % 3) "
        "CREATE (c)-[:BELONGS_TO]->(s)"
    )
    run("UNWIND range(0, 35) AS u CREATE (:Student {number: 9000 + u})")
    match = "UNWIND $rows AS row MATCH (s:Student {number: 9000 + row[0]}), (c:Course {code: 'C' + row[1]})"
    rows = [[u, i, n] for n, (u, i) in enumerate(liked(36, 21, 3))]
    on = "{on: date('2024-01-01') + duration({days: row[2]})}"
    for name, part in (("LIKED", rows), ("VIEWED", rows[::2]), ("DISLIKED", rows[3::11]), ("BLOCKED", rows[5::13])):
        run(f"{match} CREATE (s)-[:{name} {on}]->(c)", rows=part)


GRAPHS = {
    "shop": shop,
    "social": social,
    "news": news,
    "medical": medical,
    "library": library,
    "school": school,
}


def state(driver: neo4j.Driver) -> list[Any]:
    """All nodes and all relationships that are not kg_rec's, with their properties."""
    nodes = "MATCH (n) WHERE none(l IN labels(n) WHERE l STARTS WITH 'KgRec') RETURN labels(n) AS l, properties(n) AS p"
    edges = "MATCH (a)-[r]->(b) WHERE NOT type(r) IN $own RETURN type(r) AS t, properties(r) AS p"
    found = [driver.execute_query(asked, own=OWN_RELATIONS).records for asked in (nodes, edges)]
    return sorted(str(row.values()) for rows in found for row in rows)


def written(driver: neo4j.Driver) -> dict[str, int]:
    """How many relationships of each type kg_rec has written."""
    asked = "MATCH ()-[r]->() WHERE type(r) IN $own RETURN type(r) AS t, count(r) AS n"
    return {row["t"]: row["n"] for row in driver.execute_query(asked, own=OWN_RELATIONS).records}


@pytest.fixture
def store(clean_neo4j: str) -> Iterator[GraphStore]:
    with closing(connect(clean_neo4j)) as found:
        yield found


@pytest.fixture
def shop_store(neo4j_url: str, neo4j_driver: neo4j.Driver) -> Iterator[GraphStore]:
    """The shop, without a schema; of the indexes those stay that kg_rec has made for it, see ``owned``."""
    with neo4j_driver.session(database="neo4j") as session:
        found = neo4j_server.indexes(session)
    own = {f"kg_rec_{label}" for label in ("Category", "Customer", "Product", "KgRecRun", "KgRecChunk", "KgRecLatest")}
    neo4j_server.empty_database(neo4j_driver, frozenset(i for i in found if i[0].rpartition("_")[0] in own))
    shop(lambda cypher, **values: neo4j_driver.execute_query(cypher, **values))
    with closing(connect(neo4j_url)) as opened:
        yield opened


@dataclass(frozen=True)
class Owned:
    """A graph of others, the schema that was guessed of it, and a model of it."""

    name: str
    url: str
    before: list[Any]
    schema: GraphSchema
    graph: Snapshot
    model: Path


@pytest.fixture(scope="module", params=GRAPHS)
def owned(
    request: pytest.FixtureRequest, neo4j_url: str, neo4j_driver: neo4j.Driver, tmp_path_factory: pytest.TempPathFactory
) -> Owned:
    """Each graph in turn, with its schema and all indexes; the tests of one leave all of it to the last one.

    To plan each statement anew, as it must when an index is made or dropped, takes the server longer than the tests.
    """
    neo4j_server.empty_database(neo4j_driver)
    GRAPHS[request.param](lambda cypher, **values: neo4j_driver.execute_query(cypher, **values))
    before = state(neo4j_driver)
    with closing(connect(neo4j_url)) as store:
        schema = GraphSchema.from_turtle(infer(store), origin=f"{request.param}.ttl")
        apply(store, schema)  # which fails where the graph contradicts it
        RunLedger(store).prepare()
        graph = export(store)
    folder = tmp_path_factory.mktemp(request.param) / "model"
    train(graph, QUICK).save(folder)
    return Owned(request.param, neo4j_url, before, schema, graph, folder)


@pytest.fixture
def applied(owned: Owned) -> Iterator[GraphStore]:
    """The store of ``owned``, with its schema."""
    with closing(connect(owned.url)) as found:
        found.apply_schema(owned.schema)  # it is there, unless the test that removes it came first
        yield found


def test_a_network_reads_a_graph_of_others_in_place(applied: GraphStore) -> None:
    """By key, from either end of every relation, what the export holds."""
    store = applied
    features, graph = remote_backend(store, numbers=True, drop_empty=True)
    exported = ToUndirected(merge=False)(export(store).to_pyg(numbers=True, drop_empty=True))
    assert graph.edge_types == sorted(exported.edge_types)
    for kind in graph.edge_types:
        found = graph.links(kind, range(graph.node_counts[kind[2]]))
        order = np.lexsort(exported[kind].edge_index.numpy())
        parts = {"edge_index": found.edge_index, "edge_weight": found.weight, "edge_time": found.time}
        for part, values in {**parts, "liked": found.liked}.items():
            assert (part in exported[kind]) == (values is not None), (kind, part)
            if values is not None:
                torch.testing.assert_close(values, exported[kind][part][..., order], equal_nan=True)
    for node_type, names in exported.feature_names.items():
        assert features.feature_names[node_type] == names
        torch.testing.assert_close(features[node_type, "x", None], exported[node_type].x, equal_nan=True)


def test_nothing_is_written_into_nodes_of_others(owned: Owned, applied: GraphStore) -> None:
    user = owned.schema.user
    with pytest.raises(StoreError, match="maps a graph that others made"):
        applied.write_nodes(user.name, pa.table({user.key: ["7"]}))


@pytest.mark.parametrize("owned", ["school"], indirect=True)
def test_what_speaks_against_is_no_reason(owned: Owned, neo4j_driver: neo4j.Driver) -> None:
    graph = owned.graph
    weights = {
        row["source"] + row["target"]: row["weight"]
        for row in graph.to_arrow()[graph.schema.interaction.name].to_pylist()
    }
    asked = "MATCH (s:Student)-[r]->(c:Course) RETURN toString(s.number) + c.code AS pair, collect(type(r)) AS types"
    signs = {"LIKED": 1, "VIEWED": 1, "DISLIKED": -1, "BLOCKED": -1}
    for row in neo4j_driver.execute_query(asked).records:
        if len(row["types"]) == 1:
            assert weights[row["pair"]] * signs[row["types"][0]] > 0
    liked_pairs = {
        (graph.users.key(u), graph.items.key(i))
        for u, i in zip(graph.liked().source, graph.liked().target, strict=True)
    }
    model = Model.load(owned.model)
    for user in graph.users.keys.to_pylist():
        for item in model.recommend([user], k=2)["item"].to_pylist():
            for path in model.explain(user, item).paths:
                assert (user, path.nodes[1].key) in liked_pairs


def test_feedback_and_the_service_read_a_graph_of_others(
    owned: Owned, applied: GraphStore, neo4j_driver: neo4j.Driver
) -> None:
    store, graph = applied, owned.graph
    live = Live(lambda: connect(owned.url, read_only=True), owned.model)
    with TestClient(create_app(live, lambda: connect(owned.url))) as client:
        for user in graph.users.keys.to_pylist()[:5]:
            state_now, model = live.of_user(user)
            assert model is state_now.model  # as exported: key, weight, time and repeated edges
        ask = {"user": user, "k": 3}
        first = client.get("/v1/recommendations", params=ask).json()["items"]
        event = {"event": "e", "user": user, "item": first[0]["item"], "kind": "click"}
        assert client.post("/v1/feedback", json=[event]).json() == {"written": 1}
        for wrong in ({"user": "nobody"}, {"user": "7.5"}, {"item": "+1"}):
            assert client.post("/v1/feedback", json=[{**event, **wrong}]).status_code == 404
        assert client.get("/v1/recommendations", params={"user": "7.5"}).status_code == 404
        run = neo4j_driver.execute_query
        if owned.name == "shop":
            pair = {"u": int(user), "i": int(first[1]["item"])}
            both = "MATCH (c:Customer {id: $u}), (p:Product {id: $i})"
            run(f"{both} CREATE (c)-[:BOUGHT {{at: datetime()}}]->(p)", **pair)
            after = client.get("/v1/recommendations", params=ask).json()["items"]
            assert first[1]["item"] not in [one["item"] for one in after]
            run(f"{both} MATCH (c)-[r:BOUGHT]->(p) DELETE r", **pair)
    log = EventLog.of(store)
    assert log.reactions().column("user").to_pylist() == [user]
    shown = show(Model.load(owned.model).recommender, [user], 3, Greedy(), at=5, seed=0)
    assert log.record_shown(shown) == 3
    assert log.shown().sort_by("event").equals(shown.sort_by("event"))
    assert log.prune(before=6) == 3
    assert infer(store) == owned.schema.turtle  # events are no interactions of the graph
    assert state(neo4j_driver) == owned.before  # no node was written to


def test_from_a_graph_to_written_lists(
    owned: Owned, applied: GraphStore, neo4j_driver: neo4j.Driver, tmp_path: Path
) -> None:
    store, schema, graph, before = applied, owned.schema, owned.graph, owned.before
    assert graph.liked().time is not None
    assert 1.6e9 < graph.liked().time.min() < 1.8e9
    pairs = set(zip(graph.interactions.source.tolist(), graph.interactions.target.tolist(), strict=True))
    assert len(pairs) == len(graph.interactions)
    assert any(len(graph.edges[r.name]) for r in schema.knowledge_relations)
    model = Model.load(owned.model)
    user = graph.users.key(3)
    item = model.recommend([user], k=1)["item"][0].as_py()
    explained = model.explain(user, item)
    assert explained.paths
    assert mismatches(explained.paths, store.query(explained.cypher, explained.parameters)) == ()
    profile = model.profile(user, config=ProfileConfig(least=2, evidence=0.0))
    assert profile.clauses
    assert profile.differences(store) == ()
    assert model.newcomer(likes=[item]).differences(store, graph.items.key(0)) == ()
    settings = {
        "graph": owned.url,
        "model": str(owned.model),
        "name": "nightly",
        "k": 3,
        "explanations": "sentences",
        "work": str(tmp_path / "work"),
        "sinks": {"graph": True},
    }
    record = start(from_dict(JobConfig, settings), store)
    assert record.report["rows"] == 3 * len(graph.users)
    assert written(neo4j_driver)["RECOMMENDED"] == record.report["rows"]
    assert state(neo4j_driver) == before
    place = GraphPlace(store)
    assert place.find(user)["RECOMMENDED"] == 3
    assert "its owners delete the node" in place.erase(user).notes[0]
    assert place.find(user) == {}  # lists and records of runs; what others made of the person stays
    assert written(neo4j_driver)["RECOMMENDED"] == record.report["rows"] - 3
    assert state(neo4j_driver) == before
    assert difference(store, schema) == []
    log, other = EventLog.of(store), graph.users.key(0)
    assert log.record_shown(show(model.recommender, [other], 3, Greedy(), at=5, seed=0)) == 3
    click = {"event": "click", "user": other, "item": item, "kind": "click", "at": 6, "value": 1.0}
    assert log.record_reactions(pa.Table.from_pylist([click], REACTED)) == 1
    assert set(written(neo4j_driver)) == {"RECOMMENDED", SHOWN_TYPE, REACTED_TYPE}
    remove(store)
    assert written(neo4j_driver) == {}
    labels = neo4j_driver.execute_query(
        "MATCH (n) UNWIND labels(n) AS l WITH l WHERE l STARTS WITH 'KgRec' RETURN l"
    ).records
    assert labels == []
    named = "SHOW INDEXES YIELD name WHERE name STARTS WITH 'kg_rec_' RETURN name"
    assert neo4j_driver.execute_query(named).records == []
    assert state(neo4j_driver) == before


def test_the_five_commands_of_the_guide(
    clean_neo4j: str, neo4j_driver: neo4j.Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/own-graph.md has them: explained lists in the graph, and nothing of its owners' is changed."""
    shop(lambda cypher, **values: neo4j_driver.execute_query(cypher, **values))
    before = state(neo4j_driver)
    guide = Path(__file__).parents[2] / "docs" / "own-graph.md"
    block = guide.read_text(encoding="utf-8").split("## Five commands")[1].split("```")[1]
    commands = [shlex.split(line, comments=True) for line in block.splitlines()[1:]]
    assert [command[:2] for command in commands if command[0] != "kg-rec"] == []
    assert len(commands) == 5
    monkeypatch.setenv("KG_REC_GRAPH", clean_neo4j)
    monkeypatch.chdir(tmp_path)
    results = [run(*command[1:]) for command in commands]
    head, _, *rows = results[-1].stdout.splitlines()
    assert head.split() == ["r.rank", "p.title", "r.reason"]
    assert [row.split()[0] for row in rows] == [str(rank) for rank in range(1, 11)]
    assert all("bought or viewed" in row for row in rows)
    assert state(neo4j_driver) == before

    run("schema", "infer", "--out", "shop.ttl")  # the same guess is no change
    corrected = Path("shop.ttl").read_text(encoding="utf-8").replace('"customer"@en', '"shopper"@en')
    Path("shop.ttl").write_text(corrected, encoding="utf-8")
    refused = run("schema", "infer", "--out", "shop.ttl", code=1).output
    assert '-    rdfs:label "shopper"@en' in refused
    assert "--force overwrites it" in refused
    assert Path("shop.ttl").read_text(encoding="utf-8") == corrected
    run("schema", "infer", "--out", "shop.ttl", "--force")
    assert '"customer"@en' in Path("shop.ttl").read_text(encoding="utf-8")


def test_what_cannot_be_known_is_asked(shop_store: GraphStore) -> None:
    store = shop_store
    turtle = infer(store, Wishes("Customer", "Product", {"BOUGHT": 2.0, "RETURNED": -3.0}, 1.5))
    schema = GraphSchema.from_turtle(turtle)
    assert "VIEWED" not in schema.interaction.pattern  # type: ignore[operator]
    assert schema.interaction.positive_from == 1.5
    apply(store, schema)
    graph = export(store)
    assert graph.interactions.weight is not None
    assert set(graph.interactions.weight.tolist()) <= {2.0, 4.0, -1.0, 1.0, -3.0}
    for wishes, message in (
        (Wishes(user="Buyer"), "no nodes labelled Buyer for the user; the graph has Category, Customer, Product"),
        (Wishes("Customer", "Customer"), "Customer cannot be user and item at once; give one of them another label"),
        (Wishes(weights={"SOLD": 1.0}), "no SOLD leads from Customer to Product; expected some of BOUGHT"),
    ):
        with pytest.raises(SchemaError, match=message):
            infer(store, wishes)


def test_a_key_that_the_owners_keep_unique_comes_first(shop_store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    store = shop_store
    neo4j_driver.execute_query("MATCH (p:Product) SET p.ean = '400' + toString(p.id)")
    assert "key id: present in and different for all 30 nodes\n" in infer(store)
    neo4j_driver.execute_query("CREATE CONSTRAINT FOR (n:Product) REQUIRE n.ean IS UNIQUE")
    turtle = infer(store)
    assert "key ean: present in and different for all 30 nodes, and your constraint keeps it so\n" in turtle
    apply(store, GraphSchema.from_turtle(turtle))
    assert export(store).items.keys.to_pylist()[0] == "400100"


KEYS = (("id", "integer"), ("ean", "string"))


def test_a_schema_that_the_graph_contradicts_is_refused_and_a_corrected_one_works(
    shop_store: GraphStore, neo4j_driver: neo4j.Driver
) -> None:
    store = shop_store
    right = infer(store)
    wrong = right.replace("sh:path :title ; sh:datatype xsd:string", "sh:path :title ; sh:datatype xsd:integer")
    with pytest.raises(SchemaError, match=r"contradicts the schema own: wrong datatype: Product.title: 30 nodes"):
        apply(store, GraphSchema.from_turtle(wrong))

    def indexed() -> dict[str, list[str]]:
        asked = "SHOW INDEXES YIELD name, id, properties WHERE name STARTS WITH 'kg_rec_' RETURN name, id, properties"
        found = neo4j_driver.execute_query(asked).records
        numbers.append(next(row["id"] for row in found if row["name"] == "kg_rec_Product_key"))
        return {r["name"]: r["properties"] for r in found}

    numbers: list[int] = []
    apply(store, GraphSchema.from_turtle(right.replace("(n:Product)", "(n:Product) WHERE NOT n:Discontinued")))
    assert len(export(store).items) == 29
    assert indexed()["kg_rec_Product_key"] == ["id"]
    assert difference(store, GraphSchema.from_turtle(right))
    apply(store, GraphSchema.from_turtle(right))
    assert len(export(store).items) == 30
    assert indexed()["kg_rec_Product_key"] == ["id"]
    assert numbers[0] == numbers[1]  # it was not made anew
    neo4j_driver.execute_query("MATCH (p:Product) SET p.ean = '400' + toString(p.id)")
    head, tail = right.split(":Product a ")
    by_id, by_ean = (f"sh:path :{name} ; sh:datatype xsd:{kind} ; sh:minCount 1" for name, kind in KEYS)
    assert by_id in tail
    by_ean = f"{head}:Product a {tail.replace(by_id, by_ean, 1)}"
    apply(store, GraphSchema.from_turtle(by_ean))
    assert indexed()["kg_rec_Product_key"] == ["ean"]
    assert export(store).items.keys.to_pylist()[0] == "400100"
    apply(store, GraphSchema.from_turtle(right))
    assert indexed()["kg_rec_Product_key"] == ["id"]


def test_a_date_that_only_some_interactions_have(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    neo4j_driver.execute_query(
        "UNWIND range(1, 6) AS n CREATE (c:Cook {login: 'c' + n})-[:COOKED {on: date('2024-03-09')}]->"
        "(:Recipe {rid: 'r' + n, heading: 'Soup no. ' + n}) "
        "CREATE (c)-[:PUBLISHED]->(:Recipe {rid: 'q' + n, heading: 'Cake no. ' + n})"
    )
    schema = GraphSchema.from_turtle(infer(store, Wishes("Cook", "Recipe")))
    assert schema.item.name_property == "heading"
    apply(store, schema)
    times = export(store).interactions.time
    assert times is not None
    assert sorted(times.tolist()) == [NO_TIME] * 6 + [1_709_942_400] * 6


def odd_names(run: Any) -> None:
    """Labels, types and properties that no schema can name, values of types that have no place in one."""
    run("UNWIND range(0, 19) AS i CREATE (:`Artikel-Stamm` {`Artikel Nr.`: 'A' + i, `say \"name\"`: 'Ding ' + i})")
    run(
        "MATCH (a:`Artikel-Stamm`) SET a.at = point({x: 1, y: 1}), a.for = duration('P1D'), a.source = 'here', "
        "a.mix = CASE WHEN a.`Artikel Nr.` ENDS WITH '0' THEN 1 ELSE 'x' END, a.`a b` = 1, a.`a-b` = 2"
    )
    run("MATCH (a:`Artikel-Stamm` {`Artikel Nr.`: 'A7'}) SET a:`Neu!`")
    run("UNWIND range(0, 3) AS i CREATE (:`Gruppe\n(alt) .` {`Gruppen Nr.`: i, Name: 'Gruppe ' + i})")
    both = "MATCH (a:`Artikel-Stamm`), (g:`Gruppe\n(alt) .`)"
    same = "g.`Gruppen Nr.` = toInteger(substring(a.`Artikel Nr.`, 1)) % 4"
    run(f"{both} WHERE {same} CREATE (a)-[:`gehört zu {{}}`]->(g)")
    run("UNWIND range(0, 29) AS u CREATE (:`Kunde/User` {`Kunden Nr.`: u, self: date('1980-01-01')})")
    at = "`Datum Uhrzeit`: localdatetime('2024-01-01T10:00:00')"
    for name, step in (('it\'s "bought"', 4), ("schaut\\an", 7)):
        run(
            "UNWIND range(0, 29) AS u UNWIND range(0, 3) AS j MATCH (k:`Kunde/User` {`Kunden Nr.`: u}), "
            f"(a:`Artikel-Stamm` {{`Artikel Nr.`: 'A' + toString((u * 3 + j * {step}) % 20)}}) "
            f"CREATE (k)-[:`{name}` {{{at}}}]->(a)"
        )
    run("MATCH (a:`Artikel-Stamm`) CREATE (a)-[:`passt zu`]->(a)")


def test_names_of_the_graph_are_data(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    odd_names(lambda cypher, **values: neo4j_driver.execute_query(cypher, **values))
    turtle = infer(store)
    schema = GraphSchema.from_turtle(turtle)
    assert [f.line() for f in contradictions(store, schema) if f.violation] == []
    apply(store, schema)
    graph = export(store)
    assert (schema.user.name, schema.item.name, schema.item.key) == ("Kunde_User", "Artikel_Stamm", "Artikel_Nr")
    assert (len(graph.users), len(graph.items), len(graph.interactions)) == (30, 20, 30 * 8 - 30 * 1)
    assert graph.name("Artikel_Stamm", 0) == "Ding 0"
    assert len(graph.edges["gehort_zu"]) == 20
    assert len(graph.edges["passt_zu"]) == 20
    assert "a-b left out: another property has that name" in turtle


def test_whole_floats_are_keys_in_full(store: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    run = neo4j_driver.execute_query
    run("UNWIND range(0, 9) AS u CREATE (:User {id: 4006381333931.0 + u})")
    run("UNWIND range(0, 9) AS i CREATE (:Item {price: i + 0.5, id: toFloat(i), title: 'Item ' + i})")
    run("MATCH (u:User), (i:Item) WHERE (toInteger(u.id) + toInteger(i.id)) % 2 = 0 CREATE (u)-[:CLICKED]->(i)")
    apply(store, GraphSchema.from_turtle(infer(store)))
    graph = export(store)
    assert graph.users.keys.to_pylist()[:2] == ["4006381333931", "4006381333932"]
    assert graph.items.keys.to_pylist() == [str(i) for i in range(10)]
    assert len(graph.interactions) == 50
    run("MATCH (i:Item {id: 3.0}) SET i.id = 3.5")
    assert ":title ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key" in infer(store)
    run("MATCH (i:Item) REMOVE i.title")
    with pytest.raises(SchemaError, match="Item: expected a property, or two together"):
        infer(store)
