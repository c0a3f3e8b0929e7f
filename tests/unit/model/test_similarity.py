"""Likeness in text and graph, and the regression that gives new items an embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from toy_graph import edges, films

from kg_rec.errors import ModelError
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.cold.similarity import (
    PROFILE,
    TEXT,
    Similarity,
    build,
    choose_weights,
    combine,
    fit_cold,
    leave_one_out,
    popular,
    profile,
)

ALL = np.arange(45)


@pytest.fixture(scope="module")
def text() -> np.ndarray:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(45, 6)) + 2
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def similarity(text: np.ndarray) -> Similarity:
    return build(films(), text, 0.25, 1.0, ColdConfig())


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(45, 3)).astype(np.float32)


def test_build_takes_relations_with_edges_numbers_and_text(similarity: Similarity) -> None:
    names = ["DIRECTED_BY", "FOLLOWED_BY", "HAS_GENRE", "STARRING", "year", TEXT, PROFILE]
    assert set(similarity.weights) == set(names)
    assert set(similarity.weights.values()) == {1.0}
    assert [f.relation for f in similarity.factors] == names[:4]
    assert set(similarity.numbers) == {"year"}


def test_text_is_centred_on_the_items_with_interactions(similarity: Similarity, text: np.ndarray) -> None:
    known = np.unique(films().interactions.target)
    assert len(known) < 45
    assert similarity.text is not None
    expected = text - text[known].mean(axis=0)
    np.testing.assert_allclose(
        similarity.text, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-4, atol=1e-6
    )


def test_parts_by_hand(similarity: Similarity) -> None:
    rows, columns = np.array([0, 10, 4]), np.array([3, 6, 1, 44])
    parts = similarity.parts(rows, columns)
    assert set(parts) == set(similarity.weights)
    assert all(p.shape == (3, 4) and p.dtype == np.float32 for p in parts.values())
    np.testing.assert_allclose(parts["HAS_GENRE"], [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]], rtol=1e-6)
    # film 0 is from 1950, 3 from 1953, 6 from 1951, 1 from 1971, 44 from 1994; film 10 has no year
    np.testing.assert_allclose(parts["year"][0], np.exp(-np.array([3, 1, 21, 44 - 0]) / 5), rtol=1e-4)
    assert (parts["year"][1] == 0).all()
    # 0 and 3 are each other's sequel, 3 also has 6: 1 / sqrt(1 * 2); 4 and 44 have only each other
    np.testing.assert_allclose(parts["FOLLOWED_BY"], [[2**-0.5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], rtol=1e-6)
    assert similarity.text is not None
    cosine = similarity.text[rows] @ similarity.text[columns].T
    np.testing.assert_allclose(parts[TEXT], np.maximum(cosine, 0) ** 2, rtol=1e-5, atol=1e-7)
    between = similarity.profile[rows][:, None] - similarity.profile[columns][None]
    years = np.nan_to_num(similarity.numbers["year"], nan=np.nanmean(similarity.numbers["year"]))
    expected = np.exp(-(between**2).sum(axis=2) - np.abs(years[rows][:, None] - years[columns][None]))
    np.testing.assert_allclose(parts[PROFILE], expected, rtol=1e-4)


def test_profile_by_hand() -> None:
    """Four items; the first attribute is common, the second one item's own."""
    matrix = sparse.csr_array(np.array([[1, 1, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]], dtype=np.float32))
    found = profile([matrix], 0.5, ColdConfig(common=0.5, kind=0.25), 4)
    facts, shared = np.log1p([3, 2, 1, 0]), np.log1p([2 + 0 + 1, 2 + 1, 2, 0])
    np.testing.assert_allclose(found[:, 0], (facts - facts.mean()) / facts.std() / 2, rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], (shared - shared.mean()) / shared.std() / 2, rtol=1e-5)
    both = np.array([3**-0.5, 2**-0.5]) / np.sqrt(1 / 3 + 1 / 2)
    np.testing.assert_allclose(found[:, 2:], 0.5 * np.array([both, both, [1, 0], [0, 0]]), rtol=1e-5)
    assert profile([], 0.5, ColdConfig(), 4).shape == (4, 0)


def test_equal_numbers_of_facts_are_no_distance() -> None:
    matrix = sparse.csr_array(np.eye(4, dtype=np.float32))
    np.testing.assert_allclose(profile([matrix], 0.25, ColdConfig(), 4), 0, atol=1e-6)


def test_the_kernel_is_the_weighted_sum(similarity: Similarity) -> None:
    weights = {name: 0.1 * n for n, name in enumerate(similarity.weights)}
    parts = similarity.parts(ALL, ALL)
    expected = sum(np.float64(weights[name]) * parts[name] for name in parts)
    np.testing.assert_allclose(combine(parts, weights), expected, rtol=1e-5)
    np.testing.assert_allclose(replace(similarity, weights=weights)(ALL, ALL), expected, rtol=1e-5)


def test_every_graph_part_is_symmetric_and_positive_semidefinite(similarity: Similarity) -> None:
    for name, part in similarity.parts(ALL, ALL).items():
        np.testing.assert_allclose(part, part.T, atol=1e-6, err_msg=name)
        if name != TEXT:  # its negative cosines are cut off, so it is only nearly so
            assert np.linalg.eigvalsh(part.astype(np.float64)).min() > -1e-5, name


