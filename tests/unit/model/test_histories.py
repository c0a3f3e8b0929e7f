"""Interactions weighed by their ratings."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from toy_graph import edges, everything

from kg_rec.model.chosen import Chosen, RatingScale
from kg_rec.model.histories import histories, learnable, rating_factors, rating_scale
from kg_rec.snapshot import NO_TIME, EdgeTable


def test_a_weight_counts_by_its_rank_among_all() -> None:
    table = edges([(0, 0), (0, 1), (1, 0), (1, 2)], weight=[3, 5, 4, 4])
    scale = rating_scale(table, 0.4)
    assert scale is not None
    assert scale.levels == (3, 4, 5)
    # mid-ranks 1/8, 1/2 and 7/8
    np.testing.assert_allclose(scale.factors, [0.7, 1.0, 1.3])
    np.testing.assert_allclose(histories(table, (2, 3), 0, scale).toarray(), [[0.7, 1.3, 0], [1, 0, 1]], rtol=1e-6)


def test_counts_need_no_levels_of_their_own_and_keep_the_order() -> None:
    counts = np.random.default_rng(3).pareto(1.0, 500) * 10 + 1
    table = edges([(0, i) for i in range(500)], weight=counts)
    scale = rating_scale(table, 0.6, most=20)
    assert scale is not None
    assert len(scale.levels) <= 20
    found = rating_factors(table, scale)
    order = np.argsort(table.weight)
    assert (np.diff(found[order]) >= 0).all()
    assert (found.min(), found.max()) == (pytest.approx(0.4, abs=0.01), pytest.approx(1.6, abs=0.01))
    assert found.mean() == pytest.approx(1, abs=0.03)


def test_a_recency_below_one_fades_faster() -> None:
    """The latest of two weighs 1 and the one before 1 / (1 + 1 / .5) = 1/3; scaled to mean 1."""
    table = edges([(0, 0), (0, 1)], time=[10, 20])
    np.testing.assert_allclose(histories(table, (1, 2), 0.5).toarray(), [[0.5, 1.5]], rtol=1e-6)


def test_equal_or_missing_weights_count_one() -> None:
    assert rating_scale(edges([(0, 0), (0, 1)], weight=[2, 2]), 0.4) is None
    assert rating_scale(edges([(0, 0), (0, 1)]), 0.4) is None
    assert rating_scale(edges([(0, 0), (0, 1)], weight=[1, 2]), 0) is None
    scale = RatingScale((1.0, 2.0), (0.5, 1.5))
    assert rating_factors(edges([(0, 0), (0, 1)]), scale).tolist() == [1, 1]
    assert rating_factors(edges([(0, 0), (0, 1)], weight=[np.nan, 9]), scale).tolist() == [1, 1.5]


def test_choices_with_a_scale_survive_json() -> None:
    choices = replace(everything().chosen, rating=RatingScale((3.0, 5.0), (0.8, 1.2)))
    assert Chosen.from_dict(json.loads(json.dumps(asdict(choices)))) == choices


def test_ratings_weigh_the_addends() -> None:
    """The toy viewers rate; twice the factor of one film doubles its addends and no other's."""
    model = everything()
    plain = replace(model, chosen=replace(model.chosen, rating=None))
    user = int(np.argmax(np.diff(plain.histories.indptr)))
    levels = np.unique(plain.snapshot.liked().weight)
    scale = RatingScale(tuple(levels.tolist()), tuple(np.linspace(0.5, 1.5, len(levels)).tolist()))
    rated = replace(model, chosen=replace(model.chosen, rating=scale))
    one, other = plain.contributions(user, 3), rated.contributions(user, 3)
    rows = plain.snapshot.liked().source == user
    factors = rating_factors(plain.snapshot.liked(), scale)[rows]
    assert len(np.unique(factors)) > 1
    for name, values in one.values.items():
        np.testing.assert_allclose(other.values[name], values * factors, rtol=1e-5)
    assert other.score == pytest.approx(float(rated.scores(np.array([user]))[0, 3]), rel=1e-5)


def test_at_most_some_interactions_of_a_user_are_learned_from() -> None:
    source = np.array([0] * 6 + [1] * 2 + [3] * 4)
    time = np.array([5, 1, 9, NO_TIME, 7, 7, 1, 2, 4, 4, 4, 4])
    edges = EdgeTable(source, np.arange(12), None, time)
    kept = learnable(edges, 0, most=3)
    assert kept.source.tolist() == [0] * 3 + [1] * 2 + [3] * 3
    assert kept.target[:3].tolist() == [2, 4, 5]  # the latest, in the order of the graph
    assert set(kept.target[5:].tolist()) < {8, 9, 10, 11}
    assert (
        len({tuple(learnable(edges, seed, most=3).target[5:].tolist()) for seed in range(20)}) == 4
    )  # any of one time
    assert learnable(edges, 0, most=6) is edges
    untimed = EdgeTable(source, np.arange(12))
    assert len(learnable(untimed, 0, most=3)) == 8
    nothing = EdgeTable(source[:0], source[:0])
    assert len(learnable(nothing, 0)) == 0
