"""How well the model ranks a split, what the graph adds, and peers beside it.

    python -m benchmarks.quality ../shared/data/ml-100k/splits/random --items ml-100k.item --facts dbpedia_facts.tsv

DIR holds train.tsv, valid.tsv and test.tsv (columns user, item and optionally rating, timestamp); or folders that do,
whose figures are averaged (the folds of cold-items).  Everything is chosen on validation.  One line of JSON on stdout;
with --out the same in a file, which is written again after each step, so that a run that is stopped leaves what it has.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.quality.folds import averaged
from benchmarks.quality.graph import PARTS, Files
from benchmarks.quality.newcomers import ASKED, measure_newcomers
from benchmarks.quality.peers import PEERS
from benchmarks.quality.run import Plan, measure
from kg_rec.cli.console import progress_bar
from kg_rec.errors import ConfigError, KgRecError
from kg_rec.evaluation.ablations import ABLATIONS
from kg_rec.evaluation.evaluate import named
from kg_rec.model.config import TrainConfig

PROTOCOLS = ("random", "temporal", "calendar", "cold-items", "cold-users")


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        folders = _folders(options.folder)
        protocol = options.protocol or next((p for p in PROTOCOLS if p in options.folder.resolve().parts), "random")
        files = Files(options.kg, options.link, options.items, tuple(options.facts), options.schema, options.users)
        config = TrainConfig() if options.config is None else TrainConfig.from_toml(options.config)
        plan = Plan(
            protocol=protocol,
            config=config,
            seed=options.seed,
            seeds=options.seeds,
            keep=options.keep,
            live=options.live or protocol == "calendar",
            ablations=tuple(options.ablations),
            peers=tuple(options.peers),
        )
        out = _Out(options.folder, options.out)
        runs: list[dict[str, Any]] = []

        def keep(result: dict[str, Any]) -> None:
            """What is known so far: that of the fold in work, or of the folds that are done beside it."""
            known = result if len(folders) == 1 else {"folds": [*runs, result]}
            out.write({**known, "complete": False})

        with progress_bar() as progress:
            for folder in folders:
                tell = progress if len(folders) == 1 else named(progress, folder.name)
                if protocol == "cold-users":
                    runs.append(measure_newcomers(folder, files, plan, options.sources, tell, keep))
                else:
                    runs.append(measure(folder, files, plan, tell, keep))
        print(out.write({**(runs[0] if len(runs) == 1 else {**averaged(runs), "folds": runs}), "complete": True}))
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


class _Out:
    """The line of JSON, in a file if one was named."""

    def __init__(self, data: Path, path: Path | None) -> None:
        self._data = str(data)
        self._path = path
        if path is not None and not path.resolve().parent.is_dir():
            raise ConfigError(f"--out {path}: expected a file in a folder that is there; make {path.parent}")

    def write(self, result: dict[str, Any]) -> str:
        """Replace the file, never leaving half a line; returns the line."""
        line = json.dumps({"data": self._data, **result})
        if self._path is not None:
            part = self._path.with_name(f"{self._path.name}.part")
            part.write_text(line + "\n", encoding="utf-8")
            os.replace(part, self._path)
        return line


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", metavar="DIR", type=Path)
    for name, words in (("kg", "RecBole's .kg"), ("link", "RecBole's .link"), ("items", "RecBole's .item"),
                        ("users", "RecBole's .user"),
                        ("config", "TOML file with training settings"),
                        ("out", "also write the line here, again after each step")):  # fmt: skip
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=words)
    parser.add_argument("--facts", type=Path, metavar="FILE", nargs="*", default=[],
                        help="tables of item_id, relation, name; of item, relation, other item; or of item and one "
                             "more column, which names the relation")  # fmt: skip
    parser.add_argument("--schema", metavar="NAME", help="a bundled schema or a .ttl file; default: one that fits")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="default: the one named by the folder, else random; "
        "calendar cuts the three files together at two moments if they are not cut so",
    )
    parser.add_argument("--from", dest="sources", type=_source, nargs="+", default=["likes=3"], metavar="SOURCE",
                        help="what is known of cold users: attributes, sentence, likes=N; all at once")  # fmt: skip
    parser.add_argument("--keep", type=_share, default=1.0, metavar="SHARE",
                        help="train on this share of the training interactions; the others are not ranked")  # fmt: skip
    parser.add_argument(
        "--live",
        action="store_true",
        help="rank the test with what users did up to it, train and valid, and fit nothing again",
    )
    parser.add_argument("--seed", type=int, default=TrainConfig().seed)
    parser.add_argument("--seeds", type=_whole, default=1, help="train with this many seeds and report the median run")
    parser.add_argument("--ablations", nargs="*", choices=ABLATIONS, default=list(ABLATIONS[:-1]), metavar="NAME",
                        help=f"default: {', '.join(ABLATIONS[:-1])}; {ABLATIONS[-1]}, where items are had again, only "
                             "if it is named")  # fmt: skip
    parser.add_argument("--peers", nargs="*", choices=tuple(PEERS), default=[], metavar="NAME",
                        help=f"some of {', '.join(PEERS)}, tuned and run on the same split")  # fmt: skip
    options = parser.parse_args(arguments)
    if (options.kg is None) != (options.link is None):
        parser.error("--kg and --link go together: the link says which entity is which item")
    return options


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, at most 1, got {text}")
    return value


def _source(text: str) -> str:
    name, _, count = text.partition("=")
    if name == "likes" and count.isdigit() and 1 <= int(count) <= ASKED:
        return text
    if text not in ("attributes", "sentence"):
        raise argparse.ArgumentTypeError(f"expected attributes, sentence or likes=1 to likes={ASKED}, got {text}")
    return text


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text}")
    return value


def _folders(folder: Path) -> list[Path]:
    if (folder / f"{PARTS[0]}.tsv").is_file():
        return [folder]
    inner = sorted(p for p in folder.glob("*") if (p / f"{PARTS[0]}.tsv").is_file())
    if not inner:
        raise ConfigError(f"expected train.tsv, valid.tsv and test.tsv in {folder}, or in folders of it; found none")
    return inner


if __name__ == "__main__":
    sys.exit(main())
