"""One edge a pair: what several edges between the same two nodes become."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.schema import RelationType
from kg_rec.snapshot.tables import NO_TIME, EdgeTable


def one_edge_a_pair(edges: EdgeTable, relation: RelationType) -> tuple[EdgeTable, int]:
    """The edges sorted by (source, target), one a pair by the relation's rule.

    The pair's time is its latest.  Its weight is, by :attr:`RelationType.repeats`, the weight of the latest edge
    (``last``), the largest one (``max``, and where there is no rule), their sum where an edge without a weight counts 1
    (``sum``), or how many edges there are (``count``, also where there is only one; the times of all are kept then).
    Of edges with one time the one with the largest weight is the latest.

    Args:
        edges: in any order.
        relation: their type.

    Returns:
        The edges, and how many pairs had several.
    """
    if relation.repeats == "count" and edges.weight is None:
        edges = EdgeTable(edges.source, edges.target, np.ones(len(edges), np.float32), edges.time)
    step = np.diff(edges.source)
    onward = np.diff(edges.target)
    if (step >= 0).all() and (onward[step == 0] > 0).all():
        return _single(edges, relation), 0  # as scans give them, and no pair twice
    weight = np.full(len(edges), -np.inf) if edges.weight is None else np.nan_to_num(edges.weight, nan=-np.inf)
    time = np.zeros(len(edges), np.int64) if edges.time is None else edges.time
    last_keys = (time, weight) if relation.repeats in (None, "max") else (weight, time)
    edges = edges.take(np.lexsort((*last_keys, edges.target, edges.source)))
    new = np.ones(len(edges), bool)
    new[1:] = (np.diff(edges.source) != 0) | (np.diff(edges.target) != 0)
    if new.all():
        return _single(edges, relation), 0
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(edges))
    merged = edges.take(ends - 1)
    times = None if edges.time is None else np.maximum.reduceat(edges.time, starts)
    weights = merged.weight
    if edges.weight is not None and relation.repeats in ("sum", "count"):
        each = _each(edges.weight, relation).astype(np.float64)
        weights = np.add.reduceat(each, starts).astype(np.float32)
    kept = _kept(edges.time, starts) if relation.repeats == "count" else None
    return EdgeTable(merged.source, merged.target, weights, times, kept), int((ends - starts > 1).sum())


def _kept(time: NDArray[np.int64] | None, starts: NDArray[np.int64]) -> pa.LargeListArray | None:
    """The times of each pair, ascending, of edges sorted by pair."""
    if time is None:
        return None
    pair = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(time))))
    there = time != NO_TIME
    time, pair = time[there], pair[there]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(pair, minlength=len(starts)))])
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(time[np.lexsort((time, pair))]))


def _single(edges: EdgeTable, relation: RelationType) -> EdgeTable:
    if edges.weight is None or relation.repeats not in ("sum", "count"):
        return edges
    kept = _kept(edges.time, np.arange(len(edges))) if relation.repeats == "count" else None
    return EdgeTable(edges.source, edges.target, _each(edges.weight, relation), edges.time, kept)


def _each(weight: NDArray[np.float32], relation: RelationType) -> NDArray[np.float32]:
    """What each edge adds to its pair's weight."""
    if relation.repeats == "count":
        return np.ones(len(weight), np.float32)
    return np.where(np.isnan(weight), np.float32(1), weight)
