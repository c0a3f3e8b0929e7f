"""``kg-rec explain --why-not`` and ``--versus``: words, table, JSON and page say the same numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.cli import main

MODEL = Model(everything())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model"
    MODEL.save(path)
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def outside() -> str:
    """A film that u01 never had and that is not in the top 10."""
    found = (MODEL.why_not("u01", f"f{i:02d}") for i in range(45))
    return next(f.item for f in found if f.standing == "not_listed" and f.additions)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_why_not(folder: str, lang: str) -> None:
    item = outside()
    found = MODEL.why_not("u01", item)
    said = run(folder, "u01", "--why-not", item, "--lang", lang)
    assert said.exit_code == 0, said.output
    assert str(found.rank) in said.stdout
    assert f"{found.gap:.4g}" in said.stdout
    assert all(name in said.stdout for _, name in found.additions[0].items)
    data = json.loads(run(folder, "u01", "--why-not", item, "--lang", lang, "--json").stdout)
    assert (data["rank"], data["gap"], data["k"]) == (found.rank, pytest.approx(found.gap), 10)
    assert data["text"] == said.stdout.split("\n")[0]
    page = run(folder, "u01", "--why-not", item, "--lang", lang, "--html").stdout
    assert page.startswith("<!DOCTYPE html>")
    numbers = re.findall(r'<td class="n">([^<]+)</td>', page)
    assert len(numbers) % 3 == 0
    assert float(numbers[-1]) == pytest.approx(-found.gap, rel=1e-3)
    assert float(numbers[-3]) == pytest.approx(found.score, rel=1e-3)
    assert numbers[-1] in said.stdout


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_versus(folder: str, lang: str, tmp_path: Path) -> None:
    found = MODEL.versus("u01", "f07", "f11")
    said = run(folder, "u01", "f07", "--versus", "f11", "--lang", lang)
    assert said.exit_code == 0, said.output
    assert f"{abs(found.value):.4g}" in said.stdout
    data = json.loads(run(folder, "u01", "f07", "--versus", "f11", "--json").stdout)
    assert data["value"] == pytest.approx(data["first"]["score"] - data["second"]["score"])
    assert data["base"] + sum(d["value"] for d in data["differences"]) == pytest.approx(data["value"], abs=1e-6)
    out = tmp_path / "versus.html"
    assert run(folder, "u01", "f07", "--versus", "f11", "--html", "--out", str(out)).exit_code == 0
    numbers = re.findall(r'<td class="n">([^<]+)</td>', out.read_text(encoding="utf-8"))
    assert float(numbers[-1]) == pytest.approx(found.value, rel=1e-3)


def test_the_same_item_is_level(folder: str) -> None:
    assert "have the same score" in run(folder, "u01", "f07", "--versus", "f07").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["u01", "f07", "--why-not", "f11"], "takes a USER and no other ITEM"),
        (["--why-not", "f11"], "takes a USER and no other ITEM"),
        (["u01", "--versus", "f11"], "expected USER and ITEM"),
        (["u01", "f07", "--versus", "f11", "--markdown"], "in words, with --json or with --html"),
        (["u01", "f07", "--versus", "f11", "--counterfactual"], "each by itself"),
        (["u01", "f07", "--margin", "2"], "--margin needs --counterfactual"),
    ],
)
def test_what_does_not_go_together_is_said(folder: str, arguments: list[str], message: str) -> None:
    found = run(folder, *arguments)
    assert found.exit_code == 2
    assert message in " ".join(found.output.split())
