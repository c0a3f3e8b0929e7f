"""Evaluation: full ranking on a split, metrics with bootstrap intervals, and what the graph adds.

``kg_lift`` is the drop in NDCG@10 when the same model is trained without a part: without the graph, with a graph whose
facts are shuffled among the items (all, or those of equal popularity), without text, or without the channel
``relational``.  A positive number is what the part adds; users are paired, so its interval says whether that is more
than chance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import ConfigError
from kg_rec.evaluation.ablations import ABLATIONS, without
from kg_rec.evaluation.bootstrap import bootstrap
from kg_rec.evaluation.knowledge_share import knowledge_share
from kg_rec.evaluation.ranking import Ranking
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.path import Path
from kg_rec.explain.paths.metrics import path_metrics
from kg_rec.explain.paths.search import find
from kg_rec.explain.single import path_groups
from kg_rec.metrics import per_user
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot
from kg_rec.split import Split, join
from kg_rec.tabular import Tabular

#: Users whose lists are explained at a time.
_EXPLAINED = 200


@dataclass(frozen=True, repr=False)
class EvaluationReport(Tabular):
    """The result of :func:`evaluate`.

    Attributes:
        protocol: random, temporal, calendar, cold-items or cold-users.
        users: users with a test item, over whom the figures are averaged.
        items: candidate items in the test.
        metrics: test figures by name, e.g. ``ndcg@10``; also ``coverage@10``, ``novelty@10`` (mean self-information,
            bits), ``diversity@10`` (1 - mean cosine of interaction columns) and ``popularity@10`` (mean popularity of
            the recommended items over that of the users' own; left out where no user has any).
        intervals: 95 % bootstrap intervals over users of the accuracy metrics.
        valid: validation figures.
        chosen: hyperparameters and fusion weights.
        kg_lift: per ablation, ``drop`` in test NDCG@10 and its ``interval``.
        knowledge_share: median and quartiles over users of the part of their top-10 scores that runs through facts; see
            :mod:`kg_rec.evaluation.knowledge_share`.
        seconds: ``train`` and ``rank``, and ``explain`` where explanations are measured.
        explanations: path quality of the test lists, e.g. ``lir@10``; see :mod:`kg_rec.explain.paths.metrics`.  Empty
            if it is not asked for.
        groups: by calendar, ``warm`` users (who did something before the test) and ``cold`` users apart: how many
            ``users``, their ``ndcg@10`` and its ``interval``; a group without users is left out.  Empty otherwise.
    """

    protocol: str
    users: int
    items: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    valid: Mapping[str, float]
    chosen: Mapping[str, Any]
    kg_lift: Mapping[str, Mapping[str, Any]]
    knowledge_share: Mapping[str, float]
    seconds: Mapping[str, float]
    explanations: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def to_arrow(self) -> pa.Table:
        """Columns ``measure``, ``value``, ``low`` and ``high`` (null where there is no interval).

        The test figures, then what each ablation costs in NDCG@10.
        """
        nothing = (None, None)
        rows = [(name, value, *self.intervals.get(name, nothing)) for name, value in self.metrics.items()]
        rows += [(f"{part}: drop in ndcg@10", v["drop"], *v["interval"]) for part, v in self.kg_lift.items()]
        columns = zip(*rows, strict=True) if rows else ((), (), (), ())
        kinds = (pa.string(), pa.float64(), pa.float64(), pa.float64())
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        return pa.table(arrays, names=["measure", "value", "low", "high"])


def rank_split(
    model: Recommender, split: Split, part: str, ks: Sequence[int] = (10, 20), *, live: bool = False
) -> Ranking:
    """Rank the candidates of a split for every user with an item to find.

    Args:
        model: trained on ``split.train``.
        split: the split.
        part: ``valid`` masks the training items; ``test`` masks training and validation items.
        ks: cut-offs.
        live: users are ranked with all that they did before what is to be found, training and validation interactions
            for the test, as a system in use would; the model is not fitted again.  Otherwise with the training
            interactions alone.
    """
    users, relevant, known, candidates = to_find(split, part, model.shape)
    given = (model.with_interactions(split.given(live=part == "test")) if live else model).at(split.moment(part))
    top, _ = given.best(given.histories[users], known, max(ks), candidates, given.again_of(users))
    metrics = {f"{name}@{k}": v for k in ks for name, v in per_user(top, relevant, k).items()}
    return Ranking(users, top, metrics)


def to_find(
    split: Split, part: str, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], sparse.csr_array, sparse.csr_array, NDArray[np.bool_]]:
    """Who has something to find in a part of a split, and what.

    Args:
        split: the split.
        part: ``valid`` or ``test``.
        shape: (users, items).

    Returns:
        Dense indices of the users, shape (u,); what each should find, and what is masked, CSR, shape (u, items); the
        candidates, boolean, shape (items,).

    Raises:
        ConfigError: nobody has anything to find.
    """
    wanted, candidates = (
        (split.valid, split.valid_candidates) if part == "valid" else (split.test, split.test_candidates)
    )
    masked = split.masked(part) if split.disliked is None else join(split.masked(part), split.disliked)
    relevant, known = histories(wanted, shape, 0), histories(masked, shape, 0)
    users = np.flatnonzero(np.diff(relevant.indptr))
    if not len(users):
        raise ConfigError(f"no user has {part} interactions; give more interactions or a larger share")
    return users, relevant[users], known[users], candidates


def beyond_accuracy(
    ranking: Ranking, model: Recommender, candidates: NDArray[np.bool_], k: int = 10
) -> dict[str, float]:
    """Coverage, novelty, diversity and popularity of the lists, as :class:`EvaluationReport` defines them."""
    top = ranking.top[:, :k]
    listed = top[top >= 0]
    popularity = np.diff(model.users_of_items.indptr)
    n_users = model.shape[0]
    own = model.users_of_items.tocsr()[ranking.users]
    columns = model.users_of_items.astype(np.float32)
    norms = np.sqrt(np.maximum(popularity, 1))
    similarity = []
    for row in top:
        items = row[row >= 0]
        if len(items) > 1:
            block = (columns[:, items].T @ columns[:, items]).toarray() / np.outer(norms[items], norms[items])
            similarity.append((block.sum() - np.trace(block)) / (len(items) * (len(items) - 1)))
    metrics = {
        f"coverage@{k}": len(np.unique(listed)) / int(candidates.sum()),
        f"novelty@{k}": float(-np.log2(np.maximum(popularity[listed], 1) / n_users).mean()),
        f"diversity@{k}": 1 - float(np.mean(similarity)) if similarity else 0.0,
    }
    if own.nnz:
        metrics[f"popularity@{k}"] = float(popularity[listed].mean() / max(popularity[own.indices].mean(), 1e-12))
    return metrics


def path_quality(
    model: Recommender,
    ranking: Ranking,
    k: int = 10,
    config: ExplainConfig | None = None,
    progress: Progress = no_progress,
) -> dict[str, float]:
    """The path metrics of the lists: each item by the first path of its explanation.

    Args:
        model: the model that ranked.
        ranking: its lists.
        k: cut-off.
        config: which path comes first; by default the one that adds most to the score.
        progress: called per batch of users.

    Returns:
        Figures by name, e.g. ``lir@10``; see :mod:`kg_rec.explain.paths.metrics`.
    """
    config = replace(config or ExplainConfig(), groups=1, paths_per_group=1)
    lists: dict[str, list[Path | None]] = {}
    for start in range(0, len(ranking.users), _EXPLAINED):
        progress(start, len(ranking.users), "explain")
        top = ranking.top[start : start + _EXPLAINED, :k]
        filled = top >= 0
        users = np.repeat(ranking.users[start : start + _EXPLAINED], filled.sum(axis=1))
        groups = path_groups(model, find(model, users, top[filled], config))
        for user, some in zip(users.tolist(), groups, strict=True):
            lists.setdefault(model.users.key(user), []).append(some[0].paths[0] if some else None)
    metrics = path_metrics(model.snapshot, lists, k)
    return {f"{name}@{k}": value for name, value in metrics.items()}


def evaluate(
    snapshot: Snapshot,
    split: Split,
    config: TrainConfig | None = None,
    *,
    ablations: Sequence[str] = ("no_graph", "shuffled_graph"),
    explanations: ExplainConfig | None = None,
    live: bool = False,
    progress: Progress = no_progress,
    trained: Callable[[Recommender], None] = lambda _: None,
    measured: Callable[[EvaluationReport], None] = lambda _: None,
) -> EvaluationReport:
    """Train on a split, rank, measure, and train again without each part of ``ablations``.

    Args:
        snapshot: the graph; its interactions are replaced by the split's.
        split: train, validation and test interactions.
        config: settings of the full model.
        ablations: some of :data:`ABLATIONS`.
        explanations: measure the paths of the test lists too, chosen in this way; None leaves them out.
        live: rank the test with what users did up to it, as :func:`rank_split` says; by calendar this is always so.
        progress: called as the work advances.
        trained: receives the full model.
        measured: receives the report as far as it is known, after the model and after each ablation.

    Raises:
        ConfigError: an ablation is unknown.
    """
    config = config or TrainConfig()
    unknown = sorted(set(ablations) - set(ABLATIONS))
    if unknown:
        raise ConfigError(f"unknown ablation {unknown[0]!r}; expected some of {', '.join(ABLATIONS)}")
    split = replace(split, live=live)
    start = time.perf_counter()
    model = train(snapshot, config, split=split, progress=progress)
    trained(model)
    after = time.perf_counter()
    live = live or split.protocol == "calendar"
    test = rank_split(model, split, "test", live=live)
    seconds = {"train": after - start, "rank": time.perf_counter() - after}
    told: dict[str, float] = {}
    if explanations is not None:
        start = time.perf_counter()
        told = path_quality(model, test, 10, explanations, progress)
        seconds["explain"] = time.perf_counter() - start
    shown = (model.with_interactions(split.given(live=True)) if live else model).at(split.moment("test"))
    report = EvaluationReport(
        protocol=split.protocol,
        users=len(test.users),
        items=int(split.test_candidates.sum()),
        metrics={**test.mean(), **beyond_accuracy(test, model, split.test_candidates)},
        intervals={name: bootstrap(values, config.seed) for name, values in test.metrics.items()},
        valid=rank_split(model, split, "valid").mean(),
        chosen=model.chosen.summary(),
        kg_lift={},
        knowledge_share=knowledge_share(shown, test),
        seconds=seconds,
        explanations=told,
        groups=by_history(test.metrics["ndcg@10"], test.users, split, config.seed),
    )
    measured(report)
    popularity = np.bincount(split.train.target, minlength=len(snapshot.items))
    for name in ablations:
        graph, settings = without(name, snapshot, popularity, config)
        other = train(graph, settings, split=split, progress=named(progress, name))
        lifted = lift(test, rank_split(other, split, "test", live=live), config.seed)
        report = replace(report, kg_lift={**report.kg_lift, name: lifted})
        measured(report)
    return report


def by_history(ndcg: NDArray[np.float64], users: NDArray[np.int64], split: Split, seed: int) -> dict[str, Any]:
    """A figure of warm and of cold users apart; see :attr:`EvaluationReport.groups`.

    Args:
        ndcg: of each user, shape (u,).
        users: dense indices, shape (u,).
        split: what they did before the test.
        seed: of the intervals.
    """
    return {
        name: {"users": int(part.sum()), "ndcg@10": float(ndcg[part].mean()), "interval": bootstrap(ndcg[part], seed)}
        for name, part in warm_and_cold(users, split).items()
    }


def warm_and_cold(users: NDArray[np.int64], split: Split) -> dict[str, NDArray[np.bool_]]:
    """Of a split by calendar, who did something before the test, ``warm``, and who did not, ``cold``; shape (u,) each.

    Nothing for other protocols, and no group without users.
    """
    if split.protocol != "calendar":
        return {}
    warm = np.isin(users, split.known.source)
    return {name: part for name, part in (("warm", warm), ("cold", ~warm)) if part.any()}


def lift(full: Ranking, without: Ranking, seed: int) -> dict[str, Any]:
    """What is lost in NDCG@10 without a part: ``drop`` and its bootstrap ``interval``; the users must be the same."""
    drop = full.metrics["ndcg@10"] - without.metrics["ndcg@10"]
    return {"drop": float(drop.mean()), "interval": bootstrap(drop, seed)}


def named(progress: Progress, name: str) -> Progress:
    """A progress callback that puts a name before each stage."""
    return lambda done, total, what: progress(done, total, f"{name}: {what}")
