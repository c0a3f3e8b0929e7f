"""EmbeddedStore: folders, locks, crashes, memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow as pa
import pytest

from kg_rec.errors import StoreError, StoreUnavailableError
from kg_rec.schema import GraphSchema
from kg_rec.store import connect

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


def test_one_writer_or_several_readers(tmp_path: Path) -> None:
    url = str(tmp_path / "graph")
    writer = connect(url)
    writer.apply_schema(GraphSchema.bundled("movies"))
    for read_only in (False, True):
        with pytest.raises(StoreUnavailableError, match="in use by another connection"):
            connect(url, read_only=read_only)
    writer.close()
    readers = [connect(url, read_only=True) for _ in range(2)]
    assert [r.schema().name for r in readers] == ["movies", "movies"]
    with pytest.raises(StoreUnavailableError, match="in use"):
        connect(url)
    with pytest.raises(StoreError, match="open for reading only"):
        readers[0].write_nodes("User", pa.table({"user_id": ["u"]}))
    for reader in readers:
        reader.close()
    connect(url).close()


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


def test_many_small_writes_do_not_use_up_the_buffer(tmp_path: Path) -> None:
    """Ladybug's own statement cache would hold buffer memory for each of these tables."""
    store = connect(str(tmp_path / "graph"))
    store.apply_schema(GraphSchema.bundled("movies"))
    store.write_nodes("Film", pa.table({"item_id": ["i"], "title": ["I"]}))
    for i in range(150):
        store.write_nodes("User", pa.table({"user_id": [f"u{i}"]}))
        store.write_edges("RATED", pa.table({"source": [f"u{i}"], "target": ["i"], "rating": [1.0]}))
    assert sum(b.num_rows for b in store.scan_edges("RATED")) == 150
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


def killed_with_a_log(folder: Path) -> Path:
    """A graph whose writer was killed before its last write was moved from the log to the graph's file."""
    log = folder / "graph.lbug.wal"

    def written() -> bool:
        return log.exists() and log.stat().st_size > 200

    for _ in range(20):
        writer = start_writer(folder)
        until = time.monotonic() + 10
        while not written() and time.monotonic() < until:
            time.sleep(0.0005)
        writer.kill()
        writer.communicate()
        if written():
            return log
    pytest.fail("no writer was killed at the right time")


def test_a_torn_log_loses_only_the_cut_off_write(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = killed_with_a_log(tmp_path / "graph")
    os.truncate(log, log.stat().st_size - 7)
    store = connect(str(tmp_path / "graph"))
    assert "a write was cut off" in caplog.text
    sources = [k for b in store.scan_edges("RATED") for k in b["source"].to_pylist()]
    assert len(sources) % 300 == 0
    store.write_nodes("User", pa.table({"user_id": ["later"]}))
    store.close()


def test_a_killed_graph_can_be_read_at_once(tmp_path: Path) -> None:
    killed_with_a_log(tmp_path / "graph")
    store = connect(str(tmp_path / "graph"), read_only=True)
    assert sum(b.num_rows for b in store.scan_nodes("Film")) == 300
    store.close()


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    connect(str(tmp_path / "graph")).close()
    (tmp_path / "graph" / "graph.lbug").write_bytes(b"not a graph" * 1000)
    with pytest.raises(StoreError, match="cannot open the graph"):
        connect(str(tmp_path / "graph"))
    with pytest.raises(StoreError, match="cannot open the graph"):  # the lock was given back
        connect(str(tmp_path / "graph"))
