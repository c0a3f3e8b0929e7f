"""RecBole atomic files: films, and datasets of which nothing is known."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from loader_graph import Graph

from kg_rec.errors import ConfigError, LoadError, SchemaError
from kg_rec.loaders.text import Faults
from kg_rec.loaders.triples import derive_schema, read_triples
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import export

INTERACTIONS = GraphSchema.bundled("interactions")


def films(folder: Path) -> Path:
    """Three films, two viewers, a knowledge graph."""
    (folder / "f.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\t1\t5\t100\nu1\t2\t3.5\t200.0\nu2\t2\t1\t1e3\n"
    )
    (folder / "f.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tPostino, Il\t1994\tDrama Romance\n2\tEl Niño\tunknown\tunknown\n3\tLand III (1995)\tV\tSci-Fi Drama\n"
    )
    (folder / "f.user").write_text(
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\nu1\t24\tM\twriter\t01002\n"
    )
    (folder / "f.link").write_text("item_id:token\tentity_id:token\n1\tm.one\n2\tm.two\n9\tm.nine\n3\tm.two\n")
    (folder / "f.kg").write_text(
        "head_id:token\trelation_id:token\ttail_id:token\n"
        "m.one\tfilm.film.directed_by\tm.dir\n"
        "m.dir\tfilm.director.film\tm.one\n"
        "m.dir\tfilm.director.film\tm.two\n"
        "m.one\tfilm.film.sequel\tm.two\n"
        "m.two\tfilm.film.prequel\tm.one\n"
        "m.one\tfilm.film.sequel\tm.other\n"
        "m.other\tfilm.film.actor\tm.dir\n"
    )
    return folder


def test_films_with_a_knowledge_graph(graph: Graph, folder: Path) -> None:
    report = graph.load("recbole", films(folder))
    assert report.schema == "movies"
    assert graph.nodes("Film") == {
        "1": {"title": "Postino, Il", "year": 1994},
        "2": {"title": "El Niño"},
        "3": {"title": "Land III", "year": 1995},
    }
    assert graph.nodes("User") == {
        "u1": {"age": 24, "gender": "M", "occupation": "writer", "zip_code": "01002"},
        "u2": {},
    }
    assert graph.edges("RATED") == {
        ("u1", "1"): {"rating": 5.0, "timestamp": 100},
        ("u1", "2"): {"rating": 3.5, "timestamp": 200},
        ("u2", "2"): {"rating": 1.0, "timestamp": 1000},
    }
    assert set(graph.edges("HAS_GENRE")) == {("1", "Drama"), ("1", "Romance"), ("3", "Sci-Fi"), ("3", "Drama")}
    assert graph.nodes("Genre")["Sci-Fi"] == {"name": "Sci-Fi"}
    assert set(graph.edges("DIRECTED_BY")) == {("1", "m.dir"), ("2", "m.dir"), ("3", "m.dir")}
    assert graph.nodes("Person") == {"m.dir": {}}
    assert set(graph.edges("FOLLOWED_BY")) == {("1", "2"), ("1", "3")}
    assert report.edges["DIRECTED_BY"] == 3
    assert report.unmapped == {
        ".item column class: unknown": 1,
        ".item column release_year: no year": 1,
        "film.film.actor: ends in these roles have no place": 1,
        "film.film.sequel: ends in these roles have no place": 1,
        "link: item not in the dataset": 1,
    }


def test_the_inter_file_itself_gzipped_and_without_the_graph(graph: Graph, folder: Path) -> None:
    path = films(folder) / "f.inter"
    packed = folder / "f.inter.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    report = graph.load("recbole", packed, kg="none")
    assert report.edges == {"HAS_GENRE": 4, "RATED": 3}


def test_an_unknown_dataset_gets_relation_types_from_its_ids(graph: Graph, folder: Path) -> None:
    films(folder)
    (folder / "f.kg").write_text(
        "head_id:token\trelation_id:token\ttail_id:token\n"
        'm.one\t12\te1\nm.two\ta.b\te1\nm.two\tA b\te2\nm.one\t导演\te3\ne3\thas{x}"\\\tm.one\n'
        "m.one\tlikes\tm.two\ne1\tlikes\te2\nm.one\tinteracted\te1\n"
    )
    report = graph.load("recbole", folder, schema=INTERACTIONS)
    assert report.schema == "interactions"
    schema = graph.store.schema()
    names = set(schema.relation_types) - {"INTERACTED", "HAS_CATEGORY"}
    assert {"R_12", "LIKES_ITEM", "LIKES_ENTITY", "HAS_X_INVERSE"} < names
    assert sum(n.startswith("A_B_") for n in names) == 2  # both would be A_B: told apart by a digest
    assert sum(n.startswith("INTERACTED_") for n in names) == 1
    assert graph.edges("R_12") == {("1", "e1"): {}}
    assert set(graph.edges("HAS_X_INVERSE")) == {("1", "e3")}
    assert set(graph.edges("LIKES_ITEM")) == {("1", "2"), ("1", "3")}
    assert set(graph.edges("LIKES_ENTITY")) == {("e1", "e2")}
    assert set(graph.nodes("Entity")) == {"e1", "e2", "e3"}
    assert schema.languages == ("en", "zh")
    assert graph.nodes("Item")["1"] == {"name": "Postino, Il"}
    assert sum(graph_edges for name, graph_edges in report.edges.items() if name in names) == 11


def test_an_id_that_mirrors_another_is_its_inverse(folder: Path) -> None:
    films(folder)
    pairs = [(f"m.{a}", f"e{i}") for i in range(6) for a in ("one", "two")]
    (folder / "f.kg").write_text(
        "head_id:token\trelation_id:token\ttail_id:token\n"
        + "".join(f"{h}\tmade_by\t{t}\n{t}\tmaker_of\t{h}\n" for h, t in pairs)
    )
    triples = read_triples(folder / "f.kg", folder / "f.link", Faults())
    schema = derive_schema(INTERACTIONS, triples)
    assert set(schema.relation_types) == {"INTERACTED", "HAS_CATEGORY", "MADE_BY", "RECOMMENDED"}
    made_by = schema.relation_types["MADE_BY"]
    assert (made_by.aliases, made_by.inverse_aliases) == (("made_by",), ("maker_of",))
    assert made_by.phrases["en"] == "is linked to {} by “made by”"


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("user_id:token\titem_id:token", "u\ti", {}),
        ("user_id:token\titem_id:token\tcount:float", "u\ti\t31", {"weight": 31.0}),
        ("user_id:token\tartist_id:token\tweight:float", "u\ti\t13883", {"weight": 13883.0}),
        ("session:token\tproduct:token\tdwell:float\ttimestamp:float", "u\ti\t2.5\t7", {"weight": 2.5, "time": 7}),
        ("item_id:token\tuser_id:token\ta:float\tb:float", "i\tu\t1\t2", {}),
    ],
)
def test_bare_interactions(graph: Graph, folder: Path, header: str, row: str, expected: dict[str, float]) -> None:
    path = folder / "d.inter"
    path.write_text(f"{header}\n{row}\n")
    report = graph.load("recbole", path)
    assert report.schema == "interactions"
    assert graph.edges("INTERACTED") == {("u", "i"): expected}
    assert (set(graph.nodes("User")), set(graph.nodes("Item"))) == ({"u"}, {"i"})


def test_the_weight_column_can_be_chosen(graph: Graph, folder: Path) -> None:
    path = folder / "d.inter"
    path.write_text("user_id:token\titem_id:token\ta:float\tb:float\nu\ti\t1\t2\nu\ti\t3\t5\n")
    report = graph.load("recbole", path, weight="b", repeats="sum")
    assert graph.edges("INTERACTED") == {("u", "i"): {"weight": 7.0}}
    assert report.repeated == {"INTERACTED": 1}
    assert report.unmapped == {".inter column a: no such property": 2}
    with pytest.raises(ConfigError, match="no column 'c'; it has user_id, item_id, a, b"):
        graph.load("recbole", path, weight="c")
    with pytest.raises(ConfigError, match="expected 'last' or 'sum'"):
        graph.load("recbole", path, repeats="first")


def test_hundred_thousand_items(graph: Graph, folder: Path) -> None:
    path = folder / "d.inter"
    lines = [f"u{i % 997}\ti{i % 100_000}\n" for i in range(120_000)]
    path.write_text("user_id:token\titem_id:token\n" + "".join(lines))
    report = graph.load("recbole", path)
    assert report.nodes == {"Item": 100_000, "User": 997}
    assert report.edges == {"INTERACTED": 120_000}


def test_generic_items_with_text_and_categories(graph: Graph, folder: Path) -> None:
    (folder / "d.inter").write_text("user_id:token\titem_id:token\nu\ta\nu\tb\n")
    (folder / "d.item").write_text(
        "item_id:token\ttitle:token_seq\tdescription:token_seq\tcategories:token_seq\tbrand:token\tprice:float\n"
        "a\tA thing\tvery good\tx y\tz\t3\n"
    )
    report = graph.load("recbole", folder)
    assert graph.nodes("Item") == {"a": {"name": "A thing", "text": "very good"}, "b": {}}
    assert set(graph.edges("HAS_CATEGORY")) == {("a", "x"), ("a", "y")}
    assert report.unmapped == {".item column brand: no such property": 1, ".item column price: no such property": 1}


def test_relation_ids_without_alias_are_listed(graph: Graph, folder: Path) -> None:
    films(folder)
    with (folder / "f.kg").open("a") as file:
        file.write("m.one\tfilm.film.edited_by\tm.ed\nm.one\tfilm.film.music\tm.mu\nm.two\tfilm.film.music\tm.mu\n")
    with pytest.raises(LoadError, match=r"f\.kg: .*film\.film\.edited_by \(1\), film\.film\.music \(2\)"):
        graph.load("recbole", folder)
    assert graph.edges("DIRECTED_BY") == {}
    report = graph.load("recbole", folder, on_error="skip", rejects=folder / "rejects.csv")
    assert report.rejected == 1
    assert report.unmapped["film.film.music: no alias"] == 2
    assert len(graph.edges("DIRECTED_BY")) == 3


def test_files_that_do_not_belong_together(graph: Graph, folder: Path) -> None:
    films(folder)
    (folder / "f.link").write_text("item_id:token\tentity_id:token\nx\tm.one\n")
    with pytest.raises(LoadError, match="link of another dataset"):
        graph.load("recbole", folder)
    (folder / "f.link").unlink()
    with pytest.raises(LoadError, match=r"a \.kg needs a \.link"):
        graph.load("recbole", folder)
    with pytest.raises(LoadError, match="no such file"):
        graph.load("recbole", folder, link=folder / "absent.link")
    (folder / "g.inter").write_text("")
    with pytest.raises(LoadError, match=r"expected one \.inter file in the folder, got f\.inter, g\.inter"):
        graph.load("recbole", folder)


def test_a_wider_schema_in_the_store_is_kept_and_extended(graph: Graph, folder: Path) -> None:
    films(folder)
    graph.load("recbole", folder, schema=INTERACTIONS)
    before = set(graph.store.schema().relation_types)
    assert "FILM_FILM_DIRECTED_BY" in before
    for options in ({}, {"kg": "none"}, {"schema": INTERACTIONS, "kg": "none"}):
        (folder / "f.item").unlink(missing_ok=True)
        graph.load("recbole", folder, **options)
        assert set(graph.store.schema().relation_types) == before
    with (folder / "f.kg").open("a") as file:
        file.write("m.one\tnew\te1\nm.one\tfilm.film.directed_by\tm.two\n")
    graph.load("recbole", folder)
    added = set(graph.store.schema().relation_types) - before
    assert len(added) == 2
    assert "NEW" in added
    assert graph.edges("NEW") == {("1", "e1"): {}}
    with pytest.raises(SchemaError, match="contradicts"):
        graph.load("recbole", folder, schema=GraphSchema.bundled("music"))


def test_which_weights_count_as_liked_is_told_and_can_be_said(graph: Graph, folder: Path) -> None:
    (folder / "d.inter").write_text(
        "user_id:token\titem_id:token\trating:float\n" + "".join(f"u{i}\ti{i}\t{i - 1}\n" for i in range(5)),
        encoding="utf-8",
    )
    report = graph.load("recbole", folder / "d.inter")
    told = "INTERACTED: a weight above 0 counts as liked: 3 of 5 (-1 to 3); --liked-from NUMBER sets another limit"
    assert report.notes == (told,)
    assert len(export(graph.store).liked()) == 3
    for liked_from in (2.0, None):  # an earlier load's limit stays
        report = graph.load("recbole", folder / "d.inter", liked_from=liked_from)
        assert report.notes[0].startswith("INTERACTED: a weight of at least 2 counts as liked: 2 of 5")
        assert len(export(graph.store).liked()) == 2
    assert (
        graph.load("recbole", folder / "d.inter", liked_from=-0.5)
        .notes[0]
        .startswith("INTERACTED: a weight of at least -0.5 counts as liked: 4 of 5")
    )


def test_a_limit_changes_nothing_else_of_a_schema() -> None:
    for name in ("movies", "interactions", "shop", "music"):
        schema = GraphSchema.bundled(name)
        other = schema.liked_from(3.5)
        assert other.interaction.positive_from == 3.5
        assert other.liked_from(-1.0).interaction.positive_from == -1.0
        same = replace(other.interaction, positive_from=schema.interaction.positive_from)
        assert {**other.relation_types, same.name: same} == schema.relation_types
        assert other.node_types == schema.node_types
