"""Errors: status 2 with the usage, or status 1 and one line on stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import SMALL, World, run

USAGE = [
    (["load", "nothing", "."], "expected one of demo, hetrec-lastfm, movielens, rdf, recbole, table"),
    (["load", "movielens", "no/such/folder"], "does not exist"),
    (["load", "movielens"], "Missing argument 'PATH'"),
    (["load", "movielens", ".", "-o", "novalue"], "expected key=value, got 'novalue'"),
    (["load", "movielens", ".", "--on-error", "skip"], "--on-error skip needs --rejects"),
    (["query", "RETURN 1", "--format", "xml"], "'xml' is not one of 'table', 'json', 'csv'"),
    (["query", "RETURN 1", "--param", "=1"], "expected key=value, got '=1'"),
    (["train", "--out", "m", "--set", "gnn.epochs"], "expected key=value, got 'gnn.epochs'"),
    (["train", "--out", "m", "--graph", "g", "--snapshot", "s"], "give --graph or --snapshot, not both"),
    (["evaluate", "--protocol", "all", "--split", "."], "name its --protocol"),
    (["evaluate", "--ablate", "no_sense"], "'no_sense' is not one of"),
    (["recommend", "m", "--users", "1", "--users-query", "RETURN 1"], "give one of --users"),
    (["recommend", "m", "--users-query", "RETURN 1"], "--users-query needs --graph"),
    (["job", "run", "j.toml", "--run", 'a"b'], "up to 64 letters"),
    (["job", "run", "j.toml", "--engine", "spark"], "'spark' is not one of"),
    (["recommend", "m", "--out", "lists.csv"], "ending in .parquet or .jsonl, got lists.csv"),
    (["recommend", "m", "-k", "0"], "0 is not in the range"),
    (["explain", "m", "u", "i", "--verify"], "--verify needs --graph"),
    (["explain", "m"], "expected USER and ITEM, or --all"),
    (["explain", "m", "--all"], "--all needs --out"),
    (["explain", "m", "--all", "--out", "why.html"], "ending in .parquet or .jsonl, got why.html"),
    (["explain", "m", "u", "i", "--all", "--out", "why.jsonl"], "--all takes no USER"),
    (["explain", "m", "u", "i", "--workers", "2"], "--workers needs --all"),
    (["ask", "u", "comedies", " "], "expected words, got an empty text"),
    (["prefer", "m", "u", ""], "expected words, got an empty text"),
    (["newcomer", "m", "--like", "a", "--sentence", "\n"], "expected words, got an empty text"),
    (["explain", "m", "u", "i", "--lang", "fr"], "no grammar for the language 'fr'; expected one of en, zh"),
]


@pytest.mark.parametrize(("args", "message"), USAGE, ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_usage_errors(args: list[str], message: str) -> None:
    result = run(*args, code=2)
    assert message in result.stderr
    assert result.stderr.startswith("Usage: ")
    assert result.stdout == ""


def test_bytes_that_are_no_text_are_refused_by_every_command() -> None:
    for args in (
        ["profile", "m", "a\udcff"],
        ["recommend", "m", "--users", "u,a\udcff"],
        ["newcomer", "m", "--sentence", "a\udcff"],
        ["newcomer", "m", "--attribute", "age=\udcff"],
        ["ask", "u", "comedies", "\udcff"],
        ["query", "RETURN '\udcff'"],
    ):
        assert "expected text in UTF-8, got other bytes" in run(*args, code=2).stderr


ERRORS = [
    (["query", "RETURN 1", "--graph", "nowhere"], "nowhere: no graph here"),
    (["check", "--graph", "nowhere"], "nowhere: no graph here"),
    (["train", "--out", "m", "--graph", "ftp://x"], "ftp:// is not a known kind of store"),
    (["query", "RETURN 1", "--graph", "bolt://me:secret@host"], "must not carry credentials"),
    (["train", "--out", "m", "--snapshot", "nowhere"], "nowhere: not a snapshot"),
    (["train", "--out", "m", "--set", "gnn.epoch=1"], "--set: unknown setting gnn.epoch; expected one of"),
    (["train", "--out", "m", "--set", "gnn.epochs=many"], "gnn.epochs: expected int, got 'many'"),
    (["train", "--out", "m", "--set", "seed.x=1"], "seed is one value"),
    (["train", "--out", "m", "--config", "none.toml"], "none.toml: "),
    (["train", "--out", "m", "--config", "bad.toml"], "bad.toml:2: unknown setting gnn.layers"),
    (["recommend", "nowhere"], "nowhere: not a model"),
    (["explain", "nowhere", "u1", "f1"], "nowhere: not a model"),
    (["schema", "show", "cooking"], "expected one of books, "),
    (["recommend", "MODEL", "--users", "u1,nobody"], "no User with key 'nobody'"),
    (["explain", "MODEL", "nobody", "f1"], "no User with key 'nobody'"),
    (["explain", "MODEL", "u1", "nothing"], "no Film with key 'nothing'"),
    (["explain", "MODEL", "u1", "f1", "--out", "no/such/folder/x.html"], "no/such/folder/x.html: No such file"),
    (["query", "MATCH (u:User) DETACH DELETE u", "--graph", "GRAPH"], "query refused at line 1, near 'DETACH"),
    (["query", "MATCH (u:User) RETURN u.user_id", "--graph", "GRAPH", "--limit", "3"], "more than 3 rows"),
    (["query", "MATCH (u:User {user_id: $user}) RETURN u", "--graph", "GRAPH"], "user"),
    (["recommend", "MODEL", "--graph", "GRAPH", "--users-query", "MATCH (f:Film) RETURN f.year"], "as texts, got 19"),
    (["load", "table", "FACTS", "--graph", "new.graph"], "name one (schema=, or --schema NAME)"),
]


@pytest.mark.parametrize(("args", "message"), ERRORS, ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_errors_are_one_line(world: World, args: list[str], message: str) -> None:
    Path("bad.toml").write_text("[gnn]\nlayers = 2\n", encoding="utf-8")
    places = {"MODEL": world.model, "GRAPH": world.graph, "FACTS": world.facts}
    result = run(*(places.get(a, a) for a in args), code=1)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_verbose_shows_the_traceback() -> None:
    result = run("recommend", "nowhere", "-v", code=1)
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: nowhere: not a model")


def test_an_unexpected_fault_is_one_line_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("one\nby zero")

    monkeypatch.setattr("kg_rec.api.Model.explain", broken)
    result = run("explain", world.model, "u1", "f1", code=1)
    assert "unexpected ZeroDivisionError: one by zero; this is a fault of kg-rec" in result.stderr.splitlines()[-1]


def test_a_control_character_does_not_reach_the_terminal(world: World) -> None:
    result = run("explain", world.model, "\x1b]0;owned\x07", "f1", code=1)
    assert "\x1b" not in result.stderr
    assert "\x07" not in result.stderr


@pytest.mark.system
def test_interrupt_ends_with_130() -> None:
    # a runner in the background hands down an ignored SIGINT, which Python then leaves ignored
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listen}; from kg_rec.cli import main; main()"
    command = [sys.executable, "-c", code, "load", "demo", "-o", "viewers=1000000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "simulating viewers" in line:
                break
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "interrupted"
    assert "Traceback" not in rest
    assert out == ""


@pytest.mark.system
def test_a_closed_pipe_is_quiet(world: World) -> None:
    code = "from kg_rec.cli import main; main()"
    question = "UNWIND range(1, 90000) AS x RETURN x"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, "query", question, "--graph", str(world.graph), "--format", "csv"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writer)
    assert done.returncode != 0
    assert done.stderr == ""


def test_training_on_ray_says_what_to_install(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run("train", "--graph", world.graph, "--out", "m", "--engine", "ray", *SMALL, code=1)
    assert result.stderr.splitlines()[-1] == (
        "error: Ray is not installed; pip install 'kg-rec[ray]', or use engine local"
    )
    assert not Path("m").exists()


WRITING = [
    ["prefer", "MODEL", "u1", "no westerns"],
    ["feedback", "record", "u1", "f1", "click"],
    ["feedback", "prune", "--before", "1"],
    ["feedback", "learn", "MODEL"],
    ["job", "run", "JOB"],
    ["job", "resume", "R"],
    ["job", "cancel", "R"],
    ["schema", "remove"],
    ["forget", "u1"],
]


@pytest.mark.parametrize("args", WRITING, ids=" ".join)
def test_a_slip_in_the_name_of_a_graph_makes_none(world: World, tmp_path: Path, args: list[str]) -> None:
    graph, job = tmp_path / "slip.graph", tmp_path / "job.toml"
    job.write_text(f"graph = '{graph}'\nmodel = '{world.model}'\n[sinks]\nparquet = '{tmp_path / 'out'}'\n", "utf-8")
    given = {"MODEL": world.model, "JOB": job}
    where = [] if "JOB" in args else ["--graph", graph]
    code = 75 if args[1] in ("run", "resume") else 1  # a scheduler may try again later
    result = run(*(given.get(arg, arg) for arg in args), *where, code=code)
    assert f"{graph}: no graph here; load one first, or check the path" in result.stderr
    assert not graph.exists()
