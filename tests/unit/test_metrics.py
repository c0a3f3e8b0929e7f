"""Ranking metrics against their definitions, user by user in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from kg_rec.arrays.topk import masked, top_k, topk_candidates, topk_sorted
from kg_rec.metrics import METRICS, ValidationSet, per_user, standard_error


def naive_top(scores: list[float], k: int) -> list[int]:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    return [i if scores[i] > -math.inf else -1 for i in order]


def naive_metrics(ranked: list[int], relevant: set[int], k: int) -> dict[str, float]:
    shown = ranked[:k]
    hits = [rank for rank, item in enumerate(shown, 1) if item in relevant]
    gain = sum(1 / math.log2(1 + rank) for rank in hits)
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(k, len(relevant)) + 1))
    return {
        "ndcg": gain / ideal,
        "recall": len(hits) / len(relevant),
        "precision": len(hits) / k,
        "mrr": 1 / hits[0] if hits else 0.0,
        "hit": float(bool(hits)),
    }


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 15),
    users=st.integers(1, 5),
    k=st.integers(1, 18),
    levels=st.integers(1, 6),
)
def test_every_metric_equals_the_naive_one(seed: int, n: int, users: int, k: int, levels: int) -> None:
    """Few levels of scores make many ties; some items may not be ranked."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (users, n)).astype(np.float64) - 2
    scores[rng.random((users, n)) < 0.3] = -np.inf
    relevant = rng.random((users, n)) < 0.4
    relevant[np.arange(users), rng.integers(0, n, users)] = True
    top = top_k(scores, k)
    assert top.shape == (users, min(k, n))
    assert top.tolist() == [naive_top(row, k) for row in scores.tolist()]
    found = per_user(top, sparse.csr_array(relevant.astype(np.float32)), k)
    assert set(found) == set(METRICS)
    for u in range(users):
        for name, expected in naive_metrics(top[u].tolist(), set(np.flatnonzero(relevant[u]).tolist()), k).items():
            assert found[name][u] == pytest.approx(expected, abs=1e-12), name


def test_known_numbers() -> None:
    """Hits at ranks 1 and 3 of three relevant items."""
    found = per_user(np.array([[4, 0, 2, 1]]), sparse.csr_array(np.array([[0, 0, 1.0, 1, 1]])), 3)
    assert found["ndcg"][0] == pytest.approx((1 + 0.5) / (1 + 1 / math.log2(3) + 0.5))
    assert found["recall"][0] == pytest.approx(2 / 3)
    assert found["precision"][0] == pytest.approx(2 / 3)
    assert found["mrr"][0] == 1
    assert found["hit"][0] == 1


def test_equal_scores_go_by_index_even_at_the_last_place() -> None:
    scores = np.zeros((1, 1000), dtype=np.float32)
    scores[0, 700] = 1
    assert top_k(scores, 4).tolist() == [[700, 0, 1, 2]]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 400), k=st.integers(1, 30), slack=st.sampled_from([0.0, 0.5, 2.0]))
