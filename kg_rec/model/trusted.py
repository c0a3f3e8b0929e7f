"""Which users are learned from: those whose items hang together by what other users like, as those of people do.

Fake users have items that they do not like.  For each item i of a user u,

    q_ui = share of some other items, not of u, that s_ui puts below i
    s_ui = (x_u without i) B,  B of EDLAE, fitted to the other half of the users: u has no say in it

is near 1 where the item was picked by taste.  g is the density of q of all users together, and h of what was picked by
chance: h_1 of any items alike, h_2 of items as often as people have them.  The evidence that u is fake is that of a
mixture, in which a share r of the items, one half or all, was picked by chance:

    odds(u is fake) = f / (1 - f)  mean over k, r of  product over i of  (r h_k(q_ui) + (1 - r) g(q_ui)) / g(q_ui)

where f is the share of fake users that is expected.  The items of one person are alike in how well they are told, so
the product of n > 40 items counts as that of 40 (its 40/n-th power).  A short history convicts nobody.  Users who are
nearly identical to one who came before them count as copies.  All sums over users in training are then sums over the
users who are trusted: the Gram matrix is trimmed, and what is fitted stays as additive and as exact as without this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import logsumexp

from kg_rec.arrays.cholesky import inverse
from kg_rec.arrays.types import Floats, Floats64, Ints
from kg_rec.errors import ModelError
from kg_rec.model.histories import histories
from kg_rec.model.kernel import Kernel
from kg_rec.settings import expect
from kg_rec.snapshot import NO_TIME, EdgeTable

#: The share of fake users that `kg-rec train --robust` expects.
EXPECTED = 0.05
#: EDLAE's penalty and dropout.
_L2, _DROPOUT = 200.0, 0.4
#: Items that an item is compared with, at most; drawn with the seed.
COMPARED = 500
#: Bins of the densities of q.
_BINS = 20
#: More items of one user than these say no more.
_ENOUGH = 40
#: Shares of the items of a fake user that were picked by chance.
_SHARES = (0.5, 1.0)
#: Users scored at a time.
_USERS = 1_024
#: Pairs of users compared at a time.
_PAIRS = 10_000_000


@dataclass(frozen=True, slots=True)
class RobustConfig:
    """Defence against fake users: who is probably fake is not learned from (:mod:`kg_rec.model.trusted`).

    Everybody still gets lists, made from their own histories.

    Attributes:
        fakes: the share of users that is expected to be fake, a prior; 0 learns from everybody.
        alike: from this likeness on, a user is taken for a copy of one who came before: 1 is the same items, 0 the
            usual overlap (the median over all users of the Jaccard similarity with the most alike one before them).
            Without times, who has more items counts as coming later.
        least: users with fewer items are never taken for copies: short histories coincide by chance.
        max_items: largest catalogue; the operator is dense.
    """

    fakes: float = 0.0
    alike: float = 0.4
    least: int = 10
    max_items: int = 10_000

    def __post_init__(self) -> None:
        expect(0 <= self.fakes < 0.5, "robust.fakes", "a number from 0 to below 0.5", self.fakes)
        expect(0 < self.alike <= 1, "robust.alike", "a number above 0, at most 1", self.alike)
        expect(self.least > 0, "robust.least", "at least 1", self.least)


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against each user, arrays of shape (users,).

    Attributes:
        items: how many items they like.
        coherence: mean of q_ui over their items; NaN without items.
        chance: the probability that half or all of the items were picked by chance.
        twin: dense index of the user most alike who came before; -1 for none.
        overlap: Jaccard similarity with that user.
        trusted: whether training learns from them.
    """

    items: Ints
    coherence: Floats64
    chance: Floats64
    twin: Ints
    overlap: Floats64
    trusted: NDArray[np.bool_]


