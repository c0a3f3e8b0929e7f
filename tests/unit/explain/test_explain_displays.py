"""Displays are found by name; a package outside adds its own by an entry point."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from explain_paths import Make, forth

from kg_rec.cli import main
from kg_rec.errors import ConfigError
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.formats import Display, display, displays
from kg_rec.explain.path import PathGroup

SHOUTED = Display("shouted", "the words, loud", f"{__name__}:shout", "text/plain", ".txt")
OTHER = Display("text", "takes a name that is in use", f"{__name__}:shout", "text/plain", ".txt")
NO_DISPLAY = "a text"
NOWHERE = Display("nowhere", "its function is missing", f"{__name__}:missing", "text/plain", ".txt")


def shout(explanation: Explanation) -> str:
    return explanation.text.upper()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test writes the entry points of a package that is installed beside kg-rec."""
    folder = tmp_path / "toy-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "entry_points.txt"


def some(films: Make) -> list[PathGroup]:
    return [films.taste(("Heat", 37)), films.direct(forth("FOLLOWED_BY"), "Fargo")]


def test_an_explanation_is_shown_by_name(films: Make) -> None:
    explanation = films.explanation(some(films))
    assert explanation.text in explanation.to("text")
    assert explanation.to("html").startswith("<!DOCTYPE html>")
    assert explanation.to("card") in explanation.to("html")
    assert explanation.to("cypher").endswith(f"{explanation.cypher};")
    assert explanation.to("networkx").graph["item"] == explanation.item
    with pytest.raises(ConfigError, match=r"expected one of the displays text, json, .*, got 'tex'"):
        explanation.to("tex")


def test_every_display_of_the_package_is_there(films: Make) -> None:
    explanation = films.explanation(some(films))
    for name, found in displays().items():
        assert found.name == name
        shown = explanation.to(name)
        assert isinstance(shown, str) == (found.media_type is not None) == (found.ending is not None)


def test_a_package_adds_a_display(films: Make, installed: Path) -> None:
    installed.write_text(f"[kg_rec.displays]\nshouted = {__name__}:SHOUTED\n")
    assert display("shouted") == SHOUTED
    explanation = films.explanation(some(films))
    assert explanation.to("shouted") == explanation.text.upper()
    help_text = CliRunner().invoke(main, ["explain", "--help"]).output
    assert "shouted: the words, loud" in " ".join(help_text.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"text = {__name__}:OTHER", "entry point text of kg_rec.displays: there is a display of this name"),
        (f"shout = {__name__}:SHOUTED", "expected a Display called 'shout', got Display"),
        (f"shout = {__name__}:NO_DISPLAY", "expected a Display called 'shout', got 'a text'"),
        ("shout = no_such_module:SHOUTED", "cannot load no_such_module:SHOUTED: No module named"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_named(installed: Path, line: str, message: str) -> None:
    installed.write_text(f"[kg_rec.displays]\n{line}\n")
    with pytest.raises(ConfigError, match=message):
        displays()


def test_a_display_without_its_function_is_named(films: Make, installed: Path) -> None:
    installed.write_text(f"[kg_rec.displays]\nnowhere = {__name__}:NOWHERE\n")
    with pytest.raises(ConfigError, match=r"display nowhere: expected a function at .*missing"):
        films.explanation(some(films)).to("nowhere")


def test_an_explanation_is_one_short_line(films: Make) -> None:
    explanation = replace(films.explanation(some(films)), item_name="The Score" * 50)
    assert repr(explanation).startswith("Explanation('The ScoreThe")
    assert "for user '42': score " in repr(explanation)
    assert "2 paths shown, 100 % of what speaks for it)" in repr(explanation)
    assert len(repr(explanation)) < 160
    assert "\n" not in repr(explanation)
