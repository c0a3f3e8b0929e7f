"""One user's list under changed circumstances: the parts that counterfactuals and what-ifs share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.model.histories import histories, left_out, ranks_from_latest
from kg_rec.model.recommender import Recommender, positions
from kg_rec.snapshot import EdgeTable, positive
from kg_rec.snapshot.tables import counts_against


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in a list.

    Attributes:
        rank: from 1.
        item: key.
        name: name as shown to people; data from the graph.
        score: the model's score.
    """

    rank: int
    item: str
    name: str
    score: float


@dataclass(frozen=True)
class UserList:
    """One user's history and candidates, scored by a model.

    Attributes:
        model: the model.
        edges: the user's positive interactions, latest first; sources are 0.
        had: dense indices of everything the user interacted with.
        disliked: dense indices of what the user said not to like, which weighs against.
        allowed: items that may be listed, also by the model's rules, boolean, shape (items,).
    """

    model: Recommender
    edges: EdgeTable
    had: frozenset[int]
    disliked: frozenset[int]
    allowed: NDArray[np.bool_]

    @classmethod
    def of(cls, model: Recommender, user: str, candidates: Sequence[str] | None) -> UserList:
        """The view of a user.

        Args:
            model: the model.
            user: user key.
            candidates: keys of the items allowed besides those the user had; None allows all.

        Raises:
            NotFoundError: the user or a candidate is unknown.
        """
        index = model.users.index(user)
        every = model.snapshot.interactions
        start, end = np.searchsorted(every.source, [index, index + 1])
        own, relation = every.take(np.arange(start, end)), model.snapshot.schema.interaction
        liked, disliked = positive(own, relation), own.target[counts_against(own, relation)]
        liked = replace(liked, source=np.zeros(len(liked), np.int64))
        had = np.asarray(every.target[start:end])
        allowed = np.full(len(model.items), candidates is None)
        allowed[positions(model.items, candidates or ())] = True
        allowed[left_out(own, relation, model.shape).indices] = False
        allowed &= model.shown.to(index)
        if model.stated is not None:
            allowed &= model.stated.allowed
        latest_first = liked.take(np.argsort(ranks_from_latest(liked)))
        return cls(model, latest_first, frozenset(had.tolist()), frozenset(disliked.tolist()), allowed)

    def having(self, items: NDArray[np.int64]) -> UserList:
        """The same once the user has some items: they are no candidates then, unless items are had again."""
        if self.model.snapshot.schema.interaction.again:
            return self
        allowed = self.allowed.copy()
        allowed[items] = False
        return replace(self, allowed=allowed)

    def row(self, edges: EdgeTable) -> sparse.csr_array:
        """a_uj of some interactions, CSR, shape (1, items)."""
        choices, shape = self.model.chosen, (1, len(self.model.items))
        rows = histories(edges, shape, choices.recency, choices.rating)
        against = np.array(sorted(self.disliked - set(edges.target.tolist())), np.int64)
        if not len(against) or not choices.against:
            return rows
        cells = (np.full(len(against), -choices.against, np.float32), (np.zeros(len(against), np.int64), against))
        return sparse.csr_array(rows + sparse.csr_array(cells, shape=shape))

    def scores(self, edges: EdgeTable) -> NDArray[np.float64]:
        """Scores of all items for some interactions, shape (items,)."""
        scores: NDArray[np.float64] = self.model.scores_of(self.row(edges), self.model.again_in(edges, 1))[0]
        return scores

    def rank(self, scores: NDArray[np.float64], item: int) -> int | None:
        """Rank among the items that may be listed, equal scores by index; None for another item."""
        if not self.allowed[item]:
            return None
        ahead = (scores > scores[item]) | ((scores == scores[item]) & (np.arange(len(scores)) < item))
        return 1 + int((ahead & self.allowed).sum())

    def top(self, scores: NDArray[np.float64], k: int) -> tuple[Entry, ...]:
        """The k best candidates."""
        candidates = np.flatnonzero(self.allowed)
        best = candidates[np.lexsort((candidates, -scores[candidates]))[:k]].tolist()
        key = self.model.items.key
        return tuple(Entry(n, key(i), self.name(i), float(scores[i])) for n, i in enumerate(best, start=1))

    def name(self, item: int) -> str:
        """An item's name as shown to people."""
        return self.model.snapshot.name(self.model.snapshot.schema.item.name, item)
