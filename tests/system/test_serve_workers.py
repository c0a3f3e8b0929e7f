"""The service as processes: several workers, one that is killed, a graph that is away, slow clients."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

import neo4j_server
import pytest
from toy_graph import NO_TEXT, everything, fill, films

from kg_rec.feedback.events import EventLog
from kg_rec.model import persist
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.store import connect

MODEL = everything()
#: Without text: each process of a service loads the text model, which takes longer than all that is asked of it here.
WORDLESS = fit(films(), MODEL.chosen, NO_TEXT, None)
USER, OTHER = MODEL.users.keys.to_pylist()[:2]
#: Seconds that anything may take on a busy machine.
LONG = 120


def filled(url: str, place: Path, model: Recommender = WORDLESS) -> None:
    """The toy graph, and a model beside it."""
    with closing(connect(url)) as store:
        fill(store, films())
    persist.save(model, place / "model")


@contextmanager
def serving(url: str, place: Path, *options: str) -> Iterator[tuple[int, int]]:
    """``kg-rec serve``: its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-c", "from kg_rec.cli import main; main()", "serve", str(place / "model")]
    process = subprocess.Popen([*command, "--graph", url, "--port", str(port), *options])
    try:
        until(lambda: ask(port, "/ready")[0] == 200)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(LONG)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def until(holds: object) -> None:
    """Wait until something holds."""
    end = time.monotonic() + LONG
    while True:
        with suppress(OSError, HTTPException):
            if holds():  # type: ignore[operator]
                return
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def ask(port: int, path: str, body: object = None) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and JSON, on a connection of its own."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=LONG)) as connection:
        return on(connection, path, body)


def on(connection: HTTPConnection, path: str, body: object = None) -> tuple[int, dict[str, str], dict[str, object]]:
    """The same on a connection that stays with one worker."""
    if body is None:
        connection.request("GET", path)
    else:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(answer.read())


def path_of(user: str, k: int = 5) -> str:
    return f"/v1/recommendations?user={quote(user)}&k={k}"


def items(answer: tuple[int, dict[str, str], dict[str, object]]) -> list[str]:
    assert answer[0] == 200, answer
    return [one["item"] for one in answer[2]["items"]]  # type: ignore[attr-defined]


def workers(parent: int) -> list[int]:
    """Ids of the processes that hold the service's socket and are children of the one that was started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def metrics(port: int) -> str:
    with closing(HTTPConnection("127.0.0.1", port, timeout=LONG)) as connection:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=[pytest.mark.neo4j, pytest.mark.films])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "graph") if request.param == "embedded" else request.getfixturevalue("films_neo4j")


@pytest.mark.timeout(600)
def test_workers_answer_as_one_and_one_that_is_killed_is_replaced(url: str, tmp_path: Path) -> None:
    sent = []
    filled(url, tmp_path)
    with serving(url, tmp_path, "--workers", "2", "--poll", "1000") as (port, pid):  # no poll comes to help
        until(lambda: len(workers(pid)) == 2)
        lines = [HTTPConnection("127.0.0.1", port, timeout=LONG) for _ in range(8)]
        for turn in range(6):
            first = {tuple(items(on(line, path_of(USER)))) for line in lines}
            assert len(first) == 1  # and now each worker that was asked keeps it
            gone = next(iter(first))[0]
            event = {"event": f"event-{turn}", "user": USER, "item": gone, "kind": "dismiss"}
            assert on(lines[turn], "/v1/feedback", [event])[0] == 200
            sent.append(event["event"])
            assert not [line for line in lines if gone in items(on(line, path_of(USER)))]
        for line in lines:
            line.close()
        told = metrics(port)
        assert f'route="/v1/recommendations",status="200"}} {2.0 * 6 * len(lines)}' in told  # of both together
        killed = workers(pid)[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(now := workers(pid)) == 2 and killed not in now)
        until(lambda: all(ask(port, "/ready")[0] == 200 for _ in range(8)))
        event = {"event": "after", "user": OTHER, "item": items(ask(port, path_of(OTHER)))[0], "kind": "dismiss"}
        assert ask(port, "/v1/feedback", [event])[0] == 200
        for _ in range(8):
            assert event["item"] not in items(ask(port, path_of(OTHER)))
            assert gone not in items(ask(port, path_of(USER)))
    with closing(connect(url, read_only=True)) as store:
        assert {row["event"] for row in EventLog.of(store).reactions().to_pylist()} == {*sent, "after"}


@pytest.mark.neo4j
@pytest.mark.timeout(600)
def test_a_server_that_stops_leaves_stale_lists_and_loses_no_feedback(
    server: neo4j_server.Server, tmp_path: Path
) -> None:
    filled(server.url, tmp_path)
    with serving(server.url, tmp_path, "--poll", "0.2") as (port, _):
        fresh = ask(port, path_of(USER))
        kept = {"event": "before", "user": OTHER, "item": MODEL.items.key(0), "kind": "click"}
        assert ask(port, "/v1/feedback", [kept])[0] == 200
        server.halt()
        try:
            until(lambda: ask(port, "/ready")[0] == 503)
            for path in (path_of(USER), path_of(USER, 4)):  # kept before, and made now
                stale = ask(port, path)
                assert items(stale) == items(fresh)[: len(items(stale))]
                assert "last known state" in stale[1]["warning"]
            lost = {"event": "meanwhile", "user": USER, "item": items(fresh)[0], "kind": "dismiss"}
            status, headers, problem = ask(port, "/v1/feedback", [lost])
            assert (status, headers["retry-after"]) == (503, "5")
            assert problem["title"] == "the graph cannot be reached"
            assert ask(port, "/v1/check?user=x&item=y")[0] == 503
        finally:
            server.go_on()
        until(lambda: ask(port, "/ready")[0] == 200)
        assert ask(port, "/v1/feedback", [lost])[0] == 200  # sent again, as it was told
        after = ask(port, path_of(USER))
        assert "warning" not in after[1]
        assert lost["item"] not in items(after)
    with closing(connect(server.url, read_only=True)) as store:
        assert {row["event"] for row in EventLog.of(store).reactions().to_pylist()} == {"before", "meanwhile"}


@pytest.mark.timeout(600)
def test_slow_clients_hold_up_nobody_and_a_restart_loses_nothing(tmp_path: Path) -> None:
    url = str(tmp_path / "graph")
    filled(url, tmp_path, MODEL)
    with serving(url, tmp_path, "--timeout", "6") as (port, pid):
        slow = [socket.create_connection(("127.0.0.1", port), LONG) for _ in range(40)]
        for n, one in enumerate(slow):  # a head that does not end; a body that does not come
            one.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n" if n % 2 else head(1000) + b"[")
        assert len(items(ask(port, path_of(USER)))) == 5
        late = [one for n, one in enumerate(slow) if n % 2 == 0]
        assert all(b" 504 " in one.recv(100) for one in late)
        for one in slow:
            one.close()
        event = {"event": "kept", "user": USER, "item": items(ask(port, path_of(USER)))[0], "kind": "dismiss"}
        assert ask(port, "/v1/feedback", [event])[0] == 200
        os.kill(pid, signal.SIGKILL)
    with serving(url, tmp_path) as (port, _):
        assert event["item"] not in items(ask(port, path_of(USER)))


def head(length: int) -> bytes:
    return (
        b"POST /v1/feedback HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
        + str(length).encode()
        + b"\r\n\r\n"
    )
