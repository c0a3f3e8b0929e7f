"""Inverse propensity weights in training: the operator is the closed form of the weighted interactions, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from test_taste_choice import COUNTS, EDGES, SHAPE, data
from toy_graph import films

from kg_rec.arrays.types import Floats64
from kg_rec.errors import ConfigError
from kg_rec.model.channels.base import PRIOR_FACTOR
from kg_rec.model.channels.taste import TASTE, TasteConfig
from kg_rec.model.kernel import Kernel, MatrixKernel
from kg_rec.model.propensity import (
    PropensityConfig,
    inverse_weighted,
    node_features,
    of_graph,
    propensities,
    weighted_error,
)
from kg_rec.snapshot import Snapshot

CONFIG = TasteConfig(l2=(7.0,), dropout=0.25, user_power=0.0, prior=(0.0,), popularity=(0.0,))
NUMBERS = {"l2": 7.0, PRIOR_FACTOR: 0.0, "popularity_exponent": 0.0}


def fitted(strength: float) -> MatrixKernel:
    found = TASTE.fit(replace(data(), settings=(CONFIG,)), {**NUMBERS, "propensity": strength})
    assert found is not None
    assert isinstance(found.kernel, MatrixKernel)
    return found.kernel


def test_popular_items_are_likelier_chosen_and_count_less() -> None:
    p = propensities(EDGES, np.zeros((SHAPE[0], 0)), np.zeros((SHAPE[1], 0)))
    assert ((p > 0) & (p < 1)).all()
    by_count = COUNTS[EDGES.target]
    assert p[by_count == by_count.max()].min() > p[by_count == by_count.min()].max()
    weights = inverse_weighted(EDGES, SHAPE, of_graph(films(), EDGES, 0), 1.0).toarray() ** 2
    assert weights[weights > 0].mean() == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(weights[EDGES.source, EDGES.target], (1 / p) / (1 / p).mean(), rtol=1e-5)


def people() -> Snapshot:
    """The films, with viewers of three occupations, each of which chooses another genre most; ages are noise."""
    graph = films()
    users = graph.nodes["User"]
    known = {
        "occupation": pa.array([f"job {u % 3}" for u in range(SHAPE[0])]),
        "age": pa.array([None if u == 5 else 20 + u * 7 % 30 for u in range(SHAPE[0])], pa.int64()),
    }
    for name, values in known.items():
        users = users.set_column(users.schema.get_field_index(name), name, values)
    return replace(graph, nodes={**graph.nodes, "User": users})


def test_features_are_numbers_values_and_facts_and_neither_keys_nor_names() -> None:
    users = node_features(people(), "User", 24)
    assert users.shape == (SHAPE[0], 4)  # the age and three occupations
    np.testing.assert_allclose(users.mean(axis=0), 0, atol=1e-12)
    assert users[5, 0] == 0  # no age is known
    by_job = users[:, 1:]
    assert ((by_job > 0).sum(axis=1) == 1).all()
    facts = node_features(films(), "Film", 100)
    genres, directors, stars = 3, 9, 9
    assert facts.shape == (SHAPE[1], 1 + genres + directors + stars)  # a sequel of one film tells nothing
    assert node_features(films(), "Film", 4).shape == (SHAPE[1], 4)


def test_what_a_kind_of_people_chooses_is_likelier_for_them() -> None:
    graph = people()
    p = propensities(EDGES, node_features(graph, "User", 24), node_features(graph, "Film", 24))
    same = EDGES.source % 3 == EDGES.target % 3  # chosen with .6, others with .12
    assert p[same].mean() > 2.5 * p[~same].mean()
    without = propensities(EDGES, np.zeros((SHAPE[0], 0)), np.zeros((SHAPE[1], 0)))
    assert without[same].mean() < 1.2 * without[~same].mean()
    weights = inverse_weighted(EDGES, SHAPE, of_graph(graph, EDGES, 0), 1.0).toarray() ** 2
    np.testing.assert_allclose(weights[EDGES.source, EDGES.target], (1 / p) / (1 / p).mean(), rtol=1e-5)


def test_a_sample_of_the_interactions_estimates_what_all_do() -> None:
    user, item = node_features(people(), "User", 24), node_features(people(), "Film", 24)
    every, some = (propensities(EDGES, user, item, PropensityConfig(most=most)) for most in (400_000, len(EDGES) // 2))
    assert len(some) == len(EDGES)
    assert np.corrcoef(every, some)[0, 1] > 0.9


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_fitted_operator_is_the_closed_form_of_the_weighted_interactions(strength: float) -> None:
    p = propensities(EDGES, np.zeros((SHAPE[0], 0)), node_features(films(), "Film", 24))
    x = np.zeros(SHAPE)
    x[EDGES.source, EDGES.target] = np.sqrt(p**-strength / (p**-strength).mean())
    g = x.T @ x
    inverse = np.linalg.inv(g + np.diag(7.0 + 0.25 / 0.75 * np.diag(g)))
    expected = -inverse / np.diag(inverse)  # column i is the ridge regression of item i on the others
    np.fill_diagonal(expected, 0)
    expected[:, COUNTS == 0] = 0
    np.testing.assert_allclose(fitted(strength).matrix, expected, atol=1e-6)
    assert not np.allclose(fitted(0.0).matrix, expected, atol=1e-3)


def test_a_strength_is_taken_only_where_it_ranks_better() -> None:
    weighted = fitted(0.5).scores(data().interactions)

    def close(kernel: Kernel) -> Floats64:
        return -np.abs(kernel.scores(data().interactions) - weighted).mean(axis=1).astype(np.float64)

    for judge, expected in ((close, 0.5), (lambda _: np.ones(SHAPE[0]), None)):
        config = replace(CONFIG, propensity=(0.0, 0.5, 1.0))
        numbers, _ = next(iter(TASTE.candidates(replace(data(judge), settings=(config,)))))
        assert numbers.get("propensity") == expected
    with pytest.raises(ConfigError, match=r"taste.propensity: expected numbers from 0 to 1"):
        TasteConfig(propensity=(2.0,))


def test_an_error_weighed_by_propensities_counts_what_is_rarely_chosen_for_more() -> None:
    errors, p = np.array([1.0, 3.0]), np.array([0.5, 0.25])
    assert weighted_error(errors, p) == (1 * 2 + 3 * 4) / (2 + 4)
    assert weighted_error(errors, np.array([0.2, 0.2])) == 2.0
