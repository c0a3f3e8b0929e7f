"""The parts of a job by themselves: settings, the order of chunks, figures, plans, and what a preview says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_graph import fill, films

from kg_rec.errors import ConfigError, JobError, StoreUnavailableError
from kg_rec.jobs import retry
from kg_rec.jobs.chunk import _path
from kg_rec.jobs.config import JobConfig, MetricsConfig
from kg_rec.jobs.engine import in_order
from kg_rec.jobs.metrics import Metrics
from kg_rec.jobs.plan import _users, check_same, touched
from kg_rec.jobs.preview import preview
from kg_rec.jobs.report import drift, mixture, report_of, summary
from kg_rec.jobs.run import prune
from kg_rec.settings import from_dict
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import MAX_ROWS, ChunkRecord, Run, RunLedger


def job(**settings: Any) -> JobConfig:
    values = {"graph": "kg.graph", "model": "model", "k": 5, "chunk": 7, "sinks": {"graph": True}}
    return from_dict(JobConfig, {**values, **settings})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphStore]:
    graph = connect(str(tmp_path_factory.mktemp("graph") / "kg"), create=True)
    fill(graph, films())
    yield graph
    graph.close()


# --- settings ------------------------------------------------------------------------------------------


def test_chunks_follow_one_another_and_cover_all_users() -> None:
    parts = [job().part(n) for n in range(job().chunks(20))]
    assert [(p.start, p.stop) for p in parts] == [(0, 7), (7, 14), (14, 21)]


def test_only_what_is_written_into_the_graph_is_bounded_by_a_transaction() -> None:
    many = {"k": 10, "chunk": MAX_ROWS // 10 + 1}
    with pytest.raises(ConfigError, match="to write into the graph"):
        job(**many)
    assert job(**many, sinks={"parquet": "lists"}).users_per_chunk == many["chunk"]
    assert job(k=10, chunk=MAX_ROWS // 10).users_per_chunk * 10 == MAX_ROWS


def test_all_of_a_list_cannot_be_diversity() -> None:
    assert job(candidates={"diversity": 0.99}).candidates.diversity == 0.99
    with pytest.raises(ConfigError, match=r"candidates\.diversity: expected a number from 0 to below 1, got 1"):
        job(candidates={"diversity": 1.0})


def test_waits_for_a_server_that_is_away_are_twice_as_long_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waits = [100.0], []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    def away() -> None:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(retry.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(retry.time, "sleep", wait)
    with pytest.raises(StoreUnavailableError):
        retry.retry_while_unavailable(job(retry_seconds=50.0), away)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]  # 45.5 seconds; the next would end after 50


# --- the order of chunks -------------------------------------------------------------------------------


def test_results_come_in_order_and_few_are_taken_ahead() -> None:
    taken = []

    def values() -> Iterator[int]:
        for n in range(8):
            taken.append(n)
            yield n

    results = in_order(lambda n: n * n, values(), 2, 3)
    assert next(results) == 0
    assert taken == [0, 1, 2]
    assert list(results) == [n * n for n in range(1, 8)]


# --- figures -------------------------------------------------------------------------------------------


def chunk(number: int, rows: int, *quantiles: float, users: int = 4, short: int = 0) -> ChunkRecord:
    return ChunkRecord(number, "done", users, rows, short, quantiles=quantiles)


def test_the_mixture_of_one_chunk_is_its_own_and_of_two_is_weighted_by_rows() -> None:
    levels = tuple(float(n) for n in range(11))
    assert mixture([chunk(0, 30, *levels)]) == pytest.approx(levels)
    both = mixture([chunk(0, 30, *levels), chunk(1, 10, *(x + 100 for x in levels))])
    assert len(both) == 11
    assert (both[0], both[-1]) == (0, 110)
    assert both[3] == pytest.approx(4, abs=0.2)  # 0.3 of all rows are 0.4 of the 30
    assert both[8] == pytest.approx(102, abs=0.5)  # 0.8 of all are all of the 30 and 0.2 of the 10
    assert mixture([chunk(0, 0)]) == []


def test_drift_is_the_population_stability_index() -> None:
    before, later = [0.0, 1.0, 2.0], [1.0, 1.5, 2.0]
    assert drift(before, before) == pytest.approx(0, abs=1e-12)
    half = 5 * 0.1 * math.log(0.1 / 1e-4)  # five tenths of the earlier one are empty now, five hold twice as many
    assert drift(before, later) == pytest.approx(half + 5 * 0.1 * math.log(2), rel=0.02)


def test_a_report_counts_and_compares_with_the_run_before() -> None:
    about = {"model": "m", "users_sha256": "u"}
    at = {"started": "2026-11-29T10:00:00+00:00", "finished": "2026-11-29T10:00:30+00:00"}
    run = Run("b", "nightly", "done", **at, about=about)
    chunks = {0: chunk(0, 18, 0.0, 1.0, 2.0, short=1), 1: chunk(1, 20, 0.0, 1.0, 2.0)}
    first = report_of(job(), run, chunks, None, {"write": 1.23456})
    assert (first["users"], first["rows"], first["chunks"], first["seconds"]) == (8, 38, 2, 30.0)
    assert (first["users_with_fewer_than_k"], first["share_with_fewer_than_k"]) == (1, 1 / 8)
    assert (first["stages"], first["compared_with"], first["drift"]) == ({"write": 1.235}, None, None)
    before = Run("a", "nightly", "done", **at, about=about, report=first)
    second = report_of(job(), run, chunks, before, {})
    assert (second["compared_with"], second["drift"]) == ("a", pytest.approx(0, abs=1e-9))
    assert "drift of the scores against a: 0.000" in "\n".join(summary(replace(run, report=second)))
    for other in ({**about, "model": "other"}, {**about, "base": ["z"]}):
        apart = report_of(job(), run, chunks, replace(before, about=other), {})
        assert (apart["compared_with"], apart["drift"]) == (None, None)
    nobody = report_of(job(), run, {}, before, {})
    assert (nobody["share_with_fewer_than_k"], nobody["drift"]) == (0.0, None)


def test_gauges_are_told_with_their_job_and_stage(tmp_path: Path) -> None:
    gauges = Metrics("nightly", MetricsConfig(file=str(tmp_path / "job.prom")), stages={"write": 2.5})
    gauges.update(users=12, rows=60)
    lines = [line for line in (tmp_path / "job.prom").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines == [
        'kg_rec_job_users{job="nightly"} 12',
        'kg_rec_job_rows{job="nightly"} 60',
        'kg_rec_job_stage_seconds{stage="write",job="nightly"} 2.5',
    ]


# --- plans ---------------------------------------------------------------------------------------------


def test_a_run_goes_on_only_with_what_it_began_with() -> None:
    names = ("snapshot", "model", "users_sha256", "allowed_sha256", "chunks")
    began = dict.fromkeys(names, "same")
    check_same(began, dict(began), "r")
    with pytest.raises(JobError, match="r cannot be resumed: since it began, the model, the number of chunks changed"):
        check_same(began, {**began, "model": "other", "chunks": "2"}, "r")


def test_users_with_something_new() -> None:
    graph = films()
    edges = graph.interactions
    assert edges.time is not None
    since = int(np.sort(edges.time)[-5])
    expected = sorted({int(u) for u, t in zip(edges.source, edges.time, strict=True) if t >= since})
    assert touched(graph, since).tolist() == expected
    without = graph.with_edges(graph.schema.interaction.name, replace(edges, time=None))
    with pytest.raises(ConfigError, match="have no property with kr:use kr:time"):
        touched(without, since)


def test_users_of_a_file_are_known_users(store: GraphStore, tmp_path: Path) -> None:
    graph = films()
    file = tmp_path / "users.txt"
    file.write_text(f"{graph.users.key(3)}\n{graph.users.key(1)}\n", "utf-8")
    assert _users(job(users={"file": str(file)}), store, graph).tolist() == [1, 3]
    file.write_text(f"{graph.users.key(3)}\nnobody\n", "utf-8")
    with pytest.raises(ConfigError, match="1 of 2 are not: nobody"):
        _users(job(users={"file": str(file)}), store, graph)


# --- previews and old runs -----------------------------------------------------------------------------


def test_a_preview_counts_what_the_queries_find_and_says_whom_the_run_is_for(store: GraphStore, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").touch()
    schema = store.schema()
    user, item = schema.user, schema.item
    pairs = f"MATCH (u:{user.name}), (i:{item.name}) RETURN u.{user.key}, i.{item.key} ORDER BY u.{user.key} LIMIT 3"
    seen = preview(job(model=str(tmp_path / "model"), candidates={"never_for": [pairs]}, changed_since="last"), store)
    assert seen["users"] == len(films().users)
    assert "candidates.never_for: 3 pairs" in seen["lines"]
    assert seen["lines"][-1] == "only users whose interactions are not those of their list"
    later = preview(job(model=str(tmp_path / "model"), changed_since="1700000000"), store)
    assert later["lines"][-1] == "only users whose interactions are since 1700000000"


def test_old_runs_go_but_not_what_is_read_kept_or_going_on(store: GraphStore, tmp_path: Path) -> None:
    runs = RunLedger(store)
    states = ["running", "failed", "done", "done", "cancelled", "done", "running"]
    for n, state in enumerate(states):
        runs.save(Run(f"r{n}", "old", state, f"2026-11-2{n}T00:00:00.000Z"))
    pruned = job(name="old", keep=2, work=str(tmp_path))
    assert sorted(prune(pruned, runs)) == ["r1", "r2"]
    assert sorted(run.run for run in runs.all("old")) == ["r0", "r3", "r4", "r5", "r6"]
    assert prune(replace(pruned, keep=3), runs) == ()


def test_a_path_of_likeness_names_no_type_that_the_graph_does_not_hold() -> None:
    """``-[None]->`` stood in lists that were written back."""
    node = {"key": "u1", "type": "User", "count": None}
    nodes = [node, {**node, "key": "f3"}, {**node, "key": None, "count": 35}, {**node, "key": "f7"}]
    rated = {"type": "RATED", "forward": True, "alike": None}
    by_text = {"type": None, "forward": True, "alike": None}
    by_vector = {**by_text, "alike": "poster"}
    shared = {"nodes": nodes, "relations": [rated, {**rated, "forward": False}, rated]}
    assert _path(shared) == "(u1)-[RATED]->(f3)<-[RATED]-(35 User)-[RATED]->(f7)"
    alike = {"nodes": [*nodes[:2], nodes[3]], "relations": [rated, by_text]}
    assert _path(alike) == "(u1)-[RATED]->(f3)~[similar text]~(f7)"
    assert _path({**alike, "relations": [rated, by_vector]}) == "(u1)-[RATED]->(f3)~[similar poster]~(f7)"
