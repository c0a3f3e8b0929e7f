"""Which parts of two texts make them alike: recomputed from the texts, adding up, and noticed where it is not so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import toy_graph

from kg_rec.errors import ArgumentError
from kg_rec.explain.verify.alike import alike, text_pairs
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import Snapshot


@pytest.fixture(scope="module")
def model() -> Recommender:
    return toy_graph.everything()


def pairs(model: Recommender) -> list[tuple[str, str]]:
    keys = model.items.keys.to_pylist()
    return list(zip(keys[:6], keys[7:13], strict=True))


def test_parts_add_up_to_the_cosine_of_the_model(model: Recommender) -> None:
    text = model.similarity.text
    assert text is not None
    found = alike(model, pairs(model))
    assert len(found) == 6
    for one in found:
        ends = [model.items.index(key) for key in (one.first, one.second)]
        assert one.cosine == pytest.approx(float(text[ends[0]] @ text[ends[1]]))
        assert one.recomputed == pytest.approx(one.cosine, abs=1e-4)
        assert sum(value for _, value in one.parts) == pytest.approx(one.cosine, abs=1e-4)
        assert one.holds
        assert "the same from the texts: " in one.line()
        names = [name for name, _ in one.parts]
        assert "" in names
        assert len(set(names)) == len(names)
        assert set(names) - {""} <= {"title", "summary", "year", "HAS_GENRE", "DIRECTED_BY", "STARRING", "FOLLOWED_BY"}
        assert "title" in names
    assert len({one.parts[0][0] for one in found}) > 1 or len({one.cosine for one in found}) == 6


def test_the_same_title_is_what_makes_two_texts_alike(model: Recommender) -> None:
    first, second = pairs(model)[0]
    (whole,) = alike(model, [(first, first)])
    assert whole.cosine == pytest.approx(1, abs=1e-4)
    assert dict(whole.parts)["title"] > dict(alike(model, [(first, second)])[0].parts)["title"]


def test_a_wrong_vector_is_noticed(model: Recommender) -> None:
    first, second = pairs(model)[0]
    text = model.similarity.text
    assert text is not None
    wrong = text.copy()
    wrong[model.items.index(first)] = np.roll(wrong[model.items.index(first)], 1)
    (found,) = alike(replace(model, similarity=replace(model.similarity, text=wrong)), [(first, second)])
    assert not found.holds
    assert "NOT the same" in found.line()


def renamed(snapshot: Snapshot, key: str) -> Snapshot:
    item = snapshot.schema.item
    table = snapshot.nodes[item.name]
    titles = table.column("title").to_pylist()
    titles[snapshot.items.index(key)] = "Another name altogether"
    place = table.column_names.index("title")
    return replace(snapshot, nodes={**snapshot.nodes, item.name: table.set_column(place, "title", [titles])})


def test_texts_that_changed_since_are_named_or_taken_from_training(model: Recommender) -> None:
    first, second = pairs(model)[0]
    other = replace(model, snapshot=renamed(model.snapshot, second))
    (found,) = alike(other, [(first, second)])
    assert found.recomputed is None
    assert not found.holds
    assert found.line().endswith("of texts that changed since the model embedded them")
    (found,) = alike(other, [(first, second)], trained_on=model.snapshot)
    assert found.holds


def test_a_model_without_texts_is_refused(model: Recommender) -> None:
    bare = replace(model, text=None)
    with pytest.raises(ArgumentError, match="embedded the texts"):
        alike(bare, pairs(model))


def test_each_pair_of_a_step_by_text_once(model: Recommender) -> None:
    from kg_rec.explain.config import ExplainConfig
    from kg_rec.explain.single import explain

    users = model.users.keys.to_pylist()
    items = model.items.keys.to_pylist()
    found: list[tuple[str, str]] = []
    steps = 0
    for user in users[:5]:
        for item in items[:20]:
            paths = explain(model, user, item, config=ExplainConfig(channels=("meaning",))).paths
            steps += sum(edge.type is None for path in paths for edge in path.edges)
            one = text_pairs(paths)
            assert len(set(one)) == len(one)
            found += one
    assert 0 < len(found) <= steps
    assert all(first in items and second in items for first, second in found)
