from __future__ import annotations

from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pyarrow as pa
import pytest
from explain_paths import SIMILAR, Make, back, forth

from kg_rec.errors import SchemaError
from kg_rec.explain.path import Path, PathEdge, PathGroup, PathNode
from kg_rec.explain.show.cypher import cypher_for, matches, mismatches
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect

# Who liked what (3 and more is liked): you are user 42.  Ronin is disliked by b, Fargo only liked by others.
RATINGS = {
    "42": {"heat": 5, "fargo": 4, "ronin": 1},
    "a": {"heat": 5, "the score": 4, "casino": 5},
    "b": {"heat": 4, "the score": 3, "fargo": 5, "ronin": 1},
    "c": {"heat": 1, "the score": 5, "fargo": 5, "casino": 4},
    "d": {"fargo": 2, "the score": 2},
}
STARRING = [("heat", "de niro"), ("the score", "de niro"), ("casino", "de niro"), ("heat", "kilmer")]


@pytest.fixture
def store(films_store: GraphStore, films: Make) -> GraphStore:
    fill(films_store, films)
    return films_store


def fill(store: GraphStore, films: Make) -> None:
    store.apply_schema(films.schema)
    titles = sorted({film for liked in RATINGS.values() for film in liked})
    store.write_nodes("User", pa.table({"user_id": sorted(RATINGS)}))
    store.write_nodes("Film", pa.table({"item_id": titles, "title": titles}))
    store.write_nodes("Person", pa.table({"person_id": ["de niro", "kilmer"]}))
    rated = [(u, f, float(r)) for u, liked in RATINGS.items() for f, r in liked.items()]
    sources, targets, ratings = (list(column) for column in zip(*rated, strict=True))
    store.write_edges("RATED", pa.table({"source": sources, "target": targets, "rating": ratings}))
    sources, targets = (list(column) for column in zip(*STARRING, strict=True))
    store.write_edges("STARRING", pa.table({"source": sources, "target": targets}))
    store.write_edges("FOLLOWED_BY", pa.table({"source": ["heat"], "target": ["the score"]}))


def all_forms(films: Make) -> tuple[Path, ...]:
    de_niro = films.node("Person", "De Niro")
    starring = [forth("STARRING"), back("STARRING")]
    groups: list[PathGroup] = [
        films.taste(("Heat", 2), ("Fargo", 2)),
        films.taste(("Heat", 2), channel="relational"),
        films.shared(*starring, "Person", "De Niro", "Heat"),
        films.direct(forth("FOLLOWED_BY"), "Heat"),
        films.direct(SIMILAR, "Heat", "Fargo"),
        films.cold(["Casino"], [de_niro], starring, ("Heat", 1), ("Fargo", 1)),
        films.cold(["Casino"], [], [SIMILAR], ("Heat", 1)),
    ]
    return tuple(p for g in groups for p in g.paths)


def test_store_returns_exactly_the_shown_paths(store: GraphStore, films: Make) -> None:
    paths = all_forms(films)
    table = store.query(*cypher_for(films.schema, "42", "the score", paths))
    assert table.column_names == ["pattern", "nodes", "count"]
    assert mismatches(paths, table) == ()
    assert table.num_rows == len(paths) - 1  # the taste and the relational path through Heat are one path of the graph


def test_the_order_of_the_paths_does_not_matter(store: GraphStore, films: Make) -> None:
    paths = all_forms(films)
    table = store.query(*cypher_for(films.schema, "42", "the score", paths))
    assert mismatches(paths[::-1], table) == ()


