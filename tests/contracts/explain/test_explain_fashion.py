"""What an explanation says of fashion: an addend of its own, a true count, the statement that returns it, words."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from toy_graph import everything, fill

from kg_rec.explain.show.fashion import fashion_statement
from kg_rec.explain.show.view import ExplanationView
from kg_rec.explain.single import explain
from kg_rec.explain.verify.reading import read
from kg_rec.explain.verify.truth import Facts
from kg_rec.explain.words.wording import Wording
from kg_rec.model.fashion import Fashion
from kg_rec.model.recommender import Recommender
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore


@pytest.fixture(scope="module")
def model() -> Recommender:
    """A model with a strong fashion, so that it is told."""
    bare = everything()
    return replace(bare, fashion=Fashion.of(2.0, 2, bare.base, bare.snapshot.liked())).at(None)


def test_the_statement_returns_the_true_count(model: Recommender, tmp_store: GraphStore) -> None:
    fill(tmp_store, model.snapshot)
    assert model.fashion is not None
    median = int(np.median(model.snapshot.liked().time))  # type: ignore[arg-type]
    for now in (model, model.at(median)):
        assert now.fashion is not None
        assert now.fashion.counts.max() > 1
        for item in range(0, len(model.items), 4):
            found = explain(now, "u01", model.items.key(item)).fashion
            assert found is not None
            rows = tmp_store.query(found.cypher, found.parameters).to_pylist()
            assert rows == [{"count": found.count}]


@pytest.mark.parametrize("name", ["interactions", "music", "shop", "movies"])
def test_the_statement_fits_every_schema(name: str) -> None:
    statement, parameters = fashion_statement(GraphSchema.bundled(name), "i'1", 5, 9)
    assert statement.endswith("RETURN count(*) AS count")
    assert "i'1" not in statement
    assert {"item": "i'1", "since": 5, "until": 9}.items() <= parameters.items()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_is_told_and_read_back(model: Recommender, lang: str) -> None:
    assert model.fashion is not None
    item = model.items.key(int(model.fashion.counts.argmax()))
    user = next(
        u for u in model.users.keys.to_pylist() if not model.seen[model.users.index(u), model.items.index(item)]
    )
    told = explain(model, user, item, wording=Wording(lang))
    assert told.fashion is not None
    words = {"en": f"It is in fashion: {told.fashion.count} viewers chose it in the last 2 days.", "zh": "最近2天里有"}
    assert words[lang] in told.text
    facts = Facts.of(model.snapshot)
    assert read(facts, told).numbers == ()
    false = replace(told, text=told.text.replace(str(told.fashion.count), str(told.fashion.count + 1)))
    assert read(facts, false).numbers != ()
    without = explain(replace(model, fashion=None), user, item, wording=Wording(lang))
    assert words[lang] not in without.text
    assert (without.fashion, without.score) == (None, told.score)


def test_its_part_is_shown_and_the_parts_add_up(model: Recommender) -> None:
    schema = json.loads(files("kg_rec.explain").joinpath("explanation.schema.json").read_text(encoding="utf-8"))
    for item in model.items.keys.to_pylist()[::7]:
        told = explain(model, "u03", item)
        data = json.loads(told.to("json"))
        jsonschema.validate(data, schema)
        assert told.fashion is not None
        assert (
            data["fashion"]["value"] == told.fashion.value == pytest.approx(2 * np.log1p(told.fashion.count), rel=1e-5)
        )
        parts = dict(ExplanationView(told).channels)
        assert parts["fashion"] == told.fashion.value
        assert sum(parts.values()) == pytest.approx(told.score, rel=1e-5)
        assert "in fashion" in told.to("text")