def test_the_candidates_hold_every_cell_within_the_slack_of_the_kth(seed: int, n: int, k: int, slack: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, n)).round(1)
    scores[rng.random((3, n)) < 0.1] = -np.inf
    slacks = slack * np.arange(3.0)
    cells = topk_candidates(scores, k, slacks)
    assert (np.diff(cells) > 0).all()
    for row in range(3):
        found = scores[row][cells[cells // n == row] % n]
        assert not np.isneginf(found).any()
        kth = np.sort(scores[row])[::-1][min(k, n) - 1]
        assert len(found) == (np.isfinite(scores[row]) & (scores[row] >= found.min(initial=np.inf))).sum()
        assert (np.isfinite(scores[row]) & (scores[row] >= kth - slacks[row])).sum() <= len(found)


def test_few_are_candidates() -> None:
    """Most cells are never looked at twice: lists of 10 of 20,000 items come from little more than 10."""
    scores = np.random.default_rng(0).normal(size=(50, 20_000)).astype(np.float32)
    assert 500 <= len(topk_candidates(scores, 10)) < 550


def test_listed_fills_up_and_sorts_ties_by_column() -> None:
    cells = np.array([1, 3, 4, 12])
    top, values = topk_sorted(cells, np.array([2.0, 5.0, 2.0, 1.0]), (3, 5), 2)
    assert top.tolist() == [[3, 1], [-1, -1], [2, -1]]
    assert values.tolist() == [[5, 2], [-math.inf, -math.inf], [1, -math.inf]]


def test_fewer_items_than_k() -> None:
    assert top_k(np.array([[1.0, -np.inf, 3.0]]), 5).tolist() == [[2, 0, -1]]
    assert top_k(np.full((1, 3), -np.inf), 2).tolist() == [[-1, -1]]


def test_minus_one_is_no_hit_although_item_0_is_relevant() -> None:
    found = per_user(np.array([[2, -1, -1]]), sparse.csr_array(np.array([[1.0, 0, 0]])), 3)
    assert all(found[name][0] == 0 for name in METRICS)


def test_an_own_score_of_minus_infinity_is_not_ranked_and_the_lowest_finite_one_is() -> None:
    lowest = np.finfo(np.float32).min
    assert top_k(np.array([[lowest, -np.inf]], dtype=np.float32), 2).tolist() == [[0, -1]]


def test_masked_hides_what_was_seen_and_what_is_no_candidate() -> None:
    seen = sparse.csr_array(np.array([[1.0, 0, 0], [0, 0, 0]]))
    scores = np.array([[1.0, 2, 3], [4, 5, 6]])
    found = masked(scores, seen, np.array([True, True, False]))
    assert found.tolist() == [[-math.inf, 2, -math.inf], [4, 5, -math.inf]]
    assert found is scores  # in place
    assert masked(np.ones((2, 3)), seen, None).tolist() == [[-math.inf, 1, 1], [1, 1, 1]]


def test_masked_hides_an_explicit_zero() -> None:
    """An interaction of weight 0 was still seen."""
    seen = sparse.csr_array((np.array([0.0]), np.array([1]), np.array([0, 1])), shape=(1, 2))
    assert masked(np.ones((1, 2)), seen, None).tolist() == [[1, -math.inf]]


def test_judge_is_the_mean_ndcg_at_10_of_unseen_candidates() -> None:
    seen = sparse.csr_array(np.array([[0, 0, 1.0, 0], [0, 0, 0, 0]]))
    relevant = sparse.csr_array(np.array([[0, 1.0, 0, 0], [1.0, 0, 0, 0]]))
    judge = ValidationSet(seen, seen, relevant, np.array([True, True, True, False]))
    scores = np.array([[3.0, 2, 9, 9], [1, 2, 3, 9]])
    # user 0 ranks 0, 1: hit at rank 2; user 1 ranks 2, 1, 0: hit at rank 3
    assert judge.ndcg(scores) == pytest.approx((1 / math.log2(3) + 0.5) / 2)


def test_validation_looks_at_ten_places() -> None:
    """What is found at the eleventh counts nothing, and ten of twelve found are all that can be."""
    eleventh = sparse.csr_array((np.ones(1), ([0], [10])), shape=(2, 15))
    twelve = sparse.csr_array((np.ones(12), (np.ones(12, dtype=int), np.arange(12))), shape=(2, 15))
    relevant = sparse.csr_array(eleventh + twelve)
    nothing = sparse.csr_array((2, 15))
    judge = ValidationSet(nothing, nothing, relevant, np.ones(15, dtype=bool))
    falling = np.tile(np.arange(15, 0, -1, dtype=np.float32), (2, 1))
    np.testing.assert_allclose(judge.per_user(falling.copy()), [0.0, 1.0])
    assert judge.ndcg(falling) == pytest.approx(0.5)


def test_the_standard_error_is_of_the_mean_of_paired_differences() -> None:
    assert standard_error(np.array([3.0, 1.0, 3.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0])) == 0.25
