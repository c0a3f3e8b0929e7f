"""Fusion: when a weight moves, when it stays, and how far a channel that people can check is raised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kg_rec.arrays.types import Floats32
from kg_rec.model.config import FusionConfig
from kg_rec.model.train.fusion import choose_lambdas, standardise

#: One user, and one item per channel: a judge can read each channel's weight.
SCORES = {"taste": np.float32([[1, 0]]), "knowledge": np.float32([[0, 1]])}
START = {"taste": 1.0, "knowledge": 0.1}


def judge(metric: Callable[[float, float], float]) -> Callable[[Floats32], float]:
    """A judge by the weights of taste and knowledge."""
    return lambda scores: metric(float(scores[0, 0]), float(scores[0, 1]))


def chosen(metric: Callable[[float, float], float], config: FusionConfig, **kwargs: object) -> dict[str, float]:
    weights, _ = choose_lambdas(SCORES, START, judge(metric), config, **kwargs)  # type: ignore[arg-type]
    return weights


def test_a_weight_moves_to_where_the_metric_is_best() -> None:
    found = chosen(lambda taste, knowledge: 1 - abs(taste - 3) - knowledge, FusionConfig())
    assert found == pytest.approx({"taste": 3.0, "knowledge": 0.0}, abs=0.2)


def test_a_gain_below_the_least_share_is_chance_and_moves_nothing() -> None:
    """Three times the weight of taste adds .2 % to the metric."""

    def metric(taste: float, knowledge: float) -> float:
        return 1 + 0.001 * taste - knowledge

    config = FusionConfig(steps=(3.0,), rounds=1)
    assert chosen(metric, config, least=0.004)["taste"] == 1.0
    assert chosen(metric, config, least=0.0015)["taste"] == 3.0
    assert chosen(metric, config)["taste"] == 3.0


def test_the_least_share_is_relative_to_the_metric() -> None:
    """A gain of .001 is little beside 1 and much beside .1."""
    config = FusionConfig(steps=(2.0,), rounds=1)
    assert chosen(lambda taste, _: 1.0 + 0.001 * taste, config, least=0.004)["taste"] == 1.0
    assert chosen(lambda taste, _: 0.1 + 0.001 * taste, config, least=0.004)["taste"] == 2.0


def test_a_checkable_channel_is_raised_as_far_as_the_tolerance_allows() -> None:
    """Each unit of knowledge costs .01: the ascent sets it to 0, the tolerance gives .1 of it back, and .15 not."""
    config = FusionConfig(tolerance=0.0012)

    def metric(taste: float, knowledge: float) -> float:
        return 1 - 0.01 * knowledge

    assert chosen(metric, config)["knowledge"] == 0.0
    weights, reached = choose_lambdas(SCORES, START, judge(metric), config, raised=("knowledge",))
    assert weights["knowledge"] == 0.1
    assert reached == pytest.approx(1 - 0.01 * 0.1)
    assert chosen(metric, FusionConfig(tolerance=0.0), raised=("knowledge",))["knowledge"] == 0.0
    assert chosen(metric, config, raised=("knowledge",), fixed=frozenset({"knowledge"}))["knowledge"] == 0.1  # as given


def test_raising_never_lowers_a_weight() -> None:
    def metric(taste: float, knowledge: float) -> float:
        return 1 - abs(knowledge - 0.9)

    assert chosen(metric, FusionConfig(tolerance=1.0), raised=("knowledge",))["knowledge"] > 0.4


def test_a_channel_that_must_stay_is_not_set_to_nothing() -> None:
    def metric(taste: float, knowledge: float) -> float:
        return 1 - taste

    assert chosen(metric, FusionConfig())["taste"] == 0.0
    assert chosen(metric, FusionConfig(), positive=frozenset({"taste"}))["taste"] > 0


def test_standardised_scores_have_unit_spread() -> None:
    scores = {"a": np.float32([[1, 3], [5, 7]]), "b": np.zeros((2, 2), np.float32)}
    spread = float(scores["a"].std())
    assert standardise(scores)["a"] == pytest.approx(spread)
    assert scores["a"].std() == pytest.approx(1)
    assert not scores["b"].any()
