"""Eight bits a number: what is rounded stays as it is, and what is packed comes back to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from kg_rec.errors import ArgumentError
from kg_rec.model.packing import Directions, pack, rounded, unpack

NUMBERS = st.floats(-1e6, 1e6, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6)
MATRICES = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=NUMBERS)


@given(MATRICES)
def test_a_number_is_rounded_by_at_most_a_64th_of_half_the_largest_of_its_row(matrix: np.ndarray) -> None:
    found = rounded(matrix)
    assert found.dtype == np.float32
    assert (np.abs(found - matrix) <= np.abs(matrix).max(axis=1, keepdims=True) / 127 + 1e-30).all()
    assert all(len(np.unique(np.abs(row))) <= 128 for row in found)


@given(MATRICES)
def test_rounding_twice_is_rounding_once(matrix: np.ndarray) -> None:
    once = rounded(matrix)
    np.testing.assert_array_equal(rounded(once), once)
    cells = sparse.csr_array(matrix)
    np.testing.assert_array_equal(rounded(cells).toarray(), once)


def cells(matrix: sparse.csr_array) -> dict[str, np.ndarray]:
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape)}
    return {f"m.{name}": values for name, values in parts.items()}


@given(MATRICES, st.booleans())
def test_tensors_come_back_to_the_last_bit(matrix: np.ndarray, eight: bool) -> None:
    matrix = rounded(matrix) if eight else matrix
    given_ = {
        "dense": matrix,
        "row": matrix[0],
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
    np.testing.assert_array_equal(Directions(found.codes, found.exponents, found.basis).vectors, exact)


def test_directions_do_not_depend_on_the_order_of_the_vectors() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    order = rng.permutation(30)
    one, other = Directions.of(vectors, 4).vectors, Directions.of(vectors[order], 4).vectors
    np.testing.assert_allclose(one[order], other, atol=0.05)
