"""Message passing over the PyG export without normalisation or activation, in parts of the rows where that helps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import spmm

from kg_rec.model.shards import row_ranges


class Propagate(MessagePassing):  # type: ignore[misc]
    """Sum of the neighbours' features: out = adj_t @ x, without normalisation."""

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def forward(self, x: Tensor, adj_t: Tensor) -> Tensor:
        """Args: x (n_source, d); adj_t sparse CSR (n_target, n_source).  Returns (n_target, d)."""
        out: Tensor = self.propagate(adj_t, x=x, size=(adj_t.size(1), adj_t.size(0)))
        return out

    def message_and_aggregate(self, adj_t: Tensor, x: Tensor) -> Tensor:
        """Fused form of message and aggregation."""
        out: Tensor = spmm(adj_t, x, reduce="sum")
        return out


def csr(ends: Tensor, values: Tensor | None, shape: tuple[int, int], device: str) -> Tensor:
    """A sparse CSR matrix of edges.

    Args:
        ends: row and column of each edge, shape (2, m), no edge twice.
        values: shape (m,); None for ones.
        shape: of the matrix.
        device: torch device.
    """
    values = torch.ones(ends.size(1)) if values is None else values
    with _no_beta_warning():
        matrix = torch.sparse_coo_tensor(ends, values, shape, check_invariants=False)
        return matrix.coalesce().to_sparse_csr().to(device)


def row_parts(matrix: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Row pointers and columns of ranges of rows, each in memory of its own."""
    pointers, columns = matrix.crow_indices().cpu(), matrix.col_indices().cpu()
    for part in row_ranges(matrix.size(0), size):
        own = pointers[part.start : part.stop + 1]
        yield own - own[0], columns[int(own[0]) : int(own[-1])].clone()


def part_sums(part: tuple[Tensor, Tensor], features: Tensor) -> Tensor:
    """:class:`Propagate` for some rows, by the product that it takes: a row's bytes do not depend on the others."""
    pointers, columns = part
    shape = (len(pointers) - 1, features.size(0))
    with _no_beta_warning():
        matrix = torch.sparse_csr_tensor(pointers, columns, torch.ones(len(columns)), shape, check_invariants=False)
    out: Tensor = spmm(matrix, features, reduce="sum")
    return out


@contextmanager
def _no_beta_warning() -> Iterator[None]:
    """torch warns that the CSR layout is a beta when one is made; what is used of it here is tested."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        yield
