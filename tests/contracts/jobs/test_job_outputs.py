"""Explanations, metrics and the Ray engine of a job."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request

import pytest
from job_world import World

from kg_rec.errors import ConfigError
from kg_rec.jobs.run import start
from kg_rec.jobs.writing import Watch
from kg_rec.store import GraphStore


def test_sentences_and_paths_go_with_the_lists(world: World, store: GraphStore) -> None:
    (world.folder / "users").write_text("u00\nu07\n")
    users = {"users": {"file": str(world.folder / "users")}}
    start(world.job(explanations="sentences", k=2, **users), store, "s")
    rows = world.rows("s")
    assert len(rows) == 4
    question = "MATCH (u:User)-[r:RECOMMENDED]->(i:Film) WHERE r.run = $run RETURN r.reason AS reason, r.paths AS paths"
    written = store.query(
        question + ", u.user_id AS user, r.rank AS rank ORDER BY user, rank", {"run": "s"}
    ).to_pylist()
    assert [(r["reason"], r["paths"]) for r in written] == [(r["reason"], r["paths"]) for r in rows]
    for row in rows:
        assert row["name"] in row["reason"]
        assert row["paths"]
        for path in row["paths"]:
            assert path.startswith(f"({row['user']})-[RATED]->(f")
            assert path.endswith(f"({row['item']})")
            assert not set(re.findall(r"u\d\d", path)) - {row["user"]}  # other users are counted
    start(world.job(explanations="sentences", language="zh", k=1, **users), store, "zh")
    assert re.search("[\u4e00-\u9fff]", world.rows("zh")[0]["reason"])
    start(world.job(explanations="ids", k=2, **users), store, "i")
    assert [r["paths"] for r in world.rows("i")] == [r["paths"] for r in rows]
    assert {r["reason"] for r in world.rows("i")} == {None}


def test_metrics_in_a_file_and_on_a_port(world: World, store: GraphStore, unused_port: int) -> None:
    file, seen = world.folder / "kg_rec.prom", []

    def ask(done: int, _: int | None, what: str) -> None:
        if what == "recommend" and done == 35:
            with urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/metrics") as answer:
                seen.append(answer.read().decode())
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/other")

    job = world.job(metrics={"file": str(file), "port": unused_port})
    start(job, store, "a", Watch(ask))
    assert 'kg_rec_job_users_done{job="nightly"} 35' in seen[0]
    start(job, store, "b")
    text = file.read_text()
    for line in ('users_done{job="nightly"} 60', 'rows{job="nightly"} 300', 'chunks_done{job="nightly"} 9'):
        assert f"kg_rec_job_{line}\n" in text
    assert re.search(r'kg_rec_job_stage_seconds\{stage="plan",job="nightly"\} [\d.e-]+\n', text)
    assert re.search(r"# TYPE kg_rec_job_drift gauge\nkg_rec_job_drift\{", text)
    assert all(re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+\{.*\} [-+\d.e]+", line) for line in text.splitlines())
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", unused_port))
        taken.listen()
        with pytest.raises(ConfigError, match=f"metrics.port: cannot listen on {unused_port}"):
            start(job, store, "c")


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
