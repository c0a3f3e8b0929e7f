"""The inverse of a symmetric positive definite matrix, by Cholesky factorisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kg_rec.errors import ModelError


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse, shape (n, n); the argument is overwritten.

    Raises:
        ModelError: the matrix is not positive definite.
    """
    factor, failed = linalg.lapack.dpotrf(matrix, lower=1, overwrite_a=1)
    if failed:
        raise ModelError("a Gram matrix is not positive definite; set a larger l2 or ridge penalty")
    lower, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    whole: NDArray[np.float64] = np.tril(lower) + np.tril(lower, -1).T
    return whole
