"""Few bits a number: what is rounded stays as it is, and what is packed comes back to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from kg_rec.errors import ArgumentError
from kg_rec.model.packing import BITS, Directions, pack, rounded, rounded_pair, unpack

NUMBERS = st.floats(-1e6, 1e6, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6)
MATRICES = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=NUMBERS)


@given(MATRICES)
def test_a_number_is_rounded_by_at_most_a_64th_of_half_the_largest_of_its_row(matrix: np.ndarray) -> None:
    found = rounded(matrix)
    assert found.dtype == np.float32
    assert (np.abs(found - matrix) <= np.abs(matrix).max(axis=1, keepdims=True) / 127 + 1e-30).all()
    assert all(len(np.unique(np.abs(row))) <= 128 for row in found)


@given(MATRICES, st.sampled_from(BITS))
def test_rounding_twice_is_rounding_once(matrix: np.ndarray, bits: int) -> None:
    once = rounded(matrix, bits)
    assert all(len(np.unique(np.abs(row))) <= 2 ** (bits - 1) for row in once)
    np.testing.assert_array_equal(rounded(once, bits), once)
    cells = sparse.csr_array(matrix)
    np.testing.assert_array_equal(rounded(cells, bits).toarray(), once)


def test_rows_that_are_multiples_of_each_other_are_told_once() -> None:
    rng = np.random.default_rng(2)
    one = rng.normal(size=(500, 32)).astype(np.float32)
    other = one * rng.uniform(0.1, 9, (500, 1)).astype(np.float32)
    other[7], one[8] = rng.normal(size=32), 0  # these two are none
    first, second = rounded_pair(one, other, 4)
    assert np.abs(first - one).max() <= 0.08 * np.abs(one).max()
    assert (np.abs(second - other).max(axis=1) <= 0.08 * np.abs(other).max(axis=1)).all()
    np.testing.assert_array_equal(rounded(second, 4), second)
    np.testing.assert_array_equal(first, rounded(one, 4))
    alone, both = (pack(given_).nbytes for given_ in ({"one": first}, {"one": first, "other": second}))
    assert both < 1.35 * alone < 1.5 * pack({"other": rounded(rng.normal(size=(500, 32)).astype(np.float32), 4)}).nbytes
    for fine, exact in zip(rounded_pair(one, other, 16), (one, other), strict=True):
        assert (np.abs(fine - exact).max(axis=1) <= 1e-4 * np.abs(exact).max(axis=1)).all()
    for name, values in unpack(pack({"one": first, "other": second})).items():
        np.testing.assert_array_equal(values, first if name == "one" else second)


def cells(matrix: sparse.csr_array) -> dict[str, np.ndarray]:
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape)}
    return {f"m.{name}": values for name, values in parts.items()}


@given(MATRICES, st.sampled_from([None, *BITS]))
def test_tensors_come_back_to_the_last_bit(matrix: np.ndarray, bits: int | None) -> None:
    matrix = matrix if bits is None else rounded(matrix, bits)
    given_ = {
        "dense": matrix,
        "row": matrix[0],
        "few": np.tile(matrix[0], 5),
        "flags": matrix[0] > 0,
        "counts": np.arange(len(matrix)),
        **cells(sparse.csr_array(matrix)),
    }
    found = unpack(pack(given_))
    assert found.keys() == given_.keys()
    for name, values in given_.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype.kind == values.dtype.kind


def test_a_rounded_matrix_takes_a_fraction_of_the_bytes_and_one_that_is_not_is_kept_as_it_is() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(300, 400)).astype(np.float32)
    assert pack({"m": rounded(matrix)}).nbytes < matrix.nbytes / 4
    assert pack({"m": matrix}).nbytes > matrix.nbytes / 2
    few = sparse.random_array((300, 400), density=0.05, format="csr", dtype=np.float32, rng=rng)
    few.sort_indices()
    assert pack(cells(rounded(few))).nbytes < few.nnz * 2.2  # a byte for the number, less than one for the place


def test_columns_out_of_order_are_refused_and_so_are_other_bytes() -> None:
    matrix = sparse.csr_array((np.ones(2, np.float32), [3, 1], [0, 2]), shape=(1, 4))
    with pytest.raises(ArgumentError, match="m: expected columns in order"):
        pack(cells(matrix))
    with pytest.raises(ArgumentError, match="packed tensors cannot be read"):
        unpack(np.arange(9, dtype=np.uint8))


def test_vectors_in_few_directions() -> None:
    rng = np.random.default_rng(3)
    plane = rng.normal(size=(200, 3)).astype(np.float32) @ rng.normal(size=(3, 50)).astype(np.float32)
    vectors = plane + 0.01 * rng.normal(size=plane.shape).astype(np.float32)
    vectors[7] = 0
    exact, few = Directions.of(vectors, 3).vectors, Directions.of(vectors, 1).vectors
    assert not exact[7].any()
    assert np.linalg.norm(exact - vectors) < 0.02 * np.linalg.norm(vectors)
    assert 0.2 < np.linalg.norm(few - vectors) / np.linalg.norm(vectors) < 0.9
    # what is projected is what is kept, but for the eight bits
    found = Directions.of(vectors, 3)
    assert np.abs(found.project(vectors) - found.vectors).max() < 0.02 * np.abs(vectors).max()
    np.testing.assert_array_equal(Directions(found.codes, found.scales, found.basis).vectors, exact)


def test_directions_do_not_depend_on_the_order_of_the_vectors() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    order = rng.permutation(30)
    one, other = Directions.of(vectors, 4).vectors, Directions.of(vectors[order], 4).vectors
    np.testing.assert_allclose(one[order], other, atol=0.05)
