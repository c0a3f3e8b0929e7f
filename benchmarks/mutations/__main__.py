"""Do the tests notice a wrong line?  Random changes of one line each, and the share that the tests find.

    python -m benchmarks.mutations --count 200 --seed 1

Works on a copy of the committed files.  A change swaps an operator or a comparison, moves a number by one, turns a
condition round or leaves a statement out, within a function.  The tests of the unit and contract tiers run once, with
a mark before the statement of each change, which says what test executes it.  A change counts as killed when one of
these tests fails.  Those whose tests take more than ``--limit`` seconds of processor time, and those that
no test executes, are counted apart.  Tests that fail without any change are named and not asked.  ``--touched FILE``
keeps what is known: a run that was broken off goes on, and tests that were added are asked about what is left.
"""

from __future__ import annotations

import argparse
import hashlib
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

from benchmarks.mutations.changes import Mutation, first_line, mutations
from benchmarks.mutations.judge import Judge

ROOT = Path(__file__).resolve().parents[2]
#: The parts of the package whose lines are changed.
PARTS = tuple(f"kg_rec/{name}" for name in ("metrics.py", "split", "store/gate.py", "jobs", "explain", "model"))


def drawn(count: int, seed: int, only: Sequence[str]) -> list[Mutation]:
    """A sample, the same for a seed."""
    found = []
    for path in sorted(ROOT.glob("kg_rec/**/*.py")):
        name = str(path.relative_to(ROOT))
        if name.startswith(PARTS) and name.startswith(tuple(only)):
            source = path.read_text(encoding="utf-8")
            lines = source.splitlines()  # the syntax tree counts bytes
            ascii_only = [m for m in mutations(name, source) if lines[m.line - 1].isascii()]
            found += [m for m in ascii_only if first_line(source, m.line)]
    return random.Random(seed).sample(found, min(count, len(found)))


def sources_digest(changes: Sequence[Mutation]) -> str:
    """A digest of the package and of where the changes are."""
    digest = hashlib.sha256("\n".join(sorted(map(str, changes))).encode())
    for path in sorted(ROOT.glob("kg_rec/**/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""], metavar="PREFIX", help="files whose path begins so")
    parser.add_argument("--tests", nargs="+", default=["tests/unit", "tests/contracts"], metavar="PATH")
    parser.add_argument("--limit", type=float, default=120.0, metavar="SECONDS", help="processor time for a change")
    parser.add_argument("--touched", type=Path, metavar="FILE", help="what is known; made if absent")
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
        changes = drawn(args.count, args.seed, args.only)
        judge = Judge(changes, args.limit, known, sources_digest(changes), told, say)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        pytest.main(["-q", "-p", "no:cacheprovider", "-m", "unit or contract", *args.tests], plugins=[judge])
        counts = {name: len(changes) for name, changes in found.items()}
        left = {name: [asdict(m) for m in changes] for name, changes in found.items() if name != "killed" and changes}
        print(json.dumps({**counts, "not_asked": judge.touched.failing, "left": left}, indent=1))


if __name__ == "__main__":
    main()
