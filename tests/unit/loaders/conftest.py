"""An embedded graph to load into, and a folder for the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loader_graph import Graph

from kg_rec.store import connect


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """An empty embedded graph."""
    store = connect(str(tmp_path / "graph"))
    yield Graph(store)
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for input files."""
    path = tmp_path / "data"
    path.mkdir()
    return path
