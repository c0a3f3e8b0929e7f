"""What training learns from interactions, as sums over users, so that they can be added up where the users are not.

    degrees = sum_u x_u          gram = sum_u n_u^-p x_u x_u^T          near, later: see :mod:`.sequence`

x_u is the set of items that user u liked, n_u how many these are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64


@dataclass(frozen=True)
class Sums:
    """Sums over the users of one or several sites, of n items.

    Attributes:
        degrees: int64, shape (n,).
        gram: shape (n, n).
        near: pairs near in time, weighed as in gram, shape (n, n).
        later: how often j, then i, less how often i, then j, weighed as in gram, shape (n, n).
    """

    degrees: NDArray[np.int64]
    gram: Floats64
    near: Floats64
    later: Floats64

    @property
    def _scale(self) -> float:
        """What brings the trace to the number of interactions, as :func:`.taste.weighted_rows` does."""
        return float(self.degrees.sum()) / max(float(np.trace(self.gram)), 1e-12)

    def taste(self) -> sparse.csr_array:
        """G of :func:`.taste.gram`."""
        return sparse.csr_array(self.gram * self._scale)

    def pairs(self, direction: float) -> tuple[sparse.csr_array, sparse.csr_array | None]:
        """G and C of :func:`.sequence.pair_counts`."""
        near = sparse.csr_array(self.near * self._scale)
        if not direction:
            return near, None
        return near, sparse.csr_array((self.gram + direction * self.later) * self._scale)
