"""What is in fashion: true counts at the time of a list, an addend of every score, and when it is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from toy_graph import NO_TEXT, edges, everything, films, snapshot

from kg_rec.errors import ConfigError
from kg_rec.model import persist
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import Fashion, FashionConfig, chosen_lately, newest
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot
from kg_rec.split import Split, calendar_split, join, random_split

DAY = 86_400


def dressed(model: Recommender, days: int = 2) -> Recommender:
    """A model with a fashion of weight .5 beside its base."""
    fashion = Fashion.of(0.5, days, model.base, model.snapshot.liked())
    return replace(model, fashion=fashion).at(None)


def test_only_what_was_chosen_in_the_days_before_counts() -> None:
    table = edges([(u, u % 2) for u in range(6)], time=[0, DAY, 2 * DAY, 3 * DAY, 4 * DAY, NO_TIME])
    assert chosen_lately(table, 2, 3 * DAY, 3).tolist() == [1, 1, 0]  # from day 1 on, before day 3
    assert chosen_lately(table, 2, 3 * DAY + 1, 3).tolist() == [1, 1, 0]
    assert chosen_lately(table, 9, 9 * DAY, 3).tolist() == [3, 2, 0]  # what has no time counts never
    assert chosen_lately(edges([(0, 0)]), 2, 0, 1).tolist() == [0]
    assert newest(table) == 4 * DAY
    assert newest(edges([(0, 0), (0, 1)], time=[5, 10**12])) == 5  # a wrong year does not end the fashion
    assert newest(edges([(0, 0)])) == 0
    assert newest(edges([(0, 0)], time=[10**12])) == 0
    with pytest.raises(ConfigError, match=r"fashion\.days: expected whole numbers from 2"):
        FashionConfig(days=(7, 1))


@pytest.mark.parametrize("merge", [True, False])
def test_it_is_an_addend_of_every_score(merge: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not merge:
        monkeypatch.setattr("kg_rec.model.recommender._MERGE", 0)
    bare = everything()
    bare.scores(np.arange(2))  # what is computed once must not keep the base of before
    model = dressed(bare)
    counts = chosen_lately(bare.snapshot.liked(), 2, newest(bare.snapshot.liked()) + 1, len(bare.items))
    assert counts.max() > 1
    np.testing.assert_allclose(
        model.scores(np.arange(9)) - bare.scores(np.arange(9)), np.tile(0.5 * np.log1p(counts), (9, 1)), atol=1e-5
    )
    users, items = np.divmod(np.arange(9 * len(bare.items)), len(bare.items))
    sums = model.addends(users, items).sums().reshape(9, -1)
    np.testing.assert_allclose(sums, model.scores(np.arange(9)), rtol=1e-5, atol=1e-6)
    top, values = model.rank(np.arange(9), 5)
    np.testing.assert_allclose(values, np.take_along_axis(model.scores(np.arange(9)), top, 1), rtol=1e-6)


def test_a_list_knows_nothing_of_what_comes_after_it() -> None:
    model = dressed(everything())
    liked = model.snapshot.liked()
    moment = int(np.median(liked.time))  # type: ignore[arg-type]
    then = model.at(moment)
    past = liked.take(liked.time < moment)  # type: ignore[operator]
    np.testing.assert_array_equal(then.base, model.with_interactions(past).at(moment).base)
    assert (then.base != model.base).any()
    np.testing.assert_array_equal(then.at(None).base, model.base)
    late = edges([(0, 0)], weight=[5.0], time=[moment])
    np.testing.assert_array_equal(then.base, then.with_interactions(join(past, late)).at(moment).base)


def test_the_next_state_of_the_graph_counts_and_new_items_begin_with_their_counts() -> None:
    model = dressed(everything())
    graph = model.snapshot
    fresh = len(graph.items) - 1  # nobody had it
    now = newest(graph.liked())
    more = join(graph.interactions, edges([(u, fresh) for u in range(3)], weight=[5.0] * 3, time=[now] * 3))
    np.testing.assert_array_equal(model.with_interactions(more).base, model.base)
    found = model.with_interactions(more).at(None)
    np.testing.assert_allclose((found.base - model.base)[fresh], 0.5 * np.log(4), rtol=1e-5)
    assert np.flatnonzero(found.base != model.base).tolist() == [fresh]
    again = model.with_snapshot(graph.with_edges("RATED", more))
    np.testing.assert_array_equal(again.base, found.base)


def test_a_model_is_kept_with_it(tmp_path: Path) -> None:
    model = dressed(everything())
    persist.save(model, tmp_path / "model")
    found = persist.load(tmp_path / "model")
    assert found.fashion is not None
    assert (found.fashion.weight, found.fashion.days) == (0.5, 2)
    np.testing.assert_array_equal(found.base, model.base)
    np.testing.assert_array_equal(found.fashion.lasting, everything().base)
    persist.save(everything(), tmp_path / "bare")
    assert persist.load(tmp_path / "bare").fashion is None


CHOICES = replace(NO_TEXT, channels=("taste",), recency=(0.0,), rating=(0.0,))
STRICT = replace(CHOICES, fusion=replace(CHOICES.fusion, least=50.0))


def crazes(days: int = 60) -> Snapshot:
    """Each day eight new users choose of what is in fashion in that week: three of 45 films, others each week."""
    rng = np.random.default_rng(3)
    rated, times = [], []
    for user in range(8 * days):
        day = user // 8
        now = [3 * (day // 7) + n for n in range(3)]
        for film in rng.choice(45, 5, replace=False).tolist() + now:
            if (user, film) not in rated:
                rated.append((user, film))
                times.append(1_000_000 + day * DAY + int(rng.integers(DAY)))
    nodes = {
        "User": pa.table({"user_id": [f"u{u:03d}" for u in range(8 * days)]}),
        "Film": pa.table({"item_id": [f"f{i:02d}" for i in range(45)]}),
    }
    table: EdgeTable = edges(rated, weight=[5.0] * len(rated), time=times)
    return snapshot(GraphSchema.bundled("movies"), nodes, {"RATED": table})


def chosen_on(graph: Snapshot, split: Split, config: TrainConfig = CHOICES) -> Recommender:
    return train(graph, config, split=split)


def test_it_is_chosen_where_fashions_change_and_lists_have_a_moment() -> None:
    graph = crazes()
    by_calendar = calendar_split(graph.liked(), 45)
    model = chosen_on(graph, by_calendar)
    assert model.chosen.fashion in (3, 7)
    assert model.fashion is not None
    assert model.fashion.weight > 0
    assert model.chosen.warm["fashion"] > 0
    off = chosen_on(graph, by_calendar, replace(CHOICES, fashion=FashionConfig(days=())))
    assert (off.fashion, "fashion" in off.chosen.warm) == (None, False)
    assert model.chosen.valid > off.chosen.valid + 0.05
    drawn = chosen_on(graph, random_split(graph.liked(), 45, seed=1))  # drawn at random: no moment, no fashion
    assert (drawn.fashion, drawn.chosen.fashion) == (None, None)


def test_training_for_use_can_hold_out_by_time() -> None:
    graph = crazes()
    model = train(graph, replace(CHOICES, fusion=replace(CHOICES.fusion, holdout_by="time")))
    assert model.chosen.fashion in (3, 7)
    assert model.fashion is not None
    assert model.fashion.until == newest(graph.liked()) + 1  # fitted on everything: lists are of now
    with pytest.raises(ConfigError, match=r"fusion\.holdout_by: expected user or time"):
        replace(CHOICES.fusion, holdout_by="week")


def test_it_is_off_where_validation_gains_nothing() -> None:
    """The toy graph has no fashions: its users come one after the other and like films of their kind."""
    graph = films()
    model = chosen_on(graph, calendar_split(graph.liked(), len(graph.items)), STRICT)
    assert model.fashion is None
    assert model.chosen.fashion is None
