"""Known items that take turns as new ones: what is held out, and how rankings are scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from kg_rec.model.adapt import new_item_weight
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.cold.folds import NewItems
from kg_rec.model.kernel import FactorKernel

INTERACTIONS = sparse.csr_array((np.random.default_rng(3).random((30, 12)) < 0.4).astype(np.float32))
ITEMS = np.arange(10)


def deal(**settings: int) -> NewItems:
    return NewItems.deal(INTERACTIONS, ITEMS, ColdConfig(**{"folds": 3, "users": 100, **settings}), 7)  # type: ignore[arg-type]


def test_groups_are_disjoint_and_of_equal_size() -> None:
    new = deal()
    assert new.groups.shape == (3, 3)
    assert len(set(new.groups.ravel().tolist())) == 9
    assert set(new.groups.ravel().tolist()) <= set(ITEMS.tolist())


def test_a_history_holds_everything_but_the_group_that_is_to_be_found() -> None:
    new = deal()
    start = 0
    for group, history in zip(new.groups, new.histories, strict=True):
        dense = history.toarray()
        assert not dense[:, group].any()
        wanted = new.relevant[start : start + len(dense)].toarray()
        start += len(dense)
        whole = dense.copy()
        whole[:, group] = wanted
        users = np.flatnonzero(INTERACTIONS.toarray()[:, group].any(axis=1))
        np.testing.assert_array_equal(whole, INTERACTIONS.toarray()[users])
    assert start == new.relevant.shape[0]
    assert (np.diff(new.relevant.indptr) > 0).all()


def test_users_are_at_most_so_many_a_group_and_follow_the_seed() -> None:
    few, same = deal(users=5), deal(users=5)
    assert [h.shape[0] for h in few.histories] == [5, 5, 5]
    assert all((a != b).nnz == 0 for a, b in zip(few.histories, same.histories, strict=True))


def test_embeddings_score_as_the_kernel_that_they_make() -> None:
    """The held-out items are no reasons, so leaving out the diagonal changes nothing."""
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(2, 12, 4)).astype(np.float32)
    new = deal()
    by_kernel = new.scores(FactorKernel(source, target))
    by_embedding = new.predicted(new.reasons(source), target)
    np.testing.assert_allclose(by_kernel, by_embedding, rtol=1e-4, atol=1e-4)
    assert by_kernel.shape == new.relevant.shape
    assert 0 < new.ndcg(by_kernel) < 1


def test_a_ranking_that_knows_the_answer_is_perfect() -> None:
    new = deal()
    assert new.ndcg(new.relevant.toarray()) == 1.0


def test_weights_for_new_items_are_relative_to_the_first_channel_that_scores_them() -> None:
    chosen = Chosen(
        channels={}, recency=0.0, rating=None, similarity={}, ridge=1.0, valid=0.0, alone={},
        warm={"taste": 5.0, "relational": 3.0, "meaning": 7.0}, cold={"meaning": 0.5, "relational": 1.0},
        units={"taste": 4.0, "relational": 2.0, "meaning": 8.0},
    )  # fmt: skip
    weights = [new_item_weight(chosen, name) for name in ("relational", "meaning", "taste")]
    assert weights == [1.5, 0.75, 0.0]  # of taste nothing was chosen: it says nothing of an item that nobody had
    off = replace(chosen, warm={"relational": 0.0})  # known items do without it
    assert new_item_weight(off, "meaning") == 0.25
    assert new_item_weight(replace(chosen, units={}), "meaning") == 1.5
    assert new_item_weight(replace(chosen, cold={}), "relational") == 0.0
