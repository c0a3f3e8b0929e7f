"""A graph with a model, and its open store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from job_world import World, make_world

from kg_rec.store import GraphStore


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path, str(tmp_path / "graph"))


@pytest.fixture
def store(world: World) -> Iterator[GraphStore]:
    found = world.open()
    yield found
    found.close()
