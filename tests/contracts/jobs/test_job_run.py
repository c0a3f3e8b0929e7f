"""Runs of a job: what they write, what readers see, and what is left after faults."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from job_world import World, both_stores, edges, model, plain
from toy_graph import films

from kg_rec import tables
from kg_rec.api import Model
from kg_rec.errors import ConfigError, JobError, StoppedError, StoreUnavailableError
from kg_rec.jobs import retry
from kg_rec.jobs.chunk import QUANTILES
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.preview import preview
from kg_rec.jobs.ranking import user_rows
from kg_rec.jobs.report import drift, mixture
from kg_rec.jobs.run import cancel, resume, start
from kg_rec.jobs.writing import Watch
from kg_rec.people.features import Feature
from kg_rec.people.kept import Kept
from kg_rec.people.preferences import Preference
from kg_rec.recommend import recommend
from kg_rec.settings import from_dict
from kg_rec.snapshot import export
from kg_rec.store import GraphStore
from kg_rec.store.ledger import ChunkRecord, Run, RunLedger, read_list


def listed(store: GraphStore, user: str) -> list[str]:
    found = store.query(read_list(store.schema(), "nightly"), {"user": user})
    return list(found["item"].to_pylist())


def test_a_run_writes_the_model_s_lists_to_every_sink(world: World, store: GraphStore) -> None:
    steps: list[tuple[int, int | None, str]] = []
    record = start(world.job(), store, "monday", Watch(lambda *step: steps.append(step)))
    assert record.state == "done"
    expected = [row for batch in recommend(model(), k=5) for row in batch.to_pylist()]
    found = world.rows("monday")
    assert found == expected
    table = pq.read_table(world.folder / "lists/run=monday", partitioning=None)
    assert table.to_pylist() == found
    assert edges(store, "monday") == plain(found)
    assert (world.folder / "lists/_latest").read_text() == "monday\n"
    assert listed(store, "u07") == [r["item"] for r in found if r["user"] == "u07"]
    assert next(s[:2] for s in steps if s[2] == "recommend") == (0, 60)
    assert steps[-1][:2] == (60, 60)
    assert not (world.folder / "work/monday").exists()


def test_the_report(world: World, store: GraphStore) -> None:
    first = start(world.job(), store, "a").report
    assert (first["users"], first["rows"], first["chunks"], first["users_with_fewer_than_k"]) == (60, 300, 9, 0)
    assert first["drift"] is None
    scores = sorted(row["score"] for row in world.rows("a"))
    assert first["score_quantiles"][0] == scores[0]
    assert first["score_quantiles"][-1] == scores[-1]
    assert len(first["score_quantiles"]) == QUANTILES + 1
    again = start(world.job(), store, "b").report
    assert (again["compared_with"], again["drift"]) == ("a", pytest.approx(0, abs=1e-9))
    other = start(world.job(k=1), store, "c").report
    assert other["drift"] > 0.25  # only the best scores are left


def test_quantiles_of_chunks_together_are_those_of_all_scores() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=n) + shift for n, shift in ((4000, 0.0), (1000, 1.0), (2500, -0.5))]
    chunks = [
        ChunkRecord(
            n, "done", 10, rows=len(p), quantiles=tuple(np.quantile(p, np.linspace(0, 1, QUANTILES + 1)).tolist())
        )
        for n, p in enumerate(parts)
    ]
    whole = np.quantile(np.concatenate(parts), np.linspace(0, 1, QUANTILES + 1))
    np.testing.assert_allclose(mixture(chunks)[2:-2], whole[2:-2], atol=0.05)
    assert mixture(chunks)[0] == whole[0]
    assert mixture(chunks)[-1] == whole[-1]
    assert mixture([ChunkRecord(0, "done", 3)]) == []


def test_drift() -> None:
    uniform = np.linspace(0, 1, QUANTILES + 1).tolist()
    assert drift(uniform, uniform) == pytest.approx(0, abs=1e-12)
    half = np.linspace(0, 0.5, QUANTILES + 1).tolist()
    # twice the share in five tenths, the floor of 1e-4 in the other five
    assert drift(uniform, half) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(1000), rel=0.01)
    assert 0.01 < drift(uniform, (np.linspace(0, 1, QUANTILES + 1) ** 1.3).tolist()) < 0.25


def test_the_chunk_of_some_users_reads_their_rows_alone() -> None:
    users = np.array([3, 4, 17, 59])
    liked, seen, _ = user_rows(model(), users)
    assert (liked != model().histories[users]).nnz == 0
    assert (seen != model().seen[users]).nnz == 0


def test_rules(world: World, store: GraphStore) -> None:
    (world.folder / "block").write_text("f00\n\nf03\n")
    (world.folder / "users").write_text("u09\nu01\nu01\n")
    rules: dict[str, Any] = {
        "only": ["MATCH (f:Film) WHERE f.item_id < 'f30' RETURN f.item_id"],
        "never": ["MATCH (f:Film)-[:DIRECTED_BY]->(p:Person) WHERE p.person_id = 'p1' RETURN f.item_id"],
        "block_file": str(world.folder / "block"),
        "caps": [{"relation": "HAS_GENRE", "most": 2}],
        "diversity": 0.3,
    }
    job = world.job(candidates=rules, users={"file": str(world.folder / "users")}, k=6)
    record = start(job, store, "x")
    rows = world.rows("x")
    assert [r["user"] for r in rows] == ["u01"] * 6 + ["u09"] * 6
    directed = films().edges["DIRECTED_BY"]
    of_p1 = {f"f{i:02d}" for i, p in zip(directed.source, directed.target, strict=True) if p == 1}
    assert record.about["rules"] == {"only[0]": 30, "never[0]": 45 - len(of_p1), "block_file": 43}
    for user in ("u01", "u09"):
        items = [r["item"] for r in rows if r["user"] == user]
        assert not {"f00", "f03", *of_p1} & set(items)
        assert all(item < "f30" for item in items)
        assert sorted(int(item[1:]) % 3 for item in items) == [0, 0, 1, 1, 2, 2]  # two of each kind
    everything = start(world.job(candidates={"exclude_seen": False}, k=45), store, "all")
    assert everything.report["rows"] == 60 * 45
    none = start(world.job(candidates={"minimum_novelty": 50.0}), store, "none")
    assert {r["item"] for r in world.rows("none")} <= {f"f{i}" for i in range(39, 45)}  # that nobody rated
    assert none.about["allowed"] == 6


def test_rules_for_one_user(world: World, store: GraphStore) -> None:
    """A pair of a rule is in no list, whatever is chosen besides; other users' lists stay as they are."""
    plain_run = start(world.job(), store, "plain")
    before = [(r["user"], r["item"]) for r in world.rows("plain")]
    never = {pair for pair in before if pair[0] in ("u05", "u07")}
    cypher = (
        f"MATCH (u:User), (f:Film) WHERE u.user_id + ' ' + f.item_id IN {[' '.join(p) for p in sorted(never)]} "
        "RETURN u.user_id, f.item_id"
    )
    record = start(world.job(candidates={"never_for": [cypher]}), store, "pairs")
    after = [(r["user"], r["item"]) for r in world.rows("pairs")]
    assert record.about["rules"] == {"never_for[0]": 10}
    assert record.about["allowed_sha256"] != plain_run.about["allowed_sha256"]
    assert not never & set(after)
    assert len(after) == len(before)
    assert [p for p in after if p[0] not in ("u05", "u07")] == [p for p in before if p[0] not in ("u05", "u07")]
    rules = {"never_for": [cypher], "exclude_seen": False, "diversity": 0.3, "new_items": 2}
    start(world.job(candidates=rules, k=30), store, "more")
    listed_now = {(r["user"], r["item"]) for r in world.rows("more")}
    assert not never & listed_now
    assert len(listed_now) == 60 * 30
    assert "candidates.never_for: 10 pairs" in preview(world.job(candidates=rules), store)["lines"]
    with pytest.raises(ConfigError, match=r"candidates\.never_for: expected two columns, keys of users and of items"):
        start(world.job(candidates={"never_for": ["MATCH (u:User) RETURN u.user_id"]}), store, "wrong")
    swapped = "MATCH (u:User), (f:Film) RETURN f.item_id, u.user_id"
    with pytest.raises(
        ConfigError, match=r"candidates\.never_for: expected the key of a User in the first column, got"
    ):
        preview(world.job(candidates={"never_for": [swapped]}), store)
    with pytest.raises(ConfigError, match=r"candidates\.never: expected keys of items, got 'u"):
        start(world.job(candidates={"never": ["MATCH (u:User) RETURN u.user_id"]}), store, "users")
    with pytest.raises(ConfigError, match=r"candidates\.never_for: expected keys in both columns, as texts, got 1"):
        start(world.job(candidates={"never_for": ["MATCH (u:User) RETURN u.user_id, 1"]}), store, "number")


