"""Bootstrap intervals over users (Efron 1979): users are drawn again with replacement, as often as there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def bootstrap(values: NDArray[np.float64], seed: int, samples: int = 1000) -> tuple[float, float]:
    """95 % percentile interval of a mean over users; ``values`` has shape (users,)."""
    return _interval(lambda users: values[users].mean(), len(values), seed, samples)


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
        interval = _interval(lambda users: one[users].mean() / other[users].mean(), len(one), seed, samples)
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
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(one, len(one)).mean() - rng.choice(other, len(other)).mean() for _ in range(samples)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _interval(statistic: Callable[[NDArray[np.int64]], float], n: int, seed: int, samples: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, n, n)) for _ in range(samples)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
