"""Item vectors in Neo4j's vector index: nearest neighbours, and what readers see while a run changes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from job_world import World, make_world, model

from kg_rec.checks.check import check
from kg_rec.errors import ConfigError, StoreUnavailableError
from kg_rec.jobs.preview import preview
from kg_rec.jobs.rerank import embeddings
from kg_rec.jobs.run import resume, start
from kg_rec.snapshot import export
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import RunLedger
from kg_rec.store.neo4j.vectors import show_vectors, similar_items, write_vectors, written_model


def similar(store: GraphStore, item: str) -> list[dict[str, Any]]:
    return list(store.query(similar_items(store.schema()), {"item": item}).to_pylist())


def vectors_of_the_model() -> np.ndarray:
    found = embeddings(model())
    assert found is not None
    return found


def expected(vectors: np.ndarray, item: int) -> np.ndarray:
    """Scores of the ten nearest items, best first."""
    cosine = vectors @ vectors[item]
    return np.sort((1 + np.delete(cosine, item)) / 2)[::-1][:10]


@pytest.mark.neo4j
def test_neighbours_are_those_of_the_model(films_neo4j: str, tmp_path: Path) -> None:
    world = make_world(tmp_path, films_neo4j)
    store = connect(world.url)
    before = export(store).digest
    sinks = {"graph": True, "vectors": True}
    assert ("items like an item", similar_items(store.schema())) in preview(world.job(sinks=sinks), store)["cypher"]
    start(world.job(sinks=sinks), store, "a")
    keys, vectors = model().items.keys.to_pylist(), vectors_of_the_model()
    for item in (0, 7, 44):
        found = similar(store, keys[item])
        np.testing.assert_allclose([r["score"] for r in found], expected(vectors, item), atol=1e-5)
        assert all(abs(r["score"] - (1 + vectors[keys.index(r["item"])] @ vectors[item]) / 2) < 1e-5 for r in found)
    assert export(store).digest == before  # no facts
    assert check(store).ok
    slot = "MATCH (p:KgRecVectors) RETURN p.slot AS slot"
    written = store.query(slot).to_pylist()
    start(world.job(sinks=sinks), store, "b")
    assert store.query(slot).to_pylist() == written  # the same model: nothing is written
    store.close()


@pytest.mark.neo4j
def test_readers_see_whole_vectors_of_one_model(
    films_neo4j: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path, films_neo4j)
    store = connect(world.url)
    keys, new = model().items.keys.to_pylist(), vectors_of_the_model()
    old = np.random.default_rng(0).normal(size=(len(keys), 3)).astype(np.float32)  # of another model, 3 dimensions
    old /= np.linalg.norm(old, axis=1, keepdims=True)
    runs = RunLedger(store)
    runs.prepare()
    write_vectors(store, "first", keys, old)
    assert written_model(store) is None  # nothing is shown before its publication
    store.transact([show_vectors("first", "old")])
    job = world.job(sinks={"graph": True, "vectors": True}, retry_seconds=0.0)

    def lost(*_: Any) -> None:
        raise StoreUnavailableError("no answer")

    with monkeypatch.context() as patch:  # cut off between the vectors and the publication
        patch.setattr(RunLedger, "publish", lost)
        with pytest.raises(StoreUnavailableError):
            start(job, store, "second")
    np.testing.assert_allclose([r["score"] for r in similar(store, "f07")], expected(old, 7), atol=1e-5)
    resume(store, "second")
    np.testing.assert_allclose([r["score"] for r in similar(store, "f07")], expected(new, 7), atol=1e-5)
    # a slot that is written again with other items and another dimension
    store.write_nodes("Film", pa.table({"item_id": ["f99"]}))
    write_vectors(store, "third", [*keys[1:], "f99"], np.vstack([old[1:], old[:1]]))
    store.transact([show_vectors("third", "older")])
    assert "f00" not in {r["item"] for r in similar(store, "f99")}
    np.testing.assert_allclose([r["score"] for r in similar(store, "f99")], expected(old, 0), atol=1e-5)
    # two runs at a time: the one that began last wins, and the other shows nothing
    write_vectors(store, "fourth", keys, new)
    write_vectors(store, "fifth", keys, new)
    store.transact([show_vectors("fourth", "fourth's")])
    assert written_model(store) == "older"
    store.transact([show_vectors("fifth", "fifth's")])
    assert written_model(store) == "fifth's"
    store.close()


def test_an_embedded_graph_has_no_vector_index(world: World, store: GraphStore) -> None:
    job = world.job(sinks={"graph": True, "vectors": True})
    with pytest.raises(ConfigError, match=r"sinks.vectors: a vector index needs a Neo4j server"):
        start(job, store, "x")
    with pytest.raises(ConfigError, match=r"sinks.vectors: a vector index needs a Neo4j server"):
        preview(job, store)
    assert RunLedger(store).find("x") is None