@both_stores
def test_what_users_said_of_themselves_counts_as_in_a_single_list(world: World, store: GraphStore) -> None:
    start(world.job(explanations="sentences"), store, "before")
    before = {(r["user"], r["rank"]): r for r in world.rows("before")}
    genres = model().snapshot.ids["Genre"].keys.to_pylist()
    never, more, only, struck = (
        Preference(kind, Feature("HAS_GENRE", "Genre", genres[n], genres[n]))
        for kind, n in (("never", 0), ("more", 1), ("only", 0), ("struck", 1))
    )
    said = {"u05": (never, more), "u06": (only,), "u07": (struck,), "u20": (more,)}
    for user, preferences in said.items():
        Kept.of(store).add(user, preferences, at=2_000_000)
    odd = "MATCH (u:User {user_id: 'u30'}), (g:Genre) WITH u, g LIMIT 1 CREATE (u)-[:KG_REC_PREFERS {kind: 'odd'}]->(g)"
    store.transact([(odd, {})])  # by somebody else: it is left out
    record = start(world.job(explanations="sentences", changed_since="last"), store, "kept")
    assert record.report["users"] == len(said)
    now = Model(model()).with_snapshot(export(store))
    for user in said:
        single = now.with_preferences(user, Kept.of(store).read(user))
        rows = [r for r in world.rows("kept") if r["user"] == user]
        expected = single.recommend([user], k=5).to_pylist()
        assert [(r["item"], r["score"]) for r in rows] == [(r["item"], pytest.approx(r["score"])) for r in expected]
        assert [r["reason"] for r in rows] == [single.explain(user, r["item"]).text for r in rows]
        assert rows != [before[user, r["rank"]] for r in rows]
    told = [r["reason"] for r in world.rows("kept") if r["user"] == "u20"]
    assert any("You asked for more of" in text for text in told)
    whole = start(world.job(explanations="sentences"), store, "whole")
    assert whole.report["users"] == 60
    others = [r for r in world.rows("whole") if r["user"] not in said]
    assert others == [r for r in before.values() if r["user"] not in said]
    assert [r for r in world.rows("whole") if r["user"] in said] == world.rows("kept")

    Kept.of(store).remove("u20")
    last = start(world.job(explanations="sentences", changed_since="last"), store, "wholf")
    assert last.report["users"] == 1
    assert world.rows("wholf") == [r for r in before.values() if r["user"] == "u20"]
    since = start(world.job(changed_since="1999999"), store, "wholg")
    touched = {r["user"] for r in world.rows("wholg")}
    assert {"u05", "u06", "u07"} <= touched
    assert "u20" not in touched
    assert since.report["users"] == len(touched)


