"""What would another policy have brought?  Estimates from logged lists, with intervals.

A log says what was shown, with which probability, and what came of it.  Weighing each row by how much likelier the
other policy would have shown it gives the other policy's value without running it:

- :func:`ips`: mean of w r (Horvitz & Thompson 1952);
- :func:`snips`: sum of w r over sum of w (Swaminathan & Joachims, NeurIPS 2015);
- :func:`doubly_robust`: a model of the reward, corrected by the weighed errors (Dudik et al., ICML 2011);
- :func:`list_weights`: the weights w of whole lists, under three models of how people read them.

w = P(other policy) / P(logging policy).  Intervals are bootstrap-t over rounds (Efron & Tibshirani, 1993, chapter 12),
which follows the skew of heavy weights better than percentiles do.  They cover chance, not a wrong log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import EvaluationError

#: How the reward at a rank depends on what else is in the list.
Reading = Literal["list", "cascade", "rank"]

_RESAMPLES, _BLOCK = 2000, 1 << 21


@dataclass(frozen=True)
class PolicyValue:
    """An estimate.

    Attributes:
        value: mean reward per round.
        interval: 95 % interval; (nan, nan) where every round says the same.
        effective: effective sample size (sum w)^2 / sum w^2 (Kish 1965), in rounds.
        rounds: rounds in the log.
    """

    value: float
    interval: tuple[float, float]
    effective: float
    rounds: int


def effective_sample_size(weights: NDArray[np.float64]) -> float:
    """(sum w)^2 / sum w^2: how many unweighted rounds say as much; 0 where all weights are 0."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def ips(
    rewards: NDArray[np.float64], weights: NDArray[np.float64], *, least: float = 100, seed: int = 0
) -> PolicyValue:
    """Inverse propensity scoring: unbiased where the logging policy gave every item a chance.

    Args:
        rewards: r, shape (rounds,), or (lists, k) of lists; the value of a list is the sum over its ranks.
        weights: w, same shape; of lists as :func:`list_weights` gives them.
        least: smallest effective sample size that is answered; of lists, that of the weights at the last rank.
        seed: of the bootstrap.

    Raises:
        EvaluationError: the effective sample size is below ``least``, or the arrays do not fit.
    """
    earned, _, last = _per_round(rewards, weights)
    return _estimate(earned, np.ones_like(last), last, least, seed)


def snips(
    rewards: NDArray[np.float64], weights: NDArray[np.float64], *, least: float = 100, seed: int = 0
) -> PolicyValue:
    """Self-normalised IPS: a small bias for much less variance.

    The sum of w r is divided by that of w (of lists: by the mean of w over the ranks).  Arguments and errors as for
    :func:`ips`.
    """
    earned, normal, last = _per_round(rewards, weights)
    return _estimate(earned, normal, last, least, seed)


def doubly_robust(
    rewards: NDArray[np.float64],
    weights: NDArray[np.float64],
    logged: NDArray[np.float64],
    other: NDArray[np.float64],
    *,
    least: float = 100,
    seed: int = 0,
) -> PolicyValue:
    """Doubly robust: right if the weights or the model of the reward are.

    Args:
        rewards: r, shape (rounds,).
        weights: w, shape (rounds,).
        logged: the model's reward of what was shown, shape (rounds,).
        other: the model's expected reward under the other policy, sum over items of P(item) q(item), shape (rounds,).
        least: smallest effective sample size that is answered.
        seed: of the bootstrap.

    Raises:
        EvaluationError: as for :func:`ips`.
    """
    return _estimate(other + weights * (rewards - logged), np.ones_like(weights), weights, least, seed)


def list_weights(
    other: NDArray[np.float64], logging: NDArray[np.float64], reading: Reading = "cascade"
) -> NDArray[np.float64]:
    """The weight of each rank of each list, shape (lists, k).

    Args:
        other: P(item at its rank | the items above it) under the other policy, shape (lists, k); for ``rank`` the
            probability of the item at its rank whatever stands above.
        logging: the same under the policy that chose the lists; above 0.
        reading: ``list``: a reward may depend on the whole list, so all ranks have the weight of the list; ``cascade``:
            on the items down to its rank (people read from the top; McInerney et al., KDD 2020); ``rank``: on its own
            item alone.

    Raises:
        EvaluationError: a probability is out of range, or the shapes differ.
    """
    if other.shape != logging.shape or other.ndim != 2:
        raise EvaluationError(f"expected two arrays of shape (lists, k), got {other.shape} and {logging.shape}")
    if not (((other >= 0) & (other <= 1 + 1e-9)).all() and ((logging > 0) & (logging <= 1 + 1e-9)).all()):
        raise EvaluationError(
            "expected probabilities from 0 to 1, those of the log above 0; is this a log of shown items?"
        )
    ratio: NDArray[np.float64] = np.asarray(other / logging, dtype=np.float64)
    if reading == "rank":
        return ratio
    product: NDArray[np.float64] = np.multiply.accumulate(ratio, axis=1)
    return product if reading == "cascade" else np.repeat(product[:, -1:], product.shape[1], axis=1)


