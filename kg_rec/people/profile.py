"""What a user likes and avoids, in the graph's terms.

Of a feature e (a genre, a director, a decade) a profile tells two things:

- counts: n of the user's N liked items have it; m of all M likes are of items that have it.  The lift is
  (n / N) / (m / M), and the log-likelihood ratio of n under a binomial with m / M says which features tell most.
- what it is worth in the model: how much higher items with it score for the user than items without it, on average,
  beyond what that is for everybody,

      v(u, e) = sum_j a_uj k(j, e) - mean over those who liked something of the same,
      k(j, e) = mean of K(j, i) over items i with e  -  mean over items without e,

  which is a sum over the user's interactions j, as each score is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.model.recommender import Recommender
from kg_rec.people.features import Feature, Features
from kg_rec.people.statements import count_statement, differing
from kg_rec.settings import expect
from kg_rec.store import GraphStore
from kg_rec.tabular import Tabular, columns

#: Interactions whose addends are computed at a time.
_ROWS = 128


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """What a profile tells.

    Attributes:
        clauses: most features told of those liked, and of those avoided.
        least: a liked feature has at least so many of the user's items; of an avoided one as many would be expected.
        evidence: least log-likelihood ratio of a feature that is told; 6.63 is the 1 % point of chi-squared.
    """

    clauses: int = 5
    least: int = 3
    evidence: float = 6.63

    def __post_init__(self) -> None:
        expect(self.clauses >= 1, "profile.clauses", "at least 1", self.clauses)
        expect(self.least >= 2, "profile.least", "at least 2", self.least)
        expect(np.isfinite(self.evidence) and self.evidence >= 0, "profile.evidence", "a number from 0", self.evidence)


@dataclass(frozen=True, slots=True)
class Clause:
    """What a profile says of one feature.

    Attributes:
        feature: the feature.
        likes: True where the user has more of it than everybody, False where fewer.
        count: n, the user's liked items that have it.
        total: N, the user's liked items.
        all_count: m, of all likes those of items that have it.
        all_total: M, all likes.
        evidence: log-likelihood ratio of ``count``.
        terms: what each interaction adds to how much higher items with the feature score: item key and value.
        everybody: what that sum is on average over those who liked something.
    """

    feature: Feature
    likes: bool
    count: int
    total: int
    all_count: int
    all_total: int
    evidence: float
    terms: tuple[tuple[str, float], ...]
    everybody: float

    @property
    def lift(self) -> float:
        """The user's share of the feature by everybody's."""
        return (self.count / self.total) / (self.all_count / self.all_total)

    @property
    def value(self) -> float:
        """v: the sum of ``terms``, less ``everybody``; in the score's unit."""
        return sum(value for _, value in self.terms) - self.everybody


@dataclass(frozen=True, repr=False)
class Profile(Tabular):
    """What a user likes and avoids.

    Attributes:
        user: user key.
        total: N, the user's liked items.
        clauses: what is liked, then what is avoided; the most telling first.
        model: the model.
    """

    user: str
    total: int
    clauses: tuple[Clause, ...]
    model: Recommender

    @property
    def likes(self) -> tuple[Clause, ...]:
        """The clauses of what the user has more of than everybody."""
        return tuple(c for c in self.clauses if c.likes)

    @property
    def avoids(self) -> tuple[Clause, ...]:
        """The clauses of what the user has less of than everybody."""
        return tuple(c for c in self.clauses if not c.likes)

    def to_arrow(self) -> pa.Table:
        """A row a clause.

        Columns ``likes``, ``relation``, ``feature`` (its name), ``count``, ``total``, ``all_count``, ``all_total``,
        ``lift``, ``evidence`` and ``value``, as :class:`Clause` has them.
        """
        whole, real = pa.int64(), pa.float64()
        counts = {"count": whole, "total": whole, "all_count": whole, "all_total": whole}
        of = columns((c.feature for c in self.clauses), relation=pa.string(), name=pa.string())
        table = columns(self.clauses, likes=pa.bool_(), **counts, lift=real, evidence=real, value=real)
        return table.add_column(1, "relation", of["relation"]).add_column(2, "feature", of["name"])

    def without(self, features: Collection[Feature]) -> Profile:
        """The profile without the clauses about some features."""
        out = {feature.identity for feature in features}
        return replace(self, clauses=tuple(c for c in self.clauses if c.feature.identity not in out))

    def cypher(self, clause: Clause) -> tuple[str, dict[str, Any]]:
        """The statement that returns a clause's counts; see :func:`kg_rec.people.statements.count_statement`."""
        return count_statement(self.model.snapshot.schema, self.user, clause.feature)

    def differences(self, store: GraphStore) -> tuple[str, ...]:
        """Where a store counts otherwise than the clauses say, one line each; empty if it agrees."""
        lines = []
        for clause in self.clauses:
            told = {what: getattr(clause, what) for what in ("count", "total", "all_count", "all_total")}
            name = f"{clause.feature.relation} {clause.feature.name!r}"
            lines += [f"{name}: {line}" for line in differing(store, self.cypher(clause), told, "in the profile")]
        return tuple(lines)