def test_places_are_kept_for_new_items(world: World, store: GraphStore) -> None:
    new = {f"f{i}" for i in range(39, 45)}  # that nobody rated

    def lists(run: str, **rules: Any) -> dict[str, list[str]]:
        start(world.job(candidates=rules, sinks={"json_lines": str(world.folder / "lines")}), store, run)
        found: dict[str, list[str]] = {}
        for row in [json.loads(line) for p in (world.folder / f"lines/run={run}").iterdir() for line in p.open()]:
            found.setdefault(row["user"], []).append(row["item"])
        return found

    plain, kept = lists("plain"), lists("kept", new_items=2)
    assert len(kept) == 60
    for user, items in kept.items():
        assert len(items) == len(set(items)) == 5
        assert len(new & set(items)) >= 2
        assert items[:3] == plain[user][:3]
    capped = lists("capped", new_items=2, diversity=0.3, caps=[{"relation": "HAS_GENRE", "most": 2}])
    for items in capped.values():
        assert len(new & set(items)) >= 2
        assert max(Counter(int(item[1:]) % 3 for item in items).values()) <= 2
    only = lists("only", new_items=5)
    assert all(set(items) <= new for items in only.values())


def test_whose_lists_and_an_allow_list(world: World, store: GraphStore) -> None:
    (world.folder / "allow").write_text("f05\nf21\n\nf33\nf21\n")
    (world.folder / "users").write_text("u01\nu99\n")
    asked = {"cypher": "MATCH (u:User)-[:RATED]->(f:Film) WHERE f.item_id = 'f02' RETURN DISTINCT u.user_id"}
    record = start(world.job(users=asked, candidates={"allow_file": str(world.folder / "allow")}), store, "asked")
    graph = films().interactions
    rated = {(f"u{u:02d}", f"f{i:02d}") for u, i in zip(graph.source, graph.target, strict=True)}
    of_f02 = sorted({user for user, item in rated if item == "f02"})
    assert 0 < len(of_f02) < 60
    assert record.report["users"] == len(of_f02)
    assert record.about["rules"] == {"allow_file": 3}
    found = {user: {r["item"] for r in world.rows("asked") if r["user"] == user} for user in of_f02}
    assert found == {u: {i for i in ("f05", "f21", "f33") if (u, i) not in rated} for u in of_f02}
    with pytest.raises(ConfigError, match=r"users\.file: expected keys of users in the graph; 1 of 2 are not: u99"):
        start(world.job(users={"file": str(world.folder / "users")}), store, "wrong")
    failed = RunLedger(store).find("wrong")
    assert failed is not None
    assert failed.state == "failed"
    assert "u99" in failed.error


