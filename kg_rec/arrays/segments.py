"""Segments of unequal length side by side in one array: the interactions of many users, the paths of many scores.

A segment is the part ``bounds[s]:bounds[s + 1]``.  What is computed of one segment does not depend on the others, to
the last bit, so a block of many gives the same as each alone.
"""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Ints


def bounds_of(lengths: NDArray[Any]) -> Ints:
    """Where segments of these lengths begin, and the end of the last; int64, shape (segments + 1,)."""
    bounds = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.add.accumulate(lengths, out=bounds[1:])  # np.cumsum after a detour
    return bounds


#: Up to so many values one sort is quicker than a pass for each of the largest.
_SORTED = 1 << 13


def spans(bounds: Ints) -> Ints:
    """The lengths of segments by their bounds, shape (segments,)."""
    return bounds[1:] - bounds[:-1]


def places(numbers: Ints) -> Ints:
    """How many equal numbers stand before each; they ascend."""
    return np.arange(len(numbers)) - numbers.searchsorted(numbers)


def ranges(starts: NDArray[Any], lengths: NDArray[Any]) -> Ints:
    """The numbers ``start, start + 1, ...`` of every segment, one after the other; int64, shape (sum of lengths,)."""
    bounds = bounds_of(lengths)
    shift = np.asarray(starts, dtype=np.int64) - bounds[:-1]
    found: Ints = np.arange(bounds[-1]) + shift.repeat(lengths)
    return found


def lengths_of(matrix: Any, rows: Ints) -> Ints:
    """How many entries some rows of a CSR matrix (or columns of a CSC) have, shape as ``rows``."""
    rows = np.asarray(rows)  # also a list
    lengths: Ints = matrix.indptr[rows + 1] - matrix.indptr[rows]
    return lengths


def rows_of(matrix: sparse.csr_array, rows: Ints) -> sparse.csr_array:
    """Some rows of a CSR matrix: what SciPy's index gives, for few rows in a small part of its time."""
    lengths = lengths_of(matrix, rows)
    cells, found = ranges(matrix.indptr[rows], lengths), copy(_empty(len(rows), matrix.shape[1]))
    found.indptr = bounds_of(lengths).astype(matrix.indptr.dtype)
    found.data, found.indices = matrix.data[cells], matrix.indices[cells]
    return found


@lru_cache(maxsize=64)
def _empty(rows: int, columns: int) -> sparse.csr_array:
    """A matrix to be copied, which costs less than to make one: SciPy looks at the parts of each that is made."""
    return sparse.csr_array((rows, columns))


def stored(matrix: Any, rows: Ints, columns: Ints) -> NDArray[np.bool_]:
    """Which of the places (rows[n], columns[n]) a CSR matrix holds, shape (n,)."""
    lengths = lengths_of(matrix, rows)
    matches = matrix.indices[ranges(matrix.indptr[rows], lengths)] == np.repeat(columns, lengths)
    return np.bincount(np.repeat(np.arange(len(rows)), lengths)[matches], minlength=len(rows)) > 0


