"""The posterior of the channel weights: against the closed form of Bayesian linear regression."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kg_rec.errors import ConfigError
from kg_rec.feedback.posterior import LearningConfig, Posterior

CHANNELS = ("base", "taste", "knowledge")


def observations(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, size=(n, 3))
    true = np.array([0.0, 0.3, 0.05])
    return x, x @ true + 0.1 * rng.standard_normal(n)


def test_one_by_one_is_the_closed_form_of_all_at_once() -> None:
    config = LearningConfig(noise=0.3, prior=0.8, rate=0.2)
    first = Posterior.start(CHANNELS, 2.0, config)
    x, y = observations(200)
    learned = first
    for features, reward in zip(x, y, strict=True):
        learned = learned.update(features, reward)
    design = np.hstack([np.ones((len(x), 1)), x / 2.0])
    prior = np.linalg.inv(first.covariance)
    covariance = np.linalg.inv(prior + design.T @ design / 0.3**2)
    mean = covariance @ (prior @ first.mean + design.T @ y / 0.3**2)
    assert np.allclose(learned.mean, mean, rtol=1e-8, atol=1e-10)
    assert np.allclose(learned.covariance, covariance, rtol=1e-7, atol=1e-12)
    assert learned.observed == 200


def test_before_any_feedback_every_channel_counts_as_trained() -> None:
    first = Posterior.start(CHANNELS, 5.0)
    assert np.allclose(first.weights, 1)
    assert np.allclose(first.deviations, LearningConfig().prior)


def test_what_brings_rewards_gains_weight() -> None:
    learned = Posterior.start(CHANNELS, 1.0, LearningConfig(noise=0.2, rate=0.1))
    for features, reward in zip(*observations(500), strict=True):
        learned = learned.update(features, reward)
    base, taste, knowledge = learned.weights
    assert taste > 2 * knowledge > 0
    assert abs(base) < 0.5
    assert (learned.deviations < 0.2).all()


def test_forgetting_follows_a_change_and_never_knows_less_than_nothing() -> None:
    config = LearningConfig(noise=0.2, rate=0.1, forget=0.98)
    fast, slow = Posterior.start(CHANNELS, 1.0, config), Posterior.start(CHANNELS, 1.0, LearningConfig(noise=0.2))
    x, y = observations(400)
    for features, reward in zip(x, y, strict=True):
        fast, slow = fast.update(features, reward), slow.update(features, reward)
    for features in x:  # from now on knowledge alone brings rewards
        reward = 0.3 * features[2]
        fast, slow = fast.update(features, reward), slow.update(features, reward)
    assert fast.weights[2] > 2.5 > slow.weights[2]
    prior = np.sqrt(np.diag(Posterior.start(CHANNELS, 1.0, config).covariance))
    assert (np.sqrt(np.diag(fast.covariance)) <= prior + 1e-12).all()
    unseen = Posterior.start(CHANNELS, 1.0, config)
    for _ in range(2000):
        unseen = unseen.update(np.array([1.0, 0.0, 0.0]), 0.1)  # two channels are never seen
    assert (np.sqrt(np.diag(unseen.covariance)) <= prior + 1e-12).all()
    assert np.linalg.eigvalsh(unseen.covariance).min() > 0


def test_draws_have_the_posteriors_mean_and_spread() -> None:
    learned = Posterior.start(CHANNELS, 1.0)
    for features, reward in zip(*observations(50), strict=True):
        learned = learned.update(features, reward)
    drawn = learned.sample(50_000, np.random.default_rng(1))
    assert np.allclose(drawn.mean(axis=0), learned.weights, atol=0.02)
    assert np.allclose(drawn.std(axis=0), learned.deviations, rtol=0.02)


def test_it_is_written_and_read_and_what_is_no_posterior_is_refused() -> None:
    learned = Posterior.start(CHANNELS, 1.0).update(np.array([1.0, 2.0, 3.0]), 1.0)
    again = Posterior.from_dict(json.loads(json.dumps(learned.to_dict())))
    assert np.array_equal(again.mean, learned.mean)
    assert np.array_equal(again.covariance, learned.covariance)
    for broken in ({}, {**learned.to_dict(), "mean": [1]}, {**learned.to_dict(), "covariance": None}):
        with pytest.raises(ConfigError, match="learn again"):
            Posterior.from_dict(broken)
    with pytest.raises(ConfigError, match="finite"):
        learned.update(np.array([1.0, np.nan, 3.0]), 1.0)
    with pytest.raises(ConfigError, match="3 finite"):
        learned.update(np.array([1.0]), 1.0)
