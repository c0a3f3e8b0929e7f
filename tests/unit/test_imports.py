"""No two files of the package need each other: imports are read from the source, lazy ones and those for types too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

import kg_rec

PACKAGE = Path(kg_rec.__file__).parent


def modules(package: Path) -> dict[str, Path]:
    """Every module of a package by its full name."""
    found = {}
    for folder in [package, *(link for link in package.iterdir() if link.is_symlink())]:  # rglob follows no links
        for file in folder.rglob("*.py"):
            parts = [package.name, *file.relative_to(package).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(name: str, file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules among the known ones that a file imports, wherever in the file."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            whole = ".".join(part for part in (base, node.module) if part)
            wanted = [f"{whole}.{alias.name}" if f"{whole}.{alias.name}" in known else whole for alias in node.names]
        else:
            continue
        yield from (module for module in wanted if module in known and module != name)


def circles(package: Path) -> list[list[str]]:
    """The groups of files that import one another in a circle."""
    known = modules(package)
    graph: nx.DiGraph[str] = nx.DiGraph(
        (name, other) for name, file in known.items() for other in imported(name, file, known)
    )
    return [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]


def test_no_two_files_import_each_other_in_a_circle() -> None:
    assert len(modules(PACKAGE)) > 100
    assert circles(PACKAGE) == []


@pytest.mark.parametrize(
    "back",
    [
        "from toy import one",
        "from toy.one import x",
        "from . import one",
        "import toy.one",
        "def f():\n    from toy.one import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .one import x",
    ],
)
def test_a_circle_is_found(tmp_path: Path, back: str) -> None:
    toy = tmp_path / "toy"
    toy.mkdir()
    (toy / "__init__.py").touch()
    (toy / "one.py").write_text("from toy import two\nx = 1\n")
    (toy / "two.py").write_text("import toy.three\n")
    (toy / "three.py").write_text(f"{back}\n")
    assert circles(toy) == [["toy.one", "toy.three", "toy.two"]]
