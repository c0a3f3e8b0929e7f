"""Do the tests notice a wrong line?  Random changes of one line each, and the share that the tests find.

    python -m benchmarks.mutations --count 200 --seed 1

Works on a copy of the committed files.  The tests of the unit and contract tiers run once, and coverage says which of
them touches which line (``--touched FILE`` keeps that for the next run).  A change swaps an operator or a comparison,
moves a number by one, turns a condition round or leaves a statement out, within a function.  It counts as killed when
a test that touches its statement fails.  Those that take more than ``--limit`` seconds, and those in a line that no
test touches, are counted apart.  Tests that fail without any change are named and not asked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.mutations.changes import Mutation, lines_around, mutations
from benchmarks.mutations.judge import Judge

ROOT = Path(__file__).resolve().parents[2]
#: The parts of the package whose lines are changed.
PARTS = tuple(f"kg_rec/{name}" for name in ("metrics.py", "split.py", "store/gate.py", "jobs", "explain", "model"))


def drawn(count: int, seed: int, only: Sequence[str]) -> list[Mutation]:
    """A sample, the same for a seed."""
    found = []
    for path in sorted(ROOT.glob("kg_rec/**/*.py")):
        name = str(path.relative_to(ROOT))
        if name.startswith(PARTS) and name.startswith(tuple(only)):
            source = path.read_text(encoding="utf-8")
            lines = source.splitlines()  # the syntax tree counts bytes
            ascii_only = [m for m in mutations(name, source) if lines[m.line - 1].isascii()]
            found += [m for m in ascii_only if lines_around(source, m.line)]
    return random.Random(seed).sample(found, min(count, len(found)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""], metavar="PREFIX", help="files whose path begins so")
    parser.add_argument("--tests", nargs="+", default=["tests/unit", "tests/contracts"], metavar="PATH")
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="for the tests of one change")
    parser.add_argument("--touched", type=Path, metavar="FILE", help="which test touches which line; made if absent")
    args = parser.parse_args()
    found: dict[str, list[Mutation]] = {name: [] for name in ("killed", "survived", "slow", "untested", "outside")}

    progress = os.fdopen(os.dup(2), "w")  # pytest captures the other one

    def say(text: str) -> None:
        print(text, file=progress, flush=True)

    def told(change: Mutation, verdict: str, tests: int) -> None:
        found[verdict].append(change)
        line = (ROOT / change.path).read_text(encoding="utf-8").splitlines()[change.line - 1].strip()
        say(f"{verdict} {change.path}:{change.line} {change.new!r} in {line!r} ({tests} tests)")

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        known = args.touched.resolve() if args.touched else Path(place) / "touched.json"
        judge = Judge(drawn(args.count, args.seed, args.only), args.limit, known, told, say)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        pytest.main(["-q", "-p", "no:cacheprovider", "-m", "unit or contract", *args.tests], plugins=[judge])
        counts = {name: len(changes) for name, changes in found.items()}
        left = {name: [asdict(m) for m in changes] for name, changes in found.items() if name != "killed" and changes}
        print(json.dumps({**counts, "not_asked": judge.touched.failing, "left": left}, indent=1))


if __name__ == "__main__":
    main()
