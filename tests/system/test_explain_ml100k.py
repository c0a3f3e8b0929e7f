"""Explanations of MovieLens-100K with named facts: many at once are each alone, on any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import kg_rec as kg
from kg_rec.api import Model
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.lists import EXPLANATION_FIELDS, explain_lists, rebuilt
from kg_rec.explain.single import explain
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.model.recommender import Recommender

pytestmark = [pytest.mark.shared, pytest.mark.timeout(600)]

QUICK = TrainConfig(
    device="cpu",
    recency=(0.0,),
    taste=TasteConfig(l2=(200.0,)),
    gnn=GnnConfig(dimensions=(16,), exponents=(0.3,), epochs=5),
    meaning=MeaningConfig(encoder="none"),
    cold=ColdConfig(rounds=1, steps=(0.4,), tuning_landmarks=200, users=50),
    fusion=FusionConfig(rounds=1, steps=(1.7,), users=100),
)


@pytest.fixture(scope="module")
def model(real_films: Callable[[str], Path]) -> Recommender:
    with closing(kg.connect(str(real_films("named")), read_only=True)) as store:
        return kg.train(kg.export(store), QUICK).recommender


def test_rows_are_explanations_on_any_number_of_processes(model: Recommender) -> None:
    users = model.users.keys.to_pylist()[::3]
    alone = pa.Table.from_batches(explain_lists(model, users, workers=1), schema=EXPLANATION_FIELDS)
    shared = pa.Table.from_batches(explain_lists(model, users, workers=2), schema=EXPLANATION_FIELDS)
    assert alone.num_rows == 3150
    assert alone.equals(shared)
    for row in alone.to_pylist()[::31]:
        assert rebuilt(model, row) == explain(model, row["user"], row["item"])


def test_films_that_nobody_liked(model: Recommender) -> None:
    """Their lists are given, as ``recommend`` with candidates makes them."""
    new = [model.items.key(int(i)) for i in np.flatnonzero(model.cold)]
    assert len(new) > 20
    lists = Model(model).recommend(["1", "13", "405"], k=8, candidates=new)
    config = ExplainConfig(groups=4, least_share=0.0)
    rows = pa.Table.from_batches(explain_lists(model, lists=lists, config=config, workers=1)).to_pylist()
    assert len(rows) == 24
    assert any(path["channel"] == "relational" for row in rows for group in row["groups"] for path in group["paths"])
    for row in rows:
        assert rebuilt(model, row) == explain(model, row["user"], row["item"], config=config)
