"""Explanations of real scores: the numbers, the words, and the Cypher on both stores."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from toy_graph import everything, fill, films, pairs, with_user

import kg_rec.explain.single as explain_module
from kg_rec.api import Model
from kg_rec.errors import ConfigError, NotFoundError, SchemaError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.show.cypher import mismatches
from kg_rec.explain.show.text import to_json
from kg_rec.explain.single import explain
from kg_rec.explain.words.numbers import percent, signed
from kg_rec.explain.words.wording import Wording
from kg_rec.model.cold.similarity import TEXT
from kg_rec.model.recommender import Recommender
from kg_rec.store import GraphStore

SCHEMA = json.loads((Path(explain_module.__file__).parent / "explanation.schema.json").read_text(encoding="utf-8"))
WARM, COLD = "f07", "f44"


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


#: Follow all addends into paths and show all of them, instead of the largest.
EVERYTHING = ExplainConfig(
    groups=10**6, paths_per_group=10**6, least_share=0.0, specificity=0.0, hubs=10**6, repeats=True
)


def whole(model: Recommender, user: str, item: str) -> Explanation:
    return explain(model, user, item, config=EVERYTHING)


def some_pairs(model: Recommender, count: int, seed: int = 2) -> list[tuple[str, str]]:
    """Random pairs, and for each of some users a film that nobody has had yet."""
    found = [(f"u{u:02d}", f"f{i:02d}") for u, i in pairs(model, count, seed)]
    return found + [(f"u{u:02d}", f"f{39 + u % 6}") for u in range(0, 60, 10)]


# --- numbers -------------------------------------------------------------------------------------------


def test_what_shared_facts_add_is_told(model: Recommender) -> None:
    told, column = 0, model.items.index
    for user, item in some_pairs(model, 20):
        e = explain(model, user, item)
        values = model.contributions(model.users.index(user), column(item)).values["knowledge"]
        assert e.by_facts == pytest.approx(float(values.sum()), rel=1e-6, abs=1e-9)
        if e.by_facts > 0 and e.score > 0:
            told += 1
            assert f"By shared facts alone: {signed(e.by_facts)}, {percent(e.by_facts / e.score)} of the score." in (
                e.to("text")
            )
    assert told


def test_what_speaks_for_it_less_what_speaks_against_it_is_the_score(model: Recommender) -> None:
    against = 0
    for user, item in some_pairs(model, 30):
        e = explain(model, user, item)
        assert e.speaks_for >= 0
        assert e.speaks_against >= 0
        assert e.speaks_for - e.speaks_against == pytest.approx(e.score, rel=1e-6, abs=1e-9)
        against += e.speaks_against > 0
    assert against > 5


def test_base_and_terms_are_the_score(model: Recommender) -> None:
    scores = model.scores(np.arange(60))
    for user, item in some_pairs(model, 60):
        e = explain(model, user, item)
        assert e.base + sum(t.value for t in e.terms) == pytest.approx(e.score, rel=1e-9, abs=1e-12)
        assert e.score == pytest.approx(scores[model.users.index(user), model.items.index(item)], rel=1e-5)
        assert all(t.value != 0 for t in e.terms)
        assert len({(t.channel, t.source) for t in e.terms}) == len(e.terms)


def test_shares_are_parts_of_the_positive_addends(model: Recommender) -> None:
    for user, item in some_pairs(model, 60):
        e = explain(model, user, item, config=ExplainConfig(groups=10))
        assert all(0 < p.share <= 1 for p in e.paths)
        assert 0 <= e.shown_share <= 1
        assert sum(p.share for p in e.paths) == pytest.approx(e.shown_share)
        assert [p.value for p in e.paths] == sorted((p.value for p in e.paths), reverse=True)
        for group in e.groups:
            assert group.value == pytest.approx(sum(p.value for p in group.paths))
            assert group.share == pytest.approx(sum(p.share for p in group.paths))


def by_source(e: Explanation, channel: str) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for path in e.paths:
        if path.channel == channel:
            found[str(path.nodes[1].key)] += path.value
    return dict(found)


def terms_of(e: Explanation, *channels: str) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for term in e.terms:
        if term.channel in channels:
            found[term.source] += term.value
    return dict(found)


def test_the_paths_through_knowledge_are_that_term(model: Recommender) -> None:
    checked = 0
    for user, item in some_pairs(model, 40):
        e = whole(model, user, item)
        expected = terms_of(e, "knowledge")
        found = by_source(e, "knowledge")
        assert set(found) == set(expected)
        for source, value in expected.items():
            assert found[source] == pytest.approx(value, rel=1e-4)
        checked += len(expected)
    assert checked > 100


def test_a_similar_text_is_that_term_and_a_common_taste_the_sum_of_its_channels(model: Recommender) -> None:
    for user, item in some_pairs(model, 40):
        e = whole(model, user, item)
        meaning = {s: v for s, v in terms_of(e, "meaning").items() if v > 0}
        assert by_source(e, "meaning") == pytest.approx(meaning)
        channels = ("taste", "sequence") if item >= "f39" else ("taste", "relational", "sequence")
        together = terms_of(e, *channels)
        for source, value in by_source(e, "taste").items():
            assert value == pytest.approx(together[source])


def test_the_paths_of_a_new_item_are_parts_of_its_relational_terms(model: Recommender) -> None:
    """z_i = sum of k(i, t) alpha_t over known t: a term is a sum over what i shares with all t together.

    How alike their numbers are is no path: only relations and text are.  Shown and not shown, all adds up.
    """
    assert model.regression is not None
    landmarks, graph = model.regression.landmarks, model.snapshot
    channel = next(c for c in model.channels if c.name == "relational")
    kernel, likes = channel.kernel, model.users_of_items.toarray() > 0
    hidden = checked = 0
    for user, item in [(3, 44), (10, 41), (25, 39)]:
        e = whole(model, f"u{user:02d}", f"f{item}")
        parts = model.similarity.parts(np.array([item]), landmarks)
        weighted = {name: model.similarity.weights[name] * p[0].astype(np.float64) for name, p in parts.items()}
        others = np.delete(likes, user, axis=0).astype(int)
        term = terms_of(e, "relational")
        shown: dict[tuple[str, object], float] = {}
        for p in e.paths:
            if p.channel == "relational":
                between = p.nodes[-2].type == "Film"  # by text, or by a relation between films in either direction
                name = (p.edges[-1].type, None if between else p.nodes[-2].key)
                key = (str(p.nodes[1].key), name)
                assert key not in shown or (between and name[0] is not None)
                shown[key] = shown.get(key, 0.0) + p.value
                assert term[key[0]] > 0
                if any(n.key is None for n in p.nodes):
                    bridge = graph.items.index(str(p.nodes[3].key))
                    both = others[:, graph.items.index(key[0])] & others[:, bridge]
                    assert [n.count for n in p.nodes if n.key is None] == [both.sum()]
        for j in np.flatnonzero(likes[user]).tolist():
            source = f"f{j:02d}"
            reasons = kernel.source[[j]].astype(np.float64) @ model.regression.coefficients.T.astype(np.float64)  # type: ignore[attr-defined]
            cells = float(model.histories[user, j]) * reasons[0] * float(channel.weight[item])
            expected: dict[tuple[str | None, str | None], float] = defaultdict(float)
            for f in model.similarity.factors:
                relation = graph.schema.relation_types[f.relation]
                ids = None if relation.target == relation.source else graph.ids[relation.target]
                for column in f.target[[item]].indices.tolist():
                    through = f.target[item, column] * f.source[landmarks][:, [column]].toarray()[:, 0]
                    adds = float((cells * through).sum()) * model.similarity.weights[f.relation]
                    expected[f.relation, ids and ids.key(column)] += adds
            expected[None, None] = float((cells * weighted[TEXT]).sum())
            known = {name for name, _ in expected}
            rest = sum(float((cells * part).sum()) for name, part in weighted.items() if name not in {*known, TEXT})
            size = sum(map(abs, [*expected.values(), rest]))
            assert abs(sum(expected.values()) + rest - term.get(source, 0.0)) <= 1e-5 * max(size, 1e-3)
            for name, value in expected.items():
                if (source, name) in shown and (name[1] is not None or name[0] is None):
                    assert shown[source, name] == pytest.approx(value, rel=1e-3, abs=1e-7)
                    checked += 1
                elif name[1] is not None:
                    hidden += value > 1e-7 and term.get(source, 0.0) > 0
    assert checked > 20
    assert hidden < checked / 2  # no known item leads there: nobody else had both


def test_only_real_paths_are_shown(model: Recommender) -> None:
    """Every step is an edge of the graph, every count that of other users who liked both ends."""
    graph = model.snapshot
    facts = {
        name: set(zip(e.source.tolist(), e.target.tolist(), strict=True))
        for name, e in {**graph.edges, "RATED": graph.liked()}.items()
    }
    likes = model.users_of_items.toarray() > 0
    forms = set()
    for user, item in some_pairs(model, 12):
        for path in whole(model, user, item).paths:
            forms.add(path.pattern)
            ends = [None if n.key is None else graph.ids[n.type].index(n.key) for n in path.nodes]
            assert path.nodes[0].key == user
            assert path.nodes[-1].key == item
            for n, edge in enumerate(path.edges):
                a, b = (ends[n], ends[n + 1]) if edge.forward else (ends[n + 1], ends[n])
                if edge.type is not None and a is not None and b is not None:
                    assert (a, b) in facts[edge.type]
            for n, node in enumerate(path.nodes):
                if node.key is None:
                    both = likes[:, ends[n - 1]] & likes[:, ends[n + 1]]
                    both[graph.users.index(user)] = False
                    assert node.count == both.sum() > 0
                else:
                    assert node.count == 1
    channels = {f[0] for f in forms}
    assert channels == {"taste", "relational", "knowledge", "meaning"}
    assert any("FOLLOWED_BY" in f for f in forms)
    assert any("^FOLLOWED_BY" in f for f in forms)


def test_channels_limit_the_paths_and_not_the_terms(model: Recommender) -> None:
    e = explain(model, "u04", WARM, config=ExplainConfig(groups=9, channels=("knowledge",)))
    everything_shown = explain(model, "u04", WARM, config=ExplainConfig(groups=9))
    assert {p.channel for p in e.paths} == {"knowledge"}
    assert len({p.channel for p in everything_shown.paths}) > 1
    assert e.terms == everything_shown.terms
    assert e.score == everything_shown.score


def test_top_and_paths_per_group_bound_what_is_shown(model: Recommender) -> None:
    for top, per_group in ((1, 1), (2, 1), (3, 4)):
        e = explain(model, "u04", WARM, config=ExplainConfig(groups=top, paths_per_group=per_group))
        assert 0 < len(e.groups) <= top
        assert all(len(g.paths) <= per_group for g in e.groups)
        assert all(len({p.pattern for p in g.paths}) == 1 for g in e.groups)


def test_recency_enters_the_explanation(model: Recommender) -> None:
    recent = replace(model, chosen=replace(model.chosen, recency=2.0))
    e = explain(recent, "u04", WARM)
    assert e.base + sum(t.value for t in e.terms) == pytest.approx(e.score, rel=1e-9)
    assert e.score == pytest.approx(recent.scores(np.array([4]))[0, 7], rel=1e-5)
    assert e.score != explain(model, "u04", WARM).score


# --- words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", [WARM, COLD])
def test_words_in_both_languages(model: Recommender, item: str) -> None:
    title = model.snapshot.name("Film", model.items.index(item))
    english, chinese = (explain(model, "u04", item, wording=Wording(lang)) for lang in ("en", "zh"))
    assert title in english.text
    assert title in chinese.text
    assert english.lang == "en"
    assert chinese.lang == "zh"
    assert english.text.translate({ord(c): None for c in "“”"}).isascii()
    assert any("\u4e00" <= c <= "\u9fff" for c in chinese.text)
    assert english.paths == chinese.paths
    named = {n.name for p in english.paths for n in p.nodes if n.key is not None} - {"u04"}
    assert any(str(name) in english.text for name in named - {title})
    assert all(f"u{u:02d}" not in english.text for u in range(60))


def test_a_language_without_words(model: Recommender) -> None:
    with pytest.raises(SchemaError, match="no grammar for the language 'xx'; expected one of en, zh"):
        explain(model, "u04", WARM, wording=Wording("xx"))


def test_an_item_that_the_user_had_already(model: Recommender) -> None:
    liked = f"f{model.histories[[4]].indices[0]:02d}"
    e = explain(model, "u04", liked)
    assert e.notes == ("already_interacted",)
    assert liked not in {t.source for t in e.terms}
    seen = model.seen[[4]].indices
    disliked = np.setdiff1d(seen, model.histories[[4]].indices)
    if len(disliked):
        assert explain(model, "u04", f"f{disliked[0]:02d}").notes == ("already_interacted",)
    fresh = np.setdiff1d(np.arange(45), seen)[0]
    assert explain(model, "u04", f"f{fresh:02d}").notes == ()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_user_without_interactions(model: Recommender, lang: str) -> None:
    later = model.with_snapshot(with_user(model.snapshot, "u99", {}))
    e = explain(later, "u99", WARM, wording=Wording(lang))
    assert e.notes == ("no_interactions",)
    assert e.terms == ()
    assert e.paths == ()
    assert e.score == e.base == float(model.base[7])
    assert e.shown_share == 0
    assert e.text
    jsonschema.validate(json.loads(to_json(e)), SCHEMA)


def test_unknown_users_and_items(model: Recommender) -> None:
    with pytest.raises(
        NotFoundError, match=r"no User with key 'nobody' in the snapshot; expected one of 60 keys such as"
    ):
        explain(model, "nobody", WARM)
    with pytest.raises(NotFoundError, match=r"no Film with key 'f99' in the snapshot; expected one of 45 keys such as"):
        explain(model, "u04", "f99")


def test_faults_of_the_call(model: Recommender) -> None:
    with pytest.raises(ConfigError, match=r"explain.groups: expected at least 1, got 0"):
        ExplainConfig(groups=0)
    with pytest.raises(ConfigError, match=r"expected channels among .*got \['magic'\]"):
        explain(model, "u04", WARM, config=ExplainConfig(channels=("magic",)))


def test_the_json_fits_its_schema(model: Recommender) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    fits = jsonschema.Draft202012Validator(SCHEMA)
    for user, item in some_pairs(model, 30):
        for lang in ("en", "zh"):
            found = json.loads(to_json(explain(model, user, item, wording=Wording(lang))))
            fits.validate(found)
            required = {"user", "item", "score", "base", "terms", "paths", "text", "lang", "cypher", "parameters"}
            assert required <= set(found)
            total = found["base"] + sum(t["value"] for t in found["terms"])
            assert total == pytest.approx(found["score"], rel=1e-5)


def test_the_python_api(model: Recommender) -> None:
    e = Model(model).explain("u04", WARM, lang="zh", config=ExplainConfig(groups=2))
    assert e == explain(model, "u04", WARM, wording=Wording("zh"), config=ExplainConfig(groups=2))
    assert e.item_name in e._repr_html_()


# --- the store -----------------------------------------------------------------------------------------


def test_the_cypher_returns_exactly_the_shown_paths(model: Recommender, films_store: GraphStore) -> None:
    fill(films_store, films())
    shown = 0
    for user, item in some_pairs(model, 16):
        e = explain(model, user, item, config=ExplainConfig(groups=6, paths_per_group=4))
        assert mismatches(e.paths, films_store.query(e.cypher, e.parameters)) == (), (user, item)
        shown += len(e.paths)
    assert shown > 60
    assert any(p.channel == "relational" for p in explain(model, "u00", "f39", config=ExplainConfig(groups=6)).paths)
    # a path that the store does not hold is found out
    e = explain(model, "u04", WARM, config=ExplainConfig(channels=("taste", "relational", "sequence")))
    (u, i), count = (e.user, str(e.paths[0].nodes[1].key)), films_store.query
    assert (
        len(count("MATCH (:User {user_id: $u})-[r:RATED]->(:Film {item_id: $i}) RETURN r.rating", {"u": u, "i": i}))
        == 1
    )
    wrong = replace(e.paths[0].nodes[2], count=e.paths[0].nodes[2].count + 1)
    changed = replace(e.paths[0], nodes=(*e.paths[0].nodes[:2], wrong, e.paths[0].nodes[3]))
    assert len(mismatches([changed, *e.paths[1:]], count(e.cypher, e.parameters))) == 2


def test_text_is_part_of_the_likeness_here(model: Recommender) -> None:
    """Guards the tests above: with the text weight off they would not reach steps of similar text."""
    assert model.similarity.weights[TEXT] > 0
