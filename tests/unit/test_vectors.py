"""Vectors with keys, and items that are like an item: they are what the scores are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from toy_graph import everything, films

from kg_rec.api import Model
from kg_rec.errors import ConfigError, ModelError, NotFoundError
from kg_rec.tables import write_table


def matrix(table: pa.Table, column: str) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(table[column].to_pylist())


def test_a_users_and_an_items_vector_give_what_the_channel_adds() -> None:
    recommender = everything()
    model = Model(recommender)
    items, users = model.item_vectors(), model.user_vectors()
    assert items.column_names == ["item", "name", "vector", "source"]
    assert items["item"].to_pylist() == recommender.items.keys.to_pylist()
    assert users["user"].to_pylist() == recommender.users.keys.to_pylist()
    channel = next(c for c in recommender.channels if c.name == "relational")
    products = matrix(users, "vector") @ matrix(items, "vector").T * channel.weight
    for user in range(0, 60, 7):
        unseen = np.flatnonzero(recommender.seen[[user]].toarray()[0] == 0)
        added = [recommender.contributions(user, item).values["relational"].sum() for item in unseen]
        np.testing.assert_allclose(products[user, unseen], added, rtol=1e-4, atol=1e-6)


def test_vectors_of_some_users() -> None:
    model = Model(everything())
    every = dict(zip(*model.user_vectors().to_pydict().values(), strict=True))
    some = [model.recommender.users.key(5), model.recommender.users.key(2)]
    assert model.user_vectors(some).to_pydict() == {"user": some, "vector": [every[key] for key in some]}
    with pytest.raises(NotFoundError, match="nobody"):
        model.user_vectors(["nobody"])


def test_text_vectors_are_units_and_null_where_there_is_no_text() -> None:
    recommender = everything()
    assert recommender.text is not None
    text = recommender.text.copy()
    text[4] = 0
    table = Model(replace(recommender, text=text)).text_vectors()
    found = table["vector"].to_pylist()
    assert found[4] is None
    lengths = np.linalg.norm([v for v in found if v is not None], axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    data = films().to_pyg(text=table, label="HAS_GENRE", drop_empty=True)
    item = data["Film"]
    assert item.x.shape == (45, text.shape[1])
    np.testing.assert_allclose(item.x, text, rtol=1e-6)
    assert item.y.sum() == len(films().edges["HAS_GENRE"])


def test_what_a_model_does_not_have_is_said() -> None:
    bare = Model(replace(everything(), text=None, channels=everything().channels[:1]))
    for call in (bare.item_vectors, bare.user_vectors):
        with pytest.raises(ModelError, match="no relational embeddings"):
            call()
    with pytest.raises(ModelError, match="no text embeddings"):
        bare.text_vectors()


def test_similar_items_are_what_one_interaction_adds() -> None:
    recommender = everything()
    model = Model(recommender)
    channels = [c.name for c in recommender.channels]
    table = model.similar("f03", 5)
    assert table.column_names == ["rank", "item", "name", "score", *channels]
    scores = matrix(table, "score")
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5]
    assert scores.tolist() == sorted(scores, reverse=True)
    np.testing.assert_allclose(sum(matrix(table, c) for c in channels), scores, rtol=1e-6)
    every = model.similar("f03", 45)
    assert "f03" not in every["item"].to_pylist()
    one = np.zeros((1, 45), np.float32)
    one[0, recommender.items.index("f03")] = 1
    from scipy import sparse

    expected = recommender.scores_of(sparse.csr_array(one))[0] - recommender.base
    expected[recommender.items.index("f03")] = -np.inf
    order = [recommender.items.key(int(i)) for i in np.argsort(-expected, kind="stable") if expected[i] > 0]
    assert every["item"].to_pylist() == order
    kinds = {key: int(key[1:]) % 3 for key in order}
    assert {kinds[key] for key in table["item"].to_pylist()} == {0}  # films of its own kind


def test_similar_says_what_is_wrong() -> None:
    model = Model(everything())
    with pytest.raises(NotFoundError, match="f99"):
        model.similar("f99")
    with pytest.raises(ConfigError, match="k of at least 1"):
        model.similar("f03", 0)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_vectors_can_be_written(tmp_path: Path, suffix: str) -> None:
    table = Model(everything()).item_vectors()
    assert write_table(table.to_batches(), tmp_path / f"v{suffix}", table.schema) == 45
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        assert pq.read_table(tmp_path / "v.parquet").equals(table)
