"""The audit of a model: groups of users, groups of items, and what their gaps are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.audit.compare import Exposure, UserGap, adjusted, exposures, user_gaps
from kg_rec.audit.config import AuditConfig
from kg_rec.audit.cost import Cost, Tried, choose_strength, cost_of, rank_by_rules
from kg_rec.audit.groups import Grouping, item_groupings, main_relation, user_groupings
from kg_rec.audit.measures import measure
from kg_rec.audit.parts import ScoreGap, score_gaps
from kg_rec.errors import ArgumentError
from kg_rec.evaluation.evaluate import rank_split
from kg_rec.evaluation.ranking import Ranking
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import fit_again
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot.item_facts import item_relation
from kg_rec.split import Protocol, Split, split_by
from kg_rec.tabular import Tabular, columns


@dataclass(frozen=True, repr=False)
class AuditReport(Tabular):
    """What :func:`audit` finds.

    Attributes:
        protocol: how what is to be found was held out.
        users: users with something to find.
        items: items ranked.
        k: length of the lists.
        calibration: relation type of the kinds that :data:`kg_rec.audit.measures.CALIBRATION` compares; empty for none.
        level: share of false alarms among the gaps called telling.
        tests: how many gaps were tested together.
        means: each measure over all users.
        gaps: users' groups.
        exposure: items' groups.
        scores: gaps of scores with their parts.
        apart: users whose scores were taken apart.
        cost: what the rules cost that the lists were made by; None for lists by score alone.
        least: a group of fewer users, or for a relation type of fewer items, is not told of.
        left_out: by grouping, groups that are too small, or too many, to be told of.
        too_small: by grouping, how many of these are left out as they are smaller than ``least``.
        unknown: by grouping of users, how many of the users the graph says nothing of; they count among the others.
        people: one row a user: ``user``, the measures, and the group by each grouping; for other tools.
    """

    protocol: str
    users: int
    items: int
    k: int
    calibration: str
    level: float
    tests: int
    means: Mapping[str, float]
    gaps: tuple[UserGap, ...]
    exposure: tuple[Exposure, ...]
    scores: tuple[ScoreGap, ...]
    apart: int
    least: int
    left_out: Mapping[str, int]
    too_small: Mapping[str, int]
    unknown: Mapping[str, int]
    people: pa.Table
    cost: Cost | None = None

    def to_arrow(self) -> pa.Table:
        """The gaps of users' groups, a row a measure and group; ``low`` and ``high`` bound the gap with 95 %."""
        words = dict.fromkeys(("measure", "by", "group"), pa.string())
        numbers = dict.fromkeys(("mean", "others", "gap"), pa.float64())
        table = columns(self.gaps, **words, users=pa.int64(), **numbers, adjusted=pa.float64(), telling=pa.bool_())
        for place, name in enumerate(("low", "high")):
            bounds = pa.array([gap.gap_interval[place] for gap in self.gaps], pa.float64())
            table = table.add_column(table.column_names.index("gap") + 1 + place, name, bounds)
        return table

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without :attr:`people`."""
        lists = {name: [asdict(row) for row in getattr(self, name)] for name in ("gaps", "exposure", "scores")}
        names = (f.name for f in fields(self) if f.name not in (*lists, "people", "cost"))
        cost = None if self.cost is None else asdict(self.cost)
        return {**{name: getattr(self, name) for name in names}, **lists, "cost": cost}


def drawn(model: Recommender, protocol: Protocol, seed: int) -> Split:
    """A split of the model's own interactions: ``random``, ``temporal`` or ``calendar``.

    Raises:
        SplitError: the interactions carry no times where the protocol needs them.
        ArgumentError: another protocol.
    """
    if protocol not in ("random", "temporal", "calendar"):
        raise ArgumentError(f"protocol: expected random, temporal or calendar, got {protocol!r}")
    again = model.snapshot.schema.interaction.again
    return split_by(protocol, model.snapshot.liked(), len(model.items), seed, again=again)


def on_split(model: Recommender, split: Split, progress: Progress = no_progress) -> Recommender:
    """The model fitted again to the training interactions of a split, with the numbers that its training chose.

    What is held out of this fit may have had a part in choosing these few numbers.  To keep it out of these too, train
    on the split in place of this, as ``benchmarks.fairness`` does.

    Args:
        model: a trained model.
        split: of its items and users.
        progress: called as the work advances.

    Raises:
        ModelError: nobody likes anything in ``split.train``.
    """
    seen = model.snapshot.with_edges(model.snapshot.schema.interaction.name, split.train)
    return fit_again(model, seen, progress)


def audit(
    model: Recommender,
    split: Split,
    config: AuditConfig | None = None,
    progress: Progress = no_progress,
    *,
    rules: CandidatesConfig | None = None,
    choose: bool = False,
) -> AuditReport:
    """Compare groups of users and of items by the lists of a model.

    Args:
        model: fitted to ``split.train``; its snapshot says what users and items have.
        split: what is to be found, and among which items.
        config: settings.
        progress: called as the work advances.
        rules: that the lists are made by; None for lists by score alone.
        choose: whether validation chooses the strength of the rules' calibration.

    Raises:
        ConfigError: nobody has anything to find, or a rule does not fit.
        ArgumentError: there is no such property or relation type.
    """
    config = config or AuditConfig()
    schema, given = model.snapshot.schema, model
    main = main_relation(model.snapshot)
    kinds = item_relation(schema, config.calibration, "calibration") if config.calibration else main
    progress(0, 4, "rank")
    live = split.protocol == "calendar"
    ranking = rank_split(model, split, "test", (config.k,), live=live)
    if live:
        given = model.with_interactions(split.known).at(split.moment("test"))
    cost = None
    if rules is not None:
        tried: tuple[Tried, ...] = ()
        if choose and rules.calibrate:
            rules, tried = choose_strength(model, split, config.k, rules)
        before, ranking = ranking, rank_by_rules(given, split, "test", config.k, rules)
        cost = cost_of(given, rules, before, ranking, config.k, config.seed, tried)
    of_users = user_groupings(given, config, ranking.users)
    of_items = item_groupings(given, config, split.test_candidates)
    inside = tuple(replace(g, members=g.members[:, ranking.users]) for g in of_users)
    progress(1, 4, "measure")
    measured = measure(given, ranking, config.k, kinds)
    relevant = histories(split.test, model.shape, 0)[ranking.users]
    progress(2, 4, "compare")
    gaps = user_gaps(measured, inside, config)
    shown = exposures(ranking.top[:, : config.k], _merits(relevant), of_items, split.test_candidates, config)
    gaps, shown = adjusted(gaps, shown, config.level)
    progress(3, 4, "take scores apart")
    some = _apart(len(ranking.users), config)
    known = histories(split.masked("test"), model.shape, 0)[ranking.users[some]]
    apart = tuple(replace(g, members=g.members[:, some]) for g in inside)
    scores = score_gaps(
        given, ranking.users[some], relevant[some], known, split.test_candidates, apart, of_items, config.facts
    )
    progress(4, 4, "take scores apart")
    return AuditReport(
        protocol=split.protocol,
        users=len(ranking.users),
        items=int(split.test_candidates.sum()),
        k=config.k,
        calibration="" if kinds is None else kinds.name,
        level=config.level,
        tests=len(gaps) + sum(share.p is not None for share in shown),
        means={name: float(np.nanmean(values)) for name, values in measured.items() if np.isfinite(values).any()},
        gaps=gaps,
        exposure=shown,
        scores=scores,
        apart=len(some),
        least=config.least,
        left_out={g.name: g.left_out for g in (*of_users, *of_items) if g.left_out},
        too_small={g.name: g.too_small for g in (*of_users, *of_items) if g.too_small},
        unknown={g.name: g.unknown for g in of_users if g.unknown},
        people=_people(given, ranking, measured, inside),
        cost=cost,
    )


def _merits(relevant: sparse.csr_array) -> sparse.csr_array:
    """What share of what a user held out each item is, CSR, shape (users, items)."""
    merits = relevant.astype(np.float64)
    lengths = np.diff(merits.indptr)
    merits.data = np.repeat(1 / np.maximum(lengths, 1), lengths)
    return merits


def _apart(users: int, config: AuditConfig) -> Ints:
    """Places of the users whose scores are taken apart, ascending."""
    if users <= config.users:
        return np.arange(users)
    return np.sort(np.random.default_rng(config.seed).choice(users, config.users, replace=False))


def _people(
    model: Recommender, ranking: Ranking, measured: Mapping[str, Floats64], groupings: tuple[Grouping, ...]
) -> pa.Table:
    columns = {"user": model.users.keys.take(pa.array(ranking.users))}
    columns |= {name: pa.array(values, from_pandas=True) for name, values in measured.items()}
    for grouping in groupings:
        columns[grouping.name] = pa.array(_labels(grouping), pa.string())
    return pa.table(columns)


def _labels(grouping: Grouping) -> list[str | None]:
    """The first group of each user that is told of."""
    labels = np.array([*grouping.labels, None], dtype=object)
    names: NDArray[np.object_] = labels[
        np.where(grouping.members.any(axis=0), grouping.members.argmax(axis=0), len(grouping.labels))
    ]
    return list(names)
