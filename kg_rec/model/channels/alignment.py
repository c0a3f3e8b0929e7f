"""Alignment of two views of an item, what its neighbours in the graph say and what its own text says, by InfoNCE.

    r_i = (W^T T)_i,   L_C = - mean_i log softmax_j (cos(r_i, t_j) / tau) [j = i], and the same from t to r

T holds the text embeddings t, W the gates, so r_i is what the texts of other items send to i through the facts they
share: message passing with the gates that are learned.  The negatives of an item are the other items of its batch (van
den Oord et al., "Representation learning with contrastive predictive coding", 2018).  The gates minimise L_T + l L_C
with L_T, the link loss of :mod:`.gnn`.  Nothing but the gates is learned from it, so scores stay sums over paths.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from kg_rec.arrays.types import Floats32

#: Length below which a view counts less and less, so that the loss is smooth where no gate is open.
_FAINT = 1e-3
#: Batches of items that are aligned, drawn once, so that the loss is the same function at each step.
_BATCHES = 4


class Alignment:
    """L_C of a graph with texts.

    Args:
        text: unit text embeddings of the items, 0 without a text, shape (items, d).
        batch: items per batch.
        temperature: tau.
        seed: of the batches.
        device: torch device.
    """

    def __init__(self, text: Floats32, batch: int, temperature: float, seed: int, device: str) -> None:
        told = np.flatnonzero(np.abs(text).sum(axis=1))
        centred = np.zeros_like(text)
        centred[told] = text[told] - text[told].mean(axis=0) if len(told) else 0
        self.text = normalize(torch.from_numpy(np.ascontiguousarray(centred, np.float32)).to(device))
        self.temperature = temperature
        order = np.random.default_rng(seed).permutation(told)
        batches = [order[start : start + batch] for start in range(0, len(order), batch)][:_BATCHES]
        self.batches = [torch.from_numpy(part).to(device) for part in batches if len(part) > 1]

    def loss(self, hop: Callable[[Tensor], Tensor]) -> Tensor:
        """L_C; 0 where there are not two items with a text.

        Args:
            hop: features to W^T features, shape (items, d) both.
        """
        total = torch.zeros((), device=self.text.device)
        if not self.batches:
            return total
        told = hop(self.text)
        relational = told / torch.sqrt((told**2).sum(1, keepdim=True) + _FAINT**2)
        for batch in self.batches:
            alike = relational[batch] @ self.text[batch].T / self.temperature
            own = torch.arange(len(batch), device=alike.device)
            total = total + (cross_entropy(alike, own) + cross_entropy(alike.T, own)) / 2
        return total / len(self.batches)
