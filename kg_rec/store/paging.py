"""Keyset paging shared by the stores: runs of keys that hold about as many rows as one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def key_runs(weighted_keys: Iterable[tuple[list[str], list[int]]], batch_size: int) -> Iterator[list[str]]:
    """Split keys into runs of at most ``batch_size`` rows.

    Args:
        weighted_keys: pages of (keys in order, number of rows of each key).
        batch_size: most rows in a run; a single key with more rows makes a run of its own.

    Yields:
        The keys of each run that have rows, in order.
    """
    run: list[str] = []
    rows = 0
    for keys, weights in weighted_keys:
        for key, weight in zip(keys, weights, strict=True):
            if weight == 0:
                continue
            if run and rows + weight > batch_size:
                yield run
                run, rows = [], 0
            run.append(key)
            rows += weight
    if run:
        yield run


def in_order(table: pa.Table, order: list[str]) -> pa.Table:
    """The rows of one run in one piece, sorted by code point of the ``order`` columns."""
    return table.sort_by([(name, "ascending") for name in order]).combine_chunks()
