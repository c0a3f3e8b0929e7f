"""Batch recommendation: top-k lists for users, streamed in Arrow batches; and items that are like an item.

What has to survive a kill, or goes into the graph, is a job: :mod:`kg_rec.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import ConfigError
from kg_rec.model.recommender import Recommender, positions
from kg_rec.progress import Progress, no_progress

#: Columns of a recommendation table.
FIELDS = pa.schema(
    [("user", pa.string()), ("rank", pa.int32()), ("item", pa.string()), ("name", pa.string()), ("score", pa.float64())]
)


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
        batch_users: users per Arrow batch; their scores are held in blocks of bounded size.
        progress: called per batch with users done.

    Yields:
        Batches of :data:`FIELDS`, ranks from 1.

    Raises:
        NotFoundError: a user or candidate is unknown; raised before the first batch.
        ConfigError: k is below 1.
    """
    _check_length(k)
    rows = np.arange(len(model.users)) if users is None else positions(model.users, users)
    allowed: NDArray[np.bool_] | None = None
    if candidates is not None:
        allowed = np.zeros(len(model.items), dtype=bool)
        allowed[positions(model.items, candidates)] = True
    return in_batches(rows, batch_users, lambda part: lists_table(model, part, *model.rank(part, k, allowed)), progress)


def in_batches(
    users: NDArray[np.int64],
    size: int,
    lists: Callable[[NDArray[np.int64]], pa.RecordBatch],
    progress: Progress = no_progress,
) -> Iterator[pa.RecordBatch]:
    """The lists of some users, in batches.

    Args:
        users: dense indices.
        size: users of a batch.
        lists: makes those of a batch.
        progress: called per batch with users done.
    """
    for start in range(0, len(users), size):
        progress(start, len(users), "recommend")
        yield lists(users[start : start + size])
    progress(len(users), len(users), "recommend")


def lists_table(
    model: Recommender, users: NDArray[np.int64], top: NDArray[np.int64], scores: NDArray[np.float64]
) -> pa.RecordBatch:
    """Ranked items as rows of :data:`FIELDS`, user by user.

    Args:
        model: for the keys and names.
        users: dense indices, shape (b,).
        top: dense indices of the items, -1 for none, shape (b, k).
        scores: theirs, shape (b, k).
    """
    keys, names = model.items.keys, model.snapshot.names(model.snapshot.schema.item.name)
    filled = top >= 0
    items = pa.array(top[filled])
    ranks = np.broadcast_to(np.arange(1, top.shape[1] + 1, dtype=np.int32), top.shape)[filled]
    who = model.users.keys.take(pa.array(np.repeat(users, filled.sum(axis=1))))
    columns = [who, pa.array(ranks), keys.take(items), names.take(items), pa.array(scores[filled])]
    return pa.record_batch(columns, schema=FIELDS)


def similar(model: Recommender, item: str, k: int = 10) -> pa.Table:
    """Items that most support one another: the list of a user who had only this item, without what all users get.

    Args:
        model: a trained model.
        item: key of an item.
        k: list length; items that the item does not speak for are left out, and those that somebody unknown may not
            be shown.

    Returns:
        Columns ``rank``, ``item``, ``name``, ``score``, then a column a channel; the channels add up to the score.

    Raises:
        NotFoundError: the item is unknown.
        ConfigError: k is below 1.
    """
    _check_length(k)
    place = model.items.index(item)
    row = sparse.csr_array(([np.float32(1)], ([0], [place])), shape=(1, len(model.items)))
    values = {c.name: c.kernel.scores(row)[0].astype(np.float64) * c.weight for c in model.channels}
    total = np.sum([np.zeros(len(model.items)), *values.values()], axis=0)
    total[place] = -np.inf
    total[~model.shown.to(None)] = -np.inf
    best = np.argsort(-total, kind="stable")[:k]
    best = best[total[best] > 0]
    names = model.snapshot.names(model.snapshot.schema.item.name)
    columns = {"rank": pa.array(np.arange(1, len(best) + 1, dtype=np.int32))}
    columns |= {"item": model.items.keys.take(pa.array(best)), "name": names.take(pa.array(best))}
    columns |= {"score": pa.array(total[best]), **{name: pa.array(value[best]) for name, value in values.items()}}
    return pa.table(columns)


def _check_length(k: int) -> None:
    if k < 1:
        raise ConfigError(f"expected k of at least 1, got {k}")
