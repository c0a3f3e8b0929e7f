"""Gaps between a group and the others: their size, their interval, and which of many are more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kg_rec.arrays.types import Floats64
from kg_rec.audit.config import AuditConfig
from kg_rec.audit.groups import Grouping
from kg_rec.audit.measures import exposure
from kg_rec.evaluation.bootstrap import bootstrap, difference_interval, ratio_interval


@dataclass(frozen=True, slots=True)
class UserGap:
    """One measure of one group of users, against all other users.

    Attributes:
        measure: one of :data:`kg_rec.audit.measures.MEASURES`, by name.
        by: what the users are grouped by.
        group: the group.
        users: how many of them the measure says something of.
        mean: over them.
        interval: 95 % bootstrap interval of the mean.
        others: mean over all others.
        gap: mean less others.
        gap_interval: 95 % bootstrap interval of the gap.
        p: of Welch's t test that the two means are equal.
        adjusted: p, adjusted for all gaps of the report (Benjamini and Hochberg 1995).
        telling: whether ``adjusted`` is at most the level asked for.
    """

    measure: str
    by: str
    group: str
    users: int
    mean: float
    interval: tuple[float, float]
    others: float
    gap: float
    gap_interval: tuple[float, float]
    p: float
    adjusted: float = 1.0
    telling: bool = False


@dataclass(frozen=True, slots=True)
class Exposure:
    """How often a group of items is shown, against how often users held it out as what they liked.

    Attributes:
        by: what the items are grouped by.
        group: the group.
        items: how many of the ranked items are in it.
        catalogue: their share of the ranked items.
        exposure: their share of the lists, mean over users; rank r is worth 1 / log2(1 + r).
        merit: their share of what users held out, mean over users.
        ratio: exposure by merit; None where the merit is 0.
        ratio_interval: its 95 % bootstrap interval over users; None where the merit may be 0.
        gap: exposure less merit.
        gap_interval: its 95 % bootstrap interval; None for one user, of whom no interval can be told.
        p: of the t test that the mean of the users' gaps is 0; None for one user.
        adjusted: as of :class:`UserGap`; None for one user.
        telling: as of :class:`UserGap`.
    """

    by: str
    group: str
    items: int
    catalogue: float
    exposure: float
    merit: float
    ratio: float | None
    ratio_interval: tuple[float, float] | None
    gap: float
    gap_interval: tuple[float, float] | None
    p: float | None
    adjusted: float | None = None
    telling: bool = False


_Row = TypeVar("_Row", UserGap, Exposure)


def user_gaps(
    measured: Mapping[str, Floats64], groupings: Sequence[Grouping], config: AuditConfig
) -> tuple[UserGap, ...]:
    """Every measure of every group against the other users; not adjusted yet.

    Args:
        measured: per measure one number a user, NaN for none, shape (users,).
        groupings: of these users, members of shape (groups, users).
        config: settings.
    """
    gaps = []
    for name, values in measured.items():
        known = np.isfinite(values)
        for grouping in groupings:
            for label, members in zip(grouping.labels, grouping.members, strict=True):
                inside, others = values[members & known], values[~members & known]
                if len(inside) < config.least or len(others) < 2:
                    continue
                gaps.append(
                    UserGap(
                        measure=name,
                        by=grouping.name,
                        group=label,
                        users=len(inside),
                        mean=float(inside.mean()),
                        interval=bootstrap(inside, config.seed, config.samples),
                        others=float(others.mean()),
                        gap=float(inside.mean() - others.mean()),
                        gap_interval=difference_interval(inside, others, config.seed, config.samples),
                        p=_certain(stats.ttest_ind(inside, others, equal_var=False).pvalue),
                    )
                )
    return tuple(gaps)


def exposures(
    top: NDArray[np.int64],
    merits: Floats64,
    groupings: Sequence[Grouping],
    candidates: NDArray[np.bool_],
    config: AuditConfig,
) -> tuple[Exposure, ...]:
    """Every group of items: exposure against merit; not adjusted yet.

    Args:
        top: lists, -1 for none, shape (users, k).
        merits: what share of what a user held out each item is, shape (users, items), CSR.
        groupings: of the items, members of shape (groups, items).
        candidates: the items ranked, shape (items,).
        config: settings.
    """
    exposures_of_groups, several = [], len(top) > 1
    for grouping in groupings:
        shown, held = exposure(top, grouping.members), merits @ grouping.members.T.astype(np.float64)
        for place, label in enumerate(grouping.labels):
            one, other = shown[:, place], held[:, place]
            merit, items = float(other.mean()), int(grouping.members[place].sum())
            exposures_of_groups.append(
                Exposure(
                    by=grouping.name,
                    group=label,
                    items=items,
                    catalogue=items / int(candidates.sum()),
                    exposure=float(one.mean()),
                    merit=merit,
                    ratio=float(one.mean()) / merit if merit else None,
                    ratio_interval=ratio_interval(one, other, config.seed, config.samples)
                    if merit and several
                    else None,
                    gap=float((one - other).mean()),
                    gap_interval=bootstrap(one - other, config.seed, config.samples) if several else None,
                    p=_certain(stats.ttest_1samp(one - other, 0.0).pvalue) if several else None,
                )
            )
    return tuple(exposures_of_groups)


def adjusted(
    users: Sequence[UserGap], items: Sequence[Exposure], level: float
) -> tuple[tuple[UserGap, ...], tuple[Exposure, ...]]:
    """All gaps together adjusted for their number, so that at most ``level`` of those called telling are false."""
    raw = np.array([*(gap.p for gap in users), *(share.p for share in items if share.p is not None)])
    values = iter(stats.false_discovery_control(raw).tolist() if len(raw) else [])

    def told(row: _Row) -> _Row:
        if row.p is None:
            return row
        q = next(values)
        return replace(row, adjusted=q, telling=q <= level)

    return tuple(told(gap) for gap in users), tuple(told(share) for share in items)


def p_text(value: float | None) -> str | None:
    """A p value as it is written; None where none can be told."""
    return None if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _certain(p: float) -> float:
    """1 where a test says nothing, as all values are the same."""
    return float(p) if np.isfinite(p) else 1.0
