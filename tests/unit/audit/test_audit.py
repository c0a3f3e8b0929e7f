"""Audits: groups taken by hand, figures by other means, gaps that are the sums of their parts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from fairlearn.metrics import MetricFrame
from people_world import known_viewers
from scipy import sparse, stats

from kg_rec.audit.compare import adjusted, exposures
from kg_rec.audit.config import AuditConfig
from kg_rec.audit.groups import Grouping, by_popularity, item_groupings, main_relation, user_groupings
from kg_rec.audit.measures import calibration, exposure, reasons
from kg_rec.audit.page import page
from kg_rec.audit.report import AuditReport, audit, drawn, on_split
from kg_rec.errors import ArgumentError, ConfigError
from kg_rec.jobs.mix import divergence
from kg_rec.metrics import per_user
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot.item_facts import item_relation
from kg_rec.split import Split

CONFIG = AuditConfig(k=5, least=5, samples=200, seed=3)


@cache
def world() -> tuple[Recommender, Split]:
    """The toy films' model, fitted to a part of what its viewers liked."""
    split = drawn(known_viewers(), "random", 3)
    return on_split(known_viewers(), split), split


@cache
def report() -> AuditReport:
    return audit(*world(), CONFIG)


def groups(config: AuditConfig, by: str) -> Grouping:
    model, split = world()
    found = user_groupings(model, replace(config, by=(by,)), np.unique(split.test.source))
    return found[0]


# --- groups ------------------------------------------------------------------------------------------


def test_numbers_are_cut_at_given_bounds_or_into_equal_bands() -> None:
    """Viewer u is 18 + u years old."""
    ages = 18 + np.arange(60)
    held = np.unique(world()[1].test.source)
    given = groups(CONFIG, "age=30,50")
    assert given.labels == ("up to 29", "30 to 49", "from 50")
    for members, inside in zip(given.members, (ages < 30, (ages >= 30) & (ages < 50), ages >= 50), strict=True):
        assert np.flatnonzero(members).tolist() == np.intersect1d(np.flatnonzero(inside), held).tolist()
    equal = groups(CONFIG, "age")
    assert np.ptp(equal.members.sum(axis=1)) <= 1
    assert equal.members.sum(axis=0).max() == 1


def test_bands_are_named_by_their_bounds() -> None:
    assert groups(CONFIG, "age=25,40.5").labels == ("below 25", "25 to below 40.5", "from 40.5")
    assert groups(CONFIG, "age=30,31,70").labels[0] == "up to 29"  # 30 to 30 has one user, from 70 there are some
    assert "31 to 69" in groups(CONFIG, "age=30,31,70").labels


def test_bounds_of_texts_are_refused_and_who_tells_none_is_counted() -> None:
    with pytest.raises(ArgumentError, match=r"by occupation=3: expected a property of numbers.*got texts"):
        groups(CONFIG, "occupation=3")
    with pytest.raises(ArgumentError, match="expected users with gender, got none"):
        groups(CONFIG, "gender")
    held = np.unique(world()[1].test.source)
    assert report().unknown == {"occupation": int((held % 3 == 2).sum())}


def test_one_user_has_no_interval() -> None:
    top, merits = np.array([[0, 1]]), sparse.csr_array(np.array([[0.0, 1.0, 0.0]]))
    grouping = Grouping("p", ("a",), np.array([[True, False, False]]))
    _, (told,) = adjusted((), exposures(top, merits, [grouping], np.ones(3, np.bool_), CONFIG), 0.05)
    assert (told.gap_interval, told.ratio_interval, told.p, told.adjusted, told.telling) == (None,) * 4 + (False,)
    model, split = world()
    one = replace(split, test=split.test.take(split.test.source == split.test.source[0]))
    found = audit(model, one, CONFIG)
    assert (found.users, found.tests) == (1, 0)
    assert "1 user with something to find" in page(found, "")
    assert "-0.0000" not in page(found, "")


def test_texts_group_and_who_tells_none_is_in_no_group() -> None:
    found = groups(CONFIG, "occupation")
    assert found.labels == ("pilot", "rancher")
    assert set(np.flatnonzero(found.members[1]) % 3) == {0}
    assert found.members.any(axis=0).sum() < len(np.unique(world()[1].test.source))


