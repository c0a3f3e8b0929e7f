"""The notebooks run, in the order of their names, and show what is kept in them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from printed import numbers

import kg_rec as kg
from kg_rec.loaders.demo import FILMS
from notebooks.run import executed, notebooks

#: The tag of a cell whose numbers depend on the processor: rounding grows in hundreds of steps of training.
DIFFERS = "differs"
#: What is another one each time: the address of an object.
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


def told(notebook: NotebookNode) -> list[list[str]]:
    """What the cells print and show, but for those whose numbers differ."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [texts(cell) for cell in code if DIFFERS not in cell.metadata.get("tags", [])]


def texts(cell: NotebookNode) -> list[str]:
    """What a cell prints and the plain text of what it shows."""
    shown = [o.text if o.output_type == "stream" else o.data.get("text/plain", "") for o in cell.outputs]
    return [ADDRESS.sub("0x…", text) for text in shown]


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
        for one, other in zip(texts(before), texts(after), strict=True):
            assert close(one, other), f"{where}\nkept:\n{one}\nfound:\n{other}"


@pytest.mark.system
@pytest.mark.timeout(600)
def test_with_a_server_s_address_nothing_else_changes(tmp_path: Path, clean_neo4j: str) -> None:
    """The notebook on a live graph says so: all that it prints is what it prints of the folder."""
    (kept,) = (nbformat.read(path, as_version=4) for path in notebooks() if path.stem == "09-pyg-on-a-live-graph")
    store = kg.connect(clean_neo4j)
    kg.load(store, "demo", FILMS, viewers=200)
    store.close()
    changed = [cell for cell in kept.cells if '"films.graph"' in cell.source]
    assert len(changed) == 1
    before = told(kept)
    changed[0].source = changed[0].source.replace('"films.graph"', f'"{clean_neo4j}"')
    nbformat.write(kept, tmp_path / "server.ipynb")
    after = executed(tmp_path / "server.ipynb", tmp_path)
    assert all(o.get("name") != "stderr" for cell in after.cells for o in cell.get("outputs", []))
    assert told(after) == before


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
