"""``kg-rec forget``: gone from each place, the others untouched, and a kill leaves before or after."""

from __future__ import annotations

import json
import random
import shutil
import time
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cli_world import World, run

from kg_rec.model import persist
from kg_rec.model.train.train import fit_again
from kg_rec.snapshot import Snapshot
from kg_rec.store import connect
from kg_rec.trust.certificate import certificate as written
from kg_rec.trust.certificate import is_of, is_whole
from kg_rec.trust.places import Erased

JOB = """
name = "nightly"
k = 3
model = "model"
chunk = 9

[sinks]
graph = true
"""


def prepared(world: World, graph: str) -> None:
    """A graph of its own with lists, feedback and two runs; a copy of the model; files of lists."""
    shutil.copytree(world.model, "model")
    run("load", "recbole", world.ratings, "--graph", graph)
    run("load", "table", world.facts, "--graph", graph)
    Path("job.toml").write_text(JOB, encoding="utf-8")
    run("job", "run", "job.toml", "--graph", graph, "--run", "first")
    run("feedback", "show", "model", "--graph", graph, "--users", "u2,u3")
    run("feedback", "record", "u2", "f1", "click", "--graph", graph)
    run("feedback", "record", "u3", "f1", "click", "--graph", graph)
    run("feedback", "learn", "model", "--graph", graph)
    run("recommend", "model", "--out", "lists.parquet")
    run("recommend", "model", "--out", "lists.jsonl")


def asked(graph: str, cypher: str) -> list[dict[str, object]]:
    return list(json.loads(run("query", cypher, "--graph", graph, "--json").stdout)["rows"])


ARGS = ["u2", "--model", "model", "--files", "lists.parquet", "--files", "lists.jsonl"]


def gone_everywhere(world: World, graph: str) -> None:
    """Nothing of u2 is left in any place, and everything of the others is."""
    run("forget", *ARGS, "--graph", graph, "--find")
    assert asked(graph, "MATCH (u:User) RETURN count(u) AS n") == [{"n": 39}]
    assert asked(graph, "MATCH (:User)-[r:RATED]->() RETURN count(r) AS n") == [{"n": 440 - 11}]
    assert asked(graph, "MATCH ()-[r:RECOMMENDED]->() RETURN count(r) AS n") == [{"n": 39 * 3}]
    assert asked(graph, "MATCH ()-[r:KG_REC_SHOWN]->() RETURN count(r) AS n") == [{"n": 10}]
    assert asked(graph, "MATCH ()-[r:KG_REC_REACTED]->() RETURN count(r) AS n") == [{"n": 1}]
    keys = [
        key for row in asked(graph, "MATCH (c:KgRecChunk) RETURN c.keys AS keys, c.first AS f, c.last AS l")
        for key in [*row["keys"], row["f"], row["l"]]  # type: ignore[misc]
    ]  # fmt: skip
    assert set(keys) == {f"u{n}" for n in range(40)} - {"u2"}
    held = [f for f in Path("model").rglob("*") if f.is_file() and b"u2\n" in f.read_bytes()]
    assert held == []
    assert set(pq.read_table("lists.parquet")["user"].to_pylist()) == {f"u{n}" for n in range(40)} - {"u2"}
    rows = [json.loads(line) for line in Path("lists.jsonl").read_text("utf-8").splitlines()]
    assert rows == pq.read_table("lists.parquet").to_pylist()
    assert not Path("model/feedback.json").exists()


def trained_without(world: World) -> Snapshot:
    """The snapshot of files that never held u2."""
    shutil.copytree(world.ratings, "tiny")
    file = Path("tiny/tiny.inter")
    rows = [row for row in file.read_text("utf-8").splitlines() if not row.startswith("u2\t")]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    run("load", "recbole", "tiny", "--graph", "without.graph")
    run("load", "table", world.facts, "--graph", "without.graph")
    run("export", "--graph", "without.graph", "--out", "without")
    return Snapshot.load("without")


