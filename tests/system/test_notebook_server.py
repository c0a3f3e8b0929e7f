"""The notebook on a live graph, over a server."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from printed import DIFFERS, cell_texts

import kg_rec as kg
from kg_rec.loaders.demo import FILMS
from notebooks.run import executed, notebooks


def told(notebook: NotebookNode) -> list[list[str]]:
    """What the cells print and show, but for those whose numbers differ."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell_texts(cell) for cell in code if DIFFERS not in cell.metadata.get("tags", [])]


@pytest.mark.neo4j
@pytest.mark.timeout(600)
def test_with_a_server_s_address_nothing_else_changes(tmp_path: Path, films_neo4j: str) -> None:
    """The notebook on a live graph says so: all that it prints is what it prints of the folder."""
    (kept,) = (nbformat.read(path, as_version=4) for path in notebooks() if path.stem == "09-pyg-on-a-live-graph")
    store = kg.connect(films_neo4j)
    kg.load(store, "demo", FILMS, viewers=200)
    store.close()
    changed = [cell for cell in kept.cells if '"films.graph"' in cell.source]
    assert len(changed) == 1
    before = told(kept)
    changed[0].source = changed[0].source.replace('"films.graph"', f'"{films_neo4j}"')
    nbformat.write(kept, tmp_path / "server.ipynb")
    after = executed(tmp_path / "server.ipynb", tmp_path)
    assert all(o.get("name") != "stderr" for cell in after.cells for o in cell.get("outputs", []))
    assert told(after) == before
