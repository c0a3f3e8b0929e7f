"""How much should words count beside what a user did?  NDCG@10 on validation, per size of ``AskConfig``.

    python -m benchmarks.ask.sizes DIR [--items FILE] [--facts FILE...] [--users 300] [--json]

DIR is a split as ``benchmarks.quality`` takes it; its test.tsv is not ranked.  A model is trained on train.tsv.  Each
user with two validation items or more asks with one of them, drawn at random: for items like it (``anchor``), or for
more of one of its kinds, a genre or category (``wish``).  To be found are the user's other validation items.  So
the request is a true but weak hint of what the user wants; who asks in earnest wants more than that, and a size below
the best one here is too small.
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
from kg_rec.arrays.topk import top_k
from kg_rec.ask.answer import AskConfig, Scorer
from kg_rec.ask.names import KINDS
from kg_rec.ask.request import Anchor, Node, Request, Wish
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.metrics import per_user
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.progress import Progress
from kg_rec.split import Split

SIZES = (0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0)


def asked(model: Recommender, item: int, rng: np.random.Generator) -> dict[str, Request]:
    """The two requests that one item stands for; without ``wish`` where it has no node of a kind."""
    snapshot = model.snapshot
    mine = snapshot.schema.item.name
    node = Node(mine, model.items.key(item), snapshot.name(mine, item))
    found = {"anchor": Request("", "en", anchors=(Anchor("", node, "exact"),))}
    kinds = []
    for relation in snapshot.schema.item_relations:
        if relation.target in (mine, snapshot.schema.user.name) or len(snapshot.ids[relation.target]) > KINDS:
            continue
        edges = snapshot.edges[relation.name]
        ids = snapshot.ids[relation.target]
        nodes = edges.target[edges.source == item].tolist()
        kinds += [Node(relation.target, ids.key(n), snapshot.name(relation.target, n)) for n in nodes]
    if kinds:
        wish = Wish("", (kinds[int(rng.integers(len(kinds)))],), True, False, "exact")
        found["wish"] = Request("", "en", wishes=(wish,))
    return found


def measure(model: Recommender, split: Split, users: int, seed: int) -> dict[str, Any]:
    """Mean NDCG@10 by which size it is and its value, 0 for no request at all; users asking, by which."""
    rng, found = np.random.default_rng(seed), histories(split.valid, model.shape, 0.0)
    able = np.flatnonzero(np.diff(found.indptr) > 1)
    chosen = np.sort(rng.permutation(able)[:users]).tolist()
    scorers = {size: Scorer(model, AskConfig(size or 1.0, size or 1.0)) for size in SIZES}
    values: dict[str, dict[float, list[float]]] = {what: {s: [] for s in SIZES} for what in ("anchor", "wish")}
    for user in chosen:
        row = found[[user]]
        item = int(rng.choice(row.indices))
        target = row.copy()
        target.data[target.indices == item] = 0
        target.eliminate_zeros()
        for what, request in asked(model, item, rng).items():
            for size, scorer in scorers.items():
                scored = scorer.score(request if size else replace(request, anchors=(), wishes=()), user, [item])
                total = np.where(scored.allowed & split.valid_candidates, scored.total, -np.inf)
                ndcg = per_user(top_k(total[None], 10), target, 10)["ndcg"]
                values[what][size].append(float(ndcg[0]))
    return {
        what: {
            "users": len(some[0.0]),
            "ndcg@10": {f"{size:g}": float(np.mean(v)) if v else 0.0 for size, v in some.items()},
        }
        for what, some in values.items()
    }


def run(folder: Path, files: Files, users: int, seed: int, progress: Progress) -> dict[str, Any]:
    """Train and measure."""
    snapshot, _ = build(folder, files, progress)
    split = split_of(folder, snapshot, "random")
    model = train(snapshot, split=split, progress=progress)
    progress(0, None, "ask")
    return measure(model, split, users, seed)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ask.sizes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--items", type=Path, metavar="FILE", help="RecBole's .item")
    parser.add_argument("--facts", type=Path, nargs="*", default=[], metavar="FILE", help="item, relation, name")
    parser.add_argument("--users", type=int, default=300, help="most users who ask")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    files = Files(items=options.items, facts=tuple(options.facts))
    try:
        with progress_bar() as progress:
            found = run(options.folder, files, options.users, options.seed, progress)
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found))
        return 0
    for what, one in found.items():
        print(f"{what} ({one['users']} users)")
        for size, value in one["ndcg@10"].items():
            print(f"  {size:>4}  {value:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
