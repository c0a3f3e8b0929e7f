"""Lists of large catalogues: chosen in single precision, scored in double, the same whatever the block."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from kg_rec.errors import ModelError
from kg_rec.metrics import top_k
from kg_rec.model.kernel import FactorKernel, MatrixKernel
from kg_rec.model.operator import Operator

N, USERS, M = 600, 40, 50
RNG = np.random.default_rng(3)
MATRIX = MatrixKernel(sparse.csr_array(np.where(np.eye(N), 0, RNG.normal(size=(N, N)) * (RNG.random((N, N)) < 0.05)),
                                       dtype=np.float32))  # fmt: skip
DENSE = FactorKernel(*RNG.normal(size=(2, N, 8)).astype(np.float32))
SPARSE = FactorKernel(*(sparse.csr_array(RNG.random((N, M)) * (RNG.random((N, M)) < 0.1), dtype=np.float32)
                        for _ in range(2)))  # fmt: skip
KERNELS = [(kernel, RNG.random(N).astype(np.float32)) for kernel in (MATRIX, DENSE, SPARSE)]
HISTORIES = sparse.csr_array(RNG.random((USERS, N)) * (RNG.random((USERS, N)) < 0.03), dtype=np.float32)


def summed() -> np.ndarray:
    """Every channel by itself, from every pair of items."""
    items = np.arange(N)
    total = np.zeros((N, N))
    for kernel, weight in KERNELS:
        total += np.stack([kernel.values(items, i) for i in items], axis=1) * weight.astype(np.float64)
    return HISTORIES.toarray().astype(np.float64) @ total


def test_the_operator_is_the_sum_of_its_channels() -> None:
    operator = Operator.of(KERNELS, N)
    np.testing.assert_allclose(operator.scores(HISTORIES), summed(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(operator.nearly(HISTORIES), summed(), rtol=1e-3, atol=1e-4)
    assert operator.nearly(HISTORIES).dtype == np.float32


@pytest.mark.parametrize("kernels", [KERNELS, KERNELS[:1], KERNELS[1:2], KERNELS[2:], []])
def test_some_scores_are_those_of_all(kernels: list) -> None:
    operator = Operator.of(kernels, N)
    items = RNG.integers(0, N, (USERS, 30))
    few = operator.some(HISTORIES, items)
    everything = operator.scores(HISTORIES)
    np.testing.assert_allclose(few, np.take_along_axis(everything, items, axis=1), rtol=1e-9, atol=1e-9)
    alone = np.concatenate([operator.some(HISTORIES[[u]], items[[u]]) for u in range(USERS)])
    np.testing.assert_array_equal(few, alone)  # to the last bit


def test_the_short_list_holds_the_best() -> None:
    operator = Operator.of(KERNELS, N)
    exact = top_k(summed(), 10)
    short = top_k(operator.nearly(HISTORIES), 40)
    assert all(set(a) <= set(b) for a, b in zip(exact.tolist(), short.tolist(), strict=True))


def test_a_dense_matrix_is_refused() -> None:
    with pytest.raises(ModelError, match="expected a sparse matrix or factors for 600 items"):
        Operator.of([(MatrixKernel(np.zeros((N, N), np.float32)), np.ones(N, np.float32))], N)
