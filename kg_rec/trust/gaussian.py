"""The Gaussian mechanism with exact accounting: how much noise, and what all looks at private data cost together.

A look adds Gaussian noise of standard deviation sigma to numbers that one user can move by at most 1 in Euclidean
norm.  Looks compose as mu^2 = sum 1/sigma^2 (Dong, Roth & Su, "Gaussian differential privacy", 2022), and mu is
(epsilon, delta) with (Balle & Wang, "Improving the Gaussian mechanism", ICML 2018, theorem 8)

    delta = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

from kg_rec.arrays.types import Floats64
from kg_rec.settings import expect


@dataclass(frozen=True, slots=True)
class Budget:
    """What may become known of one user by everything that is published.

    Attributes:
        epsilon: bound on the log ratio of the probabilities of any outcome with and without the user.
        delta: probability with which that bound may fail; well below one by the number of users.
    """

    epsilon: float
    delta: float = 1e-5

    def __post_init__(self) -> None:
        expect(0 < self.epsilon <= 100, "epsilon", "a number above 0, at most 100", self.epsilon)
        expect(0 < self.delta < 1, "delta", "a number between 0 and 1", self.delta)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at private data.

    Attributes:
        what: what was looked at.
        numbers: how many numbers were noised.
        sigma: standard deviation of the noise, in units of what one user can move.
    """

    what: str
    numbers: int
    sigma: float


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A budget and the looks that it was spent on."""

    budget: Budget
    looks: tuple[Look, ...]

    @property
    def spent(self) -> float:
        """Epsilon of all looks together, at the budget's delta."""
        return epsilon_of(math.sqrt(sum(look.sigma**-2 for look in self.looks)), self.budget.delta)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary for JSON."""
        return {**asdict(self.budget), "spent": self.spent, "unit": "user", "looks": [asdict(x) for x in self.looks]}


def delta_of(mu: float, epsilon: float) -> float:
    """The smallest delta at which looks of a total mu are (epsilon, delta)-private."""
    tail = math.exp(epsilon + float(log_ndtr(-mu / 2 - epsilon / mu)))
    return max(0.0, float(ndtr(mu / 2 - epsilon / mu)) - tail)


def mu_of(budget: Budget) -> float:
    """The largest mu that keeps to a budget."""
    return float(brentq(lambda mu: delta_of(mu, budget.epsilon) - budget.delta, 1e-9, 60.0, xtol=1e-12))


def epsilon_of(mu: float, delta: float) -> float:
    """The smallest epsilon at which looks of a total mu are (epsilon, delta)-private."""
    if delta_of(mu, 0.0) <= delta:
        return 0.0
    return float(brentq(lambda epsilon: delta_of(mu, epsilon) - delta, 0.0, mu * (mu + 80.0), xtol=1e-10))


def noised(values: Floats64, sigma: float, random: np.random.Generator) -> Floats64:
    """A vector that one user moves by at most 1 in Euclidean norm, with noise; shape as given."""
    return values + random.normal(scale=sigma, size=values.shape)


def noised_symmetric(matrix: Floats64, sigma: float, random: np.random.Generator) -> Floats64:
    """A symmetric matrix that one user moves by at most 1 in Frobenius norm, with symmetric noise; shape as given.

    The numbers that are noised are the upper triangle, off the diagonal times sqrt(2): their Euclidean norm is the
    Frobenius norm of the matrix.
    """
    draws = random.normal(scale=sigma, size=matrix.shape)
    above = np.triu(draws, 1) / math.sqrt(2)
    return np.asarray(matrix + above + above.T + np.diag(np.diag(draws)))
