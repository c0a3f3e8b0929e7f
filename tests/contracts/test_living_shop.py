"""A shop whose owners change it, after training: lists, verified explanations and a job go on, or an error says why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neo4j
import neo4j_server
import pytest
from foreign_shop import shop

from kg_rec.api import Model, train
from kg_rec.checks.infer import infer
from kg_rec.checks.manage import apply, contradictions
from kg_rec.errors import KgRecError
from kg_rec.explain.show.cypher import mismatches
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.run import start
from kg_rec.model.config import TrainConfig
from kg_rec.schema import GraphSchema
from kg_rec.settings import from_dict
from kg_rec.snapshot import export
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import RunLedger

pytestmark = pytest.mark.neo4j
#: What its owners do, and what the log then says, if anything.
GOES_ON: dict[str, tuple[str, str]] = {
    "a new item with facts": (
        "MATCH (c:Category {name: 'Kind 1'}) CREATE (:Product {id: 999, title: 'New'})-[:IN_CATEGORY]->(c)",
        "1 item added, 0 dropped",
    ),
    "an item without facts and text": ("CREATE (:Product {id: 999})", "1 item added, 0 dropped"),
    "many new items": (
        "UNWIND range(900, 909) AS i CREATE (:Product {id: i, title: 'New ' + i})",
        "25% of the items are new: training again is advised",
    ),
    "a new user": (
        "MATCH (p:Product) WHERE p.id < 103 WITH collect(p) AS ps CREATE (c:Customer {id: 900}) "
        "WITH c, ps UNWIND ps AS p CREATE (c)-[:BOUGHT {at: datetime()}]->(p)",
        "",
    ),
    "an item deleted": ("MATCH (p:Product {id: 103}) DETACH DELETE p", "0 items added, 1 dropped"),
    "two entries of one item merged": (
        "MATCH (p:Product {id: 103})<-[r:BOUGHT]-(c), (q:Product {id: 106}) CREATE (c)-[s:BOUGHT]->(q) "
        "SET s = properties(r) WITH DISTINCT p DETACH DELETE p",
        "0 items added, 1 dropped",
    ),
    "all attribute nodes deleted": ("MATCH (c:Category) DETACH DELETE c", "none now of what training knew: Category"),
    "the type of a fact renamed": (
        "MATCH (p)-[r:IN_CATEGORY]->(c) CREATE (p)-[:OF_KIND]->(c) DELETE r",
        "none now of what training knew: IN_CATEGORY",
    ),
    "the name renamed": ("MATCH (p:Product) SET p.titel = p.title REMOVE p.title", "knew: Product.title"),
    "empty names": ("MATCH (p:Product) SET p.title = ''", ""),
    "long names": ("MATCH (p:Product) SET p.title = reduce(s = '', i IN range(1, 3000) | s + 'word') + p.id", ""),
    "names with quotes": ("MATCH (p:Product) SET p.title = 'a “b” \\'c\\' {0} </script> ' + p.id", ""),
    "a new kind of interaction": (
        "MATCH (c:Customer), (p:Product) WHERE c.id < 9 AND p.id < 105 CREATE (c)-[:GIFTED {at: datetime()}]->(p)",
        "",
    ),
    "parallel edges": ("MATCH (c)-[r:BOUGHT]->(p) CREATE (c)-[s:BOUGHT]->(p) SET s = properties(r)", ""),
    "a user without anything": ("MATCH (:Customer {id: 0})-[r]->() DELETE r", ""),
    "nobody did anything": ("MATCH (:Customer)-[r]->() DELETE r", "none now of what training knew: TOOK_TO"),
    "keys changed": ("MATCH (p:Product) WHERE p.id < 103 SET p.id = p.id + 800", "3 items added, 3 dropped"),
    "some times missing": ("MATCH (c:Customer)-[r:BOUGHT]->() WHERE c.id < 9 REMOVE r.at", ""),
}
#: What its owners do, and what the error names.
ENDS: dict[str, tuple[str, str]] = {
    "the label of the items renamed": (
        "MATCH (p:Product) SET p:Artikel REMOVE p:Product",
        r"Product: the graph has no node \(n:Product\)",
    ),
    "no users": ("MATCH (c:Customer) DETACH DELETE c", r"Customer: the graph has no node \(n:Customer\)"),
    "the key renamed": (
        "MATCH (p:Product) SET p.nr = p.id REMOVE p.id",
        r"Product\.id: 30 nodes of .* without",
    ),
    "a key lost": ("MATCH (p:Product {id: 103}) REMOVE p.id", r"Product\.id: 1 node of type Product without a key"),
    "keys as texts": (
        "MATCH (p:Product) SET p.id = toString(p.id)",
        r"Product\.id: expected .* got string in 30 ",
    ),
    "a number as text": (
        "MATCH (p:Product {id: 103}) SET p.price = 'dear'",
        "price of Product .* that of 103",
    ),
    "times in milliseconds": (
        "MATCH ()-[r:BOUGHT]->() SET r.at = r.at.epochMillis",
        r"TOOK_TO\.time: the graph holds values that .*r\.`at`\.epochSeconds does not fit",
    ),
    "one time a text": (
        "MATCH (:Customer {id: 3})-[r:BOUGHT]->() SET r.at = 'yesterday'",
        r"TOOK_TO\.time: the graph holds values that .*r\.`at`\.epochSeconds does not fit",
    ),
    "everything deleted": ("MATCH (n) DETACH DELETE n", "no kg_rec schema|the graph has no node"),
}


@dataclass(frozen=True)
class Trained:
    """The guessed schema of the shop, a model of it, and the indexes that they and the runs make in the server."""

    schema: GraphSchema
    model: Path
    indexes: frozenset[neo4j_server.Index]


@pytest.fixture(scope="module")
def trained(neo4j_url: str, neo4j_driver: neo4j.Driver, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("shop") / "model"
    _fill(neo4j_driver)
    with closing(connect(neo4j_url)) as store:
        schema = GraphSchema.from_turtle(infer(store))
        apply(store, schema)
        settings = {"meaning": {"encoder": "none"}, "channels": ["taste", "knowledge"]}
        train(export(store), TrainConfig.from_dict(settings)).save(folder)
        RunLedger(store).prepare()
    with neo4j_driver.session(database="neo4j") as session:
        return Trained(schema, folder, neo4j_server.indexes(session))


@pytest.fixture
def store(neo4j_url: str, neo4j_driver: neo4j.Driver, trained: Trained) -> Iterator[GraphStore]:
    """The shop as it was in training; the server keeps its indexes, so that it need not plan each statement anew."""
    _fill(neo4j_driver, trained.indexes)
    with closing(connect(neo4j_url)) as found:
        apply(found, trained.schema)
        yield found


def _fill(driver: neo4j.Driver, keep: frozenset[neo4j_server.Index] = frozenset()) -> None:
    neo4j_server.empty_database(driver, keep)
    shop(lambda cypher, **values: driver.execute_query(cypher, **values))


def _job(url: str, model: Path, work: Path) -> JobConfig:
    settings: dict[str, Any] = {"graph": url, "model": str(model), "work": str(work), "k": 2}
    return from_dict(JobConfig, {**settings, "explanations": "sentences", "sinks": {"graph": True}})


@pytest.mark.parametrize("what", GOES_ON)
def test_lists_go_on(
    store: GraphStore,
    neo4j_url: str,
    neo4j_driver: neo4j.Driver,
    trained: Trained,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    statement, told = GOES_ON[what]
    neo4j_driver.execute_query(statement)
    graph = export(store)
    now = Model.load(trained.model).with_snapshot(graph)
    assert told in caplog.text
    user = graph.users.keys[0].as_py()
    lists = now.recommend([user], k=3)
    assert lists.num_rows == 3
    for item in {*lists["item"].to_pylist()[:1], *({"999"} & set(graph.items.keys.to_pylist()))}:
        explained = now.explain(user, item)
        assert explained.base + sum(t.value for t in explained.terms) == pytest.approx(explained.score, rel=1e-5)
        assert mismatches(explained.paths, store.query(explained.cypher, explained.parameters)) == ()
    record = start(_job(neo4j_url, trained.model, tmp_path), store)
    assert record.state == "done"
    assert record.report["users"] == len(graph.users)
    broken = [f.line() for f in contradictions(store, trained.schema) if f.violation]
    assert broken == ([] if what != "nobody did anything" else ["no edges: TOOK_TO: 0 edges (the graph has none)"])


@pytest.mark.parametrize("what", ENDS)
def test_an_error_names_what_changed(
    store: GraphStore,
    neo4j_url: str,
    neo4j_driver: neo4j.Driver,
    trained: Trained,
    tmp_path: Path,
    what: str,
) -> None:
    statement, message = ENDS[what]
    neo4j_driver.execute_query(statement)
    with pytest.raises(KgRecError, match=message):
        export(store)
    with pytest.raises(KgRecError, match=message):
        start(_job(neo4j_url, trained.model, tmp_path), store)
    lines = [f.line() for f in contradictions(store, trained.schema)]
    assert any(re.search(r"Product|Customer|TOOK_TO", line) for line in lines)
