"""Kernels: two forms, one meaning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel

Array = NDArray[np.float64]


def histories_of(rng: np.random.Generator, rows: int, n: int) -> sparse.csr_array:
    """Weighted histories, one of them empty."""
    dense = (rng.random((rows, n)) < 0.4) * rng.uniform(0.1, 2, (rows, n))
    dense[0] = 0
    return sparse.csr_array(dense.astype(np.float32))


def kernels(rng: np.random.Generator, n: int, d: int) -> tuple[dict[str, Kernel], Array]:
    """The same kernel in every form, and as a dense matrix in double precision."""
    source = (rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.7)).astype(np.float32)
    target = (rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.7)).astype(np.float32)
    dense = source.astype(np.float64) @ target.astype(np.float64).T
    np.fill_diagonal(dense, 0)
    matrix = dense.astype(np.float32)
    return {
        "matrix": MatrixKernel(matrix),
        "sparse matrix": MatrixKernel(sparse.csr_array(matrix)),
        "factors": FactorKernel(source, target),
        "sparse factors": FactorKernel(sparse.csr_array(source), sparse.csr_array(target)),
    }, dense


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), d=st.integers(1, 5), rows=st.integers(1, 4))
def test_every_form_equals_the_dense_formula(seed: int, n: int, d: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    forms, dense = kernels(rng, n, d)
    given_histories = histories_of(rng, rows, n)
    expected = given_histories.toarray().astype(np.float64) @ dense
    sources = rng.integers(0, n, 7)
    for name, kernel in forms.items():
        scores = kernel.scores(given_histories)
        assert scores.dtype == np.float32, name
        assert scores.shape == (rows, n), name
        np.testing.assert_allclose(scores, expected, atol=2e-5, err_msg=name)
        assert (scores[0] == 0).all(), name
        for item in range(n):
            values = kernel.values(sources, item)
            assert values.dtype == np.float32, name
            assert values.shape == (7,), name
            np.testing.assert_allclose(values, dense[sources, item], atol=1e-5, err_msg=name)
            assert (values[sources == item] == 0).all(), name


@pytest.mark.parametrize("form", ["matrix", "sparse matrix", "factors", "sparse factors"])
def test_an_item_is_no_reason_for_itself(form: str) -> None:
    """The diagonal is taken out again; in double precision nothing of a large one is left."""
    rng = np.random.default_rng(3)
    kernel = kernels(rng, 9, 4)[0][form]
    alone = sparse.csr_array(sparse.eye_array(9))
    assert np.abs(np.diag(kernel.scores(alone))).max() < 1e-7
    assert kernel.values(np.arange(9), 4)[4] == 0


def test_no_sources() -> None:
    for kernel in kernels(np.random.default_rng(0), 5, 2)[0].values():
        assert kernel.values(np.empty(0, dtype=np.int64), 2).shape == (0,)


def test_known_numbers() -> None:
    source = np.array([[1, 0], [2, 1], [0, 3]], dtype=np.float32)
    target = np.array([[1, 1], [0, 1], [2, 0]], dtype=np.float32)
    history = sparse.csr_array(np.array([[1, 0.5, 0]], dtype=np.float32))
    # K = [[0, 0, 2], [3, 0, 4], [3, 3, 0]]
    for kernel in (
        FactorKernel(source, target),
        MatrixKernel(np.array([[0, 0, 2], [3, 0, 4], [3, 3, 0]], dtype=np.float32)),
    ):
        assert kernel.scores(history).tolist() == [[1.5, 0, 4]]
        assert kernel.values(np.array([0, 1, 2]), 0).tolist() == [0, 3, 3]
