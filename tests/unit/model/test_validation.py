"""The users on whom hyperparameters are chosen: what they gave, what is not ranked, what is to be found."""

from __future__ import annotations

import numpy as np
import pytest
from toy_graph import edges

from kg_rec.errors import ModelError
from kg_rec.model.config import FusionConfig
from kg_rec.model.train.validation import Validation
from kg_rec.split import Split

#: User 0 had items 0, 1 and 2, and item 3 is to be found; user 1 has nothing to find.
TRAIN = edges([(0, 0), (0, 1), (0, 2), (1, 4)])
SHAPE = (2, 6)


def split(valid: list[tuple[int, int]], n_items: int = 6) -> Split:
    everything = np.ones(n_items, dtype=bool)
    return Split("temporal", TRAIN, edges(valid), edges([]), everything, everything.copy())


def test_what_the_split_has_for_training_is_not_ranked_even_if_the_model_may_not_see_it() -> None:
    """Item 2 is left out of the histories, so that validation is as far ahead as the test; it was had all the same."""
    seen = TRAIN.take(TRAIN.target != 2)
    validation = Validation.of(seen, split([(0, 3)]), SHAPE, FusionConfig(), 0)
    assert validation.rows.tolist() == [0]
    assert validation.judge.histories.indices.tolist() == [0, 1]
    assert sorted(validation.judge.seen.indices.tolist()) == [0, 1, 2]
    assert validation.judge.relevant.indices.tolist() == [3]
    # item 2 has the best score and is skipped: what is to be found is first
    assert validation.judge.ndcg(np.array([[0.0, 0.0, 9.0, 5.0, 1.0, 1.0]])) == 1.0


def test_histories_are_weighted_as_asked() -> None:
    validation = Validation.of(TRAIN, split([(0, 3)]), SHAPE, FusionConfig(), 0)
    assert validation.weighted(SHAPE, 0.0).toarray().tolist() == [[1, 1, 1, 0, 0, 0]]


def test_users_are_sampled_by_the_seed() -> None:
    many = edges([(u, 0) for u in range(50)])
    everything = np.ones(3, dtype=bool)
    parts = Split("random", many, edges([(u, 1) for u in range(50)]), edges([]), everything, everything.copy())
    one, two, other = (Validation.of(many, parts, (50, 3), FusionConfig(users=10), seed).rows for seed in (1, 1, 2))
    assert len(one) == 10
    assert one.tolist() == sorted(one.tolist()) == two.tolist()
    assert one.tolist() != other.tolist()


def test_the_more_items_are_ranked_the_fewer_users_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kg_rec.model.train.validation._CELLS", 30)
    many, everything = edges([(u, 0) for u in range(50)]), np.ones(3, dtype=bool)
    parts = Split("random", many, edges([(u, 1) for u in range(50)]), edges([]), everything, everything.copy())
    assert len(Validation.of(many, parts, (50, 3), FusionConfig(), 0).rows) == 10
    assert len(Validation.of(many, parts, (50, 3), FusionConfig(candidates=2), 0).rows) == 15


def test_of_a_large_catalogue_the_wanted_the_popular_and_some_others_are_ranked() -> None:
    n = 40
    many = edges([(u, i) for i in range(1, 11) for u in range(1, 12 - i)])  # item 1 is the most popular
    everything = np.ones(n, dtype=bool)
    parts = Split("random", many, edges([(1, 39)]), edges([]), everything, everything.copy())
    validation = Validation.of(many, parts, (12, n), FusionConfig(candidates=9), 0)
    assert validation.items is not None
    assert set(validation.items.tolist()) >= {39, 1, 2, 3, 4}
    assert len(validation.items) == 9
    assert validation.judge.relevant.shape == (1, 9)


def test_without_anything_to_find_there_is_nothing_to_choose_on() -> None:
    with pytest.raises(ModelError, match="no user has validation interactions; give more interactions"):
        Validation.of(TRAIN, split([]), SHAPE, FusionConfig(), 0)
