"""Vectors that items have in the graph, of pictures, of sounds, of anything: properties with ``kr:use kr:vector``."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats32
from kg_rec.quantity import quantity
from kg_rec.snapshot import Snapshot

_log = logging.getLogger(__name__)


def item_vectors(snapshot: Snapshot) -> dict[str, Floats32]:
    """The vectors of the items by property, those without any vector left out.

    In a graph of others a vector may have another length than the schema says, or hold what is no finite number: it
    counts as missing, and a warning says how many there are and names the first.

    Args:
        snapshot: the graph.

    Returns:
        By property, in the order of names: float32, rows of length 1, or 0 for an item without, shape (items, d).
    """
    item, vectors = snapshot.schema.item, {}
    for kind in item.properties:
        if kind.use != "vector" or kind.dimensions is None:
            continue
        column = snapshot.nodes[item.name].column(kind.name).combine_chunks()
        rows, bad = _rows(column, kind.dimensions)
        if len(bad):
            _log.warning(
                "%s.%s: expected vectors of %d finite numbers; that of %s is none and counts as missing: that of %s%s",
                item.name, kind.name, kind.dimensions, quantity(len(bad), "item", "items"),
                snapshot.items.key(int(bad[0])), " first" * (len(bad) > 1),
            )  # fmt: skip
        if rows.any():
            vectors[kind.name] = rows
    return vectors


def _rows(column: pa.Array, dimensions: int) -> tuple[Floats32, NDArray[np.int64]]:
    """Unit rows, shape (n, dimensions), and where a value is no vector."""
    there = np.asarray(pc.is_valid(column))
    right: NDArray[np.bool_] = np.asarray(pc.fill_null(pc.equal(pc.list_value_length(column), dimensions), False))
    values = column.filter(pa.array(right)).flatten()
    wide = np.asarray(pc.fill_null(values, np.nan), dtype=np.float64).reshape(-1, dimensions)
    finite = np.asarray(np.isfinite(wide).all(axis=1))
    wide = np.where(finite[:, None], wide, 0.0)
    wide = wide / np.maximum(np.abs(wide).max(axis=1, keepdims=True, initial=0.0), 1e-300)  # squares stay finite
    rows = np.zeros((len(column), dimensions), np.float32)
    rows[right] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    good = right.copy()
    good[right] = finite
    return rows, np.flatnonzero(there & ~good)