def test_without_text_relations_or_numbers_nothing_is_alike() -> None:
    bare = films()
    for relation in ("DIRECTED_BY", "FOLLOWED_BY", "HAS_GENRE", "STARRING"):
        bare = bare.with_edges(relation, edges([]))
    found = build(bare, None, 0.25, 1.0, ColdConfig())
    assert found.factors == ()
    assert found.text is None
    assert set(found.weights) == set(found.numbers)
    assert "year" in found.weights


@pytest.mark.parametrize("ridge", [0.5, 5.0])
def test_leave_one_out_equals_refitting_without_each_item(
    similarity: Similarity, targets: np.ndarray, ridge: float
) -> None:
    landmarks = np.arange(0, 36, 2)
    found = leave_one_out(similarity(landmarks, landmarks), targets[landmarks], ridge)
    for row, item in enumerate(landmarks):
        others = landmarks[landmarks != item]
        fitted = fit_cold(similarity, targets, others, ridge)
        np.testing.assert_allclose(fitted.embed(similarity, np.array([item]))[0], found[row], atol=2e-5)


def test_the_regression_is_kernel_ridge(similarity: Similarity, targets: np.ndarray) -> None:
    landmarks, new = np.arange(30), np.arange(30, 45)
    fitted = fit_cold(similarity, targets, landmarks, 2.0)
    gram = similarity(landmarks, landmarks).astype(np.float64)
    alpha = np.linalg.inv(gram + 2 * np.eye(30)) @ targets[:30]
    np.testing.assert_allclose(fitted.coefficients, alpha, atol=1e-5)
    np.testing.assert_allclose(fitted.embed(similarity, new), similarity(new, landmarks) @ alpha, atol=1e-4)
    assert fitted.embed(similarity, new[:0]).shape == (0, 3)


def test_embedding_in_blocks_equals_one_block(similarity: Similarity, targets: np.ndarray) -> None:
    fitted = fit_cold(similarity, targets, np.arange(30), 2.0)
    many = np.tile(ALL, 60)
    np.testing.assert_allclose(
        fitted.embed(similarity, many), np.tile(fitted.embed(similarity, ALL), (60, 1)), atol=1e-6
    )


def test_a_kernel_that_no_ridge_makes_positive_definite_is_an_error(
    similarity: Similarity, targets: np.ndarray
) -> None:
    negative = replace(similarity, weights={**similarity.weights, "HAS_GENRE": -100.0})
    with pytest.raises(ModelError, match="not positive definite"):
        fit_cold(negative, targets, ALL, 1.0)
    with pytest.raises(ModelError, match="not positive definite"):
        leave_one_out(negative(ALL, ALL), targets, 1.0)


def test_popular_takes_known_items_by_count_then_index() -> None:
    assert popular(np.array([3, 0, 5, 3, 1]), 3).tolist() == [0, 2, 3]
    assert popular(np.array([3, 0, 5, 3, 1]), 2).tolist() == [0, 2]
    assert popular(np.array([3, 0, 5, 3, 1]), 9).tolist() == [0, 2, 3, 4]
    assert popular(np.array([0, 0]), 9).tolist() == []


def test_chosen_weights_are_never_worse_than_the_start(similarity: Similarity, targets: np.ndarray) -> None:
    landmarks = np.arange(39)
    truth = np.eye(3, dtype=np.float32)[landmarks % 3]  # an embedding that says only the kind
    aim = np.zeros((45, 3), np.float32)
    aim[landmarks] = truth
    tried = []

    def judge(found: np.ndarray) -> float:
        tried.append(-float(((found - truth) ** 2).mean()))
        return tried[-1]

    config = ColdConfig(rounds=2)
    chosen, ridge = choose_weights(similarity, aim, landmarks, judge, config)
    start = max(
        -float(((leave_one_out(similarity(landmarks, landmarks), truth, r) - truth) ** 2).mean()) for r in config.ridge
    )
    final = -float(((leave_one_out(chosen(landmarks, landmarks), truth, ridge) - truth) ** 2).mean())
    assert final >= start
    assert final == pytest.approx(max(tried))
    assert final > 10 * start  # both negative: the error is a tenth
    assert chosen.weights["HAS_GENRE"] == max(chosen.weights.values()) > 1
    assert min(chosen.weights.values()) < 1
    assert ridge in config.ridge


def test_a_weight_that_breaks_the_kernel_is_not_chosen(similarity: Similarity, targets: np.ndarray) -> None:
    """Clipped cosines may have negative eigenvalues: such a trial is passed over, not the end of training."""
    broken = replace(similarity, weights={**similarity.weights, "HAS_GENRE": -100.0})
    landmarks = np.arange(39)
    chosen, ridge = choose_weights(broken, targets, landmarks, lambda found: float(found[0, 0]), ColdConfig())
    assert chosen.weights["HAS_GENRE"] == 0
    assert np.isfinite(leave_one_out(chosen(landmarks, landmarks), targets[landmarks], ridge)).all()