def test_each_form_alone(store: GraphStore, films: Make) -> None:
    for path in all_forms(films):
        assert matches([path], store.query(*cypher_for(films.schema, "42", "the score", [path]))), path.pattern


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda f: f.taste(("Heat", 3)), "3 others"),  # c rated Heat, but did not like it
        (lambda f: f.taste(("Ronin", 1)), "ronin"),  # the user did not like it
        (lambda f: f.shared(forth("STARRING"), back("STARRING"), "Person", "Kilmer", "Heat"), "kilmer"),
        (lambda f: f.direct(back("FOLLOWED_BY"), "Heat"), "heat"),  # it is the other way round
        (lambda f: f.direct(SIMILAR, "Casino"), "casino"),  # the user did not rate it
    ],
)
def test_a_path_that_is_not_in_the_store_is_told(store: GraphStore, films: Make, wrong, expected: str) -> None:
    paths = wrong(films).paths
    found = mismatches(paths, store.query(*cypher_for(films.schema, "42", "the score", paths)))
    assert any(line.startswith("shown but not in the store") and expected in line for line in found), found


def test_counts_are_right_on_a_larger_graph(tmp_path: FilePath, films: Make) -> None:
    rng = np.random.default_rng(0)
    ratings = {
        (int(u), int(f)): float(rng.integers(1, 6))
        for u, f in zip(rng.integers(0, 300, 9000), rng.zipf(1.4, 9000) % 200, strict=True)
    }
    cast = sorted({(f, int(a)) for f in range(200) for a in rng.integers(0, 30, 3)})
    fans: dict[int, set[int]] = {}
    for (u, f), rating in ratings.items():
        if rating >= 3:
            fans.setdefault(f, set()).add(u)
    store = connect(str(tmp_path / "graph"))
    try:
        store.apply_schema(films.schema)
        store.write_nodes("User", pa.table({"user_id": [f"u{u}" for u in range(300)]}))
        store.write_nodes("Film", pa.table({"item_id": [f"f{f}" for f in range(200)], "title": ["x"] * 200}))
        store.write_nodes("Person", pa.table({"person_id": [f"p{a}" for a in range(30)]}))
        rated = pa.table({"source": [f"u{u}" for u, _ in ratings], "target": [f"f{f}" for _, f in ratings]})
        store.write_edges("RATED", rated.append_column("rating", pa.array(list(ratings.values()))))
        store.write_edges(
            "STARRING", pa.table({"source": [f"f{f}" for f, _ in cast], "target": [f"p{a}" for _, a in cast]})
        )
        checked = 0
        for user in range(5):
            item = 10 + user
            here = replace(films, user_key=f"u{user}", item_name=f"f{item}")
            groups = []
            for j in sorted(f for u, f in ratings if u == user and user in fans.get(f, set()))[:6]:
                for t, a in cast[: 3 * 12 : 5]:
                    count = len(fans[j] & fans.get(t, set()) - {user})
                    if count and t not in (j, item) and j != item and (item, a) in cast:
                        tail = [here.node("Person", f"p{a}")]
                        groups.append(
                            here.cold([f"f{t}"], tail, [forth("STARRING"), back("STARRING")], (f"f{j}", count))
                        )
                count = len(fans[j] & fans.get(item, set()) - {user})
                if count and j != item:
                    groups.append(here.taste((f"f{j}", count)))
            paths = [p for g in groups for p in g.paths]
            assert mismatches(paths, store.query(*cypher_for(films.schema, f"u{user}", f"f{item}", paths))) == ()
            checked += len(paths)
        assert checked > 20
    finally:
        store.close()


def test_without_paths_no_row(store: GraphStore, films: Make) -> None:
    table = store.query(*cypher_for(films.schema, "42", "the score", []))
    assert table.num_rows == 0
    assert matches([], table)


def test_rows_not_shown_are_told(films: Make) -> None:
    paths = films.taste(("Heat", 2)).paths
    table = pa.table(
        {"pattern": [0, 0], "nodes": [["42", "heat", "*", "the score"], ["42", "x", "*", "y"]], "count": [2, 1]}
    )
    assert mismatches(paths, table) == ("in the store but not shown: 42 - x - 1 others - y",)
    assert not matches(paths, table)


