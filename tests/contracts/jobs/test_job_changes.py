"""Runs of changed users: afterwards every user's list is that of a full run."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from job_world import World, both_stores
from toy_graph import edges as edge_table
from toy_graph import films

from kg_rec.errors import ConfigError, JobError, StoppedError
from kg_rec.jobs.changes import user_digests
from kg_rec.jobs.run import resume, start, start_or_resume
from kg_rec.jobs.writing import Watch
from kg_rec.snapshot import Snapshot
from kg_rec.store import GraphStore
from kg_rec.store.ledger import Run, RunLedger

Lists = dict[str, list[tuple[int, str, float]]]
History = dict[str, set[tuple[str, float, int]]]


def visible(store: GraphStore, job: str) -> Lists:
    """The list that readers see, of every user that has one."""
    question = (
        "MATCH (u:User)-[r:RECOMMENDED]->(i:Film) WHERE r.run IN $runs "
        "RETURN u.user_id AS user, r.run AS run, r.rank AS rank, i.item_id AS item, r.score AS score"
    )
    rows = store.query(question, {"runs": list(RunLedger(store).latest(job))}).to_pylist()
    newest: dict[str, str] = {}
    for row in rows:
        newest[row["user"]] = max(row["run"], newest.get(row["user"], ""))
    found = defaultdict(list)
    for row in rows:
        if row["run"] == newest[row["user"]]:
            found[row["user"]].append((row["rank"], row["item"], row["score"]))
    return {user: sorted(lists) for user, lists in found.items()}


def done(store: GraphStore) -> History:
    """What every user did."""
    question = (
        "MATCH (u:User) OPTIONAL MATCH (u)-[r:RATED]->(i:Film) "
        "RETURN u.user_id AS user, i.item_id AS item, r.rating AS rating, r.timestamp AS time"
    )
    found: History = defaultdict(set)
    for row in store.query(question).to_pylist():
        found[row["user"]] |= {(row["item"], row["rating"], row["time"])} if row["item"] else set()
    return dict(found)


def rate(store: GraphStore, *rows: tuple[str, str, float, int]) -> None:
    names = ("source", "target", "rating", "timestamp")
    store.write_edges("RATED", pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)}))


def unrate(store: GraphStore, user: str, items: list[str]) -> None:
    question = "MATCH (u:User)-[r:RATED]->(i:Film) WHERE u.user_id = $user AND i.item_id IN $items DELETE r"
    store.transact([(question, {"user": user, "items": items})])


def disturb(store: GraphStore, rng: np.random.Generator, new: str) -> None:
    """Additions, deletions, other ratings and times, a new user, one without interactions, and one who leaves."""
    history = done(store)
    users = [u for u in sorted(history) if history[u]]
    some = rng.choice(users, 8, replace=False).tolist()
    films = [f"f{i:02d}" for i in range(45)]
    for user in some[:3]:
        had = {item for item, _, _ in history[user]}
        item = str(rng.choice([f for f in films if f not in had]))
        rate(store, (user, item, float(rng.integers(1, 6)), int(rng.integers(1, 2_000_000))))
    for user in some[2:4]:  # one of them added an interaction too
        unrate(store, user, sorted(item for item, _, _ in history[user])[: int(rng.integers(1, 4))])
    item, stars, time = sorted(history[some[4]])[0]
    rate(store, (some[4], item, stars % 5 + 1, time))
    item, stars, time = sorted(history[some[5]])[-1]
    rate(store, (some[5], item, stars, time + 1))
    unrate(store, some[6], films)
    store.transact([("MATCH (u:User) WHERE u.user_id = $user DETACH DELETE u", {"user": some[7]})])
    store.write_nodes("User", pa.table({"user_id": [new]}))
    rate(store, *((new, str(f), 5.0, 1_500_000) for f in rng.choice(films, 4, replace=False)))


def test_runs_are_recorded_after_others_were_deleted_and_the_graph_reopened(world: World) -> None:
    store = world.open()
    RunLedger(store).prepare()
    for n in range(9):
        RunLedger(store).save(Run(f"r{n}", "nightly", "failed", f"2026-01-0{n + 1}", about={}))
    RunLedger(store).forget("r1")
    store.close()
    store = world.open()
    RunLedger(store).prepare()
    for n in range(10, 40):
        RunLedger(store).save(Run(f"r{n}", "nightly", "failed", f"2026-02-{n}", about={}))
    assert {run.run for run in RunLedger(store).all("nightly")} == {f"r{n}" for n in (0, *range(2, 9), *range(10, 40))}
    store.close()


@both_stores
@pytest.mark.parametrize("seed", [0, 1])
def test_after_any_changes_all_lists_are_those_of_a_full_run(world: World, store: GraphStore, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start(world.job(), store, "0")
    before = done(store)
    for name in ("1", "2", "3"):
        # keys in the midst of the others and after them: the dense indices of the others move
        disturb(store, rng, f"u{rng.integers(0, 60):02d}{name}")
        now = done(store)
        record = start(world.job(changed_since="last"), store, name)
        changed = {user for user, did in now.items() if before.get(user) != did}
        assert {user for keys, _ in RunLedger(store).digests(name) for user in keys} == changed
        assert record.report["users"] == len(changed)
        assert record.about["gone"] == sorted(before.keys() - now.keys())
        assert RunLedger(store).latest("nightly")[0] == name
        start(world.job(name="full"), store, f"full-{name}")
        lists = visible(store, "nightly")
        assert lists.keys() == now.keys()
        assert lists == visible(store, "full")
        before = now
    assert start(world.job(changed_since="last"), store, "4").report["users"] == 0
    assert visible(store, "nightly") == visible(store, "full")


def test_a_run_of_changed_users_goes_on_after_its_plan_was_lost(world: World, store: GraphStore) -> None:
    start(world.job(), store, "0")
    disturb(store, np.random.default_rng(4), "u300")
    stop = threading.Event()
    stop.set()
    job = world.job(chunk=2, changed_since="last")
    with pytest.raises(StoppedError):
        start(job, store, "1", Watch(stop=stop))
    shutil.rmtree(world.folder / "work/1")
    with pytest.raises(JobError, match="does not hold the settings that the graph says of the run"):
        resume(store, "1")
    assert len(start_or_resume(job, store, "1").about["gone"]) == 1
    start(world.job(name="full"), store, "full")
    assert visible(store, "nightly") == visible(store, "full")


def test_users_who_are_not_asked_for_any_more_lose_their_lists_until_they_are(world: World, store: GraphStore) -> None:
    def asked(keys: str, **settings: Any) -> Any:
        (world.folder / "users").write_text("\n".join(keys.split()))
        return world.job(users={"file": str(world.folder / "users")}, **settings)

    start(asked("u01 u02 u03"), store, "0")
    first = visible(store, "nightly")
    record = start(asked("u02 u04", changed_since="last"), store, "1")
    assert (record.about["gone"], record.report["users"]) == (["u01", "u03"], 1)
    assert visible(store, "nightly").keys() == {"u02", "u04"}
    assert start(asked("u01 u02 u04", changed_since="last"), store, "2").report["users"] == 1
    found = visible(store, "nightly")
    assert found.keys() == {"u01", "u02", "u04"}
    assert {u: found[u] for u in ("u01", "u02")} == {u: first[u] for u in ("u01", "u02")}
    assert start(asked("u01 u02 u04", changed_since="last"), store, "3").report["users"] == 0


def test_a_list_that_becomes_empty_is_empty_for_readers(world: World, store: GraphStore) -> None:
    (world.folder / "allow").write_text("f40\nf41\n")
    rules = {"candidates": {"allow_file": str(world.folder / "allow")}}
    start(world.job(**rules), store, "0")
    rate(store, ("u09", "f40", 4.0, 7), ("u09", "f41", 4.0, 8))
    assert start(world.job(**rules, changed_since="last"), store, "1").report["users"] == 1
    assert visible(store, "nightly").keys() == done(store).keys() - {"u09"}
    unrate(store, "u09", ["f40"])
    start(world.job(**rules, changed_since="last"), store, "2")
    assert [item for _, item, _ in visible(store, "nightly")["u09"]] == ["f40"]


def test_a_changed_catalogue_makes_all_lists_anew(
    world: World, store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    start(world.job(), store, "0")
    store.write_nodes("Film", pa.table({"item_id": ["zz-new"], "title": ["Brand new"]}))
    record = start(world.job(changed_since="last"), store, "1")
    assert "changed since the last run: the lists of all users are made anew" in caplog.text
    assert "the catalogue changed since training: 1 item added, 0 dropped" in caplog.text
    assert record.report["users"] == len(done(store))
    # it holds all users' lists, as the run before it does, of the same model: so their scores are compared
    assert record.report["compared_with"] == "0"
    assert record.report["drift"] is not None
    assert RunLedger(store).latest("nightly") == ("1",)
    assert start(world.job(changed_since="last"), store, "2").report["users"] == 0
    again = start(world.job(), store, "3")
    assert again.report["compared_with"] is None
    assert start(world.job(), store, "4").report["drift"] == 0


def test_what_decides_all_lists_is_refused_or_makes_them_anew(
    world: World, store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    def anew(what: str, run: str, **settings: Any) -> None:
        caplog.clear()
        users = start(world.job(**settings, changed_since="last"), store, run).report["users"]
        assert f"{what} changed since the last run: the lists of all users are made anew" in caplog.text
        assert users == len(done(store))
        assert RunLedger(store).latest("nightly") == (run,)
        start(world.job(**settings, name="full"), store, f"full-{run}")
        assert visible(store, "nightly") == visible(store, "full")

    def refused(what: str, **settings: Any) -> None:
        message = rf'changed_since = "last": not as in run 0+: {what}; this may change .* run the job for all users'
        with pytest.raises(ConfigError, match=message):
            start(world.job(**settings, changed_since="last"), store)

    start(world.job(candidates={"minimum_novelty": 1.5}), store, "0")
    refused("k", candidates={"minimum_novelty": 1.5}, k=4)
    refused(
        "candidates.diversity",
        candidates={"diversity": 0.1},
    )
    refused(
        "explanations, sinks.json_lines",
        candidates={"minimum_novelty": 1.5},
        explanations="ids",
        sinks={
            "parquet": str(world.folder / "lists"),
            "graph": True,
        },
    )
    novelty = start(world.job(candidates={"minimum_novelty": 1.5}, changed_since="last"), store, "00")
    assert novelty.report["users"] == 0
    # interactions of others, which are counted, take a film below the limit: no user's list may hold it any more
    at = films().interactions.target
    popular = max((i for i in range(45) if (at == i).sum() <= 60 * 2**-1.5), key=lambda i: int((at == i).sum()))
    others = [user for user, did in done(store).items() if f"f{popular:02d}" not in {item for item, _, _ in did}]
    rate(store, *((user, f"f{popular:02d}", 1.0, 5) for user in others))
    anew("the items that may be in a list (rules, files, novelty)", "01", candidates={"minimum_novelty": 1.5})
    listed = {item for rows in visible(store, "nightly").values() for _, item, _ in rows}
    assert listed
    assert f"f{popular:02d}" not in listed
    start(world.job(), store, "x0")
    store.write_edges("DIRECTED_BY", pa.table({"source": ["f40"], "target": ["p8"]}))
    anew("the graph's items and facts", "x1")
    file = world.folder / "model/model.json"
    start(world.job(), store, "y0")
    file.write_text(file.read_text().rstrip() + "\n\n")
    with pytest.raises(ConfigError, match="not as in run y0: the model;"):
        start(world.job(changed_since="last"), store, "y1")


def test_a_run_by_time_leaves_the_rest_to_the_next_run(world: World, store: GraphStore) -> None:
    start(world.job(), store, "0")
    rate(store, ("u01", "f40", 5.0, 9_000_000), ("u02", "f41", 5.0, 5))
    assert start(world.job(changed_since="9000000"), store, "1").report["users"] == 1
    assert start(world.job(changed_since="last"), store, "2").report["users"] == 1
    start(world.job(name="full"), store, "full")
    assert visible(store, "nightly") == visible(store, "full")


def test_a_run_without_digests_is_no_base(world: World, store: GraphStore) -> None:
    first = start(world.job(), store, "0")
    store.transact([("MATCH (c:KgRecChunk) SET c.keys = NULL, c.digests = NULL", {})])
    RunLedger(store).save(replace(first, about={k: v for k, v in first.about.items() if k not in ("facts", "gone")}))
    with pytest.raises(ConfigError, match=r"run 0 has no digests .* run the job for all users once"):
        start(world.job(changed_since="last"), store, "1")


def digest_of(graph: Snapshot, **changed: Any) -> np.ndarray:
    return user_digests(graph.with_edges("RATED", replace(graph.interactions, **changed)))


def test_digests_tell_every_change_and_nothing_else() -> None:
    graph = films()
    rated = graph.interactions
    assert rated.weight is not None
    assert rated.time is not None
    plain = user_digests(graph)
    assert len(set(plain.tolist())) == 60
    for n in np.random.default_rng(2).choice(len(rated), 20, replace=False).tolist():
        user, others = rated.source[n], np.arange(60) != rated.source[n]
        target, weight, time = rated.target.copy(), rated.weight.copy(), rated.time.copy()
        target[n], weight[n], time[n] = 44, weight[n] + 0.5, time[n] + 1
        for found in (
            digest_of(graph, target=target),
            digest_of(graph, weight=weight),
            digest_of(graph, time=time),
            user_digests(graph.with_edges("RATED", rated.take(np.arange(len(rated)) != n))),
        ):
            assert found[user] != plain[user]
            assert (found[others] == plain[others]).all()
    swapped = rated.weight.copy()  # the weights of two interactions change places
    pair = np.flatnonzero(rated.source == 3)[
        [np.argmin(rated.weight[rated.source == 3]), np.argmax(rated.weight[rated.source == 3])]
    ]
    swapped[pair] = swapped[pair[::-1]]
    assert digest_of(graph, weight=swapped)[3] != plain[3]
    missing = np.full(len(rated), np.nan, np.float32)
    odd = (missing.view(np.uint32) | np.uint32(1)).view(np.float32)  # another NaN
    assert (digest_of(graph, weight=missing) == digest_of(graph, weight=odd)).all()
    zero = np.zeros(len(rated), np.float32)
    assert (digest_of(graph, weight=zero) == digest_of(graph, weight=-zero)).all()
    none = edge_table([], [], [])
    assert user_digests(graph.with_edges("RATED", none)).tolist() == [0] * 60
