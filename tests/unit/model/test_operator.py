"""Lists of large catalogues: made in single precision, those of double precision, the same whatever the block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import kg_rec.model.operator as operator_module
from kg_rec.arrays.topk import masked, top_k
from kg_rec.errors import ModelError
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
BASE = RNG.random(N).astype(np.float32)
HISTORIES = sparse.csr_array(RNG.random((USERS, N)) * (RNG.random((USERS, N)) < 0.03), dtype=np.float32)
NONE = sparse.csr_array((USERS, N), dtype=np.float32)


def summed() -> np.ndarray:
    """Every channel by itself, from every pair of items."""
    items = np.arange(N)
    total = np.zeros((N, N))
    for kernel, weight in KERNELS:
        total += np.stack([kernel.values(items, i) for i in items], axis=1) * weight.astype(np.float64)
    return HISTORIES.toarray().astype(np.float64) @ total + BASE


def same(one: tuple, other: tuple) -> None:
    """Equal to the last bit."""
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_operator_is_the_sum_of_its_channels() -> None:
    np.testing.assert_allclose(Operator.of(KERNELS, BASE).scores(HISTORIES), summed(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernels", [KERNELS, KERNELS[:1], KERNELS[1:2], KERNELS[2:], []])
@pytest.mark.parametrize("k", [1, 10, N])
def test_lists_are_those_of_double_precision(kernels: list, k: int) -> None:
    operator = Operator.of(kernels, BASE)
    candidates = RNG.random(N) < 0.9
    top, values = operator.best(HISTORIES, HISTORIES, k, candidates)
    expected = masked(operator.scores(HISTORIES), HISTORIES, candidates)
    np.testing.assert_array_equal(top, top_k(expected, k))
    found = np.where(top < 0, -np.inf, np.take_along_axis(expected, np.maximum(top, 0), axis=1))
    np.testing.assert_allclose(values, found, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kernels", [KERNELS, KERNELS[:1], KERNELS[1:2], KERNELS[2:]])
def test_a_list_does_not_depend_on_the_block_to_the_last_bit(kernels: list, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator.of(kernels, BASE)
    whole = operator.best(HISTORIES, NONE, 10)
    alone = [operator.best(HISTORIES[[u]], NONE[[u]], 10) for u in range(USERS)]
    same(whole, tuple(np.concatenate(parts) for parts in zip(*alone, strict=True)))
    turned = operator.best(HISTORIES[::-1], NONE, 10)
    same(whole, tuple(part[::-1] for part in turned))
    monkeypatch.setattr(operator_module, "_CELLS", 3 * N)
    monkeypatch.setattr(operator_module, "_ADDENDS", 500)
    monkeypatch.setattr(operator_module, "_PAIRS", 7)
    same(whole, operator.best(HISTORIES, NONE, 10))
    same(whole, tuple(part[:, :10] for part in operator.best(HISTORIES, NONE, N)))


def test_the_values_are_sums_from_left_to_right() -> None:
    """Sparse addends are looked up among those of the block; here each list's are summed by themselves."""
    operator = Operator.of(KERNELS[:1], np.zeros(N))
    dense = operator.matrix.toarray()
    top, values = operator.best(HISTORIES, NONE, 10)
    for user in range(USERS):
        row = HISTORIES[[user]]
        for item, value in zip(top[user].tolist(), values[user].tolist(), strict=True):
            total = 0.0
            for weight, source in zip(row.data.tolist(), row.indices.tolist(), strict=True):
                total += weight * float(dense[source, item])
            assert value == total


def test_ties_beyond_the_list_go_by_item_and_near_ties_by_double_precision() -> None:
    """All items have one score, which single precision rounds to others; then one is better by less than that."""
    rng = np.random.default_rng(5)
    source, target = rng.normal(size=(N, 8)), np.tile(rng.normal(size=(1, 8)), (N, 1))
    ones = np.ones(N, np.float32)
    kernel = MatrixKernel(sparse.csr_array((N, N), dtype=np.float32))
    operator = Operator.of([(kernel, ones)], np.zeros(N))
    flat = replace(operator, left=source, right=target)
    top, values = flat.best(HISTORIES, NONE, 10)
    np.testing.assert_array_equal(top, np.tile(np.arange(10), (USERS, 1)))
    assert (values == values[:, :1]).all()
    better = replace(flat, base=np.where(np.arange(N) == 400, 1e-12, 0.0))
    filled = np.diff(HISTORIES.indptr) > 0
    assert (better.best(HISTORIES, NONE, 10)[0][filled, 0] == 400).all()


def test_the_rounding_bound_holds() -> None:
    operator = Operator.of(KERNELS, BASE)
    given = HISTORIES.astype(np.float64)
    single = operator.left.astype(np.float32), operator.right.astype(np.float32), operator.matrix.astype(np.float32)
    nearly = (HISTORIES @ single[0]) @ single[1].T + HISTORIES @ single[2] + BASE
    nearly += (HISTORIES @ operator.source.astype(np.float32)) @ operator.target.astype(np.float32).T
    error = np.abs(np.asarray(nearly) - operator.scores(HISTORIES)).max(axis=1)
    assert (error > 0).any()
    assert (error <= operator._rounding(given)).all()
    assert (operator._rounding(given) < 1e-2 * np.abs(operator.scores(HISTORIES)).max(axis=1)).all()


def test_a_dense_matrix_is_refused() -> None:
    with pytest.raises(ModelError, match="expected a sparse matrix or factors for 600 items"):
        Operator.of([(MatrixKernel(np.zeros((N, N), np.float32)), np.ones(N, np.float32))], BASE)
