"""Changes of one line: which there are in a file, and how one is made in a file or in the running process."""

from __future__ import annotations

import ast
import functools
import gc
import types
from collections.abc import Iterator
from dataclasses import dataclass

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


def lines_around(source: str, line: int) -> range:
    """The lines of the statement that a line is in, up to that line; none outside of any function's body."""
    tree = ast.parse(source)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    if not any(n.body[0].lineno <= line <= (n.end_lineno or 0) for n in functions):
        return range(0)
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or 0)]
    return range(max(n.lineno for n in statements), line + 1)


def put_in_place(file: str, source: str) -> None:
    """Give every function of a file the code that it has in another source of the same lines.

    What ``functools.cache`` and its kin keep is forgotten, for the old code made it: in the package, and, where a
    model comes of the file, in the tests.

    Raises:
        ValueError: a function needs other variables of its surroundings than before.
    """
    found: dict[tuple[str, int], types.CodeType] = {}
    waiting = [compile(source, file, "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        found[code.co_qualname, code.co_firstlineno] = code
        waiting += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    everything = gc.get_objects()
    for thing in everything:
        if type(thing) is types.FunctionType and thing.__code__.co_filename == file:
            thing.__code__ = found.get((thing.__code__.co_qualname, thing.__code__.co_firstlineno), thing.__code__)
    stale = ("/kg_rec/", "/tests/") if not any(part in file for part in _NOT_OF_MODELS) else ("/kg_rec/",)
    for thing in everything:
        if type(thing) is functools._lru_cache_wrapper and any(part in _file_of(thing) for part in stale):
            thing.cache_clear()


#: The parts of the package that no model depends on.
_NOT_OF_MODELS = ("/kg_rec/explain/", "/kg_rec/jobs/", "/kg_rec/store/")


def _file_of(cached: functools._lru_cache_wrapper[object]) -> str:
    code = getattr(cached.__wrapped__, "__code__", None)
    return "" if code is None else str(code.co_filename)
