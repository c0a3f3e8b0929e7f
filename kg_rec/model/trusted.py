"""Which users are learned from: those whose items hang together by what other users like, as those of people do.

Fake users are made of items that have little to do with each other.  For each item i of a user u,

    q_ui = share of the items about as popular as i, not of u, that s_ui puts below i
    s_ui = (x_u without i) B,  B of EDLAE, fitted to the other half of the users: u has no say in it

is 1/2 on average where items were picked by chance, whatever their popularity, and more where they were picked by
taste.  With c_u the mean of q_ui over the n_u items of u, mu and sigma the median of c over all users and its spread,

    log odds(u is fake) = log N(c; 1/2, sigma^2 + 1/(12 n_u)) - log N(c; mu, sigma^2 + 1/(12 n_u)) + log f/(1 - f)

where c = max(c_u, 1/2), and f is the share of fake users that is expected.  So a short history convicts nobody.  Users who are nearly
identical to one who came before them count as copies.  All sums over users in training are then sums over the users
who are trusted: the Gram matrix is trimmed, and what is fitted stays as additive and as exact as without this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.cholesky import inverse
from kg_rec.arrays.types import Floats, Floats64, Ints
from kg_rec.errors import ModelError
from kg_rec.model.histories import histories
from kg_rec.settings import expect
from kg_rec.snapshot import NO_TIME, EdgeTable

#: The share of fake users that `kg-rec train --robust` expects.
EXPECTED = 0.05
#: EDLAE's penalty and dropout.
_L2, _DROPOUT = 200.0, 0.4
#: Items that an item is compared with: so many on each side in the order of popularity.
_NEAR = 15
#: Users with at least so many items tell what is usual, if there are any.
_MANY = 20
#: Users scored at a time.
_USERS = 1_024


@dataclass(frozen=True, slots=True)
class RobustConfig:
    """Defence against fake users: who is probably fake is not learned from (:mod:`kg_rec.model.trusted`).

    Everybody still gets lists, made from their own histories.

    Attributes:
        fakes: the share of users that is expected to be fake, a prior; 0 learns from everybody.
        alike: from which Jaccard similarity of their items on two users are nearly identical; who came later, or
            without times has more items, is then taken for a copy.
        least: users with fewer items are never taken for copies: short histories coincide by chance.
        max_items: largest catalogue; the operator is dense.
    """

    fakes: float = 0.0
    alike: float = 0.8
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
        coherence: c_u; NaN without items.
        usual: mu.
        chance: the probability that the items were picked by chance.
        twin: dense index of the user most alike who came before; -1 for none.
        overlap: Jaccard similarity with that user.
        trusted: whether training learns from them.
    """

    items: Ints
    coherence: Floats64
    usual: float
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
        seed: which half of the users a user is in.

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
        seed: which half of the users a user is in.

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
    coherence = _coherence(x, seed)
    usual, spread = _usual(coherence, items)
    variance = spread**2 + 1 / (12 * np.maximum(items, 1))
    # two normals of one variance: the log ratio of their densities is linear
    middle = (0.5 + usual) / 2
    away = np.maximum(np.nan_to_num(coherence, nan=middle), 0.5) - middle
    odds = -away * max(usual - 0.5, 0.0) / variance + np.log(max(fakes, 1e-12) / (1 - fakes))
    chance = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
    twin, overlap = _twins(x, _first_times(edges, shape[0]))
    copied = (overlap >= config.alike) & (items >= config.least)
    return Evidence(items, coherence, usual, chance, twin, overlap, (chance <= 0.5) & ~copied)


def _coherence(x: sparse.csr_array, seed: int) -> Floats64:
    """c_u of each user; NaN without items."""
    users, n = x.shape
    half = np.random.default_rng(seed).permutation(users) % 2
    found = np.full(users, np.nan)
    for part in (0, 1):
        others, own = x[np.flatnonzero(half != part)], np.flatnonzero((half == part) & (np.diff(x.indptr) > 0))
        counts = np.bincount(others.indices, minlength=n)
        gram = (others.T @ others).toarray()
        gram[np.diag_indices(n)] += _L2 + _DROPOUT / (1 - _DROPOUT) * counts
        p = inverse(gram)
        b = -p / np.diag(p)
        np.fill_diagonal(b, 0)
        order = np.lexsort((np.random.default_rng(seed).random(n), counts))
        for start in range(0, len(own), _USERS):
            rows = x[own[start : start + _USERS]]
            found[own[start : start + _USERS]] = percentiles(
                rows, np.asarray(rows @ b), lambda j, i, b=b: b[j, i], order
            )
    return found


def percentiles(
    rows: sparse.csr_array, scores: Floats64, kernel: Callable[[Ints, Ints], Floats], order: Ints
) -> Floats64:
    """The mean of q_ui over the items of each user, shape (users,); every user has items.

    Args:
        rows: x_u, binary CSR, shape (users, items).
        scores: x_u K of a kernel K with a zero diagonal, shape (users, items).
        kernel: K(j, i) of pairs of items.
        order: the items by popularity.
    """
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    user = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    had = rows.toarray() > 0
    own = scores[user, rows.indices]
    below, compared = np.zeros(len(own)), np.zeros(len(own))
    for step in range(-_NEAR, _NEAR + 1):
        at = place[rows.indices] + step
        inside = (at >= 0) & (at < len(order))
        other = order[np.clip(at, 0, len(order) - 1)]
        counted = inside & ~had[user, other]
        there = scores[user, other] - kernel(rows.indices, other)  # what the item itself says of the other
        below += counted * ((there < own) + 0.5 * (there == own))
        compared += counted
    share = np.where(compared > 0, below / np.maximum(compared, 1), 0.5)
    return np.bincount(user, weights=share, minlength=rows.shape[0]) / np.diff(rows.indptr)


def _usual(coherence: Floats64, items: Ints) -> tuple[float, float]:
    """Median and spread (from the median absolute deviation) of users with many items."""
    known = np.isfinite(coherence)
    some = coherence[known & (items >= _MANY)] if (known & (items >= _MANY)).any() else coherence[known]
    if not len(some):
        return 0.5, 1.0
    middle = float(np.median(some))
    return middle, max(1.4826 * float(np.median(np.abs(some - middle))), 1e-3)


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
    for start in range(0, users, _USERS):
        both = sparse.coo_array(x[start : start + _USERS] @ x.T)
        row, other = both.row.astype(np.int64) + start, both.col.astype(np.int64)
        earlier = rank[other] < rank[row]
        row, other, shared = row[earlier], other[earlier], both.data[earlier]
        jaccard = shared / (counts[row] + counts[other] - shared)
        best = np.lexsort((rank[other], -jaccard, row))
        ones = best[np.flatnonzero(np.diff(row[best], prepend=-1))]
        twin[row[ones]], overlap[row[ones]] = other[ones], jaccard[ones]
    return twin, overlap
