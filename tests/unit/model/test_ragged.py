"""Segments of unequal length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kg_rec.arrays import segments as arrays
from kg_rec.arrays.segments import bounds_of, grouped, largest, places, ranges, rows_of, stored, sums

SEGMENTS = st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 2.5]), max_size=6), max_size=6)


@given(SEGMENTS, st.integers(0, 8))
def test_the_largest_of_each_segment_are_those_of_sorting(segments: list[list[float]], most: int) -> None:
    bounds = bounds_of(np.array([len(s) for s in segments], dtype=np.int64))
    for sorted_at_once in (1 << 13, -1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arrays, "_SORTED", sorted_at_once)
            found, at = largest(np.array([v for s in segments for v in s]), bounds, most)
        for n, segment in enumerate(segments):
            positive = [place for place, value in enumerate(segment) if value > 0]
            expected = sorted(positive, key=lambda place: (-segment[place], place))[:most]
            assert (found[at[n] : at[n + 1]] - bounds[n]).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
def test_ranges_follow_one_another(parts: list[tuple[int, int]]) -> None:
    starts, lengths = (np.array([p[n] for p in parts], dtype=np.int64) for n in (0, 1))
    assert ranges(starts, lengths).tolist() == [x for start, length in parts for x in range(start, start + length)]


def test_groups_keep_their_order() -> None:
    order, bounds = grouped(np.array([2, 0, 2, 0, 3]), 5)
    assert order.tolist() == [1, 3, 0, 2, 4]
    assert bounds.tolist() == [0, 2, 2, 4, 5, 5]
    many = np.arange(70_000)[::-1].copy()
    assert grouped(many, 70_000)[0].tolist() == many.tolist()


def test_sums_do_not_depend_on_the_other_segments() -> None:
    values = np.random.default_rng(1).normal(size=300) * 10.0 ** np.arange(300).clip(0, 30)
    segments = np.repeat(np.arange(3), 100)
    alone = [sums(values[100 * n : 100 * n + 100], np.zeros(100, np.int64), 1)[0] for n in range(3)]
    assert sums(values, segments, 4).tolist() == [*alone, 0.0]


def test_rows_are_those_that_scipy_takes() -> None:
    matrix = sparse.random_array((6, 9), density=0.4, rng=np.random.default_rng(3), format="csr", dtype=np.float32)
    matrix.data[matrix.indptr[2] : matrix.indptr[3]] = 0  # stored all the same
    for rows in ([], [4], [2, 2, 0, 5]):
        one, other = rows_of(matrix, np.array(rows, np.int64)), matrix[np.array(rows, np.int64)]
        assert one.shape == other.shape
        for name in ("data", "indices", "indptr"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


def test_places_among_equals() -> None:
    assert places(np.array([0, 0, 3, 4, 4, 4])).tolist() == [0, 1, 0, 0, 1, 2]


def test_what_a_matrix_holds() -> None:
    matrix = sparse.csr_array(np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0]]))
    rows, columns = np.meshgrid(np.arange(3), np.arange(4), indexing="ij")
    held = stored(matrix, rows.ravel(), columns.ravel()).reshape(3, 4)
    assert held.tolist() == (matrix.toarray() != 0).tolist()
    assert stored(matrix, np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []
