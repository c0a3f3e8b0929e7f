"""Segments of unequal length."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kg_rec.arrays import segments as arrays
from kg_rec.arrays.segments import (
    bounds_of,
    distinct,
    grouped,
    largest,
    places,
    ranges,
    rows_of,
    stored,
    sums,
    values_at,
)

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
    assert sums(values[:0], segments[:0], 2).dtype == np.float64


def test_rows_are_those_that_scipy_takes() -> None:
    matrix = sparse.random_array((6, 9), density=0.4, rng=np.random.default_rng(3), format="csr", dtype=np.float32)
    matrix.data[matrix.indptr[2] : matrix.indptr[3]] = 0  # stored all the same
    for rows in ([], [4], [2, 2, 0, 5]):
        one, other = rows_of(matrix, np.array(rows, np.int64)), matrix[np.array(rows, np.int64)]
        assert one.shape == other.shape
        for name in ("data", "indices", "indptr"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_values_are_those_that_scipy_takes(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = sparse.random_array((7, 7), density=0.4, rng=np.random.default_rng(3), format=form, dtype=np.float32)
    rows, columns = (places.ravel() for places in np.meshgrid(np.arange(7), np.arange(7)))
    turned = matrix.copy()  # columns of a row (rows of a column) need not ascend
    for start, stop in pairwise(turned.indptr.tolist()):
        turned.indices[start:stop], turned.data[start:stop] = (
            part[start:stop][::-1].copy() for part in (matrix.indices, matrix.data)
        )
    for one, at_a_time in product((matrix, turned), (1 << 18, 3)):
        monkeypatch.setattr(arrays, "_CELLS", at_a_time)
        found = values_at(one, rows, columns)
        assert found.tolist() == matrix.toarray()[rows, columns].tolist()
        assert found.dtype == np.float32
        assert values_at(one, rows[:0], columns[:0]).tolist() == []
    empty = sparse.csr_array((7, 7), dtype=np.float32)
    assert values_at(empty, rows, columns).tolist() == [0.0] * 49


def test_distinct_values_ascend() -> None:
    assert distinct(np.array([3, 1, 3, 0, 1])).tolist() == [0, 1, 3]
    assert distinct(np.array([], np.int64)).tolist() == []


def test_places_among_equals() -> None:
    assert places(np.array([0, 0, 3, 4, 4, 4])).tolist() == [0, 1, 0, 0, 1, 2]


def test_what_a_matrix_holds() -> None:
    matrix = sparse.csr_array(np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0]]))
    rows, columns = np.meshgrid(np.arange(3), np.arange(4), indexing="ij")
    held = stored(matrix, rows.ravel(), columns.ravel()).reshape(3, 4)
    assert held.tolist() == (matrix.toarray() != 0).tolist()
    assert stored(matrix, np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []
