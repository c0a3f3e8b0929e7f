"""Descriptions of users in the benchmark: in the schema's words, and linear in the interactions."""

from __future__ import annotations

import numpy as np
from people_world import known_viewers

from benchmarks.descriptions.__main__ import descriptions, phrase
from kg_rec.people.features import Feature, Features


def test_a_feature_is_told_in_the_schemas_words() -> None:
    schema = known_viewers().snapshot.schema
    western = Feature("HAS_GENRE", "Genre", "western", "western")
    assert phrase(schema, western) == "films, genre western"
    assert phrase(schema, Feature.of_years("year", 1970, 1979)) == "films of 1970 to 1979"


def test_items_that_have_the_same_are_described_alike() -> None:
    model = known_viewers()
    found, has = descriptions(model), Features(model).matrix
    assert found.shape == (len(model.items), 384)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-9)
    rows = [tuple(has[[i]].indices.tolist()) for i in range(len(model.items))]
    same = [(i, rows.index(row)) for i, row in enumerate(rows) if rows.index(row) != i]
    assert same
    for i, j in same:
        np.testing.assert_allclose(found[i], found[j])