def test_small_groups_are_left_out_and_counted() -> None:
    with pytest.raises(ArgumentError, match=r"by 'zip_code': expected at least two groups of 5 users .* got 0 \(59 "):
        groups(CONFIG, "zip_code")
    assert [g.name for g in user_groupings(*_given())] == ["history", "age", "occupation"]
    with pytest.raises(ArgumentError, match="by 'shoe_size': expected one of history, age"):
        groups(CONFIG, "shoe_size")
    with pytest.raises(ArgumentError, match="rising numbers"):
        groups(CONFIG, "age=50,30")


def _given() -> tuple[Recommender, AuditConfig, np.ndarray]:
    model, split = world()
    return model, CONFIG, np.unique(split.test.source)


def test_thirds_of_the_likes_and_new_items() -> None:
    found = by_popularity(np.array([0, 1, 9, 3, 3, 2, 0]), np.array([True] * 6 + [False]))
    shown = {label: np.flatnonzero(m).tolist() for label, m in zip(found.labels, found.members, strict=True)}
    assert shown == {
        "head third of likes": [2],
        "middle third of likes": [3],
        "tail third of likes": [1, 4, 5],
        "new, liked by nobody": [0],
    }


def test_relations_are_found_by_name_label_or_what_they_lead_to() -> None:
    schema = world()[0].snapshot.schema
    for word in ("HAS_GENRE", "genre", "Genres", "类型"):
        assert item_relation(schema, word, "items").name == "HAS_GENRE"
    assert item_relation(schema, "directed by", "items").name == "DIRECTED_BY"
    with pytest.raises(ArgumentError, match="items: 'person' may be DIRECTED_BY"):
        item_relation(schema, "person", "items")
    with pytest.raises(ArgumentError, match="expected a relation type of Film"):
        item_relation(schema, "shoe", "items")
    main = main_relation(world()[0].snapshot)
    assert main is not None
    assert main.name == "HAS_GENRE"


def test_items_are_grouped_by_any_relation() -> None:
    model, _ = world()
    config = replace(CONFIG, items=("directed by",), least=3)
    popular, directors = item_groupings(model, config, np.ones(45, np.bool_))
    assert popular.labels[-1] == "new, liked by nobody"
    edges = model.snapshot.edges["DIRECTED_BY"]
    assert directors.members.sum() == len(edges)
    assert directors.labels[1] == "Person 1"


# --- measures ----------------------------------------------------------------------------------------


def test_divergence_is_steck_s() -> None:
    own, shown = np.array([[0.5, 0.5, 0.0]]), np.array([[1.0, 0.0, 0.0]])
    mixed = 0.99 * shown + 0.01 * own
    assert divergence(own, shown)[0] == pytest.approx(stats.entropy(own[0], mixed[0]))
    assert divergence(own, own)[0] == pytest.approx(0)


def test_calibration_reads_likes_and_list(films_model: Recommender) -> None:
    """Film i is of kind i % 3: a list of one kind for a viewer, against the share of each kind among their likes."""
    relation = item_relation(films_model.snapshot.schema, "genre", "calibration")
    found = calibration(films_model, np.array([4]), np.array([[1, 4, 7, -1]]), relation)
    liked = films_model.users_of_items.tocsr()[[4]].indices
    own = np.bincount(liked % 3, minlength=3) / len(liked)
    shown = np.array([0.0, 1.0, 0.0])
    assert found[0] == pytest.approx(stats.entropy(own, 0.99 * shown + 0.01 * own))
    assert np.isnan(calibration(films_model, np.array([4]), np.array([[-1, -1]]), relation)[0])


def test_exposure_falls_with_the_rank() -> None:
    members = np.array([[True, False, True], [False, True, False]])
    found = exposure(np.array([[0, 1, 2], [1, -1, -1]]), members)
    worth = 1 / np.log2([2, 3, 4])
    assert found[0] == pytest.approx([(worth[0] + worth[2]) / worth.sum(), worth[1] / worth.sum()])
    assert found[1].tolist() == [0, 1]


