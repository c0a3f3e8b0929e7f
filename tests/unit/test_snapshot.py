"""Snapshots: deterministic bytes, round trips, look-ups, other libraries' forms."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kg_rec.errors import ArgumentError, NotFoundError, SchemaNotAppliedError, SnapshotError
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import NO_TIME, EdgeTable, IdMap, Snapshot, export
from kg_rec.store import GraphStore, connect

SCHEMA = GraphSchema.from_turtle(
    """
@prefix : <urn:kg-rec:lab#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:lab> a kr:Schema .
:User a kr:UserType ; sh:property [ sh:path :user_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Film a kr:ItemType ; sh:property
    [ sh:path :item_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :title ; sh:datatype xsd:string ; kr:use kr:name ] , [ sh:path :year ; sh:datatype xsd:integer ] ,
    [ sh:path :size ; sh:datatype xsd:double ] , [ sh:path :seen ; sh:datatype xsd:boolean ] ,
    [ sh:path :day ; sh:datatype xsd:date ] , [ sh:path :tags ; sh:datatype kr:stringList ] ,
    [ sh:path :vector ; sh:datatype kr:floatList ; kr:use kr:vector ; kr:dimensions 2 ] .
:Studio a kr:AttributeType ; sh:property
    [ sh:path :studio_id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:RATED a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Film ; rdfs:label "rated" ; kr:positiveFrom 3 ;
    sh:property [ sh:path :key ; sh:datatype xsd:double ; kr:use kr:weight ] ,
                [ sh:path :at ; sh:datatype xsd:integer ; kr:use kr:time ] .
:MADE_BY a kr:RelationType ; rdfs:domain :Film ; rdfs:range :Studio ; rdfs:label "made by" .
"""
)
FILMS = {  # keys out of order; code points: "Z" < "a" < "é" < "電" < "😀"
    "item_id": ["電", "a", "Z", "😀", "é"],
    "title": ["Movie", "", None, "Smile", "Été"],
    "year": [1999, None, 2001, 0, -5],
    "size": [1.5, None, 0.0, -0.0, 1e300],
    "seen": [True, None, False, None, True],
    "tags": [["x", "y"], [], None, ["x"], None],
    "vector": [[1.0, 2.0], None, [3.0, 4.0], [0.0, 0.0], [5.0, 6.0]],
}
RATED = {
    "source": ["u2", "u10", "u2", "u10"],
    "target": ["電", "a", "Z", "é"],
    "key": [4.0, None, 2.5, 3.0],
    "at": [20, 5, None, 30],
}


def fill(store: GraphStore, order: list[int]) -> None:
    """The graph, its rows written in the given order of five."""
    store.apply_schema(SCHEMA)
    store.write_nodes("User", pa.table({"user_id": ["u2", "u10"]}))
    store.write_nodes("Film", pa.table(FILMS).take(order))
    store.write_nodes("Studio", pa.table({"studio_id": ["s2", "s1"]}))
    store.write_edges("RATED", pa.table(RATED).take([i for i in order if i < 4]))
    store.write_edges("MADE_BY", pa.table({"source": ["a", "電", "a"], "target": ["s2", "s1", "s1"]}))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    store = connect(str(tmp_path / "graph"))
    fill(store, [0, 1, 2, 3, 4])
    found = export(store)
    store.close()
    return found


# --- export ------------------------------------------------------------------------------------------


def test_export_numbers_sorted_keys(tmp_store: GraphStore) -> None:
    fill(tmp_store, [0, 1, 2, 3, 4])
    found = export(tmp_store)
    assert found.items.keys.to_pylist() == ["Z", "a", "é", "電", "😀"]
    assert found.users.keys.to_pylist() == ["u10", "u2"]
    rated = found.interactions
    assert rated.source.tolist() == [0, 0, 1, 1]
    assert rated.target.tolist() == [1, 2, 0, 3]
    assert rated.weight is not None
    assert rated.time is not None
    assert rated.weight.dtype == np.float32
    np.testing.assert_array_equal(rated.weight, [np.nan, 3.0, 2.5, 4.0])
    assert rated.time.tolist() == [5, 30, NO_TIME, 20]
    made = found.edges["MADE_BY"]
    assert (made.source.tolist(), made.target.tolist()) == ([1, 1, 3], [0, 1, 0])
    assert made.weight is None
    assert made.time is None
    assert found.nodes["Film"].column("year").to_pylist() == [2001, None, -5, 1999, 0]
    assert found.source == tmp_store.url


@pytest.mark.neo4j
def test_both_stores_give_the_same_digest(tmp_path: Path, clean_neo4j: str) -> None:
    found = []
    for url, order in ((str(tmp_path / "graph"), [0, 1, 2, 3, 4]), (clean_neo4j, [4, 2, 0, 1, 3])):
        store = connect(url)
        fill(store, order)
        found.append(export(store))
        store.close()
    embedded, server = found
    assert embedded.digest == server.digest
    assert embedded.source != server.source


def test_an_empty_graph(tmp_store: GraphStore, tmp_path: Path) -> None:
    with pytest.raises(SchemaNotAppliedError):
        export(tmp_store)
    tmp_store.apply_schema(SCHEMA)
    found = export(tmp_store)
    assert len(found.items) == len(found.interactions) == 0
    assert found.manifest()["as_of"] is None
    found.save(tmp_path / "saved")
    assert Snapshot.load(tmp_path / "saved").digest == found.digest
    assert found.to_pyg()["Film"].num_nodes == 0
    assert len(found.to_networkx()) == 0


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    fill(store, [0, 1, 2, 3, 4])
    steps: list[tuple[int, int | None, str]] = []
    export(store, lambda *step: steps.append(step))
    store.close()
    assert steps[0] == (0, 5, "export Film")
    assert steps[-1] == (5, 5, "exported")


# --- on disk -----------------------------------------------------------------------------------------


def test_the_same_graph_gives_the_same_bytes(snapshot: Snapshot, tmp_path: Path) -> None:
    store = connect(str(tmp_path / "other"))
    fill(store, [3, 4, 1, 0, 2])
    again = export(store)
    store.close()
    snapshot.save(tmp_path / "one")
    snapshot.save(tmp_path / "one")  # over an earlier one
    again.save(tmp_path / "two")
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert sorted(one) == [
        "edges/MADE_BY.arrow",
        "edges/RATED.arrow",
        "manifest.json",
        "nodes/Film.arrow",
        "nodes/Studio.arrow",
        "nodes/User.arrow",
        "schema.ttl",
    ]
    first, second = json.loads(one.pop("manifest.json")), json.loads(two.pop("manifest.json"))
    assert one == two
    assert first.pop("source") != second.pop("source")
    assert first == second
    assert first["as_of"] == "1970-01-01T00:00:30+00:00"


def test_round_trip(snapshot: Snapshot, tmp_path: Path) -> None:
    snapshot.save(tmp_path / "saved")
    loaded = Snapshot.load(tmp_path / "saved")
    assert loaded.digest == snapshot.digest
    assert loaded.manifest() == snapshot.manifest()
    assert loaded.schema.turtle == SCHEMA.turtle
    for name, table in snapshot.nodes.items():
        assert loaded.nodes[name].equals(table)
    loaded.save(tmp_path / "again")
    assert files(tmp_path / "again") == files(tmp_path / "saved")


def test_a_loaded_snapshot_is_memory_mapped(snapshot: Snapshot, tmp_path: Path) -> None:
    before = pa.total_allocated_bytes()
    rows = 1_000_000
    edges = EdgeTable(np.arange(rows) % 2, np.arange(rows) % 5, np.ones(rows, np.float32), np.arange(rows))
    snapshot.with_edges("RATED", edges).save(tmp_path / "saved")
    loaded = Snapshot.load(tmp_path / "saved")
    assert pa.total_allocated_bytes() - before < 1_000_000  # the edges alone are 28 MB
    assert not loaded.interactions.source.flags.owndata
    assert not loaded.interactions.source.flags.writeable


def test_saving_over_a_mapped_snapshot_leaves_it_whole(snapshot: Snapshot, tmp_path: Path) -> None:
    snapshot.save(tmp_path / "saved")
    loaded = Snapshot.load(tmp_path / "saved")
    digest = loaded.digest
    snapshot.with_edges("MADE_BY", EdgeTable(np.array([0]), np.array([0]))).save(tmp_path / "saved")
    assert loaded.digest == digest
    assert len(Snapshot.load(tmp_path / "saved").edges["MADE_BY"]) == 1


def damage(folder: Path, what: str) -> None:
    manifest = folder / "manifest.json"
    data: dict[str, Any] = json.loads(manifest.read_text())
    if what == "manifest gone":
        manifest.unlink()
    elif what == "manifest is no JSON":
        manifest.write_text("{")
    elif what == "manifest is a list":
        manifest.write_text("[]")
    elif what == "manifest is binary":
        manifest.write_bytes(b"\xff\xfe\x00")
    elif what == "other format":
        manifest.write_text(json.dumps({**data, "format": 99}))
    elif what == "counts gone":
        data.pop("nodes")
        manifest.write_text(json.dumps(data))
    elif what == "source gone":
        data.pop("source")
        manifest.write_text(json.dumps(data))
    elif what == "schema is not an object":
        manifest.write_text(json.dumps({**data, "schema": "lab"}))
    elif what == "nodes gone":
        (folder / "nodes/Film.arrow").unlink()
    elif what == "nodes empty":
        (folder / "nodes/Film.arrow").write_bytes(b"")
    elif what == "edges cut":
        path = folder / "edges/RATED.arrow"
        path.write_bytes(path.read_bytes()[:200])
    elif what == "other columns":
        (folder / "nodes/Film.arrow").write_bytes((folder / "nodes/User.arrow").read_bytes())
    elif what == "other rows":
        (folder / "edges/MADE_BY.arrow").write_bytes((folder / "edges/RATED.arrow").read_bytes())
    elif what == "schema gone":
        (folder / "schema.ttl").unlink()
    elif what == "schema changed":
        with (folder / "schema.ttl").open("a") as file:
            file.write("# one more line\n")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("manifest gone", "not a snapshot"),
        ("manifest is no JSON", "not a snapshot"),
        ("manifest is a list", "expected snapshot format 1, got None"),
        ("manifest is binary", "not a snapshot"),
        ("other format", "expected snapshot format 1, got 99"),
        ("counts gone", r"do not match manifest.json \(nodes\)"),
        ("source gone", r"do not match manifest.json \(source\)"),
        ("schema is not an object", r"do not match manifest.json \(schema\)"),
        ("nodes gone", "Film.arrow: cannot read this part"),
        ("nodes empty", "a file was changed or damaged"),
        ("edges cut", "a file was changed or damaged"),
        ("other columns", "a file was changed or damaged"),
        ("other rows", "a file was changed or damaged"),
        ("schema gone", "schema.ttl: cannot read it"),
        ("schema changed", "a file was changed or damaged"),
    ],
)
def test_a_damaged_snapshot_is_refused(snapshot: Snapshot, tmp_path: Path, what: str, message: str) -> None:
    snapshot.save(tmp_path / "saved")
    damage(tmp_path / "saved", what)
    with pytest.raises(SnapshotError, match=message):
        Snapshot.load(tmp_path / "saved")


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="not a snapshot"):
        Snapshot.load(tmp_path / "none")


# --- look-ups ----------------------------------------------------------------------------------------


def test_id_map() -> None:
    ids = IdMap("Film", pa.array(["Z", "a", "電"]))
    assert [ids.index(k) for k in ("Z", "a", "電")] == [0, 1, 2]
    assert ids.key(2) == "電"
    assert "a" in ids
    assert "b" not in ids
    assert 1 not in ids
    assert len(ids) == 3
    for keys in (["電", "?", "Z"], pa.array(["電", "?", "Z"]), pa.chunked_array([["電"], ["?", "Z"]])):
        found = ids.indices(keys)
        assert found.dtype == np.int64
        assert found.tolist() == [2, -1, 0]
    parts = {("a",): [1], ("電", "a"): [2, 1], ("?",): [-1], ("b", "a"): [-1, 1], ("", "龜"): [-1, -1], (): []}
    for keys, places in parts.items():  # only the keys between the least and the greatest are looked at
        assert ids.indices(list(keys)).tolist() == places
    assert ids.indices(pa.array([None, "a"], pa.string())).tolist() == [-1, 1]
    assert ids.indices(pa.array([None], pa.string())).tolist() == [-1]
    with pytest.raises(NotFoundError, match=r"no Film with key 'b' in the snapshot; expected one of 3 keys such as"):
        ids.index("b")
    films = IdMap("Film", pa.array(["alien-1979", "heat-1995", "up-2009", "when-harry-met-sally-1989"]))
    with pytest.raises(NotFoundError, match=r"keys such as 'when-harry-met-sally-1989'$"):
        films.index("When Harry Met Sally")


def test_names_fall_back_to_keys(snapshot: Snapshot) -> None:
    assert [snapshot.name("Film", i) for i in range(5)] == ["Z", "a", "Été", "Movie", "Smile"]
    assert snapshot.name("Studio", 0) == "s1"


def test_liked_keeps_ratings_from_three(snapshot: Snapshot) -> None:
    liked = snapshot.liked()
    assert liked.target.tolist() == [2, 3]  # the rating of "a" is not known, that of "Z" is 2.5
    bare = snapshot.with_edges("RATED", EdgeTable(np.array([0]), np.array([0])))
    assert len(bare.liked()) == 1


def test_take_keeps_the_columns_together(snapshot: Snapshot) -> None:
    some = snapshot.interactions.take(np.array([3, 1]))
    assert (some.source.tolist(), some.target.tolist()) == ([1, 0], [3, 2])
    assert some.weight is not None
    assert some.time is not None
    assert (some.weight.tolist(), some.time.tolist()) == ([4.0, 3.0], [20, 30])
    masked = snapshot.edges["MADE_BY"].take(np.array([True, False, False]))
    assert len(masked) == 1
    assert masked.weight is None


def test_with_edges_changes_the_digest_and_not_the_original(snapshot: Snapshot) -> None:
    digest = snapshot.digest
    other = snapshot.with_edges("MADE_BY", EdgeTable(np.array([0]), np.array([1])))
    assert other.digest != digest
    assert snapshot.digest == digest
    assert len(snapshot.edges["MADE_BY"]) == 3


def test_a_catalogue_is_the_same_whoever_did_what_with_it(snapshot: Snapshot) -> None:
    assert snapshot.same_catalogue(snapshot.with_edges("RATED", EdgeTable(np.array([0]), np.array([0]))))
    assert not snapshot.same_catalogue(snapshot.with_edges("MADE_BY", EdgeTable(np.array([0]), np.array([1]))))
    person, film = snapshot.schema.user.name, snapshot.schema.item.name
    for kind, same in ((person, True), (film, False)):
        nodes = {**snapshot.nodes, kind: snapshot.nodes[kind].slice(0, len(snapshot.ids[kind]) - 1)}
        assert snapshot.same_catalogue(replace(snapshot, nodes=nodes)) is same


# --- other libraries ---------------------------------------------------------------------------------


def test_to_arrow(snapshot: Snapshot) -> None:
    tables = snapshot.to_arrow()
    assert sorted(tables) == ["Film", "MADE_BY", "RATED", "Studio", "User"]
    assert tables["RATED"].to_pylist() == [
        {"source": "u10", "target": "a", "key": None, "at": 5},
        {"source": "u10", "target": "é", "key": 3.0, "at": 30},
        {"source": "u2", "target": "Z", "key": 2.5, "at": None},
        {"source": "u2", "target": "電", "key": 4.0, "at": 20},
    ]
    assert tables["MADE_BY"].column_names == ["source", "target"]
    assert tables["Film"].column("tags").to_pylist() == [None, [], None, ["x", "y"], ["x"]]


def test_to_networkx(snapshot: Snapshot) -> None:
    graph = snapshot.to_networkx()
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (9, 7)
    film = graph.nodes["Film", "電"]
    assert (film["type"], film["title"], film["year"]) == ("Film", "Movie", 1999)
    assert graph.edges[("User", "u2"), ("Film", "電"), "RATED"] == {"key": 4.0, "at": 20}
    assert graph.edges[("User", "u10"), ("Film", "a"), "RATED"] == {"at": 5}
    assert film["tags"] == '["x", "y"]'
    assert "year" not in graph.nodes["Film", "a"]
    assert sorted(graph.successors(("Film", "a"))) == [("Studio", "s1"), ("Studio", "s2")]


@pytest.mark.parametrize("form", ["graphml", "gexf"])
def test_the_networkx_graph_can_be_written(snapshot: Snapshot, tmp_path: Path, form: str) -> None:
    import networkx as nx

    dates = pa.array([date(1999, 5, 19), None, None, None, None], pa.date32())
    films = snapshot.nodes["Film"]
    films = films.set_column(films.column_names.index("day"), "day", dates)
    graph = replace(snapshot, nodes={**snapshot.nodes, "Film": films}).to_networkx()
    file = tmp_path / f"graph.{form}"
    getattr(nx, f"write_{form}")(graph, file)
    again = getattr(nx, f"read_{form}")(file)
    assert (again.number_of_nodes(), again.number_of_edges()) == (9, 7)
    assert again.nodes[str(("Film", "電"))]["title"] == "Movie"
    assert again.nodes[str(("Film", "Z"))]["day"] == "1999-05-19"


RESERVED = GraphSchema.from_turtle(
    """
@prefix : <urn:kg-rec:odd#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:odd> a kr:Schema .
:User a kr:UserType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] .
:Film a kr:ItemType ; sh:property
    [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :label ; sh:datatype xsd:string ; kr:use kr:name ] , [ sh:path :type ; sh:datatype xsd:string ] ,
    [ sh:path :viz ; sh:datatype xsd:string ] , [ sh:path :start ; sh:datatype xsd:integer ] ,
    [ sh:path :end ; sh:datatype xsd:integer ] , [ sh:path :weight ; sh:datatype xsd:double ] ,
    [ sh:path :slices ; sh:datatype xsd:boolean ] .
:LIKED a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Film ; rdfs:label "liked" ;
    sh:property [ sh:path :id ; sh:datatype xsd:double ; kr:use kr:weight ] ,
                [ sh:path :type ; sh:datatype xsd:integer ; kr:use kr:time ] .
"""
)


@pytest.mark.parametrize("form", ["graphml", "gexf"])
def test_names_that_a_format_reserves_and_characters_that_xml_has_not(tmp_path: Path, form: str) -> None:
    import networkx as nx

    film = {"id": "f\x01", "label": "A\x00\x1bB\ufffe", "type": "short", "viz": "bright", "start": 1, "end": 2}
    films = pa.table({name: [value] for name, value in (film | {"weight": 0.5, "slices": True}).items()})
    nodes = {"User": pa.table({"id": ["u"]}), "Film": films.select([p.name for p in RESERVED.item.properties])}
    liked = EdgeTable(np.array([0]), np.array([0]), np.array([2.0], np.float32), np.array([7]))
    graph = Snapshot(RESERVED, "here", nodes, {"LIKED": liked}).to_networkx()
    assert graph.nodes["Film", "f\x01"]["type"] == "Film"
    file = tmp_path / f"graph.{form}"
    getattr(nx, f"write_{form}")(graph, file)
    again = getattr(nx, f"read_{form}")(file)
    found = again.nodes[str(("Film", "f\x01"))]
    expected = {"id_": "f\ufffd", "label": "A\ufffd\ufffdB\ufffd", "type": "Film", "type_": "short", "viz_": "bright"}
    assert {name: found[name] for name in expected} == expected
    assert (found["start"], found["end"], found["weight"], found["slices"]) == (1, 2, 0.5, True)
    ((_, _, edge),) = again.edges(data=True)
    assert (edge["id_"], edge["type_"]) == (2.0, 7)


def test_to_pyg(snapshot: Snapshot) -> None:
    data = snapshot.to_pyg()
    assert {name: data[name].num_nodes for name in data.node_types} == {"Film": 5, "Studio": 2, "User": 2}
    rated = data["User", "RATED", "Film"]
    assert rated.edge_index.tolist() == [[0, 0, 1, 1], [1, 2, 0, 3]]
    assert math.isnan(rated.edge_weight[0])
    assert rated.edge_weight[1:].tolist() == [3.0, 2.5, 4.0]
    assert rated.edge_time.tolist() == [5, 30, NO_TIME, 20]
    assert "edge_weight" not in data["Film", "MADE_BY", "Studio"]
    vectors = data["Film"].x
    assert vectors.shape == (5, 2)
    assert vectors[0].tolist() == [3.0, 4.0]
    assert vectors[1].isnan().all()  # "a" has none
    assert rated.liked.tolist() == [False, True, False, True]
    assert data.node_keys["Film"].tolist() == ["Z", "a", "é", "電", "😀"]
    assert data.node_names["Film"][[1, 3]].tolist() == ["a", "Movie"]  # a key where there is no name
    assert data.feature_names == {"Film": ["vector 0", "vector 1"]}
    assert repr(data).count("\n") < 30


def test_to_pyg_with_numbers_texts_and_labels(snapshot: Snapshot) -> None:
    text = pa.table({"item": ["a", "gone", "é"], "vector": [[1.0, 2.0, 3.0], [9.0, 9.0, 9.0], None]})
    data = snapshot.to_pyg(numbers=True, text=text, label="year")
    x = dict(zip(data.feature_names["Film"], data["Film"].x.T, strict=True))
    assert list(x) == [
        *("vector 0", "vector 1", "seen", "seen missing", "size", "size missing", "year", "year missing"),
        *("text 0", "text 1", "text 2"),
    ]
    years = np.array([2001, -5, 1999, 0])
    scaled = (years - years.mean()) / years.std()
    np.testing.assert_allclose(x["year"], np.insert(scaled, 1, 0), rtol=1e-6)
    assert x["year missing"].tolist() == [0, 1, 0, 0, 0]
    assert [x[f"text {n}"][1].item() for n in range(3)] == [1, 2, 3]
    assert not data["Film"].x[[0, 2, 3, 4], -3:].any()
    assert data["Film"].y.tolist() == [3, -1, 0, 2, 1]
    assert data.label_names.tolist() == ["-5", "0", "1999", "2001"]
    assert "x" not in data["User"]


def test_to_pyg_with_a_relation_as_label(snapshot: Snapshot) -> None:
    data = snapshot.to_pyg(label="MADE_BY")
    assert data["Film"].y.tolist() == [[0, 0], [1, 1], [0, 0], [1, 0], [0, 0]]
    assert data.label_names.tolist() == ["s1", "s2"]


def test_to_pyg_without_what_is_empty(snapshot: Snapshot) -> None:
    nothing = EdgeTable(np.empty(0, np.int64), np.empty(0, np.int64))
    empty = snapshot.nodes["Studio"].slice(0, 0)
    bare = replace(snapshot.with_edges("MADE_BY", nothing), nodes={**snapshot.nodes, "Studio": empty})
    assert bare.to_pyg().metadata() == snapshot.to_pyg().metadata()
    data = bare.to_pyg(drop_empty=True)
    assert data.metadata() == (["Film", "User"], [("User", "RATED", "Film")])
    assert set(data.node_keys) == {"Film", "User"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "colour"}, "property or relation type of Film .*year.*MADE_BY.*got 'colour'"),
        ({"label": "tags"}, "got 'tags'"),  # a list is no class
        ({"text": pa.table({"key": ["a"]})}, "columns item and vector, got .'key'"),
        ({"text": pa.table({"item": ["a", "é"], "vector": [[1.0], [1.0, 2.0]]})}, r"one length, got \[1, 2\]"),
    ],
)
def test_to_pyg_says_what_it_cannot_do(snapshot: Snapshot, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        snapshot.to_pyg(**options)


def test_to_pyg_goes_through_transforms(snapshot: Snapshot) -> None:
    import copy

    import torch_geometric.transforms as transforms

    data = transforms.ToUndirected()(copy.deepcopy(snapshot.to_pyg(numbers=True)))
    assert ("Film", "rev_RATED", "User") in data.edge_types
    assert data.node_keys["Film"][3] == "電"
    train, _, test = transforms.RandomLinkSplit(
        num_val=0.25,
        num_test=0.25,
        edge_types=[("User", "RATED", "Film")],
        rev_edge_types=[("Film", "rev_RATED", "User")],
    )(data)
    assert train["User", "RATED", "Film"].edge_index.shape[1] == 2
    assert test["User", "RATED", "Film"].edge_label.tolist() == [1, 0]


def test_to_pyg_copies(snapshot: Snapshot, tmp_path: Path) -> None:
    snapshot.save(tmp_path / "saved")
    loaded = Snapshot.load(tmp_path / "saved")
    data = loaded.to_pyg()
    data["User", "RATED", "Film"].edge_time[:] = 0
    data["User", "RATED", "Film"].edge_index[:] = 0
    assert loaded.interactions.time is not None
    assert loaded.interactions.time.tolist() == [5, 30, NO_TIME, 20]


def test_a_snapshot_is_one_short_line_and_a_table_in_notebooks(snapshot: Snapshot) -> None:
    users, items, acts = len(snapshot.users), len(snapshot.items), len(snapshot.interactions)
    assert repr(snapshot).startswith(f"Snapshot(lab: {users} users, {items} items, {acts} interactions; ")
    assert "\n" not in repr(snapshot)
    assert len(repr(snapshot)) < 120
    assert f"<td>RATED</td><td>edges</td><td>{acts}</td>" in snapshot._repr_html_()
