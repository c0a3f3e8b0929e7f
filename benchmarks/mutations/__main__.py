"""Do the tests notice a wrong line?  Random changes of one line each, and the share that the tests of that part find.

    python -m benchmarks.mutations --count 200 --seed 1

Works on a copy of the committed files.  A change swaps an operator or a comparison, moves a number by one, turns a
condition round or leaves a statement out.  It counts as killed when a test of the unit or contract tier for its part
fails; those that take more than ``--limit`` seconds are counted apart.  Each run forks a process that has the
libraries imported already.  A part whose tests fail without any change is left out, and named.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The parts of the package, and the tests that have to notice a change there; the first prefix that fits counts.
PARTS = {
    "kg_rec/metrics.py": ["tests/unit/test_metrics.py"],
    "kg_rec/split.py": ["tests/unit/test_split.py"],
    "kg_rec/store/gate.py": ["tests/unit/test_cypher_gate.py"],
    "kg_rec/jobs": ["tests/contracts/jobs"],
    "kg_rec/explain/generate": ["tests/contracts/explain"],
    "kg_rec/explain/words": [
        *(
            f"tests/unit/explain/test_explain_{name}.py"
            for name in ("grammar", "slots", "phrasebook", "truth", "batch")
        ),
        "tests/unit/explain/test_hostile_text.py",
    ],
    "kg_rec/explain/paths": [
        f"tests/unit/explain/test_explain_{name}.py" for name in ("paths", "score", "path_metrics", "batch")
    ],
    "kg_rec/explain/counterfactuals": [
        f"tests/unit/explain/test_explain_{name}.py" for name in ("counterfactual", "removal", "why_not")
    ],
    "kg_rec/explain/show": [f"tests/unit/explain/test_explain_{name}.py" for name in ("render", "displays", "cypher")],
    "kg_rec/explain/verify": ["tests/unit/explain/test_explain_truth.py"],
    "kg_rec/explain": ["tests/unit/explain"],
    "kg_rec/model/train": ["tests/unit/model", "tests/contracts/model"],
    "kg_rec/model": ["tests/unit/model", "tests/unit/test_recommend.py", "tests/contracts/model"],
}
_SWAPS: dict[type[ast.AST], str] = {
    **{ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="},
    **{ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in"},
    **{ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.And: "or", ast.Or: "and"},
}
_SIGNS: dict[type[ast.AST], str] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is"},
    **{ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.Add: "+", ast.Sub: "-", ast.Mult: "*"},
    **{ast.Div: "/", ast.FloorDiv: "//", ast.And: "and", ast.Or: "or"},
}


@dataclass(frozen=True)
class Mutation:
    """A change of one line: characters ``start`` to ``stop`` (from 0) of ``line`` (from 1) become ``new``."""

    path: str
    line: int
    start: int
    stop: int
    new: str

    def applied(self, source: str) -> str:
        lines = source.splitlines(keepends=True)
        old = lines[self.line - 1]
        lines[self.line - 1] = old[: self.start] + self.new + old[self.stop :]
        return "".join(lines)


def mutations(path: str, source: str) -> Iterator[Mutation]:
    """Every change of a file."""
    lines = source.splitlines()

    def between(left: ast.expr, right: ast.expr, sign: str, new: str) -> Iterator[Mutation]:
        if left.end_lineno == right.lineno and left.end_col_offset is not None:
            start = lines[right.lineno - 1].find(sign, left.end_col_offset, right.col_offset)
            if start >= 0:
                yield Mutation(path, right.lineno, start, start + len(sign), new)

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            ends = [node.left, *node.comparators]
            for n, op in enumerate(node.ops):
                yield from between(ends[n], ends[n + 1], _SIGNS[type(op)], _SWAPS[type(op)])
        elif isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
            yield from between(node.left, node.right, _SIGNS[type(node.op)], _SWAPS[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from between(left, right, _SIGNS[type(node.op)], _SWAPS[type(node.op)])
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.end_col_offset is not None:
            yield Mutation(path, node.lineno, node.col_offset, node.end_col_offset, repr(node.value + 1))
        elif isinstance(node, ast.If | ast.IfExp | ast.While) and node.test.lineno == node.test.end_lineno:
            start, stop = node.test.col_offset, node.test.end_col_offset or 0
            text = lines[node.test.lineno - 1][start:stop]
            yield Mutation(path, node.test.lineno, start, stop, f"(not ({text}))")
        elif isinstance(node, ast.AugAssign | ast.Continue | ast.Break | ast.Raise) and node.lineno == node.end_lineno:
            yield Mutation(path, node.lineno, node.col_offset, node.end_col_offset or 0, "pass")


def drawn(count: int, seed: int, only: str) -> list[Mutation]:
    """A sample, the same for a seed, in an order that leaves the files on which a trained model depends for the end."""
    found = []
    for path in sorted(ROOT.glob("kg_rec/**/*.py")):
        name = str(path.relative_to(ROOT))
        source = path.read_text(encoding="utf-8")
        if tests_of(name) and name.startswith(only):
            lines = source.splitlines()  # the syntax tree counts bytes
            found += [m for m in mutations(name, source) if lines[m.line - 1].isascii()]
    chosen = random.Random(seed).sample(found, min(count, len(found)))
    return sorted(
        chosen, key=lambda m: (m.path.startswith("kg_rec/model"), m.path in ("kg_rec/split.py",), m.path, m.line)
    )


def tests_of(name: str) -> list[str]:
    """The tests of a file's part."""
    return next((tests for prefix, tests in PARTS.items() if name.startswith(prefix)), [])


def preload() -> None:
    """Import what every test imports, besides the package itself."""
    for name in ("torch", "torch_geometric", "transformers", "pyarrow.parquet", "scipy.sparse", "rdflib", "pytest"):
        with contextlib.suppress(ImportError):
            __import__(name)


def verdict(folder: Path, tests: list[str], limit: float) -> str:
    """``killed``: a test fails; ``survived``: none does; ``slow``: the time is over."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        import pytest

        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "unit or contract", *tests])))
    until = time.monotonic() + limit
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return "killed" if os.waitstatus_to_exitcode(status) else "survived"
        time.sleep(0.1)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "slow"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="PREFIX", help="files whose path begins so")
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="for the tests of one change")
    args = parser.parse_args()
    preload()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        found: dict[str, list[Mutation]] = {"killed": [], "survived": [], "slow": []}
        sound: dict[str, bool] = {}
        for mutation in drawn(args.count, args.seed, args.only):
            tests = tests_of(mutation.path)
            part = " ".join(tests)
            if part not in sound:
                sound[part] = verdict(folder, tests, 10 * args.limit) == "survived"
                print(f"{part}: {'pass' if sound[part] else 'FAIL'} without any change", file=sys.stderr, flush=True)
            if not sound[part]:
                continue
            file = folder / mutation.path
            source = file.read_text(encoding="utf-8")
            file.write_text(mutation.applied(source), encoding="utf-8")
            told = verdict(folder, tests, args.limit)
            file.write_text(source, encoding="utf-8")
            found[told].append(mutation)
            line = source.splitlines()[mutation.line - 1].strip()
            print(f"{told} {mutation.path}:{mutation.line} {mutation.new!r} in {line!r}", file=sys.stderr, flush=True)
        counts = {name: len(changes) for name, changes in found.items()}
        left_out = [part for part, passes in sound.items() if not passes]
        print(
            json.dumps({**counts, "left_out": left_out, "survivors": [asdict(m) for m in found["survived"]]}, indent=1)
        )


if __name__ == "__main__":
    main()
