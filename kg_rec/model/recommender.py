"""The model: an additive score over a user's interactions, and its exact parts.

    s(u, i) = b_i + sum_j a_uj sum_c lambda_c(i) K_c(j, i) + r(u, i)

j runs over the items the user interacted with, c over the channels; r is not 0 for items that the user had and may have
again (:mod:`kg_rec.model.again`).  A user has no trained vector, so a new
interaction, a new user and a deletion take effect with the next call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import bounds_of, sums
from kg_rec.arrays.topk import masked, topk_candidates, topk_sorted
from kg_rec.arrays.types import Floats32
from kg_rec.errors import ConfigError, ModelError
from kg_rec.model.adapt import adapted
from kg_rec.model.again import Again, Habits
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import ColdItems, Similarity
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import Fashion
from kg_rec.model.interacted import Interacted
from kg_rec.model.item_paths import GatedPaths, Links, links
from kg_rec.model.kernel import Kernel, MatrixKernel
from kg_rec.model.mapped import MappedOperator
from kg_rec.model.operator import Operator
from kg_rec.model.packing import Compression
from kg_rec.model.shown import Shown, shown_of
from kg_rec.model.stated import Stated
from kg_rec.snapshot import EdgeTable, IdMap, Snapshot, positive

#: Catalogues up to this size, and those with a dense kernel, score with one dense matrix of 8 n^2 bytes.
_MERGE = 5_000
#: What is computed once and does not depend on interactions.
_LASTING = ("_merged", "_operator", "links", "likeness", "shown")
#: Scores held at a time while lists are made.
_CELLS = 1 << 22


@dataclass(frozen=True)
class Channel:
    """One part of the score.

    Attributes:
        name: of a registered channel, such as ``taste``.
        kernel: K_c.
        weight: lambda_c per item, shape (n,): it holds the fusion weight of warm or cold items, the channel's unit
            and its popularity scaling.
    """

    name: str
    kernel: Kernel
    weight: Floats32


@dataclass(frozen=True)
class Contributions:
    """The addends of one score.

    Attributes:
        base: b_i.
        sources: dense indices j of the interactions, int64, shape (m,).
        weights: a_uj, shape (m,); below 0 for what speaks against.
        values: per channel, a_uj lambda_c(i) K_c(j, i), float64, shape (m,); and under ``again`` r(u, i), at j = i.
    """

    base: float
    sources: NDArray[np.int64]
    weights: Floats32
    values: Mapping[str, NDArray[np.float64]]

    @property
    def score(self) -> float:
        """base plus all values."""
        return self.base + float(sum(v.sum() for v in self.values.values()))


@dataclass(frozen=True)
class Addends:
    """The addends of many scores, one pair of user and item after the other.

    Attributes:
        users: dense indices, int64, shape (pairs,).
        items: dense indices, int64, shape (pairs,).
        base: b_i, float64, shape (pairs,).
        bounds: the addends of pair p are ``bounds[p]:bounds[p + 1]``; int64, shape (pairs + 1,).
        pairs: the pair of each addend, int64, shape (n,).
        sources: dense indices j of the interactions, int64, shape (n,).
        weights: a_uj, shape (n,).
        values: per channel, a_uj lambda_c(i) K_c(j, i), float64, shape (n,); and under ``again`` r(u, i), at j = i.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    base: NDArray[np.float64]
    bounds: NDArray[np.int64]
    pairs: NDArray[np.int64]
    sources: NDArray[np.int64]
    weights: Floats32
    values: Mapping[str, NDArray[np.float64]]

    @cached_property
    def totals(self) -> Mapping[str, NDArray[np.float64]]:
        """What each channel adds to the scores, shape (pairs,)."""
        return {channel: sums(values, self.pairs, len(self.users)) for channel, values in self.values.items()}

    def sums(self) -> NDArray[np.float64]:
        """The scores, shape (pairs,)."""
        total = self.base.copy()
        for part in self.totals.values():
            total += part
        return total


