"""Heavy sums of training in parts, computed here one after the other, or on a cluster.

Each part is some rows of the result, computed as the whole would compute them, so the result has the same bytes
however it is split and wherever its parts are computed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from scipy import sparse

U = TypeVar("U")


class Shards(Protocol):
    """Where parts are computed."""

    @property
    def rows(self) -> int:
        """Rows of a result per part."""
        ...

    def hold(self, value: Any) -> Any:
        """A handle of a value for several calls of :meth:`map`, so that the value is sent only once."""
        ...

    def map(self, function: Callable[..., U], parts: Iterable[Any], *shared: Any) -> Iterator[U]:
        """``function(part, *shared)`` of each part, in their order; parts and shared may be what :meth:`hold` gave."""
        ...


@dataclass(frozen=True)
class InTurn:
    """One part after the other, in this process.

    Attributes:
        rows: all in one part, if nothing is said.
    """

    rows: int = sys.maxsize

    def hold(self, value: Any) -> Any:
        """The value itself."""
        return value

    def map(self, function: Callable[..., U], parts: Iterable[Any], *shared: Any) -> Iterator[U]:
        """See :class:`Shards`."""
        return (function(part, *shared) for part in parts)


#: The default of all that takes shards.
HERE = InTurn()


def row_ranges(n: int, size: int) -> list[slice]:
    """Ranges of at most ``size`` rows that cover n rows; one, empty range for none."""
    return [slice(start, min(start + size, n)) for start in range(0, max(n, 1), size)]


def transposed_product(left: sparse.csr_array, right: sparse.csr_array, shards: Shards = HERE) -> sparse.csr_array:
    """left^T right, CSR with sorted columns, shape (left columns, right columns).

    Each cell is the sum over the rows of both in their order.
    """
    transposed, turned = sparse.csr_array(left.T), sparse.csr_array(right.T)
    blocks = (transposed[part] for part in row_ranges(transposed.shape[0], shards.rows))
    products = list(shards.map(_product, blocks, turned))
    return products[0] if len(products) == 1 else sparse.csr_array(sparse.vstack(products, format="csr"))


def _product(left: sparse.csr_array, turned: sparse.csr_array) -> sparse.csr_array:
    """left turned^T with sorted columns: made as its transpose, as transposing sorts, and in linear time."""
    return sparse.csr_array((turned @ sparse.csr_array(left.T)).tocsc().T)
