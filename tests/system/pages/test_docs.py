"""The documentation site builds without a warning and says all that the package says of itself."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

import kg_rec as kg
from kg_rec.cli import main as program

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "docs"))

from reference_pages import documented, settings  # noqa: E402  beside the pages, for Sphinx

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run([*command, "docs", str(folder / "html")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def words(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def every_command() -> list[str]:
    def below(command: click.Command, path: str) -> list[str]:
        inner = command.commands.items() if isinstance(command, click.Group) else ()
        return [path, *(found for name, sub in inner for found in below(sub, f"{path} {name}"))]

    return [path for name, command in program.commands.items() for path in below(command, f"kg-rec {name}")]


def test_every_command_is_there_with_its_options(site: Path) -> None:
    overview = words(site / "reference" / "commands.html")
    for path in every_command():
        text = words(site / "reference" / "commands" / f"{path.split()[1]}.html")
        assert f"Usage: {path}" in text
        assert f"kg-rec {path.split()[1]}" in overview
    assert len(every_command()) > len(program.commands)
    assert "--least-crowd" in words(site / "reference" / "commands" / "serve.html")


def test_every_setting_is_there_with_what_it_is(site: Path) -> None:
    text = " ".join(words(site / "reference" / "settings.html").split())
    names = {cls.__name__ for cls in settings()}
    assert {"TrainConfig", "ExplainConfig", "JobConfig", "ServeConfig", "GnnConfig", "NewcomerConfig"} <= names
    for cls in settings():
        assert cls.__name__ in text
        about = documented(cls)
        for field in fields(cls):
            assert about.get(field.name), f"{cls.__name__}.{field.name} has no line in its docstring"
            assert field.name in text


def test_every_format_and_display_is_there(site: Path) -> None:
    from kg_rec.explain.formats import displays
    from kg_rec.loaders.base import formats
    from kg_rec.tables import table_formats

    text = words(site / "reference" / "formats.html")
    for name in [*formats(), *displays(), *(f.suffix for f in table_formats().values())]:
        assert name in text


def test_every_public_name_is_there(site: Path) -> None:
    errors = words(site / "reference" / "python" / "errors.html")
    for name in kg.__all__:
        if name.endswith("Error"):
            assert f"exception kg_rec.errors.{name}" in errors
        else:
            assert name in words(site / "reference" / "python" / f"{name}.html")
    assert "Top-k lists as an Arrow table" in words(site / "reference" / "python" / "Model.html")


def test_every_guide_is_a_page_that_can_be_reached(site: Path) -> None:
    start = (site / "index.html").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.stem == "index" or f'href="{page.stem}.html"' in start, page.name
    for page in ("decisions", "changes", "contributing", "release"):
        assert f'href="project/{page}.html"' in start


def test_no_page_needs_anything_from_outside(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(?:script|img|iframe)[^>]*src=\"(?:https?:)?//", text), page
        assert not re.search(r"<link[^>]*href=\"(?:https?:)?//", text), page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style
