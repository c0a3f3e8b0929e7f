"""Profiles: counts taken by hand, values that are sums of addends, sentences that say the counts and nothing else."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from math import log

import jsonschema
import numpy as np
import pytest
from people_world import known_viewers
from toy_graph import with_user

from kg_rec.api import Model
from kg_rec.errors import ConfigError, NotFoundError
from kg_rec.explain.words.grammar import check_phrase, sentences
from kg_rec.explain.words.languages.base import speaker
from kg_rec.explain.words.patterns import TONES, Tone, pattern, profile_kinds
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender
from kg_rec.people.features import Feature, Features
from kg_rec.people.profile import Clause, Profile, ProfileConfig, Profiler, log_likelihood
from kg_rec.people.profile_words import profile_json, tell_clause, tell_profile
from kg_rec.schema import GraphSchema

EVERYTHING = ProfileConfig(clauses=50, least=2, evidence=0.0)
SCHEMA = json.loads(files("kg_rec.people").joinpath("profile.schema.json").read_text(encoding="utf-8"))


def profile(user: str = "u30", config: ProfileConfig | None = None) -> Profile:
    return Model(known_viewers()).profile(user, config=config)


def has(model: Recommender, item: int, feature: Feature) -> bool:
    """Looked up in the edges, one by one."""
    snapshot = model.snapshot
    if feature.years is not None:
        year = snapshot.nodes["Film"].column("year")[item].as_py()
        return year is not None and feature.years[0] <= year <= feature.years[1]
    edges = snapshot.edges[feature.relation]
    node = snapshot.ids[feature.type].index(feature.key)
    return (item, node) in set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))


def test_a_viewer_of_one_kind_likes_it_and_avoids_the_others() -> None:
    """Viewer 30 likes westerns, which are those of the fifties."""
    found = profile(config=ProfileConfig(evidence=3.0))
    assert {c.feature.key for c in found.likes} & {"western", "1950-1959"}
    assert {c.feature.key for c in found.avoids} & {"space", "romance", "1970-1979", "1990-1999"}
    assert all(c.lift > 1 for c in found.likes)
    assert all(c.lift < 1 for c in found.avoids)


def test_every_count_is_that_of_the_edges() -> None:
    model = known_viewers()
    edges = model.snapshot.liked()
    liked = list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    found = profile(config=EVERYTHING)
    assert len(found.clauses) > 15
    for clause in found.clauses:
        mine = [i for u, i in liked if u == 30]
        assert clause.total == len(mine)
        assert clause.count == sum(has(model, i, clause.feature) for i in mine)
        assert clause.all_total == len(liked)
        assert clause.all_count == sum(has(model, i, clause.feature) for _, i in liked)


def test_a_value_is_the_sum_of_its_terms_and_the_difference_of_mean_scores() -> None:
    """Items with the feature score so much higher for the user than those without, beyond the mean of all users."""
    model = known_viewers()
    scores = model.scores(np.arange(len(model.users)))
    for clause in profile(config=EVERYTHING).clauses:
        inside = np.array([has(model, i, clause.feature) for i in range(len(model.items))])
        apart = scores[:, inside].mean(axis=1) - scores[:, ~inside].mean(axis=1)
        base = model.base[inside].mean() - model.base[~inside].mean()
        assert sum(v for _, v in clause.terms) == pytest.approx(apart[30] - base, rel=1e-5, abs=1e-7)
        assert clause.value == pytest.approx(apart[30] - apart.mean(), rel=1e-4, abs=1e-7)
    assert [k for k, _ in clause.terms] == [model.items.key(i) for i in model.histories[[30]].indices.tolist()]


def test_evidence_is_the_log_likelihood_ratio() -> None:
    n, total, p = 6, 10, 30 / 100
    expected = 2 * (n * log(n / total / p) + (total - n) * log((total - n) / total / (1 - p)))
    found = log_likelihood(np.array([6, 3, 0]), 10, np.array([30, 30, 30]), 100)
    assert found[0] == pytest.approx(expected)
    assert found[1] == pytest.approx(0)
    assert found[2] == pytest.approx(-20 * log(0.7))


def test_the_same_items_are_told_once() -> None:
    """Of features that the same of a viewer's films have, one is told; there are such features."""
    model = known_viewers()
    profiler = Profiler(model, EVERYTHING)
    matrix = profiler.features.matrix.toarray()
    repeated = 0
    for u in range(12):
        mine = model.histories[[u]].indices
        expected = matrix.T @ np.asarray(profiler.features.liked.sum(axis=0)).ravel() * len(mine)
        more = matrix[mine].sum(axis=0) * profiler.features.likes > expected
        sets = [tuple(np.flatnonzero(matrix[mine, c])) for c in np.flatnonzero(more & (matrix[mine].sum(axis=0) >= 2))]
        told = profiler.profile(model.users.key(u)).likes
        assert len(told) == len(set(sets))
        repeated += len(sets) - len(set(sets))
    assert repeated > 0


def test_least_and_clauses_bound_what_is_told() -> None:
    assert len(profile(config=ProfileConfig(clauses=1, evidence=1.0)).likes) == 1
    assert all(c.count >= 4 for c in profile(config=ProfileConfig(clauses=9, least=4, evidence=0.5)).likes)
    with pytest.raises(ConfigError, match=r"profile\.least"):
        ProfileConfig(least=0)
    with pytest.raises(NotFoundError, match="nobody"):
        profile("nobody")


def test_somebody_who_liked_nothing_has_no_clauses() -> None:
    base = known_viewers()
    model = Model(base.with_snapshot(with_user(base.snapshot, "zz", {4: 1.0})))
    found = model.profile("zz")
    assert (found.total, found.clauses) == (0, ())
    assert "no profile" in tell_profile(found)
    jsonschema.validate(profile_json(found), SCHEMA)


