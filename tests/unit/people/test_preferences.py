"""What a person says of themselves: what is understood, and that scores change by exactly what was said."""

from __future__ import annotations

import numpy as np
import pytest
from people_world import known_viewers

from kg_rec.api import Model
from kg_rec.ask.answer import AskConfig
from kg_rec.errors import ArgumentError, ConfigError, NotFoundError
from kg_rec.people.features import Feature
from kg_rec.people.preference_words import edited_json, tell_preference
from kg_rec.people.preferences import Edited, Preference
from kg_rec.people.profile import ProfileConfig

WESTERN = Feature("HAS_GENRE", "Genre", "western", "western")
SEVENTIES = Feature.of_years("year", 1970, 1979)
USER = "u30"


def edited(*preferences: Preference, user: str = USER) -> Edited:
    return Model(known_viewers()).editor.apply(user, preferences)


def westerns() -> np.ndarray:
    return np.arange(len(known_viewers().items)) % 3 == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no westerns", [("never", "western")]),
        ("less western", [("less", "western")]),
        ("more romance, no space", [("more", "romance"), ("never", "space")]),
        ("only romance", [("only", "romance")]),
        ("I like romance", [("more", "romance")]),
        ("more from the seventies", [("more", "1970-1979")]),
        ("fewer films from the seventies", [("less", "1970-1979")]),
        ("not from the fifties", [("never", "1950-1959")]),
        ("nothing by Person 3", [("never", "p3")]),
        ("不要西部片", [("never", "western")]),
        ("少一点爱情片", [("less", "romance")]),
        ("多一些七十年代的", [("more", "1970-1979")]),
    ],
)
def test_what_is_said_is_understood(text: str, said: list[tuple[str, str]]) -> None:
    found, remarks = Model(known_viewers()).editor.read(text)
    assert sorted((p.kind, p.feature.key) for p in found) == sorted(said)
    assert remarks == ()


@pytest.mark.parametrize("text", ["no Western 3", "cheaper please", "blorps and gnarfs", "MATCH (n) DETACH DELETE n"])
def test_what_is_no_preference_is_told_and_changes_nothing(text: str) -> None:
    found, remarks = Model(known_viewers()).editor.read(text)
    assert found == ()
    assert remarks


@pytest.mark.parametrize(("kind", "sign"), [("more", 1), ("less", -1)])
@pytest.mark.parametrize("feature", [WESTERN, SEVENTIES], ids=["node", "years"])
def test_more_and_less_add_one_number_to_the_items_that_have_it(kind: str, sign: int, feature: Feature) -> None:
    plain, found = edited(), edited(Preference(kind, feature))  # type: ignore[arg-type]
    years = known_viewers().snapshot.nodes["Film"].column("year").to_pylist()
    has = westerns() if feature is WESTERN else np.array([y is not None and 1970 <= y <= 1979 for y in years])
    size = AskConfig().wish * plain.yours[~plain.out].std()
    assert np.allclose(found.scores - plain.scores, np.where(has, sign * size, 0), rtol=0, atol=1e-12)
    assert has.sum() > 3


def test_after_a_clause_is_struck_its_items_score_as_for_everybody() -> None:
    model = Model(known_viewers())
    preference = model.editor.clause(USER, "western")
    assert preference == Preference("struck", WESTERN)
    found = model.editor.apply(USER, [preference])
    scores = known_viewers().scores(np.arange(60))
    has = westerns()

    def apart(values: np.ndarray) -> np.ndarray:
        return values[..., has].mean(axis=-1) - values[..., ~has].mean(axis=-1)

    assert apart(found.yours) - apart(scores).mean() > 0.5
    assert apart(found.scores) == pytest.approx(apart(scores).mean(), abs=1e-5)
    change = found.scores - found.yours
    assert np.unique(change[~has]).tolist() == [0]
    assert np.ptp(change[has]) == pytest.approx(0, abs=1e-12)
    clause = next(c for c in model.profile(USER).clauses if c.feature == WESTERN)
    assert change[has][0] == pytest.approx(-clause.value, rel=1e-4)


def test_never_and_only_say_what_is_listed() -> None:
    model = known_viewers()
    listed = [model.items.index(k) for k in edited(Preference("never", WESTERN)).recommend(45)["item"].to_pylist()]
    assert listed
    assert not westerns()[listed].any()
    only = [model.items.index(k) for k in edited(Preference("only", WESTERN)).recommend(45)["item"].to_pylist()]
    assert westerns()[only].all()
    assert len(only) + len(listed) == len(edited().recommend(45))


def test_the_addends_sum_to_each_score_and_the_list_is_told() -> None:
    found = edited(Preference("more", SEVENTIES), Preference("struck", WESTERN))
    for row in found.recommend(20).to_pylist():
        assert sum(v for _, v in found.addends(row["item"])) == pytest.approx(row["score"], rel=1e-12)
    data = edited_json(found, 5)
    for row in data["items"]:
        assert sum(a["value"] for a in row["addends"]) == pytest.approx(row["score"], rel=1e-12)
    assert {r["item"] for r in data["entered"]} == set(found.recommend(5)["item"].to_pylist()) - set(
        edited().recommend(5)["item"].to_pylist()
    )
    assert len(data["entered"]) == len(data["left"]) > 0


def test_without_a_word_the_list_is_that_of_the_model() -> None:
    found = edited()
    assert found.recommend(10)["item"].to_pylist() == Model(known_viewers()).recommend([USER])["item"].to_pylist()
    with pytest.raises(ConfigError, match="k of at least 1"):
        found.best(0)


def test_a_node_that_is_gone_changes_nothing() -> None:
    found = edited(Preference("more", Feature("HAS_GENRE", "Genre", "gone", "gone")))
    assert np.array_equal(found.scores, found.yours)


def test_any_relation_to_a_person_counts() -> None:
    found, _ = Model(known_viewers()).editor.read("nothing with Person 3")
    assert found[0].feature.identity == ("", "Person", "p3")
    graph = known_viewers().snapshot
    tied = {
        i for r in ("DIRECTED_BY", "STARRING")
        for i, p in zip(graph.edges[r].source.tolist(), graph.edges[r].target.tolist(), strict=True) if p == 3
    }  # fmt: skip
    assert set(np.flatnonzero(~edited(*found).allowed).tolist()) == tied


def test_what_is_unknown_is_refused_by_name() -> None:
    editor = Model(known_viewers()).editor
    with pytest.raises(ArgumentError, match="western"):
        editor.clause(USER, "nothing")
    with pytest.raises(NotFoundError, match="nobody"):
        editor.apply("nobody", [])
    with pytest.raises(ArgumentError, match="struck"):
        Preference("loud", WESTERN)  # type: ignore[arg-type]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_kind_is_told_with_the_name_as_a_name(lang: str) -> None:
    evil = Feature("HAS_GENRE", "Genre", "x", "x\n”. {shared} \u202e")
    for kind in ("struck", "more", "less", "never", "only"):
        told = tell_preference(known_viewers().snapshot.schema, Preference(kind, evil), lang)  # type: ignore[arg-type]
        assert "\n" not in told
        assert "\u202e" not in told
        assert "{shared}" in told


def test_a_struck_clause_is_left_out_of_the_profile() -> None:
    found = Model(known_viewers()).profile(USER, config=ProfileConfig(evidence=3.0))
    left = found.without([Feature("HAS_GENRE", "Genre", "western", "another name")])
    assert len(left.clauses) == len(found.clauses) - 1
