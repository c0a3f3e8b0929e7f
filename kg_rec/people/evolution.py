"""How what a user likes changes: windows of time whose addends sum to the profile, and what changed a score.

The history of a user is cut into windows.  What window w adds to how much higher items with a feature e score,

    sum of a_uj k(j, e) over the interactions j in w,

sums over the windows to that of the whole history (:mod:`kg_rec.people.profile`).  Between two times a score changes by

    s_2(u, i) - s_1(u, i) = sum_j (a_uj(2) - a_uj(1)) K(j, i)

exactly, over interactions that are new and over those that count differently since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ArgumentError
from kg_rec.explain.counterfactuals.user_list import UserList
from kg_rec.people.changepoint import ChangePoint, change_point, directions
from kg_rec.people.features import Feature
from kg_rec.people.profile import Profiler
from kg_rec.settings import expect
from kg_rec.snapshot import NO_TIME, EdgeTable
from kg_rec.tabular import Tabular, columns

#: Most interactions of a user, and most users, in a test.
_MOST = 2_000


@dataclass(frozen=True, slots=True)
class EvolutionConfig:
    """How change is looked for.

    Attributes:
        windows: windows of about equally many interactions.
        features: most features told, those that differ most between the windows first.
        least: interactions before and after a change, at least.
        permutations: random orders of the test.
        seed: of their choice.
    """

    windows: int = 4
    features: int = 5
    least: int = 5
    permutations: int = 999
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("windows", 1), ("features", 1), ("least", 1), ("permutations", 19), ("seed", 0)):
            expect(getattr(self, name) >= low, f"evolution.{name}", f"at least {low}", getattr(self, name))


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a history.

    Attributes:
        first: time of its first interaction, Unix seconds.
        last: time of its last one.
        total: interactions in it that count as liked.
    """

    first: int
    last: int
    total: int


@dataclass(frozen=True, slots=True)
class Strand:
    """A feature over the windows.

    Attributes:
        feature: the feature.
        counts: liked items that have it, by window.
        values: what the window's interactions add to how much higher items with it score, by window; None for
            everybody, who has no score.
        before: liked items that have it before the change point; None where there is none.
        after: the same from the change point on.
    """

    feature: Feature
    counts: tuple[int, ...]
    values: tuple[float, ...] | None
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Drift:
    """Where a history, or what users like, changed most.

    Attributes:
        since: time of the first interaction (user) after the change, Unix seconds.
        before: interactions (users) before it.
        after: those from then on.
        p: p value of the test; see :mod:`kg_rec.people.changepoint`.
    """

    since: int
    before: int
    after: int
    p: float


@dataclass(frozen=True, repr=False)
class Evolution(Tabular):
    """How a user, or everybody, changed.

    Attributes:
        user: user key; None for everybody.
        windows: windows of time, the oldest first.
        strands: features, those that differ most between the windows first.
        drift: the largest change; None where there are too few times.
        likes_since: liked items from the change on; None without one.
    """

    user: str | None
    windows: tuple[Window, ...]
    strands: tuple[Strand, ...]
    drift: Drift | None
    likes_since: int | None = None

    def to_arrow(self) -> pa.Table:
        """A row a feature and window.

        Columns ``relation``, ``feature`` (its name), ``window`` (from 1), ``since`` and ``until`` (times, UTC),
        ``count`` (liked items that have the feature), ``total`` (liked items) and ``value`` (null for everybody).
        """
        pairs = [(s, n, w) for s in self.strands for n, w in enumerate(self.windows)]
        time = pa.timestamp("s", "UTC")
        return pa.table(
            {
                "relation": pa.array([s.feature.relation for s, _, _ in pairs], pa.string()),
                "feature": pa.array([s.feature.name for s, _, _ in pairs], pa.string()),
                "window": pa.array([n + 1 for _, n, _ in pairs], pa.int32()),
                "since": pa.array([w.first for _, _, w in pairs], pa.int64()).cast(time),
                "until": pa.array([w.last for _, _, w in pairs], pa.int64()).cast(time),
                "count": pa.array([s.counts[n] for s, n, _ in pairs], pa.int64()),
                "total": pa.array([w.total for _, _, w in pairs], pa.int64()),
                "value": pa.array([None if s.values is None else s.values[n] for s, n, _ in pairs], pa.float64()),
            }
        )


@dataclass(frozen=True, slots=True)
class Shift:
    """What one interaction adds to the change of a score.

    Attributes:
        item: key of the item interacted with.
        new: whether it came between the two times; else it counts differently since.
        value: (a(2) - a(1)) K(j, i).
    """

    item: str
    new: bool
    value: float


