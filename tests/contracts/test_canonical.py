"""Several edges between two nodes become one by the schema's rule, and nothing is left out silently."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import neo4j
import numpy as np
import pyarrow as pa
import pytest
import toy_graph

from kg_rec.api import Model
from kg_rec.errors import SchemaError, SnapshotError, StoreError
from kg_rec.explain.show.cypher import mismatches
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot, export, positive
from kg_rec.snapshot.canonical import one_edge_a_pair
from kg_rec.snapshot.tables import own_times
from kg_rec.split import join
from kg_rec.store import connect

GENERIC = GraphSchema.bundled("interactions")
NAN = float("nan")
# (user, item, weight, time): u0 had i1 three times, out of order, u1 once without a weight, u2 twice with and without
ROWS = [(0, 1, 2.0, 30), (1, 0, NAN, 5), (0, 1, 1.0, 50), (2, 2, -1.0, 7), (0, 1, 5.0, 40), (2, 2, NAN, 6)]


def table(rows: list[tuple[int, int, float, int]]) -> EdgeTable:
    source, target, weight, time = zip(*rows, strict=True)
    return EdgeTable(np.array(source), np.array(target), np.array(weight, np.float32), np.array(time))


@pytest.mark.parametrize(
    ("rule", "weights"),
    [
        (None, [5.0, NAN, -1.0]),
        ("max", [5.0, NAN, -1.0]),
        ("last", [1.0, NAN, -1.0]),
        ("sum", [8.0, 1.0, 0.0]),
        ("count", [3.0, 1.0, 2.0]),
    ],
)
def test_one_edge_a_pair(rule: Any, weights: list[float]) -> None:
    relation = replace(GENERIC.interaction, repeats=rule)
    for order in (range(6), range(5, -1, -1), [3, 1, 5, 0, 2, 4]):
        found, several = one_edge_a_pair(table([ROWS[i] for i in order]), relation)
        assert several == 2
        assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == [(0, 1), (1, 0), (2, 2)]
        assert found.weight is not None
        assert found.time is not None
        np.testing.assert_array_equal(found.weight, np.array(weights, np.float32))
        assert found.time.tolist() == [50, 5, 7]
        kept = None if found.times is None else found.times.to_pylist()
        assert kept == ([[30, 40, 50], [5], [6, 7]] if rule == "count" else None)


def test_the_times_of_what_is_counted_are_kept(tmp_path: Path) -> None:
    relation = replace(GENERIC.interaction, repeats="count")
    found, _ = one_edge_a_pair(table([*ROWS, (3, 0, NAN, NO_TIME)]), relation)
    assert found.times is not None
    assert found.times.to_pylist() == [[30, 40, 50], [5], [6, 7], []]
    assert own_times(table(ROWS[:1])).to_pylist() == [[30]]
    mask = np.array([True, False, True, False])
    assert found.take(mask).times.to_pylist() == [[30, 40, 50], [6, 7]]  # type: ignore[union-attr]
    parts = found.take(np.array([2])), found.take(np.array([0]))
    assert join(*parts).times.to_pylist() == [[30, 40, 50], [6, 7]]  # type: ignore[union-attr]
    line = ":INTERACTED a kr:InteractionType ;"
    schema = GraphSchema.from_turtle(GENERIC.turtle.replace(line, f"{line} kr:repeats kr:count ;"))
    nodes = {"User": pa.table({"user_id": ["a", "b", "c", "d"]}), "Item": pa.table({"item_id": ["x", "y", "z"]})}
    whole = toy_graph.snapshot(schema, nodes, {"INTERACTED": found})
    for packed in (False, True):
        whole.save(tmp_path / "snapshot", packed=packed)
        kinds = {path.suffix for path in (tmp_path / "snapshot").glob("edges/*")}
        assert kinds == {".parquet" if packed else ".arrow"}
        again = Snapshot.load(tmp_path / "snapshot")
        assert again.digest == whole.digest
        assert again.interactions.times == found.times
        assert again.to_arrow()["INTERACTED"]["times"].to_pylist() == [[30, 40, 50], [5], [6, 7], []]
        again.to_networkx()


def test_a_pair_that_comes_once_follows_the_rule_too() -> None:
    once = table([(0, 0, 4.0, 1), (0, 1, NAN, 2)])
    for rule, weights in (("count", [1.0, 1.0]), ("sum", [4.0, 1.0]), ("last", [4.0, NAN])):
        found, several = one_edge_a_pair(once, replace(GENERIC.interaction, repeats=rule))
        assert several == 0
        assert found.weight is not None
        np.testing.assert_array_equal(found.weight, np.array(weights, np.float32))
    bare = EdgeTable(np.array([0, 0, 1]), np.array([1, 1, 0]))
    assert one_edge_a_pair(bare, replace(GENERIC.interaction, repeats="count"))[0].weight.tolist() == [2.0, 1.0]  # type: ignore[union-attr]
    assert one_edge_a_pair(bare, replace(GENERIC.interaction, repeats=None))[0].weight is None


def test_a_weight_of_zero_or_less_is_never_liked() -> None:
    edges = table([(0, 0, -1.0, 1), (0, 1, 0.0, 1), (0, 2, NAN, 1), (0, 3, 0.5, 1)])
    assert GENERIC.interaction.positive_from is None
    assert positive(edges, GENERIC.interaction).target.tolist() == [2, 3]
    assert positive(edges, replace(GENERIC.interaction, positive_from=-1.0)).target.tolist() == [0, 1, 3]


def test_the_rule_is_read_and_checked() -> None:
    assert GENERIC.interaction.repeats is None
    line = ":INTERACTED a kr:InteractionType ;"
    schema = GraphSchema.from_turtle(GENERIC.turtle.replace(line, f"{line} kr:repeats kr:sum ;"))
    assert schema.interaction.repeats == "sum"
    for rule, message in (("kr:twice", "unknown term kr:twice"), ("kr:name", "expected one of kr:last")):
        with pytest.raises(SchemaError, match=message):
            GraphSchema.from_turtle(GENERIC.turtle.replace(line, f"{line} kr:repeats {rule} ;"))
    fact = ":HAS_CATEGORY a kr:RelationType ;"
    with pytest.raises(SchemaError, match="kr:repeats kr:max needs a property with kr:use kr:weight"):
        GraphSchema.from_turtle(GENERIC.turtle.replace(fact, f"{fact} kr:repeats kr:max ;"))


# --- a graph that other programs wrote ----------------------------------------------------------------


@pytest.fixture
def neo4j_graph(emptied: Callable[[GraphSchema], str]) -> str:
    """URL of the server, empty but for the indexes of the generic schema: its forms here differ in none."""
    return emptied(GENERIC)


def written(url: str, driver: neo4j.Driver, *statements: str, rule: str | None = None) -> Any:
    """A Neo4j graph under the generic schema with what the statements add."""
    line = ":INTERACTED a kr:InteractionType ;"
    text = GENERIC.turtle if rule is None else GENERIC.turtle.replace(line, f"{line} kr:repeats kr:{rule} ;")
    store = connect(url)
    store.apply_schema(GraphSchema.from_turtle(text))
    driver.execute_query(
        "CREATE (u:User {user_id: 'u'}), (:User {user_id: 'v'}), (i:Item {item_id: 'i'}), (c:Category "
        "{category_id: 'c'}), (u)-[:INTERACTED {weight: 2.0, time: 5}]->(i), (i)-[:HAS_CATEGORY]->(c)"
    )
    for statement in statements:
        driver.execute_query(statement)
    return store


PARALLEL = "MATCH (u:User {user_id: 'u'}), (i:Item) CREATE (u)-[:INTERACTED {weight: 1.0, time: 9}]->(i)"
FACTS = "MATCH (i:Item), (c:Category) CREATE (i)-[:HAS_CATEGORY]->(c)"


@pytest.mark.neo4j
@pytest.mark.parametrize(("rule", "weight"), [(None, 2.0), ("last", 1.0), ("sum", 3.0), ("count", 2.0)])
def test_parallel_edges_of_another_program(
    neo4j_graph: str, neo4j_driver: neo4j.Driver, rule: str | None, weight: float
) -> None:
    found = export(written(neo4j_graph, neo4j_driver, PARALLEL, FACTS, rule=rule))
    edge = found.to_arrow()["INTERACTED"].to_pylist()
    kept = {"times": [5, 9]} if rule == "count" else {}
    assert edge == [{"source": "u", "target": "i", "weight": weight, "time": 9, **kept}]
    assert len(found.edges["HAS_CATEGORY"]) == 1


@pytest.mark.neo4j
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE (:Item {item_id: 7})", r"Item\.item_id: expected text, got integer in 1 node .*, for example 7"),
        ("CREATE (:Item {item_id: 7.5})", r"Item\.item_id: expected text, got float in 1 node"),
        ("CREATE (:User {name: 'x'})", r"User\.user_id: 1 node of type User without a key"),
        ("CREATE (:Category {category_id: ''})", r"Category\.category_id: 1 node .* with the empty text as key"),
    ],
)
def test_a_node_that_cannot_be_read_is_named(
    neo4j_graph: str, neo4j_driver: neo4j.Driver, statement: str, message: str
) -> None:
    with pytest.raises(SnapshotError, match=message):
        export(written(neo4j_graph, neo4j_driver, statement))


@pytest.mark.neo4j
@pytest.mark.parametrize("value", ["datetime('2024-07-01T23:30:00Z')", "'2024-07-01'", "2024", "date('+12024-01-01')"])
def test_a_wrong_date_is_an_error_that_names_the_property(
    neo4j_graph: str, neo4j_driver: neo4j.Driver, value: str
) -> None:
    text = GENERIC.turtle.replace(
        "[ sh:path :text ;", "[ sh:path :released ; sh:datatype xsd:date ] , [ sh:path :text ;"
    )
    store = connect(neo4j_graph)
    store.apply_schema(GraphSchema.from_turtle(text))
    neo4j_driver.execute_query(f"CREATE (:Item {{item_id: 'a', released: {value}}})")
    with pytest.raises(StoreError, match="property released of Item holds values that are not of the schema's type"):
        export(store)


@pytest.mark.neo4j
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SET r.weight = true", r"weight of INTERACTED .* such as that of u -> a: expected a finite number, got True"),
        ("SET r.weight = '4,5'", "expected a finite number, got '4,5'"),
        ("SET r.weight = 1.0 / 0.0", r"INTERACTED\.weight: expected a weight of at most 3.4e\+38, got inf of u -> a"),
        ("SET r.weight = 1e300", r"got 1e\+300 of u -> a; correct it"),
        ("SET r.time = 1.5", "expected an integer, got 1.5"),
        ("SET r.time = datetime('2024-07-01T12:00Z')", r"expected an integer, got 2024-07-01T12:00:00\.\S+"),
        ("SET i.name = 1984", "expected text, got 1984"),
        ("SET i.name = ['A', 'B']", r"expected text, got \['A', 'B'\]"),
        ("SET i.tags = 'abc'", "property tags of Item .* expected a list of texts, got 'abc'"),
        ("SET i.tags = [1.5]", r"expected a list of texts, got \[1.5\]"),
        ("SET i.seen = 1", "expected true or false, got 1"),
    ],
)
def test_a_value_of_another_type_is_an_error_that_names_it(
    neo4j_graph: str, neo4j_driver: neo4j.Driver, statement: str, message: str
) -> None:
    more = "[ sh:path :tags ; sh:datatype kr:stringList ] , [ sh:path :seen ; sh:datatype xsd:boolean ] ,"
    text = GENERIC.turtle.replace("[ sh:path :text ;", f"{more} [ sh:path :text ;")
    with closing(connect(neo4j_graph)) as store:
        store.apply_schema(GraphSchema.from_turtle(text))
        make = "CREATE (u:User {user_id: 'u'})-[r:INTERACTED {weight: 1, time: 2.0}]->(i:Item {item_id: 'a'})"
        neo4j_driver.execute_query(make)
        assert export(store).interactions.time.tolist() == [2]
        neo4j_driver.execute_query(f"MATCH (u)-[r]->(i:Item) {statement}")
        with pytest.raises((SnapshotError, StoreError), match=message):
            export(store)


@pytest.mark.neo4j
def test_parallel_edges_change_no_score_and_no_number_of_people(clean_neo4j: str, neo4j_driver: neo4j.Driver) -> None:
    model = toy_graph.everything()
    with closing(connect(clean_neo4j)) as store:
        toy_graph.fill(store, model.snapshot)
        before = model.with_snapshot(export(store))
        item = int(before.rank(np.array([0]), 1)[0][0, 0])
        interaction = model.snapshot.schema.interaction.name
        for relation in (interaction, *(r.name for r in model.snapshot.schema.item_relations)):
            neo4j_driver.execute_query(
                f"MATCH (a)-[r:{relation}]->(b) WITH a, b, r LIMIT 200 CREATE (a)-[s:{relation}]->(b) "
                "SET s = properties(r)"
            )
        after = model.with_snapshot(export(store))
        assert after.snapshot.digest == before.snapshot.digest
        user, key = after.users.key(0), after.items.key(item)
        explained = Model(after).explain(user, key)
        assert len(explained.paths) > 1
        assert mismatches(explained.paths, store.query(explained.cypher, explained.parameters)) == ()
