"""Off-policy estimates: unbiased on worlds whose truth is known, honest on real logs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kg_rec.errors import EvaluationError
from kg_rec.evaluation.off_policy import (
    cascade_doubly_robust,
    doubly_robust,
    effective_sample_size,
    ips,
    list_weights,
    snips,
)

_OBP = find_spec("obp")
assert _OBP is not None
assert _OBP.origin is not None
LOGS = Path(_OBP.origin).parent / "dataset" / "obd"  # not imported: it would load scikit-learn


def world(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Actions, rewards, both policies' probabilities, the mean rewards, and the other policy's true value."""
    rng = np.random.default_rng(seed)
    q, logging = rng.uniform(0.1, 0.9, (n, 4)), rng.dirichlet(np.ones(4) * 3, n)
    other = rng.dirichlet(np.ones(4) * 3, n)
    actions = np.array([rng.choice(4, p=p) for p in logging])
    rewards = (rng.random(n) < q[np.arange(n), actions]).astype(float)
    return actions, rewards, logging, other, q, float((other * q).sum(axis=1).mean())


def lists(n: int, k: int = 3, seed: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logging, other = rng.uniform(0.2, 0.9, (n, k)), rng.uniform(0.2, 0.9, (n, k))
    return rng.integers(0, 2, (n, k)).astype(float), other, logging


def test_weights_of_lists_by_how_they_are_read() -> None:
    _, other, logging = lists(20)
    ratio = other / logging
    assert np.array_equal(list_weights(other, logging, "rank"), ratio)
    assert np.allclose(list_weights(other, logging), np.cumprod(ratio, axis=1))
    assert np.allclose(list_weights(other, logging, "list"), ratio.prod(axis=1)[:, None].repeat(3, axis=1))


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = {"ips": 0, "snips": 0, "doubly robust": 0}
    for seed in range(60):
        actions, rewards, logging, other, q, truth = world(400, seed)
        rows = np.arange(400)
        weights = other[rows, actions] / logging[rows, actions]
        model = np.full_like(q, 0.5)
        found = {
            "ips": ips(rewards, weights, least=1),
            "snips": snips(rewards, weights, least=1),
            "doubly robust": doubly_robust(rewards, weights, model[rows, actions], (other * model).sum(1), least=1),
        }
        for name, estimate in found.items():
            covered[name] += estimate.interval[0] <= truth <= estimate.interval[1]
    assert all(count >= 52 for count in covered.values()), covered


def test_doubly_robust_is_right_where_the_weights_are_wrong_and_the_model_is_not() -> None:
    actions, rewards, _, _, q, _ = world(2_000)
    rows, other = np.arange(len(rewards)), np.eye(4)[q.argmax(axis=1)]  # always the best
    truth = float(q.max(axis=1).mean())
    wrong = np.ones(len(rewards))  # as if both policies were one
    exact = doubly_robust(q[rows, actions], wrong, q[rows, actions], (other * q).sum(axis=1))
    assert exact.value == pytest.approx(truth, abs=1e-12)
    assert ips(rewards, wrong).interval[1] < truth


def test_doubly_robust_of_lists_is_exact_with_the_true_model() -> None:
    rewards, other, logging = lists(50)
    weights = list_weights(other, logging)
    expected = np.full_like(rewards, 0.4)
    before = np.concatenate([np.ones((50, 1)), weights[:, :-1]], axis=1)
    found = cascade_doubly_robust(expected, weights, expected, expected, least=0)
    assert found.value == pytest.approx((before * 0.4).sum(axis=1).mean(), rel=1e-12)


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_real_logs_the_thompson_log_tells_the_value_of_the_random_policy_or_that_it_cannot(campaign: str) -> None:
    random, thompson = (
        pd.read_csv(LOGS / policy / campaign / f"{campaign}.csv", index_col=0) for policy in ("random", "bts")
    )
    truth = float(random.click.mean())
    even = 1 / (thompson.item_id.max() + 1)
    weights = (even / thompson.propensity_score).to_numpy()
    rewards = thompson.click.to_numpy(dtype=np.float64)
    if campaign == "women":
        assert effective_sample_size(weights) == pytest.approx(2.08, abs=0.01)
        with pytest.raises(EvaluationError, match=r"as much .* as 2\.1 rounds, expected at least 100"):
            snips(rewards, weights)
        return
    for estimate in (ips(rewards, weights), snips(rewards, weights)):
        low, high = estimate.interval
        assert low <= truth <= high
        assert high - low < 0.02  # an interval that says something
        assert estimate.rounds == 10_000


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(EvaluationError, match="probabilities"):
        list_weights(np.full((2, 2), 0.5), np.zeros((2, 2)))
    with pytest.raises(EvaluationError, match="shape"):
        list_weights(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(EvaluationError, match="finite"):
        ips(np.array([1.0, np.nan]), np.ones(2), least=0)
    with pytest.raises(EvaluationError, match="one reward for each weight"):
        ips(np.ones(3), np.ones(2))


def test_where_all_rounds_say_the_same_there_is_no_interval() -> None:
    found = ips(np.ones(200), np.ones(200))
    assert found.value == 1
    assert np.isnan(found.interval).all()
