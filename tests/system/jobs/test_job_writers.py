"""Several writers of one run on Neo4j: the result of one writer, and none waits for a lock of another."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import neo4j
import pyarrow as pa
import pytest
from job_world import edges, make_world
from toy_graph import fill, films

from kg_rec.jobs.run import start
from kg_rec.store import connect
from kg_rec.store.ledger import ChunkRecord, RunLedger

pytestmark = pytest.mark.neo4j


def repeated(log: pytest.LogCaptureFixture) -> list[str]:
    """Transactions that the driver had to repeat, as after a deadlock."""
    return [r.getMessage() for r in log.records if r.name.startswith("neo4j") and "retried" in r.getMessage()]


def test_the_result_does_not_depend_on_the_number_of_writers(
    films_neo4j: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(tmp_path, films_neo4j)
    store = connect(world.url)
    with caplog.at_level(logging.WARNING, "neo4j"):
        for writers in (1, 2, 3):
            record = start(world.job(writers=writers), store, f"by-{writers}")
            assert record.report["rows"] == 300
            assert set(RunLedger(store).chunks(f"by-{writers}")) == set(range(9))
    assert repeated(caplog) == []
    for run in ("by-2", "by-3"):
        assert list(world.files(run).values()) == list(world.files("by-1").values())
        assert edges(store, run) == edges(store, "by-1")
    store.close()


def lists(users: list[str]) -> pa.RecordBatch:
    """The same ten items for every user."""
    rows = [(u, n + 1, f"f{n:02d}", 1.0) for u in users for n in range(10)]
    columns = [pa.array(c) for c in zip(*rows, strict=True)]
    return pa.record_batch(columns, names=["user", "rank", "item", "score"])


def test_writers_of_the_same_items_repeat_nothing(films_neo4j: str, caplog: pytest.LogCaptureFixture) -> None:
    store = connect(films_neo4j)
    fill(store, films())
    store.write_nodes("User", pa.table({"user_id": [f"x{n:05d}" for n in range(4000)]}))
    runs = RunLedger(store)
    runs.prepare()

    def write(number: int) -> None:
        users = [f"x{n:05d}" for n in range(number * 100, number * 100 + 100)]
        chunk = ChunkRecord(number, "done", 100, 1000, 0, users[0], users[-1])
        for _ in range(2):  # the second time changes nothing
            runs.commit("r", chunk, lists(users))

    with caplog.at_level(logging.WARNING, "neo4j"), ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    assert repeated(caplog) == []
    found = store.query("MATCH (:User)-[r:RECOMMENDED]->(i:Film) RETURN i.item_id AS item, count(r) AS rows")
    assert found.sort_by("item").to_pylist() == [{"item": f"f{n:02d}", "rows": 4000} for n in range(10)]
    store.close()


def test_an_edge_locks_its_nodes_at_the_commit_alone(films_neo4j: str, neo4j_driver: neo4j.Driver) -> None:
    # what the writers rely on: transactions that are being prepared do not wait for one another
    create = "MATCH (a:A {k: $k}) MATCH (b:B) CREATE (a)-[:TO]->(b)"
    with neo4j_driver.session() as one, neo4j_driver.session() as two:
        one.run("CREATE (:B) WITH 1 AS x UNWIND range(0, 199) AS k CREATE (:A {k: k})").consume()
        for k in range(0, 200, 2):  # few edges at first, then many: the server stores these otherwise
            first, second = one.begin_transaction(timeout=20), two.begin_transaction(timeout=20)
            first.run(create, k=k).consume()
            second.run(create, k=k + 1).consume()
            second.commit()
            first.commit()
        assert one.run("MATCH (:A)-[r:TO]->(:B) RETURN count(r)").single(strict=True)[0] == 200
