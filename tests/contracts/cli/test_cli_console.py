"""Progress, tables and JSON as a person and a script see them."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console
from rich.progress import Progress

from kg_rec.cli import console


def test_a_bar_follows_the_stages() -> None:
    bars = Progress(console=Console(file=io.StringIO()))
    bar = console._Bar(bars)
    states = []
    for step in [(0, 2, "export A"), (1, 2, "export B"), (0, None, "writing"), (7, None, "writing"), (3, 9, "fit")]:
        bar(*step)
        (task,) = bars.tasks
        states.append((task.completed, task.total, task.description))
    assert states == [(0, 2, "export A"), (1, 2, "export B"), (0, None, "writing"), (7, None, "writing"), (3, 9, "fit")]


def test_lines_name_stages_and_stay_quiet_for_quick_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lines = console._Lines()
    steps = [(0.5, "export A"), (2, "export B"), (2.1, "export C"), (2.2, "fit"), (3, "fit"), (4, "export D")]
    for second, what in steps:
        now[0] = second
        lines(0, 5, what)
    now[0] = 9
    lines(5, 5, "exported")
    out, err = capsys.readouterr()
    assert err.split("\n") == ["  export B", "  fit", "  export D", ""]
    assert out == ""


def test_stages_are_named() -> None:
    seen: list[tuple[int, int | None, str]] = []
    console.staged(lambda *step: seen.append(step), "random")(1, 2, "fit")
    assert seen == [(1, 2, "random: fit")]


def test_tables_keep_their_columns_with_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(["name", "n", "share"], [["花样年华", 7, "1,000"], ["a\nb", None, "2"]], ["share"])
    assert capsys.readouterr().out.splitlines() == [
        "name       n   share",
        "─" * 20,
        "花样年华   7   1,000",
        "a b                2",
    ]


def test_a_key_of_thousands_of_letters_makes_no_wide_table(capsys: pytest.CaptureFixture[str]) -> None:
    key = "k" * 3000
    console.print_table(["item", "name"], [[key, "A"], ["b", "B b " * 400]])
    out = capsys.readouterr().out
    assert "k" * 300 + "…   A" in out
    assert key not in out
    assert ("B b " * 400).strip() in out  # words are kept: a text is not cut
    assert console.one_line(f"no item {key!r}") == f"no item '{'k' * 299}…"


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(["a", "b"], [])
    assert capsys.readouterr().out.splitlines() == ["a   b", "─────"]


def test_a_wide_table_is_folded_in_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    console.print_table(["n", "text"], [[1, "long words " * 8]])
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 40
    assert "".join(lines).count("long") == 8


def test_json_holds_no_number_that_json_lacks_and_nothing_invisible() -> None:
    text = console.dumps({"x": float("nan"), "y": [float("inf"), 1.5], "name": "a\x1b\u202e\U000e0041é花"}, indent=None)
    assert json.loads(text) == {"x": None, "y": [None, 1.5], "name": "a\x1b\u202e\U000e0041é花"}
    assert text.isprintable()
    assert "é花" in text
