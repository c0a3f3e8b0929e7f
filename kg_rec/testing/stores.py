"""What every store has to hold: schemas, writes and scans; its queries are in :mod:`kg_rec.testing.queries`."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg_rec.errors import SchemaError, SchemaNotAppliedError, StoreError
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore
from kg_rec.testing.lab import (
    EDGE_TYPES,
    EDGE_VALUES,
    KEYS,
    SEEN,
    THING,
    THING_ROW,
    TYPES,
    USER,
    edges_of,
    fill,
    lab_schema,
    nodes_of,
    seen,
)

THING_FAULTS = {
    "unknown column": ({"id": ["a"], "colour": ["red"]}, "column colour is not in the schema"),
    "no key column": ({"text": ["a"]}, "column id is missing"),
    "null key": ({"id": ["a", None]}, "1 of 2 values of column id are null"),
    "empty key": ({"id": ["a", ""]}, "a key in column id is empty"),
    "key with NUL": ({"id": ["a", "b\0"]}, "a key in column id holds a NUL"),
    "long key": ({"id": ["k" * 5000]}, "a key in column id has 5000 bytes"),
    "text for a number": (
        {"id": ["a"], "count": ["1"]},
        r"column count: expected integer .Arrow int64., got Arrow string",
    ),
    "float for a number": ({"id": ["a"], "count": [1.5]}, "column count: expected integer"),
    "number for a text": ({"id": ["a"], "text": [1]}, "column text: expected string"),
    "number for a key": ({"id": [1]}, "column id: expected string"),
    "too big": ({"id": ["a"], "count": pa.array([2**64 - 1], pa.uint64())}, "not every value fits integer"),
    "too exact for a float": ({"id": ["a"], "size": [2**53 + 1]}, "not every value fits float"),
    "nan": ({"id": ["a"], "size": [math.nan]}, "NaN or infinite"),
    "infinity": ({"id": ["a"], "nums": [[1.0, math.inf]]}, "NaN or infinite"),
    "null in a list": ({"id": ["a"], "tags": [["x", None]]}, "a list holds a null"),
    "time for a date": ({"id": ["a"], "day": [datetime.datetime(2020, 1, 1)]}, "column day: expected date"),
}
_RELAXED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # examples add to one store, which is allowed for
        HealthCheck.differing_executors,  # a class of tests runs once for each store
        HealthCheck.too_slow,
    ],
)


class StoreContract:
    """Tests of one store; a subclass gives a connected, empty one by a fixture ``empty_store``.

    ::

        class TestMine(StoreContract):
            @pytest.fixture
            def empty_store(self, tmp_path):
                store = connect(f"mine://{tmp_path}")
                yield store
                store.close()
    """

    @pytest.fixture
    def store(self, empty_store: GraphStore) -> GraphStore:
        """The store under the schema of the tests."""
        empty_store.apply_schema(lab_schema())
        return empty_store

    def test_a_fresh_store_has_no_schema(self, empty_store: GraphStore) -> None:
        with pytest.raises(SchemaNotAppliedError, match="holds no kg_rec schema yet"):
            empty_store.schema()
        with pytest.raises(SchemaNotAppliedError):
            empty_store.write_nodes("User", pa.table({"id": ["u"]}))
        with pytest.raises(SchemaNotAppliedError):
            next(iter(empty_store.scan_nodes("User")))

    @pytest.mark.parametrize("name", ["movies"])
    def test_bundled_schemas_apply(self, empty_store: GraphStore, name: str) -> None:
        schema = GraphSchema.bundled(name)
        empty_store.apply_schema(schema)
        empty_store.apply_schema(schema)
        assert empty_store.schema().turtle == schema.turtle
        assert all(list(empty_store.scan_nodes(t)) == [] for t in schema.node_types)
        assert all(list(empty_store.scan_edges(r)) == [] for r in schema.relation_types)

    def test_a_schema_may_add_types_and_optional_properties(self, store: GraphStore) -> None:
        fill(store)
        maker = USER.replace(":User a kr:UserType", ":Maker a kr:AttributeType") + " . "
        made = ':MADE_BY a kr:RelationType ; rdfs:domain :Thing ; rdfs:range :Maker ; rdfs:label "made by" .'
        bigger = lab_schema(
            thing=THING + ", [ sh:path :colour ; sh:datatype xsd:string ]",
            seen=SEEN + ", [ sh:path :place ; sh:datatype xsd:string ]",
            more=maker + made,
        )
        store.apply_schema(bigger)
        assert store.schema().digest == bigger.digest
        store.write_nodes("Maker", pa.table({"id": ["m"]}))
        store.write_edges("MADE_BY", pa.table({"source": ["a"], "target": ["m"]}))
        store.write_nodes("Thing", pa.table({"id": ["a"], "colour": ["red"]}))
        assert [(n["id"], n["text"], n["colour"]) for n in nodes_of(store, "Thing")] == [
            ("a", "A", "red"),
            ("b", "B", None),
            ("c", None, None),
        ]
        assert [e["place"] for e in edges_of(store, "SEEN")] == [None, None, None]
        assert edges_of(store, "MADE_BY") == [{"source": "a", "target": "m"}]

    @pytest.mark.parametrize(
        ("other", "message"),
        [
            (
                lab_schema(thing=THING.replace("[ sh:path :day ; sh:datatype xsd:date ] ,", "")),
                "property Thing.day is gone",
            ),
            (lab_schema(thing=THING.replace("xsd:integer", "xsd:double")), "Thing.count was integer, now float"),
            (
                lab_schema(thing=THING + ", [ sh:path :x ; sh:datatype xsd:string ; sh:minCount 1 ]"),
                "Thing.x is new and required",
            ),
            (lab_schema(user=USER.replace(":id", ":uid")), "the key of User was id, now uid"),
            (GraphSchema.bundled("movies"), "node type Thing is gone"),
        ],
    )
    def test_a_schema_may_not_contradict(self, store: GraphStore, other: GraphSchema, message: str) -> None:
        fill(store)
        with pytest.raises(SchemaError, match=message):
            store.apply_schema(other)
        assert store.schema().digest == lab_schema().digest
        assert len(nodes_of(store, "Thing")) == 3

    def test_writing_again_changes_nothing(self, store: GraphStore) -> None:
        fill(store)
        before = nodes_of(store, "Thing"), edges_of(store, "SEEN")
        fill(store)
        assert (nodes_of(store, "Thing"), edges_of(store, "SEEN")) == before

    def test_nulls_and_absent_columns_keep_a_nodes_values(self, store: GraphStore) -> None:
        fill(store)
        store.write_nodes("Thing", pa.table({"id": ["a", "b"], "text": [None, "new"]}))
        store.write_nodes("Thing", pa.table({"id": ["a"], "size": [0.5]}))
        assert [(n["id"], n["text"], n["count"], n["size"]) for n in nodes_of(store, "Thing")] == [
            ("a", "A", 1, 0.5),
            ("b", "new", 2, None),
            ("c", None, 3, None),
        ]

    def test_an_edge_written_again_gets_the_new_properties(self, store: GraphStore) -> None:
        fill(store)
        batch = pa.table({"source": ["u1", "u3"], "target": ["a", "c"], "note": ["n", None], "at": [5, None]})
        assert store.write_edges("SEEN", batch) == 2
        assert [(e["source"], e["target"], e["weight"], e["at"], e["note"]) for e in edges_of(store, "SEEN")] == [
            ("u1", "a", None, 5, "n"),
            ("u1", "b", 2.0, None, None),
            ("u2", "a", 1.0, None, None),
            ("u3", "c", None, None, None),
        ]

    def test_missing_ends_are_named_and_nothing_is_written(self, store: GraphStore) -> None:
        fill(store)
        before = edges_of(store, "SEEN")
        with pytest.raises(StoreError, match=r"no Thing has the target key 'nowhere'.*Nothing was written"):
            store.write_edges("SEEN", seen(("u3", "a", 1.0), ("u1", "a", 9.0), ("u1", "nowhere", 1.0)))
        with pytest.raises(
            StoreError, match=r"no User has the source key 'x0', 'x1', 'x2', 'x3', 'x4' .and maybe more"
        ):
            store.write_edges("SEEN", seen(*((f"x{i}", "a", 1.0) for i in range(9))))
        assert edges_of(store, "SEEN") == before
        assert len(nodes_of(store, "User")) == 3

    def test_repeated_rows_count_once_and_contradicting_rows_are_refused(self, store: GraphStore) -> None:
        assert store.write_nodes("Thing", pa.table({"id": ["a", "b", "a"], "count": [1, 2, 1]})) == 2
        with pytest.raises(StoreError, match="'a' is there twice in one batch"):
            store.write_nodes("Thing", pa.table({"id": ["a", "b", "a"], "count": [1, 2, 3]}))
        store.write_nodes("User", pa.table({"id": ["u"]}))
        with pytest.raises(StoreError, match="'u' to 'a' is there twice"):
            store.write_edges("SEEN", seen(("u", "a", 1.0), ("u", "a", 2.0)))
        assert edges_of(store, "SEEN") == []

    @pytest.mark.parametrize("fault", THING_FAULTS)
    def test_batches_that_do_not_fit_are_refused(self, store: GraphStore, fault: str) -> None:
        columns, message = THING_FAULTS[fault]
        with pytest.raises(StoreError, match=message):
            store.write_nodes("Thing", pa.table(columns))
        assert nodes_of(store, "Thing") == []

    def test_types_that_are_not_in_the_schema_are_refused(self, store: GraphStore) -> None:
        with pytest.raises(StoreError, match="node type Nope is not in the schema lab; it has Thing, User"):
            store.write_nodes("Nope", pa.table({"id": ["a"]}))
        with pytest.raises(StoreError, match="relation type NOPE is not in the schema lab; it has LIKE, SEEN"):
            store.write_edges("NOPE", pa.table({"source": ["a"], "target": ["b"]}))

    def test_other_arrow_encodings_are_accepted(self, store: GraphStore) -> None:
        table = pa.table(
            {
                "id": pa.array(["a", "b", "a2"], pa.large_string()),
                "text": pa.array(["x", None, "x"]).dictionary_encode(),
                "count": pa.array([1, 2, None], pa.int8()),
                "size": pa.array([1, 2, None], pa.int32()),
                "day": pa.array([datetime.date(2020, 2, 29), None, None], pa.date64()),
                "nums": pa.array([[1.5, 2.5], None, [3.0, 4.0]], pa.list_(pa.float32(), 2)),
                "ok": pa.nulls(3),
            }
        )
        assert store.write_nodes("Thing", table) == 3
        first = nodes_of(store, "Thing")[0]
        assert (first["text"], first["count"], first["size"], first["nums"]) == ("x", 1, 1.0, [1.5, 2.5])
        assert first["day"] == datetime.date(2020, 2, 29)

    def test_lists_of_one_length_come_back(self, store: GraphStore) -> None:
        nums, tags = [[1.0, 2.0], [3.0, 4.0]], [["x", "y"], ["z", ""]]
        store.write_nodes("Thing", pa.table({"id": ["a", "b"], "nums": nums, "tags": tags}))
        assert [(n["nums"], n["tags"]) for n in nodes_of(store, "Thing")] == list(zip(nums, tags, strict=True))

    def test_empty_batches_write_nothing(self, store: GraphStore) -> None:
        assert store.write_nodes("Thing", pa.table({"id": pa.array([], pa.string())})) == 0
        ends = pa.array([], pa.string())
        assert store.write_edges("SEEN", pa.table({"source": ends, "target": ends})) == 0

    def test_scans_are_in_code_point_order_and_typed(self, store: GraphStore) -> None:
        """Neo4j compares some strings in UTF-16 order, in which "😀" comes before "！"."""
        keys = ["a", "B", "é", "z", "中", "！", "😀", "a\U0001f600", "10", "9", "`", "'", '"', "\\", "a b"]
        keys += ["\ue000", "\uffff", "\U0010ffff", "\ud7ff", "\x01", "k" * 4000]
        store.write_nodes("Thing", pa.table({"id": keys}))
        store.write_nodes("User", pa.table({"id": keys}))
        pairs = [(s, t) for i, s in enumerate(keys) for t in keys[: i % 4]]
        store.write_edges("SEEN", pa.table({"source": [s for s, _ in pairs], "target": [t for _, t in pairs]}))
        for batch_size in (1, 2, 3, 4, 50_000):
            assert [n["id"] for n in nodes_of(store, "Thing", batch_size)] == sorted(keys)
            assert [(e["source"], e["target"]) for e in edges_of(store, "SEEN", batch_size)] == sorted(pairs)
        schema = next(iter(store.scan_nodes("Thing"))).schema
        assert schema.names == ["id", "count", "day", "nums", "ok", "size", "tags", "text"]
        assert schema.field("nums").type == pa.list_(pa.float64())
        assert next(iter(store.scan_edges("SEEN"))).schema.names == [
            "source",
            "target",
            "at",
            "marks",
            "note",
            "on",
            "weight",
        ]

    @pytest.mark.parametrize("batch_size", [1, 7, 1000])
    def test_batches_hold_at_most_batch_size_rows(self, store: GraphStore, batch_size: int) -> None:
        keys = [f"k{i:03}" for i in range(60)]
        store.write_nodes("Thing", pa.table({"id": keys}))
        store.write_nodes("User", pa.table({"id": ["hub", "leaf"]}))
        ends = {"source": ["hub"] * 60 + ["leaf"], "target": [*keys, "k000"]}
        store.write_edges("SEEN", pa.table(ends))
        for batches, rows in (
            (list(store.scan_nodes("Thing", batch_size)), 60),
            (list(store.scan_edges("SEEN", batch_size)), 61),
        ):
            assert sum(b.num_rows for b in batches) == rows
            assert max(b.num_rows for b in batches) <= batch_size

    def test_nodes_are_read_by_key(self, store: GraphStore) -> None:
        keys = ["a", "é", "！", "😀", "'"]
        store.write_nodes("Thing", pa.table({"id": keys, "text": keys, "count": range(5), "nums": [[1.0]] * 5}))
        table = store.read_nodes("Thing", ["😀", "nobody", "！", "'"])
        assert table.schema == next(iter(store.scan_nodes("Thing"))).schema
        assert table["id"].to_pylist() == table["text"].to_pylist() == ["'", "！", "😀"]
        some = store.read_nodes("Thing", keys, columns=["text", "count"])
        assert some.schema.names == ["id", "count", "text"]
        assert some["count"].to_pylist() == [4, 0, 1, 2, 3]
        assert store.read_nodes("Thing", []).num_rows == 0
        (batch,) = store.scan_nodes("Thing", columns=[])
        assert batch.to_pydict() == {"id": sorted(keys)}
        with pytest.raises(StoreError, match="Thing has no property colour; it has id, count, day"):
            store.read_nodes("Thing", keys, columns=["colour"])

    def test_edges_are_read_by_the_key_of_either_end(self, store: GraphStore) -> None:
        fill(store)
        store.write_edges("LIKE", pa.table({"source": ["a", "b", "b"], "target": ["b", "a", "b"]}))
        for end in ("source", "target"):
            for relation, keys in (("SEEN", ["a", "u1", "nobody"]), ("LIKE", ["b"]), ("SEEN", [])):
                expected = [e for e in edges_of(store, relation) if e[end] in keys]
                table = store.read_edges(relation, keys, end=end)
                assert table.schema.names[:2] == ["source", "target"]
                assert table.to_pylist() == expected

    @_RELAXED
    @given(rows=st.lists(THING_ROW, min_size=1, max_size=8, unique_by=lambda r: str(r["id"])))
    def test_nodes_come_back_as_they_were_written(self, store: GraphStore, rows: list[dict[str, Any]]) -> None:
        before = {n["id"]: n for n in nodes_of(store, "Thing")}
        store.write_nodes("Thing", pa.Table.from_pylist(rows, schema=TYPES))
        for row in rows:
            old = before.setdefault(row["id"], dict.fromkeys(row))
            before[row["id"]] = {k: old.get(k) if v is None else v for k, v in row.items()}
        assert nodes_of(store, "Thing", 5) == [
            {k: before[i][k] for k in sorted(before[i], key=_rank)} for i in sorted(before)
        ]

    @_RELAXED
    @given(data=st.data())
    def test_edges_come_back_as_they_were_written(self, store: GraphStore, data: st.DataObject) -> None:
        users = data.draw(st.lists(KEYS, min_size=1, max_size=4, unique=True))
        things = data.draw(st.lists(KEYS, min_size=1, max_size=4, unique=True))
        pairs = data.draw(st.lists(st.tuples(st.sampled_from(users), st.sampled_from(things)), min_size=1, unique=True))
        rows = [{"source": s, "target": t, **data.draw(EDGE_VALUES)} for s, t in pairs]
        store.write_nodes("User", pa.table({"id": users}))
        store.write_nodes("Thing", pa.table({"id": things}))
        expected = {(e["source"], e["target"]): e for e in edges_of(store, "SEEN")}
        expected |= {(r["source"], r["target"]): r for r in rows}
        assert store.write_edges("SEEN", pa.Table.from_pylist(rows, schema=EDGE_TYPES)) == len(rows)
        assert edges_of(store, "SEEN", 3) == [expected[pair] for pair in sorted(expected)]

    @pytest.mark.parametrize("size", [5_000, 70_000, 1_000_000])
    def test_long_texts(self, store: GraphStore, size: int) -> None:
        long = "é😀x" * (size // 3)
        store.write_nodes("Thing", pa.table({"id": ["a", "b"], "text": [long, "short"], "tags": [[long, ""], []]}))
        store.write_nodes("User", pa.table({"id": ["u"]}))
        store.write_edges("SEEN", pa.table({"source": ["u"], "target": ["a"], "note": [long]}))
        assert [n["text"] for n in nodes_of(store, "Thing")] == [long, "short"]
        assert [n["tags"] for n in nodes_of(store, "Thing")] == [[long, ""], []]
        assert edges_of(store, "SEEN")[0]["note"] == long

    def test_more_rows_than_a_page(self, store: GraphStore) -> None:
        users = [f"u{i}" for i in range(300)]
        things = [f"t{i}" for i in range(100)]
        store.write_nodes("User", pa.table({"id": users}))
        store.write_nodes("Thing", pa.table({"id": things}))
        pairs = [(u, t) for u in users for t in things if hash((u[1:], t[1:])) % 3]
        table = pa.table({"source": [s for s, _ in pairs], "target": [t for _, t in pairs], "at": range(len(pairs))})
        assert store.write_edges("SEEN", table) == len(pairs)
        assert store.write_edges("SEEN", table.slice(100, 5000)) == 5000
        expected = sorted((s, t, i) for i, (s, t) in enumerate(pairs))
        assert [(e["source"], e["target"], e["at"]) for e in edges_of(store, "SEEN", 997)] == expected


def _rank(name: str) -> tuple[bool, str]:
    return (name != "id", name)
