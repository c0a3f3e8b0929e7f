"""Numbers in few bytes: rounded to eight or sixteen bits with a scale per row, and packed without further loss.

A row x is rounded to x_j = q_j s with whole q_j from -127 to 127 (eight bits) or -32767 to 32767 (sixteen), and s the
smallest power of two at which they fit.  Such numbers are float32 numbers themselves: what is rounded once is not
changed by being rounded, packed or read again, to the last bit.  So there is no difference between the numbers that
are kept and those that are computed with.

:func:`pack` writes each tensor as planes of bytes, rounded rows as q and the exponent of s, sorted sparse rows as steps
from one column to the next, all within one zlib stream.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes
from scipy import sparse

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ArgumentError

Tensors = dict[str, NDArray[Any]]

#: The largest q by bits.
_LARGEST: dict[int, int] = {8: 127, 16: 32767}
_CODES: dict[int, type[np.signedinteger[Any]]] = {8: np.int8, 16: np.int16}
#: Exponents within which q s is a float32 number whatever q.
_LEAST, _MOST = -126, 112
#: Bits after the point of the numbers of :attr:`Directions.basis`.
_BASIS_BITS = 14


def rounded(matrix: Any, bits: int = 8) -> Any:
    """A matrix with its rows rounded to 8 or 16 bits a number; dense, shape (n, m), or CSR."""
    if not sparse.issparse(matrix):
        return _decoded(*_coded(matrix, bits))
    rows, coarse = _rows(matrix.indptr), matrix.copy()
    coarse.data = _decoded(*_coded(matrix.data, bits, rows, matrix.shape[0]), rows)
    return coarse


@dataclass(frozen=True)
class Directions:
    """Vectors in few directions, x_i = 2^e_i q_i A^T, in 8 or 16 bits a number.

    Attributes:
        codes: q, int8 or int16, shape (n, directions).
        exponents: e, int8, shape (n,).
        basis: A times 2^14, int16, shape (dimensions, directions); its columns are orthonormal, but for the rounding.
    """

    codes: NDArray[Any]
    exponents: NDArray[np.int8]
    basis: NDArray[np.int16]

    @classmethod
    def of(cls, vectors: Floats32, directions: int, bits: int = 8) -> Directions:
        """The vectors in the directions in which they are largest.

        Args:
            vectors: shape (n, dimensions).
            directions: at most the dimensions.
            bits: of each number, 8 or 16.
        """
        wide = vectors.astype(np.float64)
        _, axes = np.linalg.eigh(wide.T @ wide)
        axes = axes[:, ::-1][:, :directions]
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)  # eigh may give either
        basis = np.rint(axes * 2**_BASIS_BITS).astype(np.int16)
        codes, exponents = _coded((wide @ axes).astype(np.float32), bits)
        return cls(codes, exponents, basis)

    @property
    def vectors(self) -> Floats32:
        """The vectors, float32, shape (n, dimensions); sums of whole numbers, so the same on every machine."""
        wide = self.codes.astype(np.float64) @ self.basis.T.astype(np.float64)
        return np.ldexp(wide, self.exponents.astype(np.int32)[:, None] - _BASIS_BITS).astype(np.float32)

    def project(self, vectors: Floats32) -> Floats32:
        """Other vectors projected onto these directions, shape as given."""
        basis = self.basis.astype(np.float64) / 2**_BASIS_BITS
        projected: Floats32 = ((vectors @ basis) @ basis.T).astype(np.float32)
        return projected


@dataclass(frozen=True)
class Compression:
    """How a model was made small (:mod:`kg_rec.model.compression`).

    Attributes:
        keep: share of the entries of learned matrices that was kept.
        bits: of each number of learned matrices and embeddings, 8 or 16.
        text: the texts' embeddings in few directions; None in a model without texts.
        facts: digest of the graph's facts then (:attr:`kg_rec.snapshot.Snapshot.facts_digest`), as what is made of them
            is made again when the model is read.
    """

    keep: float
    bits: int
    text: Directions | None
    facts: str


def _rows(indptr: NDArray[Any]) -> NDArray[np.int64]:
    """The row of each entry of a CSR matrix."""
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def _coded(
    values: Floats32, bits: int, rows: NDArray[np.int64] | None = None, n: int = 0
) -> tuple[NDArray[Any], NDArray[np.int8]]:
    """q and the exponents of s, of a dense matrix, or of the entries of n sparse rows; ``rows`` is the row of each."""
    if rows is None:
        most = np.abs(values).max(axis=1, initial=0)
    else:
        most = np.zeros(n, np.float32)
        np.maximum.at(most, rows, np.abs(values))
    largest = _LARGEST[bits]
    mantissa, exponent = np.frexp(most.astype(np.float64) / largest)
    exponents = np.clip(exponent - (mantissa == 0.5), _LEAST, _MOST).astype(np.int8)
    shift = exponents.astype(np.int32)
    codes = np.rint(np.ldexp(values, -(shift[:, None] if rows is None else shift[rows])))
    return np.clip(codes, -largest, largest).astype(_CODES[bits]), exponents


def _decoded(codes: NDArray[Any], exponents: NDArray[np.int8], rows: NDArray[np.int64] | None = None) -> Floats32:
    shift = exponents.astype(np.int32)
    values: Floats32 = np.ldexp(codes.astype(np.float32), shift[:, None] if rows is None else shift[rows])
    return values


# --- tensors as bytes ----------------------------------------------------------------------------------


def pack(tensors: Tensors) -> NDArray[np.uint8]:
    """All tensors as bytes, lossless; what has ``.indptr`` is a CSR matrix, as :mod:`kg_rec.model.persist` names it."""
    packed: Tensors = {}
    matrices = {name.removesuffix(".indptr") for name in tensors if name.endswith(".indptr")}
    for name in sorted(matrices):
        data, indices, indptr, shape = (tensors[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape"))
        counts, rows = np.diff(indptr), _rows(indptr)
        steps = np.diff(indices, prepend=0)
        steps[indptr[:-1][counts > 0]] = indices[indptr[:-1][counts > 0]]
        if len(steps) and steps.min() < 0:
            raise ArgumentError(f"{name}: expected columns in order")
        packed |= _planes(f"{name}:counts", _narrow(counts)) | _planes(f"{name}:steps", _narrow(steps))
        packed |= _planes(f"{name}:shape", shape) | _numbers(name, data, rows, len(counts))
    for name, values in tensors.items():
        if name.rpartition(".")[0] in matrices:
            continue
        of_rows = values.dtype == np.float32 and values.ndim == 2
        packed |= _numbers(name, values) if of_rows else _planes(f"{name}:data", values)
    return np.frombuffer(zlib.compress(to_bytes(packed)), np.uint8)


def _numbers(name: str, values: Floats32, rows: NDArray[np.int64] | None = None, n: int = 0) -> Tensors:
    """Numbers as q and the exponents of s in as few bits as give them back; else as they are."""
    for bits in _CODES:
        codes, exponents = _coded(values, bits, rows, n)
        if np.array_equal(_decoded(codes, exponents, rows), values):
            return _planes(f"{name}:codes", codes) | _planes(f"{name}:exponents", exponents)
    return _planes(f"{name}:data", values)


def unpack(data: NDArray[np.uint8]) -> Tensors:
    """Inverse of :func:`pack`, to the last bit; indices are int32 where they fit.

    Raises:
        ArgumentError: the bytes are not those of :func:`pack`.
    """
    try:
        packed = from_bytes(zlib.decompress(data.tobytes()))
    except zlib.error as error:
        raise ArgumentError(f"its packed tensors cannot be read: {error}") from error
    by_name: dict[str, Tensors] = {}
    for key, planes in packed.items():
        name, part, dtype = key.split(":")
        by_name.setdefault(name, {})[part] = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view(dtype)[..., 0]
    tensors: Tensors = {}
    for name, own in by_name.items():
        counts = own["counts"].astype(np.int64) if "counts" in own else None
        indptr = np.concatenate([[0], np.cumsum(counts)]) if counts is not None else None
        rows = None if indptr is None else _rows(indptr)
        values = own["data"] if "data" in own else _decoded(own["codes"], own["exponents"], rows)
        if indptr is None or rows is None:
            tensors[name] = values
            continue
        total = np.cumsum(own["steps"].astype(np.int64))
        before = np.concatenate([[0], total])[indptr[:-1]]
        kind = np.int32 if len(rows) < np.iinfo(np.int32).max else np.int64
        indices = (total - before[rows]).astype(kind)
        parts = {"data": values, "indices": indices, "indptr": indptr.astype(kind), "shape": own["shape"]}
        tensors |= {f"{name}.{part}": array for part, array in parts.items()}
    return tensors


def _planes(name: str, values: NDArray[Any]) -> Tensors:
    """The first bytes of all numbers, then the second ones, and so on: alike bytes stand together, which zlib likes."""
    whole = np.ascontiguousarray(values)
    split = whole[..., None].view(np.uint8)
    return {f"{name}:{whole.dtype.str[1:]}": np.ascontiguousarray(np.moveaxis(split, -1, 0))}


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers from 0 in the smallest type that holds them."""
    most = int(values.max(initial=0))
    return values.astype(np.uint8 if most < 1 << 8 else np.uint16 if most < 1 << 16 else np.uint32)
