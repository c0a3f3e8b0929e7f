"""A graph with a model, and its open store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from job_world import World, make_world

from kg_rec.store import GraphStore


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """On the embedded store, or on each with ``both_stores``."""
    neo4j = getattr(request, "param", "embedded") == "neo4j"
    return make_world(tmp_path, request.getfixturevalue("clean_neo4j") if neo4j else str(tmp_path / "graph"))


@pytest.fixture
def store(world: World) -> Iterator[GraphStore]:
    found = world.open()
    yield found
    found.close()
