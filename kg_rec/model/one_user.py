"""A model with another history of one user, made in little time: what others did is shared, not counted anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Ints
from kg_rec.model.histories import histories, weighed
from kg_rec.model.recommender import Recommender
from kg_rec.schema import RelationType
from kg_rec.snapshot import NO_TIME, EdgeTable
from kg_rec.snapshot.tables import own_times, positive


def with_history(model: Recommender, user: int, edges: EdgeTable) -> Recommender:
    """The same parameters with other interactions of one user.

    Its lists and explanations of this user are those of
    :meth:`~kg_rec.model.recommender.Recommender.with_interactions`, to the last bit.

    Args:
        model: a trained model.
        user: dense index.
        edges: all interactions of the user, sorted by item, one an item.
    """
    relation, shape = model.snapshot.schema.interaction, (1, len(model.items))
    found = model.with_interactions(_replaced(model.snapshot.interactions, user, edges, relation))
    own = replace(edges, source=np.zeros(len(edges), np.int64))
    liked = positive(own, relation)
    row = weighed(own, relation, shape, model.chosen)
    found.__dict__["histories"] = _with_row(model.histories, user, row)
    found.__dict__["seen"] = _with_row(model.seen, user, histories(own, shape, 0))
    found.__dict__["users_of_items"] = _with_likes(model.users_of_items, user, liked.target)
    found.__dict__["_co_counts"] = None  # counted where they are asked for: those of the model are without this user
    return found


def _replaced(edges: EdgeTable, user: int, by: EdgeTable, relation: RelationType) -> EdgeTable:
    """All edges, with others in the place of the user's; an edge without a weight counts as :func:`positive` says."""
    first, last = np.searchsorted(edges.source, [user, user + 1])
    unweighted = np.nan if relation.positive_from is None else relation.positive_from

    def joined(column: NDArray[Any] | None, new: NDArray[Any] | None, missing: float) -> NDArray[Any] | None:
        if column is None:
            if new is None:
                return None
            column = np.full(len(edges), missing, new.dtype)
        new = np.full(len(by), missing, column.dtype) if new is None else new
        return np.concatenate([column[:first], new, column[last:]])

    source = np.concatenate([edges.source[:first], by.source, edges.source[last:]])
    target = np.concatenate([edges.target[:first], by.target, edges.target[last:]])
    weight, time = joined(edges.weight, by.weight, unweighted), joined(edges.time, by.time, NO_TIME)
    times = None
    if edges.times is not None:
        times = pa.concat_arrays([edges.times[:first], own_times(by), edges.times[last:]])
    return EdgeTable(source, target, weight, time, times)


def _with_row(matrix: sparse.csr_array, row: int, new: sparse.csr_array) -> sparse.csr_array:
    """The matrix with another row; ``new`` has shape (1, columns)."""
    first, last = matrix.indptr[row], matrix.indptr[row + 1]
    data = np.concatenate([matrix.data[:first], new.data, matrix.data[last:]])
    indices = np.concatenate([matrix.indices[:first], new.indices.astype(matrix.indices.dtype), matrix.indices[last:]])
    indptr = matrix.indptr.copy()
    indptr[row + 1 :] += len(new.data) - (last - first)
    return sparse.csr_array((data, indices, indptr), shape=matrix.shape)


def _with_likes(users_of_items: sparse.csc_array, user: int, liked: Ints) -> sparse.csc_array:
    """The matrix of ones with a user in the columns of other items.

    Args:
        users_of_items: CSC, shape (users, items), users sorted in each column.
        user: dense index.
        liked: dense indices of the items that the user likes, sorted.
    """
    old, indptr = users_of_items, users_of_items.indptr
    before = np.flatnonzero(old.indices == user)
    columns = np.searchsorted(indptr, before, "right") - 1
    gone = before[~np.isin(columns, liked)]
    come = np.setdiff1d(liked, columns)
    places = [indptr[i] + np.searchsorted(old.indices[indptr[i] : indptr[i + 1]], user) for i in come.tolist()]
    indices = np.insert(old.indices, places, user)
    gone += np.searchsorted(np.asarray(places), gone, "right")
    indices = np.delete(indices, gone)
    change = np.zeros(old.shape[1] + 1, indptr.dtype)
    np.add.at(change, come + 1, 1)
    np.add.at(change, np.setdiff1d(columns, liked) + 1, -1)
    shape = old.shape
    return sparse.csc_array((np.ones(len(indices), old.data.dtype), indices, indptr + np.cumsum(change)), shape=shape)
