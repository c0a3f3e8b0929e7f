"""EmbeddedStore: folders, locks, crashes, memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kg_rec.errors import QueryRefusedError, StoreError, StoreUnavailableError
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect
from kg_rec.store.embedded.bounded import bounded, only_builds
from kg_rec.store.gate import tokens

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
    import sys, pyarrow as pa
    from kg_rec.schema import GraphSchema
    from kg_rec.store import connect
    store = connect(sys.argv[1])
    store.apply_schema(GraphSchema.bundled("movies"))
    films = [f"i{i}" for i in range(300)]
    store.write_nodes("Film", pa.table({"item_id": films, "title": films}))
    print("ready", flush=True)
    for i in range(100_000):
        store.write_nodes("User", pa.table({"user_id": [f"u{i}"]}))
        store.write_edges("RATED", pa.table({"source": [f"u{i}"] * 300, "target": films, "rating": [1.0] * 300}))
        print(i, flush=True)
"""


def start_writer(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)]
    writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def test_an_absent_graph_opened_for_reading_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="no graph here; load one first"):
        connect(str(tmp_path / "none"), read_only=True)
    assert not (tmp_path / "none").exists()


def test_folders_with_other_files_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("x")
    with pytest.raises(StoreUnavailableError, match="holds other files"):
        connect(str(tmp_path))
    with pytest.raises(StoreUnavailableError, match="expected a folder"):
        connect(str(tmp_path / "photo.jpg"))
    with pytest.raises(StoreError, match="http:// is not a known kind of store"):
        connect("http://localhost")


def test_one_writer_and_readers_beside_it(tmp_path: Path) -> None:
    url = str(tmp_path / "graph")
    writer = connect(url)
    writer.apply_schema(GraphSchema.bundled("movies"))
    with pytest.raises(
        StoreUnavailableError, match=r"in use: another connection .process \d+. has it open for writing"
    ):
        connect(url)
    before = connect(url, read_only=True)
    assert before.schema().name == "movies"
    with pytest.raises(StoreError, match="open for reading only"):
        before.write_nodes("User", pa.table({"user_id": ["u"]}))
    with pytest.raises(StoreError, match="open for reading only"):
        before.transact([("CREATE (:User {user_id: 'u'})", {})])
    writer.write_nodes("User", pa.table({"user_id": ["u"]}))
    after = connect(url, read_only=True)
    assert [users(store) for store in (before, after, writer)] == [[], ["u"], ["u"]]
    writer.close()
    connect(url).close()
    assert [users(store) for store in (before, after)] == [[], ["u"]]
    for store in (before, after):
        store.close()


def users(store: GraphStore) -> list[str]:
    return [k for b in store.scan_nodes("User") for k in b["user_id"].to_pylist()]


def test_readers_write_nothing_into_the_folder(tmp_path: Path) -> None:
    writer = connect(str(tmp_path / "graph"))
    writer.apply_schema(GraphSchema.bundled("movies"))
    before = {f.name: f.read_bytes() for f in (tmp_path / "graph").iterdir()}
    reader = connect(str(tmp_path / "graph"), read_only=True)
    assert reader.query("MATCH (n) RETURN count(n) AS c")["c"].to_pylist() == [1]
    reader.close()
    assert {f.name: f.read_bytes() for f in (tmp_path / "graph").iterdir()} == before
    writer.close()


def test_a_graph_of_the_former_engine_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "graph.lbug").write_bytes(b"x")
    (tmp_path / "lock").touch()
    for read_only in (False, True):
        with pytest.raises(StoreUnavailableError, match="load the same files again into a new folder") as error:
            connect(str(tmp_path), read_only=read_only)
        assert "\n" not in str(error.value)


def test_a_load_killed_before_its_first_write_can_be_run_again(tmp_path: Path) -> None:
    for name in ("lock", "graph.kgl.lock", "graph.kgl.lock-owner"):
        (tmp_path / name).touch()
    store = connect(str(tmp_path))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.close()
    assert connect(str(tmp_path), read_only=True).schema().name == "movies"


