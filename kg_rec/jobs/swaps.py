"""Better lists by swaps: what a greedy choice took too early is given back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.jobs.mix import divergence, shares

#: Most swaps in one list; each makes it better, so they end by themselves, nearly always sooner.
_MOST = 50
_LEAST = 1e-12


def swapped(
    places: Ints,
    movable: NDArray[np.bool_],
    free: NDArray[np.bool_],
    relevance: Floats64,
    mix: Floats64,
    own: Floats64,
    strength: float,
) -> Ints:
    """Lists that no swap of one item for one outside makes better: the best swap of each list, again and again.

    A list is worth the sum of its relevance, less ``strength`` times the divergence of its mix from the user's.

    Args:
        places: of the items in the pool, -1 for none, shape (b, k).
        movable: whether an item may go out, shape (b, k).
        free: whether an item of the pool may come in, shape (b, p).
        relevance: of the items of the pool, shape (b, p).
        mix: p(g | i) of the items of the pool, shape (b, p, kinds).
        own: mix of what the users liked, shape (b, kinds).
        strength: of the divergence.

    Returns:
        Places, shape (b, k); an item that came in stands where the other went out.
    """
    places, free = places.copy(), free.copy()
    left = np.arange(len(places))  # lists that may become better
    for _ in range(_MOST):
        if not len(left):
            break
        at, kinds, mine, rows = places[left], mix[left], own[left], np.arange(len(left))
        held = at >= 0
        inside = np.where(held[:, :, None], np.take_along_axis(kinds, np.maximum(at, 0)[:, :, None], axis=1), 0.0)
        total = inside.sum(axis=1)
        now = -strength * divergence(mine, shares(total))
        gain, out, into = np.full(len(left), _LEAST), np.full(len(left), -1), np.zeros(len(left), np.int64)
        for n in range(places.shape[1]):
            some = np.flatnonzero(movable[left, n] & held[:, n])
            if not len(some):
                continue
            rest = total[some] - inside[some, n]
            new = shares(np.maximum(rest[:, None] + kinds[some], 0.0))
            worth = relevance[left[some]] - strength * divergence(mine[some][:, None], new)
            worth = np.where(free[left[some]], worth, -np.inf)
            best = worth.argmax(axis=1)
            better = worth[np.arange(len(some)), best] - relevance[left[some], at[some, n]] - now[some]
            more = better > gain[some]
            gain[some[more]], out[some[more]], into[some[more]] = better[more], n, best[more]
        change = out >= 0
        rows, left = rows[change], left[change]
        old = at[rows, out[rows]]
        free[left, old], free[left, into[rows]] = True, False
        places[left, out[rows]] = into[rows]
    return places
