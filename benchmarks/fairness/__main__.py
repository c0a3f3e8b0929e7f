"""Who is served how well, what is shown how often, and what calibrated lists and floors cost.

    D=../shared/data/ml-100k
    python -m benchmarks.fairness $D/splits/random --items $D/ml-100k.item --users $D/ml-100k.user \
        --facts $D/dbpedia_facts.tsv --by gender --by age=18,25,35,50
    G=../shared/data/grocery
    python -m benchmarks.fairness $G/splits/random --facts $G/categories.tsv --calibrate ""

DIR holds train.tsv, valid.tsv and test.tsv.  The model is trained on train and chosen on valid; nothing is chosen on
test.  Tables, or with --json one line of figures:

``ndcg``: NDCG@10.  ``telling``: gaps that are more than chance, of ``tests``.  ``largest_ndcg_gap``: of a group of
users against the others, with ``largest_ndcg_gap_of``.  ``head_ratio``, ``tail_ratio``: exposure by merit.
``parts_error``: the largest difference of a gap of scores and the sum of its parts, and of knowledge's part and the sum
of its facts.  ``calibration_kl_ratio``, ``calibration_ndcg_loss``: divergence after by before, and loss of NDCG as a
share, of lists that are calibrated with the strength that validation chooses; ``halved_strength``,
``halved_ndcg_loss``: of the first strength that halves the divergence on validation.  ``floor_tail``,
``floor_ndcg_loss``: exposure of the tail with a floor of 10 %, and its cost.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.graph import Files, build, split_of
from kg_rec.audit.config import AuditConfig
from kg_rec.audit.cost import Cost, choose_strength, cost_of, rank_by_rules
from kg_rec.audit.measures import calibration
from kg_rec.audit.report import AuditReport, audit
from kg_rec.cli.audit import print_cost, print_report
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.evaluation.evaluate import rank_split
from kg_rec.jobs.rules import CandidatesConfig, FloorConfig
from kg_rec.model.config import TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.snapshot.item_facts import item_relation
from kg_rec.split import Split

FLOOR = FloorConfig("tail", 0.1)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fairness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="DIR", type=Path)
    for name in ("kg", "link", "items", "users"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"RecBole's .{name.removesuffix('s')}")
    parser.add_argument("--facts", type=Path, metavar="FILE", nargs="*", default=[], help="tables of items' facts")
    parser.add_argument("--by", action="append", default=[], metavar="NAME[=BOUND,…]", help="as of kg-rec audit")
    parser.add_argument(
        "--calibrate", default=None, metavar="RELATION", help='default: what sorts most items; "": none'
    )
    parser.add_argument("--least", type=int, default=20, metavar="N", help="smallest group told of  [default: 20]")
    parser.add_argument("--config", type=Path, metavar="TOML", help="settings of the model")
    parser.add_argument("--page", type=Path, metavar="FILE", help="also write the audit as an HTML page")
    parser.add_argument("--json", action="store_true", help="one line of figures in place of tables")
    options = parser.parse_args(arguments)
    files = Files(options.kg, options.link, options.items, tuple(options.facts), None, options.users)
    settings = TrainConfig() if options.config is None else TrainConfig.from_toml(options.config)
    try:
        with progress_bar() as progress:
            snapshot, _ = build(options.folder, files, progress)
            split = split_of(options.folder, snapshot, "random")
            model = train(snapshot, settings, split=split, progress=progress)
            config = AuditConfig(by=tuple(options.by), least=options.least)
            report = audit(model, split, config, progress)
            kinds = report.calibration if options.calibrate is None else options.calibrate
            calibrated, halved = calibrations(model, split, config, kinds) if kinds else (None, None)
            floored = cost(model, split, CandidatesConfig(floors=(FLOOR,)), config)
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.page is not None:
        from kg_rec.audit.page import page

        options.page.write_text(page(report, f"Trained on {options.folder}."), encoding="utf-8")
    own = own_divergence(model, config, kinds) if kinds else None
    if options.json:
        print(json.dumps({**figures(report, calibrated, halved, floored), "own_divergence": own}))
        return 0
    print_report(report)
    if own is not None:
        print(f"divergence of {config.k} items drawn from what a user liked: {own:.3f}")
    for one in (calibrated, halved, floored):
        if one is not None:
            print()
            print_cost(one)
    return 0


def cost(model: Recommender, split: Split, rules: CandidatesConfig, config: AuditConfig, tried: Any = ()) -> Cost:
    """What rules cost on the test."""
    before = rank_split(model, split, "test", (config.k,))
    after = rank_by_rules(model, split, "test", config.k, rules)
    return cost_of(model, rules, before, after, config.k, config.seed, tried)


def calibrations(model: Recommender, split: Split, config: AuditConfig, kinds: str) -> tuple[Cost, Cost | None]:
    """Of the strength that validation chooses, and of the first that halves the divergence on validation."""
    rules, tried = choose_strength(model, split, config.k, CandidatesConfig(calibrate=kinds))
    chosen = cost(model, split, rules, config, tried)
    half = next((t.strength for t in tried if t.divergence <= tried[0].divergence / 2), None)
    return chosen, None if half is None else cost(model, split, replace(rules, strength=half), config)


def own_divergence(model: Recommender, config: AuditConfig, kinds: str) -> float | None:
    """Mean divergence of ``config.k`` items drawn from each user's likes; None where nobody liked more than that."""
    relation, random = item_relation(model.snapshot.schema, kinds, "calibrate"), np.random.default_rng(config.seed)
    liked = model.users_of_items.tocsr()
    users = np.flatnonzero(np.diff(liked.indptr) > config.k)
    if not len(users):
        return None
    items = [liked.indices[liked.indptr[user] : liked.indptr[user + 1]] for user in users]
    top = np.stack([random.choice(own, config.k, replace=False) for own in items])
    return float(np.nanmean(calibration(model, users, top, relation)))