def test_a_stopped_run_is_resumed_to_the_same_result(
    world: World, store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="kg_rec")
    start(world.job(), store, "whole")
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError, match="go on with `kg-rec job resume part`"):
        start(world.job(), store, "part", Watch(stop=stop))
    runs = RunLedger(store)
    found = runs.find("part")
    assert found is not None
    assert found.state == "stopped"
    assert len(runs.chunks("part")) == 1
    assert runs.latest("nightly") == ("whole",)
    assert not (world.folder / "lists/run=part").exists()
    assert "run resumed" not in caplog.messages
    record = resume(store, "part")
    assert record.state == "done"
    assert caplog.messages.count("run resumed") == 1
    assert list(world.files("part").values()) == list(world.files("whole").values())
    assert edges(store, "part") == edges(store, "whole")
    assert resume(store, "part") == record


def test_a_lost_part_is_written_again(world: World, store: GraphStore) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        start(world.job(), store, "part", Watch(stop=stop))
    (world.folder / "lists/.run=part/part-000000.parquet").unlink()
    resume(store, "part")
    start(world.job(), store, "whole")
    assert list(world.files("part").values()) == list(world.files("whole").values())
    assert edges(store, "part") == edges(store, "whole")


def test_a_run_whose_graph_changed_is_not_resumed(world: World, store: GraphStore) -> None:
    import pyarrow as pa

    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        start(world.job(), store, "part", Watch(stop=stop))
    (world.folder / "work/part/plan.json").unlink()
    new = pa.table({"source": ["u00"], "target": ["f40"], "rating": [5.0], "timestamp": [9_000_000]})
    store.write_edges("RATED", new)
    with pytest.raises(JobError, match="run part cannot be resumed: since it began, the graph changed; cancel it"):
        resume(store, "part")
    cancel(store, "part")
    assert edges(store, "part") == []
    assert not (world.folder / "lists/.run=part").exists()
    with pytest.raises(JobError, match="was cancelled; start a new one"):
        resume(store, "part")


def test_a_full_disk_fails_the_run_and_leaves_no_partial_file(
    world: World, store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tables, "os", SimpleNamespace(fsync=full, replace=os.replace))  # as a disk that delays its writes
        with pytest.raises(OSError, match="No space left"):
            start(world.job(), store, "x")
    assert list((world.folder / "lists/.run=x").iterdir()) == []
    runs = RunLedger(store)
    found = runs.find("x")
    assert found is not None
    assert (found.state, found.error) == ("failed", "OSError: [Errno 28] No space left on device")
    assert runs.chunks("x")[0].state == "failed"
    resume(store, "x")
    start(world.job(), store, "y")
    assert list(world.files("x").values()) == list(world.files("y").values())
    assert edges(store, "x") == edges(store, "y")


