"""Batch recommendation: top-k lists for users, streamed in Arrow batches to a sink.

Sinks are Parquet, JSON Lines, and the store itself (``--write-back``): a relation type ``RECOMMENDED`` of the schema
from user to item with the properties run, rank and score.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kg_rec.errors import ConfigError, SchemaError
from kg_rec.model.recommender import Recommender, positions
from kg_rec.schema import GraphSchema
from kg_rec.store.base import GraphStore, Progress, no_progress

#: Columns of a recommendation table.
FIELDS = pa.schema(
    [("user", pa.string()), ("rank", pa.int32()), ("item", pa.string()), ("name", pa.string()), ("score", pa.float64())]
)
_RECOMMENDED = "RECOMMENDED"


def recommend(
    model: Recommender,
    users: Sequence[str] | None = None,
    k: int = 10,
    *,
    candidates: Sequence[str] | None = None,
    batch_users: int = 1024,
    progress: Progress = no_progress,
) -> Iterator[pa.RecordBatch]:
    """Top-k lists, excluding what each user already had.

    Args:
        model: a trained model.
        users: user keys; None for all users, in key order.
        k: list length; a user with fewer rankable items gets a shorter list.
        candidates: keys of the items allowed; None allows all.
        batch_users: users scored at a time; bounds memory to batch_users x items.
        progress: called per batch with users done.

    Yields:
        Batches of :data:`FIELDS`, ranks from 1.

    Raises:
        NotFoundError: a user or candidate is unknown; raised before the first batch.
        ConfigError: k is below 1.
    """
    if k < 1:
        raise ConfigError(f"expected k of at least 1, got {k}")
    rows = np.arange(len(model.users)) if users is None else positions(model.users, users)
    allowed: NDArray[np.bool_] | None = None
    if candidates is not None:
        allowed = np.zeros(len(model.items), dtype=bool)
        allowed[positions(model.items, candidates)] = True
    return _batches(model, rows, k, allowed, batch_users, progress)


def _batches(
    model: Recommender,
    rows: NDArray[np.int64],
    k: int,
    allowed: NDArray[np.bool_] | None,
    size: int,
    progress: Progress,
) -> Iterator[pa.RecordBatch]:
    keys, names = model.items.keys, model.snapshot.names(model.snapshot.schema.item.name)
    for start in range(0, len(rows), size):
        progress(start, len(rows), "recommend")
        part = rows[start : start + size]
        top, scores = model.rank(part, k, allowed)
        filled = top >= 0
        items = pa.array(top[filled])
        ranks = np.broadcast_to(np.arange(1, top.shape[1] + 1, dtype=np.int32), top.shape)[filled]
        users = model.users.keys.take(pa.array(np.repeat(part, filled.sum(axis=1))))
        columns = [users, pa.array(ranks), keys.take(items), names.take(items), pa.array(scores[filled])]
        yield pa.record_batch(columns, schema=FIELDS)
    progress(len(rows), len(rows), "recommend")


def write_file(batches: Iterator[pa.RecordBatch], path: str | Path) -> int:
    """Write batches to ``*.parquet``, or to ``*.jsonl`` with one JSON object per line; returns the number of rows.

    The file appears only when it is complete.

    Raises:
        ConfigError: the name ends otherwise, or its folder does not exist.
    """
    target = Path(path)
    writers = {".parquet": _parquet, ".jsonl": _json_lines}
    if target.suffix not in writers:
        raise ConfigError(f"expected a file name ending in .parquet or .jsonl, got {target.name}")
    if not target.parent.is_dir():
        raise ConfigError(f"expected a folder {target.parent} to write {target.name} into; create it")
    partial = target.with_name(f".{target.name}.partial")
    try:
        rows = writers[target.suffix](batches, partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _parquet(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    rows = 0
    with pq.ParquetWriter(path, FIELDS) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += len(batch)
    return rows


def _json_lines(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        for batch in batches:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())
            rows += len(batch)
    return rows


def write_back(store: GraphStore, batches: Iterator[pa.RecordBatch], run: str) -> int:
    """Write recommendations into the store as ``RECOMMENDED`` edges; returns their number.

    An edge of an earlier run between the same user and item is replaced; others stay and carry their own ``run``.

    Raises:
        SchemaError: the store's schema has no fitting relation type ``RECOMMENDED``.
    """
    check_write_back(store.schema())
    rows = 0
    for batch in batches:
        columns = {
            "source": batch.column("user"),
            "target": batch.column("item"),
            "run": pa.array([run] * len(batch), pa.string()),
            "rank": batch.column("rank").cast(pa.int64()),
            "score": batch.column("score"),
        }
        rows += store.write_edges(_RECOMMENDED, pa.table(columns))
    return rows


def check_write_back(schema: GraphSchema) -> None:
    """Raise SchemaError unless the schema has ``RECOMMENDED`` from user to item with run, rank and score."""
    relation = schema.relation_types.get(_RECOMMENDED)
    ends = None if relation is None else (relation.source, relation.target)
    properties = set() if relation is None else {p.name for p in relation.properties}
    if ends != (schema.user.name, schema.item.name) or not {"run", "rank", "score"} <= properties:
        raise SchemaError(
            f"schema {schema.name}: to write back, add a kr:RelationType {_RECOMMENDED} from {schema.user.name} to "
            f"{schema.item.name} with the properties run (xsd:string), rank (xsd:integer) and score (xsd:double)"
        )