def figures(report: AuditReport, calibrated: Cost | None, halved: Cost | None, floored: Cost) -> dict[str, Any]:
    """The line of JSON."""
    quality = max((g for g in report.gaps if g.measure == "ndcg"), key=lambda g: abs(g.gap), default=None)
    ratios = {e.group.split()[0]: e.ratio for e in report.exposure if e.by == "popularity"}
    errors = [abs(sum(value for _, value in s.parts) - s.gap) for s in report.scores]
    errors += [
        abs(dict(s.parts).get("knowledge", 0.0) - sum(f.value for f in s.facts) - s.other_facts) for s in report.scores
    ]
    return {
        "users": report.users,
        "items": report.items,
        "ndcg": report.means["ndcg"],
        "divergence": report.means.get("divergence"),
        "tests": report.tests,
        "telling": sum(row.telling for row in (*report.gaps, *report.exposure)),
        "largest_ndcg_gap": None if quality is None else quality.gap,
        "largest_ndcg_gap_of": None if quality is None else f"{quality.by} {quality.group}",
        "head_ratio": ratios.get("head"),
        "tail_ratio": ratios.get("tail"),
        "parts_error": max(errors, default=0.0),
        "calibration_strength": None if calibrated is None else calibrated.strength,
        "calibration_kl_ratio": _ratio(calibrated),
        "calibration_ndcg_loss": None if calibrated is None else calibrated.loss,
        "halved_strength": None if halved is None else halved.strength,
        "halved_kl_ratio": _ratio(halved),
        "halved_ndcg_loss": None if halved is None else halved.loss,
        "floor_tail": floored.floors[0].after,
        "floor_tail_before": floored.floors[0].before,
        "floor_ndcg_loss": floored.loss,
    }


def _ratio(found: Cost | None) -> float | None:
    if found is None or not found.divergence_before or found.divergence is None:
        return None
    return found.divergence / found.divergence_before


if __name__ == "__main__":
    sys.exit(main())
