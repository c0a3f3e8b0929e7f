"""The operator that is shrunk to what the graph says: each form against its objective, minimised by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, sparse

from kg_rec.model.channels.ridge import Penalty, Rest, dense, of_neighbours, of_rank
from kg_rec.model.kernel import FactorKernel, Kernel

N, USERS, NODES = 7, 9, 4
PENALTY = Penalty(0.7, 0.3)


def toy(seed: int = 1, density: float = 0.6) -> tuple[np.ndarray, FactorKernel, np.ndarray]:
    """Weighted users' rows X, W as factors, and W dense; W is not symmetric."""
    rng = np.random.default_rng(seed)
    x = (rng.random((USERS, N)) < density) * rng.uniform(0.5, 1.5, (USERS, 1))
    source = (rng.random((N, NODES)) < 0.5) * rng.uniform(-0.2, 0.6, NODES)
    target = (rng.random((N, NODES)) < 0.6) * 1.0
    w = source @ target.T
    np.fill_diagonal(w, 0)
    return x, FactorKernel(sparse.csr_array(source), sparse.csr_array(target)), w


def minimiser(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """argmin |X - X B|^2 + tr (B - W)^T L (B - W), diag B = 0, by a general minimiser."""
    own, off = PENALTY.of(np.diag(x.T @ x)), ~np.eye(N, dtype=bool)

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        b = np.zeros((N, N))
        b[off] = values
        rest, stray = x - x @ b, b - w
        gradient = 2 * own[:, None] * stray - 2 * x.T @ rest
        return float((rest**2).sum() + (own[:, None] * stray**2).sum()), gradient[off]

    found = np.zeros((N, N))
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000}
    found[off] = optimize.minimize(objective, np.zeros(off.sum()), jac=True, method="L-BFGS-B", options=options).x
    return found


def whole(kernel: Kernel) -> np.ndarray:
    return kernel.scores(sparse.csr_array(np.eye(N))).astype(np.float64)


def forms(x: np.ndarray, prior: FactorKernel | None) -> dict[str, Rest]:
    g = sparse.csr_array(x.T @ x)
    return {
        "dense": dense(g, PENALTY, None, prior),
        "rank": of_rank(sparse.csr_array(x), PENALTY, prior),
        "neighbours": of_neighbours(g, PENALTY, N, None, prior),
    }


@pytest.mark.parametrize("factor", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_form_minimises_the_objective(factor: float, seed: int) -> None:
    x, prior, w = toy(seed, 0.9)
    assert (x.T @ x > 0).all()  # every pair occurs together, so no neighbour is missing
    expected = minimiser(x, factor * w)
    for name, rest in forms(x, prior).items():
        found = whole(rest.at(factor)) + factor * w
        np.testing.assert_allclose(found, expected, atol=2e-5, err_msg=name)


def test_the_rest_is_the_regression_of_what_the_graph_leaves_over() -> None:
    """Column i of B - W: ridge regression of x_i - X w_i on the other columns."""
    x, prior, w = toy(4)
    rest = whole(dense(sparse.csr_array(x.T @ x), PENALTY, None, prior).at(1.0))
    for i in range(N):
        others = np.arange(N) != i
        a = x[:, others]
        stacked = np.vstack([a, np.diag(np.sqrt(PENALTY.of((a**2).sum(axis=0))))])
        wanted = np.concatenate([x[:, i] - x @ w[:, i], np.zeros(N - 1)])
        np.testing.assert_allclose(rest[others, i], np.linalg.lstsq(stacked, wanted, rcond=None)[0], atol=1e-5)


def test_a_fact_of_one_item_changes_nothing_and_a_tie_of_two_does() -> None:
    x, prior, _ = toy(5, 0.9)

    def with_node(one: int, other: int) -> np.ndarray:
        """The rest with a further node between two items."""
        sides = []
        for side, item in ((prior.source, one), (prior.target, other)):
            added = sparse.csr_array(([0.7], ([item], [0])), shape=(N, 1))
            sides.append(sparse.csr_array(sparse.hstack([side, added], format="csr")))
        found = {name: whole(rest.at(1.0)) for name, rest in forms(x, FactorKernel(*sides)).items()}
        np.testing.assert_allclose(found["dense"], found["neighbours"], atol=1e-6)
        return found["dense"]

    before = whole(dense(sparse.csr_array(x.T @ x), PENALTY, None, prior).at(1.0))
    np.testing.assert_array_equal(with_node(3, 3), before)
    assert np.abs(with_node(3, 2) - before).max() > 0.01


def test_an_item_nobody_had_has_what_the_graph_says_alone() -> None:
    x, prior, w = toy(5)
    x[:, 0] = 0
    expected = minimiser(x, w)
    expected[:, 0] = w[:, 0]
    for name, rest in forms(x, prior).items():
        assert not whole(rest.at(1.0))[:, 0].any()
        if name != "neighbours":
            np.testing.assert_allclose(whole(rest.at(1.0)) + w, expected, atol=2e-5, err_msg=name)


def test_with_an_order_the_prior_is_the_same() -> None:
    x, prior, w = toy(3)
    g = x.T @ x
    c = g + np.triu(np.random.default_rng(0).random((N, N)), 1)
    rest = dense(sparse.csr_array(g), PENALTY, sparse.csr_array(c), prior)
    own = PENALTY.of(np.diag(g))
    for i in range(N):
        others = np.arange(N) != i
        left = g[np.ix_(others, others)] + np.diag(own[others])
        expected = np.linalg.solve(left, c[others, i] + own[others] * w[others, i])
        np.testing.assert_allclose((whole(rest.at(1.0)) + w)[others, i], expected, atol=1e-5)


def test_without_a_prior_there_is_nothing_to_take() -> None:
    x, _, _ = toy()
    for rest in forms(x, None).values():
        assert rest.taken is None
        assert rest.at(3.0) is rest.alone


def test_no_item_is_a_reason_for_itself() -> None:
    x, prior, _ = toy()
    for rest in forms(x, prior).values():
        assert np.abs(np.diag(whole(rest.at(1.5)))).max() < 1e-6
