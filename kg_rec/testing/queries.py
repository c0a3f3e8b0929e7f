"""What the queries of every store have to hold: one Cypher, the same answers on each."""

from __future__ import annotations

import pyarrow as pa
import pytest

from kg_rec.errors import QueryRefusedError, StoreError
from kg_rec.store import GraphStore
from kg_rec.testing.lab import fill, lab_schema


class QueryContract:
    """Tests of one store's queries; a subclass gives a connected, empty store by a fixture ``empty_store``."""

    @pytest.fixture
    def store(self, empty_store: GraphStore) -> GraphStore:
        """The store under the schema of the tests."""
        empty_store.apply_schema(lab_schema())
        return empty_store

    def test_queries_run_alike_on_every_store(self, store: GraphStore) -> None:
        fill(store)
        result = store.query(
            "MATCH (u:User)-[s:SEEN]->(t:Thing) WHERE s.weight >= $least AND t.id IN $ids "
            "RETURN u.id, type(s), count(*), sum(t.count) AS total, collect(t.id)[0] AS one, 1.5 AS x ORDER BY u.id",
            {"least": 2, "ids": ["a", "b"]},
        )
        assert result.column_names == ["u.id", "type(s)", "count(*)", "total", "one", "x"]
        assert result["total"].type == pa.int64()
        rows = result.drop_columns("one").to_pylist()
        assert rows == [{"u.id": "u1", "type(s)": "SEEN", "count(*)": 2, "total": 3, "x": 1.5}]

    def test_nodes_in_a_query_are_maps_of_their_properties(self, store: GraphStore) -> None:
        fill(store)
        rows = store.query("MATCH (u:User {id: 'u2'})-[s:SEEN]->(t:Thing) RETURN u, s, t").to_pylist()
        assert rows == [{"u": {"id": "u2"}, "s": {"weight": 1.0}, "t": {"id": "a", "text": "A", "count": 1}}]

    def test_lists_count_from_zero(self, store: GraphStore) -> None:
        store.write_nodes("Thing", pa.table({"id": ["a"], "tags": [["x", "y", "z"]]}))
        query = "MATCH (t:Thing) WHERE t.id IN ['a'] RETURN t.tags[0] AS first, [5, 6][1] AS six, size(t.tags) AS n"
        assert store.query(query).to_pylist() == [{"first": "x", "six": 6, "n": 3}]

    def test_parameters_are_values_not_text(self, store: GraphStore) -> None:
        fill(store)
        evil = "a'}) DETACH DELETE t //"
        assert store.query("MATCH (t:Thing {id: $id}) RETURN t.id", {"id": evil}).num_rows == 0
        assert store.query("RETURN $id AS x", {"id": evil})["x"].to_pylist() == [evil]
        assert store.query("RETURN $n + 1 AS x", {"n": 127})["x"].to_pylist() == [128]
        assert store.query("RETURN $n * $n AS x", {"n": 100_000})["x"].to_pylist() == [10**10]

    def test_too_many_rows_are_an_error(self, store: GraphStore) -> None:
        fill(store)
        assert store.query("MATCH (t:Thing) RETURN t.id", limit=3).num_rows == 3
        with pytest.raises(StoreError, match="more than 2 rows"):
            store.query("MATCH (t:Thing) RETURN t.id", limit=2)
        with pytest.raises(StoreError, match="more than 2 rows"):
            store.query("MATCH (t:Thing) RETURN t.id UNION MATCH (u:User) RETURN u.id AS `t.id`", limit=2)
        assert store.query("MATCH (t:Thing) RETURN t.id ORDER BY t.id LIMIT 2", limit=2)["t.id"].to_pylist() == [
            "a",
            "b",
        ]

    def test_long_queries_are_stopped(self, store: GraphStore) -> None:
        # a quick machine may come to the limit of memory before that of time
        with pytest.raises(StoreError, match=r"stopped after 1 seconds|needs more than .* of memory"):
            store.query("UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN sum(a * b) AS s", timeout=1)
        assert store.query("RETURN 1 AS one")["one"].to_pylist() == [1]

    @pytest.mark.parametrize("wrong", ["MATCH (t:Thing RETURN t", "RETURN $missing", "RETURN nonsense(1)", "MATCH (t)"])
    def test_what_is_not_cypher_is_refused(self, store: GraphStore, wrong: str) -> None:
        with pytest.raises(QueryRefusedError, match="refused"):
            store.query(wrong)

    def test_results_that_are_no_table_are_an_error(self, store: GraphStore) -> None:
        with pytest.raises(StoreError):
            store.query("RETURN 1 AS a, 2 AS a")
