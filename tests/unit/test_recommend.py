"""Batch recommendation and its sinks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.errors import ConfigError, NotFoundError
from kg_rec.model.recommender import Recommender
from kg_rec.recommend import FIELDS, recommend, write_file
from kg_rec.snapshot import Snapshot


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


def table(batches: Iterator[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, schema=FIELDS)


def broken(model: Recommender) -> Iterator[pa.RecordBatch]:
    """A run that dies after its first batch."""
    yield next(recommend(model, k=2, batch_users=10))
    raise RuntimeError("killed")


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


# --- files ---------------------------------------------------------------------------------------------


def test_parquet_and_json_lines_hold_the_same_rows(model: Recommender, tmp_path: Path) -> None:
    expected = table(recommend(model, k=3))
    assert write_file(recommend(model, k=3, batch_users=8), tmp_path / "a.parquet") == 180
    assert write_file(recommend(model, k=3, batch_users=8), str(tmp_path / "a.jsonl")) == 180
    assert pq.read_table(tmp_path / "a.parquet").drop(["score"]).equals(expected.drop(["score"]))
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [{k: v for k, v in r.items() if k != "score"} for r in rows] == expected.drop(["score"]).to_pylist()
    np.testing.assert_allclose([r["score"] for r in rows], expected.column("score"), rtol=1e-12)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "a.parquet"]


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_a_file_appears_only_when_it_is_complete(model: Recommender, tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        write_file(broken(model), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    write_file(recommend(model, ["u00"], k=1), tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(RuntimeError, match="killed"):
        write_file(broken(model), tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_other_names_and_absent_folders_are_refused(model: Recommender, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ending in \.parquet or \.jsonl, got out\.csv"):
        write_file(recommend(model), tmp_path / "out.csv")
    with pytest.raises(ConfigError, match=r"expected a folder .*none"):
        write_file(recommend(model), tmp_path / "none" / "out.jsonl")
    assert list(tmp_path.iterdir()) == []
