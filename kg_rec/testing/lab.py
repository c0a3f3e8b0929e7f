"""A small schema with every datatype, and what to fill it with: what the contract of stores is tried on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore

PREFIXES = """
@prefix : <urn:kg-rec:lab#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:lab> a kr:Schema .
"""
USER = ":User a kr:UserType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ]"
THING = """:Thing a kr:ItemType ;
    sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
        [ sh:path :text ; sh:datatype xsd:string ] , [ sh:path :count ; sh:datatype xsd:integer ] ,
        [ sh:path :size ; sh:datatype xsd:double ] , [ sh:path :ok ; sh:datatype xsd:boolean ] ,
        [ sh:path :day ; sh:datatype xsd:date ] , [ sh:path :tags ; sh:datatype kr:stringList ] ,
        [ sh:path :nums ; sh:datatype kr:floatList ] """
SEEN = """:SEEN a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Thing ; rdfs:label "saw" ;
    sh:property [ sh:path :weight ; sh:datatype xsd:double ] , [ sh:path :at ; sh:datatype xsd:integer ] ,
        [ sh:path :note ; sh:datatype xsd:string ] , [ sh:path :on ; sh:datatype xsd:date ] ,
        [ sh:path :marks ; sh:datatype kr:stringList ] """
LIKE = ':LIKE a kr:RelationType ; rdfs:domain :Thing ; rdfs:range :Thing ; rdfs:label "like"'

#: Arbitrary values of each datatype, and rows of them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DAYS = st.dates()
THING_ROW = st.fixed_dictionaries(
    {
        "id": KEYS,
        "text": st.none() | TEXTS,
        "count": st.none() | INTEGERS,
        "size": st.none() | NUMBERS,
        "ok": st.none() | st.booleans(),
        "day": st.none() | DAYS,
        "tags": st.none() | st.lists(TEXTS, max_size=4),
        "nums": st.none() | st.lists(NUMBERS, max_size=4),
    }
)
TYPES = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("count", pa.int64()),
        ("size", pa.float64()),
        ("ok", pa.bool_()),
        ("day", pa.date32()),
        ("tags", pa.list_(pa.string())),
        ("nums", pa.list_(pa.float64())),
    ]
)
EDGE_TYPES = pa.schema(
    [
        ("source", pa.string()),
        ("target", pa.string()),
        ("weight", pa.float64()),
        ("at", pa.int64()),
        ("note", pa.string()),
        ("on", pa.date32()),
        ("marks", pa.list_(pa.string())),
    ]
)
EDGE_VALUES = st.fixed_dictionaries(
    {
        "weight": st.none() | NUMBERS,
        "at": st.none() | INTEGERS,
        "note": st.none() | TEXTS,
        "on": st.none() | DAYS,
        "marks": st.none() | st.lists(TEXTS, max_size=3),
    }
)


def lab_schema(user: str = USER, thing: str = THING, seen: str = SEEN, more: str = "") -> GraphSchema:
    """The schema of the tests, with parts of it put in another way."""
    return GraphSchema.from_turtle(f"{PREFIXES}{user} .\n{thing} .\n{seen} .\n{LIKE} .\n{more}")


def nodes_of(store: GraphStore, node_type: str, batch_size: int = 50_000) -> list[dict[str, Any]]:
    """Every node of a type, as the store scans them."""
    return [row for batch in store.scan_nodes(node_type, batch_size) for row in batch.to_pylist()]


def edges_of(store: GraphStore, relation: str, batch_size: int = 50_000) -> list[dict[str, Any]]:
    """Every edge of a type, as the store scans them."""
    return [row for batch in store.scan_edges(relation, batch_size) for row in batch.to_pylist()]


def seen(*rows: tuple[str, str, float | None]) -> pa.Table:
    """A batch of interactions: source, target, weight."""
    source, target, weight = zip(*rows, strict=True)
    return pa.table({"source": source, "target": target, "weight": pa.array(weight, pa.float64())})


def fill(store: GraphStore) -> None:
    """Write a few users, things and interactions."""
    store.write_nodes("User", pa.table({"id": ["u1", "u2", "u3"]}))
    store.write_nodes("Thing", pa.table({"id": ["a", "b", "c"], "text": ["A", "B", None], "count": [1, 2, 3]}))
    store.write_edges("SEEN", seen(("u2", "a", 1.0), ("u1", "b", 2.0), ("u1", "a", 3.0)))