def cascade_doubly_robust(
    rewards: NDArray[np.float64],
    weights: NDArray[np.float64],
    logged: NDArray[np.float64],
    other: NDArray[np.float64],
    *,
    least: float = 100,
    seed: int = 0,
) -> PolicyValue:
    """Doubly robust for lists that are read from the top (Kiyohara et al., WSDM 2022).

        V = mean over lists of sum over ranks k of w_k (r_k - q_k) + w_(k-1) E[q at k],   w_0 = 1

    Args:
        rewards: r, shape (lists, k).
        weights: w as :func:`list_weights` gives them for ``cascade``, shape (lists, k).
        logged: q of what was shown, shape (lists, k).
        other: expected q at each rank under the other policy, given the items above, shape (lists, k).
        least: smallest effective sample size that is answered, in lists.
        seed: of the bootstrap.

    Raises:
        EvaluationError: as for :func:`ips`.
    """
    before = np.concatenate([np.ones((len(weights), 1)), weights[:, :-1]], axis=1)
    total = (weights * (rewards - logged) + before * other).sum(axis=1)
    return _estimate(total, np.ones(len(total)), weights[:, -1], least, seed)


def _per_round(
    rewards: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """sum of w r, mean of w, and the last w of each round or list, each of shape (rounds,)."""
    if rewards.shape != weights.shape or not rewards.ndim or not rewards.size:
        raise EvaluationError(f"expected one reward for each weight, got shapes {rewards.shape} and {weights.shape}")
    r, w = rewards.reshape(len(rewards), -1), weights.reshape(len(weights), -1)
    return (w * r).sum(axis=1), w.mean(axis=1), w[:, -1]


def _estimate(
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    weights: NDArray[np.float64],
    least: float,
    seed: int,
) -> PolicyValue:
    """sum of numerators over sum of denominators, with its interval."""
    if not (numerator.shape == denominator.shape == weights.shape and numerator.ndim == 1 and len(numerator)):
        raise EvaluationError("expected one reward and one weight per round, of at least one round")
    if not (np.isfinite(numerator).all() and np.isfinite(weights).all() and (weights >= 0).all()):
        raise EvaluationError("expected finite rewards and weights of 0 or more; check the propensities of the log")
    effective = effective_sample_size(weights)
    if effective < least:
        raise EvaluationError(
            f"the log cannot tell: it says as much about this policy as {effective:.1f} rounds, expected at least "
            f"{least:g}; log more, or ask about a policy nearer to the one that was logged"
        )
    value, _ = _ratio(numerator[None], denominator[None])
    return PolicyValue(float(value[0]), _bootstrap_t(numerator, denominator, seed), effective, len(numerator))


def _ratio(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratios of sums and their standard errors by the delta method, shape (b,), for arrays of shape (b, rounds)."""
    below = np.maximum(denominator.sum(axis=1), 1e-300)
    value = numerator.sum(axis=1) / below
    error = np.sqrt(((numerator - value[:, None] * denominator) ** 2).sum(axis=1)) / below
    return value, error


def _bootstrap_t(numerator: NDArray[np.float64], denominator: NDArray[np.float64], seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    rounds = len(numerator)
    (value,), (error,) = _ratio(numerator[None], denominator[None])
    if error == 0:
        return float("nan"), float("nan")
    at_once = max(1, _BLOCK // rounds)
    statistics = []
    for start in range(0, _RESAMPLES, at_once):
        rows = rng.integers(0, rounds, (min(at_once, _RESAMPLES - start), rounds))
        values, errors = _ratio(numerator[rows], denominator[rows])
        kept = errors > 0  # resamples without any reward say nothing about the spread
        statistics.append((values[kept] - value) / errors[kept])
    low, high = np.quantile(np.concatenate(statistics), [0.025, 0.975])
    return float(value - high * error), float(value - low * error)
