"""Small graphs with a known build, and models trained on them: films of three kinds and the viewers who like a kind."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch_geometric  # noqa: F401  it asks the machine for a port when it is imported: not within a unit test
import transformers
from filelock import FileLock

from kg_rec.model import persist
from kg_rec.model.channels import gnn  # noqa: F401  what it imports binds a socket, which a unit test must not
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.model.train.train import train
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.store import GraphStore

ROOT = Path(__file__).resolve().parents[1]
#: Where the toy model is kept, and what real texts are encoded to.
MODELS = ROOT / ".pytest_cache" / "d" / "toy_models"
ENCODED = ROOT / ".pytest_cache" / "d" / "encoded"

KINDS = ("western", "space", "romance")
PLOTS = (
    "A sheriff and a bandit ride through the desert to a gun fight",
    "Astronauts on a distant planet meet an alien ship",
    "Two lovers meet in Paris, part, and marry in the end",
)

#: Quick settings: every part of the model is on, little is tried.
CONFIG = TrainConfig(
    seed=5,
    device="cpu",
    recency=(0.0,),
    taste=TasteConfig(l2=(5.0, 20.0)),
    gnn=GnnConfig(dimensions=(4, 8), exponents=(0.3,)),
    cold=ColdConfig(rounds=1),
    fusion=FusionConfig(rounds=2),
)
NO_TEXT = replace(CONFIG, meaning=MeaningConfig(encoder="none"))


def edges(
    pairs: Iterable[tuple[int, int]], weight: Iterable[float] | None = None, time: Iterable[int] | None = None
) -> EdgeTable:
    """Edges by dense index, sorted."""
    ends = np.array(sorted(pairs) if weight is None and time is None else list(pairs), dtype=np.int64).reshape(-1, 2)
    table = EdgeTable(
        ends[:, 0],
        ends[:, 1],
        None if weight is None else np.array(list(weight), dtype=np.float32),
        None if time is None else np.array(list(time), dtype=np.int64),
    )
    return table.take(np.lexsort((table.target, table.source)))


def snapshot(schema: GraphSchema, nodes: dict[str, pa.Table], relations: dict[str, EdgeTable]) -> Snapshot:
    """A snapshot in which what is not given is empty."""
    types = {"string": pa.string(), "integer": pa.int64(), "float": pa.float64()}
    tables = {}
    for name, node_type in schema.node_types.items():
        given = nodes.get(name, pa.table({node_type.key: pa.array([], pa.string())}))
        columns = {
            p.name: given.column(p.name).cast(types[p.datatype])
            if p.name in given.column_names
            else pa.nulls(len(given), types[p.datatype])
            for p in node_type.properties
        }
        tables[name] = pa.table(columns)
    empty = {}
    for name, relation in schema.relation_types.items():
        none = edges([], [] if relation.weight else None, [] if relation.time else None)
        empty[name] = none
    return Snapshot(schema, "toy", tables, {**empty, **relations})


@cache
def films(users: int = 60, items: int = 45, cold: int = 6) -> Snapshot:
    """Film i is of kind i % 3; viewer u likes kind u % 3 most; the last ``cold`` films have no interactions."""
    rng = np.random.default_rng(11)
    keys = [f"f{i:02d}" for i in range(items)]
    nodes = {
        "User": pa.table({"user_id": [f"u{u:02d}" for u in range(users)]}),
        "Film": pa.table(
            {
                "item_id": keys,
                "title": [f"{KINDS[i % 3].title()} {i}" for i in range(items)],
                "year": [None if i % 11 == 10 else 1950 + 20 * (i % 3) + i % 5 for i in range(items)],
                "summary": [f"{PLOTS[i % 3]}, part {i}." for i in range(items)],
            }
        ),
        "Genre": pa.table({"genre_id": sorted(KINDS), "name": sorted(KINDS)}),
        "Person": pa.table(
            {"person_id": [f"p{p}" for p in range(9)], "name": [f"Person {p}" if p else None for p in range(9)]}
        ),
    }
    rated, ratings, times = [], [], []
    for u in range(users):
        chance = np.where(np.arange(items) % 3 == u % 3, 0.6, 0.12) * (np.arange(items) < items - cold)
        for step, i in enumerate(rng.permutation(np.flatnonzero(rng.random(items) < chance)).tolist()):
            rated.append((u, i))
            ratings.append(float(rng.integers(3, 6)) if rng.random() < 0.85 else float(rng.integers(1, 3)))
            times.append(1_000_000 + 1000 * u + 10 * step)
    genre = {kind: g for g, kind in enumerate(sorted(KINDS))}
    relations = {
        "RATED": edges(rated, ratings, times),
        "HAS_GENRE": edges((i, genre[KINDS[i % 3]]) for i in range(items)),
        "DIRECTED_BY": edges((i, i % 9) for i in range(items) if i % 7),
        "STARRING": edges({(i, int(p)) for i in range(items) for p in rng.choice(9, 2, replace=False)}),
        "FOLLOWED_BY": edges([(0, 3), (3, 6), (5, 8), (4, items - 1), (items - 2, 7)]),
    }
    return snapshot(GraphSchema.bundled("movies"), nodes, relations)


@cache
def trained() -> Recommender:
    """The model of :func:`films`, with the packaged text model.

    It is kept in pytest's cache, in a folder named after all that it is made from; every process of a run of the
    tests, and the next run, reads it from there.  The first process to need it trains, the others wait.
    """
    folder = MODELS / sources_digest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if not (folder / "done").exists():
            with tempfile.TemporaryDirectory() as cache_folder, pytest.MonkeyPatch.context() as patch:
                patch.setenv("KG_REC_CACHE", cache_folder)
                made = train(films(), CONFIG)
            for old in folder.parent.glob("*/"):
                shutil.rmtree(old, ignore_errors=True)
            persist.save(made, folder)
            (folder / "done").touch()
        return persist.load(folder)


def sources_digest() -> str:
    """A digest of every source that a model depends on, and of the versions of what it is computed with."""
    files = [Path(__file__), *(ROOT / "graph_schemas").glob("*.ttl")]
    for part in ("arrays", "model", "schema", "snapshot", "*.py"):
        files += (ROOT / "kg_rec").glob(part if part.endswith(".py") else f"{part}/**/*.py")
    return _digest(files)


def encoded() -> Path:
    """A folder for ``KG_REC_CACHE``, kept in pytest's cache as the toy model is: thousands of texts take longest."""
    return ENCODED / _digest((ROOT / "kg_rec" / "model" / "encoders").glob("*.py"))