def test_more_than_fits_into_memory_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    with monkeypatch.context() as patch:
        patch.setattr("kg_rec.store.embedded.memory.available", lambda: (256 << 20) + 1000)
        with pytest.raises(StoreError, match=r"writing 3 rows needs about 0 MiB .* 256 MiB are free; .* Neo4j server"):
            store.write_nodes("User", pa.table({"user_id": ["a", "b", "c"]}))
    assert users(store) == []
    store.close()
    with monkeypatch.context() as patch:
        patch.setattr("kg_rec.store.embedded.memory.available", lambda: 256 << 20)
        with pytest.raises(StoreError, match="opening the graph needs about"):
            connect(str(tmp_path / "graph"))


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    writer = start_writer(tmp_path / "graph")
    try:
        with pytest.raises(StoreUnavailableError, match="in use"):
            connect(str(tmp_path / "graph"))
    finally:
        writer.kill()
        writer.communicate()


@pytest.mark.parametrize("seconds", [0.05, 0.4, 1.1])
def test_a_killed_writer_leaves_a_graph_that_opens_and_loads_again(tmp_path: Path, seconds: float) -> None:
    writer = start_writer(tmp_path / "graph")
    time.sleep(seconds)
    os.kill(writer.pid, signal.SIGKILL)
    told = [int(line) for line in writer.communicate()[0].split()]
    store = connect(str(tmp_path / "graph"))
    users = [k for b in store.scan_nodes("User") for k in b["user_id"].to_pylist()]
    assert set(users) >= {f"u{i}" for i in told}
    sources = [k for b in store.scan_edges("RATED") for k in b["source"].to_pylist()]
    assert len(sources) % 300 == 0
    assert set(sources) >= {f"u{i}" for i in told}
    films = [f"i{i}" for i in range(300)]
    again = sorted({*users, "new"})
    store.write_nodes("User", pa.table({"user_id": again}))
    ends = {"source": [u for u in again for _ in films], "target": films * len(again)}
    store.write_edges("RATED", pa.table({**ends, "rating": [2.0] * len(again) * 300}))
    store.close()
    store = connect(str(tmp_path / "graph"), read_only=True)
    assert sum(b.num_rows for b in store.scan_edges("RATED")) == 300 * len(again)
    assert store.query("MATCH ()-[r:RATED]->() RETURN DISTINCT r.rating AS r")["r"].to_pylist() == [2.0]
    store.close()


def test_unchanged_edges_are_not_written_again(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    users, films = [f"u{i}" for i in range(200)], [f"i{i}" for i in range(200)]
    store.write_nodes("User", pa.table({"user_id": users}))
    store.write_nodes("Film", pa.table({"item_id": films, "title": films}))
    edges = pa.table({"source": [u for u in users for _ in films], "target": films * 200, "rating": [1.0] * 40_000})
    size = []
    for _ in range(6):
        store.write_edges("RATED", edges)
        store.close()
        size.append(sum(f.stat().st_size for f in (tmp_path / "graph").iterdir()))
        store = connect(str(tmp_path / "graph"))
    store.close()
    assert size[-1] == size[0]


def test_a_torn_log_loses_only_the_cut_off_write(tmp_path: Path) -> None:
    folder = tmp_path / "graph"
    writer = start_writer(folder)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    writer.communicate()
    log = folder / "graph.kgl-wal"
    os.truncate(log, log.stat().st_size - 7)
    for read_only in (True, False):
        store = connect(str(folder), read_only=read_only)
        sources = [k for b in store.scan_edges("RATED") for k in b["source"].to_pylist()]
        assert len(sources) % 300 == 0
        assert sum(b.num_rows for b in store.scan_nodes("Film")) == 300
        store.close()


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.close()
    (tmp_path / "graph" / "graph.kgl").write_bytes(b"not a graph" * 1000)
    for read_only in (False, True, False):  # the lock was given back
        with pytest.raises(StoreError, match="cannot open the graph"):
            connect(str(tmp_path / "graph"), read_only=read_only)


def test_libraries_that_leave_no_room_for_the_engine_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    """torch and scikit-learn before it use up the static TLS that KGLite needs, unless glibc is told to keep more."""
    code = f"import torch, sklearn.linear_model\nimport kg_rec\nkg_rec.connect({str(tmp_path / 'g')!r})"
    environment = {key: value for key, value in os.environ.items() if key != "GLIBC_TUNABLES"}
    roomy = {**environment, "GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=16384"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=roomy, timeout=300)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300)
    if done.returncode:  # another C library may have room
        assert "MissingDependencyError: the engine of embedded graphs cannot be loaded" in done.stderr
        assert roomy["GLIBC_TUNABLES"] in done.stderr