def test_values_are_parameters_only(films: Make) -> None:
    hostile = "'}) DETACH DELETE n //`"
    paths = films.shared(forth("STARRING"), back("STARRING"), "Person", hostile, hostile).paths
    plain = films.shared(forth("STARRING"), back("STARRING"), "Person", "x", "y").paths
    statement, parameters = cypher_for(films.schema, "42", "the score", paths)
    assert statement == cypher_for(films.schema, "42", "the score", plain)[0]
    assert parameters["rows_0"] == [{"n1": hostile.lower(), "n2": hostile.lower()}]
    assert set(parameters) == {"user", "item", "rows_0", "positive_from"}


def test_no_threshold_where_the_schema_has_none(music: Make) -> None:
    statement, parameters = cypher_for(music.schema, "42", "low", music.taste(("Codeine", 2)).paths)
    if music.schema.interaction.positive_from is None:
        assert "positive_from" not in statement
        assert "positive_from" not in parameters
    else:
        assert parameters["positive_from"] == music.schema.interaction.positive_from


def test_paths_of_another_schema_are_refused(films: Make, music: Make) -> None:
    paths = films.taste(("Heat", 2)).paths
    with pytest.raises(SchemaError, match="another schema"):
        cypher_for(music.schema, "42", "the score", paths)


def test_paths_of_another_item_are_refused(films: Make) -> None:
    with pytest.raises(ValueError, match="expected paths from"):
        cypher_for(films.schema, "42", "other", films.taste(("Heat", 2)).paths)


def test_other_users_are_never_named() -> None:
    you, other, film = PathNode("User", "1", None), PathNode("User", "2", "Eve"), PathNode("Film", "f", "F")
    with pytest.raises(ValueError, match="never named"):
        Path("taste", (you, other, film), (PathEdge("FRIEND", True), PathEdge("RATED", True)), 1.0, 1.0)
    with pytest.raises(ValueError, match="one node more"):
        Path("taste", (you, film), (), 1.0, 1.0)


def test_what_was_bought_is_the_sum_of_a_pair_s_edges_on_every_kind_of_path(tmp_path: FilePath) -> None:
    shop = Make(GraphSchema.bundled("shop"), item_name="Tea")
    bought = [("42", "cup", 2.0), ("a", "cup", 1.0), ("a", "tea", 1.0), ("c", "cup", 3.0), ("c", "tea", 1.0)]
    bought += [("b", "cup", 0.0), ("b", "tea", 1.0), ("c", "pot", 1.0)]  # b has given the cup back
    sources, targets, quantities = (list(column) for column in zip(*bought, strict=True))
    store = connect(str(tmp_path / "graph"))
    try:
        store.apply_schema(shop.schema)
        store.write_nodes("Customer", pa.table({"customer_id": ["42", "a", "b", "c"]}))
        store.write_nodes("Product", pa.table({"product_id": ["cup", "pot", "tea"], "name": ["Cup", "Pot", "Tea"]}))
        store.write_nodes("Category", pa.table({"category_id": ["kitchen"], "name": ["Kitchen"]}))
        store.write_edges("BOUGHT", pa.table({"source": sources, "target": targets, "quantity": quantities}))
        kinds = pa.table({"source": ["cup", "pot", "tea"], "target": ["kitchen"] * 3})
        store.write_edges("IN_CATEGORY", kinds)
        shared = [forth("IN_CATEGORY"), back("IN_CATEGORY")]
        kitchen = shop.node("Category", "Kitchen")
        groups = [
            shop.taste(("Cup", 2)),
            shop.shared(*shared, "Category", "Kitchen", "Cup"),
            shop.cold(["Pot"], [kitchen], shared, ("Cup", 1)),
        ]
        for paths in ([p for g in groups for p in g.paths], *(g.paths for g in groups)):
            assert mismatches(paths, store.query(*cypher_for(shop.schema, "42", "tea", paths))) == ()
    finally:
        store.close()
