"""Evaluation: known rankings, intervals, ablations, protocols."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from toy_graph import NO_TEXT, edges, everything, films

import kg_rec.model.recommender as recommender_module
from kg_rec.errors import ConfigError
from kg_rec.evaluation.ablations import _dealt, among_equals, without
from kg_rec.evaluation.bootstrap import bootstrap, ratio_interval
from kg_rec.evaluation.evaluate import (
    EvaluationReport,
    beyond_accuracy,
    evaluate,
    path_quality,
    rank_split,
)
from kg_rec.evaluation.knowledge_share import knowledge_share
from kg_rec.evaluation.ranking import Ranking
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.paths.metrics import PATH_METRICS, interaction_recency
from kg_rec.explain.single import explain
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.config import TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.split import Split, cold_items_split, random_split

CONFIG = replace(NO_TEXT, gnn=GnnConfig(dimensions=(4,), exponents=(0.3,)), cold=ColdConfig(rounds=1, steps=(0.4,)))


@pytest.fixture(scope="module")
def split() -> Split:
    return random_split(films().liked(), 45, seed=3)


@pytest.fixture(scope="module")
def trained_on_split() -> list[Recommender]:
    return []


@pytest.fixture(scope="module")
def report(split: Split, trained_on_split: list[Recommender]) -> EvaluationReport:
    return evaluate(
        films(), split, CONFIG, ablations=("no_graph", "shuffled_graph", "no_gnn"), trained=trained_on_split.append
    )


def popularity_model(base: np.ndarray) -> Recommender:
    """A model whose scores are its base alone, so that the ranking is known."""
    return replace(everything(), channels=(), base=base.astype(np.float32))


def hand_made() -> Split:
    all_items = np.ones(45, dtype=bool)
    return Split(
        "random",
        edges([(0, 0), (1, 1)]),
        edges([(0, 1), (1, 0)]),
        edges([(0, 3), (0, 30), (2, 0)]),
        all_items,
        all_items,
    )


def test_metrics_of_a_known_ranking() -> None:
    """Items are ranked 0, 1, 2, ...; train and validation items are left out of the test ranking."""
    found = rank_split(popularity_model(-np.arange(45.0)), hand_made(), "test", ks=(2, 10))
    assert found.users.tolist() == [0, 2]
    assert found.top[0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]  # 0 and 1 are known
    assert found.top[1].tolist() == list(range(10))
    assert found.metrics["recall@2"].tolist() == [0.5, 1]
    assert found.metrics["mrr@10"].tolist() == [0.5, 1]
    gain = 1 / math.log2(3)
    np.testing.assert_allclose(found.metrics["ndcg@10"], [gain / (1 + gain), 1])
    assert found.mean()["hit@2"] == 1


def test_the_validation_ranking_masks_training_only() -> None:
    found = rank_split(popularity_model(-np.arange(45.0)), hand_made(), "valid", ks=(3,))
    assert found.users.tolist() == [0, 1]
    assert found.top.tolist() == [[1, 2, 3], [0, 2, 3]]
    assert found.metrics["mrr@3"].tolist() == [1, 1]


def test_blocks_change_nothing(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rank_split(everything(), split, "test")
    monkeypatch.setattr(recommender_module, "_CELLS", 1)  # blocks of 16 users
    two = rank_split(everything(), split, "test")
    np.testing.assert_array_equal(one.top, two.top)
    np.testing.assert_array_equal(one.metrics["ndcg@10"], two.metrics["ndcg@10"])


def test_nobody_to_rank_for(split: Split) -> None:
    with pytest.raises(ConfigError, match="no user has test interactions"):
        rank_split(everything(), replace(split, test=edges([])), "test")


def test_a_bootstrap_interval_holds_the_mean_and_narrows() -> None:
    rng = np.random.default_rng(0)
    values = rng.random(400)
    low, high = bootstrap(values, seed=1)
    assert low < values.mean() < high
    # a normal interval of the mean has half-width 1.96 s / sqrt(n)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)
    assert bootstrap(values, seed=1) == (low, high)
    few = bootstrap(values[:25], seed=1)
    assert few[1] - few[0] > 2 * (high - low)
    assert bootstrap(np.full(9, 0.25), seed=0) == (0.25, 0.25)


def test_beyond_accuracy_by_hand() -> None:
    """Two users; lists 2, 3 and 2, none; items 2 and 3 have likers {0, 1} and {1}."""
    model = everything().with_interactions(
        edges([(0, 2), (0, 0), (1, 2), (1, 3)], weight=[5, 5, 5, 5], time=[1, 2, 3, 4])
    )
    top = np.array([[2, 3], [2, -1]])
    candidates = np.zeros(45, dtype=bool)
    candidates[:8] = True
    found = beyond_accuracy(Ranking(np.array([0, 1]), top, {}), model, candidates, k=2)
    assert found["coverage@2"] == 2 / 8
    assert found["novelty@2"] == pytest.approx(-np.log2(np.array([2, 1, 2]) / 60).mean())
    assert found["diversity@2"] == pytest.approx(1 - 1 / math.sqrt(2))
    assert found["popularity@2"] == pytest.approx((5 / 3) / (6 / 4))


# --- the whole -----------------------------------------------------------------------------------------


def test_the_report_is_that_of_the_trained_model(
    report: EvaluationReport, split: Split, trained_on_split: list[Recommender]
) -> None:
    (model,) = trained_on_split
    test = rank_split(model, split, "test")
    assert report.protocol == "random"
    assert report.users == len(test.users) == len(np.unique(split.test.source))
    assert report.items == int(split.test_candidates.sum())
    assert {name: report.metrics[name] for name in test.mean()} == test.mean()
    assert report.valid == rank_split(model, split, "valid").mean()
    assert report.chosen == model.chosen.summary()
    assert report.knowledge_share == knowledge_share(model, test)
    assert set(report.intervals) == set(test.metrics)
    for name, (low, high) in report.intervals.items():
        assert low <= report.metrics[name] <= high, name
    assert report.metrics["ndcg@10"] > 0.2
    assert all(seconds > 0 for seconds in report.seconds.values())


def test_lift_is_the_paired_difference(report: EvaluationReport) -> None:
    assert set(report.kg_lift) == {"no_graph", "shuffled_graph", "no_gnn"}
    for name, part in report.kg_lift.items():
        low, high = part["interval"]
        assert low <= part["drop"] <= high, name
    # viewers like kinds of films and the graph says the kind, so without it the ranking is worse
    assert max(report.kg_lift[name]["drop"] for name in ("no_graph", "shuffled_graph")) > 0


def test_the_report_is_json_as_the_issue_asks(report: EvaluationReport) -> None:
    found = json.loads(json.dumps(report.to_dict()))
    assert {"protocol", "users", "metrics", "intervals", "kg_lift"} <= set(found)
    assert {"ndcg@10", "recall@10", "ndcg@20", "mrr@10", "hit@10", "precision@10", "coverage@10"} <= set(
        found["metrics"]
    )
    assert found["intervals"]["ndcg@10"] == list(report.intervals["ndcg@10"])
    assert set(found["kg_lift"]["no_graph"]) == {"drop", "interval"}


def test_an_unknown_ablation_is_refused_before_training(split: Split) -> None:
    with pytest.raises(ConfigError, match="unknown ablation 'no_luck'; expected some of no_graph, shuffled_graph"):
        evaluate(films(), split, CONFIG, ablations=("no_luck",))


POPULARITY = np.bincount(films().interactions.target, minlength=45)


def test_what_each_ablation_takes_away() -> None:
    graph = films()
    config = TrainConfig()
    bare, same = without("no_graph", graph, POPULARITY, config)
    assert same == config
    assert {name: len(e) for name, e in bare.edges.items() if len(e)} == {"RATED": len(graph.interactions)}
    shuffled, _ = without("shuffled_graph", graph, POPULARITY, config)
    assert shuffled.edges["RATED"] is graph.edges["RATED"]
    for name in ("HAS_GENRE", "DIRECTED_BY", "STARRING", "FOLLOWED_BY"):
        one, two = graph.edges[name], shuffled.edges[name]
        assert len(one) == len(two)
        if name != "FOLLOWED_BY":  # between items both ends are dealt
            np.testing.assert_array_equal(np.sort(one.target), np.sort(two.target))
        facts = [set(zip(e.source.tolist(), e.target.tolist(), strict=True)) for e in (one, two)]
        assert facts[0] != facts[1], name
        np.testing.assert_array_equal(
            np.sort(np.bincount(one.source, minlength=45)), np.sort(np.bincount(two.source, minlength=45))
        )
    assert without("no_text", graph, POPULARITY, config)[1].meaning.encoder == "none"
    assert "relational" not in without("no_gnn", graph, POPULARITY, config)[1].channels
    assert without("shuffled_graph", graph, POPULARITY, config)[0].digest == shuffled.digest  # by the seed


def test_facts_go_to_items_that_are_about_as_popular() -> None:
    popularity = np.random.default_rng(0).zipf(1.5, 200)
    order = among_equals(popularity, np.random.default_rng(1))
    assert sorted(order.tolist()) == list(range(200))
    assert (order != np.arange(200)).mean() > 0.8
    by_chance = np.random.default_rng(2).permutation(200)
    assert (
        np.abs(np.log(popularity[order] / popularity)).mean()
        < 0.2 * np.abs(np.log(popularity[by_chance] / popularity)).mean()
    )
    dealt, _ = without("popularity_shuffled", films(), POPULARITY, TrainConfig())
    assert len(dealt.edges["STARRING"]) == len(films().edges["STARRING"])
    assert dealt.digest != films().digest


def test_the_interval_of_a_ratio_is_paired() -> None:
    """One model is always 10 % better, on users that differ much: the ratio is certain, the means are not."""
    other = np.random.default_rng(0).random(200)
    assert ratio_interval(1.1 * other, other, 0) == pytest.approx((1.1, 1.1))
    low, high = bootstrap(other, 0)
    assert high - low > 0.05
    noisy = ratio_interval(np.random.default_rng(1).random(200), other, 0)
    assert noisy is not None
    assert noisy[0] < noisy[1]
    assert ratio_interval(other, np.zeros(200), 0) is None


def test_shuffling_a_relation_that_enters_the_items_moves_its_heads() -> None:
    made = replace(films().schema.relation_types["HAS_GENRE"], source="Genre", target="Film")
    order = np.array([4, 3, 2, 0, 1])
    found = _dealt(edges([(0, 1), (0, 2), (1, 3)]), made, "Film", order)
    np.testing.assert_array_equal(found.source, [0, 0, 1])
    np.testing.assert_array_equal(found.target, [2, 3, 0])


def test_the_share_that_runs_through_facts_is_that_of_the_scores(split: Split) -> None:
    model = everything()
    ranking = rank_split(model, split, "test", (5,))
    shares = []
    for user, items in zip(ranking.users.tolist(), ranking.top, strict=True):
        parts = [model.contributions(user, int(i)) for i in items if i >= 0]
        total = sum(p.score for p in parts)
        if total > 0:
            shares.append(sum(float(p.values["knowledge"].sum()) for p in parts) / total)
    found = knowledge_share(model, ranking, 5)
    assert [found[q] for q in ("lower", "median", "upper")] == pytest.approx(np.quantile(shares, [0.25, 0.5, 0.75]))


def test_the_protocol_of_new_items_ranks_only_these() -> None:
    split = cold_items_split(films().liked(), 45, seed=3, folds=5)
    models: list[Recommender] = []
    report = evaluate(films(), split, CONFIG, ablations=(), trained=models.append)
    found = rank_split(models[0], split, "test")
    ranked = np.unique(found.top[found.top >= 0])
    assert set(ranked.tolist()) <= set(np.flatnonzero(split.test_candidates).tolist())
    assert report.protocol == "cold-items"
    assert report.items == int(split.test_candidates.sum())
    assert report.kg_lift == {}
    assert models[0].cold[split.test_candidates].all()
    # films of the own kind come first, although nobody had them
    chance = rank_split(popularity_model(np.zeros(45)), split, "test").mean()["ndcg@10"]
    assert report.metrics["ndcg@10"] > chance


def test_path_quality_is_that_of_the_largest_path_of_each_item(split: Split) -> None:
    model = everything()
    ranking = rank_split(model, split, "test", (5,))
    found = path_quality(model, ranking, 5)
    assert list(found) == [f"{name}@5" for name in PATH_METRICS]
    recent, explained = [], 0
    for user, top in zip(ranking.users.tolist(), ranking.top.tolist(), strict=True):
        key = model.users.key(user)
        recency = interaction_recency(model.snapshot, key)
        for item in top:
            paths = explain(model, key, model.items.key(item), config=ExplainConfig(groups=1, paths_per_group=1)).paths
            explained += bool(paths)
            recent += [recency[str(p.nodes[1].key)] for p in paths]
    assert found["lir@5"] == pytest.approx(np.mean(recent))
    assert found["fidelity@5"] == pytest.approx(explained / ranking.top.size)
    assert 0 < found["sed@5"] <= 1
    shared = path_quality(model, ranking, 5, ExplainConfig(channels=("knowledge",)))
    assert shared["sep_paths@5"] == 1.0
    assert 0 <= shared["sep@5"] <= 1


def test_explanations_are_measured_where_asked_for(split: Split, report: EvaluationReport) -> None:
    assert report.explanations == {}
    found = evaluate(films(), split, CONFIG, ablations=(), explanations=ExplainConfig())
    assert list(found.explanations) == [f"{name}@10" for name in PATH_METRICS]
    assert found.explanations["fidelity@10"] > 0.5
    assert found.seconds["explain"] > 0
    assert found.to_dict()["explanations"] == found.explanations
