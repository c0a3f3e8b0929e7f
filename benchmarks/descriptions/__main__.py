"""Do descriptions of users, embedded as texts, help to rank?  NDCG@10 with and without them.

    python -m benchmarks.descriptions DIR [--items FILE] [--facts FILE...] [--schema NAME] [--json]

DIR is a split as ``benchmarks.quality`` takes it.  A user is described by what their items have ("films, directed by
Michael Mann"): the phrases come from the schema's words, each is embedded by the text model, and the description of a
user is their sum, weighed by how telling a feature is (log n / n_e).  That is linear in the interactions,

    d_u = sum_j a_uj sum_e [j has e] log(n / n_e) f_e,   score_i = s(u, i) + l pop_i^p <d_u - mean, t_i>,

so a term is a path user - item - feature - text, and the channel would add up as the others do.  Its weight l and
exponent p are chosen on validation, 0 among them; the test is ranked once.  ``few`` are the quarter of the test users
with the fewest training interactions.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.graph import Files, build, split_of
from benchmarks.quality.peers import Task
from kg_rec.arrays.types import Floats64
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError, ModelError
from kg_rec.evaluation.bootstrap import bootstrap
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.config import TrainConfig
from kg_rec.model.encoders.text import TextEncoder, find_encoder
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.people.features import Feature, Features
from kg_rec.schema import GraphSchema

WEIGHTS = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4)
EXPONENTS = (0.0, 0.25, 0.5)


def phrase(schema: GraphSchema, feature: Feature) -> str:
    """A feature in the schema's words: "films, directed by Michael Mann"."""
    items = schema.item.plurals.get("en") or schema.item.labels.get("en") or schema.item.name
    if feature.years is not None:
        return f"{items} of {feature.years[0]} to {feature.years[1]}"
    relation = schema.relation_types[feature.relation]
    forward = relation.source == schema.item.name
    label = (relation.labels if forward else relation.inverse_labels).get("en") or relation.name.lower()
    return f"{items}, {label} {feature.name}"


def descriptions(model: Recommender) -> Floats64:
    """What an interaction with each item adds to a user's description, shape (items, dimensions).

    Raises:
        ModelError: the model has no texts.
    """
    texts = model.similarity.text
    if texts is None:
        raise ModelError("the items have no texts that a description could be close to")
    features, meaning = Features(model), model.config.of(MeaningConfig)
    encoder = TextEncoder(find_encoder(meaning.encoder), meaning.batch_size, meaning.max_tokens)
    phrases = [phrase(model.snapshot.schema, features.feature(n)) for n in range(features.matrix.shape[1])]
    embedded = np.asarray(encoder.encode(phrases), np.float64)
    telling = np.log(len(model.items) / np.maximum(features.items, 1))
    found: Floats64 = np.asarray(features.matrix @ (telling[:, None] * embedded))
    return found - found.mean(axis=0)


def measure(model: Recommender, task: Task, seed: int) -> dict[str, Any]:
    """The gain of descriptions over the model.

    Args:
        model: trained on the split's training interactions.
        task: the split.
        seed: of the intervals.
    """
    texts = model.similarity.text
    assert texts is not None
    kernel = descriptions(model) @ texts.astype(np.float64).T
    popularity = np.maximum(np.diff(model.users_of_items.indptr), 1).astype(np.float64)
    everyone = np.arange(len(model.users))
    own = model.scores_of(model.histories[everyone])
    added = np.asarray(model.histories[everyone] @ kernel)
    tried: dict[tuple[float, float], float] = {}

    def scores(weight: float, exponent: float) -> Any:
        extra = added * popularity**exponent
        whole = own + weight * own.std() / max(float(extra.std()), 1e-12) * extra
        return lambda users, _: whole[users]

    for exponent in EXPONENTS:
        for weight in WEIGHTS:
            if weight or (0.0, 0.0) not in tried:
                tried[weight, exponent] = task.valid(scores(weight, exponent))
    best = max(tried, key=lambda pair: (tried[pair], -pair[0]))
    before, after = (task.test(scores(*pair))["ndcg@10"] for pair in ((0.0, 0.0), best))
    users = np.unique(task.split.test.source)
    given = np.diff(task.train.indptr)[users]
    few = given <= np.quantile(given, 0.25)
    gain = after - before
    return {
        "chosen": {"weight": best[0], "exponent": best[1]},
        "valid": {f"{weight:g}, popularity^{exponent:g}": value for (weight, exponent), value in tried.items()},
        "ndcg@10": float(after.mean()),
        "without": float(before.mean()),
        "gain": {"ndcg@10": float(gain.mean()), "interval": bootstrap(gain, seed)},
        "few": {
            "users": int(few.sum()),
            "ndcg@10": float(after[few].mean()),
            "gain": float(gain[few].mean()),
            "interval": bootstrap(gain[few], seed),
        },
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.descriptions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--items", type=Path, metavar="FILE", help="RecBole's .item")
    parser.add_argument("--facts", type=Path, metavar="FILE", nargs="*", default=[], help="as benchmarks.quality")
    parser.add_argument("--schema", metavar="NAME", help="a bundled schema or a .ttl file; default: one that fits")
    parser.add_argument("--seed", type=int, default=TrainConfig().seed)
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    try:
        with progress_bar() as progress:
            files = Files(None, None, options.items, tuple(options.facts), options.schema, None)
            snapshot, _ = build(options.folder, files, progress)
            split = split_of(options.folder, snapshot, "random")
            model = train(snapshot, TrainConfig(seed=options.seed), split=split, progress=progress)
            progress(0, None, "describe users")
            found = measure(model, Task(split, model.shape), options.seed)
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=None if options.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
