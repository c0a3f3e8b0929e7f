"""The accountant, against the definition of differential privacy computed by quadrature, and against dp-accounting."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from kg_rec.errors import ConfigError
from kg_rec.trust.gaussian import Budget, Guarantee, Look, delta_of, epsilon_of, mu_of, noised_symmetric


@pytest.mark.parametrize(("mu", "epsilon"), [(0.3, 1.0), (0.8, 3.0), (2.0, 0.5), (0.05, 0.0)])
def test_delta_is_the_hockey_stick_divergence_of_two_gaussians(mu: float, epsilon: float) -> None:
    wanted, _ = quad(
        lambda x: max(0.0, norm.pdf(x, loc=mu) - math.exp(epsilon) * norm.pdf(x)), -15, 15, limit=500, epsabs=1e-13
    )
    assert delta_of(mu, epsilon) == pytest.approx(wanted, rel=1e-4, abs=1e-11)


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0, 3.0, 10.0, 100.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-3])
def test_a_budget_is_spent_to_the_end_and_not_beyond(epsilon: float, delta: float) -> None:
    mu = mu_of(Budget(epsilon, delta))
    assert epsilon_of(mu, delta) == pytest.approx(epsilon, rel=1e-6)
    looks = (Look("a", 1, 1 / (mu * math.sqrt(0.3))), Look("b", 1, 1 / (mu * math.sqrt(0.7))))
    assert Guarantee(Budget(epsilon, delta), looks).spent == pytest.approx(epsilon, rel=1e-6)
    more = (*looks, Look("a further look", 1, 1 / mu))
    assert Guarantee(Budget(epsilon, delta), more).spent > 1.1 * epsilon


def test_dp_accounting_says_the_same() -> None:
    accounting = pytest.importorskip("dp_accounting", reason="not a dependency: it pins an old attrs")
    sigmas = (5.8, 3.8)
    accountant = accounting.pld.PLDAccountant()
    for sigma in sigmas:
        accountant.compose(accounting.GaussianDpEvent(sigma))
    mine = epsilon_of(math.sqrt(sum(s**-2 for s in sigmas)), 1e-5)
    assert mine == pytest.approx(accountant.get_epsilon(1e-5), rel=2e-3)


def test_symmetric_noise_has_the_variances_of_the_frobenius_norm() -> None:
    random = np.random.default_rng(1)
    draws = np.stack([noised_symmetric(np.zeros((3, 3)), 2.0, random) for _ in range(20_000)])
    assert np.array_equal(draws, draws.transpose(0, 2, 1))
    assert draws.std(axis=0) == pytest.approx(np.where(np.eye(3) > 0, 2.0, 2.0 / math.sqrt(2)), rel=0.03)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 1e-5), (-1.0, 1e-5), (math.nan, 1e-5), (1.0, 0.0), (1.0, 1.0)])
def test_a_budget_that_promises_nothing_is_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(ConfigError, match=r"epsilon|delta"):
        Budget(epsilon, delta)
