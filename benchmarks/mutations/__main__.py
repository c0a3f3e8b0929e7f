"""Do the tests notice a wrong line?  Random changes of one line each, and the share that the tests find.

    python -m benchmarks.mutations --count 200 --seed 1

Works on a copy of the committed files.  First each file of tests of the unit and contract tiers runs once, and coverage
says which test touches which line (``--touched FILE`` keeps that for the next run).  A change swaps an operator or a
comparison, moves a number by one, turns a condition round or leaves a statement out.  It counts as killed when a test
that touches its line fails, or another test of the same files; those that take more than ``--limit`` seconds are
counted apart.  Tests that fail without any change are named and not asked.  Each run forks a process that has the
libraries imported already.
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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from benchmarks.mutations.touched import Touched, of_file

ROOT = Path(__file__).resolve().parents[2]
#: The parts of the package whose lines are changed.
PARTS = (
    "kg_rec/metrics.py",
    "kg_rec/split.py",
    "kg_rec/store/gate.py",
    "kg_rec/jobs",
    "kg_rec/explain",
    "kg_rec/model",
)
#: What the tests import, besides the package itself.
LIBRARIES = (
    *("torch", "torch_geometric.nn", "transformers", "pyarrow.parquet", "pyarrow.dataset", "scipy.sparse.linalg"),
    *("rdflib", "pytest", "neo4j", "playwright.sync_api", "matplotlib.figure", "networkx", "pandas", "hypothesis"),
    *("click", "rich.console", "jinja2", "httpx2", "fastapi.testclient", "kglite", "lark", "jsonschema", "coverage"),
)
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


def statement(source: str, line: int) -> tuple[int, int]:
    """The lines of the smallest statement around a line, to the line itself; the whole function for its defaults."""
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    around = [node for node in statements if node.lineno <= line <= (node.end_lineno or 0)]
    inner = max(around, key=lambda n: n.lineno)
    whole = isinstance(inner, ast.FunctionDef) and line < inner.body[0].lineno
    return inner.lineno, (inner.end_lineno or line) if whole else line


def drawn(count: int, seed: int, only: str) -> list[Mutation]:
    """A sample, the same for a seed, in an order that leaves the files on which a trained model depends for the end."""
    found = []
    for path in sorted(ROOT.glob("kg_rec/**/*.py")):
        name = str(path.relative_to(ROOT))
        source = path.read_text(encoding="utf-8")
        if name.startswith(PARTS) and name.startswith(only):
            lines = source.splitlines()  # the syntax tree counts bytes
            found += [m for m in mutations(name, source) if lines[m.line - 1].isascii()]
    chosen = random.Random(seed).sample(found, min(count, len(found)))
    return sorted(
        chosen, key=lambda m: (m.path.startswith("kg_rec/model"), m.path in ("kg_rec/split.py",), m.path, m.line)
    )


def preload() -> None:
    """Import what every test imports, besides the package itself."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            __import__(name)


def child(folder: Path, work: Callable[[], int], limit: float) -> int | None:
    """What ``work`` returns in a process of its own that says nothing; None where the time is over."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    until = time.monotonic() + limit
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def verdict(folder: Path, tests: list[str], limit: float) -> str:
    """``killed``: a test fails; ``survived``: none does; ``slow``: the time is over."""
    if not tests:
        return "survived"
    code = child(folder, lambda: int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])), limit)
    return "slow" if code is None else "killed" if code else "survived"


def measure(folder: Path) -> Touched:
    """Which test touches which line of the unmutated package."""
    touched = Touched()
    out = folder.parent / "touched.json"
    for file in sorted([*folder.glob("tests/unit/**/test_*.py"), *folder.glob("tests/contracts/**/test_*.py")]):
        tests = str(file.relative_to(folder))

        def work(tests: str = tests) -> int:
            return out.write_text(of_file(folder, tests).to_json(), encoding="utf-8") and 0

        if child(folder, work, 3600.0) != 0:
            raise SystemExit(f"{tests} could not be run")
        part = Touched.from_json(out.read_text(encoding="utf-8"))
        touched.add(part)
        seconds = sum(part.seconds.values())
        print(f"{tests}: {len(part.seconds)} tests, {seconds:.1f} s; fail: {part.failing}", file=sys.stderr, flush=True)
    if child(folder, lambda: int(pytest.main(["--collect-only", "-q", *touched.seconds])), 600.0) != 0:
        raise SystemExit("a test cannot be asked for by its id")
    return touched


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="PREFIX", help="files whose path begins so")
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="for the tests of one change")
    parser.add_argument("--touched", type=Path, metavar="FILE", help="which test touches which line; made if absent")
    args = parser.parse_args()
    preload()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        if args.touched and args.touched.exists():
            touched = Touched.from_json(args.touched.read_text(encoding="utf-8"))
        else:
            touched = measure(folder)
            if args.touched:
                args.touched.write_text(touched.to_json(), encoding="utf-8")
        found: dict[str, list[Mutation]] = {"killed": [], "survived": [], "slow": []}
        for mutation in drawn(args.count, args.seed, args.only):
            file = folder / mutation.path
            source = file.read_text(encoding="utf-8")
            first, others = touched.tests_for(mutation.path, *statement(source, mutation.line))
            file.write_text(mutation.applied(source), encoding="utf-8")
            begun = time.monotonic()
            told = verdict(folder, first, args.limit)
            if told == "survived":
                told = verdict(folder, others, args.limit)
            file.write_text(source, encoding="utf-8")
            found[told].append(mutation)
            line = source.splitlines()[mutation.line - 1].strip()
            print(
                f"{told} {mutation.path}:{mutation.line} {mutation.new!r} in {line!r}"
                f" ({len(first)} + {len(others)} tests, {time.monotonic() - begun:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
        counts = {name: len(changes) for name, changes in found.items()}
        left = {name: [asdict(m) for m in found[name]] for name in ("survived", "slow")}
        print(json.dumps({**counts, "not_asked": touched.failing, "left": left}, indent=1))


if __name__ == "__main__":
    main()
