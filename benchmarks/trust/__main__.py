"""What privacy costs, and how much a model tells of the people it was trained on.

    D=../shared/data/ml-100k
    python -m benchmarks.trust $D/splits/random --items $D/ml-100k.item --facts $D/dbpedia_facts.tsv --json

DIR holds train.tsv, valid.tsv and test.tsv; of several folders the figures are averaged.  Trained on train alone.
``_low`` and ``_high`` end names of 95 % bootstrap intervals over the test users, ``_spread`` those of standard
deviations over draws of the noise or over the models attacked.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import ndtr

from benchmarks.quality.graph import Files, build, split_of
from benchmarks.quality.linear import LinearAutoencoder
from benchmarks.trust.membership import membership_auc
from benchmarks.trust.small import test_of
from benchmarks.trust.trained import SITES, of_trained
from kg_rec.arrays.types import Floats64
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.evaluation.bootstrap import bootstrap
from kg_rec.metrics import ValidationSet
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.split import Split
from kg_rec.trust.gaussian import Budget, mu_of
from kg_rec.trust.private import PublicPart, fit, train_private
from kg_rec.trust.private_sites import basis_of, noised_moments, noised_popularity, train_noised_sites


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", metavar="DIR", type=Path, nargs="+")
    for name in ("kg", "link", "items"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"RecBole's .{name.removesuffix('s')}")
    parser.add_argument("--facts", type=Path, metavar="FILE", nargs="*", default=[], help="tables of items' facts")
    parser.add_argument("--delta", type=float, help="default: 1 / (10 x users), rounded down to a power of ten")
    parser.add_argument("--runs", type=int, default=5, help="draws of the noise that are averaged  [default: 5]")
    parser.add_argument("--models", type=int, default=16, help="models of the membership attack  [default: 16]")
    parser.add_argument("--rounds", type=int, default=3, help="trainings that are timed  [default: 3]")
    parser.add_argument("--seed", type=int, default=2026, help="of the noise, here alone  [default: 2026]")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="settings of the model that forgets, that sites train, and is made small",
    )
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    files = Files(options.kg, options.link, options.items, tuple(options.facts))
    try:
        with progress_bar() as progress:
            found = []
            for folder in options.folders:
                progress(0, None, f"read {folder}")
                snapshot, _ = build(folder, files, progress)
                split = split_of(folder, snapshot, "random")
                found.append(measure(snapshot, split, options))
                config = TrainConfig() if options.config is None else TrainConfig.from_toml(options.config)
                shape = (len(snapshot.users), len(snapshot.items))
                found[-1] |= of_trained(snapshot, split, config, *test_of(split, shape), options.rounds, progress)
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    result: dict[str, Any] = {key: statistics.fmean(f[key] for f in found) for key in found[0]}
    print(json.dumps(result, indent=None if options.json else 2))
    return 0


def measure(snapshot: Snapshot, split: Split, options: argparse.Namespace) -> dict[str, float]:
    """Figures of one split."""
    shape = (len(snapshot.users), len(snapshot.items))
    seen = snapshot.with_edges(snapshot.schema.interaction.name, split.train)
    judge, rows = test_of(split, shape)
    delta = options.delta or 10.0 ** np.floor(-np.log10(10 * shape[0]))
    result: dict[str, float] = {"users": shape[0], "delta": delta}
    random = np.random.default_rng(options.seed)
    model = None
    for epsilon in (3.0, 1.0):
        figures = []
        for _ in range(options.runs):
            model = train_private(seen, Budget(epsilon, delta), random=random)
            figures.append(judge.per_user(replace(model, snapshot=seen).scores(rows).astype(np.float32)))
        result |= summary(f"epsilon{epsilon:g}_ndcg", figures, options.seed)
    result |= sites_with_noise(seen, split.train, Budget(3.0, delta), judge, rows, options)
    liked = histories(split.train, shape, 0).astype(np.float64)
    popularity = np.tile(np.bincount(split.train.target, minlength=shape[1]).astype(np.float32), (len(rows), 1))
    result["popular_ndcg"] = judge.ndcg(popularity)
    plain = LinearAutoencoder(liked, 200.0, 0.33)
    result["not_private_ndcg"] = judge.ndcg(plain.scores(liked[rows]).astype(np.float32))
    every = np.arange(shape[1])
    assert model is not None
    likeness = model.similarity(every, every).astype(np.float64)

    def private(given: sparse.csr_array, random: np.random.Generator) -> Callable[[sparse.csr_array], Floats64]:
        _, kernel, _ = fit(given, likeness, Budget(1.0, delta), random)
        return lambda asked: kernel.scores(asked).astype(np.float64)

    def open_(given: sparse.csr_array, _: np.random.Generator) -> Callable[[sparse.csr_array], Floats64]:
        return LinearAutoencoder(given, 200.0, 0.33).scores

    for name, attacked in (("membership_auc", private), ("membership_auc_not_private", open_)):
        result[name], result[f"{name}_spread"] = membership_auc(liked, attacked, options.models, options.seed)
    # what nobody can exceed who sees the model alone, even with everybody else's histories in hand
    result["membership_auc_bound"] = float(ndtr(mu_of(Budget(1.0, delta)) / np.sqrt(2)))
    return result


def sites_with_noise(
    seen: Snapshot,
    edges: EdgeTable,
    budget: Budget,
    judge: ValidationSet,
    rows: np.ndarray[Any, Any],
    options: argparse.Namespace,
) -> dict[str, float]:
    """NDCG@10 of three sites with users dealt to them in turn, each with the whole budget's noise."""
    random, figures, name = np.random.default_rng(options.seed), [], seen.schema.interaction.name
    public = PublicPart.of(seen, TrainConfig())
    parts = {site: seen.with_edges(name, edges.take(edges.source % len(SITES) == n)) for n, site in enumerate(SITES)}
    for _ in range(options.runs):
        first = [noised_popularity(graph, site, budget, random) for site, graph in parts.items()]
        basis = basis_of(public, first)
        moments = [noised_moments(graph, site, basis, random) for site, graph in parts.items()]
        model = train_noised_sites(public, moments)
        figures.append(judge.per_user(replace(model, snapshot=seen).scores(rows).astype(np.float32)))
    return summary("sites_epsilon3_ndcg", figures, options.seed)


def summary(name: str, figures: list[Floats64], seed: int) -> dict[str, float]:
    """Mean over draws of the noise and users, 95 % interval over users, and standard deviation over draws.

    Args:
        name: of the figure.
        figures: by draw, NDCG@10 of each user.
        seed: of the bootstrap.
    """
    low, high = bootstrap(np.mean(figures, axis=0), seed)
    spread = float(np.std([drawn.mean() for drawn in figures]))
    return {name: float(np.mean(figures)), f"{name}_low": low, f"{name}_high": high, f"{name}_spread": spread}


if __name__ == "__main__":
    sys.exit(main())
