"""Shared taste with a direction: what users go on to like after what they liked, in closed form.

The operator of :mod:`kg_rec.model.channels.taste`, where the regression's two sides know about time:

    min_B  sum over users of |y - x B|^2   with   G = sum x x^T   and   C = sum x y^T

x stands for what a user did within a stretch of time, so G counts pairs of items near each other more than pairs far
apart; y leans to what came later, so C counts a pair j, then i more than i, then j.  Where lists follow at once on
what they are made of, y may lean to what came within a few steps besides.  All are sums over users.

The idea of a linear item-item model from earlier to later items is that of SLIST (Choi et al., "Session-aware linear
item-item models for session-based recommendation", WWW 2021); here both directions count, unequally.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import ModelError
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import PRIOR_FACTOR, ChannelKind, Fitted, TrainingData, settings_of
from kg_rec.model.channels.ridge import Rest
from kg_rec.model.channels.taste import TasteConfig, operator
from kg_rec.model.histories import ranks_from_latest
from kg_rec.model.kernel import FactorKernel, Kernel
from kg_rec.model.shards import HERE, Shards, transposed_product
from kg_rec.progress import Progress, no_progress
from kg_rec.settings import expect
from kg_rec.snapshot import EdgeTable

#: Interactions that stand side by side in one product.
_STACKED = 10_000_000
#: Steps in which what makes a pair count as ``soon`` fades to 1/e; beyond three times as many there is none.
STEPS = 10


@dataclass(frozen=True, slots=True)
class SequenceConfig:
    """What users go on to like: the item-item operator with time (:mod:`kg_rec.model.channels.sequence`).

    Attributes:
        directions: how much more a pair counts in the order it happened than in the other, 0 to 1; values to choose
            from on validation.
        soon: how much more a pair j, then i counts in C, for i the next after j; of those s steps later
            exp(-(s - 1) / 10) of it.  Values to choose from on validation where lists follow at once on what
            they are made of (``live``); elsewhere, after a gap, it is 0.
        blocks: parts of a user's record, equally long; pairs within one have no order.
        span: interactions that are near each other, in steps.
        far: weight of pairs that are not near.
        latest: beyond ``taste.max_items`` items, only so many of a user's latest interactions make pairs.
    """

    directions: tuple[float, ...] = (0.0, 0.5)
    soon: tuple[float, ...] = (2.0, 0.0)
    blocks: int = 20
    span: int = 30
    far: float = 0.3
    latest: int = 100

    def __post_init__(self) -> None:
        wrong = [d for d in self.directions if not 0 <= d <= 1]
        expect(not wrong, "sequence.directions", "numbers from 0 to 1", self.directions)
        expect(min(self.soon) >= 0, "sequence.soon", "numbers from 0", self.soon)
        expect(self.far >= 0, "sequence.far", "a number from 0", self.far)
        for name, least in (("blocks", 1), ("span", 2), ("latest", 2)):
            expect(getattr(self, name) >= least, f"sequence.{name}", f"at least {least}", getattr(self, name))


def sequence_kernel(
    edges: EdgeTable,
    n_items: int,
    taste: TasteConfig,
    config: SequenceConfig,
    direction: float,
    l2: float,
    progress: Progress = no_progress,
    items: NDArray[np.int64] | None = None,
    shards: Shards = HERE,
    prior: FactorKernel | None = None,
    soon: float = 0.0,
) -> Rest:
    """B = (G + L)^-1 (C + L W - diag(c)), with c such that the diagonal of B is zero.

    C = G with neither ``direction`` nor ``soon``.

    Args:
        edges: interactions with times; those of one user at the same time count in the order of their items.
        n_items: number of items.
        taste: dropout, user_power, and the limits of the dense and the sparse form.
        config: what is near.
        direction: how much more a pair counts in the order it happened than in the other, 0 to 1.
        l2: ridge penalty.
        progress: called per block of items of the sparse form.
        items: the sparse form is computed for these items alone; None for all.
        shards: where rows of G and C, and blocks of items of the sparse form, are computed.
        prior: W.
        soon: how much more a pair within a few steps counts, in its order.
    """
    if n_items > taste.max_items:
        edges = edges.take(ranks_from_latest(edges) < config.latest)
    near, directed = pair_counts(edges, n_items, taste.user_power, config, direction, shards, soon)
    return operator(near, taste, l2, directed, prior, progress, items, shards)


def pair_counts(
    edges: EdgeTable,
    n_items: int,
    user_power: float,
    config: SequenceConfig,
    direction: float,
    shards: Shards = HERE,
    soon: float = 0.0,
) -> tuple[sparse.csr_array, sparse.csr_array | None]:
    """G and C, CSR, shape (n, n), scaled so that G has the trace of the plain Gram matrix; no C without an order.

    G: pairs within a stretch of ``span`` steps, plus ``far`` times all pairs.  C: all pairs, plus ``direction`` times
    (how often j, then i, minus how often i, then j), where a user's record is cut into ``blocks`` of equal length and
    pairs within a block have no direction; plus ``soon`` times :func:`_soon`.  Time and memory are a few times those
    of the plain Gram matrix.
    """
    rank = ranks_from_latest(edges)
    counts = np.bincount(edges.source)
    weight = np.maximum(counts, 1.0)[edges.source] ** (-user_power / 2)
    weight *= np.sqrt(len(edges) / max(float((weight**2).sum()), 1e-12))
    whole = _rows(edges, np.zeros_like(rank), weight, n_items)
    everything = transposed_product(whole, whole, shards)
    near = everything * config.far
    offsets = {0, config.span // 2}
    for offset in offsets:
        stretches = _rows(edges, (rank + offset) // config.span, weight, n_items)
        near = near + transposed_product(stretches, stretches, shards) / len(offsets)
    near /= 1 + config.far
    wanted = everything + soon * _soon(edges, rank, weight, n_items) if soon else everything
    if not direction:
        return near, sparse.csr_array(wanted) if soon else None
    later = sparse.csr_array((n_items, n_items))
    block = (counts[edges.source] - 1 - rank) * config.blocks // np.maximum(counts[edges.source], 1)
    shape = (len(counts), n_items)
    earlier = sparse.csr_array(shape)
    before, after = [], []  # of several blocks side by side: one product is far quicker than the sum of several
    for b in range(config.blocks):
        inside = block == b
        ends = (edges.source[inside], edges.target[inside])
        part = sparse.csr_array((weight[inside], ends), shape=shape)
        before.append(earlier)
        after.append(part)
        earlier = earlier + part
        if b == config.blocks - 1 or sum(matrix.nnz for matrix in before) > _STACKED:
            left, right = (sparse.csr_array(sparse.vstack(parts, format="csr")) for parts in (before, after))
            later = later + transposed_product(left, right, shards)
            before, after = [], []
    later = later - later.T
    later *= direction
    return near, sparse.csr_array(wanted + later)


def _soon(edges: EdgeTable, rank: NDArray[np.int64], weight: NDArray[np.float64], n_items: int) -> sparse.csr_array:
    """How often j, then i within a few steps, CSR, shape (n, n): 1 for the next step, fading.

    What happened at the same time has no order: such a pair counts half in either.
    """
    earliest = np.lexsort((-rank, edges.source))
    user, item, weight = edges.source[earliest], edges.target[earliest], weight[earliest]
    time = np.zeros(len(edges), np.int64) if edges.time is None else edges.time[earliest]
    total = sparse.csr_array((n_items, n_items))
    for step in range(1, 3 * STEPS + 1):
        pairs = np.flatnonzero(user[step:] == user[:-step])
        counts = weight[pairs] * weight[pairs + step] * np.exp(-(step - 1) / STEPS)
        tied = time[pairs] == time[pairs + step]
        one = sparse.coo_array((np.where(tied, counts / 2, counts), (item[pairs], item[pairs + step])), total.shape)
        other = sparse.coo_array((counts[tied] / 2, (item[pairs + step][tied], item[pairs][tied])), total.shape)
        total = total + one.tocsr() + other.tocsr()
    return total


def _rows(edges: EdgeTable, stretch: NDArray[np.int64], weight: NDArray[np.float64], n_items: int) -> sparse.csr_array:
    """One row per user and stretch of time, shape (stretches, items)."""
    known, row = np.unique(edges.source * (int(stretch.max(initial=0)) + 1) + stretch, return_inverse=True)
    return sparse.csr_array((weight, (row, edges.target)), shape=(len(known), n_items))


class Order(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`."""

    name = "sequence"
    about = About(
        titles={"en": "sequence", "zh": "顺序"},
        lines={"en": "the one was liked soon before the other", "zh": "喜欢其中一个之后不久就喜欢另一个"},
        colour="#8a52d6",
    )
    paths = "co-users"
    table = "sequence"
    settings = SequenceConfig
    needs = frozenset({"times"})
    start = 0.65
    beside_others = True
    beyond_prior = True

    def popularity_exponent(self, settings: Sequence[object], chosen: Mapping[str, Mapping[str, Any]]) -> float:
        """See :class:`ChannelKind`; it is that of taste."""
        first = settings_of(settings, TasteConfig).popularity[0]
        return float(chosen.get("taste", {}).get("popularity_exponent", first))

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`."""
        config = data.settings_of(SequenceConfig)
        for soon in config.soon if data.live else (0.0,):
            for direction in config.directions:
                chosen = {"direction": direction} | ({"soon": soon} if soon else {})
                yield chosen, self._kernel(data, chosen)

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted:
        """See :class:`ChannelKind`."""
        return Fitted(self._kernel(data, chosen))

    def _kernel(self, data: TrainingData, chosen: Mapping[str, Any]) -> Kernel:
        direction, soon = chosen["direction"], chosen.get("soon", 0.0)
        taste, config = data.settings_of(TasteConfig), data.settings_of(SequenceConfig)
        of_taste = data.chosen.get("taste", {})
        l2, factor = of_taste.get("l2", taste.l2[0]), of_taste.get(PRIOR_FACTOR, 0.0)
        prior = data.prior if factor else None
        n_items = data.interactions.shape[1]
        if data.sums is not None:
            if soon:
                raise ModelError("what follows within a few steps needs the users; choose with sequence.soon = [0.0]")
            near, directed = data.sums.pairs(direction)
            return operator(near, taste, l2, directed, prior, data.progress, data.items, data.shards).at(factor)
        return sequence_kernel(
            data.edges, n_items, taste, config, direction, l2, data.progress, data.items, data.shards, prior, soon
        ).at(factor)


SEQUENCE = Order()
