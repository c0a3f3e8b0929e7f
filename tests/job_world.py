"""A job on the toy films: its graph, its model and its settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from toy_graph import everything, fill, films

from kg_rec.jobs.config import JobConfig
from kg_rec.model import persist
from kg_rec.model.recommender import Recommender
from kg_rec.settings import from_dict
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import RunLedger

#: Runs a test on each store.
both_stores = pytest.mark.parametrize(
    "world", ["embedded", pytest.param("neo4j", marks=[pytest.mark.neo4j, pytest.mark.films])], indirect=True
)


@cache
def model() -> Recommender:
    """Every channel on."""
    return everything()


@dataclass(frozen=True)
class World:
    """Folders of one test."""

    folder: Path
    url: str

    def job(self, **settings: Any) -> JobConfig:
        """A job into Parquet, JSON Lines and the graph, seven users a chunk."""
        values: dict[str, Any] = {
            "graph": self.url,
            "model": str(self.folder / "model"),
            "name": "nightly",
            "work": str(self.folder / "work"),
            "k": 5,
            "chunk": 7,
            "sinks": {
                "parquet": str(self.folder / "lists"),
                "json_lines": str(self.folder / "lines"),
                "graph": True,
            },
        }
        return from_dict(JobConfig, {**values, **settings})

    def open(self) -> GraphStore:
        return connect(self.url)

    def files(self, run: str) -> dict[str, bytes]:
        """Every file of a run and its bytes."""
        found = {}
        for sink in ("lists", "lines"):
            for path in sorted((self.folder / sink / f"run={run}").iterdir()):
                found[f"{sink}/{path.name}"] = path.read_bytes()
        return found

    def rows(self, run: str) -> list[dict[str, Any]]:
        """The JSON Lines of a run."""
        parts = [data for name, data in self.files(run).items() if name.startswith("lines/")]
        return [json.loads(line) for data in parts for line in data.splitlines()]


def make_world(folder: Path, url: str) -> World:
    """The toy graph in an empty store, and the saved model."""
    store = connect(url)
    fill(store, films())
    store.close()
    persist.save(model(), folder / "model")
    return World(folder, url)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """On the embedded store, or on each with ``both_stores``."""
    neo4j = getattr(request, "param", "embedded") == "neo4j"
    return make_world(tmp_path, request.getfixturevalue("films_neo4j") if neo4j else str(tmp_path / "graph"))


@pytest.fixture
def store(world: World) -> Iterator[GraphStore]:
    found = world.open()
    yield found
    found.close()


def edges(store: GraphStore, run: str) -> list[dict[str, Any]]:
    """What a run wrote into the graph."""
    question = (
        "MATCH (u:User)-[r:RECOMMENDED]->(i:Film) WHERE r.run = $run "
        "RETURN u.user_id AS user, r.rank AS rank, i.item_id AS item, r.score AS score ORDER BY user, rank, item"
    )
    return list(store.query(question, {"run": run}).to_pylist())


def ledger(store: GraphStore, run: str) -> dict[str, Any]:
    """What the ledger says of a run and its chunks, without times and what it is compared with."""
    runs = RunLedger(store)
    record = runs.find(run)
    assert record is not None
    about = {name: value for name, value in record.about.items() if name not in ("pid", "base")}
    report = {name: record.report.get(name) for name in ("users", "rows", "chunks", "score_quantiles")}
    chunks = [replace(chunk, seconds=0.0, at="") for _, chunk in sorted(runs.chunks(run).items())]
    return {"state": record.state, "error": record.error, "about": about, "report": report, "chunks": chunks}


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a file as those of :func:`edges`."""
    return [{name: row[name] for name in ("user", "rank", "item", "score")} for row in rows]