def distinct(values: Ints) -> Ints:
    """The distinct values, ascending: ``np.unique``, for few of them in a small part of its time."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


#: So many cells of a matrix are looked through at a time: a few arrays of 2 MB.
_CELLS = 1 << 18


def values_at(matrix: Any, rows: Ints, columns: Ints) -> NDArray[Any]:
    """The values of a CSR or CSC matrix at the places (rows[n], columns[n]), 0 where it has none, shape (n,).

    What SciPy's index gives; each row (column) is read once, however many of its places are asked for, and few rows at
    a time, so that a matrix on disk may be larger than memory.
    """
    if matrix.format == "csc":
        rows, columns = columns, rows
    some = distinct(rows)
    lengths = lengths_of(matrix, some)
    if lengths.sum() <= _CELLS:
        return _values_of(matrix, some, lengths, rows, columns)
    part, values = lengths.cumsum() // _CELLS, np.empty(len(rows), matrix.data.dtype)
    part_of = part[some.searchsorted(rows)]
    for one in distinct(part):
        inside, asked = part == one, part_of == one
        values[asked] = _values_of(matrix, some[inside], lengths[inside], rows[asked], columns[asked])
    return values


def _values_of(matrix: Any, some: Ints, lengths: Ints, rows: Ints, columns: Ints) -> NDArray[Any]:
    """Values at places of some rows (columns of a CSC matrix), which are distinct and ascend, and have such lengths."""
    width = max(matrix.shape)
    cells = ranges(matrix.indptr[some], lengths)
    places = (np.arange(len(some)) * width).repeat(lengths) + matrix.indices[cells]
    if (places[1:] < places[:-1]).any():  # the columns of a row need not ascend
        order = places.argsort()
        places, cells = places[order], cells[order]
    asked, values = some.searchsorted(rows) * width + columns, np.zeros(len(rows), matrix.data.dtype)
    if len(places):
        found = places.searchsorted(asked)
        there = places.take(found, mode="clip") == asked
        values[there] = matrix.data[cells[found[there]]]
    return values


def sums(values: NDArray[np.float64], segments: Ints, count: int) -> NDArray[np.float64]:
    """Sum of the values of each segment, added from left to right; shape (count,).

    Args:
        values: shape (n,).
        segments: the segment of each value, shape (n,).
        count: number of segments.
    """
    added = np.bincount(segments, weights=values, minlength=count)
    return added.astype(np.float64, copy=False)  # integers where there is nothing


def grouped(segments: Ints, count: int) -> tuple[Ints, Ints]:
    """Order by segment, otherwise as it was: positions, shape (n,), and bounds, shape (count + 1,)."""
    short = segments.astype(np.uint16) if count <= 1 << 16 else segments  # NumPy sorts 16 bits in linear time
    return short.argsort(kind="stable"), bounds_of(np.bincount(segments, minlength=count))


def largest(values: NDArray[np.float64], bounds: Ints, most: int) -> tuple[Ints, Ints]:
    """Positions of the largest positive values of every segment, best first, equal ones by position.

    Args:
        values: shape (n,).
        bounds: shape (segments + 1,).
        most: how many per segment.

    Returns:
        Positions, and their bounds, shape (segments + 1,).
    """
    if len(values) <= _SORTED:
        return _largest_sorted(values, bounds, most)
    count = len(bounds) - 1
    positive = np.flatnonzero(values > 0)
    owner = np.repeat(np.arange(count), np.diff(bounds))[positive]
    counts = np.bincount(owner, minlength=count)
    filled = np.flatnonzero(counts)
    left, lengths = values[positive], counts[filled]
    starts = bounds_of(lengths)[:-1]
    positions, segments = [], []
    for _ in range(min(most, int(lengths.max(initial=0)))):
        best = np.maximum.reduceat(left, starts)
        best[best <= 0] = np.nan  # nothing is left, and nothing equals this
        hits = np.flatnonzero(left == np.repeat(best, lengths))
        of = owner[hits]
        first = np.concatenate([np.ones(min(1, len(of)), np.bool_), of[1:] != of[:-1]])
        hits, of = hits[first], of[first]
        left[hits] = 0
        positions.append(positive[hits])
        segments.append(of)
    if not positions:
        return np.empty(0, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)
    order, segment_bounds = grouped(np.concatenate(segments), count)
    return np.concatenate(positions)[order], segment_bounds


def _largest_sorted(values: NDArray[np.float64], bounds: Ints, most: int) -> tuple[Ints, Ints]:
    positive = (values > 0).nonzero()[0]
    segment = bounds.searchsorted(positive, "right") - 1
    order = np.lexsort((-values[positive], segment))  # stable
    kept = places(segment) < most
    return positive[order[kept]], bounds_of(np.bincount(segment[kept], minlength=len(bounds) - 1))
