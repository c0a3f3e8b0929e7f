"""Inverses and solutions for symmetric positive definite matrices, by Cholesky factorisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kg_rec.errors import ModelError

#: Rows that are mirrored at a time.
_BLOCK = 256
_FAILED = "a Gram matrix is not positive definite; set a larger l2 or ridge penalty"


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse, shape (n, n); the argument is overwritten.

    Raises:
        ModelError: the matrix is not positive definite.
    """
    factor, failed = linalg.lapack.dpotrf(matrix, lower=1, overwrite_a=1)
    if failed or not np.isfinite(np.diag(factor)).all():
        raise ModelError(_FAILED)
    lower, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    whole: NDArray[np.float64] = lower.T  # in the order of rows; its upper part holds the inverse
    for start in range(0, len(whole), _BLOCK):
        end = start + _BLOCK
        corner = whole[start:end, start:end]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        whole[end:, start:end] = whole[start:end, end:].T
    return whole


def solve(matrix: NDArray[np.float64], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """matrix^-1 right for ``right`` of shape (n,) or (n, d); ``matrix`` is overwritten.

    Raises:
        ModelError: the matrix is not positive definite.
    """
    _, solution, failed = linalg.lapack.dposv(matrix, right, overwrite_a=1)
    found: NDArray[np.float64] = solution
    if failed or not np.isfinite(found).all():
        raise ModelError(_FAILED)
    return found
