"""Batches against the schema: types, ranges, required values, keys, ends, repeated edges."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kg_rec.errors import LoadError, SchemaError
from kg_rec.loaders.check import Checker
from kg_rec.loaders.text import Faults, Origin
from kg_rec.schema import GraphSchema

SCHEMA = GraphSchema.from_turtle("""
@prefix : <urn:t#> . @prefix kr: <urn:kg-rec:schema#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:t> a kr:Schema .
:U a kr:UserType ; sh:property [ sh:path :uid ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:I a kr:ItemType ; sh:property
    [ sh:path :iid ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :title ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:name ] ,
    [ sh:path :n ; sh:datatype xsd:integer ; sh:minInclusive 0 ; sh:maxInclusive 9 ] ,
    [ sh:path :x ; sh:datatype xsd:double ] ,
    [ sh:path :b ; sh:datatype xsd:boolean ] ,
    [ sh:path :d ; sh:datatype xsd:date ] ,
    [ sh:path :words ; sh:datatype kr:stringList ] ,
    [ sh:path :v ; sh:datatype kr:floatList ; kr:use kr:vector ; kr:dimensions 2 ] .
:R a kr:InteractionType ; rdfs:domain :U ; rdfs:range :I ; rdfs:label "r" ; sh:property
    [ sh:path :w ; sh:datatype xsd:double ; kr:use kr:weight ] ,
    [ sh:path :t ; sh:datatype xsd:integer ; kr:use kr:time ] .
:ONE a kr:RelationType ; rdfs:domain :I ; rdfs:range :I ; rdfs:label "one" ; kr:maxPerSource 1 .
""")


def checker(faults: Faults | None = None, stored: Mapping[str, list[str]] | None = None) -> Checker:
    return Checker(SCHEMA, faults or Faults(), lambda name: (stored or {}).get(name, []))


def table(**columns: list[Any]) -> tuple[pa.Table, Origin]:
    """Columns, and an origin whose lines start at 10."""
    made = pa.table({name: pa.array(values) for name, values in columns.items()})
    return made, Origin(Path("f"), pa.array(range(10, 10 + made.num_rows), pa.int64()))


def item(**columns: list[Any]) -> tuple[pa.Table, Origin]:
    """One item with further columns."""
    return table(iid=["1"], title=["one"], **columns)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("n", "7", 7),
        ("n", "7.0", 7),
        ("n", "7e0", 7),
        ("n", 7.0, 7),
        ("n", "", None),
        ("x", "1e-3", 0.001),
        ("x", 3, 3.0),
        ("b", "true", True),
        ("b", "0", False),
        ("d", "2024-02-29", datetime.date(2024, 2, 29)),
        ("words", "one", ["one"]),
        ("words", ["one", "two"], ["one", "two"]),
        ("v", "0.5 -1", [0.5, -1.0]),
        ("v", "0.5, -1", [0.5, -1.0]),
        ("title", 12, "12"),
    ],
)
def test_values_become_the_schema_type(column: str, value: object, expected: object) -> None:
    made, origin = table(**{"iid": ["1"], "title": ["one"], column: [value]})
    assert checker().nodes("I", made, origin, False).to_pylist()[0][column] == expected


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("n", "seven", "I.n: expected an integer, got 'seven'"),
        ("n", "7.5", "I.n: expected an integer, got '7.5'"),
        ("n", "-1", "I.n: expected at least 0, got -1"),
        ("n", "10", "I.n: expected at most 9, got 10"),
        ("x", "nan", "I.x: expected a finite number, got 'nan'"),
        ("x", "inf", "I.x: expected a finite number"),
        ("b", "maybe", "I.b: expected true or false"),
        ("d", "2023-02-29", "I.d: expected a date (YYYY-MM-DD)"),
        ("v", "1 2 3", "I.v: expected 2 numbers, got 3"),
        ("v", "1 x", "I.v: expected a list of numbers"),
        ("title", "", "I.title: a value is required"),
        ("iid", "", "I.iid: a value is required"),
    ],
)
def test_a_value_that_does_not_fit_names_its_line(column: str, value: object, message: str) -> None:
    columns: dict[str, list[Any]] = {"iid": ["1", "2"], "title": ["one", "two"]}
    columns[column] = [columns.get(column, [None])[0], value]
    with pytest.raises(LoadError) as error:
        checker().nodes("I", *table(**columns), False)
    assert error.value.line == 11
    assert message in str(error.value)


def test_skipping_keeps_the_good_rows() -> None:
    faults = Faults(stop=False)
    made = checker(faults).nodes("I", *table(iid=["1", "2", "3"], title=["a", "b", "c"], n=["1", "x", "99"]), False)
    assert made["iid"].to_pylist() == ["1"]
    assert faults.count == 2


def test_a_key_is_defined_once() -> None:
    with pytest.raises(LoadError, match=r"f:12: I iid '1' is defined twice, first at line 10"):
        checker().nodes("I", *table(iid=["1", "2", "1"], title=["a", "b", "c"]), False)
    one = checker()
    one.nodes("I", *table(iid=["1"], title=["a"]), False)
    with pytest.raises(LoadError, match="defined twice"):
        one.nodes("I", *table(iid=["1"], title=["a"]), False)


def test_mentions_may_repeat_and_are_left_out_once_known() -> None:
    one = checker()
    assert one.nodes("U", *table(uid=["b", "a", "b", "a"]), True)["uid"].to_pylist() == ["b", "a"]
    assert one.nodes("U", *table(uid=["c", "b"]), True)["uid"].to_pylist() == ["c"]


def test_a_mention_cannot_make_a_node_that_needs_more_than_its_key() -> None:
    with pytest.raises(LoadError, match=r"f:11: unknown I '2': .*\(title is required\)"):
        checker(stored={"I": ["1"]}).nodes("I", *table(iid=["1", "2"]), True)


def test_required_column_absent() -> None:
    with pytest.raises(LoadError, match="no column gives title"):
        checker().nodes("I", *table(iid=["1"]), False)


def test_unknown_types_and_properties_list_the_known_ones() -> None:
    with pytest.raises(SchemaError, match="no node type 'Z'; it has I, U"):
        checker().nodes("Z", *table(iid=["1"]), False)
    with pytest.raises(SchemaError, match="no relation type 'Z'; it has ONE, R"):
        checker().edges("Z", *table(source=["1"], target=["1"]), "last")
    with pytest.raises(SchemaError, match="U has no property 'age'; it has uid"):
        checker().nodes("U", *table(uid=["1"], age=[1]), False)
    with pytest.raises(LoadError, match="expected the column uid"):
        checker().nodes("U", pa.table({}), Origin(Path("f"), pa.array([], pa.int64())), False)


def known() -> Checker:
    """A checker that knows users a, b (b in the store) and items 1, 2."""
    made = checker(stored={"U": ["b"]})
    made.nodes("U", *table(uid=["a"]), True)
    made.nodes("I", *table(iid=["1", "2"], title=["one", "two"]), False)
    return made


def test_ends_must_be_known() -> None:
    assert known().edges("R", *table(source=["a", "b"], target=["1", "2"]), "last").num_rows == 2
    with pytest.raises(LoadError, match=r"f:11: unknown I '3'"):
        known().edges("R", *table(source=["a", "b"], target=["1", "3"]), "last")
    with pytest.raises(LoadError, match=r"f:10: unknown U 'z'"):
        known().edges("R", *table(source=["z", "b"], target=["1", "2"]), "last")


def test_repeated_edges_keep_the_latest() -> None:
    one = known()
    rows = table(source=["a", "b", "a", "a"], target=["1", "1", "1", "1"], w=[1.0, 2.0, 3.0, 4.0], t=[5, 5, 9, 7])
    made = one.edges("R", *rows, "last").to_pylist()
    assert made == [
        {"source": "b", "target": "1", "w": 2.0, "t": 5},
        {"source": "a", "target": "1", "w": 3.0, "t": 9},
    ]
    assert one.repeated == {"R": 2}


def test_repeated_edges_may_add_up() -> None:
    rows = table(source=["a", "b", "a"], target=["1", "1", "1"], w=[1.5, 2.0, None], t=[9, 5, 7])
    made = known().edges("R", *rows, "sum").sort_by("source").to_pylist()
    assert made == [{"source": "a", "target": "1", "t": 9, "w": 2.5}, {"source": "b", "target": "1", "t": 5, "w": 2.0}]
    bare = known().edges("R", *table(source=["a", "b", "a"], target=["1", "1", "1"]), "sum").sort_by("source")
    assert bare["w"].to_pylist() == [2.0, 1.0]


def test_cardinality() -> None:
    with pytest.raises(LoadError, match=r"f:11: ONE: '1' has more than 1 targets"):
        known().edges("ONE", *table(source=["1", "1"], target=["1", "2"]), "last")
