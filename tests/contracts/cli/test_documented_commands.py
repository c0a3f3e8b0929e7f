"""Every command in the documentation is there and takes the options it is given; every block of Python is Python."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

import kg_rec as kg
from kg_rec.cli import main as program

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
        *(ROOT / "graph_schemas").glob("*.md"),
        *(ROOT / "loaders").glob("*.md"),
        ROOT / "kg_rec" / "jobs" / "README.md",
    ]
)
PAGES = [page for page in PAGES if "reference" not in page.relative_to(ROOT).parts and page.name != "CHANGELOG.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """Each ``kg-rec ...`` of a page: in blocks line by line, and between backticks."""
    blocks = [body for kind, body in FENCE.findall(text) if kind in ("sh", "console", "")]
    rest = FENCE.sub("", text)
    blocks += re.findall(r"(?:^ {4}.*\n)+", rest, re.MULTILINE)
    lines = [line.strip() for body in blocks for line in body.replace("\\\n", " ").splitlines()]
    inline = [" ".join(found.split()) for found in re.findall(r"`(kg-rec [^`]+)`", rest)]
    return [line.removeprefix("$ ") for line in lines if re.match(r"(?:\$ )?kg-rec ", line)] + inline


def words(command: str) -> list[str]:
    """The words of a command up to a pipe, a redirection or a comment."""
    try:
        found = shlex.split(command, comments=True)
    except ValueError:  # a quotation that goes on in the next line
        found = command.split()
    end = next((n for n, word in enumerate(found) if re.fullmatch(r"[|>;&]+|2>.*|→.*", word)), len(found))
    return found[1:end]


def fault(command: str) -> str | None:
    """What is wrong with a command; None if nothing is."""
    found: click.Command = program
    rest = words(command)
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        inner = found.commands.get(rest[0])
        if inner is None:
            return None if re.search(r"[A-Z…]", rest[0]) else f"there is no command {rest[0]!r}"
        found, rest = inner, rest[1:]
    known = {name for p in found.params for name in (*p.opts, *p.secondary_opts)} | {"--help", "-h", "--version"}
    for word in rest:
        option = re.match(r"--?[A-Za-z][\w-]*", word)
        if option and option[0] not in known:
            return f"`kg-rec {found.name}` takes no {option[0]}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_are_there(page: Path) -> None:
    faults = {command: fault(command) for command in commands(page.read_text(encoding="utf-8"))}
    assert {command: what for command, what in faults.items() if what} == {}


def test_there_are_commands_to_look_at_and_faults_are_found() -> None:
    assert sum(len(commands(page.read_text(encoding="utf-8"))) for page in PAGES) > 100
    assert fault("kg-rec train --epsilonn 3") == "`kg-rec train` takes no --epsilonn"
    assert fault("kg-rec trian --out m") == "there is no command 'trian'"
    assert fault("kg-rec job run nightly.toml --chang last") == "`kg-rec run` takes no --chang"
    assert fault("kg-rec query 'MATCH (n) RETURN n --x' | head -n 3") is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_compiles_and_its_names_are_there(page: Path) -> None:
    code = "\n".join(body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == "python")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kg_rec"):
            module = importlib.import_module(node.module or "")
            for name in node.names:
                if not hasattr(module, name.name):
                    importlib.import_module(f"{node.module}.{name.name}")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kg":
            assert hasattr(kg, node.attr), f"kg.{node.attr}"
