"""What users have again and again: an addend for an item that the user had, by how often, how lately, in which gaps.

    r(u, i) = g sum_k exp(-(t - t_k) / days) (1 + due x exp(1 - x)),    x = (t - latest t_k) / mean gap

t_k are the times of the graph at which the user had the item, t is the time of the list, in days.  The last factor is
largest where as much time has passed as between two of the user's own times, on the mean.  Nothing of it is trained:
what happens now counts in the next list.  g, days and due are chosen on validation, where the schema says that users
have items again and lists have a moment: on a split by calendar.  (Counts of one's own purchases are hard to beat in
groceries: Hu et al., "Modeling personalized item frequency information for next-basket recommendation", SIGIR 2020.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from kg_rec.arrays.segments import bounds_of, sums
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.model.fashion import newest
from kg_rec.settings import expect
from kg_rec.snapshot import EdgeTable
from kg_rec.snapshot.tables import events_of

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class AgainConfig:
    """What users have again and again; only chosen where the schema says so (``kr:again``), by calendar.

    Attributes:
        days: in which an interaction fades to 37 %, to choose from on validation; none turns it off.
        due: how much it counts that an item is due by the user's own gaps, to choose from on validation.
    """

    days: tuple[float, ...] = (7.0, 15.0, 30.0, 60.0, 120.0, 240.0)
    due: tuple[float, ...] = (0.0, 0.5, 1.0)

    def __post_init__(self) -> None:
        expect(all(days > 0 for days in self.days), "again.days", "numbers above 0", self.days)
        expect(bool(self.due) and all(due >= 0 for due in self.due), "again.due", "numbers from 0", self.due)


@dataclass(frozen=True)
class Again:
    """The part of a score that says what a user has again and again.

    Attributes:
        weight: g.
        days: in which an interaction fades to 37 %.
        due: how much it counts that an item is due.
        until: t, in Unix seconds; what happens later counts as if it happened then.
        moment: t where it was set; None for just after the newest interaction of all users.
    """

    weight: float
    days: float
    due: float
    until: int
    moment: int | None = None

    @classmethod
    def of(cls, weight: float, days: float, due: float, edges: EdgeTable, moment: int | None = None) -> Again:
        """With t of some interactions, if it is not set."""
        return cls(weight, days, due, newest(edges) + 1 if moment is None else moment, moment)

    def over(self, edges: EdgeTable) -> Again:
        """The same with the t of other interactions."""
        return Again.of(self.weight, self.days, self.due, edges, self.moment)

    def at(self, moment: int | None, edges: EdgeTable) -> Again:
        """The same at another time; None for just after the newest of some interactions."""
        return replace(self, moment=moment).over(edges)

    def values(self, edges: EdgeTable) -> Floats64:
        """r of each pair of user and item, shape (m,); 0 for one without a time."""
        edge, time = events_of(edges)
        faded = sums(np.exp(-np.maximum(self.until - time, 0) / (_DAY * self.days)), edge, len(edges))
        habits = Habits.of(edges, self.until)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(habits.gap > 0, habits.since / habits.gap, 0.0)
        values: Floats64 = self.weight * faded * (1 + self.due * x * np.exp(1 - x))
        return values

    def matrix(self, edges: EdgeTable, shape: tuple[int, int]) -> sparse.csr_array:
        """r as CSR, float64, shape (users, items), columns sorted."""
        cells = (self.values(edges), (edges.source, edges.target))
        matrix = sparse.csr_array(cells, shape=shape, dtype=np.float64)
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True)
class Habits:
    """How users have items again, one entry a pair.

    Attributes:
        count: how many times there are, int64, shape (m,).
        gap: mean time between two, in days, shape (m,); 0 where there is one, or all are at one time.
        since: how long ago the latest was, in days, shape (m,); 0 for one that is later.
    """

    count: Ints
    gap: Floats64
    since: Floats64

    @classmethod
    def of(cls, edges: EdgeTable, until: int) -> Habits:
        """Those of some pairs, at a time in Unix seconds."""
        edge, time = events_of(edges)
        count = np.bincount(edge, minlength=len(edges)).astype(np.int64)
        bounds, some = bounds_of(count), np.flatnonzero(count)
        gap, since = np.zeros(len(edges)), np.zeros(len(edges))
        first, last = time[bounds[some]], time[bounds[some + 1] - 1]
        gap[some] = (last - first) / (_DAY * np.maximum(count[some] - 1, 1))
        since[some] = np.maximum(until - last, 0) / _DAY
        return cls(count, gap, since)
