"""Changes of one line: which there are in a file, and how one is made in a file or in the running process."""

from __future__ import annotations

import ast
import builtins
import functools
import gc
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
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

#: The name by which a marked statement calls what takes the marks.
_MARK = "mark_of_a_statement"


@dataclass(frozen=True)
class Mutation:
    """A change of one line: characters ``start`` to ``stop`` (from 0) of ``line`` (from 1) become ``new``."""

    path: str
    line: int
    start: int
    stop: int
    new: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.start}-{self.stop} {self.new}"

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


@functools.lru_cache(maxsize=8)
def _spans(source: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """First and last line of the body of each function, and of each statement."""
    tree = list(ast.walk(ast.parse(source)))
    bodies = [(n.body[0].lineno, n.end_lineno or 0) for n in tree if isinstance(n, ast.FunctionDef)]
    return bodies, [(n.lineno, n.end_lineno or 0) for n in tree if isinstance(n, ast.stmt)]


def first_line(source: str, line: int) -> int | None:
    """Where the statement begins that a line is in; None outside of any function's body."""
    bodies, statements = _spans(source)
    if not any(start <= line <= stop for start, stop in bodies):
        return None
    return max(start for start, stop in statements if start <= line <= stop)


def with_marks(source: str, marks: Mapping[int, str]) -> ast.Module:
    """A file that says so whenever one of its statements is executed.

    Args:
        source: the file.
        marks: what is said before the statement that begins in a line.
    """
    tree = ast.parse(source)
    left = dict(marks)
    for node in ast.walk(tree):  # the outer statements of a line first
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            marked: list[ast.stmt] = []
            for statement in block:
                if mark := left.pop(statement.lineno, None):
                    call = ast.Call(ast.Name(_MARK, ast.Load()), [ast.Constant(mark)], [])
                    marked.append(ast.fix_missing_locations(ast.copy_location(ast.Expr(call), statement)))
                marked.append(statement)
            setattr(node, name, marked)
    return tree


@dataclass(frozen=True)
class Running:
    """What the running process has of the package and its tests.

    Attributes:
        functions: the functions of each file.
        caches: what ``functools.cache`` and its kin keep, and the file of each.
    """

    functions: Mapping[str, Sequence[types.FunctionType]]
    caches: Sequence[tuple[str, functools._lru_cache_wrapper[object]]]

    @staticmethod
    def here() -> Running:
        """All that there is now, also what was set aside as never garbage (``gc.freeze``), which gc does not list."""
        gc.unfreeze()
        functions: dict[str, list[types.FunctionType]] = {}
        caches = []
        for thing in gc.get_objects():
            if type(thing) is types.FunctionType:
                functions.setdefault(thing.__code__.co_filename, []).append(thing)
            elif type(thing) is functools._lru_cache_wrapper:
                caches.append((_file_of(thing), thing))
        return Running(functions, caches)

    def put(self, file: str, source: str | ast.Module, marked: Callable[[str], object] | None = None) -> None:
        """Give every function of a file the code that it has in another source of the same lines.

        Args:
            file: the file.
            source: its other source.
            marked: takes the marks of :func:`with_marks`.

        Raises:
            ValueError: a function needs other variables of its surroundings than before.
        """
        if marked is not None:
            setattr(builtins, _MARK, marked)
        new: dict[tuple[str, int], list[types.CodeType]] = {}
        waiting = [compile(source, file, "exec", dont_inherit=True)]
        while waiting:
            code = waiting.pop()
            new.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
            waiting += [part for part in code.co_consts if isinstance(part, types.CodeType)]
        for function in self.functions.get(file, ()):
            codes = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno), [])
            if len(codes) == 1:  # two of one name in one line cannot be told apart
                function.__code__ = codes[0]

    def forget(self, more: Sequence[str]) -> None:
        """Empty the caches of the package and of further folders: older code filled them."""
        for file, cached in self.caches:
            if any(part in file for part in ("/kg_rec/", *more)):
                cached.cache_clear()


def _file_of(cached: functools._lru_cache_wrapper[object]) -> str:
    code = getattr(cached.__wrapped__, "__code__", None)
    return "" if code is None else str(code.co_filename)