@pytest.mark.parametrize("kind", ["embedded", pytest.param("neo4j", marks=[pytest.mark.neo4j, pytest.mark.films])])
def test_a_user_is_gone_from_every_place(world: World, kind: str, request: pytest.FixtureRequest) -> None:
    graph = "back.graph" if kind == "embedded" else request.getfixturevalue("films_neo4j")
    prepared(world, graph)
    found = json.loads(run("forget", *ARGS, "--graph", graph, "--find", "--json", code=1).stdout)["found"]
    assert found["model"] == {"User": 1, "interactions": 11}
    assert found["lists.parquet"] == found["lists.jsonl"] == {"rows": 10}
    in_graph = {"User": 1, "KG_REC_REACTED": 1, "KG_REC_SHOWN": 10, "RATED": 11, "RECOMMENDED": 3}
    assert in_graph.items() <= next(had for place, had in found.items() if "graph" in place or "://" in place).items()
    before = persist.load("model")
    told = json.loads(run("forget", *ARGS, "--graph", graph, "--certificate", "paper.json", "--json").stdout)
    gone_everywhere(world, graph)
    paper = json.loads(Path("paper.json").read_text("utf-8"))
    assert told["certificate"] == paper
    assert is_whole(paper)
    assert is_of(paper, "u2", told["receipt"])
    assert '"u2"' not in Path("paper.json").read_text("utf-8")
    check = ("certificate", "paper.json", "--user")
    assert "it is the certificate of u2" in run(*check, "u2", "--receipt", told["receipt"]).stdout
    assert "it is NOT" in run(*check, "u3", "--receipt", told["receipt"], code=1).stdout
    of_model = next(place for place in paper["places"] if place["place"] == "model")
    after = persist.load("model")
    assert of_model["after"] == {"model": persist.digest("model"), "snapshot": after.snapshot.digest}
    # the model is the one that files without the user give, to the last bit
    snapshot = trained_without(world)
    assert after.snapshot.digest == snapshot.digest
    persist.save(fit_again(before, snapshot), "again")
    for part in ("tensors.safetensors", "snapshot/nodes/User.arrow", "snapshot/edges/RATED.arrow"):
        assert Path("again", part).read_bytes() == Path("model", part).read_bytes()
    assert "nothing to forget" in run("forget", *ARGS, "--graph", graph, code=1).stderr


def test_a_certificate_that_was_changed_or_is_none_is_told() -> None:
    paper, receipt = written("u2", [Erased("model", {"User": 1}, {"model": "a"}, {"model": "b"})])
    Path("paper.json").write_text(json.dumps(paper), encoding="utf-8")
    assert "unchanged since" in run("certificate", "paper.json").stdout
    found = json.loads(run("certificate", "paper.json", "--user", "u2", "--receipt", receipt, "--json").stdout)
    assert (found["whole"], found["of_user"], found["at"]) == (True, True, paper["at"])
    Path("paper.json").write_text(json.dumps({**paper, "at": "2020-01-01"}), encoding="utf-8")
    assert "CHANGED SINCE" in run("certificate", "paper.json", code=1).stdout
    assert "go together" in run("certificate", "paper.json", "--user", "u2", code=2).stderr
    place = paper["places"][0]
    changed = [{**paper, "user": 1}, {**paper, "at": 2}, {**paper, "sha256": None}, {**paper, "places": 3}]
    parts = ("model", {"x": 3}, {**place, "place": 4}, {**place, "had": [1]}, {**place, "had": {"User": "1"}})
    changed += [{**paper, "places": [place, part]} for part in parts]
    for text in ("[1]", "{", '{"user": 1}', "1" * 5000, *map(json.dumps, changed)):
        Path("none.json").write_text(text, encoding="utf-8")
        assert "none.json: expected a certificate" in run("certificate", "none.json", code=1).stderr


def with_lists(world: World) -> list[object]:
    """A graph and a file of lists, and what forgets u2 in both."""
    run("load", "recbole", world.ratings, "--graph", "own.graph")
    Path("lists.jsonl").write_text('{"user": "u2", "item": "f1"}\n{"user": "u3", "item": "f1"}\n', encoding="utf-8")
    return ["forget", "u2", "--graph", "own.graph", "--files", "lists.jsonl"]


def test_a_certificate_that_cannot_be_written_is_told_before_anything_is_deleted(world: World) -> None:
    args = with_lists(world)
    before = Path("lists.jsonl").read_bytes()
    for file, reason in (
        ("missing/folder/c.json", "there is no folder missing/folder"),
        ("lists.jsonl/c.json", "there is no folder lists.jsonl"),
        (".", "this is a folder"),
        ("lists.jsonl", "the user is deleted from there"),
        ("own.graph/c.json", "the user is deleted from there"),
    ):
        told = run(*args, "--certificate", file, code=1).stderr
        assert f"{file}: expected a file to write the certificate into, but {reason}" in told
        assert Path("lists.jsonl").read_bytes() == before
    found = json.loads(run(*args, "--find", "--json", code=1).stdout)["found"]
    assert found["lists.jsonl"] == {"rows": 1}
    assert {"User": 1, "RATED": 11} in found.values()


