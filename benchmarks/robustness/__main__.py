"""What wrong data and fake users do to recommendations, ours and those of peers.

    D=../shared/data/ml-100k
    python -m benchmarks.robustness $D/splits/random --items $D/ml-100k.item --facts $D/dbpedia_facts.tsv --quick --json

DIR holds train.tsv, valid.tsv and test.tsv; of several folders the runs are put together.  Every model is trained on
train alone, its hyperparameters are chosen on valid without any fake user, and the real users' lists are measured
before and after.

Attacks (see attacks.py) push one target at a time, drawn at random of the second tenth of the items by popularity
(--ranks).  ``exposure_ratio``: real users in whose top 10 the target is, after over before, the mean over the targets;
a mean of less than one user counts as one.  ``ndcg_drop``: by how much of its value, without fake users and
without defence, NDCG@10 of all other items falls.  Noise has no target: ``exposure_ratio`` is null.  ``suspects``: how
many of those whom `kg-rec suspects` names are fake (precision), and how many of the fake ones it names (recall).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.graph import Files, build, split_of
from benchmarks.robustness.attacks import ATTACKS, MOST_ITEMS, attacked
from benchmarks.robustness.measure import Judge, Run, summary
from benchmarks.robustness.models import Fit, defended, of_ease, of_itemknn, of_lightgcn, ours
from benchmarks.robustness.world import World, clean, random_interactions, wrong_facts, wrong_links
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import learnable
from kg_rec.model.trusted import EXPECTED, RobustConfig, trusted
from kg_rec.progress import Progress
from kg_rec.split import Split

MODELS = ("ours", "ours-robust", "ease", "itemknn", "lightgcn")
NOISE: dict[str, Callable[[World, float, np.random.Generator], World]] = {
    "interactions": random_interactions,
    "facts": wrong_facts,
    "links": wrong_links,
}
#: Models that read facts; to the others wrong ones make no difference, and they are not run.
READ_FACTS = ("ours", "ours-robust")


@dataclass
class Results:
    """What was measured.

    Attributes:
        runs: by what was done, by model.
        clean: NDCG@10 without fake users and noise, of each folder, by model.
        named: by attack: suspects, those of them who are fake, and fake users.
    """

    runs: dict[str, dict[str, list[Run]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    clean: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    named: dict[str, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("folders", metavar="DIR", type=Path, nargs="+")
    for name in ("kg", "link", "items"):
        found.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"RecBole's .{name.removesuffix('s')}")
    found.add_argument("--facts", type=Path, metavar="FILE", nargs="*", default=[], help="tables of items' facts")
    found.add_argument("--schema", metavar="NAME", help="a bundled schema or a .ttl file  [default: one that fits]")
    found.add_argument("--protocol", default="random", help="what the folders are  [default: random]")
    found.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), metavar="MODEL", help="of: %(choices)s"
    )
    found.add_argument("--attacks", nargs="*", choices=list(ATTACKS), default=list(ATTACKS), metavar="ATTACK",
                       help="of: %(choices)s")  # fmt: skip
    found.add_argument(
        "--fakes", type=float, nargs="+", metavar="SHARE", help="fake users  [default: .01 .03; quick: .01]"
    )
    found.add_argument("--noise", type=float, nargs="*", metavar="SHARE",
                       help="random interactions, wrong facts and links  [default: .05 .1 .2; quick: .1]")  # fmt: skip
    found.add_argument("--targets", type=int, help="items that are pushed, one at a time  [default: 10; quick: 4]")
    found.add_argument("--ranks", type=float, nargs=2, default=[0.1, 0.2], metavar="SHARE",
                       help="where they stand by popularity, 0 the most popular  [default: .1 .2]")  # fmt: skip
    found.add_argument("--slow", type=int, metavar="N", help="targets that LightGCN is run on  [default: 2; quick: 1]")
    found.add_argument(
        "--strength", type=float, default=EXPECTED, help="robust.fakes of the defence  [default: %(default)s]"
    )
    found.add_argument("--seed", type=int, default=2026, help="of targets, fake users and noise  [default: 2026]")
    found.add_argument("--config", type=Path, metavar="TOML", help="settings of our model")
    found.add_argument("--quick", action="store_true", help="fewer targets and amounts: minutes on ml-100k")
    found.add_argument("--out", type=Path, metavar="FILE", help="also here, after each case anew, complete or not")
    found.add_argument("--json", action="store_true", help="on one line")
    return found


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    options.fakes = options.fakes or ([0.01] if options.quick else [0.01, 0.03])
    options.noise = options.noise if options.noise is not None else [0.1] if options.quick else [0.05, 0.1, 0.2]
    options.slow = options.slow if options.slow is not None else 1 if options.quick else 2
    options.targets = options.targets or (4 if options.quick else 10)
    files = Files(options.kg, options.link, options.items, tuple(options.facts), options.schema)
    results, users = Results(), 0
    try:
        with progress_bar() as progress:
            for folder in options.folders:
                progress(0, None, f"read {folder}")
                snapshot, _ = build(folder, files, progress)
                users = len(snapshot.users)
                split = split_of(folder, snapshot, options.protocol)
                measure(clean(snapshot, split), split, results, options, progress)
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    text = json.dumps(report(results, users, options, complete=True), indent=None if options.json else 2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


@dataclass(frozen=True)
class Case:
    """One changed world.

    Attributes:
        name: what was done and how much, such as ``bandwagon-1%``.
        world: the result.
        target: dense index of the item that is pushed; None for noise.
        nth: which of the targets.
        facts: whether only facts were changed.
    """

    name: str
    world: World
    target: int | None
    nth: int = 0
    facts: bool = False


def measure(world: World, split: Split, results: Results, options: argparse.Namespace, progress: Progress) -> None:
    """All runs on one split, added to ``results``."""
    judge = Judge.of(split, (world.real, len(world.counts)))
    fits = contestants(world, split, options, progress)
    before = {}
    for name, fit in fits.items():
        progress(0, None, f"{name}, without fake users")
        before[name] = judge.lists(fit(world))
    reference = {name: before["ours" if name == "ours-robust" and "ours" in before else name] for name in fits}
    for name, lists in before.items():
        results.clean[name].append(float(judge.ndcg(lists).mean()))
    pushed = targets(world, split, options)
    if "ours-robust" in fits:
        results.named["nothing"].append(_named(world, options.strength))
    total = len(options.noise) * len(NOISE) + len(options.attacks) * len(options.fakes) * len(pushed)
    for done, case in enumerate(cases(world, pushed, options)):
        if case.target is not None and "ours-robust" in fits:
            results.named[case.name].append(_named(case.world, options.strength))
        for name, fit in fits.items():
            if (case.facts and name not in READ_FACTS) or (name == "lightgcn" and case.nth >= options.slow):
                continue
            progress(done, total, f"{case.name}, {name}")
            lists = judge.lists(fit(case.world))
            found = Run(
                0.0 if case.target is None else judge.exposure(before[name], case.target),
                0.0 if case.target is None else judge.exposure(lists, case.target),
                float(judge.ndcg(reference[name], case.target).mean()),
                float(judge.ndcg(lists, case.target).mean()),
            )
            results.runs[case.name][name].append(found)
        if options.out is not None:
            so_far = report(results, world.real, options, complete=False)
            options.out.write_text(json.dumps(so_far, indent=2) + "\n", encoding="utf-8")


def _named(world: World, strength: float) -> tuple[int, int, int]:
    """How many users are suspects, how many of these are fake, and how many are fake."""
    config = RobustConfig(fakes=strength)
    named = ~trusted(learnable(world.snapshot.liked(), 0), world.interactions.shape, config, 0)
    return int(named.sum()), int(named[world.real :].sum()), len(named) - world.real


def contestants(world: World, split: Split, options: argparse.Namespace, progress: Progress) -> dict[str, Fit]:
    """The models asked for, by name."""
    found: dict[str, Fit] = {}
    if {"ours", "ours-robust"} & set(options.models):
        config = TrainConfig() if options.config is None else TrainConfig.from_toml(options.config)
        plain, model = ours(world, split, config, progress)
        found = {"ours": plain, "ours-robust": defended(model, options.strength)}
    makers = {"ease": of_ease, "itemknn": of_itemknn, "lightgcn": of_lightgcn}
    for name, maker in makers.items():
        if name in options.models:
            found[name] = maker(world, split, progress, options.seed)
    return {name: fit for name, fit in found.items() if name in options.models}


def targets(world: World, split: Split, options: argparse.Namespace) -> list[int]:
    """Items drawn from a stretch of the order of popularity, of those that somebody has and the test ranks."""
    order = np.argsort(-world.counts, kind="stable")
    order = order[(world.counts[order] > 0) & split.test_candidates[order]]
    low, high = (round(share * len(order)) for share in options.ranks)
    drawn = np.random.default_rng(options.seed).permutation(order[low:high])[: options.targets]
    return [int(item) for item in drawn]


def cases(world: World, pushed: list[int], options: argparse.Namespace) -> Iterator[Case]:
    """Every changed world, one at a time; each has random numbers of its own, so that leaving some out changes none."""
    for place, (name, change) in enumerate(NOISE.items()):
        for share in options.noise:
            random = np.random.default_rng([options.seed, 1, place, round(1000 * share)])
            yield Case(f"{name}-{100 * share:g}%", change(world, share, random), None, facts=name != "interactions")
    for nth, target in enumerate(pushed):
        for place, name in enumerate(ATTACKS):
            if name not in options.attacks or (name == "whitebox" and len(world.counts) > MOST_ITEMS):
                continue
            for share in options.fakes:
                random = np.random.default_rng([options.seed, 2, place, round(1000 * share), target])
                yield Case(f"{name}-{100 * share:g}%", attacked(world, name, target, share, random), target, nth)


def report(results: Results, users: int, options: argparse.Namespace, *, complete: bool) -> dict[str, Any]:
    """Plain data for JSON."""
    found: dict[str, Any] = {
        "ndcg": {name: float(np.mean(values)) for name, values in results.clean.items()},
        "users": users,
        "targets": options.targets,
        "seed": options.seed,
        "strength": options.strength,
        "complete": complete,
    }
    for group in ("noise", "attacks"):
        found[group] = {}
    found["suspects"] = {case: _figures(*np.sum(rows, axis=0).tolist()) for case, rows in results.named.items()}
    for case, models in results.runs.items():
        group = "noise" if case.split("-")[0] in NOISE else "attacks"
        found[group][case] = {}
        for name, runs in models.items():
            figures = summary(runs, users, options.seed)
            if group == "noise":
                figures |= dict.fromkeys(("exposure_ratio", "exposure_ratio_interval"))
                del figures["exposure_before"], figures["exposure_after"]
            found[group][case][name] = figures
    return found


def _figures(named: int, caught: int, fakes: int) -> dict[str, Any]:
    """Precision and recall of suspects, null where nobody is named or fake; counts are over all runs."""
    return {
        "precision": caught / named if named else None,
        "recall": caught / fakes if fakes else None,
        "named": named,
        "fakes": fakes,
    }


if __name__ == "__main__":
    sys.exit(main())
