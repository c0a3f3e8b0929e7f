"""What is chosen for the operator of taste: penalty, share of the graph and exponent of popularity, by one judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from toy_graph import films

from kg_rec.arrays.types import Floats64
from kg_rec.model.channels.base import TrainingData
from kg_rec.model.channels.ridge import Rest
from kg_rec.model.channels.taste import TASTE, Choice, TasteConfig, choose
from kg_rec.model.histories import histories
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel, SumKernel

SHAPE = (len(films().users), len(films().items))
EDGES = films().liked()
COUNTS = np.bincount(EDGES.target, minlength=SHAPE[1])
MOST = int(COUNTS.argmax())
PRIOR = FactorKernel(sparse.csr_array(np.eye(SHAPE[1])), sparse.csr_array(np.eye(SHAPE[1])))
NONE = MatrixKernel(np.zeros((SHAPE[1], SHAPE[1]), np.float32))
#: Validation NDCG@10 by penalty, factor of W and exponent of popularity.
Metric = Callable[[float, float, float], float]


def data(judge: Callable[[Kernel], Floats64] | None = None, prior: FactorKernel | None = None) -> TrainingData:
    return TrainingData(
        snapshot=films(),
        edges=EDGES,
        interactions=histories(EDGES, SHAPE, 0),
        settings=(),
        chosen={},
        seed=0,
        device="cpu",
        prior=prior,
        judge=judge,
        tolerance=1.0,
    )


def chosen(metric: Metric, config: TasteConfig, *, noise: float = 0.0) -> tuple[Choice, list[float]]:
    """The choice among operators that hold their penalty in every cell, and the penalties that were tried.

    Half of the users gain ``noise`` by a factor of W, the others lose as much.
    """
    tried: list[float] = []

    def rest_of(l2: float) -> Rest:
        tried.append(l2)
        return Rest(MatrixKernel(np.full((SHAPE[1], SHAPE[1]), l2, np.float32)), NONE)

    def judge(kernel: Kernel) -> Floats64:
        assert isinstance(kernel, SumKernel)
        assert kernel.scale is not None
        matrix = kernel.parts[0][1]
        assert isinstance(matrix, MatrixKernel)
        factor = next((f for f, part in kernel.parts if part is PRIOR), 0.0)
        exponent = round(float(np.log(kernel.scale[MOST]) / np.log(COUNTS[MOST])), 3)
        return metric(float(matrix.matrix[0, 1]), factor, exponent) + noise * factor * np.array([1.0, -1.0, 1.0, -1.0])

    return choose(rest_of, config, data(judge, PRIOR)), tried


@pytest.mark.parametrize(("best", "tried"), [(800.0, [50, 100, 200, 400, 800, 1600]), (20.0, [50, 100, 25, 12.5])])
def test_the_grid_of_penalties_grows_beyond_an_end_that_is_chosen(best: float, tried: list[float]) -> None:
    config = TasteConfig(l2=(50.0, 100.0), popularity=(0.0,), prior=(0.0,))
    found, asked = chosen(lambda l2, _, __: -abs(np.log(l2 / best)), config)
    assert found.l2 == (800.0 if best == 800 else 25.0)
    assert asked == tried


def test_the_grid_does_not_grow_for_ever() -> None:
    config = TasteConfig(l2=(50.0, 100.0), popularity=(0.0,), prior=(0.0,))
    found, asked = chosen(lambda l2, _, __: l2, config)
    assert found.l2 == 1600.0
    assert len(asked) == 6


def test_an_inner_penalty_is_not_left() -> None:
    config = TasteConfig(l2=(50.0, 100.0, 200.0), popularity=(0.0,), prior=(0.0,))
    assert chosen(lambda l2, _, __: -abs(l2 - 100), config)[1] == [50, 100, 200]


def test_a_penalty_is_judged_with_the_exponent_that_suits_it() -> None:
    """Without an exponent 50 is the better penalty, but 100 with an exponent is better than both."""

    def metric(l2: float, _: float, exponent: float) -> float:
        return (0.5 if l2 == 50 else 0.4) + (0.3 if (l2, exponent) == (100, -0.2) else 0.0)

    config = TasteConfig(l2=(50.0, 100.0), popularity=(0.0, -0.2), prior=(0.0,))
    found, _ = chosen(metric, config)
    assert (found.l2, found.exponent, found.metric) == (100.0, -0.2, pytest.approx(0.7))


def test_of_factors_as_good_as_the_best_the_largest_is_taken() -> None:
    """A unit of W costs .01; the standard error of that is half of the noise, by four users."""
    config = TasteConfig(l2=(50.0,), popularity=(0.0,), prior=(0.0, 0.5, 1.0, 2.0))

    def metric(_: float, factor: float, __: float) -> float:
        return 0.5 - 0.01 * factor

    assert chosen(metric, config, noise=0.03)[0].factor == 2.0
    assert chosen(metric, config, noise=0.01)[0].factor == 0.0
    assert chosen(lambda _, factor, __: 0.01 * (factor == 1), config)[0].factor == 1.0


def test_where_users_are_fewer_than_items_the_operator_is_kept_as_factors_of_their_number() -> None:
    """It is exact (``test_ridge.py``), whatever the number of items."""
    few = data()
    few = replace(few, interactions=few.interactions[:20], settings=(TasteConfig(max_users=30, max_items=10),))
    kernel = TASTE.fit(few, {"l2": 5.0, "prior": 0.0}).kernel
    assert isinstance(kernel, FactorKernel)
    assert kernel.source.shape == (SHAPE[1], np.count_nonzero(np.diff(few.interactions.indptr)))
    dense = TASTE.fit(replace(few, settings=(TasteConfig(),)), {"l2": 5.0, "prior": 0.0}).kernel
    assert isinstance(dense, MatrixKernel)
    assert isinstance(dense.matrix, np.ndarray)
    every = sparse.csr_array(np.eye(SHAPE[1], dtype=np.float32))
    np.testing.assert_allclose(kernel.scores(every), dense.scores(every), atol=1e-5)
