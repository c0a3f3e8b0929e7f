"""Evaluation: full ranking on a split, metrics with bootstrap intervals, and what the graph adds.

``kg_lift`` is the drop in NDCG@10 when the same model is trained without a part: without the graph, with a graph whose
facts are shuffled among the items, or among items of about equal popularity, without text, or without the channel
``relational``.  A positive number is what the
part adds; users are paired, so its interval says whether that is more than chance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ConfigError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.path import Path
from kg_rec.explain.paths.metrics import path_metrics
from kg_rec.explain.paths.search import find
from kg_rec.explain.single import path_groups
from kg_rec.metrics import per_user
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.progress import Progress, no_progress
from kg_rec.schema import RelationType
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split

#: What can be left out to measure what it adds.
ABLATIONS = ("no_graph", "shuffled_graph", "popularity_shuffled", "no_text", "no_gnn")

#: Users whose lists are explained at a time.
_EXPLAINED = 200


@dataclass(frozen=True)
class Ranking:
    """Ranked lists of users with something to find.

    Attributes:
        users: dense indices, shape (u,).
        top: item indices, best first, -1 for none, shape (u, k).
        metrics: per user, by name such as ``ndcg@10``, each shape (u,).
    """

    users: NDArray[np.int64]
    top: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]

    def mean(self) -> dict[str, float]:
        """Averages over the users."""
        return {name: float(values.mean()) for name, values in self.metrics.items()}


@dataclass(frozen=True)
class EvaluationReport:
    """The result of :func:`evaluate`.

    Attributes:
        protocol: random, temporal, cold-items or cold-users.
        users: users with a test item, over whom the figures are averaged.
        items: candidate items in the test.
        metrics: test figures by name, e.g. ``ndcg@10``; also ``coverage@10``, ``novelty@10`` (mean self-information,
            bits), ``diversity@10`` (1 - mean cosine of interaction columns) and ``popularity@10`` (mean popularity of
            the recommended items over that of the users' own).
        intervals: 95 % bootstrap intervals over users of the accuracy metrics.
        valid: validation figures.
        chosen: hyperparameters and fusion weights.
        knowledge_share: how much of the scores in the test lists runs through facts of the graph; the ``median``,
            ``lower`` and ``upper`` quartile over users (:func:`knowledge_share`).
        kg_lift: per ablation, ``drop`` in test NDCG@10 and its ``interval``.
        seconds: ``train`` and ``rank``, and ``explain`` where explanations are measured.
        explanations: path quality of the test lists, e.g. ``lir@10``; see :mod:`kg_rec.explain.paths.metrics`.  Empty
            if it is not asked for.
    """

    protocol: str
    users: int
    items: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    valid: Mapping[str, float]
    chosen: Mapping[str, Any]
    knowledge_share: Mapping[str, float]
    kg_lift: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    explanations: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def rank_split(model: Recommender, split: Split, part: str, ks: Sequence[int] = (10, 20)) -> Ranking:
    """Rank the candidates of a split for every user with an item to find.

    Args:
        model: trained on ``split.train``.
        split: the split.
        part: ``valid`` masks the training items; ``test`` masks training and validation items.
        ks: cut-offs.
    """
    wanted, seen, candidates = (
        (split.valid, split.train, split.valid_candidates)
        if part == "valid"
        else (split.test, split.known, split.test_candidates)
    )
    relevant, known = histories(wanted, model.shape, 0), histories(seen, model.shape, 0)
    users = np.flatnonzero(np.diff(relevant.indptr))
    if not len(users):
        raise ConfigError(f"no user has {part} interactions; give more interactions or a larger share")
    top, _ = model.best(model.histories[users], known[users], max(ks), candidates)
    metrics = {f"{name}@{k}": v for k in ks for name, v in per_user(top, relevant[users], k).items()}
    return Ranking(users, top, metrics)


def bootstrap(values: NDArray[np.float64], seed: int, samples: int = 1000) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean over users (Efron 1979)."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(samples)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


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
    return {
        f"coverage@{k}": len(np.unique(listed)) / int(candidates.sum()),
        f"novelty@{k}": float(-np.log2(np.maximum(popularity[listed], 1) / n_users).mean()),
        f"diversity@{k}": 1 - float(np.mean(similarity)) if similarity else 0.0,
        f"popularity@{k}": float(popularity[listed].mean() / max(popularity[own.indices].mean(), 1e-12)),
    }


def knowledge_share(model: Recommender, ranking: Ranking, k: int = 10) -> dict[str, float]:
    """The part of each user's top-k scores, taken together, that runs through paths of facts: quartiles over users.

    Users whose scores do not add up to a positive number are left out.
    """
    top = ranking.top[:, :k]
    owner = np.repeat(np.arange(len(top)), (top >= 0).sum(axis=1))
    addends = model.addends(ranking.users[owner], top[top >= 0])
    values = addends.values.get("knowledge", np.zeros(len(addends.pairs)))
    through = np.bincount(owner[addends.pairs], weights=values, minlength=len(top))
    total = np.bincount(owner, weights=addends.sums(), minlength=len(top))
    shares = through[total > 0] / total[total > 0]
    lower, median, upper = np.quantile(shares, [0.25, 0.5, 0.75]) if len(shares) else (0.0, 0.0, 0.0)
    return {"lower": float(lower), "median": float(median), "upper": float(upper)}


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
    found = path_metrics(model.snapshot, lists, k)
    return {f"{name}@{k}": value for name, value in found.items()}


def evaluate(
    snapshot: Snapshot,
    split: Split,
    config: TrainConfig | None = None,
    *,
    ablations: Sequence[str] = ("no_graph", "shuffled_graph"),
    explanations: ExplainConfig | None = None,
    progress: Progress = no_progress,
    trained: Callable[[Recommender], None] = lambda _: None,
) -> EvaluationReport:
    """Train on a split, rank, measure, and train again without each part of ``ablations``.

    Args:
        snapshot: the graph; its interactions are replaced by the split's.
        split: train, validation and test interactions.
        config: settings of the full model.
        ablations: some of :data:`ABLATIONS`.
        explanations: measure the paths of the test lists too, chosen in this way; None leaves them out.
        progress: called as the work advances.
        trained: receives the full model.

    Raises:
        ConfigError: an ablation is unknown.
    """
    config = config or TrainConfig()
    unknown = sorted(set(ablations) - set(ABLATIONS))
    if unknown:
        raise ConfigError(f"unknown ablation {unknown[0]!r}; expected some of {', '.join(ABLATIONS)}")
    start = time.perf_counter()
    model = train(snapshot, config, split=split, progress=progress)
    trained(model)
    after = time.perf_counter()
    test = rank_split(model, split, "test")
    seconds = {"train": after - start, "rank": time.perf_counter() - after}
    told: dict[str, float] = {}
    if explanations is not None:
        start = time.perf_counter()
        told = path_quality(model, test, 10, explanations, progress)
        seconds["explain"] = time.perf_counter() - start
    drops = {}
    for name in ablations:
        without, settings = _without(name, snapshot, config)
        other = rank_split(train(without, settings, split=split, progress=named(progress, name)), split, "test")
        drops[name] = lift(test, other, config.seed)
    return EvaluationReport(
        protocol=split.protocol,
        users=len(test.users),
        items=int(split.test_candidates.sum()),
        metrics={**test.mean(), **beyond_accuracy(test, model, split.test_candidates)},
        intervals={name: bootstrap(values, config.seed) for name, values in test.metrics.items()},
        valid=rank_split(model, split, "valid").mean(),
        chosen=model.chosen.summary(),
        knowledge_share=knowledge_share(model, test),
        kg_lift=drops,
        seconds=seconds,
        explanations=told,
    )


def lift(full: Ranking, without: Ranking, seed: int) -> dict[str, Any]:
    """What is lost in NDCG@10 without a part: ``drop`` and its bootstrap ``interval``; the users must be the same."""
    drop = full.metrics["ndcg@10"] - without.metrics["ndcg@10"]
    return {"drop": float(drop.mean()), "interval": bootstrap(drop, seed)}


def named(progress: Progress, name: str) -> Progress:
    """Progress told under a name."""
    return lambda done, total, what: progress(done, total, f"{name}: {what}")


def _without(name: str, snapshot: Snapshot, config: TrainConfig) -> tuple[Snapshot, TrainConfig]:
    if name == "no_text":
        return snapshot, config.with_parts(replace(config.of(MeaningConfig), encoder="none"))
    if name == "no_gnn":
        return snapshot, replace(config, channels=tuple(c for c in config.channels if c != "relational"))
    rng = np.random.default_rng(config.seed)
    popularity = np.bincount(snapshot.liked().target, minlength=len(snapshot.items))
    for relation in snapshot.schema.knowledge_relations:
        edges = snapshot.edges[relation.name]
        if name == "no_graph":
            edges = edges.take(np.zeros(len(edges), dtype=bool))
        else:
            order = (
                _equally_popular(popularity, rng) if name == "popularity_shuffled" else rng.permutation(len(popularity))
            )
            edges = _shuffled(edges, relation, snapshot.schema.item.name, order)
        snapshot = snapshot.with_edges(relation.name, edges)
    return snapshot, config


#: Items of neighbouring popularity among which ``popularity_shuffled`` deals the facts.
_NEIGHBOURS = 20


def _equally_popular(popularity: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A permutation among items of about equal popularity: each group of neighbours in popularity is dealt anew."""
    order = np.lexsort((rng.random(len(popularity)), popularity))
    dealt = np.empty(len(order), dtype=np.int64)
    for start in range(0, len(order), _NEIGHBOURS):
        group = order[start : start + _NEIGHBOURS]
        dealt[group] = rng.permutation(group)
    return dealt


def _shuffled(edges: EdgeTable, relation: RelationType, item: str, order: NDArray[np.int64]) -> EdgeTable:
    """The facts of each item given to another item: degrees stay, agreement with the interactions goes."""
    source = order[edges.source] if relation.source == item else edges.source
    target = order[edges.target] if relation.target == item else edges.target
    rows = np.lexsort((target, source))
    return EdgeTable(source, target, edges.weight, edges.time).take(rows)
