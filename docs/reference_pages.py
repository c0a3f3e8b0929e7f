"""The pages of the site that say what the package says of itself: commands, settings, formats, public names."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click

import kg_rec
from kg_rec.cli import main as program

#: Width of the help texts, in characters.
_WIDTH = 86


def write(folder: Path) -> None:
    """Write all pages into a folder; pages of an earlier version go, equal ones are left alone."""
    pages = {f"commands/{name}.md": text for name, text in command_pages().items()}
    pages |= {"commands.md": _commands(), "settings.md": settings_page(), "formats.md": formats_page()}
    pages |= {f"python/{name}.md": text for name, text in name_pages().items()}
    pages["python.md"] = _names()
    for old in sorted(folder.rglob("*.md")):
        if str(old.relative_to(folder)) not in pages:
            old.unlink()
    for name, text in pages.items():
        page = folder / name
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


# --- commands ----------------------------------------------------------------------------------------------------


def command_pages() -> dict[str, str]:
    """A page a command, with its subcommands: what ``--help`` prints."""
    return {name: _help(command, f"kg-rec {name}", 1) for name, command in program.commands.items()}


def _help(command: click.Command, path: str, level: int) -> str:
    context = click.Context(command, info_name=path, max_content_width=_WIDTH, terminal_width=_WIDTH)
    text = f"{'#' * level} {path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None  # noqa: S101  it is listed
            text += "\n" + _help(found, f"{path} {name}", level + 1)
    return text


def _commands() -> str:
    rows = "\n".join(
        f"| [`kg-rec {name}`](commands/{name}.md) | {command.get_short_help_str(200)} |"
        for name, command in program.commands.items()
    )
    return (
        "# Commands\n\nIn their order of use. Each prints this with `--help`.\n\n"
        f"| command | what it does |\n| --- | --- |\n{rows}\n\n{_toctree('commands', program.commands)}"
    )


def _toctree(folder: str, names: Any) -> str:
    return "```{toctree}\n:hidden:\n\n" + "".join(f"{folder}/{name}\n" for name in names) + "```\n"


# --- settings ----------------------------------------------------------------------------------------------------


@cache
def settings() -> tuple[type[Any], ...]:
    """Every frozen dataclass of the package whose name ends in ``Config``, by module."""
    found = {}
    for module, source in _sources():
        for name in re.findall(r"^class (\w+Config)\b", source, re.MULTILINE):
            found[f"{module}.{name}"] = getattr(importlib.import_module(module), name)
    return tuple(cls for _, cls in sorted(found.items()) if is_dataclass(cls))


def _sources() -> Iterator[tuple[str, str]]:
    """Each module's name and source; none is imported, as a package may import what takes long."""
    top = Path(kg_rec.__file__).parent
    for folder, _, names in os.walk(top, followlinks=True):
        for name in names:
            if name.endswith(".py"):
                file = Path(folder) / name
                parts = file.relative_to(top.parent).with_suffix("").parts
                yield ".".join(part for part in parts if part != "__init__"), file.read_text(encoding="utf-8")


def settings_page() -> str:
    """A table a dataclass: each setting with its default and what its docstring says."""
    text = (
        "# Settings\n\nSettings are frozen dataclasses. `kg-rec train --config my.toml` and `--set gnn.epochs=40`\n"
        "set those of `TrainConfig`, `kg-rec job run nightly.toml` those of `JobConfig`.\n"
        "In Python, give an object of the class.\n"
    )
    for cls in settings():
        about = documented(cls)
        text += f"\n## {cls.__name__}\n\n`{cls.__module__}.{cls.__name__}`. {_first(cls)}\n\n"
        text += "| setting | default | what it is |\n| --- | --- | --- |\n"
        for field in fields(cls):
            text += f"| `{field.name}` | {_default(field)} | {_markdown(about.get(field.name, ''))} |\n"
    return text


def documented(cls: type[Any]) -> dict[str, str]:
    """What the docstring of a dataclass says of each field."""
    doc = re.sub(r"^ {4}", "", cls.__doc__ or "", flags=re.MULTILINE)
    _, _, listed = doc.partition("Attributes:\n")
    found: dict[str, str] = {}
    for entry in re.split(r"^ {4}(?=\w+: )", listed, flags=re.MULTILINE)[1:]:
        name, _, text = entry.partition(": ")
        found[name] = " ".join(re.split(r"\n\n|\n(?=\S)", text)[0].split())
    return found


def _first(cls: type[Any]) -> str:
    return _markdown(" ".join((cls.__doc__ or "").strip().split("\n\n")[0].split()))


def _markdown(text: str) -> str:
    """A docstring's words for a cell of a table."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`").replace("|", "\\|")


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"`{field.default!r}`".replace("|", "\\|")
    if field.default_factory is not MISSING:
        value = field.default_factory()
        return f"see `{type(value).__name__}`" if is_dataclass(value) else f"`{value!r}`"
    return "*has to be given*"


# --- formats and names -------------------------------------------------------------------------------------------


def formats_page() -> str:
    """What can be read and written, each by its name."""
    from kg_rec.explain.formats import displays
    from kg_rec.loaders.base import formats
    from kg_rec.tables import table_formats

    options = {n: "".join(f"<br>`-o {o}=`: {about}" for o, about in f.options.items()) for n, f in formats().items()}
    parts = (
        (
            "Files to load",
            "`kg-rec load FORMAT PATH`. Other packages add theirs by the entry point `kg_rec.loaders`.",
            [(f"`{name}`", f"{_markdown(f.description)}{_markdown(options[name])}") for name, f in formats().items()],
        ),
        (
            "Tables that are written",
            "The ending of the file's name decides. Other packages add theirs by the entry point `kg_rec.tables`.",
            [(f"`{f.suffix}`", f.title) for f in table_formats().values()],
        ),
        (
            "Displays of an explanation",
            "`explanation.to(NAME)`. Other packages add theirs by the entry point `kg_rec.displays`.",
            [(f"`{name}`", display.description) for name, display in displays().items()],
        ),
    )
    text = "# Formats\n"
    for title, about, rows in parts:
        text += f"\n## {title}\n\n{about}\n\n| name | what it is |\n| --- | --- |\n"
        text += "".join(f"| {name} | {what} |\n" for name, what in rows)
    return text


def name_pages() -> dict[str, str]:
    """A page a public name; the errors together on one."""
    errors = [name for name in kg_rec.__all__ if name.endswith("Error")]
    pages = {name: _name(name) for name in kg_rec.__all__ if name not in errors}
    pages["errors"] = "# Errors\n\n" + "".join(_directive("autoexception", "kg_rec.errors", name) for name in errors)
    return pages


def _name(name: str) -> str:
    found = getattr(kg_rec, name)
    kind = "autoclass" if isinstance(found, type) else "autofunction"
    return f"# {name}\n\n{_directive(kind, found.__module__, name)}"


def _directive(kind: str, module: str, name: str) -> str:
    members = ":members:\n" if kind == "autoclass" else ""
    return f"```{{eval-rst}}\n.. {kind}:: {module}.{name}\n{''.join('   ' + line for line in [members] if line)}```\n\n"


def _names() -> str:
    pages = sorted(name_pages(), key=lambda name: (name == "errors", name.casefold()))
    listed = "".join(f"- [{name}](python/{name}.md)\n" for name in pages)
    return (
        "# Python, name by name\n\nWhat each name is for, in short: [kg_rec from Python](../python.md).\n"
        f"Here is all that it takes and gives, from its docstring.\n\n{listed}\n{_toctree('python', pages)}"
    )
