"""How well the model ranks a split, what the graph adds, and peers beside it.

    python -m benchmarks.quality ../shared/data/ml-100k/splits/random --items ml-100k.item --facts dbpedia_facts.tsv

DIR holds train.tsv, valid.tsv and test.tsv (columns user, item and optionally rating, timestamp); or folders that do,
whose figures are averaged (the folds of cold-items).  Everything is chosen on validation.  One line of JSON on stdout.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.graph import PARTS, Files, build, split_of
from benchmarks.quality.peers import PEERS
from kg_rec.checks.agreement import agreement, conclusion, graph_fits
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.evaluation.evaluate import ABLATIONS, evaluate, lift, named, rank_split
from kg_rec.model.config import TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.model.train.train import encode_items, train
from kg_rec.progress import Progress
from kg_rec.snapshot import Snapshot
from kg_rec.split import Split

PROTOCOLS = ("random", "temporal", "cold-items")


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    folders = _folders(options.folder)
    protocol = options.protocol or next((p for p in PROTOCOLS if p in options.folder.resolve().parts), "random")
    files = Files(options.kg, options.link, options.items, options.facts)
    config = TrainConfig() if options.config is None else TrainConfig.from_toml(options.config)
    runs = []
    try:
        with progress_bar() as progress:
            for folder in folders:
                tell = progress if len(folders) == 1 else named(progress, folder.name)
                runs.append(_fold(folder, files, protocol, config, options, tell))
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    result = runs[0] if len(runs) == 1 else {**_averaged(runs), "folds": runs}
    line = json.dumps({"data": str(options.folder), **result})
    print(line)
    if options.out is not None:
        options.out.write_text(line + "\n", encoding="utf-8")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", metavar="DIR", type=Path)
    for name, words in (("kg", "RecBole's .kg"), ("link", "RecBole's .link"), ("items", "RecBole's .item"),
                        ("facts", "table of item_id, relation, name"), ("config", "TOML file with training settings"),
                        ("out", "also write the line here")):  # fmt: skip
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=words)
    parser.add_argument("--protocol", choices=PROTOCOLS, help="default: the one named by the folder, else random")
    parser.add_argument("--seed", type=int, default=TrainConfig().seed)
    parser.add_argument("--seeds", type=int, default=1, help="train with this many seeds and report the median run")
    parser.add_argument("--ablations", nargs="*", choices=ABLATIONS, default=list(ABLATIONS), metavar="NAME",
                        help=f"default: all of {', '.join(ABLATIONS)}")  # fmt: skip
    parser.add_argument("--peers", nargs="*", choices=tuple(PEERS), default=[], metavar="NAME",
                        help=f"run {' or '.join(PEERS)} on the same split")  # fmt: skip
    options = parser.parse_args(arguments)
    if (options.kg is None) != (options.link is None):
        parser.error("--kg and --link go together: the link says which entity is which item")
    return options


def _folders(folder: Path) -> list[Path]:
    if (folder / f"{PARTS[0]}.tsv").is_file():
        return [folder]
    inner = sorted(p for p in folder.glob("*") if (p / f"{PARTS[0]}.tsv").is_file())
    if not inner:
        raise SystemExit(
            f"error: expected train.tsv, valid.tsv and test.tsv in {folder}, or in folders of it; found none"
        )
    return inner


def _fold(folder: Path, files: Files, protocol: str, config: TrainConfig, options: argparse.Namespace,
          progress: Progress) -> dict[str, Any]:  # fmt: skip
    snapshot, rejected = build(folder, files, progress)
    if rejected:
        print(f"note: {rejected} malformed rows were left out", file=sys.stderr)
    split = split_of(folder, snapshot, protocol)
    train_graph = snapshot.with_edges(snapshot.schema.interaction.name, split.train)
    start = time.perf_counter()
    text = encode_items(train_graph, config, progress)
    text_seconds = time.perf_counter() - start
    runs = []
    for seed in range(options.seed, options.seed + options.seeds):
        settings = replace(config, seed=seed)
        models: list[Recommender] = []
        report = evaluate(
            snapshot, split, settings, ablations=options.ablations, progress=progress, trained=models.append
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
        if files.kg is not None and options.ablations:
            drops["no_kg"] = _without_kg(folder, files, protocol, settings, model, split, progress)
        runs.append({**report.to_dict(), "kg_lift": drops, "seconds": seconds, "seed": seed})
    runs.sort(key=lambda run: run["metrics"]["ndcg@10"])
    result = {**runs[(len(runs) - 1) // 2], "seeds": {str(r["seed"]): r["metrics"]["ndcg@10"] for r in runs}}
    result["agreement"] = _agreement(train_graph, options.seed)
    result["peers"] = {name: PEERS[name](split, models[0].shape, progress, options.seed) for name in options.peers}
    for peer in result["peers"].values():
        peer["ndcg_ratio"] = result["metrics"]["ndcg@10"] / peer["ndcg@10"]
        peer["fit_ratio"] = result["seconds"]["fit"] / peer["fit_seconds"]
    result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def _without_kg(
    folder: Path,
    files: Files,
    protocol: str,
    config: TrainConfig,
    model: Recommender,
    split: Split,
    progress: Progress,
) -> dict[str, Any]:
    """The drop in NDCG@10 without the facts of ``--kg`` alone: genres of ``--items`` and named facts stay."""
    snapshot, _ = build(folder, replace(files, kg=None, link=None), progress)
    alone = split_of(folder, snapshot, protocol)
    other = rank_split(train(snapshot, config, split=alone, progress=progress), alone, "test")
    return lift(rank_split(model, split, "test"), other, config.seed)


def _agreement(snapshot: Snapshot, seed: int) -> dict[str, Any]:
    """Whether the facts belong to the items; said aloud, since a wrong graph makes no error."""
    found = agreement(snapshot, seed=seed)
    print(f"note: {conclusion(found)}", file=sys.stderr)
    return {"graph_fits": graph_fits(found), "verdicts": {a.relation: a.verdict for a in found}}


def _averaged(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over folds; a drop's interval is that of the mean of independent folds."""

    def values(path: Sequence[str]) -> list[Any]:
        return [reduce(getitem, path, run) for run in runs]

    def mean(path: Sequence[str]) -> float:
        return statistics.fmean(values(path))

    def interval(path: Sequence[str], centre: float) -> tuple[float, float]:
        halves = [(high - low) / 2 for low, high in values(path)]
        half = float(np.sqrt(np.sum(np.square(halves)))) / len(runs)
        return centre - half, centre + half

    metrics = {name: mean(("metrics", name)) for name in runs[0]["metrics"]}
    drops = {name: mean(("kg_lift", name, "drop")) for name in runs[0]["kg_lift"]}
    return {
        "protocol": runs[0]["protocol"],
        "users": sum(run["users"] for run in runs),
        "items": sum(run["items"] for run in runs),
        "metrics": metrics,
        "valid": {name: mean(("valid", name)) for name in runs[0]["valid"]},
        "intervals": {name: interval(("intervals", name), metrics[name]) for name in runs[0]["intervals"]},
        "chosen": [run["chosen"] for run in runs],
        "seconds": {name: max(run["seconds"][name] for run in runs) for name in runs[0]["seconds"]},
        "peak_memory_mb": max(run["peak_memory_mb"] for run in runs),
        "kg_lift": {n: {"drop": d, "interval": interval(("kg_lift", n, "interval"), d)} for n, d in drops.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