@pytest.mark.parametrize("as_json", [False, True])
def test_where_the_certificate_cannot_be_written_at_the_end_it_is_printed_with_the_receipt(
    world: World, as_json: bool
) -> None:
    args = with_lists(world)
    done = run(*args, "--certificate", "/dev/full", *(["--json"] if as_json else []), code=1)
    assert "/dev/full: the user was forgotten, but the certificate cannot be written there (No space" in done.stderr
    if as_json:
        told = json.loads(done.stdout)
        paper, receipt = told["certificate"], told["receipt"]
    else:
        paper = json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])
        receipt = done.stdout.split("receipt ")[1].split()[0]
    assert is_whole(paper)
    assert is_of(paper, "u2", receipt)
    assert [place["had"] for place in paper["places"]] == [{"rows": 1}, {"User": 1, "RATED": 11}]
    run(*args, "--find")


def test_a_certificate_tells_of_its_own_run_and_says_so(world: World) -> None:
    args = with_lists(world)
    Path("lists.jsonl").write_text('{"user": "u3", "item": "f1"}\n', encoding="utf-8")  # as a killed run leaves it
    told = run(*args, "--certificate", "paper.json").stderr
    assert "no model was named: one that was trained while u2 was there still holds them; give it by --model" in told
    paper = json.loads(Path("paper.json").read_text("utf-8"))
    assert [place["had"] for place in paper["places"]] == [{}, {"User": 1, "RATED": 11}]
    assert "what an earlier run deleted that was cut short is not counted" in paper["what"]


def forget_now(graph: str) -> None:
    run("forget", *ARGS, "--graph", graph)


@pytest.mark.timeout(300)
def test_a_kill_leaves_each_place_before_or_after_and_the_next_call_ends_it(world: World) -> None:
    prepared(world, "back.graph")
    Path("saved").mkdir()
    kept = ("model", "back.graph", "lists.parquet", "lists.jsonl")
    for name in kept:
        (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, Path("saved") / name)
    start = time.monotonic()
    forget_now("back.graph")
    usual = time.monotonic() - start
    whole = [{persist.digest("saved/model"), persist.digest("model")}]
    whole += [{(Path("saved") / f).read_bytes(), Path(f).read_bytes()} for f in ("lists.parquet", "lists.jsonl")]
    chosen = random.Random(4)
    for _ in range(6):
        for name in kept:
            shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink()
            (shutil.copytree if Path("saved", name).is_dir() else shutil.copy)(Path("saved") / name, name)
        child = get_context("fork").Process(target=forget_now, args=("back.graph",))
        child.start()
        child.join(chosen.uniform(0, usual))
        child.kill()
        child.join()
        persist.load("model")
        assert persist.digest("model") in whole[0]
        assert Path("lists.parquet").read_bytes() in whole[1]
        assert Path("lists.jsonl").read_bytes() in whole[2]
        with closing(connect("back.graph", read_only=True)) as store:
            rows = store.query("MATCH (u:User)-[r]->() WHERE u.user_id = 'u2' RETURN count(r) AS n").to_pylist()
        assert rows[0]["n"] in (0, 25)
        if rows[0]["n"]:
            forget_now("back.graph")
        gone_everywhere(world, "back.graph")
        assert persist.digest("model") in whole[0]


def test_what_cannot_be_read_is_refused_before_anything_changes(world: World) -> None:
    Path("notes.txt").write_text("u2", encoding="utf-8")
    Path("odd.jsonl").write_text("not json\n", encoding="utf-8")
    before = persist.digest(world.model)
    for file, message in (("notes.txt", "expected a file name ending in"), ("odd.jsonl", "one JSON object a line")):
        args = ["forget", "u2", "--graph", world.graph, "--model", world.model, "--files", file]
        assert message in run(*args, code=1).stderr
    assert persist.digest(world.model) == before
    assert "u-nobody" in run("forget", "u-nobody", "--graph", world.graph, code=1).stderr
