"""``kg-rec similar`` and ``kg-rec vectors``: the model's own numbers, printed and written."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cli_world import World, run

from kg_rec.api import Model


def test_items_like_an_item(world: World) -> None:
    model = Model.load(world.model)
    item = model.recommender.items.key(0)
    expected = model.similar(item, 3)
    told = [json.loads(line) for line in run("similar", world.model, item, "-k", 3, "--json").stdout.splitlines()]
    assert told == expected.to_pylist()
    shown = run("similar", world.model, item, "-k", 3).stdout
    assert shown.splitlines()[0].split() == expected.column_names
    places = [shown.index(f" {key} ") for key in expected["item"].to_pylist()]
    assert places == sorted(places)


def test_an_unknown_item_ends_in_one_line(world: World) -> None:
    said = run("similar", world.model, "none", code=1).stderr
    assert said.startswith("error: no ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(("of", "key"), [("items", "item"), ("users", "user")])
def test_vectors_are_written_with_their_keys(world: World, tmp_path: Path, of: str, key: str) -> None:
    out = tmp_path / "vectors.parquet"
    told = json.loads(run("vectors", world.model, "--of", of, "--out", out, "--json").stdout)
    table = pq.read_table(out)
    model = Model.load(world.model)
    assert table.equals(model.item_vectors() if of == "items" else model.user_vectors())
    assert told == {"of": of, "rows": len(table), "dimensions": len(table["vector"][0]), "out": str(out)}
    assert f"{len(table):,} vectors of" in run("vectors", world.model, "--of", of, "--out", out).stdout
    assert len(set(table[key].to_pylist())) == len(table)


def test_a_model_without_texts_says_so(world: World, tmp_path: Path) -> None:
    model = Model.load(world.model)
    out = tmp_path / "t.parquet"
    if model.recommender.text is None:
        assert "no text embeddings" in run("vectors", world.model, "--of", "texts", "--out", out, code=1).stderr
        assert not out.exists()
    else:
        run("vectors", world.model, "--of", "texts", "--out", out)
        assert pq.read_table(out).equals(model.text_vectors())
