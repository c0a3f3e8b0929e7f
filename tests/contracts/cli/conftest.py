from __future__ import annotations

from pathlib import Path

import pytest
from cli_world import SMALL, World, run, write_facts, write_ratings


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Small files, loaded into an embedded graph, and a model trained on it, all by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    made = World(folder)
    write_ratings(made.ratings)
    write_facts(made.facts)
    run("load", "recbole", made.ratings, "--graph", made.graph)
    run("load", "table", made.facts, "--graph", made.graph)
    run("train", "--graph", made.graph, "--out", made.model, "--log", folder / "train.jsonl", *SMALL)
    return made


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own, without a graph from the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KG_REC_GRAPH", raising=False)