@pytest.mark.parametrize("schema", ["movies", "shop", "music", "interactions"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_sentence_that_ships_derives_from_the_grammar(schema: str, lang: str) -> None:
    for kind in profile_kinds(GraphSchema.bundled(schema)):
        said = pattern(GraphSchema.bundled(schema), lang, kind)
        for tone in TONES:
            shipped = sentences(said, tone)
            assert shipped, kind.key
            for text in shipped:
                assert check_phrase(said, text, lang, tone) == (), text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("more shared HAS_GENRE one", "Only [COUNT_1] of your [TOTAL_1] films are of the genre [GENRE_1]."),
        ("more shared HAS_GENRE one", "[COUNT_1] of your [TOTAL_1] films were directed by [GENRE_1]."),
        ("more shared HAS_GENRE one", "[TOTAL_1] of your [COUNT_1] films are of the genre [GENRE_1]."),
        (
            "more shared HAS_GENRE one",
            "[COUNT_1] of your [TOTAL_1] films are of the genre [GENRE_1], bravely.",
        ),
        ("more shared HAS_GENRE one", "All [COUNT_1] of your [TOTAL_1] films are of the genre [GENRE_1]."),
        ("more shared HAS_GENRE one", "[COUNT_1] of your [TOTAL_1] films are not of the genre [GENRE_1]."),
        ("fewer shared HAS_GENRE one", "None of your [TOTAL_1] films is of the genre [GENRE_1]."),
        ("never shared HAS_GENRE one", "Only [COUNT_1] of your [TOTAL_1] films is of the genre [GENRE_1]."),
    ],
)
def test_what_the_counts_do_not_say_is_refused(key: str, text: str) -> None:
    schema = GraphSchema.bundled("movies")
    said = next(p for p in (pattern(schema, "en", k) for k in profile_kinds(schema)) if p.key == key)
    assert check_phrase(said, text, "en", "friendly")


def numbers(text: str) -> list[float]:
    """The numbers of a text outside of names, in its order."""
    bare = re.sub(r"“[^”]*”|\d{4}–\d{4}|Person \d", " ", text)
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?", bare)]


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_sentences_say_the_counts(lang: str, tone: Tone) -> None:
    found = profile(config=EVERYTHING)
    kinds = set()
    for clause in found.clauses:
        said = numbers(tell_clause(found, clause, Wording(lang, tone)))
        small = {"en": [clause.count, clause.total], "zh": [clause.total, clause.count]}[lang]
        if clause.count in (0, clause.total):
            small = [clause.total]
        if lang == "en" and tone == "formal" and clause.count and len(small) > 1:
            small = small[::-1]
        usual, own = (100 * a / b for a, b in ((clause.all_count, clause.all_total), (clause.count, clause.total)))
        shares = {"short": [], "audit": [own, usual]}.get(tone, [usual])
        assert said[: len(small)] == small
        assert said[len(small) :] == pytest.approx(shares, abs=0.5)
        kinds.add((clause.likes, min(clause.count, 2)))
    assert {(True, 2), (False, 0)} <= kinds


def test_english_agrees_with_the_number() -> None:
    english = speaker(GraphSchema.bundled("movies"), "en")
    for one, many in [
        ("is of the genre {}", "are of the genre {}"),
        ("was directed by {}", "were directed by {}"),
        ("stars {}", "star {}"),
        ("goes with {}", "go with {}"),
        ("can replace {}", "can replace {}"),
        ("won the award {}", "won the award {}"),
        ("carries {}", "carry {}"),
        ("flies from {}", "fly from {}"),
        ("lies in {}", "lie in {}"),
        ("passes through {}", "pass through {}"),
    ]:
        assert english.plural_verb(one) == many
    found = profile(config=EVERYTHING)
    text = " ".join(tell_clause(found, c, Wording("en", "short")) for c in found.clauses)
    assert "films are of the genre" in text
    assert re.search(r"None of your \d+ films (is|was|stars)", text)


def test_names_stay_names() -> None:
    """A genre with an evil name changes no sentence."""
    found = profile(config=EVERYTHING)
    clause = found.clauses[0]
    evil = Feature("HAS_GENRE", "Genre", "x", "x] ”, and none else [COUNT_1] \n\u202e {count}")
    told = tell_clause(found, Clause(evil, *(getattr(clause, n) for n in list(Clause.__slots__)[1:])))
    assert told.count("”") == 1
    assert "\n" not in told
    assert "\u202e" not in told
    assert str(clause.total) in told


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_json_follows_its_schema(lang: str) -> None:
    found = profile(config=EVERYTHING)
    data = json.loads(json.dumps(profile_json(found, Wording(lang, "audit"))))
    jsonschema.validate(data, SCHEMA)
    for clause in data["clauses"]:
        assert sum(t["value"] for t in clause["terms"]) - clause["everybody"] == pytest.approx(clause["value"])
        assert clause["text"] in data["text"]


def test_a_feature_of_one_item_or_of_all_is_none() -> None:
    features = Features(known_viewers())
    assert features.items.min() >= 2
    assert features.items.max() < len(known_viewers().items)
    assert {features.feature(c).relation for c in range(len(features.items))} == {
        *("HAS_GENRE", "DIRECTED_BY", "STARRING", "year")
    }


def test_one_profiler_serves_all_users_alike() -> None:
    profiler = Profiler(known_viewers())
    first = profile_json(profiler.profile("u07"))
    profiler.profile("u08")
    assert profile_json(profiler.profile("u07")) == first == profile_json(Profiler(known_viewers()).profile("u07"))