@dataclass(frozen=True)
class Recommender:
    """A trained model over a snapshot's users.

    Attributes:
        snapshot: the graph: its users' interactions are the histories.
        config: what it was trained with.
        chosen: what was chosen on validation.
        channels: the parts of the score.
        base: b_i, or b_i(t) where it says what is in fashion, shape (n,).
        cold: True for items without interactions in training, shape (n,).
        shared: the paths that the knowledge channel is the sum of, by relation type; none without that channel.
        similarity: the kernel k of text and graph, by which items without interactions are placed.
        regression: how cold items got their relational embedding; None if there were none to learn from.
        text: unit text embeddings of the items as encoded, or None.
        fashion: the part of ``base`` that says what is in fashion at the time of the list; None where it is off.
        again: r, what users have again and again at the time of the list; None where it is off.
        compression: how it was made small (:mod:`kg_rec.model.compression`); None if it was not.
        mapped: its parts stay in the file that holds them, and lists are made without a copy of them.
        stated: the part of ``base`` that says what one user said of themselves; lists and scores are then that user's
            alone.  None in all models but those of :meth:`stating`.
    """

    snapshot: Snapshot
    config: TrainConfig
    chosen: Chosen
    channels: tuple[Channel, ...]
    base: Floats32
    cold: NDArray[np.bool_]
    shared: tuple[GatedPaths, ...]
    similarity: Similarity
    regression: ColdItems | None
    text: Floats32 | None
    fashion: Fashion | None = None
    again: Again | None = None
    compression: Compression | None = None
    mapped: bool = False
    stated: Stated | None = None

    @property
    def users(self) -> IdMap:
        """Id map of the users."""
        return self.snapshot.users

    @property
    def items(self) -> IdMap:
        """Id map of the items."""
        return self.snapshot.items

    @property
    def shape(self) -> tuple[int, int]:
        """(users, items)."""
        return len(self.users), len(self.items)

    @cached_property
    def interacted(self) -> Interacted:
        """Who did what, as the model weighs it."""
        snapshot = self.snapshot
        return Interacted(snapshot.edges, snapshot.schema.interaction, self.shape, self.chosen)

    @property
    def histories(self) -> sparse.csr_array:
        """a_uj of every user, CSR, shape (users, items); below 0 for what speaks against."""
        return self.interacted.histories

    @property
    def seen(self) -> sparse.csr_array:
        """What no list shows to a user, CSR, shape (users, items); see :func:`~kg_rec.model.histories.left_out`."""
        return self.interacted.seen

    @property
    def users_of_items(self) -> sparse.csc_array:
        """Who liked what, binary CSC, shape (users, items): column i lists the users who liked item i."""
        return self.interacted.users_of_items

    @cached_property
    def shown(self) -> Shown:
        """Who may be shown what by the model's rules.

        Raises:
            ConfigError: a rule does not fit the graph.
        """
        return shown_of(self.config.shown, self.snapshot, self.config.blocked)

    @cached_property
    def _merged(self) -> NDArray[np.float64] | None:
        n = len(self.items)
        if self.mapped:
            return None
        kernels = [c.kernel for c in self.channels]
        if n > _MERGE and not any(isinstance(k, MatrixKernel) and isinstance(k.matrix, np.ndarray) for k in kernels):
            return None
        total = np.zeros((n, n))
        identity = sparse.csr_array(sparse.eye_array(n))
        for channel in self.channels:
            weight = channel.weight.astype(np.float64)
            for start in range(0, n, max(_MERGE, 1)):
                block = slice(start, start + max(_MERGE, 1))
                total[block] += channel.kernel.scores(identity[block]) * weight
        return total

    @cached_property
    def _operator(self) -> Operator | MappedOperator:
        parts = [(c.kernel, c.weight) for c in self.channels]
        return MappedOperator.of(parts, self.base) if self.mapped else Operator.of(parts, self.base)

    def with_snapshot(self, snapshot: Snapshot) -> Recommender:
        """The same parameters for another state of the graph; see :mod:`kg_rec.model.adapt`.

        Users, items, facts and interactions are those of ``snapshot``.  Everything learned stays as in training:
        degrees, norms, the embeddings of known items; so a fact that is gone takes exactly what it added to scores
        with it.  One line is logged where items came or went.  Call this on the model as it was trained: a fact that
        comes back after a call without it counts as a new one.

        Raises:
            ModelError: a relation type of the model is not in the schema, train again; or the model has something that
                a user said in its base.
        """
        self.refuse_stated()
        found = adapted(self, snapshot)
        if found.again is not None:
            found = replace(found, again=found.again.over(snapshot.liked()))
        return found if found.fashion is None else found._dressed(found.fashion.over(snapshot.liked()))

    def with_interactions(self, edges: EdgeTable) -> Recommender:
        """The same parameters with other interactions of the same users and items.

        The base and the time of the list stay, so that what is asked about one history does not change what is in
        fashion; :meth:`at` and :meth:`with_snapshot` count that anew.
        """
        return self.over(self.snapshot.with_edges(self.snapshot.schema.interaction.name, edges))

    def over(self, snapshot: Snapshot) -> Recommender:
        """The same parameters over a snapshot that differs in its interactions alone."""
        found = replace(self, snapshot=snapshot)
        found.__dict__.update({name: self.__dict__[name] for name in _LASTING if name in self.__dict__})
        return found

    def at(self, moment: int | None) -> Recommender:
        """The same model for lists made at another time: what came into fashion from then on does not count.

        Args:
            moment: in Unix seconds; None for just after the newest interaction.
        """
        found = self
        if found.again is not None:
            found = found._based(replace(found, again=found.again.at(moment, self.snapshot.liked())))
        if found.fashion is None:
            return found
        return found._dressed(replace(found.fashion, moment=moment).over(self.snapshot.liked()))

    def stating(self, stated: Stated) -> Recommender:
        """The same model for one user, with what the user said of themselves in base and lists; not to be saved.

        Raises:
            ModelError: there is something said in it already.
        """
        self.refuse_stated()
        return self._based(replace(self, stated=stated, base=(self.base + stated.total).astype(np.float32)))

    def refuse_stated(self) -> None:
        """For what needs the model of everybody.

        Raises:
            ModelError: it is that of one user, with what the user said.
        """
        if self.stated is not None:
            raise ModelError("expected the model as it was trained, got that of one user with what the user said")

    def _dressed(self, fashion: Fashion) -> Recommender:
        """The same with another fashion, and the base that goes with it."""
        base = fashion.base if self.stated is None else (fashion.base + self.stated.total).astype(np.float32)
        return self._based(replace(self, fashion=fashion, base=base))

    def _based(self, found: Recommender) -> Recommender:
        """A copy that differs in the base alone, with all that was computed for this model."""
        found.__dict__.update({name: value for name, value in self.__dict__.items() if name not in found.__dict__})
        if "_operator" in self.__dict__:
            found.__dict__["_operator"] = replace(self._operator, base=found.base.astype(np.float64))
        return found

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float64]:
        """s(u, i) for users by dense index: float64, shape (len(users), items)."""
        return self.scores_of(self.interacted.histories_of(users), self.again_of(users))

    def again_of(self, users: NDArray[np.int64]) -> sparse.csr_array | None:
        """r of some users by dense index, CSR, shape (len(users), items); None where it is off."""
        return None if self.again is None else self.again_in(self.interacted.edges_of(users), len(users))

    def again_in(self, edges: EdgeTable, users: int) -> sparse.csr_array | None:
        """r of any interactions, liked or not, of users from 0 on, CSR, shape (users, items); None where it is off."""
        return None if self.again is None else self._repeated(self.again, edges, users)

    def _repeated(self, again: Again, edges: EdgeTable, users: int) -> sparse.csr_array:
        return again.matrix(positive(edges, self.snapshot.schema.interaction), (users, len(self.items)))

    def habit(self, user: int, item: int) -> Habits | None:
        """How a user has an item again, by dense indices, one entry; None where that is off, or there is no time."""
        if self.again is None:
            return None
        own = positive(self.interacted.edges_of(np.array([user])), self.snapshot.schema.interaction)
        habits = Habits.of(own.take(own.target == item), self.again.until)
        return habits if len(habits.count) and habits.count[0] else None

    def scores_of(self, rows: sparse.csr_array, again: sparse.csr_array | None = None) -> NDArray[np.float64]:
        """Scores for any histories, not only those of the snapshot's users.

        Args:
            rows: a_uj, float32 CSR, shape (b, items), as :func:`kg_rec.model.histories.histories` makes it.
            again: r of these histories, CSR, shape (b, items), as :meth:`again_in` makes it; None for 0.

        Returns:
            float64, shape (b, items).
        """
        if self._merged is None:
            total = self._operator.scores(rows)
        else:
            total = np.tile(self.base.astype(np.float64), (rows.shape[0], 1))
            total += rows @ self._merged
        if again is not None:
            total[np.repeat(np.arange(again.shape[0]), np.diff(again.indptr)), again.indices] += again.data
        return total

    def rank(
        self, users: NDArray[np.int64], k: int, candidates: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Best k items per user without those the user had, and without those that :attr:`shown` keeps from the user.

        Args:
            users: dense indices, shape (b,).
            k: list length.
            candidates: items allowed, boolean, shape (items,); None allows all.

        Returns:
            Items, int64, shape (b, min(k, items)), -1 where there are fewer; and their scores, -inf there.

        Raises:
            ConfigError: a rule of the model does not fit the graph.
        """
        if not self.config.shown:
            given, seen = self.interacted.histories_of(users), self.interacted.seen_of(users)
            return self.best(given, seen, k, candidates, self.again_of(users))
        shape = len(users), min(k, len(self.items))
        top, values = np.full(shape, -1, np.int64), np.full(shape, -np.inf)
        for rows, allowed in self.shown.parts(users, candidates):
            some = users[rows]
            given, seen = self.interacted.histories_of(some), self.interacted.seen_of(some)
            top[rows], values[rows] = self.best(given, seen, k, allowed, self.again_of(some))
        return top, values

    def best(
        self,
        rows: sparse.csr_array,
        seen: sparse.csr_array,
        k: int,
        candidates: NDArray[np.bool_] | None = None,
        again: sparse.csr_array | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The best k items for any histories, by score alone.

        Memory is bounded whatever the number of histories and the size of the catalogue.

        Args:
            rows: a_uj, float32 CSR, shape (b, items).
            seen: items left out, CSR, shape (b, items).
            k: list length.
            candidates: items allowed, boolean, shape (items,); None allows all.
            again: r of these histories, CSR, shape (b, items), as :meth:`again_in` makes it; None for 0.
        """
        if self.stated is not None:
            candidates = self.stated.allowed if candidates is None else candidates & self.stated.allowed
        if self._merged is None:
            return self._operator.best(rows, seen, k, candidates, again)
        b, n = rows.shape
        top, values = np.empty((b, min(k, n)), np.int64), np.empty((b, min(k, n)))
        size = max(16, min(1024, _CELLS // n))
        for start in range(0, b, size):
            block = slice(start, start + size)
            part, had = (rows, seen) if b <= size else (rows[block], seen[block])
            own = again if again is None or b <= size else again[block]
            found = masked(self.scores_of(part, own), had, candidates)
            cells = topk_candidates(found, k)
            top[block], values[block] = topk_sorted(cells, found.take(cells), found.shape, k)
        return top, values

    def contributions(self, user: int, item: int) -> Contributions:
        """Every addend of s(user, item), by dense indices; O(interactions of the user)."""
        found = self.addends(np.array([user]), np.array([item]))
        return Contributions(float(found.base[0]), found.sources, found.weights, found.values)

    def addends(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> Addends:
        """Every addend of s(users[p], items[p]) for pairs p, by dense indices."""
        lengths, sources, weights = self.interacted.weights_of(users)
        bounds, pairs = bounds_of(lengths), np.arange(len(users)).repeat(lengths)
        wide, targets = weights.astype(np.float64), items[pairs]
        place, values = targets * len(self.items) + sources, {}
        for channel in self.channels:
            transposed = None if self.mapped else channel.kernel.transposed
            found = channel.kernel.values(sources, targets) if transposed is None else transposed.take(place)
            values[channel.name] = wide * found * channel.weight[targets].astype(np.float64)
        if self.again is not None:
            some, row = np.unique(users, return_inverse=True)
            own = self._repeated(self.again, self.interacted.edges_of(some), len(some))
            values["again"] = np.where(sources == targets, np.asarray(own[row, items])[pairs], 0.0)
        return Addends(users, items, self.base[items].astype(np.float64), bounds, pairs, sources, weights, values)

    @cached_property
    def links(self) -> Links:
        """The paths between items through the graph, as the knowledge channel weighs them."""
        gated = {p.factors.relation: p for p in self.shared}
        closed = (GatedPaths(f, np.zeros(f.source.shape[1], np.float32)) for f in self.similarity.factors)
        return links(self.snapshot, [gated.get(p.factors.relation, p) for p in closed])

    @cached_property
    def likeness(self) -> Links:
        """The same paths, as the kernel k weighs them; its ways and columns are those of :attr:`links`."""
        weights = self.similarity.weights
        return links(
            self.snapshot,
            [
                GatedPaths(f, np.full(f.source.shape[1], weights[f.relation], np.float32))
                for f in self.similarity.factors
            ],
        )


def positions(ids: IdMap, keys: Sequence[str]) -> NDArray[np.int64]:
    """Dense indices of keys, shape (len(keys),).

    Raises:
        NotFoundError: a key is unknown.
        ConfigError: one text is given in place of several.
    """
    if isinstance(keys, str):
        raise ConfigError(f"expected a list of keys, got the text {keys!r}; write [{keys!r}]")
    return np.array([ids.index(key) for key in keys], dtype=np.int64)
