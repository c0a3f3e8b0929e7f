"""Fusion: when a weight moves, when it stays, and how far a channel that people can check is raised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from kg_rec.arrays.types import Floats32, Floats64
from kg_rec.metrics import ValidationSet
from kg_rec.model.channels.knowledge import KNOWLEDGE
from kg_rec.model.channels.taste import TASTE
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.model.train.fusion import choose_lambdas, standardise
from kg_rec.model.train.weights import fuse, popularity_scale
from kg_rec.progress import no_progress

#: One user, and one item per channel: a judge can read each channel's weight.
SCORES = {"taste": np.float32([[1, 0]]), "knowledge": np.float32([[0, 1]])}
START = {"taste": 1.0, "knowledge": 0.1}


def judge(metric: Callable[[float, float], float], spread: float = 0.0) -> Callable[[Floats32], Floats64]:
    """A judge by the weights of taste and knowledge, the same for four users but for what a change adds to each.

    The first pair of users gains ``spread`` times the weight of taste more than the mean, the second as much less: with
    one unit of taste more, the standard error of the mean difference is ``spread`` / 2.
    """

    def judged(scores: Floats32) -> Floats64:
        taste, knowledge = float(scores[0, 0]), float(scores[0, 1])
        return metric(taste, knowledge) + spread * (taste + knowledge) * np.array([1.0, 1.0, -1.0, -1.0])

    return judged


def chosen(
    metric: Callable[[float, float], float], config: FusionConfig, spread: float = 0.0, **kwargs: object
) -> dict[str, float]:
    weights, _ = choose_lambdas(SCORES, START, judge(metric, spread), config, **kwargs)  # type: ignore[arg-type]
    return weights


def test_a_weight_moves_to_where_the_metric_is_best() -> None:
    found = chosen(lambda taste, knowledge: 1 - abs(taste - 3) - knowledge, FusionConfig())
    assert found == pytest.approx({"taste": 3.0, "knowledge": 0.0}, abs=0.2)


def test_a_gain_within_the_noise_of_the_users_is_chance_and_moves_nothing() -> None:
    """Two more units of taste add .02 to the mean, and its standard error is .01."""

    def metric(taste: float, knowledge: float) -> float:
        return 1 + 0.01 * taste - knowledge

    config = FusionConfig(steps=(3.0,), rounds=1)
    assert chosen(metric, config, 0.01, least=2.1)["taste"] == 1.0
    assert chosen(metric, config, 0.01, least=1.9)["taste"] == 3.0
    assert chosen(metric, config, 0.01)["taste"] == 3.0


def test_the_same_gain_counts_where_there_is_less_noise() -> None:
    config = FusionConfig(steps=(2.0,), rounds=1)
    assert chosen(lambda taste, _: 0.01 * taste, config, 0.03, least=1.0)["taste"] == 1.0
    assert chosen(lambda taste, _: 0.01 * taste, config, 0.01, least=1.0)["taste"] == 2.0


def test_a_checkable_channel_is_raised_as_far_as_the_tolerance_allows() -> None:
    """A unit of knowledge costs .01 with a standard error of .005: within two of them, however much is raised."""

    def metric(taste: float, knowledge: float) -> float:
        return 1 - 0.01 * knowledge

    config = FusionConfig(tolerance=2.1)
    assert chosen(metric, config, 0.01)["knowledge"] == 0.0
    weights, reached = choose_lambdas(SCORES, START, judge(metric, 0.01), config, raised=("knowledge",))
    assert weights["knowledge"] == 0.4
    assert reached == pytest.approx(1 - 0.01 * 0.4)
    assert chosen(metric, FusionConfig(tolerance=1.9), 0.01, raised=("knowledge",))["knowledge"] == 0.0
    assert chosen(metric, config, 0.01, raised=("knowledge",), fixed=frozenset({"knowledge"}))["knowledge"] == 0.1


def test_a_weight_is_raised_from_where_it_stands() -> None:
    """Knowledge is best at .1; each unit more costs .01, so .4 costs .003."""

    def metric(taste: float, knowledge: float) -> float:
        return 1 - 0.01 * abs(knowledge - 0.1)

    weights, reached = choose_lambdas(
        SCORES, START, judge(metric, 0.01), FusionConfig(tolerance=2.1), raised=("knowledge",)
    )
    assert weights["knowledge"] == 0.4
    assert reached == pytest.approx(1 - 0.01 * 0.3, abs=1e-5)


def test_what_was_raised_counts_while_the_next_is_raised() -> None:
    def metric(taste: float, knowledge: float) -> float:
        return 1.0 if knowledge >= 0 else -9.0

    start = {"taste": 0.1, "knowledge": 0.1}
    weights, _ = choose_lambdas(SCORES, start, judge(metric, 0.01), FusionConfig(), raised=("knowledge", "taste"))
    assert weights == {"taste": 0.4, "knowledge": 0.4}


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


def test_new_items_are_weighed_apart_from_known_ones() -> None:
    """What the graph says of an item that nobody had must not rank it among known items by their weights."""
    popularity, config = np.array([0, 1, 1024]), TrainConfig()
    np.testing.assert_allclose(popularity_scale(KNOWLEDGE, popularity, config, {}), [0, 1, 0.5], rtol=1e-6)
    np.testing.assert_allclose(popularity_scale(TASTE, popularity, config, {}), [1, 1, 0.5], rtol=1e-6)


def test_what_the_graph_says_begins_at_nothing_beside_an_operator_that_is_shrunk_to_it() -> None:
    """The operator's weight brings what the graph says with it; without one, that has a weight of its own."""
    one, none = sparse.csr_array(np.float32([[1, 0, 0]])), sparse.csr_array((1, 3), dtype=np.float32)
    judge = ValidationSet(none, none, one, np.ones(3, dtype=bool))
    knowledge, config = np.float32([[0, 1, 0]]), FusionConfig(rounds=0)
    both = {"taste": np.float32([[1, 0.99, 0]]), "knowledge": knowledge}
    assert fuse(both, judge, TrainConfig(channels=tuple(both), fusion=config), no_progress).lambdas["knowledge"] == 0
    alone = TrainConfig(channels=("knowledge",), fusion=config)
    assert fuse({"knowledge": knowledge}, judge, alone, no_progress).lambdas["knowledge"] > 0