def _digest(files: Iterable[Path]) -> str:
    versions = f"{np.__version__} {torch.__version__} {transformers.__version__} {sys.version}"
    digest = hashlib.sha256(versions.encode())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def everything() -> Recommender:
    """As :func:`trained`, with every channel, relation type and text in use, whatever validation chose."""
    model = trained()
    channels = {
        **model.chosen.channels,
        "taste": {**model.chosen.channels["taste"], "prior": 1.0},
        "knowledge": {"mean": {f.relation: 0.05 for f in model.similarity.factors}, "deviation": {}},
    }
    chosen = replace(
        model.chosen,
        channels=channels,
        similarity={name: 0.3 if name == "year" else 1.0 for name in model.similarity.weights},
        ridge=4.0,
        warm={"taste": 1.0, "relational": 0.5, "sequence": 0.2, "knowledge": 0.3, "meaning": 0.3, "base": 0.1},
        cold={"relational": 1.0, "knowledge": 0.02, "meaning": 0.02},
    )
    return fit(films(), chosen, CONFIG, model.text)


def fill(store: GraphStore, graph: Snapshot) -> None:
    """Write a snapshot into an empty store."""
    store.apply_schema(graph.schema)
    tables = graph.to_arrow()
    for name in graph.schema.node_types:
        if len(tables[name]):
            store.write_nodes(name, tables[name])
    for name in graph.schema.relation_types:
        if len(tables[name]):
            store.write_edges(name, tables[name])


def pairs(model: Recommender, count: int, seed: int = 0) -> list[tuple[int, int]]:
    """Random (user, item) pairs by dense index."""
    rng = np.random.default_rng(seed)
    users, items = model.shape
    return list(zip(rng.integers(0, users, count).tolist(), rng.integers(0, items, count).tolist(), strict=True))


def with_user(graph: Snapshot, key: str, rated: dict[int, float]) -> Snapshot:
    """The graph with one more user, in key order."""
    keys = graph.users.keys.to_pylist()
    place = sum(k < key for k in keys)
    row = pa.table({n: [key] if n == "user_id" else pa.nulls(1, t) for n, t in _columns(graph)})
    table = pa.concat_tables([graph.nodes["User"].slice(0, place), row, graph.nodes["User"].slice(place)])
    e = graph.interactions
    assert e.weight is not None
    assert e.time is not None
    source = np.concatenate([e.source + (e.source >= place), np.full(len(rated), place)])
    target = np.concatenate([e.target, np.array(sorted(rated), dtype=np.int64)])
    weight = np.concatenate([e.weight, np.array([rated[i] for i in sorted(rated)], dtype=np.float32)])
    time = np.concatenate([e.time, np.full(len(rated), 5_000_000)])
    merged = edges(zip(source.tolist(), target.tolist(), strict=True), weight.tolist(), time.tolist())
    return Snapshot(graph.schema, graph.source, {**graph.nodes, "User": table}, {**graph.edges, "RATED": merged})


def _columns(graph: Snapshot) -> list[tuple[str, pa.DataType]]:
    table = graph.nodes["User"]
    return list(zip(table.column_names, table.schema.types, strict=True))
