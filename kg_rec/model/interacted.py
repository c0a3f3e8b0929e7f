"""Who did what, as a model weighs it: the histories of its users, and who liked both of two items."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import bounds_of, lengths_of, ranges, rows_of, stored
from kg_rec.arrays.types import Floats32, Ints
from kg_rec.model.chosen import Chosen
from kg_rec.model.histories import edges_of, histories, left_out, weighed
from kg_rec.model.kernel import DENSE
from kg_rec.schema import RelationType
from kg_rec.snapshot import EdgeTable, positive

#: Up to so many pairs of likes of one user, all items of a small catalogue are counted together at once.
_ALL = 100_000_000
#: Up to so many looks at a user, items are counted together one after the other.
_FEW = 1 << 18
#: Counts that are kept of catalogues too large to keep all of them, and the least rows of them that are worth it.
_KEPT, _LEAST_ROWS = 1 << 24, 512


@dataclass(frozen=True)
class Interacted:
    """What is asked of all interactions; each matrix is made on first use.

    Attributes:
        every: edges by relation type, each sorted by source and target, one a pair.
        relation: the type of the interactions.
        shape: (users, items).
        chosen: how a model weighs them.
    """

    every: Mapping[str, EdgeTable]
    relation: RelationType
    shape: tuple[int, int]
    chosen: Chosen

    @property
    def edges(self) -> EdgeTable:
        """All interactions."""
        return self.every[self.relation.name]

    @cached_property
    def histories(self) -> sparse.csr_array:
        """a_uj of every user, CSR, shape (users, items); below 0 for what speaks against."""
        return weighed(self.edges, self.relation, self.shape, self.chosen)

    @cached_property
    def seen(self) -> sparse.csr_array:
        """What no list shows to a user, CSR, shape (users, items); see :func:`~kg_rec.model.histories.left_out`."""
        return left_out(self.edges, self.relation, self.shape)

    @cached_property
    def _everything(self) -> sparse.csr_array:
        """Everything a user interacted with, liked or not, CSR, shape (users, items)."""
        return histories(self.edges, self.shape, 0) if self.relation.again else self.seen

    @cached_property
    def users_of_items(self) -> sparse.csc_array:
        """Who liked what, binary CSC, shape (users, items): column i lists the users who liked item i."""
        return histories(positive(self.edges, self.relation), self.shape, 0).tocsc()

    def histories_of(self, users: Ints) -> sparse.csr_array:
        """a_uj of some users by dense index, CSR, shape (len(users), items)."""
        return rows_of(self.histories, users)

    def seen_of(self, users: Ints) -> sparse.csr_array:
        """:attr:`seen` of some users, CSR, shape (len(users), items)."""
        return rows_of(self.seen, users)

    def edges_of(self, users: Ints) -> EdgeTable:
        """Everything that some users did; the first of them is 0 in ``source``, the next 1, and so on."""
        return edges_of(self.edges, users)

    def weights_of(self, users: Ints) -> tuple[Ints, Ints, Floats32]:
        """a_uj of some users, one user after the other: how many each has, the items, and the weights."""
        lengths = lengths_of(self.histories, users)
        cells = ranges(self.histories.indptr[users], lengths)
        return lengths, self.histories.indices[cells].astype(np.int64), self.histories.data[cells]

    def had(self, users: Ints, items: Ints) -> NDArray[np.bool_]:
        """Whether users[n] interacted with items[n], shape (n,)."""
        return stored(self._everything, users, items)

    def liked_by(self, user: int) -> Ints:
        """The items that a user likes, by dense index, ascending."""
        edges = self.edges
        own = edges.take(np.arange(*np.searchsorted(edges.source, [user, user + 1])))
        return positive(own, self.relation).target

    @cached_property
    def likes(self) -> NDArray[np.int64]:
        """How many users liked each item, shape (items,)."""
        found: NDArray[np.int64] = np.diff(self.users_of_items.indptr).astype(np.int64)
        return found

    def co_count(self, first: Ints, second: Ints) -> NDArray[np.int64]:
        """How many users liked both first[n] and second[n], by dense indices, shape as theirs."""
        if self._co_counts is None and self.shape[1] * _LEAST_ROWS <= _KEPT:
            return self._from_rows(first, second)
        if self._co_counts is None:
            rows, row = np.unique(second, return_inverse=True)
            columns, column = np.unique(first, return_inverse=True)
            few = len(rows) * int(self.likes[columns].sum()) <= _FEW
            together = _together_few if few else _together
            return together(self.users_of_items, rows, columns)[row, column].astype(np.int64)
        counts, known = self._co_counts
        missing = np.unique(second[~known[second]])
        if len(missing):
            counts[missing] = _together(self.users_of_items, missing, np.arange(self.shape[1]))
            known[missing] = True
        return counts.ravel().take(second * self.shape[1] + first).astype(np.int64)

    def _from_rows(self, first: Ints, second: Ints) -> NDArray[np.int64]:
        """:meth:`co_count` from rows that are kept: those of items that are recommended often are there."""
        order = second.argsort(kind="stable")
        rows, asked, found = second[order], first[order], np.empty(len(first), np.int64)
        others = ((rows[1:] != rows[:-1]).nonzero()[0] + 1).tolist()
        for start, stop in pairwise([0, *others, len(rows)] if len(rows) else []):
            found[order[start:stop]] = self._row(int(rows[start])).take(asked[start:stop])
        return found

    def _row(self, item: int) -> NDArray[np.int32]:
        """How many users liked both an item and each other one, shape (items,); any number of threads may ask."""
        kept = self._rows.pop(item, None)
        if kept is None:
            liked, users = self._liked_rows, self.users_of_items
            who = users.indices[users.indptr[item] : users.indptr[item + 1]]
            cells = ranges(liked.indptr[who], lengths_of(liked, who))
            kept = np.bincount(liked.indices[cells], minlength=self.shape[1]).astype(np.int32)
            while len(self._rows) * self.shape[1] >= _KEPT:
                self._rows.popitem(last=False)
        self._rows[item] = kept  # the last to be let go
        return kept

    @cached_property
    def _rows(self) -> OrderedDict[int, NDArray[np.int32]]:
        """Rows of :meth:`co_count` by second item, what was asked for last at the end."""
        return OrderedDict()

    @cached_property
    def _liked_rows(self) -> sparse.csr_array:
        """:attr:`users_of_items` by user, CSR."""
        return self.users_of_items.tocsr()

    @cached_property
    def _co_counts(self) -> tuple[NDArray[np.int32], NDArray[np.bool_]] | None:
        """Rows of :meth:`co_count` for all second items, and which of them are filled; None for large catalogues."""
        n = self.shape[1]
        if n <= DENSE and int((np.bincount(self.users_of_items.indices).astype(np.int64) ** 2).sum()) <= _ALL:
            every = np.arange(n)
            return _together(self.users_of_items, every, every), np.ones(n, np.bool_)
        return (np.zeros((n, n), np.int32), np.zeros(n, np.bool_)) if n <= DENSE else None


def _together(users_of_items: sparse.csc_array, items: Ints, others: Ints) -> NDArray[np.int32]:
    """How many users liked each of ``items`` and each of ``others``, shape (len(items), len(others))."""
    one, other = (users_of_items[:, chosen].astype(np.int32) for chosen in (items, others))
    return np.asarray((one.T @ other.tocsr()).toarray(), dtype=np.int32)


def _together_few(users_of_items: sparse.csc_array, items: Ints, others: Ints) -> NDArray[np.int32]:
    """The same without a step over all users, for a few items that few users liked."""
    indptr, indices = users_of_items.indptr, users_of_items.indices
    lengths = lengths_of(users_of_items, others)
    users, bounds = indices[ranges(indptr[others], lengths)], bounds_of(lengths)
    found, liked = np.empty((len(items), len(others)), np.int32), np.zeros(users_of_items.shape[0], np.bool_)
    counted = np.zeros(len(users) + 1, np.int32)
    for row, (start, stop) in enumerate(zip(indptr[items].tolist(), indptr[items + 1].tolist(), strict=True)):
        liked[indices[start:stop]] = True
        np.cumsum(liked[users], out=counted[1:])
        found[row] = counted[bounds[1:]] - counted[bounds[:-1]]
        liked[indices[start:stop]] = False
    return found
