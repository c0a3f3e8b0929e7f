"""Ranked lists and their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ranking:
    """Ranked lists of users with something to find.

    Attributes:
        users: dense indices, shape (u,).
        top: item indices, best first, -1 for none, shape (u, k).
        metrics: per user, by name such as ``ndcg@10``, each shape (u,).
    """

    users: NDArray[np.int64]
    top: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]

    def mean(self) -> dict[str, float]:
        """Averages over the users."""
        return {name: float(values.mean()) for name, values in self.metrics.items()}
