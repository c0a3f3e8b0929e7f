"""Shared taste, in closed form: items that the same users like, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from kg_rec.arrays.cholesky import inverse, solve
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData, settings_of
from kg_rec.model.kernel import Kernel, MatrixKernel
from kg_rec.model.shards import HERE, Shards, row_ranges, transposed_product
from kg_rec.progress import Progress, no_progress
from kg_rec.settings import expect

#: Items per block of the sparse form.
_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class TasteConfig:
    """The closed-form item-item operator (EDLAE, Steck 2020, https://arxiv.org/abs/2006.15516).

    Attributes:
        l2: ridge penalties to choose from on validation, in interactions.
        dropout: probability p of the emphasised denoising penalty p/(1-p) diag(G), in [0, 1).
        user_power: users are weighted by (number of interactions)^-user_power in the Gram matrix.
        popularity_exponent: scores of an item with n interactions are scaled by n^popularity_exponent.
        max_items: largest catalogue for the dense operator; beyond it each item is regressed on its neighbours.
        neighbours: neighbours per item of that sparse form.
    """

    l2: tuple[float, ...] = (50.0, 200.0, 800.0)
    dropout: float = 0.4
    user_power: float = 0.2
    popularity_exponent: float = -0.1
    max_items: int = 10_000
    neighbours: int = 100

    def __post_init__(self) -> None:
        expect(min(self.l2) >= 0, "taste.l2", "numbers from 0", self.l2)
        expect(0 <= self.dropout < 1, "taste.dropout", "a number from 0 to below 1", self.dropout)
        expect(self.neighbours > 0, "taste.neighbours", "at least 1", self.neighbours)


def gram(interactions: sparse.csr_array, user_power: float, shards: Shards = HERE) -> sparse.csr_array:
    """G = sum over users of n_u^-user_power x_u x_u^T, scaled to keep the trace of X^T X; shape (n, n).

    Args:
        interactions: X, CSR, shape (users, items).
        user_power: exponent of the users' weights.
        shards: where rows of G are computed.
    """
    counts = np.maximum(np.diff(interactions.indptr), 1).astype(np.float64)
    scale = np.repeat(counts ** (-user_power / 2), np.diff(interactions.indptr))
    weighted = interactions.astype(np.float64)
    trace = float((weighted.data**2).sum())
    weighted.data = weighted.data * scale
    weighted.data *= np.sqrt(trace / max(float((weighted.data**2).sum()), 1e-12))
    if weighted.nnz < 2**31:  # half the memory of what follows
        weighted.indices, weighted.indptr = weighted.indices.astype(np.int32), weighted.indptr.astype(np.int32)
    return transposed_product(weighted, weighted, shards)


def taste_kernel(
    interactions: sparse.csr_array,
    config: TasteConfig,
    l2: float,
    progress: Progress = no_progress,
    shards: Shards = HERE,
) -> MatrixKernel:
    """EDLAE with users weighted by n_u^-user_power; ``interactions`` is binary CSR, shape (users, items)."""
    return next(taste_kernels(interactions, config, (l2,), None, progress, shards))


def taste_kernels(
    interactions: sparse.csr_array,
    config: TasteConfig,
    l2: Sequence[float],
    items: NDArray[np.int64] | None = None,
    progress: Progress = no_progress,
    shards: Shards = HERE,
) -> Iterator[MatrixKernel]:
    """:func:`taste_kernel` for each penalty; what they share is computed once.

    Args:
        interactions: binary CSR, shape (users, items).
        config: settings.
        l2: ridge penalties.
        items: the sparse form is computed for these items alone, the others get no score; None for all.
        progress: called per block of items of the sparse form.
        shards: where rows of the Gram matrix, and blocks of items of the sparse form, are computed.
    """
    g = gram(interactions, config.user_power, shards)
    if g.shape[0] <= config.max_items:
        yield from (edlae(g, config, penalty) for penalty in l2)
    else:
        yield from neighbour_ridges(g, config, l2, None, items, progress, shards)


def regress(
    g: sparse.csr_array,
    config: TasteConfig,
    l2: float,
    wanted: sparse.csr_array | None = None,
    progress: Progress = no_progress,
    items: NDArray[np.int64] | None = None,
    shards: Shards = HERE,
) -> MatrixKernel:
    """:func:`edlae` up to ``max_items`` items, :func:`neighbour_ridges` beyond."""
    if g.shape[0] <= config.max_items:
        return edlae(g, config, l2, wanted)
    return neighbour_ridges(g, config, (l2,), wanted, items, progress, shards)[0]


def edlae(g: sparse.csr_array, config: TasteConfig, l2: float, wanted: sparse.csr_array | None = None) -> MatrixKernel:
    """The item-item operator B = I - P / diag(P), P = (G + l2 I + p/(1-p) diag G)^-1.

    EDLAE (Steck, "Autoencoders that don't overfit towards the identity", NeurIPS 2020).  The diagonal is zero: no item
    is a reason for itself.  With other targets C than G itself, B = P (C - diag(c)), c such that the diagonal is zero.

    Args:
        g: Gram matrix G, shape (n, n).
        config: dropout p.
        l2: ridge penalty.
        wanted: C, shape (n, n), column i: what item i shares with the others; None for G.
    """
    penalised = g.toarray()
    penalised[np.diag_indices_from(penalised)] += l2 + config.dropout / (1 - config.dropout) * np.diag(penalised)
    precision = inverse(penalised)
    own = np.diag(precision)
    if wanted is None:
        operator = -precision / own[None, :]
    else:
        operator = np.asarray((wanted.T @ precision).T)
        operator -= precision * (np.diag(operator) / own)[None, :]
    operator = operator.astype(np.float32)
    np.fill_diagonal(operator, 0)
    return MatrixKernel(operator)


def neighbour_ridges(
    g: sparse.csr_array,
    config: TasteConfig,
    l2: Sequence[float],
    wanted: sparse.csr_array | None = None,
    items: NDArray[np.int64] | None = None,
    progress: Progress = no_progress,
    shards: Shards = HERE,
) -> list[MatrixKernel]:
    """The sparse form for large catalogues: each item is regressed on the items that share most with it.

    For item i and its ``neighbours`` N by C_ji / sqrt(G_jj): b = (G_NN + l2 I + p/(1-p) diag G_NN)^-1 C_Ni, the same
    ridge problem as :func:`edlae` restricted to N (SLIM's neighbourhood form, Ning & Karypis 2011).  Memory and time
    are linear in the number of items.

    Args:
        g: Gram matrix G, shape (n, n).
        config: dropout p, neighbours.
        l2: ridge penalties; one kernel each.
        wanted: C as for :func:`edlae`.
        items: compute the columns of these items alone; None for all.
        progress: called per block of items.
        shards: where blocks of items are computed.
    """
    n = g.shape[0]
    targets = None if wanted is None else sparse.csr_array(wanted.T)  # row i: what item i shares with the others
    asked = np.arange(n) if items is None else items
    blocks = [asked[part] for part in row_ranges(len(asked), min(_ITEMS, shards.rows))]
    found, done = [], 0
    for block, part in zip(blocks, shards.map(_ridges, blocks, g, targets, config, tuple(l2)), strict=True):
        progress(done, len(asked), "taste")
        found.append(part)
        done += len(block)
    ends = (np.concatenate([rows for rows, _, _ in found]), np.concatenate([columns for _, columns, _ in found]))
    values = np.concatenate([data for _, _, data in found], axis=1)
    return [MatrixKernel(sparse.csr_array((v, ends), shape=(n, n))) for v in values]


def _ridges(
    items: NDArray[np.int64],
    g: sparse.csr_array,
    targets: sparse.csr_array | None,
    config: TasteConfig,
    l2: tuple[float, ...],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Rows, columns and the values per penalty, shape (penalties, cells), of some items' columns."""
    targets, diagonal = g if targets is None else targets, np.maximum(g.diagonal(), 1e-12)
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    data = [np.empty((len(l2), 0), np.float32)]
    with threadpool_limits(1):  # the systems are small; and sums have one order whatever the number of cores
        for item in items:
            others = targets.indices[targets.indptr[item] : targets.indptr[item + 1]]
            shared = targets.data[targets.indptr[item] : targets.indptr[item + 1]]
            keep = (others != item) & (shared > 0)
            others, shared = others[keep], shared[keep]
            if len(others) > config.neighbours:
                best = np.argpartition(-shared / np.sqrt(diagonal[others]), config.neighbours)[: config.neighbours]
                others, shared = others[best], shared[best]
            if not len(others):
                continue
            block = g[others][:, others].toarray()
            own = np.diag(block) + config.dropout / (1 - config.dropout) * diagonal[others]
            found = np.empty((len(l2), len(others)), dtype=np.float32)
            for place, penalty in enumerate(l2):
                penalised = block.copy()
                penalised[np.diag_indices_from(penalised)] = own + penalty
                found[place] = solve(penalised, shared)
            rows.append(others)
            columns.append(np.full(len(others), item))
            data.append(found)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(data, axis=1)


class Taste(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`."""

    name = "taste"
    about = About(
        titles={"en": "taste", "zh": "口味"},
        lines={
            "en": "people who liked the one also liked the other: a closed-form item-item operator",
            "zh": "喜欢其中一个的人也喜欢另一个：封闭形式的项目间算子",
        },
        colour="#2f6fde",
    )
    paths = "co-users"
    table = "taste"
    settings = TasteConfig
    start = 1.0

    def popularity_exponent(self, settings: Sequence[object]) -> float:
        """See :class:`ChannelKind`."""
        return settings_of(settings, TasteConfig).popularity_exponent

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`."""
        config = data.settings_of(TasteConfig)
        kernels = taste_kernels(data.interactions, config, config.l2, data.items, data.progress, data.shards)
        for step, l2 in enumerate(config.l2):
            data.progress(step, len(config.l2), "fit taste")
            yield {"l2": l2}, next(kernels)

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted:
        """See :class:`ChannelKind`."""
        config = data.settings_of(TasteConfig)
        return Fitted(taste_kernel(data.interactions, config, chosen["l2"], data.progress, data.shards))


TASTE = Taste()
