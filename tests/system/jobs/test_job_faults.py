"""A run that is killed at any point and resumed ends as one that was never disturbed.

``KG_REC_JOB_FAULTS`` sets the number of kills per store, ``KG_REC_JOB_SEED`` the seed of the fault plan;
``KG_REC_JOB_FIGURES`` names a file to which a line of figures is added per store.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import neo4j_server
import pytest
from job_disk import SmallDisk
from job_faults import Killer, plan
from job_network import Cut, Line
from job_world import World, both_stores, edges, ledger, make_world

from kg_rec.errors import StoreUnavailableError
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.run import resume, start, start_or_resume
from kg_rec.jobs.writing import Watch
from kg_rec.progress import no_progress
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import RunLedger
from kg_rec.store.neo4j import store as neo4j_store

FAULTS = int(os.environ.get("KG_REC_JOB_FAULTS", "6"))
SEED = int(os.environ.get("KG_REC_JOB_SEED", "20261122"))


@pytest.fixture
def figures(world: World) -> Iterator[dict[str, Any]]:
    """Figures of one store, added to the file that is asked for."""
    found = {"store": "neo4j" if "://" in world.url else "embedded", "runs": FAULTS, "equal": 0}
    found |= {"stages": Counter(), "undisturbed_seconds": 0.0}
    since = time.monotonic()
    yield found
    name = os.environ.get("KG_REC_JOB_FIGURES")
    if name:
        more = {"kills": found["stages"].total(), "seconds": time.monotonic() - since}
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps({**found, **more}) + "\n")


def stage_of(runs: RunLedger, run: str) -> str:
    """Where in the run its process was killed, by what the ledger holds."""
    record = runs.find(run)
    if record is None:
        return "begin"
    if record.state == "done":
        return "tidy"
    if "chunks" not in record.about:
        return "plan"
    done = [chunk for chunk in runs.chunks(run).values() if chunk.state == "done"]
    return "chunks" if len(done) < record.about["chunks"] else "publish"


@both_stores
@pytest.mark.timeout(300 + 60 * FAULTS)
def test_killed_at_random_points(world: World, figures: dict[str, Any]) -> None:
    killer, kills = Killer(), figures["stages"]
    job = world.job(keep=2)
    killer.calls = killer.count(job, "first")
    killer.seconds = killer.undisturbed(job, "run-000")  # the second one finds a warm server
    expected = list(world.files("run-000").values())
    store = connect(world.url)
    rows = edges(store, "run-000")
    store.close()
    assert len(rows) == 300
    before, figures["undisturbed_seconds"] = "run-000", killer.seconds
    for n, fault in enumerate(plan(SEED, FAULTS, killer.calls), 1):
        run = f"run-{n:03}"
        while killer.killed(job, run, fault):
            store = connect(world.url)
            kills[stage_of(RunLedger(store), run)] += 1
            seen = RunLedger(store).latest("nightly")
            assert seen in ((before,), (run,)), fault
            assert edges(store, seen[0]) == rows, fault  # whatever readers see is whole
            store.close()
            if fault.call is None or kills.total() % 3:  # sometimes the second try is killed as well
                killer.undisturbed(job, run)
                break
        store = connect(world.url)
        assert RunLedger(store).latest("nightly") == (run,), fault
        assert edges(store, run) == rows, fault
        kept = {e.run for e in RunLedger(store).all("nightly")}
        store.close()
        assert list(world.files(run).values()) == expected, fault
        assert {run, before} == kept, fault
        before = run
        figures["equal"] += 1
    assert kills.total() >= FAULTS // 2


def impatient(job: JobConfig, store: GraphStore, run: str) -> None:
    """Carry a run to its end, as a scheduler does: again when it failed for want of a server."""
    for _ in range(60):
        try:
            start_or_resume(job, store, run)
            return
        except StoreUnavailableError:
            time.sleep(0.5)
    pytest.fail(f"run {run} was not done after 60 tries")


@pytest.mark.neo4j
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["closed", "unanswered", "silent"])
def test_the_network_is_cut(
    server: neo4j_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(neo4j_store, "_SECONDS_PER_TRANSACTION", 5.0)  # after which a lost one frees its locks
    with Line(server.url) as line:
        direct, world = make_world(tmp_path, server.url), World(tmp_path, line.url)
        watcher, store = connect(direct.url), connect(world.url)
        job = world.job(name=kind, keep=100, retry_seconds=60.0)
        line.expect(None)
        start(job, store, f"{kind}-whole")
        expected = list(world.files(f"{kind}-whole").values())
        rows, told = edges(watcher, f"{kind}-whole"), ledger(watcher, f"{kind}-whole")
        assert len(rows) == 300
        rng = random.Random(f"{SEED} {kind}")
        cuts = [Cut(kind, rng.randint(1, line.commits), commits=True, seconds=1.5) for _ in range(2)]
        if kind != "unanswered":
            cuts[0] = Cut(kind, rng.randint(1, line.requests), seconds=1.5)
        for n, cut in enumerate(cuts):
            run = f"{kind}-{n}"
            line.expect(cut)
            if n == 0:  # patient: the job waits by itself
                start(job, store, run)
            else:  # impatient: it fails, or the driver's own second try succeeds
                impatient(replace(job, retry_seconds=0.0), store, run)
                told["about"]["config"]["retry_seconds"] = 0.0
            assert line.happened.is_set(), cut
            assert RunLedger(watcher).latest(kind) == (run,), cut
            assert edges(watcher, run) == rows, cut
            assert list(world.files(run).values()) == expected, cut
            assert ledger(watcher, run) == told, cut
        store.close()
        watcher.close()


@pytest.mark.neo4j
@pytest.mark.timeout(600)
def test_the_server_is_stopped_and_started_in_the_middle(
    server: neo4j_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neo4j_store, "_SECONDS_OF_TRYING", 2.0)  # so that it is the job that has patience, or none
    world = make_world(tmp_path, server.url)
    store = connect(server.url)
    start(world.job(retry_seconds=300.0), store, "whole")
    middle, goes = threading.Event(), threading.Event()

    def pause_once(done: int, _: int | None, what: str) -> None:
        if what == "recommend" and done >= 21 and not middle.is_set():
            middle.set()
            assert goes.wait(120)

    def halt_once(done: int, _: int | None, what: str) -> None:
        if what == "recommend" and done >= 35 and not goes.is_set():
            goes.set()
            server.halt()

    with ThreadPoolExecutor(1) as pool, closing(connect(server.url)) as other:
        patient = world.job(name="patient", retry_seconds=300.0)
        cut = pool.submit(start, patient, other, "cut", Watch(pause_once))
        assert middle.wait(120)
        try:
            with pytest.raises(StoreUnavailableError):  # a run that has no patience fails
                start(world.job(retry_seconds=0.0), store, "failed", Watch(halt_once))
        finally:
            if server.halted:
                server.go_on()
        assert cut.result().state == "done"
    assert list(world.files("cut").values()) == list(world.files("whole").values())
    assert edges(store, "cut") == edges(store, "whole")
    # and is resumed when the server is back
    assert len(RunLedger(store).chunks("failed")) in (5, 6)  # the other writer
    assert resume(store, "failed").state == "done"
    assert list(world.files("failed").values()) == list(world.files("whole").values())
    assert edges(store, "failed") == edges(store, "whole")
    store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk") as found:
        print(f"the full disk is {found.way}")
        yield found


@pytest.mark.neo4j
@pytest.mark.parametrize("full", ["lists", "work"])
def test_a_disk_that_is_full(films_neo4j: str, tmp_path: Path, disk: SmallDisk, full: str) -> None:
    world = make_world(tmp_path, films_neo4j)
    (tmp_path / full).symlink_to(disk.folder)
    store = connect(world.url)
    job = world.job()

    def fill(done: int, _: int | None, what: str) -> None:
        if what == "recommend" and done == 14:
            disk.fill()

    if full == "work":  # the plan of the run
        disk.fill()
    try:
        with pytest.raises(OSError, match=disk.words):
            start(job, store, "full", Watch(fill if full == "lists" else no_progress))
    finally:
        disk.free()
    found = RunLedger(store).find("full")
    assert found is not None
    assert found.state == "failed"
    assert re.search(disk.words, found.error)
    chunks = RunLedger(store).chunks("full")
    if full == "work":
        assert not chunks
    else:
        done = [n for n, chunk in chunks.items() if chunk.state == "done"]
        assert {0, 1} <= set(done) < set(range(9))
        assert "failed" in {chunk.state for chunk in chunks.values()}
        written = {p.name for p in (disk.folder / ".run=full").iterdir()}
        assert written >= {f"part-{n:06}.parquet" for n in done}
        assert all(name.startswith("part-") for name in written)  # no partial file is left
    assert resume(store, "full").state == "done"
    start(job, store, "whole")
    assert list(world.files("full").values()) == list(world.files("whole").values())
    assert edges(store, "full") == edges(store, "whole")
    store.close()
