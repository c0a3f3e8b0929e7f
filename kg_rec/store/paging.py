"""Keyset paging shared by the stores: key ranges that hold about as many rows as one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def key_ranges(weighted_keys: Iterable[tuple[list[str], list[int]]], batch_size: int) -> Iterator[tuple[str, str]]:
    """Split keys into ranges of at most ``batch_size`` rows.

    Args:
        weighted_keys: pages of (keys in order, number of rows of each key).
        batch_size: most rows in a range; a single key with more rows makes a range of its own.

    Yields:
        First and last key of each range, in order.
    """
    first: str | None = None
    last, rows = "", 0
    for keys, weights in weighted_keys:
        for key, weight in zip(keys, weights, strict=True):
            if weight == 0:
                continue
            if first is not None and rows + weight > batch_size:
                yield first, last
                first, rows = None, 0
            if first is None:
                first = key
            last, rows = key, rows + weight
    if first is not None:
        yield first, last


def ordered_batches(table: pa.Table, order: list[str], batch_size: int) -> Iterator[pa.RecordBatch]:
    """The rows of one range, sorted by code point of the ``order`` columns, in batches of at most ``batch_size``."""
    if table.num_rows:
        ordered = table.sort_by([(name, "ascending") for name in order]).combine_chunks()
        yield from ordered.to_batches(max_chunksize=batch_size)
