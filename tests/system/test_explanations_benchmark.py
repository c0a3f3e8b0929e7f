"""Truth measures on the toy graph, and facts that are really deleted in both stores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_graph import everything, fill

from benchmarks.explanations.checks import checked, confirmed, pairs_of
from benchmarks.explanations.deletions import Deletion, delete, difference, fact_of, measured, without
from benchmarks.explanations.matters import curves
from benchmarks.explanations.retrained import MARGINS, survives
from benchmarks.explanations.speed import by_cypher, by_networkx, sample
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.single import explain
from kg_rec.explain.verify.truth import Facts, missing
from kg_rec.model.recommender import Recommender
from kg_rec.progress import no_progress
from kg_rec.snapshot import export
from kg_rec.store import GraphStore


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


def test_every_explanation_of_the_toy_graph_is_true(model: Recommender) -> None:
    tally = checked(model, 60, 1, no_progress)
    assert tally.explanations == 120
    assert tally.counts["paths"] > 300
    assert {name: tally.counts[name] for name in ("exists", "adds_up", "names_true", "numbers_true")} == dict.fromkeys(
        ("exists", "adds_up", "names_true", "numbers_true"), 120
    ), tally.failures
    assert tally.worst <= 1e-5


def test_pairs_are_lists_and_anything(model: Recommender) -> None:
    users, items = pairs_of(model, 40, 3)
    top, _ = model.rank(users, 10)
    inside = [item in row for item, row in zip(items.tolist(), top.tolist(), strict=True)]
    assert all(inside[:20])
    assert not all(inside[20:])


def test_the_shown_paths_matter_more_than_random_ones(model: Recommender) -> None:
    found = curves(model, 40, 1, no_progress)
    assert found["recommendations"] == 40
    deletion, insertion, necessity, sufficiency = (
        found[name] for name in ("deletion", "insertion", "necessity", "sufficiency")
    )
    assert deletion["ours"] < deletion["random"]
    assert insertion["ours"] > insertion["random"]
    assert necessity["ours"] >= necessity["random"]
    assert sufficiency["ours"] >= sufficiency["random"]


def test_counterfactuals_hold_as_the_model_stands(model: Recommender) -> None:
    found = survives(model, 12, 1, no_progress)
    assert set(found) == {f"margin {m}" for m in MARGINS}
    assert found["margin 0"]["counterfactuals"] > 3
    assert found["margin 0"]["as_it_stands"] == found["margin 5"]["as_it_stands"] == 1.0
    assert 0 <= found["margin 0"]["trained_again"] <= 1
    assert found["margin 5"]["removed"] > found["margin 0"]["removed"]


def test_what_is_stated_is_what_a_deletion_changes(model: Recommender, films_store: GraphStore) -> None:
    fill(films_store, model.snapshot)
    before = export(films_store)
    model = model.with_snapshot(before)
    assert confirmed(model, films_store, 5, 1, no_progress)["share"] == 1.0
    found = measured(model, films_store, 6, 2, no_progress)
    for kind in ("interactions", "facts"):
        assert found[kind]["edges"] >= 3, kind
        assert found[kind]["max_relative_error"] < 1e-4, kind
    after = export(films_store)
    assert after.digest == replace(before, source=after.source).digest  # all is written back


def test_what_a_relation_between_items_adds_is_what_its_deletion_takes(
    model: Recommender, films_store: GraphStore
) -> None:
    fill(films_store, model.snapshot)
    model = model.with_snapshot(export(films_store))
    edges = model.snapshot.edges["FOLLOWED_BY"]
    ends = [(j, i) for a, b in zip(edges.source, edges.target, strict=True) for j, i in ((a, b), (b, a))]
    user, item = next(
        (user, int(i))
        for user in range(model.shape[0])
        for row in [model.histories[[user]].indices]
        for j, i in ends
        if j in row and i not in row and not model.cold[i]
    )
    shown = ExplainConfig(groups=20, channels=("knowledge",))
    paths = explain(model, model.users.key(user), model.items.key(item), config=shown).paths
    stated = [d for p in paths if len(p.nodes) == 3 and (d := fact_of(model, p))]
    assert [d.relation for d in stated] == ["FOLLOWED_BY"]
    assert difference(model, without(model, films_store, stated), stated[0]) < 1e-4


def test_a_fact_deleted_in_the_store_leaves_scores_and_paths(model: Recommender, films_store: GraphStore) -> None:
    fill(films_store, model.snapshot)
    model = model.with_snapshot(export(films_store))
    user, item = "u03", "f44"  # nobody has seen it: text and graph carry it
    path = next(
        p for p in explain(model, user, item, config=ExplainConfig(groups=20)).paths if p.edges[-1].type == "STARRING"
    )
    person = str(path.nodes[-2].key)
    gone = Deletion("STARRING", item, person, user, item, 0.0)
    less = without(model, films_store, [gone])
    e = explain(less, user, item, config=ExplainConfig(groups=20))
    assert all(p.nodes[-2].key != person or p.edges[-1].type != "STARRING" for p in e.paths)
    assert missing(Facts.of(less.snapshot), e) == ()
    row, column = np.array([less.users.index(user)]), less.items.index(item)
    assert e.base + sum(t.value for t in e.terms) == pytest.approx(less.scores(row)[0, column], rel=1e-5)
    assert less.scores(row)[0, column] != model.scores(row)[0, column]
    delete(films_store, [gone])
    assert len(export(films_store).edges["STARRING"]) == len(model.snapshot.edges["STARRING"]) - 1


def test_the_peers_of_speed_find_paths(model: Recommender) -> None:
    pairs = sample(model, 3, 1)
    by_query = by_cypher(model.snapshot, pairs, None)
    assert by_query["cypher_sample"] == len(pairs)
    assert by_query["cypher_paths"] > 0
    explained = [explain(model, *pair, config=ExplainConfig(max_hops=3)) for pair in pairs]
    assert by_networkx(model, explained)["networkx_same"] == 1
