"""What every store promises, on both back ends (see ``kg_rec/testing/stores.py`` and ``kg_rec/testing/queries.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from toy_graph import fill, films

import kg_rec.store.neo4j.store
from benchmarks.stores.answers import random_graph, wrong_answers
from kg_rec.store import GraphStore, connect
from kg_rec.store.unknown_names import unknown_names
from kg_rec.testing.lab import lab_schema
from kg_rec.testing.queries import QueryContract
from kg_rec.testing.stores import StoreContract


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GraphStore]:
    """Empty; the server keeps the indexes of the contract's schema."""
    neo4j = request.param == "neo4j"
    url = request.getfixturevalue("emptied")(lab_schema()) if neo4j else str(tmp_path / "graph")
    with closing(connect(url)) as store:
        yield store


class TestStores(StoreContract):
    """The contract, for each."""


class TestQueries(QueryContract):
    """The contract, for each."""


def test_scans_of_several_pages(tmp_store: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kg_rec.store.neo4j.store, "_KEYS_PER_PAGE", 3)
    tmp_store.apply_schema(lab_schema())
    StoreContract().test_scans_are_in_code_point_order_and_typed(tmp_store)


def test_counts_over_several_hops_are_those_of_brute_force(tmp_store: GraphStore) -> None:
    """The optimizers of embedded databases have been wrong here, so more graphs of theirs are in test_random_graphs."""
    edges = random_graph(tmp_store, 0)
    assert wrong_answers(tmp_store, edges, 50, 0) == []


def test_names_that_nothing_in_the_graph_has_are_told(tmp_store: GraphStore) -> None:
    fill(tmp_store, films())

    def told(cypher: str) -> list[str]:
        return list(unknown_names(tmp_store, cypher))

    assert told("MATCH (f:Flim) RETURN f") == ["no node has the label Flim; did you mean Film?"]
    assert told("MATCH (f:Film)-[:DIRECTED|HAS_GENRE]->() RETURN f") == [
        "no relationship has the type DIRECTED; did you mean DIRECTED_BY?"
    ]
    assert told("MATCH (u) WHERE u:Zyx OR u:`Old user` RETURN u") == [
        "no node has the label Zyx",
        "no node has the label Old user",
    ]
    right = "MATCH (u:User {user_id: 'a'})-[r:RATED]->(f:Film) WHERE f.title = ':Nobody' RETURN {a: u, b: f}, [1][0..1]"
    assert told(right) == []
