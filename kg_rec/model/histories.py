"""Users as what they did: sparse rows of weighted interactions (a_uj of the score)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import ranges
from kg_rec.model.chosen import Chosen, RatingScale
from kg_rec.schema import RelationType
from kg_rec.snapshot import NO_TIME, EdgeTable
from kg_rec.snapshot.tables import counts_against, positive

#: Most interactions of one user that are learned from: their pairs grow with the square, and fill memory beyond this.
MOST_LEARNED = 3_000


def learnable(edges: EdgeTable, seed: int, most: int = MOST_LEARNED) -> EdgeTable:
    """The interactions with at most ``most`` of each user: the latest, and at random among those of one time.

    A user with more is more often a program, a shop or a library than one person.  Their list is still made from all.
    """
    counts = np.bincount(edges.source)
    if not len(edges) or counts.max() <= most:
        return edges
    time = np.zeros(len(edges), np.int64) if edges.time is None else edges.time
    chance = np.random.default_rng(seed).random(len(edges))
    order = np.lexsort((chance, ~time, edges.source))  # ~: descending, without overflow
    begins = np.concatenate(([0], np.cumsum(counts)[:-1]))
    kept = np.zeros(len(edges), dtype=bool)
    kept[order] = np.arange(len(edges)) - begins[edges.source[order]] < most
    return edges.take(kept)


def histories(
    edges: EdgeTable, shape: tuple[int, int], recency: float, rating: RatingScale | None = None
) -> sparse.csr_array:
    """The matrix of a_uj.

    Args:
        edges: interactions that count.
        shape: (users, items).
        recency: 0 for equal weights; else a_uj = 1/(1 + rank / recency), scaled to mean 1 per user, where rank
            counts from the user's latest interaction (0).  Interactions without a time come last.
        rating: factor of a_uj by the interaction's weight; None for 1.

    Returns:
        float32 CSR, shape (users, items), columns sorted.
    """
    data = np.ones(len(edges), dtype=np.float32)
    if recency > 0 and edges.time is not None and len(edges):
        rank = ranks_from_latest(edges)
        data = recency_weights(rank, recency)
        counts = np.bincount(edges.source, minlength=shape[0])
        totals = np.bincount(edges.source, weights=data, minlength=shape[0])
        data *= (counts / np.maximum(totals, 1e-12)).astype(np.float32)[edges.source]
    data *= rating_factors(edges, rating)
    matrix = sparse.csr_array((data, (edges.source, edges.target)), shape=shape, dtype=np.float32)
    matrix.sort_indices()
    return matrix


def left_out(edges: EdgeTable, interaction: RelationType, shape: tuple[int, int]) -> sparse.csr_array:
    """What no list shows to a user, binary CSR, shape (users, items): everything that the user had.

    Where items may be had again (``kr:again``), only what the user said not to like.

    Args:
        edges: everything the users did, one edge a pair.
        interaction: its type.
        shape: (users, items).
    """
    return histories(edges.take(counts_against(edges, interaction)) if interaction.again else edges, shape, 0)


def edges_of(edges: EdgeTable, users: NDArray[np.int64]) -> EdgeTable:
    """The interactions of some users, of whom the first is 0 in ``source``, the next 1, and so on."""
    starts, ends = np.searchsorted(edges.source, users, "left"), np.searchsorted(edges.source, users, "right")
    lengths = ends - starts
    return replace(edges.take(ranges(starts, lengths)), source=np.repeat(np.arange(len(users)), lengths))


def weighed(edges: EdgeTable, interaction: RelationType, shape: tuple[int, int], chosen: Chosen) -> sparse.csr_array:
    """a_uj of users as a model weighs them: :func:`histories` of what is liked, and what speaks against.

    A pair that says that an item was not liked has the weight ``-chosen.against``, and no entry where that is 0.

    Args:
        edges: everything the users did, one edge a pair.
        interaction: its type, which says what counts as positive.
        shape: (users, items).
        chosen: the model's recency, rating and against.
    """
    rows = histories(positive(edges, interaction), shape, chosen.recency, chosen.rating)
    disliked = counts_against(edges, interaction) if chosen.against else np.zeros(0, np.bool_)
    if not disliked.any():
        return rows
    signed = sparse.csr_array(rows - np.float32(chosen.against) * histories(edges.take(disliked), shape, 0))
    signed.sort_indices()
    return signed


def rating_scale(edges: EdgeTable, strength: float, most: int = 20) -> RatingScale | None:
    """The scale of some interactions' weights, in about ``most`` levels at most; None where it would change nothing."""
    if edges.weight is None or strength == 0:
        return None
    weights = np.sort(edges.weight[np.isfinite(edges.weight)].astype(np.float64))
    levels = np.unique(weights)
    if len(levels) > most:
        levels = np.unique(np.quantile(weights, np.linspace(0, 1, most), method="nearest"))
    if len(levels) < 2:
        return None
    ranks = (np.searchsorted(weights, levels, "left") + np.searchsorted(weights, levels, "right")) / (2 * len(weights))
    return RatingScale(tuple(levels.tolist()), tuple((1 + strength * (2 * ranks - 1)).tolist()))


def rating_factors(edges: EdgeTable, scale: RatingScale | None) -> NDArray[np.float32]:
    """The factor of each edge, 1 for an edge without a weight, shape (m,)."""
    if scale is None or edges.weight is None:
        return np.ones(len(edges), dtype=np.float32)
    factors = np.interp(edges.weight, scale.levels, scale.factors)
    return np.where(np.isfinite(edges.weight), factors, 1.0).astype(np.float32)


def recency_weights(ranks: NDArray[np.int64], recency: float) -> NDArray[np.float32]:
    """1/(1 + rank / recency), before it is scaled to mean 1; 1 for a recency of 0.  Same shape as ``ranks``."""
    if recency == 0:
        return np.ones(ranks.shape, dtype=np.float32)
    return (1 / (1 + ranks / recency)).astype(np.float32)


def ranks_from_latest(edges: EdgeTable) -> NDArray[np.int64]:
    """For each edge, how many interactions of the same user are later (ties by item), shape (m,)."""
    time = np.full(len(edges), NO_TIME) if edges.time is None else edges.time
    rows = np.lexsort((edges.target, time, edges.source))
    ends = np.cumsum(np.bincount(edges.source))
    rank = np.empty(len(edges), dtype=np.int64)
    rank[rows] = ends[edges.source[rows]] - 1 - np.arange(len(edges))
    return rank