def test_nodes_of_statements_keep_their_identity_over_a_deletion_and_a_reopening(tmp_path: Path) -> None:
    """KGLite numbers nodes by their place, which a deletion moves."""
    url = str(tmp_path / "graph")
    for round_ in range(4):
        store = connect(url)
        store.transact([("MERGE (m:KgRecMark {mark: 'load'}) SET m.n = $n", {"n": round_})])
        store.transact([("MERGE (c:KgRecThing {id: $id}) SET c.n = $n", {"id": f"a/{round_}", "n": round_})])
        store.transact([("MATCH (m:KgRecMark {mark: 'load'}) DELETE m", {})])
        store.close()
    store = connect(url)
    try:
        found = store.query("MATCH (c:KgRecThing) RETURN c.id AS id, c.n AS n ORDER BY n").to_pylist()
    finally:
        store.close()
    assert found == [{"id": f"a/{n}", "n": n} for n in range(4)]


def test_nodes_that_statements_make_are_those_that_are_written_in_bulk(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.transact([("CREATE (:User {user_id: 'a', age: 3})", {}), ("MERGE (u:User {user_id: 'b'}) SET u.age = 4", {})])
    store.write_nodes("User", pa.table({"user_id": ["b", "c"], "gender": ["f", None]}))
    asked = "MATCH (u:User) RETURN u.user_id AS u, u.age AS age, u.gender AS g ORDER BY u"
    expected = [{"u": "a", "age": 3, "g": None}, {"u": "b", "age": 4, "g": "f"}, {"u": "c", "age": None, "g": None}]
    assert store.query(asked).to_pylist() == expected
    with pytest.raises(StoreError, match="duplicate id"):
        store.transact([("CREATE (:User {user_id: 'a'})", {})])
    store.close()


def test_a_node_that_is_found_by_its_key_has_to_meet_the_conditions_too(tmp_path: Path) -> None:
    """A step of KGLite's optimizer forgets them where there is a LIMIT."""
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.write_nodes("User", pa.table({"user_id": ["a"], "age": [3]}))
    for limit in ("", " LIMIT 5"):
        assert store.query(f"MATCH (u:User {{user_id: 'a'}}) WHERE u.age > 7 RETURN u.age{limit}").num_rows == 0
    store.close()


@pytest.mark.parametrize(
    "query",
    [
        "RETURN reduce(s = 'aaaaaaaaaaaaaaaa', x IN range(1, 60) | s + s) AS r",
        "WITH 'aaaaaaaaaaaaaaaa' AS x " + "WITH x + x AS x " * 60 + "RETURN size(x)",
        "WITH range(1, 1000000) AS r UNWIND r AS x WITH x, r RETURN count(r)",
    ],
)
def test_a_question_takes_no_more_memory_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    store = connect(str(tmp_path / "graph"))
    monkeypatch.setattr("kg_rec.store.embedded.bounded.MEMORY", 200 << 20)
    with pytest.raises(StoreError, match="needs more than 200 MiB of memory; narrow it"):
        store.query(query, timeout=120)
    assert store.query("RETURN 'still' + ' here' AS a")["a"].to_pylist() == ["still here"]
    store.close()


@contextmanager
def handled(handler: Any) -> Iterator[None]:
    """SIGINT as a person's shell (default_int_handler) or one in the background (SIG_IGN) leaves it."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_a_question_of_the_graph_takes_no_more_memory_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.write_nodes("User", pa.table({"user_id": [f"u{i:04d}" for i in range(3000)]}))
    monkeypatch.setattr("kg_rec.store.embedded.bounded.MEMORY", 100 << 20)
    with handled(handler), pytest.raises(StoreError, match="needs more than 100 MiB of memory; narrow it"):
        store.query("MATCH (a:User), (b:User) RETURN a, b.user_id AS b ORDER BY b DESC LIMIT 5", timeout=120)
    assert store.query("MATCH (u:User) RETURN count(*) AS n")["n"].to_pylist() == [3000]
    store.close()


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        ("p = shortestPath((a:User)-[*]-(b:User))", True),
        ("(:User) MATCH p = allShortestPaths((:User)-[*..3]-())", True),
        ("p = shortestPath((a:User)-[*]-(b:User {user_id: 'x'}))", False),
        ("(a:User), (b:User) MATCH p = shortestPath((a)-[*]-(b))", False),
        ("(a:User {user_id: 'x'}) MATCH p = shortestPath((a)-[:RATED*]-(b:User))", False),
    ],
)
def test_a_shortest_path_needs_an_end_that_is_known(tmp_path: Path, pattern: str, refused: bool) -> None:
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.write_nodes("User", pa.table({"user_id": ["x", "y"]}))
    store.write_nodes("Film", pa.table({"item_id": ["f"], "title": ["F"]}))
    store.write_edges("RATED", pa.table({"source": ["x", "y"], "target": ["f", "f"], "rating": [1.0, 2.0]}))
    asked = f"MATCH {pattern} WHERE a <> b RETURN length(p) AS l"
    if refused:
        with pytest.raises(QueryRefusedError, match="MATCH its ends first"):
            store.query(asked)
    else:
        assert set(store.query(asked)["l"].to_pylist()) == {2}
    store.close()


def test_ctrl_c_still_ends_a_question(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.write_nodes("User", pa.table({"user_id": [f"u{i:04d}" for i in range(3000)]}))
    timer = threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGINT))
    with handled(signal.default_int_handler):
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            store.query("MATCH (a:User), (b:User), (c:User) RETURN sum(a.age * b.age * c.age) AS n", timeout=120)
    timer.join()
    store.close()


def test_a_question_that_does_not_look_at_the_clock_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = connect(str(tmp_path / "graph"))
    monkeypatch.setattr("kg_rec.store.embedded.bounded.GRACE", 0.0)
    monkeypatch.setattr("kg_rec.store.embedded.bounded.MEMORY", 8 << 30)  # its time is over first
    with pytest.raises(StoreError, match=r"stopped after 0\.2 seconds"):
        store.query("WITH 'aaaaaaaaaaaaaaaa' AS x " + "WITH x + x AS x " * 60 + "RETURN size(x)", timeout=0.2)
    store.close()


def test_an_answer_does_not_wait_for_a_longer_one_of_another_thread() -> None:
    """A child that is forked meanwhile holds the pipe of the first open."""
    forked = threading.Event()

    @contextmanager
    def turn() -> Iterator[None]:
        yield
        forked.set()

    def slow() -> pa.Table:
        time.sleep(4)
        return pa.table({"a": [2]})

    def quick() -> pa.Table:
        time.sleep(0.5)
        return pa.table({"a": [1]})

    def longer() -> list[int]:
        forked.wait()
        answer: list[int] = bounded(slow, 20, nullcontext())["a"].to_pylist()
        return answer

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(longer)
        assert bounded(quick, 1.5, turn())["a"].to_pylist() == [1]
        assert other.result() == [2]


@pytest.mark.parametrize(
    ("query", "alone"),
    [
        ("RETURN 1", True),
        ("WITH 'a' AS x WITH x + x AS x RETURN size(x)", True),
        ("MATCH (u:User) RETURN u.user_id + 'x'", False),
        ("UNWIND range(1, 10) AS x RETURN x", True),
        ("CALL { MATCH (u:User) RETURN u } RETURN u", False),
    ],
)
def test_what_only_builds_gets_a_process_of_its_own(query: str, alone: bool) -> None:
    assert only_builds(tokens(query)) is alone


def test_many_rows_of_the_graph_are_answered_also_after_others(tmp_path: Path) -> None:
    """They are computed in threads, which a copy of this process would not have."""
    with closing(connect(str(tmp_path / "graph"))) as store:
        store.apply_schema(GraphSchema.bundled("movies"))
        store.write_nodes("User", pa.table({"user_id": [f"u{i}" for i in range(50_000)]}))
        for _ in range(2):
            query = "MATCH (u:User) UNWIND [1, 2, 3] AS x RETURN DISTINCT size(u.user_id) + x AS n ORDER BY n"
            assert store.query(query)["n"].to_pylist() == [3, 4, 5, 6, 7, 8, 9]