@dataclass(frozen=True, repr=False)
class ScoreChange(Tabular):
    """What changed a score between two times.

    Attributes:
        user: user key.
        item: item key.
        since: the earlier time, Unix seconds, included.
        until: the later time, included.
        before: the score by the history up to ``since``.
        after: the score by the history up to ``until``.
        shifts: its addends, the largest first; they sum to ``after - before`` (relative error at most 1e-5).
    """

    user: str
    item: str
    since: int
    until: int
    before: float
    after: float
    shifts: tuple[Shift, ...]

    def to_arrow(self) -> pa.Table:
        """The shifts: columns ``item``, ``new`` and ``value``."""
        return columns(self.shifts, item=pa.string(), new=pa.bool_(), value=pa.float64())


@dataclass(frozen=True)
class Evolver:
    """Looks for change, by a model.

    Attributes:
        profiler: makes profiles by the model.
        config: settings.
    """

    profiler: Profiler
    config: EvolutionConfig = EvolutionConfig()

    def evolution(self, user: str) -> Evolution:
        """How a user changed.

        Raises:
            NotFoundError: the user is unknown.
            ArgumentError: interactions have no time.
        """
        edges = self._timed(user)
        if not len(edges):
            return Evolution(user, (), (), None)
        assert edges.time is not None  # noqa: S101  _timed raises otherwise
        model, index = self.profiler.model, self.profiler.model.users.index(user)
        has = sparse.csr_array(self.profiler.features.matrix[edges.target])
        bounds = _bounds(edges.time, self.config.windows)
        windows, counts = _windows(edges.time, has, bounds)
        chosen = _differing(counts, np.array([w.total for w in windows]), self.config.features)
        terms, keys = self.profiler.terms(index, chosen)
        place = {key: n for n, key in enumerate(keys)}
        terms = terms[[place[model.items.key(i)] for i in edges.target.tolist()]]
        values = np.add.reduceat(terms, bounds[:-1], axis=0)
        drift, at = self._drift(has, edges.time)
        strands = _strands(self.profiler, chosen, counts, values, has, at)
        return Evolution(user, windows, strands, drift, None if at is None else len(edges) - at)

    def population(self) -> Evolution:
        """How what everybody likes changed: windows over all likes, and a test over users in the order of their times.

        Each user counts once in the test, at the median time of what they liked: the likes of one user are no
        independent draws.

        Raises:
            ArgumentError: interactions have no time.
        """
        edges = self._order(self.profiler.model.snapshot.liked())
        if not len(edges):
            return Evolution(None, (), (), None)
        assert edges.time is not None  # noqa: S101
        features = self.profiler.features
        has = sparse.csr_array(features.matrix[edges.target])
        bounds = _bounds(edges.time, self.config.windows)
        windows, counts = _windows(edges.time, has, bounds)
        chosen = _differing(counts, np.array([w.total for w in windows]), self.config.features)
        users, place = np.unique(edges.source, return_inverse=True)
        time = np.array([np.median(edges.time[place == n]) for n in range(len(users))]).astype(np.int64)
        rng = np.random.default_rng(self.config.seed)
        some = np.sort(rng.choice(len(users), min(_MOST, len(users)), replace=False))
        some = some[np.lexsort((some, time[some]))]
        means = sparse.csr_array(features.liked[users[some]] @ features.matrix)
        drift, _ = self._drift(means, time[some])
        at = None if drift is None else int(np.searchsorted(edges.time, drift.since))
        strands = _strands(self.profiler, chosen, counts, None, has, at)
        return Evolution(None, windows, strands, drift, None if at is None else len(edges) - at)

    def change(self, user: str, item: str, since: int, until: int) -> ScoreChange:
        """What changed the score of an item between two times.

        Args:
            user: user key.
            item: item key.
            since: the earlier time, Unix seconds, included.
            until: the later time, included.

        Raises:
            NotFoundError: the user or the item is unknown.
            ArgumentError: interactions have no time, or ``until`` is before ``since``.
        """
        if until < since:
            raise ArgumentError(f"expected until not before since, got until {until} and since {since}, Unix seconds")
        model, edges = self.profiler.model, self._timed(user)
        assert edges.time is not None  # noqa: S101
        i = model.items.index(item)
        view = replace(UserList.of(model, user, None), edges=edges)
        rows = [view.row(edges.take(np.flatnonzero(edges.time <= time))) for time in (since, until)]
        weights = [dict(zip(row.indices.tolist(), row.data.tolist(), strict=True)) for row in rows]
        before, after = (float(model.scores_of(row)[0, i]) for row in rows)
        changed = [j for j in weights[1] if weights[1][j] != weights[0].get(j, 0.0)]
        single = sparse.csr_array(
            (np.ones(len(changed), np.float32), (np.arange(len(changed)), changed)),
            shape=(len(changed), len(model.items)),
        )
        kernel = model.scores_of(single)[:, i] - float(model.base[i]) if changed else np.empty(0)
        shifts = [
            Shift(model.items.key(j), j not in weights[0], (weights[1][j] - weights[0].get(j, 0.0)) * float(k))
            for j, k in zip(changed, kernel, strict=True)
        ]
        shifts.sort(key=lambda s: (-abs(s.value), s.item))
        return ScoreChange(user, item, since, until, before, after, tuple(shifts))

    @cached_property
    def _has_time(self) -> bool:
        return self.profiler.model.snapshot.interactions.time is not None

    def _timed(self, user: str) -> EdgeTable:
        """What a user liked, in order of time."""
        return self._order(UserList.of(self.profiler.model, user, None).edges)

    def _order(self, edges: EdgeTable) -> EdgeTable:
        """The interactions that have a time, in its order, equal ones by item."""
        if not self._has_time or edges.time is None:
            name = self.profiler.model.snapshot.schema.interaction.name
            raise ArgumentError(f"expected interactions with a time; {name} has no property with kr:use kr:time")
        edges = edges.take(np.flatnonzero(edges.time != NO_TIME))
        assert edges.time is not None  # noqa: S101
        return edges.take(np.lexsort((edges.target, edges.time)))

    def _drift(self, has: sparse.csr_array, time: Ints) -> tuple[Drift | None, int | None]:
        recent = np.arange(max(0, len(time) - _MOST), len(time))
        least, permutations, seed = self.config.least, self.config.permutations, self.config.seed
        rows = directions(sparse.csr_array(has[recent]))
        point: ChangePoint | None = change_point(rows, time[recent], least=least, permutations=permutations, seed=seed)
        if point is None:
            return None, None
        at = int(recent[point.place])
        return Drift(int(time[at]), at, len(time) - at, point.p), at


