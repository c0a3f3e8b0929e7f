"""Preferences among true paths: recent interactions (LIR) and common or rare shared entities (SEP).

Linking interaction recency and shared entity popularity are those of Balloccu et al., "Post Processing Recommender
Systems with Knowledge Graphs for Recency, Popularity, and Diversity of Explanations" (SIGIR 2022), as in hopwise: an
exponentially weighted moving average over the sorted times (or numbers of items), scaled to 0 to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from kg_rec.model.knowledge import Links
from kg_rec.snapshot import NO_TIME, EdgeTable

_BETA = 0.3


def interaction_recency(edges: EdgeTable, user: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """LIR of a user's interactions: 0 for the oldest, 1 for the latest, and 0 for those without a time.

    Args:
        edges: interactions, sorted by user.
        user: dense index.

    Returns:
        The items, and their LIR, both in the order of the edges.
    """
    start, end = np.searchsorted(edges.source, [user, user + 1])
    items, found = edges.target[start:end], np.zeros(end - start)
    if edges.time is not None:
        time = edges.time[start:end]
        known = np.flatnonzero(time != NO_TIME)
        found[known] = _smoothed(time[known])
    return items, found


def entity_popularity(links: Links) -> NDArray[np.float64]:
    """SEP of every column of ``links``: 0 for the shared entity with the fewest items, 1 for the most."""
    found = np.zeros(len(links.node))
    for way, step in enumerate(links.ways):
        columns = np.flatnonzero((links.way == way) & (links.degree > 0))
        if step.through is not None:
            found[columns] = _smoothed(links.degree[columns])
    return found


def _smoothed(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """s_1 = v_1, s_n = (1 - beta) s_(n-1) + beta v_n over sorted distinct values, scaled to 0 to 1."""
    if not len(values):
        return np.empty(0)
    distinct, place = np.unique(values, return_inverse=True)
    shifted = (distinct - distinct[0]).astype(np.float64)
    smooth = signal.lfilter([_BETA], [1, _BETA - 1], shifted, zi=[(1 - _BETA) * shifted[0]])[0]
    return np.asarray(smooth / max(float(smooth[-1]), 1e-12))[place]
