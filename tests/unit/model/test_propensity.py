"""Inverse propensity weights in training: the operator is the closed form of the weighted interactions, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_taste_choice import COUNTS, EDGES, SHAPE, data

from kg_rec.arrays.types import Floats64
from kg_rec.errors import ConfigError
from kg_rec.model.channels.base import PRIOR_FACTOR
from kg_rec.model.channels.taste import TASTE, TasteConfig
from kg_rec.model.kernel import Kernel, MatrixKernel
from kg_rec.model.propensity import inverse_weighted, propensities

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
    weights = inverse_weighted(EDGES, SHAPE, 1.0).toarray() ** 2
    assert weights[weights > 0].mean() == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(weights[EDGES.source, EDGES.target], (1 / p) / (1 / p).mean(), rtol=1e-5)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_fitted_operator_is_the_closed_form_of_the_weighted_interactions(strength: float) -> None:
    p = propensities(EDGES, np.zeros((SHAPE[0], 0)), np.zeros((SHAPE[1], 0)))
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
