"""Files of tables: what stands in them, that they appear whole, and that a format can come from another package."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_world import make_world
from toy_graph import films

from kg_rec.api import Model
from kg_rec.cli.options import list_file
from kg_rec.errors import ConfigError
from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.run import start
from kg_rec.settings import from_dict
from kg_rec.store import connect
from kg_rec.tables import format_of, suffixes, table_formats, write_table
from kg_rec.testing.plugins import installed

SCHEMA = pa.schema(
    [
        ("user", pa.string()),
        ("score", pa.float64()),
        ("paths", pa.list_(pa.struct([("keys", pa.list_(pa.string())), ("value", pa.float64())]))),
    ]
)
ROWS = [
    {"user": "u1", "score": 0.1, "paths": [{"keys": ["Amélie", "电影"], "value": -2.5}]},
    {"user": "u2", "score": 1e-300, "paths": []},
    {"user": None, "score": 2.0, "paths": [{"keys": [], "value": 0.0}, {"keys": ["\n"], "value": 1.0}]},
]


def batches() -> Iterator[pa.RecordBatch]:
    yield pa.RecordBatch.from_pylist(ROWS[:2], schema=SCHEMA)
    yield pa.RecordBatch.from_pylist(ROWS[2:], schema=SCHEMA)


def broken() -> Iterator[pa.RecordBatch]:
    yield next(batches())
    raise RuntimeError("killed")


def test_parquet_and_json_lines_hold_the_same_rows(tmp_path: Path) -> None:
    assert write_table(batches(), tmp_path / "a.parquet", SCHEMA) == 3
    assert write_table(batches(), str(tmp_path / "a.jsonl"), SCHEMA) == 3
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == ROWS
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS
    assert "Amélie" in lines[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "a.parquet"]


def test_parquet_keeps_texts_once_and_numbers_plain(tmp_path: Path) -> None:
    write_table(batches(), tmp_path / "a.parquet", SCHEMA)
    group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    assert {c.path_in_schema: "RLE_DICTIONARY" in c.encodings for c in columns} == {
        "user": True,
        "score": False,
        "paths.list.element.keys.list.element": True,
        "paths.list.element.value": False,
    }


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_a_file_appears_only_when_it_is_complete(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        write_table(broken(), tmp_path / name, SCHEMA)
    assert list(tmp_path.iterdir()) == []
    write_table(batches(), tmp_path / name, SCHEMA)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(RuntimeError, match="killed"):
        write_table(broken(), tmp_path / name, SCHEMA)
    assert (tmp_path / name).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_two_writers_of_one_name_do_not_mix(tmp_path: Path, name: str) -> None:
    """The second begins and ends while the first is at work: each leaves its own whole file."""

    def interrupted() -> Iterator[pa.RecordBatch]:
        first, second = batches()
        yield first
        assert write_table([second], tmp_path / name, SCHEMA) == 1
        yield second

    write_table([next(batches())], tmp_path / f"alone{Path(name).suffix}", SCHEMA)
    assert write_table(interrupted(), tmp_path / name, SCHEMA) == 3
    write_table(batches(), tmp_path / f"whole{Path(name).suffix}", SCHEMA)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole{Path(name).suffix}").read_bytes()


def test_other_names_and_absent_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ending in \.parquet or \.jsonl, got out\.csv"):
        write_table(batches(), tmp_path / "out.csv", SCHEMA)
    with pytest.raises(ConfigError, match=r"expected a folder .*none.*; create it"):
        write_table(batches(), tmp_path / "none" / "out.jsonl", SCHEMA)
    assert list(tmp_path.iterdir()) == []


# --- a format of another package ---------------------------------------------------------------------------------


@pytest.mark.contract
def test_a_format_of_another_package_is_known_everywhere(tmp_path: Path) -> None:
    with installed(tmp_path / "site", "kg_rec.tables", "csv", "csv_tables:CSV"):
        assert list(table_formats()) == ["parquet", "json_lines", "csv"]
        assert suffixes() == ".parquet, .jsonl or .csv"
        world = make_world(tmp_path, str(tmp_path / "graph"))
        job = world.job(sinks={"csv": str(tmp_path / "sheets")})
        assert from_dict(JobConfig, job.to_dict()) == job
        store = connect(world.url)
        try:
            start(job, store, "one")
        finally:
            store.close()
        assert list_file(None, None, Path("a.csv")) == Path("a.csv")  # type: ignore[arg-type]
        model = Model.load(tmp_path / "model")
        table = model.recommend(k=5)
        write_table(table.to_batches(), tmp_path / "lists.csv", table.schema)
    parts = sorted((tmp_path / "sheets" / "run=one").glob("part-*.csv"))
    assert len(parts) == -(-len(films().users) // 7)
    rows = [row for part in parts for row in list(csv.reader(part.open(encoding="utf-8")))[1:]]
    whole = list(csv.reader((tmp_path / "lists.csv").open(encoding="utf-8")))
    assert [row[:4] for row in rows] == [row[:4] for row in whole[1:]]
    with pytest.raises(
        ConfigError, match=r"unknown setting sinks\.csv; expected one of graph, json_lines, parquet, vectors"
    ):
        world.job(sinks={"csv": "sheets"})
    assert format_of("a.jsonl").name == "json_lines"


@pytest.mark.system
@pytest.mark.parametrize(
    ("command", "text"),
    [("job run", "Write DIR/run=NAME/part-*.csv."), ("recommend", "ending in .parquet, .jsonl or .csv")],
)
def test_a_format_of_another_package_stands_in_the_help(tmp_path: Path, command: str, text: str) -> None:
    with installed(tmp_path, "kg_rec.tables", "csv", "csv_tables:CSV"):
        paths = os.pathsep.join([str(tmp_path), *sys.path])
    code = "from kg_rec.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert text in " ".join(done.stdout.split())
