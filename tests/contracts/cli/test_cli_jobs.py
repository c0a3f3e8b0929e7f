"""``kg-rec job`` from the outside: files and flags, what is printed, exit statuses."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cli_world import World, run

from kg_rec.schema import GraphSchema

JOB = """
# the nightly job
graph = "back.graph"
model = "{model}"
k = 3
chunk = 9

[users]
cypher = "MATCH (u:User) RETURN u.user_id"
[candidates]
only = ["MATCH (f:Film) WHERE f.year >= 1995 RETURN f.item_id"]
[[candidates.caps]]
relation = "DIRECTED_BY"
most = 2
[sinks]
parquet = "lists"
graph = true
"""


@pytest.fixture
def job(world: World) -> Path:
    """A job file beside a graph of its own."""
    run("load", "recbole", world.ratings, "--graph", "back.graph")
    run("load", "table", world.facts, "--graph", "back.graph")
    file = Path("nightly.toml")
    file.write_text(JOB.format(model=world.model), encoding="utf-8")
    return file


def test_a_job_from_its_file_to_its_readers(job: Path) -> None:
    plan = run("job", "run", job, "--dry-run").stdout
    assert "job nightly: top 3 for 40 users" in plan
    assert "5 chunk(s) of up to 9 users" in plan
    assert "candidates.only: 25 keys" in plan
    assert "CREATE (u)-[:RECOMMENDED {run: $run, rank: n + 1" in plan
    assert json.loads(run("job", "list", "--graph", "back.graph", "--json").stdout) == []
    record = json.loads(run("job", "run", job, "--run", "first", "--json").stdout)
    assert (record["state"], record["report"]["users"], record["report"]["rows"]) == ("done", 40, 120)
    read = ["query", record["cypher"], "--param", 'user="u2"', "--graph", "back.graph", "--json"]
    rows = json.loads(run(*read).stdout)["rows"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert all(int(row["item"][1:]) >= 5 for row in rows)
    printed = run("job", "run", job, "-k", "2", "--set", "candidates.diversity=0.0").stdout
    assert "80 recommendations for 40 users" in printed
    assert "0.0% of the users have fewer than 2" in printed
    assert "kg-rec query 'MATCH (p:KgRecLatest" in printed
    assert len(json.loads(run(*read).stdout)["rows"]) == 2
    listed = json.loads(run("job", "list", "--graph", "back.graph", "--json").stdout)
    assert [(r["state"], r["visible"]) for r in listed] == [("done", False), ("done", True)]
    assert "first" in run("job", "list", "--graph", "back.graph").stdout
    assert "120 recommendations for 40 users" in run("job", "status", "first", "--graph", "back.graph").stdout
    assert run("job", "resume", "first", "--graph", "back.graph").exit_code == 0
    assert "is done" in run("job", "cancel", "first", "--graph", "back.graph", code=1).stderr
    assert "has no run" in run("job", "status", "none", "--graph", "back.graph", code=1).stderr


def test_flags_alone(world: World, job: Path) -> None:
    args = ["job", "run", "--graph", "back.graph", "--model", world.model, "--json-lines", "out", "--run", "r"]
    assert json.loads(run(*args, "-k", "1", "--json").stdout)["job"] == "lists"
    lines = Path("out/run=r/part-000000.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 40
    assert "sinks: expected at least one of" in run("job", "run", "--graph", "g", "--model", "m", code=1).stderr
    assert "model is missing; set it" in run("job", "run", "--graph", "g", code=1).stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("k = 3", "top = 3", "nightly.toml:5: unknown setting top; expected one of candidates, "),
        (
            "chunk = 9",
            "chunk = -1",
            "nightly.toml:6: chunk: expected a number of users, or 0 for one that fits",
        ),
        ("most = 2", "most = 0", r"nightly.toml:14: candidates.caps[0].most: expected at least 1"),
        ("most = 2", "least = 2", r"nightly.toml:14: unknown setting candidates.caps[0].least"),
        (
            "MATCH (u:User)",
            "MATCH (u:User) DELETE u",
            "nightly.toml:9: users.cypher: query refused at line 1, near 'DEL",
        ),
        ("WHERE f.year >= 1995 RETURN", "SET f.year = 1 RETURN", "nightly.toml:11: candidates.only: query refused"),
        ("graph = true", "graph = yes", "nightly.toml:17: "),
        ("chunk = 9", "chunk = 50000", "nightly.toml:6: chunk: expected chunk x k of at most 100000"),
    ],
)
def test_a_wrong_file_is_refused_whole_with_its_line(job: Path, old: str, new: str, message: str) -> None:
    job.write_text(job.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    result = run("job", "run", job, code=1)
    assert message in result.stderr
    assert not Path("jobs").exists()


def test_write_back_needs_a_place_in_the_schema(world: World, job: Path) -> None:
    turtle = GraphSchema.bundled("movies").turtle
    start = turtle.index(":RECOMMENDED a ")
    bare = turtle[:start] + turtle[turtle.index(" .\n", start) + 3 :]
    Path("plain.ttl").write_text(bare, encoding="utf-8")
    run("load", "recbole", world.ratings, "--graph", "plain.graph", "--schema", "plain.ttl")
    run("load", "table", world.facts, "--graph", "plain.graph")
    result = run("job", "run", job, "--graph", "plain.graph", code=1)
    assert "to write back, add a kr:RelationType RECOMMENDED" in result.stderr


def test_exit_statuses_for_a_scheduler(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kg_rec.jobs import sinks

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sinks, "write_table", full)
        assert "No space left on device" in run("job", "run", job, "--run", "a", code=75).stderr
    shown = run("job", "status", "a", "--graph", "back.graph").stdout
    assert "failed" in shown
    assert "0 of 5 chunks" in shown
    assert "chunk 0: [Errno 28] No space left on device" in shown
    run("job", "resume", "a", "--graph", "back.graph")
    write, me = sinks.write_table, os.getpid()

    def slow(*args: Any) -> int:
        os.kill(me, signal.SIGTERM)
        time.sleep(0.05)
        return write(*args)

    assert threading.current_thread() is threading.main_thread()
    with monkeypatch.context() as patch:
        patch.setattr(sinks, "write_table", slow)
        assert "go on with `kg-rec job resume b`" in run("job", "run", job, "--run", "b", code=143).stderr
    assert run("job", "cancel", "b", "--graph", "back.graph").stdout == "run b of nightly is cancelled\n"
    assert "was cancelled" in run("job", "resume", "b", "--graph", "back.graph", code=1).stderr
    assert run("job", "run", job, "--graph", "bolt://127.0.0.1:9", code=75).stderr


def test_one_command_begins_a_run_and_goes_on_with_it(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kg_rec.jobs import sinks

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    command = ("job", "run", job, "--run", "2026-11-22", "--or-resume")
    with monkeypatch.context() as patch:
        patch.setattr(sinks, "write_table", full)
        run(*command, code=75)
        run(*command, code=75)  # the exit status of what is gone on with is not hidden
    record = json.loads(run(*command, "--json").stdout)
    assert (record["state"], record["report"]["rows"]) == ("done", 120)
    files = {p: p.stat().st_mtime_ns for p in Path("lists/run=2026-11-22").iterdir()}
    again = run(*command)
    assert "120 recommendations for 40 users" in again.stdout
    assert "kg-rec query 'MATCH (p:KgRecLatest" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in Path("lists/run=2026-11-22").iterdir()} == files
    other = ["-k", "2", "--set", "candidates.diversity=0.2"]
    refused = run(*command, *other, code=1).stderr
    assert "began with other settings: candidates.diversity, k; go on with" in refused
    assert "needs --run NAME" in run("job", "run", job, "--or-resume", code=2).stderr


def test_json_logs_are_one_object_a_line(job: Path) -> None:
    result = run("job", "run", job, "--run", "r", "--json-logs")
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert [line["chunk"] for line in lines if line["message"] == "chunk done"] == [0, 1, 2, 3, 4]
    assert lines[-1]["message"] == "run done"
    assert (lines[-1]["run"], lines[-1]["level"], lines[-1]["rows"]) == ("r", "INFO", 120)


def test_the_graph_of_a_job_comes_from_the_environment_last(
    world: World, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag wins over the file, the file over KG_REC_GRAPH."""
    text = job.read_text(encoding="utf-8")
    other = Path("jobs/other.toml")
    other.parent.mkdir()
    other.write_text(text.replace('graph = "back.graph"\n', ""), encoding="utf-8")
    assert "graph is missing; set it" in run("job", "run", other, "--dry-run", code=1).stderr
    here = f"of {Path.cwd() / 'back.graph'}"
    assert here in run("job", "run", other, "--graph", "back.graph", "--dry-run").stdout
    monkeypatch.setenv("KG_REC_GRAPH", "back.graph")
    assert here in run("job", "run", other, "--dry-run").stdout
    assert here in run("job", "run", "--model", world.model, "--json-lines", "out", "--dry-run").stdout
    monkeypatch.setenv("KG_REC_GRAPH", "nowhere.graph")
    assert here in run("job", "run", job, "--dry-run").stdout
