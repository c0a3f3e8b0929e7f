"""What feedback is worth: learning with little regret, a replay that tells the truth or says it cannot, selection bias.

    D=../shared/data
    python -m benchmarks.feedback --split $D/ml-100k/splits/random --items $D/ml-100k/ml-100k.item \\
        --facts $D/ml-100k/dbpedia_facts.tsv --coat $D/coat --json

Each part is measured where its data is given; the real logs come with the package obp.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.feedback.coat import coat
from benchmarks.feedback.coat_lists import lists
from benchmarks.feedback.replay import logs
from benchmarks.feedback.simulate import simulate
from benchmarks.quality.graph import Files, build, split_of
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.model.config import TrainConfig
from kg_rec.model.train.train import train


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feedback", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", type=Path, metavar="DIR", help="train.tsv, valid.tsv, test.tsv: simulate people")
    parser.add_argument("--items", type=Path, metavar="FILE", help="RecBole's .item of the split")
    parser.add_argument(
        "--facts", type=Path, metavar="FILE", nargs="*", default=[], help="tables of item_id, relation, name"
    )
    parser.add_argument("--coat", type=Path, metavar="DIR", help="chosen.tsv, random.tsv, items.tsv, users.tsv")
    parser.add_argument("--events", type=int, default=10_000, help="items shown per simulated policy  [default: 10000]")
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    result: dict[str, Any] = {}
    try:
        with progress_bar() as progress:
            progress(0, None, "replay real logs")
            result["replay"] = logs()
            if options.coat is not None:
                progress(0, None, "coats")
                result["coat"] = coat(options.coat)
                result["coat_lists"] = lists(options.coat, progress)
            if options.split is not None:
                snapshot, _ = build(options.split, Files(items=options.items, facts=tuple(options.facts)), progress)
                split = split_of(options.split, snapshot, "random")
                model = train(snapshot, TrainConfig(), split=split, progress=progress)
                progress(0, None, "simulate people")
                found = simulate(model, split, options.events)
                result |= {"regret_ratio": found["regret_ratio"], "update_ms": found["update_ms"], "simulation": found}
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=None if options.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