def test_a_server_that_is_away_for_a_while_is_waited_for(
    world: World, store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "_FIRST_WAIT", 0.01)
    commit, calls = RunLedger.commit, []

    def failing(self: RunLedger, *args: Any) -> None:
        calls.append(args)
        if len(calls) in (2, 3):
            raise StoreUnavailableError("no answer")
        commit(self, *args)

    monkeypatch.setattr(RunLedger, "commit", failing)
    assert start(world.job(), store, "x").state == "done"
    assert len(calls) == 9 + 2
    calls.clear()
    with pytest.raises(StoreUnavailableError):
        start(world.job(retry_seconds=0.0), store, "y")


def test_old_runs_go(world: World, store: GraphStore) -> None:
    for name in ("a", "b", "c"):
        start(world.job(keep=2), store, name)
    assert [r.run for r in RunLedger(store).all()] == ["b", "c"]
    assert edges(store, "a") == []
    assert sorted(p.name for p in (world.folder / "lists").iterdir()) == ["_latest", "run=b", "run=c"]
    assert listed(store, "u00") == [r["item"] for r in world.rows("c") if r["user"] == "u00"]


def stopped(world: World, store: GraphStore, name: str, **settings: Any) -> None:
    """A run that ended after its first chunk."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        start(world.job(**settings), store, name, Watch(stop=stop))


def test_runs_that_did_not_end_go_when_enough_newer_ones_are_complete(world: World, store: GraphStore) -> None:
    stopped(world, store, "a")
    (world.folder / "users").write_text("nobody\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="1 of 1 are not: nobody"):
        start(world.job(users={"file": str(world.folder / "users")}), store, "b")
    stopped(world, store, "c")
    cancel(store, "c")
    ledger = RunLedger(store)
    going_on = Run("d", "nightly", "running", "2020-01-01T00:00:00.000Z")
    ledger.save(going_on)
    start(world.job(keep=2), store, "e")
    assert {r.run: r.state for r in ledger.all()} == {
        "a": "stopped",
        "b": "failed",
        "c": "cancelled",
        "d": "running",
        "e": "done",
    }
    stopped(world, store, "f", keep=2)
    start(world.job(keep=2), store, "g")
    assert [r.run for r in ledger.all()] == ["d", "e", "f", "g"]
    assert edges(store, "a") == []
    assert sorted(p.name for p in (world.folder / "lists").iterdir()) == [".run=f", "_latest", "run=e", "run=g"]
    assert sorted(p.name for p in (world.folder / "work").iterdir()) == ["f"]


def test_a_run_s_name_leads_nowhere_else(world: World, store: GraphStore) -> None:
    """The ledger stands in a graph that others write to."""
    start(world.job(keep=1), store, "a")
    victim = world.folder / "victim"
    victim.mkdir()
    (victim / "file").touch()
    ledger = RunLedger(store)
    found = ledger.find("a")
    assert found is not None
    for state in ("failed", "done"):
        ledger.save(replace(found, run="../victim", state=state, started="2020-01-01T00:00:00.000Z"))
        for action in (resume, cancel):
            with pytest.raises(JobError, match=r"expected the name of a run .* got '\.\./victim'"):
                action(store, "../victim")
        start(world.job(keep=1), store, f"b-{state}")
        assert (victim / "file").exists()
    with pytest.raises(JobError, match="expected the name of a run"):
        start(world.job(), store, "../c")


def test_a_folder_that_is_no_run_s_is_never_deleted(world: World, store: GraphStore) -> None:
    """Whatever the ledger says of ``work``."""
    victim = world.folder / "home" / "x"
    victim.mkdir(parents=True)
    (victim / "thesis.txt").touch()
    stopped(world, store, "x")
    ledger = RunLedger(store)
    found = ledger.find("x")
    assert found is not None
    config = found.about["config"]
    for changed in ({"work": str(world.folder / "home")}, {"sinks": {"parquet": str(world.folder / "home")}}):
        ledger.save(replace(found, about={**found.about, "config": {**config, **changed}}))
        for action in (resume, cancel):
            with pytest.raises(JobError, match=r"does not hold the settings that the graph says of the run"):
                action(store, "x")
        assert sorted(p.name for p in (world.folder / "home").rglob("*")) == ["thesis.txt", "x"]
    victim.rename(world.folder / "home" / "y")
    with pytest.raises(JobError, match=r"home/y: expected the folder of a run, found thesis\.txt in it"):
        start(world.job(work=str(world.folder / "home")), store, "y")


def test_a_run_of_some_users_is_not_added_to_lists_that_were_replaced(world: World, store: GraphStore) -> None:
    start(world.job(), store, "0")
    stopped(world, store, "1", changed_since="0")
    start(world.job(), store, "2")
    with pytest.raises(JobError, match="run 2 was published while 1 went on, which adds to 0; cancel it"):
        resume(store, "1")
    assert RunLedger(store).latest("nightly") == ("2",)
    stopped(world, store, "3", changed_since="0")
    assert resume(store, "3").state == "done"
    assert RunLedger(store).latest("nightly") == ("3", "2")


def test_names_are_unique_and_a_done_run_stays(world: World, store: GraphStore) -> None:
    start(world.job(), store, "a")
    with pytest.raises(JobError, match="run a is there already"):
        start(world.job(), store, "a")
    with pytest.raises(JobError, match="run a is done; newer runs replace it"):
        cancel(store, "a")
    for action in (resume, cancel):
        with pytest.raises(JobError, match="has no run z"):
            action(store, "z")


@both_stores
def test_only_changed_users_and_the_same_lists_as_a_full_run(world: World, store: GraphStore) -> None:
    import pyarrow as pa

    with pytest.raises(ConfigError, match="changed_since: job nightly has no run that is done"):
        start(world.job(changed_since="last"), store, "1")
    start(world.job(), store, "1")
    new = {"source": ["u03", "u20"], "target": ["f40", "f41"], "rating": [5.0, 4.0], "timestamp": [9_000_000] * 2}
    store.write_edges("RATED", pa.table(new))
    with pytest.raises(ConfigError, match="needs a name that sorts after 1"):
        start(world.job(changed_since="last"), store, "0")
    start(world.job(name="named"), store, "the-whole")
    after = start(world.job(name="named", changed_since="last"), store)
    assert after.run.startswith("the-whole+2")  # its own name would sort before that of the whole run
    assert start(world.job(name="named", changed_since="last"), store).run > after.run
    record = start(world.job(changed_since="last"), store, "2")
    assert record.about["watermark"] == 9_000_000
    changed = {r["user"] for r in world.rows("2")}
    assert changed == {"u03", "u20"}
    assert RunLedger(store).latest("nightly") == ("2", "1")
    full = start(world.job(name="other"), store, "full")
    expected = {r["user"]: [] for r in world.rows("full")}
    for row in world.rows("full"):
        expected[row["user"]].append(row["item"])
    assert {user: listed(store, user) for user in changed} == {user: expected[user] for user in changed}
    assert full.report["users"] == 60
    assert listed(store, "u05") == [r["item"] for r in world.rows("1") if r["user"] == "u05"]
    assert start(world.job(changed_since="9000001"), store, "3").report["users"] == 0
    assert RunLedger(store).latest("nightly") == ("3", "2", "1")
    start(world.job(keep=1), store, "4")
    assert RunLedger(store).latest("nightly") == ("4",)
    assert [r.run for r in RunLedger(store).all("nightly")] == ["4"]


@pytest.mark.parametrize(
    ("settings", "users"),
    [({}, 5_000), ({"k": 50}, 1_000), ({"explanations": "ids"}, 1_000), ({"k": 60_000}, 1), ({"chunk": 7}, 7)],
)
def test_chunks_hold_what_fits(settings: dict[str, Any], users: int) -> None:
    job = from_dict(JobConfig, {"graph": "g", "model": "m", "sinks": {"graph": True}, **settings})
    assert job.users_per_chunk == users
