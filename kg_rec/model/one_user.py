"""A model with another history of one user, made in little time: what others did is shared, not counted anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats32, Ints
from kg_rec.model.histories import left_out, weighed
from kg_rec.model.interacted import Interacted
from kg_rec.model.recommender import Recommender
from kg_rec.schema import RelationType
from kg_rec.snapshot import NO_TIME, EdgeTable
from kg_rec.snapshot.tables import own_times, positive


def with_history(model: Recommender, user: int, edges: EdgeTable) -> Recommender:
    """The same parameters with other interactions of one user.

    Its lists and explanations of this user are those of
    :meth:`~kg_rec.model.recommender.Recommender.with_interactions`, to the last bit.  They cost what the user did;
    what needs the interactions of all users joins them when it is asked for.

    Args:
        model: a trained model.
        user: dense index.
        edges: all interactions of the user, sorted by item, one an item.
    """
    snapshot, relation = model.snapshot, model.snapshot.schema.interaction
    joined = _Joined(snapshot.edges, relation, user, edges)
    found = model.over(snapshot.with_all_edges(joined))
    found.__dict__["interacted"] = _OneAnew(
        joined, relation, model.shape, model.chosen, before=model.interacted, user=user, own=edges
    )
    return found


@dataclass(frozen=True)
class _OneAnew(Interacted):
    """The interactions of all users, those of one of them anew.

    Attributes:
        before: with what the user did before.
        user: dense index.
        own: all interactions of the user now, sorted by item, one an item.
    """

    before: Interacted
    user: int
    own: EdgeTable

    @cached_property
    def histories(self) -> sparse.csr_array:
        """See :attr:`Interacted.histories`."""
        return _with_row(self.before.histories, self.user, self._history)

    @cached_property
    def seen(self) -> sparse.csr_array:
        """See :attr:`Interacted.seen`."""
        return _with_row(self.before.seen, self.user, self._seen)

    def histories_of(self, users: Ints) -> sparse.csr_array:
        """See :meth:`Interacted.histories_of`."""
        return self._history[np.zeros(len(users), np.int64)] if self._alone(users) else super().histories_of(users)

    def seen_of(self, users: Ints) -> sparse.csr_array:
        """See :meth:`Interacted.seen_of`."""
        return self._seen[np.zeros(len(users), np.int64)] if self._alone(users) else super().seen_of(users)

    def weights_of(self, users: Ints) -> tuple[Ints, Ints, Floats32]:
        """See :meth:`Interacted.weights_of`."""
        if not self._alone(users):
            return super().weights_of(users)
        own, count = self._history, len(users)
        return np.full(count, own.nnz), np.tile(own.indices.astype(np.int64), count), np.tile(own.data, count)

    def edges_of(self, users: Ints) -> EdgeTable:
        """See :meth:`Interacted.edges_of`."""
        if not self._alone(users):
            return super().edges_of(users)
        rows, count = np.arange(len(self.own)), len(users)
        return replace(self.own.take(np.tile(rows, count)), source=np.repeat(np.arange(count), len(rows)))

    def had(self, users: Ints, items: Ints) -> NDArray[np.bool_]:
        """See :meth:`Interacted.had`."""
        return np.isin(items, self.own.target) if self._alone(users) else super().had(users, items)

    @cached_property
    def likes(self) -> NDArray[np.int64]:
        """See :attr:`Interacted.likes`."""
        return self.before.likes - self._liked_before + self._liked

    def co_count(self, first: Ints, second: Ints) -> NDArray[np.int64]:
        """See :meth:`Interacted.co_count`."""
        before, now = self._liked_before, self._liked
        here = now[first].astype(np.int64) * now[second] - before[first].astype(np.int64) * before[second]
        return self.before.co_count(first, second) + here

    def _alone(self, users: Ints) -> bool:
        return bool((users == self.user).all())

    @cached_property
    def _own(self) -> EdgeTable:
        return replace(self.own, source=np.zeros(len(self.own), np.int64))

    @cached_property
    def _history(self) -> sparse.csr_array:
        return weighed(self._own, self.relation, (1, self.shape[1]), self.chosen)

    @cached_property
    def _seen(self) -> sparse.csr_array:
        return left_out(self._own, self.relation, (1, self.shape[1]))

    def liked_by(self, user: int) -> Ints:
        """See :meth:`Interacted.liked_by`."""
        return positive(self.own, self.relation).target if user == self.user else self.before.liked_by(user)

    @cached_property
    def _liked(self) -> NDArray[np.bool_]:
        """Which items the user likes now, shape (items,)."""
        return self._mask(self)

    @cached_property
    def _liked_before(self) -> NDArray[np.bool_]:
        """Which items the user liked before, shape (items,)."""
        return self._mask(self.before)

    def _mask(self, of: Interacted) -> NDArray[np.bool_]:
        found = np.zeros(self.shape[1], np.bool_)
        found[of.liked_by(self.user)] = True
        return found


class _Joined(Mapping[str, EdgeTable]):
    """The edges of a snapshot with other interactions of one user, joined when they are asked for.

    Args:
        edges: those of the snapshot.
        relation: the type of the interactions.
        user: dense index.
        own: all interactions of the user.
    """

    def __init__(self, edges: Mapping[str, EdgeTable], relation: RelationType, user: int, own: EdgeTable) -> None:
        self._edges, self._relation, self._user, self._own = edges, relation, user, own

    def __getitem__(self, name: str) -> EdgeTable:
        return self._interactions if name == self._relation.name else self._edges[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._edges)

    def __len__(self) -> int:
        return len(self._edges)

    @cached_property
    def _interactions(self) -> EdgeTable:
        return _replaced(self._edges[self._relation.name], self._user, self._own, self._relation)


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
