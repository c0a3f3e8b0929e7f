"""Bootstrap intervals over users (Efron 1979): users are drawn again with replacement, as often as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

#: Numbers that are drawn together at most: more would not fit into a processor's cache.
_TOGETHER = 1 << 18


def bootstrap(values: NDArray[np.float64], seed: int, samples: int = 1000) -> tuple[float, float]:
    """95 % percentile interval of a mean over users; ``values`` has shape (users,)."""
    return _interval(lambda users: values[users].mean(axis=1), len(values), seed, samples)


def ratio_interval(
    one: NDArray[np.float64], other: NDArray[np.float64], seed: int, samples: int = 1000
) -> tuple[float, float] | None:
    """95 % percentile interval of the ratio of two means over the same users, who are drawn in pairs.

    Args:
        one: a metric of each user, shape (users,).
        other: the same metric of the same users by another model.
        seed: of the draws.
        samples: draws.

    Returns:
        Lower and upper end; None if the second mean can be 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = _interval(lambda users: one[users].mean(axis=1) / other[users].mean(axis=1), len(one), seed, samples)
    return interval if np.isfinite(interval).all() else None


def difference_interval(
    one: NDArray[np.float64], other: NDArray[np.float64], seed: int, samples: int = 1000
) -> tuple[float, float]:
    """95 % percentile interval of the difference of two means over different users, each drawn by itself.

    Args:
        one: a metric of some users, shape (n,).
        other: the same metric of others, shape (m,).
        seed: of the draws.
        samples: draws.
    """
    rng, n, m = np.random.default_rng(seed), len(one), len(other)
    drawn = []
    for draws in _parts(samples, n + m):
        users, others = np.empty((draws, n), np.int64), np.empty((draws, m), np.int64)
        for row in range(draws):
            users[row], others[row] = rng.integers(0, n, n), rng.integers(0, m, m)
        drawn.append(one[users].mean(axis=1) - other[others].mean(axis=1))
    return _ends(drawn)


def _interval(
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]], n: int, seed: int, samples: int
) -> tuple[float, float]:
    """Of a statistic of drawn users, a row a draw."""
    rng = np.random.default_rng(seed)
    return _ends([statistic(rng.integers(0, n, (draws, n))) for draws in _parts(samples, n)])


def _parts(samples: int, n: int) -> Iterator[int]:
    """How many draws of n numbers to take together, until all are taken."""
    most = max(1, _TOGETHER // max(1, n))
    for done in range(0, samples, most):
        yield min(most, samples - done)


def _ends(drawn: list[NDArray[np.float64]]) -> tuple[float, float]:
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return float(low), float(high)
