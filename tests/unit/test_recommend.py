"""Batch recommendation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.errors import ConfigError, NotFoundError
from kg_rec.model.recommender import Recommender
from kg_rec.recommend import FIELDS, recommend
from kg_rec.snapshot import Snapshot


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


def table(batches: Iterator[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, schema=FIELDS)


def test_lists_are_the_model_s_ranking(model: Recommender) -> None:
    found = table(recommend(model, ["u07", "u01"], k=4)).to_pylist()
    assert [(r["user"], r["rank"]) for r in found] == [(u, n) for u in ("u07", "u01") for n in (1, 2, 3, 4)]
    top, scores = model.rank(np.array([7, 1]), 4)
    assert [r["item"] for r in found] == [f"f{i:02d}" for i in top.ravel()]
    assert [r["score"] for r in found] == scores.ravel().tolist()
    titles = model.snapshot.nodes["Film"].column("title").to_pylist()
    assert [r["name"] for r in found] == [titles[i] for i in top.ravel()]


def test_all_users_in_key_order_and_nothing_they_had(model: Recommender) -> None:
    found = table(recommend(model, k=45))
    had = {(f"u{u:02d}", f"f{i:02d}") for u, i in zip(*model.seen.nonzero(), strict=True)}
    shown = set(zip(found.column("user").to_pylist(), found.column("item").to_pylist(), strict=True))
    assert not shown & had
    assert len(shown) == len(found) == 60 * 45 - len(had)
    users = list(dict.fromkeys(found.column("user").to_pylist()))
    assert users == model.users.keys.to_pylist()


def test_the_size_of_a_batch_changes_nothing(model: Recommender) -> None:
    steps: list[tuple[int, int | None, str]] = []
    whole = table(recommend(model, k=5))
    parts = list(recommend(model, k=5, batch_users=7, progress=lambda *s: steps.append(s)))
    assert len(parts) == 9
    found = pa.Table.from_batches(parts)
    np.testing.assert_allclose(found.column("score"), whole.column("score"), rtol=1e-12)
    assert found.drop(["score"]).equals(whole.drop(["score"]))
    assert steps[0] == (0, 60, "recommend")
    assert steps[-1] == (60, 60, "recommend")


def test_only_candidates_and_a_list_may_be_short(model: Recommender) -> None:
    found = table(recommend(model, ["u00", "u01"], k=10, candidates=["f40", "f44"]))
    assert set(found.column("item").to_pylist()) == {"f40", "f44"}
    assert found.column("rank").to_pylist() == [1, 2, 1, 2]
    had = f"f{model.seen[[0]].indices[0]:02d}"
    assert len(table(recommend(model, ["u00"], candidates=[had]))) == 0


def test_an_item_without_a_name_is_shown_by_its_key(model: Recommender) -> None:
    graph = model.snapshot
    column = graph.nodes["Film"].column_names.index("title")
    nameless = graph.nodes["Film"].set_column(column, "title", [pa.nulls(45, pa.string())])
    other = replace(
        model, snapshot=Snapshot(graph.schema, graph.source, {**graph.nodes, "Film": nameless}, graph.edges)
    )
    found = table(recommend(other, ["u00"]))
    assert found.column("name").to_pylist() == found.column("item").to_pylist()


def test_faults_come_before_the_first_batch(model: Recommender) -> None:
    with pytest.raises(ConfigError, match="expected k of at least 1, got 0"):
        recommend(model, k=0)
    with pytest.raises(NotFoundError, match="no User with key 'nobody'"):
        recommend(model, ["u00", "nobody"])
    with pytest.raises(NotFoundError, match="no Film with key 'nothing'"):
        recommend(model, candidates=["nothing"])
    assert table(recommend(model, [])).num_rows == 0


def test_the_python_api(model: Recommender, tmp_path: Path) -> None:
    api = Model(model)
    assert api.recommend(["u03"], k=3).equals(table(recommend(model, ["u03"], k=3)))
    api.save(tmp_path)
    assert Model.load(tmp_path).recommend(k=2).equals(api.recommend(k=2))
    assert "60 users, 45 items" in repr(api)
    assert api.with_snapshot(model.snapshot).recommend(["u03"], k=3).equals(api.recommend(["u03"], k=3))