def trusted(edges: EdgeTable, shape: tuple[int, int], config: RobustConfig, seed: int) -> NDArray[np.bool_]:
    """Who is learned from, shape (users,): everybody where the defence is off.

    Args:
        edges: positive interactions.
        shape: (users, items).
        config: the defence.
        seed: deals the users into two halves; each is judged by what the other one likes.

    Raises:
        ModelError: there are too many items.
    """
    if not config.fakes or not len(edges):
        return np.ones(shape[0], np.bool_)
    return evidence(edges, shape, config, config.fakes, seed).trusted


def learned_from(edges: EdgeTable, shape: tuple[int, int], config: RobustConfig, seed: int) -> EdgeTable:
    """The interactions of the users who are trusted; see :func:`trusted`."""
    kept = trusted(edges, shape, config, seed)
    return edges if kept.all() else edges.take(kept[edges.source])


def evidence(edges: EdgeTable, shape: tuple[int, int], config: RobustConfig, fakes: float, seed: int) -> Evidence:
    """What speaks for and against each user.

    Args:
        edges: positive interactions.
        shape: (users, items).
        config: what counts as a copy.
        fakes: the share of users that is expected to be fake.
        seed: deals the users into two halves; each is judged by what the other one likes.

    Raises:
        ModelError: there are too many items.
    """
    if shape[1] > config.max_items:
        raise ModelError(
            f"the defence takes up to robust.max_items = {config.max_items:,} items, got {shape[1]:,}; set "
            "robust.fakes = 0, or raise the limit: memory grows with its square"
        )
    x = histories(edges, shape, 0).astype(np.float64)
    x.data[:] = 1
    items = np.diff(x.indptr).astype(np.int64)
    q, by_chance = _places(x, seed)
    user = np.repeat(np.arange(shape[0]), items)
    with np.errstate(invalid="ignore"):
        coherence = np.bincount(user, weights=q, minlength=shape[0]) / items
    odds = np.log(max(fakes, 1e-12) / (1 - fakes)) + _log_evidence(q, by_chance, user, shape[0])
    chance = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
    twin, overlap = _twins(x, _first_times(edges, shape[0]))
    usual = float(np.median(overlap[items >= config.least])) if (items >= config.least).any() else 0.0
    copied = (overlap >= usual + config.alike * (1 - usual)) & (items >= config.least) & (twin >= 0)
    return Evidence(items, coherence, chance, twin, overlap, (chance <= 0.5) & ~copied)


def _places(x: sparse.csr_array, seed: int) -> tuple[Floats64, Floats64]:
    """q of each interaction, shape (nnz,), and of items drawn by popularity that the same users do not have."""
    users, n = x.shape
    rng = np.random.default_rng(seed)
    half = rng.permutation(users) % 2
    compared = np.sort(rng.choice(n, min(n, COMPARED), replace=False))
    drawn = rng.choice(x.indices, x.nnz)
    q, by_chance = np.full(x.nnz, 0.5), []
    for part in (0, 1):
        b = _operator(x[np.flatnonzero(half != part)])
        some = np.flatnonzero((half == part) & (np.diff(x.indptr) > 0))
        for user, scores in zip(some.tolist(), scored(x, some, b), strict=True):
            own = slice(x.indptr[user], x.indptr[user + 1])
            items = x.indices[own]
            q[own] = placed(scores, items, b[np.ix_(items, compared)], items, compared)
            other = np.setdiff1d(drawn[own], items)
            by_chance.append(placed(scores, other, 0, items, compared))
    return q, np.concatenate([*by_chance, np.empty(0)])


def scored(x: sparse.csr_array, users: Ints, kernel: Floats | Kernel) -> Iterator[Floats]:
    """The scores of some users by a kernel, as a matrix or not, one after the other, each of shape (items,)."""
    for start in range(0, len(users), _USERS):
        rows = x[users[start : start + _USERS]]
        yield from rows @ kernel if isinstance(kernel, np.ndarray) else kernel.scores(rows)


