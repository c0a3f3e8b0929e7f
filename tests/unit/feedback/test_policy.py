"""Policies: their propensities are the frequencies with which they choose, and what exploration may cost is bounded."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from kg_rec.errors import ConfigError
from kg_rec.feedback.policy import EpsilonGreedy, Greedy, PlackettLuce, Policy, Pool, Thompson, choose, propensities
from kg_rec.feedback.posterior import Posterior


def pool(n: int = 5, seed: int = 1) -> Pool:
    features = np.random.default_rng(seed).gamma(2.0, size=(n, 3))
    return Pool(np.arange(10, 10 + n), features, features.sum(axis=1))


POLICIES = [Greedy(), EpsilonGreedy(0.3), PlackettLuce(0.7), Thompson(Posterior.start(("a", "b", "c"), 3.0), draws=50)]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_a_distribution_sums_to_one_and_leaves_out_what_is_taken(policy: Policy) -> None:
    rng = np.random.default_rng(0)
    for taken in ([], [2], [2, 0, 4], [2, 0, 4, 1]):
        chances = policy.distribution(pool(), np.array(taken, dtype=np.int64), rng)
        assert chances.sum() == pytest.approx(1)
        assert (chances >= 0).all()
        assert (chances[taken] == 0).all()


@pytest.mark.parametrize("policy", [EpsilonGreedy(0.4), PlackettLuce(0.5)], ids=lambda p: p.name)
def test_propensities_are_the_frequencies_of_lists(policy: Policy) -> None:
    rng, items, n = np.random.default_rng(3), pool(4), 20_000
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(n):
        places = tuple(choose(policy, items, 2, rng).places.tolist())
        counts[places] = counts.get(places, 0) + 1
    total = 0.0
    for places in permutations(range(4), 2):
        expected = float(propensities(policy, items, np.array(places), rng).prod())
        total += expected
        assert counts.get(places, 0) / n == pytest.approx(expected, abs=4 * np.sqrt(expected / n) + 1e-4)
    assert total == pytest.approx(1)


def test_plackett_luce_is_sorting_with_gumbel_noise() -> None:
    items, policy = pool(4), PlackettLuce(0.5)
    rng, n = np.random.default_rng(5), 40_000
    logits = items.scores / (0.5 * items.scores.std())
    noisy = logits + rng.gumbel(size=(n, 4))
    order = np.argsort(-noisy, axis=1)[:, :3]
    for places in permutations(range(4), 3):
        share = float((order == places).all(axis=1).mean())
        expected = float(propensities(policy, items, np.array(places), rng).prod())
        assert share == pytest.approx(expected, abs=4 * np.sqrt(expected / n) + 1e-4)


def test_thompson_follows_its_draws_and_gives_every_item_a_chance() -> None:
    posterior = Posterior.start(("a", "b", "c"), 3.0)
    policy = Thompson(posterior, draws=100, uniform=0.05)
    items = pool(6)
    chances = policy.distribution(items, np.array([], dtype=np.int64), np.random.default_rng(9))
    weights = posterior.sample(100, np.random.default_rng(9))
    best = np.bincount((weights @ items.features.T).argmax(axis=1), minlength=6) / 100
    assert np.allclose(chances, 0.95 * best + 0.05 / 6)
    assert chances.min() >= 0.05 / 6 - 1e-12


def test_greedy_loses_nothing_and_the_loss_of_others_is_bounded() -> None:
    rng = np.random.default_rng(0)
    items = pool(50)
    assert choose(Greedy(), items, 10, rng).loss == 0
    assert choose(Greedy(), items, 10, rng).places.tolist() == np.argsort(-items.scores)[:10].tolist()
    ordered = np.sort(items.scores)[::-1]
    span = ordered[0] - np.median(ordered)
    for most in (0.0, 0.2, 0.5):
        near = items.within(10, most)
        assert near.scores.min() >= ordered[9] - most * span
        slate = choose(EpsilonGreedy(1.0), near, 10, rng)
        assert near.scores[slate.places].sum() >= ordered[:10].sum() - 10 * (ordered[0] - ordered[9] + most * span)
    assert len(items.within(10, 0.0)) == 10


def test_an_item_outside_the_pool_has_no_chance_and_what_follows_neither() -> None:
    found = propensities(PlackettLuce(1.0), pool(), np.array([1, -1, 2]), np.random.default_rng(0))
    assert found[0] > 0
    assert found[1:].tolist() == [0, 0]


def test_wrong_settings_are_refused() -> None:
    for wrong in (lambda: EpsilonGreedy(1.5), lambda: PlackettLuce(0.0), lambda: PlackettLuce(float("nan"))):
        with pytest.raises(ConfigError):
            wrong()
    with pytest.raises(ConfigError, match="pool with items"):
        choose(Greedy(), pool(0), 3, np.random.default_rng(0))
