"""Explanations of whole lists."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_graph import everything, with_user

import kg_rec.explain.lists as batch_module
from kg_rec.api import Model
from kg_rec.errors import ConfigError, NotFoundError, WorkerError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.lists import EXPLANATION_FIELDS, explain_lists, rebuilt
from kg_rec.explain.single import explain
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender
from kg_rec.tables import write_table


@pytest.fixture(scope="module")
def model() -> Recommender:
    """With a user who did nothing."""
    return everything().with_snapshot(with_user(everything().snapshot, "u20a", {}))


def table(batches: Any) -> pa.Table:
    return pa.Table.from_batches(batches, schema=EXPLANATION_FIELDS)


@pytest.mark.parametrize(
    ("lang", "tone", "config"),
    [
        ("en", "friendly", ExplainConfig()),
        ("zh", "audit", ExplainConfig(groups=5, paths_per_group=3, recency=1.0, blocked=("HAS_GENRE",))),
        ("en", "short", ExplainConfig(groups=2, channels=("relational",), least_share=0.0)),
    ],
)
def test_a_row_is_the_explanation_of_its_pair(model: Recommender, lang: str, tone: Any, config: ExplainConfig) -> None:
    """In every field, also of films that nobody had, and of a user who did nothing."""
    wording = Wording(lang, tone)
    users = model.users.keys.to_pylist()[::3]
    rows = table(explain_lists(model, users, 40, config=config, wording=wording, workers=1)).to_pylist()
    some = [row for n, row in enumerate(rows) if n % 11 == 0 or row["user"] == "u20a" or row["item"] >= "f41"][::2]
    assert {row["notes"] == ["no_interactions"] for row in some} == {True, False}
    assert any(row["item"] >= "f39" for row in some)
    for row in some:
        alone = explain(model, row["user"], row["item"], wording=wording, config=config)
        assert rebuilt(model, row, lang) == alone
        assert (row["score"], row["base"], row["name"]) == (alone.score, alone.base, alone.item_name)


def test_the_lists_are_those_of_recommend(model: Recommender) -> None:
    lists = Model(model).recommend(k=5)
    explained = table(explain_lists(model, k=5, workers=1))
    assert explained.select(["user", "rank", "item", "name"]).equals(lists.select(["user", "rank", "item", "name"]))
    np.testing.assert_allclose(explained["score"], lists["score"], rtol=1e-5)
    given = table(explain_lists(model, lists=lists, workers=1))
    assert given.equals(explained)
    some = table(explain_lists(model, ["u30", "u02"], 5, workers=1))
    assert some["user"].unique().to_pylist() == ["u30", "u02"]


def test_the_words_are_those_of_explain(model: Recommender) -> None:
    rows = table(Model(model).explain_lists(["u05", "u06"], 6, wording=Wording("zh", "formal"))).to_pylist()
    assert len(rows) == 12
    for row in rows:
        assert row["text"] == Model(model).explain(row["user"], row["item"], wording=Wording("zh", "formal")).text


@pytest.mark.system
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_change_nothing(model: Recommender, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(batch_module, "_PAIRS", 32)
    alone = list(explain_lists(model, k=10, workers=1))
    shared = list(explain_lists(model, k=10, workers=workers))
    assert len(alone) > 15
    assert max(map(len, alone)) <= 32
    assert all(a.equals(b) for a, b in zip(alone, shared, strict=True))


@pytest.mark.system
def test_a_fault_in_a_worker_is_told(model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "_PAIRS", 32)
    real = batch_module.find

    def broken(model: Recommender, users: Any, items: Any, config: ExplainConfig) -> Any:
        if 40 in users.tolist():
            raise ValueError("out of order")
        return real(model, users, items, config)

    monkeypatch.setattr(batch_module, "find", broken)
    with pytest.raises(WorkerError, match=r"(?s)with workers=1 the fault is raised here.*out of order"):
        list(explain_lists(model, k=10, workers=2))
    with pytest.raises(ValueError, match="out of order"):
        list(explain_lists(model, k=10, workers=1))


@pytest.mark.system
def test_a_killed_worker_is_told(model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "_PAIRS", 32)
    real = batch_module.find

    def killed(model: Recommender, users: Any, items: Any, config: ExplainConfig) -> Any:
        if 40 in users.tolist():
            os.kill(os.getpid(), 9)
        return real(model, users, items, config)

    monkeypatch.setattr(batch_module, "find", killed)
    with pytest.raises(WorkerError, match="status -9"):
        list(explain_lists(model, k=10, workers=2))


def test_wrong_calls_are_refused_before_the_first_batch(model: Recommender) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        next(explain_lists(model, ["nobody"]))
    lists = pa.table({"user": ["u01"], "item": ["f99"], "rank": [1]})
    with pytest.raises(NotFoundError, match="f99"):
        next(explain_lists(model, lists=lists))
    with pytest.raises(ConfigError, match="expected k and workers of at least 1, got 0 and None"):
        next(explain_lists(model, k=0))
    with pytest.raises(ConfigError, match="expected channels among"):
        next(explain_lists(model, config=ExplainConfig(channels=("magic",))))


def test_no_user_no_rows(model: Recommender) -> None:
    assert list(explain_lists(model, [])) == []


@pytest.mark.system
def test_progress_reaches_the_end(model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "_PAIRS", 100)
    calls: list[tuple[int, int | None]] = []
    list(explain_lists(model, k=10, workers=2, progress=lambda done, total, _: calls.append((done, total))))
    assert calls[0] == (0, 61)
    assert calls[-1] == (61, 61)
    assert all(a[0] < b[0] for a, b in pairwise(calls))


def test_files_hold_whole_explanations(model: Recommender, tmp_path: Path) -> None:
    batches = list(explain_lists(model, ["u01", "u39"], 8, workers=1))
    for name in ("e.parquet", "e.jsonl"):
        assert write_table(batches, tmp_path / name, EXPLANATION_FIELDS) == 16
    rows = pq.read_table(tmp_path / "e.parquet").to_pylist()
    lines = (tmp_path / "e.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows == table(batches).to_pylist()
    for row in rows:
        assert rebuilt(model, row) == explain(model, row["user"], row["item"])


def test_large_reasons_are_told_first_and_the_first_does_not_begin_with_also(model: Recommender) -> None:
    weights = ("Mainly: ", "Also: ", "A little: ")
    texts = [text for batch in explain_lists(model, k=5, workers=1) for text in batch.column("text").to_pylist()]
    told = [[weights.index(w) for w in re.findall("Mainly: |Also: |A little: ", text)] for text in texts]
    assert all(places == sorted(places) for places in told)
    assert {place for places in told for place in places} == {0, 1, 2}
    assert not any(f"of that. {weight}" in text for text in texts for weight in weights[1:])
    assert all(text.count(weight) < 2 for text in texts for weight in weights)
