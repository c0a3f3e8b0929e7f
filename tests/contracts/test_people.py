"""What is told of people is counted in the graph: the statements return the counts, on every store."""

from __future__ import annotations

import pytest
from people_world import known_viewers
from toy_graph import fill

from kg_rec.api import Model
from kg_rec.errors import NotFoundError
from kg_rec.people.evolution import EvolutionConfig
from kg_rec.people.evolution_words import evolution_json
from kg_rec.people.features import Feature
from kg_rec.people.kept import Kept
from kg_rec.people.preferences import Preference
from kg_rec.people.profile import ProfileConfig
from kg_rec.snapshot import export
from kg_rec.store import GraphStore

EVERYTHING = ProfileConfig(clauses=50, least=2, evidence=0.0)


def test_the_statements_of_a_profile_return_its_counts(films_store: GraphStore) -> None:
    model = Model(known_viewers())
    fill(films_store, known_viewers().snapshot)
    found = model.profile("u30", config=EVERYTHING)
    assert {c.feature.years is None for c in found.clauses} == {True, False}
    assert any(c.count == 0 for c in found.clauses)
    assert found.differences(films_store) == ()
    western = next(c for c in found.clauses if c.feature.key == "western")
    statement, parameters = found.cypher(western)
    rows = {row["what"]: row["count"] for row in films_store.query(statement, parameters).to_pylist()}
    assert rows == {n: getattr(western, n) for n in ("count", "total", "all_count", "all_total")}


def test_a_graph_that_changed_is_told(films_store: GraphStore) -> None:
    fill(films_store, known_viewers().snapshot)
    found = Model(known_viewers()).profile("u30", config=EVERYTHING)
    gone = "MATCH (u:User {user_id: 'u30'})-[r:RATED]->(:Film)-[:HAS_GENRE]->(:Genre {genre_id: 'western'}) DELETE r"
    films_store.transact([(gone, {})])
    lines = found.differences(films_store)
    assert any("HAS_GENRE 'western': count is" in line for line in lines)
    assert any("total is" in line for line in lines)


@pytest.mark.parametrize("name", ["years", "node"])
def test_hostile_keys_are_parameters(films_store: GraphStore, name: str) -> None:
    fill(films_store, known_viewers().snapshot)
    found = Model(known_viewers()).profile("u30", config=EVERYTHING)
    clause = next(c for c in found.clauses if (c.feature.years is None) == (name == "node"))
    statement, parameters = found.cypher(clause)
    assert "u30" not in statement
    assert clause.feature.key not in statement
    assert set(parameters) == {"user", "positive_from", *(["node"] if name == "node" else ["low", "high"])}


@pytest.mark.parametrize("user", ["u30", None])
def test_the_statements_of_a_change_return_the_counts_of_each_window(films_store: GraphStore, user: str | None) -> None:
    model = Model(known_viewers())
    fill(films_store, known_viewers().snapshot)
    found = model.evolution(user, config=EvolutionConfig(features=9, permutations=19))
    data = evolution_json(known_viewers().snapshot, found)
    assert len(data["features"]) == 9
    for feature in data["features"]:
        for window, count in zip(data["windows"], feature["counts"], strict=True):
            times = {"since": window["first"], "until": window["last"]}
            rows = films_store.query(feature["cypher"], {**feature["parameters"], **times}).to_pylist()
            assert {row["what"]: row["count"] for row in rows} == {"count": count, "total": window["total"]}


@pytest.mark.parametrize(
    "attributes",
    [{"age": 20, "occupation": " Pilot"}, {"age": 40, "zip_code": "10999"}, {"age": 90, "occupation": "rancher"}],
)
def test_the_statements_of_a_newcomer_return_the_counts(films_store: GraphStore, attributes: dict[str, object]) -> None:
    fill(films_store, known_viewers().snapshot)
    found = Model(known_viewers()).newcomer(likes=["f00", "f04"], attributes=attributes)
    assert [g.kind for g in found.groups] == ["attribute", "attribute", "like", "like"]
    for item in ("f01", "f04", "f30"):
        statements = found.statements(item)
        assert sum(s is not None for s in statements) == (4 if item == "f04" else 5)
        assert found.differences(films_store, item) == ()
    told = "MATCH (u:User {user_id: 'u01'})-[r:RATED]->() DELETE r"
    films_store.transact([(told, {})])
    assert any(
        "popularity : users is 60 for the newcomer and 59" in line for line in found.differences(films_store, "f01")
    )


# --- what users say of themselves ----------------------------------------------------------------------

WESTERN = Feature("HAS_GENRE", "Genre", "western", "western")
ROMANCE = Feature("HAS_GENRE", "Genre", "romance", "romance")
ANY_PERSON = Feature("", "Person", "p3", "Person 3")
SEVENTIES = Feature.of_years("year", 1970, 1979)


def test_preferences_are_kept_as_edges_of_the_user(films_store: GraphStore) -> None:
    fill(films_store, known_viewers().snapshot)
    before = export(films_store).digest
    kept = Kept.of(films_store)
    assert kept.read("u30") == ()
    said = (Preference("more", SEVENTIES), Preference("never", WESTERN), Preference("less", ANY_PERSON))
    kept.add("u30", said, 100)
    assert kept.read("u30") == said
    assert kept.read("u31") == ()
    kept.add("u07", said[:1], 100)
    assert kept.everybody() == {"u30": said, "u07": said[:1]}
    assert (kept.some("u30"), kept.some("u31"), kept.some("nobody")) == (True, False, False)
    kept.remove("u07")
    kept.add("u30", [Preference("struck", WESTERN)], 200)  # takes the place of what was said before
    assert kept.read("u30") == (said[0], said[2], Preference("struck", WESTERN))
    kept.remove("u30", [SEVENTIES])
    assert kept.read("u30") == (said[2], Preference("struck", WESTERN))
    assert export(films_store).digest == before
    edges = "MATCH (:User {user_id: 'u30'})-[e:KG_REC_PREFERS]->() RETURN count(e) AS n"
    assert films_store.query(edges)["n"].to_pylist() == [2]
    kept.remove("u30")
    assert kept.read("u30") == ()
    assert films_store.query(edges)["n"].to_pylist() == [0]


def test_nothing_is_kept_where_an_end_is_missing(films_store: GraphStore) -> None:
    fill(films_store, known_viewers().snapshot)
    kept = Kept.of(films_store)
    gone = Feature("HAS_GENRE", "Genre", "gone' DETACH DELETE n //", "gone")
    with pytest.raises(NotFoundError, match="gone"):
        kept.add("u30", [Preference("more", ROMANCE), Preference("more", gone)], 1)
    with pytest.raises(NotFoundError, match="nobody"):
        kept.add("nobody", [Preference("more", ROMANCE)], 1)
    assert kept.read("u30") == kept.read("nobody") == ()
