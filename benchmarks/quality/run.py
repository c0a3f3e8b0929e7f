"""One split, measured: the model with each seed, what its parts add, and the peers."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.graph import Files, build, split_of
from benchmarks.quality.peers import BY_CALENDAR, PEERS, Task
from kg_rec.checks.agreement import agreement, conclusion, graph_fits
from kg_rec.errors import ConfigError
from kg_rec.evaluation.bootstrap import bootstrap, ratio_interval
from kg_rec.evaluation.evaluate import by_history, evaluate, lift, rank_split, warm_and_cold
from kg_rec.model.config import TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.model.train.train import encode_items, train
from kg_rec.progress import Progress
from kg_rec.snapshot import Snapshot
from kg_rec.split import Split

#: Takes what is known so far.
Keep = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        protocol: of the split.
        config: training settings.
        seed: the first seed.
        seeds: how many; the run with the median NDCG@10 is reported.
        keep: share of the training interactions that is trained on.
        live: the test is ranked with what users did up to it, train and valid; nothing is fitted again.  By calendar
            this is always so.
        ablations: parts that are left out in turn.
        peers: peers that run beside the model.
    """

    protocol: str
    config: TrainConfig
    seed: int
    seeds: int
    keep: float
    live: bool
    ablations: tuple[str, ...]
    peers: tuple[str, ...]


def measure(folder: Path, files: Files, plan: Plan, progress: Progress, keep: Keep) -> dict[str, Any]:
    """The figures of one split.

    Args:
        folder: train.tsv, valid.tsv and test.tsv.
        files: what is known of the items.
        plan: what is measured.
        progress: called as the work advances.
        keep: called with what is known after each step.
    """
    snapshot, rejected = build(folder, files, progress)
    if rejected.rows:
        print(f"note: {rejected.rows} malformed rows were left out, the first is {rejected.first}", file=sys.stderr)
    split = kept(split_of(folder, snapshot, plan.protocol), plan.keep, plan.seed)
    if split.moment("test") is None and (early := [name for name in plan.peers if name in BY_CALENDAR]):
        raise ConfigError(f"{early[0]} needs one moment for everybody: --protocol calendar")
    bare = None
    if files.kg is not None and plan.ablations:
        graph, _ = build(folder, replace(files, kg=None, link=None), progress)
        bare = graph, kept(split_of(folder, graph, plan.protocol), plan.keep, plan.seed)
    runs = []
    for seed in range(plan.seed, plan.seed + plan.seeds):
        run, ndcg = _run(snapshot, split, bare, replace(plan, seed=seed), progress, keep)
        runs.append((run, ndcg))
    runs.sort(key=lambda run: run[0]["metrics"]["ndcg@10"])
    result, ndcg = runs[(len(runs) - 1) // 2]
    result["seeds"] = {str(run["seed"]): run["metrics"]["ndcg@10"] for run, _ in runs}
    result["agreement"] = _agreement(snapshot.with_edges(snapshot.schema.interaction.name, split.train), plan.seed)
    result |= {"keep": plan.keep, "live": plan.live, "peers": {}}
    task = Task(split, (len(snapshot.users), len(snapshot.items)), plan.live)
    users = np.unique(split.test.source)
    for name in plan.peers:
        peer = PEERS[name](task, progress, plan.seed)
        found = peer.to_dict()
        own = peer.metrics["ndcg@10"]
        found["gain"] = _gain(ndcg, own, plan.seed)
        found["groups"] = by_history(own, users, split, plan.seed)
        for group, part in warm_and_cold(users, split).items():
            found["groups"][group]["gain"] = _gain(ndcg[part], own[part], plan.seed)
        found["ndcg_ratio"] = _ratio(result["metrics"]["ndcg@10"], found["ndcg@10"])
        found["ndcg_ratio_interval"] = ratio_interval(ndcg, own, plan.seed)
        found["fit_ratio"] = _ratio(result["seconds"]["fit"], found["fit_seconds"])
        result["peers"][name] = found
        keep(result)
    result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def kept(split: Split, share: float, seed: int) -> Split:
    """The split with a share of its training interactions, drawn by the seed; at least one of each user stays.

    The others are neither learned from nor ranked.

    Args:
        split: the whole split.
        share: above 0, at most 1.
        seed: of the draw.
    """
    if share == 1:
        return split
    chance = np.random.default_rng(seed).random(len(split.train))
    order = np.lexsort((chance, split.train.source))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(split.train.source[order]) != 0
    stays = chance < share
    stays[order[first]] = True
    return replace(split, train=split.train.take(stays), withheld=split.train.take(~stays))


def _run(
    snapshot: Snapshot, split: Split, bare: tuple[Snapshot, Split] | None, plan: Plan, progress: Progress, keep: Keep
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """One seed: the figures, and the test NDCG@10 per user."""
    settings = replace(plan.config, seed=plan.seed)
    train_graph = snapshot.with_edges(snapshot.schema.interaction.name, split.train)
    start = time.perf_counter()
    text = encode_items(train_graph, settings, progress)
    text_seconds = time.perf_counter() - start
    models: list[Recommender] = []
    report = evaluate(
        snapshot,
        split,
        settings,
        ablations=plan.ablations,
        live=plan.live,
        progress=progress,
        trained=models.append,
        measured=lambda known: keep({**known.to_dict(), "seed": plan.seed}),
    )
    model = models[0]
    everyone = np.arange(model.shape[0])
    start = time.perf_counter()
    again = fit(train_graph, model.chosen, settings, text, progress)
    again.scores(everyone[:1])  # joins the channels, once per model
    fitted = time.perf_counter()
    again.rank(everyone, 10)
    ranked = time.perf_counter()
    seconds = {
        "fit": fitted - start,
        "tune": max(0.0, report.seconds["train"] - (fitted - start)),
        "rank": ranked - fitted,
        "text": text_seconds,
    }
    drops = dict(report.kg_lift)
    full = rank_split(model, split, "test", live=plan.live)
    if bare is not None:
        graph, alone = bare
        rest = sum(len(graph.edges[r.name]) for r in graph.schema.knowledge_relations)
        if not rest and "no_graph" in drops:  # the triples are all that there is
            drops["no_kg"] = drops["no_graph"]
        else:
            other = train(graph, settings, split=replace(alone, live=plan.live), progress=progress)
            drops["no_kg"] = lift(full, rank_split(other, alone, "test", live=plan.live), plan.seed)
    result = {**report.to_dict(), "kg_lift": drops, "seconds": seconds, "seed": plan.seed}
    keep(result)
    return result, full.metrics["ndcg@10"]


def _gain(one: NDArray[np.float64], other: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """The mean of the first metric less that of the second, and its interval over the same users."""
    return {"ndcg@10": float((one - other).mean()), "interval": bootstrap(one - other, seed)}


def _ratio(one: float, other: float) -> float | None:
    return one / other if other else None


def _agreement(snapshot: Snapshot, seed: int) -> dict[str, Any]:
    """Whether the facts belong to the items; said aloud, since a wrong graph makes no error."""
    found = agreement(snapshot, seed=seed)
    print(f"note: {conclusion(found)}", file=sys.stderr)
    return {"graph_fits": graph_fits(found), "verdicts": {a.relation: a.verdict for a in found}}
