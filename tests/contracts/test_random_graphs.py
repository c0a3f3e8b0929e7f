"""Graphs that are edited at random, and random questions about them, on every store.

``KG_REC_RANDOM_GRAPHS`` sets how many graphs are tried; a few by default.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import kglite
import pytest
from random_graphs import SCHEMA, Asker, Editor, stored_dump

from benchmarks.stores.answers import random_graph, wrong_answers
from kg_rec.errors import StoreError
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect
from kg_rec.store.embedded.prepared import Prepared, prepared

GRAPHS = max(1, int(os.environ.get("KG_REC_RANDOM_GRAPHS", "3")))


def answer(store: GraphStore, question: str) -> Any:
    """Columns and rows, in order where the question orders them; an error as text."""
    try:
        table = store.query(question, limit=1_000_000)
    except StoreError as error:
        return f"{type(error).__name__}: {error}"
    rows = [tuple(map(plain, row.values())) for row in table.to_pylist()]
    return table.column_names, rows if "ORDER BY" in question else sorted(rows, key=repr)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value) if value[key] is not None}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    return value


def without_steps(cypher: str, limit: int) -> Prepared:
    return replace(prepared(cypher, limit), left_out=tuple(kglite.cypher_pass_names()))


def edited(url: str, editor: Editor, steps: int) -> None:
    """Edit, reopen now and then, and compare what is stored with the plain graph after each edit."""
    for step in range(steps):
        name = editor.edit()
        if editor.random.random() < 0.15:
            editor.stores[0].close()
            editor.stores[0] = connect(url)
        for store in editor.stores:
            assert stored_dump(store) == editor.graph.dump(), f"seed {editor.seed}, step {step}: {name}, {store.url}"


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_an_embedded_graph_holds_what_was_written(tmp_path: Path, seed: int) -> None:
    url = str(tmp_path / "graph")
    editor = Editor([connect(url)], seed)
    edited(url, editor, 40)
    editor.stores[0].close()


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_every_step_of_the_optimizer_that_is_left_on_keeps_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """KGLite answers as it does with its optimizer off."""
    url = str(tmp_path / "graph")
    editor = Editor([connect(url)], 1000 + seed)
    edited(url, editor, 25)
    with closing(editor.stores[0]) as store:
        wrong = []
        for question in Asker(seed, editor.graph).questions(150):
            found = answer(store, question)
            with monkeypatch.context() as patch:
                patch.setattr("kg_rec.store.embedded.store.prepared", without_steps)
                expected = answer(store, question)
            if found != expected:
                wrong.append((question, expected, found))
        assert wrong == []


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_counts_over_hops_are_those_by_brute_force(tmp_path: Path, seed: int) -> None:
    with closing(connect(str(tmp_path / "graph"))) as store:
        assert wrong_answers(store, random_graph(store, seed), 100, seed) == []


@pytest.mark.neo4j
@pytest.mark.parametrize("seed", range(GRAPHS))
def test_every_store_answers_alike(tmp_path: Path, emptied: Callable[[GraphSchema], str], seed: int) -> None:
    url = str(tmp_path / "graph")
    editor = Editor([connect(url), connect(emptied(SCHEMA))], 2000 + seed)
    edited(url, editor, 25)
    wrong = []
    for question in Asker(seed, editor.graph).questions(40):
        embedded, server = (answer(store, question) for store in editor.stores)
        if embedded != server:
            wrong.append((question, server, embedded))
    for store in editor.stores:
        store.close()
    assert wrong == []
