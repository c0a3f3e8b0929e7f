"""What the alignment of graph and text does to W, on validation: InfoNCE beside the loss of the gates, by its weight.

    D=../shared/data/ml-100k
    python -m benchmarks.quality.alignment $D/splits/random --items $D/ml-100k.item --facts $D/dbpedia_facts.tsv

Per weight of ``knowledge.alignment``: ``known``, NDCG@10 of W by itself on valid.tsv; ``operator_k``, that of the
operator of taste which is shrunk to k W; ``new``, that of W on known items that take turns as new ones; each with
``gain``, the difference to weight 0 and its standard error over the rankings; and the means of the gates.  One line of
JSON a weight.
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
from kg_rec.arrays.types import Floats64
from kg_rec.metrics import standard_error
from kg_rec.model.channels.base import PRIOR_FACTOR, TrainingData
from kg_rec.model.channels.knowledge import KNOWLEDGE
from kg_rec.model.channels.taste import TASTE
from kg_rec.model.cold.folds import NewItems
from kg_rec.model.cold.similarity import popular
from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import histories, learnable
from kg_rec.model.kernel import SumKernel
from kg_rec.model.train.train import encode_items
from kg_rec.model.train.validation import Validation
from kg_rec.progress import no_progress

#: How many times W the operator is shrunk to.
_FACTORS = (0.0, 0.125, 0.25, 0.5, 1.0)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.alignment", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--items", type=Path, metavar="FILE")
    parser.add_argument("--facts", type=Path, metavar="FILE", nargs="*", default=[])
    parser.add_argument("--weights", type=float, nargs="*", default=[0.0, 0.1, 1.0])
    options = parser.parse_args(arguments)
    snapshot, _ = build(options.folder, Files(None, None, options.items, tuple(options.facts), None, None), no_progress)
    split = split_of(options.folder, snapshot, "random")
    train = learnable(split.train, TrainConfig().seed)
    graph = snapshot.with_edges(snapshot.schema.interaction.name, train)
    before: dict[str, Floats64] = {}
    for weight in options.weights:
        config = TrainConfig()
        config = config.with_parts(replace(config.knowledge, alignment=weight))
        shape = (len(graph.users), len(graph.items))
        data = TrainingData(
            graph, train, histories(train, shape, 0), config.parts, {}, config.seed, "cpu",
            text=encode_items(graph, config),
        )  # fmt: skip
        chosen, prior = next(iter(KNOWLEDGE.candidates(data)))
        validation = Validation.of(train, split, shape, config.fusion, config.seed)
        rows = validation.weighted(shape, 0.0)
        counts = np.bincount(train.target, minlength=shape[1])
        new = NewItems.deal(data.interactions, popular(counts, config.cold.tuning_landmarks), config.cold, config.seed)
        l2 = config.taste.l2
        found = {
            "known": validation.per_user(prior, rows),
            "new": new.per_user(new.scores(prior)),
        }
        for k in _FACTORS:
            fitted = TASTE.fit(replace(data, prior=prior), {"l2": l2[len(l2) // 2], PRIOR_FACTOR: k})
            whole = SumKernel(((1.0, fitted.kernel), (k, prior)))
            found[f"operator_{k:g}"] = validation.per_user(whole, rows)
        before = before or found
        line: dict[str, Any] = {"alignment": weight, "gates": {name: round(m, 4) for name, m in chosen["mean"].items()}}
        for name, values in found.items():
            gain = float((values - before[name]).mean())
            line[name] = {
                "ndcg@10": round(float(values.mean()), 4),
                "gain": round(gain, 4),
                "standard_error": round(standard_error(values, before[name]), 4),
            }
        print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
