"""What a user said is in every list, score and explanation of the user, and told there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from people_world import known_viewers

import kg_rec.explain
from kg_rec.api import Model
from kg_rec.errors import ModelError
from kg_rec.explain.show.text import to_dict
from kg_rec.explain.show.view import ExplanationView
from kg_rec.explain.verify.reading import read
from kg_rec.explain.verify.truth import Facts, error
from kg_rec.explain.words.comparisons import tell_why_not
from kg_rec.explain.words.what_if import tell_counterfactual
from kg_rec.model.fashion import Fashion
from kg_rec.people.features import Feature
from kg_rec.people.preferences import Preference

WESTERN = Feature("HAS_GENRE", "Genre", "western", "western")
ROMANCE = Feature("HAS_GENRE", "Genre", "romance", "romance")
SEVENTIES = Feature.of_years("year", 1970, 1979)
USER = "u30"
SAID = (Preference("more", SEVENTIES), Preference("less", ROMANCE), Preference("never", WESTERN))


def plain() -> Model:
    return Model(known_viewers())


def stated(*said: Preference) -> Model:
    return plain().with_preferences(USER, said or SAID)


def test_lists_and_scores_are_those_that_prefer_shows() -> None:
    edited, model = plain().editor.apply(USER, SAID), stated()
    row = model.recommender.users.index(USER)
    np.testing.assert_allclose(model.recommender.scores(np.array([row]))[0], edited.scores, rtol=1e-5)
    listed = model.recommend([USER], 6)
    assert listed["item"].to_pylist() == edited.recommend(6)["item"].to_pylist()
    assert listed["item"].to_pylist() != plain().recommend([USER], 6)["item"].to_pylist()
    assert not {int(item[1:]) % 3 for item in listed["item"].to_pylist()} & {0}  # westerns are every third film
    assert plain().with_preferences(USER, ()).recommender is known_viewers()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_explanation_tells_what_was_said_as_addends(lang: str) -> None:
    model = stated()
    schema = json.loads((Path(kg_rec.explain.__file__).parent / "explanation.schema.json").read_text("utf-8"))
    told = set()
    for item in model.recommend([USER], 20)["item"].to_pylist():
        found = model.explain(USER, item, lang=lang)
        before = plain().explain(USER, item, lang=lang)
        assert (before.stated, before.terms) == ((), found.terms)
        assert sum(value for _, value in found.stated) == pytest.approx(found.base - before.base, abs=1e-5)
        row, place = model.recommender.users.index(USER), model.recommender.items.index(item)
        assert error(found, model.recommender.scores(np.array([row]))[0, place]) < 1e-5
        assert all(text in found.text for text, _ in found.stated)
        parts = dict(ExplanationView(found).channels)
        assert ("stated" in parts) is bool(found.stated)
        assert sum(parts.values()) == pytest.approx(found.score, rel=1e-5)
        jsonschema.validate(to_dict(found), schema)
        reading = read(Facts.of(model.recommender.snapshot), found)
        assert (reading.names, reading.numbers) == ((), ())
        told |= {text for text, _ in found.stated}
    expected = {
        "en": {"You asked for more of 1970–1979.", "You asked for less of “romance”."},
        "zh": {"你想多要一些1970–1979。", "你想少要一些“romance”。"},
    }
    assert told == expected[lang]


def test_what_may_not_be_listed_is_not_said_to_be_had() -> None:
    model = stated()
    western = next(
        i for i in range(0, len(model.recommender.items), 3) if i not in model.recommender.seen[[30]].indices
    )
    key, schema = model.recommender.items.key(western), model.recommender.snapshot.schema
    assert "already_interacted" not in model.explain(USER, key).notes
    found = model.why_not(USER, key, 5)
    assert (found.standing, found.rank) == ("shut_out", None)
    assert "not among what may be listed" in tell_why_not(found, schema)
    other = model.counterfactual(USER, key, 5)
    assert other.outcome == "shut_out"
    assert "不在可以列给你的范围内" in tell_counterfactual(other, schema, "zh")


def test_a_request_is_answered_with_what_was_said_before() -> None:
    model = stated()
    answer = model.ask(USER, "films from the seventies", 5)
    first = answer.items[0]
    assert next(a.about for a in first.addends if a.kind == "said") == "You asked for more of 1970–1979."
    assert sum(a.value for a in first.addends) == pytest.approx(first.score, rel=1e-5)
    own = plain().ask(USER, "films from the seventies", 5)
    mine = {s.item: s.addends[0].value for s in own.items}
    for one in answer.items:  # what the user did counts as it did
        assert one.item not in mine or one.addends[0].value == pytest.approx(mine[one.item], rel=1e-5)
    assert "You asked for more of 1970–1979 +" in answer.text
    none = model.ask(USER, "a western", 5)
    assert none.items == ()
    assert any("You asked for none of “western”" in remark for remark in none.remarks)
    assert model.ask(None, "a western", 5).items  # nobody said anything


def test_it_is_the_model_of_one_user(tmp_path: Path) -> None:
    model = stated()
    with pytest.raises(ModelError, match="one user"):
        model.save(tmp_path / "model")
    with pytest.raises(ModelError, match="one user"):
        model.with_snapshot(model.recommender.snapshot)
    with pytest.raises(ModelError, match="one user"):
        model.with_preferences(USER, SAID)


def test_it_stays_when_the_fashion_is_counted_at_another_time() -> None:
    bare = known_viewers()
    dressed = replace(bare, fashion=Fashion.of(0.5, 2, bare.base, bare.snapshot.liked())).at(None)
    model = Model(dressed).with_preferences(USER, SAID).recommender
    assert model.stated is not None
    later = model.at(10**9)
    assert later.fashion is not None
    np.testing.assert_allclose(later.base, later.fashion.base + model.stated.total, rtol=1e-5)
