"""Numbers in few bytes: rounded to few bits with a scale per row, and packed without further loss.

A row x is rounded to b bits, x_j = q_j s, with whole q_j up to m = 2^(b-1) - 1 either way.  Up to eight bits s is
max |x_j| / m, rounded to eight significant bits; beyond, the smallest power of two at which the q_j fit.  Either way
q_j s is a float32 number itself: what is rounded once is not changed by being rounded, packed or read again, to the
last bit.  So there is no difference between the numbers that are kept and those that are computed with.

:func:`pack` writes each tensor as planes of bytes, rounded rows as q and s, sorted sparse rows as steps from one column
to the next, numbers of which there are few different ones as places in a list, all within one zstd stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes
from scipy import sparse

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ArgumentError

Tensors = dict[str, NDArray[Any]]

#: Bits a number may be rounded to.
BITS = (2, 3, 4, 5, 6, 7, 8, 16)
#: Exponents within which q s is a float32 number whatever q.
_LEAST, _MOST = -126, 112
#: Bits after the point of the numbers of :attr:`Directions.basis`.
_BASIS_BITS = 14
#: Rows of two matrices that differ by less, as a share of the largest number, are multiples of each other.
_PARALLEL = 1e-3
_ZSTD = pa.Codec("zstd", compression_level=9)  # looks back far enough to find one matrix in another


def rounded(matrix: Any, bits: int = 8) -> Any:
    """A matrix with its rows rounded to so many of :data:`BITS` a number; dense, shape (n, m), or CSR."""
    if not sparse.issparse(matrix):
        return _decoded(*_coded(matrix, bits))
    rows, coarse = _rows(matrix.indptr), matrix.copy()
    coarse.data = _decoded(*_coded(matrix.data, bits, rows, matrix.shape[0]), rows)
    return coarse


def rounded_pair(one: Floats32, other: Floats32, bits: int) -> tuple[Floats32, Floats32]:
    """Two matrices rounded as by :func:`rounded`; rows that are multiples of each other with the same q, told once.

    Args:
        one: shape (n, m).
        other: the same shape.
        bits: of each number.
    """
    if bits > 8:  # a power of two for each side would leave the q of the other too coarse
        return rounded(one, bits), rounded(other, bits)
    codes, scales = _coded(one, bits)
    square = (one.astype(np.float64) ** 2).sum(axis=1)
    factor = (one.astype(np.float64) * other).sum(axis=1) / np.where(square > 0, square, 1)
    far = np.abs(other - factor[:, None] * one).max(axis=1, initial=0)
    same = (factor > 0) & (far <= _PARALLEL * np.abs(other).max(axis=1, initial=0))
    again = _decoded(codes, _scale(scales * factor * _most(bits), bits))
    return _decoded(codes, scales), np.where(same[:, None], again, rounded(other, bits))


@dataclass(frozen=True)
class Directions:
    """Vectors in few directions, x_i = s_i q_i A^T, in few bits a number.

    Attributes:
        codes: q, int8 or int16, shape (n, directions).
        scales: s, float32, shape (n,).
        basis: A times 2^14, int16, shape (dimensions, directions); its columns are orthonormal, but for the rounding.
    """

    codes: NDArray[Any]
    scales: Floats32
    basis: NDArray[np.int16]

    @classmethod
    def of(cls, vectors: Floats32, directions: int, bits: int = 8) -> Directions:
        """The vectors in the directions in which they are largest.

        Args:
            vectors: shape (n, dimensions).
            directions: at most the dimensions.
            bits: of each number.
        """
        wide = vectors.astype(np.float64)
        _, axes = np.linalg.eigh(wide.T @ wide)
        axes = axes[:, ::-1][:, :directions]
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)  # eigh may give either
        basis = np.rint(axes * 2**_BASIS_BITS).astype(np.int16)
        codes, scales = _coded((wide @ axes).astype(np.float32), bits)
        return cls(codes, scales, basis)

    @property
    def vectors(self) -> Floats32:
        """The vectors, float32, shape (n, dimensions); sums of whole numbers, so the same on every machine."""
        wide = self.codes.astype(np.float64) @ self.basis.T.astype(np.float64)
        vectors: Floats32 = (wide * (self.scales.astype(np.float64)[:, None] / 2**_BASIS_BITS)).astype(np.float32)
        return vectors

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
        bits: of each number of learned matrices and embeddings.
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


def _most(bits: int) -> int:
    """The largest q."""
    return (1 << (bits - 1)) - 1


def _scale(largest: NDArray[np.floating], bits: int) -> Floats32:
    """s of rows by their largest number."""
    mantissa, exponent = np.frexp(largest.astype(np.float64) / _most(bits))
    if bits <= 8:
        mantissa = np.rint(mantissa * 256) / 256
    else:
        mantissa, exponent = np.where(mantissa > 0, 0.5, 0.0), exponent + (mantissa > 0.5)
    scales: Floats32 = np.ldexp(mantissa, np.clip(exponent, _LEAST, _MOST)).astype(np.float32)
    return scales


def _coded(
    values: Floats32, bits: int, rows: NDArray[np.int64] | None = None, n: int = 0
) -> tuple[NDArray[Any], Floats32]:
    """q and s, of a dense matrix, or of the entries of n sparse rows; ``rows`` is the row of each."""
    if rows is None:
        largest = np.abs(values).max(axis=1, initial=0)
    else:
        largest = np.zeros(n, np.float32)
        np.maximum.at(largest, rows, np.abs(values))
    scales = _scale(largest, bits)
    divisor = np.where(scales > 0, scales, np.float32(1)).astype(np.float64)
    codes = np.rint(values / (divisor[:, None] if rows is None else divisor[rows]))
    return np.clip(codes, -_most(bits), _most(bits)).astype(np.int8 if bits <= 8 else np.int16), scales


def _decoded(codes: NDArray[Any], scales: Floats32, rows: NDArray[np.int64] | None = None) -> Floats32:
    values: Floats32 = codes.astype(np.float32) * (scales[:, None] if rows is None else scales[rows])
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
        packed |= _numbers(name, values) if of_rows else _listed(name, values)
    content = to_bytes(packed)
    return np.frombuffer(len(content).to_bytes(8, "little") + _ZSTD.compress(content, asbytes=True), np.uint8)


def _numbers(name: str, values: Floats32, rows: NDArray[np.int64] | None = None, n: int = 0) -> Tensors:
    """Numbers as q and s in as few bits as give them back; else as they are."""
    for bits in BITS:
        codes, scales = _coded(values, bits, rows, n)
        if np.array_equal(_decoded(codes, scales, rows), values):
            return _planes(f"{name}:codes", codes) | _planes(f"{name}:scales", scales)
    return _planes(f"{name}:data", values)


def _listed(name: str, values: NDArray[Any]) -> Tensors:
    """Numbers as places in the list of those that differ, in the order of their first places, where these are few.

    What is a function of how many users an item has, such as the weights of channels, has the same places.
    """
    if values.dtype == np.float32 and values.ndim == 1:
        _, first, places = np.unique(values.view(np.uint32), return_index=True, return_inverse=True)
        if len(first) <= len(values) // 4:
            order = np.argsort(first)
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order))
            return _planes(f"{name}:list", values[first[order]]) | _planes(f"{name}:places", _narrow(rank[places]))
    return _planes(f"{name}:data", values)


def unpack(data: NDArray[np.uint8]) -> Tensors:
    """Inverse of :func:`pack`, to the last bit; indices are int32 where they fit.

    Raises:
        ArgumentError: the bytes are not those of :func:`pack`.
    """
    content = data.tobytes()
    try:
        size = int.from_bytes(content[:8], "little")
        packed = from_bytes(_ZSTD.decompress(content[8:], decompressed_size=size, asbytes=True))
    except (OSError, OverflowError, MemoryError, pa.ArrowException, SafetensorError) as error:
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
        if "list" in own:
            values = own["list"][own["places"]]
        else:
            values = own["data"] if "data" in own else _decoded(own["codes"], own["scales"], rows)
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