def _bounds(time: Ints, windows: int) -> NDArray[np.int64]:
    """Where windows of about equally many interactions begin, and the end; one time lies in one window."""
    cuts = [int(np.searchsorted(time, time[len(time) * w // windows])) for w in range(windows)]
    return np.array([*dict.fromkeys(cuts), len(time)], dtype=np.int64)


def _windows(time: Ints, has: sparse.csr_array, bounds: NDArray[np.int64]) -> tuple[tuple[Window, ...], Ints]:
    """The windows, and how many of their items have each feature, shape (windows, features)."""
    spans = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    windows = tuple(Window(int(time[a]), int(time[b - 1]), b - a) for a, b in spans)
    counts: Ints = np.rint(np.stack([np.asarray(has[a:b].sum(axis=0)).ravel() for a, b in spans])).astype(np.int64)
    return windows, counts


def _differing(counts: Ints, totals: Ints, most: int) -> Ints:
    """The features whose share differs most between windows: the log-likelihood ratio against one share for all."""
    share = counts.sum(axis=0) / totals.sum()
    rest = totals[:, None] - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(counts > 0, counts * np.log(counts / (totals[:, None] * share)), 0.0)
        outside = np.where(rest > 0, rest * np.log(rest / (totals[:, None] * (1 - share))), 0.0)
    evidence = 2 * (inside + outside).sum(axis=0)
    known = np.flatnonzero((counts.sum(axis=0) > 0) & (evidence > 1e-9))
    return known[np.lexsort((known, -evidence[known]))][:most]


def _strands(
    profiler: Profiler, chosen: Ints, counts: Ints, values: Floats64 | None, has: sparse.csr_array, at: int | None
) -> tuple[Strand, ...]:
    strands = []
    for n, column in enumerate(chosen.tolist()):
        mine = np.asarray(has[:, [column]].todense()).ravel()
        before = None if at is None else round(float(mine[:at].sum()))
        after = None if at is None else round(float(mine[at:].sum()))
        added = None if values is None else tuple(values[:, n].tolist())
        told = tuple(counts[:, column].tolist())
        strands.append(Strand(profiler.features.feature(column), told, added, before, after))
    return tuple(strands)
