"""What is in fashion: how many users chose an item in the last days before a list is made.

    b_i(t) = b_i + w log(1 + n_i(t))

n_i(t) is a true count of the graph that the model is over: the users who liked item i from t - days on, and before t.
So it moves with the graph, without training.  Days and w are chosen on validation, where lists have a moment:
on a split by calendar.  (Ji et al., "A re-visit of the popularity baseline in recommender systems", SIGIR 2020, count
popularity at the time of the list for the same reason.)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from kg_rec.arrays.types import Floats32, Ints
from kg_rec.settings import expect
from kg_rec.snapshot import NO_TIME, EdgeTable

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class FashionConfig:
    """What is in fashion; only chosen on a split by calendar, else it is off.

    Attributes:
        days: lengths of the window to choose from on validation; none turns it off.
    """

    days: tuple[int, ...] = (3, 7, 14, 30, 60)

    def __post_init__(self) -> None:
        expect(all(days > 1 for days in self.days), "fashion.days", "whole numbers from 2", self.days)


@dataclass(frozen=True)
class Fashion:
    """The part of a model's base that says what is in fashion.

    Attributes:
        weight: w.
        days: length of the window.
        lasting: b_i, what the base is without it, shape (items,).
        counts: n_i(t), int64, shape (items,).
        until: t, in Unix seconds; what happens from then on does not count.
        moment: t where it was set; None counts up to the newest interaction.
    """

    weight: float
    days: int
    lasting: Floats32
    counts: Ints
    until: int
    moment: int | None = None

    @classmethod
    def of(cls, weight: float, days: int, lasting: Floats32, edges: EdgeTable, moment: int | None = None) -> Fashion:
        """Counted in the interactions that count."""
        until = newest(edges) + 1 if moment is None else moment
        return cls(weight, days, lasting, chosen_lately(edges, days, until, len(lasting)), until, moment)

    @property
    def since(self) -> int:
        """Where the window begins, in Unix seconds."""
        return self.until - self.days * _DAY

    @property
    def values(self) -> Floats32:
        """w log(1 + n_i(t)), shape (items,)."""
        return self.weight * scale(self.counts)

    @property
    def base(self) -> Floats32:
        """b_i(t), shape (items,)."""
        return (self.lasting + self.values).astype(np.float32)

    def over(self, edges: EdgeTable) -> Fashion:
        """The same counted in other interactions."""
        return Fashion.of(self.weight, self.days, self.lasting, edges, self.moment)

    def scaled(self, factor: float) -> Fashion:
        """The base times a factor."""
        return replace(self, weight=self.weight * factor, lasting=self.lasting * np.float32(factor))


def chosen_lately(edges: EdgeTable, days: int, until: int, items: int) -> Ints:
    """How many users have an interaction with each item in the days before ``until``, int64, shape (items,)."""
    if edges.time is None:
        return np.zeros(items, np.int64)
    since = until - days * _DAY
    lately = (edges.time >= since) & (edges.time < until) & (edges.time != NO_TIME)
    return np.bincount(edges.target[lately], minlength=items).astype(np.int64)


def scale(counts: Ints) -> Floats32:
    """log(1 + n), shape as given."""
    return np.log1p(counts).astype(np.float32)


def newest(edges: EdgeTable) -> int:
    """The time of the newest interaction that is not in the future, in Unix seconds; 0 where there is none.

    A wrong year in one interaction would put all others out of fashion.
    """
    if edges.time is None:
        return 0
    known = edges.time[(edges.time != NO_TIME) & (edges.time <= int(time.time()))]
    return int(known.max()) if len(known) else 0
