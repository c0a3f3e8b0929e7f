"""The notebooks run, in the order of their names, and show what is kept in them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from printed import DIFFERS, cell_texts, numbers

from notebooks.run import executed, notebooks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


def close(kept: str, found: str) -> bool:
    """Words are equal, and numbers as near as two processors are."""
    (words, expected), (others, got) = numbers(kept), numbers(found)
    return words == others and all(abs(a - b) <= slack + 1e-9 for (a, slack), (b, _) in zip(expected, got, strict=True))


@pytest.mark.system
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_shows_what_is_kept_in_it(folder: Path, path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    found = executed(path, folder)
    for number, (before, after) in enumerate(zip(kept.cells, found.cells, strict=True), start=1):
        if before.cell_type != "code":
            continue
        where = f"{path.name}, cell {number}: run `make notebooks`"
        kinds = [[(o.output_type, sorted(o.get("data", {}))) for o in cell.outputs] for cell in (before, after)]
        assert kinds[0] == kinds[1], where
        assert all(o.get("name") != "stderr" for o in after.outputs), f"{where}; it warns"
        if DIFFERS in before.metadata.get("tags", []):
            continue
        for one, other in zip(cell_texts(before), cell_texts(after), strict=True):
            assert close(one, other), f"{where}\nkept:\n{one}\nfound:\n{other}"


def test_the_first_makes_what_the_others_open() -> None:
    assert [path.name[:2] for path in notebooks()] == [f"{n:02}" for n in range(1, len(notebooks()) + 1)]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_a_story_with_pictures(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert re.match(r"# \S", cells[0].source)
    assert sum(c.cell_type == "markdown" for c in cells) >= 4
    shown = [o.get("data", {}) for c in cells if c.cell_type == "code" for o in c.outputs]
    pictures = [data for data in shown if "image/png" in data or "<svg" in data.get("text/html", "")]
    assert pictures, f"{path.name} has no picture"
    assert path.stat().st_size < 400_000
