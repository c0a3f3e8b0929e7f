"""The exceptions: one tree in one file, drawn in its docstring, and nothing else reaches a user."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from kg_rec import errors

ROOT = Path(__file__).resolve().parents[2]
TREE = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}


@cache
def nodes() -> list[tuple[str, ast.ClassDef | ast.Raise]]:
    """Classes and raises in every file; ``rglob`` does not follow links, so the two folders at the top are named."""
    return [
        (str(path.relative_to(ROOT)), node)
        for folder in ("kg_rec", "loaders", "graph_schemas")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.Raise)
    ]


def test_no_exception_class_stands_elsewhere() -> None:
    elsewhere = []
    for path, node in nodes():
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base) for base in node.bases]
            if path != "kg_rec/errors.py" and any(base.endswith(("Error", "Exception")) for base in bases):
                elsewhere.append(f"{path}:{node.lineno}")
    assert elsewhere == []


def test_the_docstring_draws_the_tree() -> None:
    drawn: dict[str, str | None] = {}
    above: list[str] = []
    for indent, name in re.findall(r"^    ((?:│   |    )*(?:├── |└── )?)(\w+Error) ", errors.__doc__ or "", re.M):
        depth = len(indent) // 4
        above[depth:] = [name]
        drawn[name] = above[depth - 1] if depth else None
    assert drawn == {
        name: kind.__mro__[1].__name__ if kind is not errors.KgRecError else None for name, kind in TREE.items()
    }


def test_the_package_raises_its_own_errors_alone() -> None:
    """Python's own would reach the command line's users as a fault of kg-rec."""
    others = []
    for path, node in nodes():
        raised = node.exc.func if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else None
        if isinstance(raised, ast.Name) and raised.id in {"ValueError", "TypeError", "KeyError", "RuntimeError"}:
            others.append(f"{path}:{node.lineno} {raised.id}")
    assert others == []


def test_an_argument_error_is_a_value_error_and_a_config_error() -> None:
    assert issubclass(errors.ArgumentError, ValueError)
    assert issubclass(errors.ArgumentError, errors.ConfigError)
