"""Policies: which k items of a pool are shown, and with which probability.

Every policy here fills a list rank by rank, without repetition.  So one number a rank says everything about chance:
the **propensity**, the probability of the item at this rank given the items above it.  The probability of the whole
list is the product of its propensities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ConfigError
from kg_rec.feedback.posterior import Posterior


@dataclass(frozen=True)
class Pool:
    """The items that may be shown to one user.

    Attributes:
        items: dense indices, each once, shape (p,).
        features: what each channel of the trained model adds to the score of each item, float64, shape (p, c).
        scores: float64, shape (p,).
    """

    items: NDArray[np.int64]
    features: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.items)

    def within(self, k: int, most_loss: float) -> Pool:
        """The items whose score is near enough to the best k that showing them costs at most ``most_loss`` a rank.

        Args:
            k: length of the list.
            most_loss: what a shown item may lack of the k-th best score, as a share of the distance between the best
                score and the middle one of the pool; 0 leaves only items as good as the k-th best.
        """
        if len(self) <= k:
            return self
        ordered = np.sort(self.scores)[::-1]
        span = float(ordered[0] - np.median(ordered))
        keep = self.scores >= ordered[k - 1] - most_loss * span
        return Pool(self.items[keep], self.features[keep], self.scores[keep])


@dataclass(frozen=True)
class Slate:
    """A list that a policy chose.

    Attributes:
        places: places in the pool, best rank first, shape (k,).
        propensities: P(item at this rank | the items above it), shape (k,).
        loss: how much lower the scores are than those of the best list, as a share of the best list's; 0 or more.
    """

    places: NDArray[np.int64]
    propensities: NDArray[np.float64]
    loss: float


class Policy(Protocol):
    """How a list is chosen from a pool."""

    @property
    def name(self) -> str:
        """Name and settings, as they are logged with each shown item."""
        ...

    def distribution(self, pool: Pool, taken: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """The probability of each place to come next, shape (p,).

        Args:
            pool: the items.
            taken: places that stand in the list already.
            rng: for policies whose probabilities are estimated by draws.
        """
        ...


def choose(policy: Policy, pool: Pool, k: int, rng: np.random.Generator) -> Slate:
    """Draw a list of up to k items.

    Raises:
        ConfigError: the pool is empty or k is below 1.
    """
    if k < 1 or not len(pool):
        raise ConfigError(f"a list needs k of at least 1 and a pool with items, got k = {k} and {len(pool)} items")
    length = min(k, len(pool))
    places = np.empty(length, np.int64)
    propensities = np.empty(length)
    for rank in range(length):
        chances = policy.distribution(pool, places[:rank], rng)
        places[rank] = rng.choice(len(pool), p=chances)
        propensities[rank] = chances[places[rank]]
    best = np.sort(pool.scores)[::-1][:length].sum()
    lost = float(best - pool.scores[places].sum())
    return Slate(places, propensities, max(lost, 0.0) / max(abs(float(best)), 1e-12))


def propensities(
    policy: Policy, pool: Pool, places: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """P(item at its rank | the items above it) of a given list under a policy, shape (k,).

    Args:
        policy: the policy that is asked, which need not be the one that chose the list.
        pool: what it could choose from.
        places: the list, as places in the pool; -1 for an item that is not in the pool, which has probability 0.
        rng: as for :meth:`Policy.distribution`.
    """
    chances = np.zeros(len(places))
    for rank, place in enumerate(places):
        if place < 0:
            break  # what comes after an impossible item has probability 0 as well
        chances[rank] = policy.distribution(pool, places[:rank], rng)[place]
    return chances


@dataclass(frozen=True)
class Greedy:
    """The best scores, in their order: nothing is left to chance."""

    @property
    def name(self) -> str:
        """See :class:`Policy`."""
        return "greedy"

    def distribution(self, pool: Pool, taken: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """See :class:`Policy`."""
        chances = np.zeros(len(pool))
        chances[_best(pool.scores, taken)] = 1.0
        return chances


@dataclass(frozen=True)
class EpsilonGreedy:
    """With probability epsilon a rank gets any item that is left, else the best that is left.

    Attributes:
        epsilon: from 0 to 1.
    """

    epsilon: float

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise ConfigError(f"epsilon: expected a probability from 0 to 1, got {self.epsilon}")

    @property
    def name(self) -> str:
        """See :class:`Policy`."""
        return f"epsilon({self.epsilon:g})"

    def distribution(self, pool: Pool, taken: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """See :class:`Policy`."""
        chances = np.full(len(pool), self.epsilon / (len(pool) - len(taken)))
        chances[taken] = 0.0
        chances[_best(pool.scores, taken)] += 1 - self.epsilon
        return chances


@dataclass(frozen=True)
class PlackettLuce:
    """Each rank draws from the softmax of the scores that are left.

    The same distribution over lists as sorting the scores with Gumbel noise (Plackett 1975; Kool et al., "Stochastic
    beams and where to find them", ICML 2019).

    Attributes:
        temperature: in standard deviations of the pool's scores; near 0 is greedy, large is uniform.
    """

    temperature: float

    def __post_init__(self) -> None:
        if not (0 < self.temperature < np.inf):
            raise ConfigError(f"temperature: expected a number above 0, got {self.temperature}")

    @property
    def name(self) -> str:
        """See :class:`Policy`."""
        return f"plackett-luce({self.temperature:g})"

    def distribution(self, pool: Pool, taken: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """See :class:`Policy`."""
        logits = pool.scores / (self.temperature * max(float(pool.scores.std()), 1e-12))
        logits[taken] = -np.inf
        weights = np.exp(logits - logits.max())
        chances: NDArray[np.float64] = weights / weights.sum()
        return chances


@dataclass(frozen=True)
class Thompson:
    """Each rank shows the best item under channel weights drawn from what is known of them.

    The probability that an item is best has no closed form, so ``draws`` weights are drawn, one of them is followed,
    and the propensity is the share of the draws that lead to the same item: exact for the policy "follow one of these
    draws", a Monte-Carlo estimate of the probability over all draws (Thompson 1933; Chapelle & Li, NeurIPS 2011).
    A share ``uniform`` is spread over all items, so that every item of the pool has a chance that can be weighed.

    Attributes:
        posterior: what is known of the channel weights.
        draws: weights drawn per rank.
        uniform: share of the probability that is spread evenly.
    """

    posterior: Posterior
    draws: int = 200
    uniform: float = 0.01

    def __post_init__(self) -> None:
        if self.draws < 1 or not 0 <= self.uniform <= 1:
            raise ConfigError(
                f"expected draws of at least 1 and a share from 0 to 1, got {self.draws} and {self.uniform}"
            )

    @property
    def name(self) -> str:
        """See :class:`Policy`."""
        return f"thompson(draws={self.draws}, uniform={self.uniform:g})"

    def distribution(self, pool: Pool, taken: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """See :class:`Policy`."""
        values = pool.features @ self.posterior.sample(self.draws, rng).T
        values[taken] = -np.inf
        best = np.bincount(values.argmax(axis=0), minlength=len(pool)) / self.draws
        chances: NDArray[np.float64] = best * (1 - self.uniform) + self.uniform / (len(pool) - len(taken))
        chances[taken] = 0.0
        chances /= chances.sum()
        return chances


def _best(scores: NDArray[np.float64], taken: NDArray[np.int64]) -> int:
    """The place of the best score that is not taken; the first of equal ones."""
    left = scores.copy()
    left[taken] = -np.inf
    return int(left.argmax())
