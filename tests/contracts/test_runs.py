"""What the run ledger and the lists written back promise, on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from toy_graph import fill, films

from kg_rec.checks.check import check
from kg_rec.errors import SchemaError, StoreError
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import export
from kg_rec.store import GraphStore
from kg_rec.store.ledger import ChunkRecord, Run, RunLedger, check_lists, read_list

RUN = Run("monday", "nightly", "running", "2026-11-22T01:00:00Z", about={"k": 2}, report={})
EDGES = (
    "MATCH (u:User)-[r:RECOMMENDED]->(i:Film) "
    "RETURN u.user_id AS user, i.item_id AS item, r.run AS run, r.rank AS rank, r.score AS score "
    "ORDER BY run, user, rank"
)


@pytest.fixture
def runs(films_store: GraphStore) -> RunLedger:
    fill(films_store, films())
    found = RunLedger(films_store)
    found.prepare()
    found.prepare()
    return found


def lists(*rows: tuple[str, str, float]) -> pa.RecordBatch:
    """Rows of user, item, score; ranks in the order given."""
    ranks: dict[str, int] = {}
    numbers = [ranks.setdefault(u, 0) or 0 for u, _, _ in rows]
    for n, (u, _, _) in enumerate(rows):
        ranks[u] += 1
        numbers[n] = ranks[u]
    columns = [[r[0] for r in rows], numbers, [r[1] for r in rows], [r[2] for r in rows]]
    types = [pa.string(), pa.int32(), pa.string(), pa.float64()]
    arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
    return pa.record_batch(arrays, names=["user", "rank", "item", "score"])


def done(number: int, first: str, last: str) -> ChunkRecord:
    return ChunkRecord(number, "done", 2, 3, 1, first, last, 0.5, "now", (1.0, 2.0))


def edges(store: GraphStore, run: str | None = None) -> list[dict[str, Any]]:
    return [row for row in store.query(EDGES).to_pylist() if run in (None, row["run"])]


def listed(store: GraphStore, user: str) -> list[str]:
    return list(store.query(read_list(store.schema()), {"job": "nightly", "user": user})["item"].to_pylist())


def test_records_come_back(runs: RunLedger) -> None:
    assert runs.all() == ()
    assert runs.find("monday") is None
    assert runs.latest("nightly") == ()
    runs.save(RUN)
    runs.save(replace(RUN, state="failed", error="no space left"))
    other = Run("x", "weekly", "running", "2026-11-21T01:00:00Z")
    runs.save(other)
    assert runs.find("monday") == replace(RUN, state="failed", error="no space left")
    assert runs.all() == (other, replace(RUN, state="failed", error="no space left"))
    assert [r.run for r in runs.all("nightly")] == ["monday"]
    runs.commit("monday", ChunkRecord(3, "failed", 2, error="no space left"))
    assert runs.chunks("monday") == {3: ChunkRecord(3, "failed", 2, error="no space left")}
    assert runs.chunks("x") == {}


def test_a_chunk_that_fails_leaves_nothing(runs: RunLedger, films_store: GraphStore) -> None:
    rows = lists(("u00", "f01", 0.9), ("u00", "f02", 0.8))
    transact = films_store.transact
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(films_store, "transact", lambda statements: transact([*statements, ("RETURN nonsense(1)", {})]))
        with pytest.raises(StoreError):
            runs.commit("monday", done(0, "u00", "u01"), rows)
    assert (runs.chunks("monday"), edges(films_store)) == ({}, [])
    runs.commit("monday", done(0, "u00", "u01"), rows)
    assert len(edges(films_store)) == 2


def test_a_chunk_is_written_once(runs: RunLedger, films_store: GraphStore) -> None:
    first = lists(("u01", "f02", 3.0), ("u01", "f00", 2.0), ("u02", "f00", 1.5))
    for _ in range(2):
        runs.commit("monday", done(0, "u01", "u02"), first)
    runs.commit("monday", done(1, "u03", "u04"), lists(("u03", "f01", 1.0)))
    runs.commit("monday", done(2, "u05", "u06"), lists())
    assert runs.chunks("monday") == {0: done(0, "u01", "u02"), 1: done(1, "u03", "u04"), 2: done(2, "u05", "u06")}
    assert [(e["user"], e["item"], e["rank"], e["score"]) for e in edges(films_store)] == [
        ("u01", "f02", 1, 3.0),
        ("u01", "f00", 2, 2.0),
        ("u02", "f00", 1, 1.5),
        ("u03", "f01", 1, 1.0),
    ]


def test_numbers_stay_as_they_were_written(runs: RunLedger, films_store: GraphStore) -> None:
    rng = np.random.default_rng(0)
    users = [f"u{n:02d}" for n in range(60)]
    scores, written = [], {}
    for n in range(9):
        rows = [(u, f"f{i:02d}", float(rng.random() + 2)) for u in users[n * 7 : n * 7 + 7] for i in range(5)]
        part = tuple(np.sort(rng.random(21) + 2).tolist())
        chunk = ChunkRecord(n, "done", 7, len(rows), 0, rows[0][0], rows[-1][0], rng.random(), "now", part)
        runs.commit("monday", chunk, lists(*rows))
        scores += [r[2] for r in rows]
        written[n] = chunk
        assert runs.chunks("monday") == written
    assert sorted(e["score"] for e in edges(films_store)) == sorted(scores)


def test_a_chunk_that_failed_can_be_written(runs: RunLedger, films_store: GraphStore) -> None:
    runs.commit("monday", ChunkRecord(0, "failed", 2, error="no space left"))
    runs.commit("monday", done(0, "u01", "u02"), lists(("u01", "f02", 3.0)))
    assert len(edges(films_store)) == 1
    assert runs.chunks("monday")[0].state == "done"


def test_too_large_a_chunk_is_refused(runs: RunLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kg_rec.store.ledger.MAX_ROWS", 1)
    with pytest.raises(StoreError, match="a chunk of 2 rows; at most 1 fit one transaction: use smaller chunks"):
        runs.commit("monday", done(0, "u01", "u01"), lists(("u01", "f02", 3.0), ("u01", "f00", 2.0)))


def test_readers_see_a_run_when_it_is_published(runs: RunLedger, films_store: GraphStore) -> None:
    runs.save(RUN)
    runs.commit("monday", done(0, "u01", "u02"), lists(("u01", "f02", 3.0), ("u01", "f00", 2.0), ("u02", "f05", 1.0)))
    assert listed(films_store, "u01") == []
    runs.publish(replace(RUN, state="done", finished="t"), ["monday"])
    assert listed(films_store, "u01") == ["f02", "f00"]
    assert runs.find("monday") == replace(RUN, state="done", finished="t")
    tuesday = replace(RUN, run="tuesday")
    runs.save(tuesday)
    runs.commit("tuesday", done(0, "u01", "u01"), lists(("u01", "f07", 9.0)))
    assert listed(films_store, "u01") == ["f02", "f00"]
    # tuesday re-scored some users only: u01 has a new list, u02's became empty, u03 has none
    runs.publish(replace(tuesday, state="done"), ["tuesday", "monday"], ["u02"])
    assert runs.latest("nightly") == ("tuesday", "monday")
    assert [listed(films_store, u) for u in ("u01", "u02", "u03")] == [["f07"], [], []]


def test_digests_are_read_chunk_by_chunk(runs: RunLedger) -> None:
    rng = np.random.default_rng(0)
    written = {}
    for n in (1, 0, 2):
        values = rng.integers(-(2**63), 2**63 - 1, 7, dtype=np.int64, endpoint=True)
        keys = tuple(f"u{n}{i}" for i in range(7))
        runs.commit("monday", replace(done(n, keys[0], keys[-1]), keys=keys, digests=tuple(values.tolist())))
        written[n] = (list(keys), values.tolist())
    runs.commit("monday", ChunkRecord(3, "failed", 1, keys=("u9",), digests=(5,)))
    runs.commit("monday", done(4, "", ""))
    found = [(keys, values.tolist()) for keys, values in runs.digests("monday")]
    assert found == [written[0], written[1], written[2], ([], [])]


def test_a_ledger_of_an_older_version_gets_the_digests(films_store: GraphStore) -> None:
    films_store.apply_schema(films().schema)
    old = "CREATE (:KgRecChunk {id: 'old/0', run: 'old', number: 0, state: 'done', users: 2, rows: 3, short: 1})"
    films_store.transact([(old, {})])
    runs = RunLedger(films_store)
    runs.prepare()
    runs.commit("new", replace(done(0, "u01", "u01"), keys=("u01",), digests=(-7,)))
    assert [(keys, values.tolist()) for keys, values in runs.digests("new")] == [(["u01"], [-7])]
    assert [(keys, values.tolist()) for keys, values in runs.digests("old")] == [([], [])]


def test_a_run_can_be_forgotten(runs: RunLedger, films_store: GraphStore) -> None:
    for run in ("monday", "tuesday"):
        runs.save(replace(RUN, run=run))
        runs.commit(run, done(0, "u01", "u02"), lists(("u01", "f02", 3.0), ("u02", "f05", 1.0)))
        runs.commit(run, done(1, "u03", "u09"), lists(("u03", "f02", 3.0)))
    runs.forget("monday")
    runs.forget("monday")
    assert runs.find("monday") is None
    assert runs.chunks("monday") == {}
    assert {e["run"] for e in edges(films_store)} == {"tuesday"}
    assert len(edges(films_store)) == 3
    assert len(runs.chunks("tuesday")) == 2


def test_lists_are_no_part_of_the_graph_s_facts(runs: RunLedger, films_store: GraphStore) -> None:
    before = export(films_store)
    for run in ("monday", "tuesday"):
        runs.commit(run, done(0, "u01", "u02"), lists(("u01", "f02", 3.0)))
    assert export(films_store).digest == before.digest
    report = check(films_store)
    assert report.ok
    assert [f.constraint for f in report.findings if f.constraint in ("unknown type", "duplicate edge")] == []


def test_the_schema_has_to_have_a_place_for_them() -> None:
    schema = films().schema
    check_lists(schema, ["run", "rank", "score", "reason", "paths"])
    for old, new in ((":score ;", ":points ;"), (":RECOMMENDED a", ":SUGGESTED a")):
        other = GraphSchema.from_turtle(schema.turtle.replace(old, new))
        with pytest.raises(SchemaError, match="add a kr:RelationType RECOMMENDED from User to Film with the prop"):
            check_lists(other, ["score"])