def test_reasons_count_those_who_did_the_same(films_model: Recommender) -> None:
    users, top = np.array([2, 7]), np.array([[5, 8], [1, -1]])
    share, told = reasons(films_model, users, top)
    liked = films_model.users_of_items.tocsr().toarray() > 0
    expected = np.zeros(len(liked))
    for u, row in zip(users, top, strict=True):
        for item in row[row >= 0]:
            found = films_model.contributions(int(u), int(item))
            taste = sum(found.values[name] for name in ("taste", "sequence", "relational"))
            if taste.max() > 0:
                both = liked[:, found.sources[taste.argmax()]] & liked[:, item]
                expected += both / max(both.sum(), 1)
    assert told == pytest.approx(expected)
    scores, through = 0.0, 0.0
    for item in top[0]:
        found = films_model.contributions(2, int(item))
        scores, through = scores + found.score, through + float(found.values["knowledge"].sum())
    assert share[0] == pytest.approx(through / scores)


# --- comparing ---------------------------------------------------------------------------------------


def test_means_of_groups_are_those_of_fairlearn() -> None:
    """An independent count of every figure of a group of users."""
    people = report().people.to_pandas()
    for by in ("age", "occupation"):
        known = people[people[by].notna()]
        for name in ("ndcg", "divergence", "facts", "told"):
            some = known[known[name].notna()]
            frame = MetricFrame(
                metrics=lambda _, values: float(values.mean()),
                y_true=some[name],
                y_pred=some[name],
                sensitive_features=some[by],
            )
            ours = {g.group: g.mean for g in report().gaps if (g.by, g.measure) == (by, name)}
            assert ours == pytest.approx(dict(frame.by_group))


def test_ndcg_is_that_of_the_ranking() -> None:
    model, split = world()
    relevant = histories(split.test, model.shape, 0)
    users = np.unique(split.test.source)
    top, _ = model.best(model.histories[users], histories(split.known, model.shape, 0)[users], 5, split.test_candidates)
    assert report().means["ndcg"] == pytest.approx(per_user(top, relevant[users], 5)["ndcg"].mean())
    for gap in report().gaps:
        assert gap.gap == pytest.approx(gap.mean - gap.others)
        assert gap.gap_interval[0] <= gap.gap <= gap.gap_interval[1]


def test_a_planted_gap_is_told_and_noise_is_not() -> None:
    """Half of the lists show the shunned items never, though users hold them out as often as the others."""
    rng = np.random.default_rng(1)
    users, items = 400, 40
    merits = sparse.csr_array((np.ones(users), (np.arange(users), rng.integers(0, items, users))), shape=(users, items))
    top = np.array([rng.permutation(30)[:5] for _ in range(users)])  # items from 30 on are never listed
    shunned = Grouping("p", ("shunned",), (np.arange(items) >= 30)[None])
    random = Grouping("q", ("one", "two"), np.array([np.arange(items) % 7 == 0, np.arange(items) % 7 == 1]))
    found = exposures(top, merits, [shunned, random], np.ones(items, np.bool_), CONFIG)
    _, told = adjusted((), found, 0.05)
    assert [e.telling for e in told] == [True, False, False]
    assert told[0].exposure == 0
    assert told[0].merit == pytest.approx(0.25, abs=0.06)
    assert told[0].catalogue == 0.25


def test_adjusted_is_benjamini_and_hochberg() -> None:
    raw = [gap.p for gap in report().gaps] + [share.p for share in report().exposure]
    order, n = np.argsort(raw), len(raw)
    expected = np.minimum.accumulate((np.sort(raw) * n / np.arange(1, n + 1))[::-1])[::-1]
    got = np.array([gap.adjusted for gap in report().gaps] + [share.adjusted for share in report().exposure])
    assert got[order] == pytest.approx(np.minimum(expected, 1))
    assert report().tests == n


# --- parts -------------------------------------------------------------------------------------------


def test_gaps_of_scores_are_the_sums_of_their_parts() -> None:
    assert {s.of for s in report().scores} == {"users", "items"}
    for score in report().scores:
        parts = dict(score.parts)
        assert sum(parts.values()) == pytest.approx(score.gap, abs=1e-5)
        facts = sum(f.value for f in score.facts) + score.other_facts
        assert facts == pytest.approx(parts["knowledge"], abs=1e-5)
    assert any(abs(score.gap) > 0.1 for score in report().scores)


