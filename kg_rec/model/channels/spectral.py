"""Leading eigenvectors of the interactions by message passing: a low-pass filter of few dimensions.

    A = D_item^-b R D_user^-2a R^T D_item^-b,   Z: its leading eigenvectors, found by orthogonal iteration
    source embeddings h = D_item^-c Z,  target embeddings z = D_item^c Z;   a = b = c, chosen on validation

R is the incidence of items and users, D are degrees.  There is no non-linearity, so <h_j, z_i> is a kernel: the linear
low-pass filter of GF-CF (Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import spmm

from kg_rec.model.channels.propagation import csr, part_sums, row_parts
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.shards import HERE, Shards
from kg_rec.snapshot import Snapshot


class InteractionFilter(nn.Module):
    """See the module's formula.

    Args:
        snapshot: the graph; its interactions are the training interactions.
        exponent: a.
        device: torch device.
        shards: where rows of a propagation are computed; if there are several, on processors.
    """

    def __init__(self, snapshot: Snapshot, exponent: float, device: str, shards: Shards = HERE) -> None:
        super().__init__()
        data, interaction = snapshot.to_pyg(), snapshot.schema.interaction
        ends = data[interaction.source, interaction.name, interaction.target].edge_index
        shape = (len(snapshot.users), len(snapshot.items))
        self.forth = csr(ends, None, shape, device)
        self.back = csr(ends.flip(0), None, shape[::-1], device)
        self.users, self.items = _degree(self.forth), _degree(self.back)
        self.exponent = exponent
        self.shards = shards
        self._held: dict[int, list[object]] = {}

    def forward(self, features: Tensor) -> Tensor:
        """One step A H: item to user and back; shape (items, d)."""
        scale = self.items**-self.exponent
        middle = self.users ** (-2 * self.exponent) * self._sums(self.forth, scale * features)
        out: Tensor = scale * self._sums(self.back, middle)
        return out

    def _sums(self, matrix: Tensor, features: Tensor) -> Tensor:
        """Sums over the neighbours, in parts of the rows."""
        if matrix.size(0) <= self.shards.rows:
            out: Tensor = spmm(matrix, features, reduce="sum")
            return out
        if id(matrix) not in self._held:  # the matrices live as long as this module
            self._held[id(matrix)] = [self.shards.hold(part) for part in row_parts(matrix, self.shards.rows)]
        parts = self.shards.map(part_sums, self._held[id(matrix)], features.cpu())
        return torch.cat(list(parts)).to(features.device)

    @torch.no_grad()
    def eigenvectors(self, dimensions: int, iterations: int, seed: int) -> Tensor:
        """Leading eigenvectors of A, largest eigenvalue first; shape (items, dimensions)."""
        n = self.items.size(0)
        generator = torch.Generator().manual_seed(seed)
        width = min(dimensions + 16, n)
        features = torch.randn(n, width, generator=generator).to(self.items.device)
        for _ in range(iterations):
            features = torch.linalg.qr(self(features))[0]
        small = features.T @ self(features)
        _, vectors = torch.linalg.eigh((small + small.T) / 2)
        projected = features @ vectors.flip(1)[:, :dimensions]
        # an eigenvector's sign is arbitrary: the largest entry is made positive, so that the result is reproducible
        largest = projected.gather(0, projected.abs().argmax(0, keepdim=True))
        signed: Tensor = projected * torch.where(largest < 0, -1.0, 1.0)
        return signed

    def kernel(self, vectors: Tensor) -> FactorKernel:
        """The kernel of some eigenvectors, shape (items, d)."""
        source, target = self.items**-self.exponent * vectors, self.items**self.exponent * vectors
        return FactorKernel(source.cpu().contiguous().numpy(), target.cpu().contiguous().numpy())


def _degree(matrix: Tensor) -> Tensor:
    counts: Tensor = matrix.crow_indices().diff().clamp(min=1).to(torch.float32)
    return counts.unsqueeze(1)
