"""The closed-form item-item operators against the regressions that they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from toy_graph import edges

from kg_rec.arrays.cholesky import inverse
from kg_rec.errors import ConfigError, ModelError
from kg_rec.model.channels.taste import TasteConfig, gram, operator
from kg_rec.model.histories import histories
from kg_rec.model.kernel import Kernel
from kg_rec.snapshot import NO_TIME

CONFIG = TasteConfig(dropout=0.25, user_power=0.0)
SPARSE = replace(CONFIG, max_items=1)


def taste_kernel(x: sparse.csr_array, config: TasteConfig, l2: float, **kwargs: object) -> Kernel:
    """The operator that interactions alone make."""
    return operator(gram(x, config.user_power), config, l2, **kwargs).alone  # type: ignore[arg-type]


def interactions(users: int = 40, items: int = 12, density: float = 0.5, seed: int = 1) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    return sparse.csr_array((rng.random((users, items)) < density).astype(np.float32))


@pytest.mark.parametrize("l2", [0.5, 7.0])
def test_each_column_is_the_ridge_regression_of_that_item_on_the_others(l2: float) -> None:
    x = interactions()
    dense = x.toarray().astype(np.float64)
    operator = taste_kernel(x, CONFIG, l2).matrix
    for item in range(dense.shape[1]):
        others = [j for j in range(dense.shape[1]) if j != item]
        a = dense[:, others]
        penalty = l2 + 0.25 / 0.75 * (a**2).sum(axis=0)
        # ridge by least squares on the stacked system, not by the normal equations that the model uses
        stacked = np.vstack([a, np.diag(np.sqrt(penalty))])
        wanted = np.concatenate([dense[:, item], np.zeros(len(others))])
        expected = np.linalg.lstsq(stacked, wanted, rcond=None)[0]
        np.testing.assert_allclose(operator[others, item], expected, atol=1e-6)
    assert (np.diag(operator) == 0).all()
    assert operator.dtype == np.float32


def test_the_neighbours_form_with_every_neighbour_is_the_dense_one() -> None:
    x = interactions(density=0.7)
    assert (x.T @ x).nnz == 12 * 12  # every pair occurs together, so no neighbour is missing
    for config in (replace(CONFIG, neighbours=12), TasteConfig(neighbours=50)):
        dense, near = (taste_kernel(x, replace(config, max_items=most), 3.0) for most in (12, 1))
        np.testing.assert_allclose(near.matrix.toarray(), dense.matrix, atol=1e-6)


def test_there_is_at_least_one_neighbour() -> None:
    assert TasteConfig(neighbours=1).neighbours == 1
    with pytest.raises(ConfigError, match=r"taste\.neighbours: expected at least 1"):
        TasteConfig(neighbours=0)


def test_fewer_neighbours_keep_the_most_alike() -> None:
    """Items 0, 1, 2 come together, 3 seldom joins: of two neighbours, item 0 keeps 1 and 2."""
    rows = [[1, 1, 1, 0]] * 6 + [[1, 0, 0, 1], [0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1]]
    kernel = taste_kernel(sparse.csr_array(np.array(rows, dtype=np.float32)), replace(SPARSE, neighbours=2), 1.0)
    assert np.flatnonzero(kernel.matrix.toarray()[:, 0]).tolist() == [1, 2]
    assert (kernel.matrix.diagonal() == 0).all()
    assert (np.diff(kernel.matrix.tocsc().indptr) <= 2).all()


def test_the_size_of_the_catalogue_decides_the_form() -> None:
    x = interactions()
    assert not sparse.issparse(taste_kernel(x, replace(CONFIG, max_items=12), 3.0).matrix)
    assert sparse.issparse(taste_kernel(x, replace(CONFIG, max_items=11), 3.0).matrix)


def test_without_any_pair_the_sparse_form_is_empty() -> None:
    kernel = taste_kernel(sparse.csr_array(np.eye(3, dtype=np.float32)), SPARSE, 1.0)
    assert kernel.matrix.shape == (3, 3)
    assert kernel.matrix.nnz == 0


def test_users_with_much_count_less_under_a_user_power() -> None:
    x = sparse.csr_array(np.array([[1, 1, 0, 0], [1, 1, 1, 1]], dtype=np.float32))
    # n = 2 and 4; weights n^-1, scaled so that the trace stays 6: 1/2 and 1/4 have trace 2, so 3/2 and 3/4
    np.testing.assert_allclose(gram(x, 1.0).toarray()[0], [2.25, 2.25, 0.75, 0.75], rtol=1e-12)
    np.testing.assert_allclose(gram(x, 0.0).toarray(), (x.T @ x).toarray())


def test_the_gram_matrix_is_a_sum_over_users() -> None:
    x = interactions()
    whole = gram(x, 0.0).toarray()
    np.testing.assert_allclose(gram(x[:15], 0.0).toarray() + gram(x[15:], 0.0).toarray(), whole)


def test_weighted_users_solve_the_weighted_regression() -> None:
    x = interactions()
    dense = x.toarray().astype(np.float64)
    counts = dense.sum(axis=1)
    weight = counts**-0.5
    weight *= dense.sum() / (weight * counts).sum()
    g = dense.T @ (weight[:, None] * dense)
    penalised = g + np.diag(2.0 + 0.25 / 0.75 * np.diag(g))
    others = list(range(1, 12))
    expected = np.linalg.solve(penalised[np.ix_(others, others)], g[others, 0])
    found = taste_kernel(x, replace(CONFIG, user_power=0.5), 2.0).matrix
    np.testing.assert_allclose(found[others, 0], expected, atol=1e-6)


def test_users_without_interactions_and_items_nobody_had_do_no_harm() -> None:
    x = interactions().toarray()
    wide = np.zeros((42, 13), dtype=np.float32)
    wide[1:41, :12] = x
    found = taste_kernel(sparse.csr_array(wide), TasteConfig(), 5.0).matrix
    expected = taste_kernel(sparse.csr_array(x), TasteConfig(), 5.0).matrix
    np.testing.assert_allclose(found[:12, :12], expected, atol=1e-6)
    assert (found[12] == 0).all()
    assert (found[:, 12] == 0).all()


# --- inverse -------------------------------------------------------------------------------------------


def test_inverse() -> None:
    a = np.random.default_rng(0).normal(size=(20, 9))
    g = a.T @ a
    found = inverse(g.copy())
    np.testing.assert_allclose(found @ g, np.eye(9), atol=1e-9)
    np.testing.assert_array_equal(found, found.T)


@pytest.mark.parametrize("matrix", [[[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]], [[np.nan, 0.0], [0.0, 1.0]]])
def test_a_matrix_that_is_not_positive_definite_is_an_error(matrix: list[list[float]]) -> None:
    with pytest.raises(ModelError, match="not positive definite; set a larger l2 or ridge"):
        inverse(np.array(matrix))


@pytest.mark.parametrize(("max_items", "l2"), [(12, 0.0), (12, -50.0), (3, -50.0)])
def test_a_penalty_too_small_is_an_error_in_both_forms(max_items: int, l2: float) -> None:
    x = sparse.csr_array(np.array([[1, 1, 1, 0], [1, 1, 1, 0]], dtype=np.float32))  # nobody had item 3
    with pytest.raises(ModelError, match="not positive definite"):
        taste_kernel(x, replace(CONFIG, dropout=0.0, user_power=0.0, max_items=max_items), l2)


def test_some_items_alone_have_the_same_numbers() -> None:
    x = sparse.csr_array((np.random.default_rng(8).random((40, 12)) < 0.3).astype(np.float32))
    config, items = replace(CONFIG, max_items=3, neighbours=5), np.array([1, 4, 5])
    part, whole = (taste_kernel(x, config, 2.0, items=some).matrix.toarray() for some in (items, None))
    np.testing.assert_array_equal(part[:, items], whole[:, items])
    assert not np.delete(part, items, axis=1).any()


# --- histories -----------------------------------------------------------------------------------------


def test_histories_without_recency_are_ones() -> None:
    found = histories(edges([(0, 2), (0, 1), (2, 0)], time=[1, 2, 3]), (3, 4), 0)
    assert found.toarray().tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert found.dtype == np.float32


def test_recency_weights_by_rank_with_mean_one_per_user() -> None:
    table = edges([(0, 0), (0, 1), (0, 2), (1, 3)], time=[30, NO_TIME, 10, 8])
    found = histories(table, (2, 4), 2.0).toarray()
    raw = 1 / (1 + np.array([0, 2, 1]) / 2.0)  # item 0 is the latest, item 1 has no time
    np.testing.assert_allclose(found[0, :3], raw / raw.mean(), rtol=1e-6)
    np.testing.assert_allclose(found[1], [0, 0, 0, 1], rtol=1e-6)


def test_recency_needs_times() -> None:
    assert histories(edges([(0, 1), (0, 2)]), (1, 3), 5.0).toarray().tolist() == [[0, 1, 1]]