def test_a_gap_of_scores_by_hand() -> None:
    """Of one group of users, from whole scores, one user at a time."""
    model, split = world()
    scores = model.scores(np.arange(model.shape[0]))
    wanted, seen = (histories(part, model.shape, 0).toarray() > 0 for part in (split.test, split.known))
    f = {}
    for u in np.unique(split.test.source).tolist():
        free = split.test_candidates & ~seen[u]
        s = scores[u]
        f[u] = (s[wanted[u] & free].mean() - s[free & ~wanted[u]].mean()) / s[free].std()
    pilots = {u for u in f if u % 3 == 1}
    expected = np.mean([f[u] for u in pilots]) - np.mean([v for u, v in f.items() if u not in pilots])
    found = next(s for s in report().scores if s.group == "pilot")
    assert found.gap == pytest.approx(expected)


def test_a_fact_s_part_is_what_deleting_it_takes_away() -> None:
    """The same gap, of a model over a graph without one genre: the knowledge channel loses what was told of it."""
    model, split = world()
    found = next(s for s in report().scores if s.of == "items" and s.group == "western")
    fact = next(f for f in found.facts if (f.relation, f.key) == ("HAS_GENRE", "western"))
    edges = model.snapshot.edges["HAS_GENRE"]
    gone = model.snapshot.ids["Genre"].index("western")
    without = model.with_snapshot(model.snapshot.with_edges("HAS_GENRE", edges.take(edges.target != gone)))
    seen = histories(split.known, model.shape, 0).toarray() > 0
    west = np.arange(45) % 3 == 0  # the films that were of it
    parts = []
    for m in (model, without):
        knowledge = next(c for c in m.channels if c.name == "knowledge")
        scores = knowledge.kernel.scores(m.histories).astype(np.float64) * knowledge.weight
        each = []
        for u in np.unique(split.test.source).tolist():
            free = split.test_candidates & ~seen[u]
            spread = model.scores(np.array([u]))[0][free].std()
            if (west & free).any():
                each.append((scores[u][west & free].mean() - scores[u][free & ~west].mean()) / spread)
        parts.append(np.mean(each))
    assert fact.value == pytest.approx(parts[0] - parts[1], abs=1e-5)


# --- what is written ---------------------------------------------------------------------------------


def test_the_report_is_plain_data_and_a_page() -> None:
    plain = json.loads(json.dumps(report().to_dict()))
    assert len(plain["gaps"]) == len(report().gaps)
    assert "people" not in plain
    html = page(report(), "A <model>")
    assert "A &lt;model&gt;" in html
    assert "http" not in html.replace("http-equiv", "")
    for gap in report().gaps:
        assert f"{gap.gap:+.4f}" in html
    assert len(re.findall(r'<tr class="tells">', html)) == sum(
        row.telling for row in (*report().gaps, *report().exposure)
    )


def test_the_report_is_a_table_of_gaps() -> None:
    table = report().to_arrow()
    assert table["gap"].to_pylist() == [gap.gap for gap in report().gaps]
    assert list(zip(table["low"].to_pylist(), table["high"].to_pylist(), strict=True)) == [
        gap.gap_interval for gap in report().gaps
    ]
    assert "\n" not in repr(report())
    assert "<table>" in report()._repr_html_()


def test_no_one_s_row_names_a_small_group() -> None:
    people = report().people.to_pandas()
    for by in ("age", "occupation", "history"):
        assert people[by].value_counts().min() >= CONFIG.least


def test_names_in_the_graph_are_data() -> None:
    model, split = world()
    graph = model.snapshot
    table = graph.nodes["Genre"]
    names = pa.array(["<script>alert(1)</script>", *table.column("name").to_pylist()[1:]])
    nodes = {**graph.nodes, "Genre": table.set_column(table.column_names.index("name"), "name", names)}
    told = audit(replace(model, snapshot=replace(graph, nodes=nodes)), split, CONFIG)
    assert "<script>" not in page(told, "")
    assert "&lt;script&gt;" in page(told, "")


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"k": 0}, {"bands": 1}, {"level": 1.0}, {"samples": 5}, {"users": 0}):
        with pytest.raises(ConfigError, match=rf"audit\.{next(iter(wrong))}"):
            AuditConfig(**wrong)
    with pytest.raises(ArgumentError, match="protocol"):
        drawn(world()[0], "cold-items", 1)


@pytest.fixture(name="films_model")
def _films_model() -> Recommender:
    return world()[0]