@dataclass(frozen=True)
class Profiler:
    """Makes profiles by a model; keeps what does not depend on the user.

    Attributes:
        model: a trained model.
        config: settings.
    """

    model: Recommender
    config: ProfileConfig = ProfileConfig()

    @cached_property
    def features(self) -> Features:
        """What items have."""
        return Features(self.model)

    @cached_property
    def everybody(self) -> Floats64:
        """Of users who liked something, the mean of how much higher items with a feature score, shape (features,)."""
        averages: Floats64 = self._contrast(self._mean)[0]
        return averages

    @cached_property
    def _mean(self) -> sparse.csr_array:
        """The mean history of those who liked something, CSR, shape (1, items)."""
        users = int((np.diff(self.model.histories.indptr) > 0).sum())
        return sparse.csr_array(self.model.histories.sum(axis=0)[None, :] / max(users, 1))

    def profile(self, user: str) -> Profile:
        """The profile of a user.

        Raises:
            NotFoundError: the user is unknown.
        """
        index = self.model.users.index(user)
        liked = self.features.liked[[index]]
        total = int(liked.nnz)
        if not total:
            return Profile(user, 0, (), self.model)
        counts: Ints = np.rint(np.asarray((liked @ self.features.matrix).todense()).ravel()).astype(np.int64)
        evidence = log_likelihood(counts, total, self.features.everybody, self.features.likes)
        columns = self._telling(index, counts, total, evidence)
        terms, names = self.terms(index, columns)
        shares = self.features.everybody / self.features.likes
        clauses = tuple(
            Clause(
                feature=self.features.feature(column),
                likes=bool(counts[column] > total * shares[column]),
                count=int(counts[column]),
                total=total,
                all_count=int(self.features.everybody[column]),
                all_total=self.features.likes,
                evidence=float(evidence[column]),
                terms=tuple(zip(names, terms[:, n].tolist(), strict=True)),
                everybody=float(self.everybody[column]),
            )
            for n, column in enumerate(columns.tolist())
        )
        return Profile(user, total, clauses, self.model)

    def worth(self, history: sparse.csr_array, has: NDArray[np.bool_]) -> float:
        """v of a feature that these items have, for a user's history; 0 where all or none have it.

        Args:
            history: a_uj, CSR, shape (1, items).
            has: boolean, shape (items,).
        """
        inside = int(has.sum())
        if inside in (0, len(has)):
            return 0.0
        weight = np.where(has, 1 / inside, -1 / (len(has) - inside))
        worths = [float((self.model.scores_of(row)[0] - self.model.base) @ weight) for row in (history, self._mean)]
        return worths[0] - worths[1]

    def _telling(self, user: int, counts: Ints, total: int, evidence: Floats64) -> Ints:
        """The columns that are told: what is liked, then what is avoided, by evidence.

        Of features that the same of the user's items have (the director who is the writer too) the first is told.
        """
        config, expected = self.config, total * self.features.everybody / self.features.likes
        told = evidence >= config.evidence
        more = np.flatnonzero(told & (counts > expected) & (counts >= config.least))
        less = np.flatnonzero(told & (counts < expected) & (expected >= config.least))
        mine = sparse.csc_array(self.features.matrix[self.features.liked[[user]].indices])
        telling: list[int] = []
        seen: set[tuple[int, ...]] = set()
        for column in more[np.lexsort((more, -evidence[more]))].tolist():
            items = tuple(mine.indices[mine.indptr[column] : mine.indptr[column + 1]].tolist())
            if items not in seen and len(telling) < config.clauses:
                seen.add(items)
                telling.append(column)
        return np.array([*telling, *less[np.lexsort((less, -evidence[less]))][: config.clauses].tolist()], np.int64)

    def terms(self, user: int, columns: Ints) -> tuple[Floats64, list[str]]:
        """What each interaction adds to each column, shape (interactions, columns), and the items' keys."""
        row = self.model.histories[[user]]
        terms = np.zeros((row.nnz, len(columns)))
        for start in range(0, row.nnz, _ROWS):
            part = np.arange(start, min(start + _ROWS, row.nnz))
            ends = (np.arange(len(part)), row.indices[part])
            single = sparse.csr_array((row.data[part], ends), shape=(len(part), row.shape[1]))
            terms[part] = self._contrast(single, columns)
        return terms, self.model.items.keys.take(row.indices).to_pylist()

    def _contrast(self, rows: sparse.csr_array, columns: Ints | None = None) -> Floats64:
        scores = self.model.scores_of(rows) - self.model.base.astype(np.float64)
        return self.features.contrast(scores, columns)


def log_likelihood(counts: Ints, total: int, all_counts: Ints, all_total: int) -> Floats64:
    """2 ln of how much likelier counts are by their own share than by everybody's, as Dunning (1993) has it.

    Args:
        counts: n per feature, shape (features,).
        total: N.
        all_counts: m per feature, shape (features,).
        all_total: M.
    """
    share = np.clip(all_counts / max(all_total, 1), 1e-12, 1 - 1e-12)
    rest = total - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(counts > 0, counts * np.log(counts / (total * share)), 0.0)
        outside = np.where(rest > 0, rest * np.log(rest / (total * (1 - share))), 0.0)
    ratio: Floats64 = 2 * (inside + outside)
    return ratio