def placed(scores: Floats, items: Ints, said: Floats | int, had: Ints, compared: Ints) -> Floats64:
    """Where some items stand for a user: 1 above all that the user does not have, 0 below them; shape (len(items),).

    Args:
        scores: of all items, shape (n,).
        items: dense indices.
        said: what each of them says of the others, which is taken off these, shape (len(items), len(compared)).
        had: what the user has.
        compared: the items that they are compared with.
    """
    others = scores[compared] - np.broadcast_to(said, (len(items), len(compared)))
    own = scores[items][:, None]
    counted = ~np.isin(compared, had) & (compared != items[:, None])
    below = ((others < own) + 0.5 * (others == own)) * counted
    against = counted.sum(axis=1)
    return np.where(against > 0, below.sum(axis=1) / np.maximum(against, 1), 0.5)


def precision(x: sparse.csr_array, l2: float, dropout: float) -> Floats64:
    """P = (G + L)^-1 with G = X^T X and L = l2 I + dropout / (1 - dropout) diag G, dense, shape (items, items).

    Args:
        x: rows of users, CSR, shape (users, items).
        l2: ridge penalty.
        dropout: EDLAE's (Steck, NeurIPS 2020).
    """
    gram = (x.T @ x).toarray()
    gram[np.diag_indices_from(gram)] += l2 + dropout / (1 - dropout) * np.diag(gram)
    return inverse(gram)


def _operator(x: sparse.csr_array) -> Floats64:
    """B of EDLAE, shape (items, items)."""
    p = precision(x, _L2, _DROPOUT)
    b: Floats64 = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


def _log_evidence(q: Floats64, by_chance: Floats64, user: Ints, users: int) -> Floats64:
    """Log of the mean over k and r of the products in the module's formula, shape (users,)."""
    cell = np.minimum((q * _BINS).astype(np.int64), _BINS - 1)
    g = _density(q)
    count = np.bincount(user, minlength=users)
    power = np.minimum(1, _ENOUGH / np.maximum(count, 1))
    parts = []
    for h in (np.ones(_BINS), _density(by_chance)):
        for share in _SHARES:
            gain = np.log((share * h + (1 - share) * g) / g)
            parts.append(power * np.bincount(user, weights=gain[cell], minlength=users))
    return np.asarray(logsumexp(parts, axis=0) - np.log(len(parts)))


def _density(q: Floats64) -> Floats64:
    """Density over the bins, with one pseudo-count a bin."""
    counts = np.bincount(np.minimum((q * _BINS).astype(np.int64), _BINS - 1), minlength=_BINS) + 1
    return np.asarray(counts * _BINS / counts.sum())


def _first_times(edges: EdgeTable, users: int) -> Ints:
    """When each user came, shape (users,); the same for all without times."""
    never = np.iinfo(np.int64).max
    first = np.full(users, never)
    if edges.time is not None:
        np.minimum.at(first, edges.source, np.where(edges.time == NO_TIME, never, edges.time))
    return first


def _twins(x: sparse.csr_array, first: Ints) -> tuple[Ints, Floats64]:
    """For each user the most alike one of those who came before (then: with fewer items, then of smaller index)."""
    users, counts = x.shape[0], np.diff(x.indptr)
    rank = np.empty(users, np.int64)
    rank[np.lexsort((np.arange(users), counts, first))] = np.arange(users)
    twin, overlap = np.full(users, -1), np.zeros(users)
    step = max(1, _PAIRS // users)
    for start in range(0, users, step):
        both = sparse.coo_array(x[start : start + step] @ x.T)
        row, other = both.row.astype(np.int64) + start, both.col.astype(np.int64)
        earlier = rank[other] < rank[row]
        row, other, shared = row[earlier], other[earlier], both.data[earlier]
        jaccard = shared / (counts[row] + counts[other] - shared)
        best = np.lexsort((rank[other], -jaccard, row))
        ones = best[np.flatnonzero(np.diff(row[best], prepend=-1))]
        twin[row[ones]], overlap[row[ones]] = other[ones], jaccard[ones]
    return twin, overlap
