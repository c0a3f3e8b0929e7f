"""Another history of one user: the model is the one that is made from all interactions anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.model import interacted
from kg_rec.model.interacted import _together, _together_few
from kg_rec.model.one_user import with_history
from kg_rec.snapshot import EdgeTable

MODEL = everything()
EDGES = MODEL.snapshot.interactions


def changed(user: int, keep: np.ndarray, items: np.ndarray) -> tuple[EdgeTable, EdgeTable]:
    """All interactions, and the user's, without some and with others."""
    mine = EDGES.source == user
    own = EDGES.take(mine).take(keep[: int(mine.sum())])
    new = np.setdiff1d(items, own.target)
    target = np.concatenate([own.target, new])
    order = np.argsort(target)

    def column(have: np.ndarray | None, value: float) -> np.ndarray | None:
        return None if have is None else np.concatenate([have, np.full(len(new), value, have.dtype)])[order]

    found = EdgeTable(np.full(len(target), user), target[order], column(own.weight, 5), column(own.time, 10))
    others = EDGES.take(~mine)
    rows = np.argsort(np.concatenate([others.source, found.source]), kind="stable")
    return (
        EdgeTable(
            *(
                None if a is None or b is None else np.concatenate([a, b])[rows]
                for a, b in zip(vars(others).values(), vars(found).values(), strict=True)
            )
        ),
        found,
    )


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_model_that_is_made_anew(seed: int) -> None:
    rng = np.random.default_rng(seed)
    user = int(rng.integers(len(MODEL.users)))
    keep = rng.random(len(MODEL.items)) < (0.0 if seed == 0 else 0.6)
    items = np.flatnonzero(rng.random(len(MODEL.items)) < (0.0 if seed == 0 else 0.2))
    every, own = changed(user, keep, items)
    slow, fast = MODEL.with_interactions(every), with_history(MODEL, user, own)
    for name in ("histories", "seen", "users_of_items"):
        one, other = getattr(slow, name), getattr(fast, name)
        assert np.array_equal(one.indptr, other.indptr)
        assert np.array_equal(one.indices, other.indices)
        assert np.array_equal(one.data, other.data)
    items = np.arange(len(MODEL.items))
    first, second = np.repeat(items, len(items)), np.tile(items, len(items))
    one, other = slow.interacted, fast.interacted
    assert np.array_equal(one.likes, other.likes)
    assert np.array_equal(one.co_count(first, second), other.co_count(first, second))
    for who in ([user], [user, user], [user, 0 if user else 1]):
        users = np.array(who)
        assert np.array_equal(one.histories_of(users).toarray(), other.histories_of(users).toarray())
        assert np.array_equal(one.seen_of(users).toarray(), other.seen_of(users).toarray())
        for a, b in zip(one.weights_of(users), other.weights_of(users), strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(one.had(users, items[: len(users)]), other.had(users, items[: len(users)]))
    for a, b in zip(vars(slow.snapshot.interactions).values(), vars(fast.snapshot.interactions).values(), strict=True):
        assert (a is None and b is None) or np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    key = MODEL.users.key(user)
    one, other = (next(iter(Model(m).explain_lists([key], 5, workers=1))).to_pylist() for m in (slow, fast))
    assert one == other
    assert with_history(fast, user, EDGES.take(EDGES.source == user)).snapshot.digest == MODEL.snapshot.digest


def test_what_the_user_did_costs_nothing_of_what_others_did() -> None:
    user = int(EDGES.source[0])
    mine = EDGES.take(EDGES.source == user)
    found = with_history(MODEL, user, mine.take(np.arange(len(mine) - 1)))
    next(iter(Model(found).explain_lists([MODEL.users.key(user)], 5, workers=1)))
    assert not {"histories", "seen", "users_of_items"} & set(found.interacted.__dict__)
    assert "_interactions" not in vars(found.snapshot.edges)  # those of all were not joined


def test_few_items_are_counted_as_many_are() -> None:
    users_of_items = MODEL.interacted.users_of_items
    some, others = np.array([3, 0, 5]), np.array([1, 5, 4, 0])
    few = _together_few(users_of_items, some, others)
    assert np.array_equal(few, _together(users_of_items, some, others))
    assert few.any()


def test_a_weight_where_there_were_none() -> None:
    bare = MODEL.with_interactions(replace(EDGES, weight=None, time=None))
    user = int(EDGES.source[0])
    own = replace(EDGES.take(EDGES.source == user), weight=None, time=None)
    against = replace(own, weight=np.where(np.arange(len(own)) == 0, -1, 5).astype(np.float32))
    found = with_history(bare, user, against)
    assert found.histories[[user]].nnz == len(own) - 1
    assert found.seen[[user]].nnz == len(own)
    assert found.snapshot.liked().source.tolist() == np.delete(EDGES.source, 0).tolist()


def test_rows_that_are_counted_when_asked_for_are_those_that_are_counted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items = np.arange(len(MODEL.items))
    first, second = np.repeat(items, len(items)), np.tile(items, len(items))
    at_once = replace(MODEL.interacted).co_count(first, second)
    monkeypatch.setattr(interacted, "_ALL", 0)
    one_by_one = replace(MODEL.interacted)
    assert one_by_one.co_count(first[:3], second[:3]).tolist() == at_once[:3].tolist()
    assert np.array_equal(one_by_one.co_count(first, second), at_once)


def test_rows_that_are_kept_of_a_large_catalogue_are_those_that_are_counted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items = np.arange(len(MODEL.items))
    first, second = np.tile(items, len(items)), np.repeat(items[::-1], len(items))
    at_once = replace(MODEL.interacted).co_count(first, second)
    monkeypatch.setattr(interacted, "DENSE", 0)
    monkeypatch.setattr(interacted, "_LEAST_ROWS", 1)
    monkeypatch.setattr(interacted, "_KEPT", 2 * len(items))
    by_rows = replace(MODEL.interacted)
    for _ in range(2):
        assert np.array_equal(by_rows.co_count(first, second), at_once)
        assert np.array_equal(by_rows.co_count(second, first), at_once)  # in no order
        assert len(by_rows._rows) == 2
