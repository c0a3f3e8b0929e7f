"""The reader of delimited text: lines are counted rightly whatever the file looks like."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg_rec import textfile
from kg_rec.errors import LoadError
from kg_rec.loaders import text
from kg_rec.loaders.text import Faults, Layout, read, read_whole

TAB = Layout()
CSV = Layout(",", quoted=True)


def rows(path: Path, layout: Layout, faults: Faults | None = None) -> list[tuple[object, ...]]:
    """(line, *fields) of each row."""
    chunk = read_whole(path, layout, faults or Faults(), text.header(path, layout) if layout.names is None else ())
    columns = [column.to_pylist() for column in chunk.table.columns]
    return list(zip(chunk.origin.lines.to_pylist(), *columns, strict=True))


@pytest.mark.parametrize(
    "content",
    [
        b"a\tb\n1\tx\n2\ty\n",
        b"a\tb\n1\tx\n2\ty",
        b"a\tb\r\n1\tx\r\n2\ty\r\n",
        b"\xef\xbb\xbfa\tb\n1\tx\n2\ty\n",
    ],
    ids=["plain", "no newline at the end", "CRLF", "byte order mark"],
)
def test_line_endings(folder: Path, content: bytes) -> None:
    path = folder / "t.tsv"
    path.write_bytes(content)
    assert rows(path, TAB) == [(2, "1", "x"), (3, "2", "y")]
    assert rows(path, Layout("\t", quoted=True)) == [(2, "1", "x"), (3, "2", "y")]


def test_blank_lines_count(folder: Path) -> None:
    path = folder / "t.tsv"
    path.write_text("a\tb\n\n1\tx\n\n\n2\ty\n")
    assert rows(path, TAB) == [(3, "1", "x"), (6, "2", "y")]


def test_gzip_and_long_delimiter(folder: Path) -> None:
    path = folder / "t.dat.gz"
    path.write_bytes(gzip.compress(b"1::Toy Story (1995)::a|b\n2::x::y\n"))
    layout = Layout("::", ("id", "title", "genres"))
    assert rows(path, layout) == [(1, "1", "Toy Story (1995)", "a|b"), (2, "2", "x", "y")]
    assert text.bare_name(path) == "t.dat"
    assert text.find(folder, "t.dat") == path


def test_quoted_field_over_lines(folder: Path) -> None:
    path = folder / "t.csv"
    path.write_text('a,b\n1,"three\n\nlines, ""quoted"""\n\n2,y\n')
    assert rows(path, CSV) == [(2, "1", 'three\n\nlines, "quoted"'), (6, "2", "y")]


def test_fallback_encoding_is_per_line(folder: Path) -> None:
    path = folder / "t.dat"
    path.write_bytes("1\tBjörk\n".encode() + "2\tBjörk\n".encode("latin-1"))
    assert rows(path, Layout("\t", ("id", "name"), fallback="latin-1")) == [(1, "1", "Björk"), (2, "2", "Björk")]


def test_absent_fields_at_the_end(folder: Path) -> None:
    path = folder / "t.dat"
    path.write_text("id\tname\turl\n1\tx\n2\ty\tz\n3\n")
    with pytest.raises(LoadError, match=r"t\.dat:4: expected 3 fields separated by tab \(id, name, url\), got 1"):
        rows(path, Layout(least=2))
    faults = Faults(stop=False)
    assert rows(path, Layout(least=2), faults) == [(2, "1", "x", ""), (3, "2", "y", "z")]
    assert faults.count == 1


def test_lines_are_right_across_blocks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "_BLOCK_BYTES", 7)
    path = folder / "t.tsv"
    path.write_text("a\tb\n" + "".join(f"{i}\tvalue {i}\n" for i in range(50)))
    expected = [(i + 2, str(i), f"value {i}") for i in range(50)]
    assert rows(path, TAB) == expected
    assert rows(path, Layout("\t", quoted=True)) == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))] * 2), min_size=1)
)
def test_what_csv_writes_is_read_back(folder: Path, values: list[tuple[str, str]]) -> None:
    path = folder / "round.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("a", "b"), *values])
    kept = [tuple(row[1:]) for row in rows(path, CSV)]
    assert kept == values


@pytest.mark.parametrize(
    ("content", "layout", "line", "message"),
    [
        (b"", TAB, None, "the file is empty"),
        (b"a\tb\n", TAB, None, "holds no rows"),
        (b"\xff\tb\n1\t2\n", TAB, 1, "expected column names in utf-8"),
        (b"a\ta\n1\t2\n", TAB, 1, "column names must differ"),
        (b"a\tb\n1\t2\n1\n", TAB, 3, "expected 2 fields separated by tab"),
        (b"a\tb\n1\t2\t3\n", TAB, 2, "got 3"),
        (b"a\tb\n1\t2\nx\t\xff\n", TAB, 3, "byte 0xff at column 3"),
        (b'a,b\n1,"x\n2,y\n', CSV, 2, "not valid CSV"),
        (b'a,b\n1,"x"y\n', CSV, 2, "not valid CSV"),
        (b"a,b\n1\n", CSV, 2, "expected 2 fields separated by ','"),
    ],
)
def test_fault_names_file_and_line(
    folder: Path, content: bytes, layout: Layout, line: int | None, message: str
) -> None:
    path = folder / "t.txt"
    path.write_bytes(content)
    with pytest.raises(LoadError) as error:
        rows(path, layout)
    assert (error.value.path, error.value.line) == (path, line)
    assert message in str(error.value)


def test_damaged_gzip_is_an_error_even_when_skipping(folder: Path) -> None:
    path = folder / "t.tsv.gz"
    whole = gzip.compress(b"a\tb\n" + b"".join(b"%d\t%d\n" % (i, i * 7919) for i in range(300_000)))
    for content in (whole[: len(whole) // 2], b"plain text"):
        path.write_bytes(content)
        with pytest.raises(LoadError, match="cut or damaged"):
            list(read(path, TAB, Faults(stop=False)))


def test_absent_file_and_missing_column(folder: Path) -> None:
    with pytest.raises(LoadError, match="cannot read it: No such file"):
        rows(folder / "absent", TAB)
    path = folder / "t.tsv"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(LoadError, match=r"t\.tsv:1: expected the columns a, c; c not among a, b"):
        list(read(path, TAB, Faults(), ("a", "c")))


def test_rejects_file(folder: Path) -> None:
    path, rejects = folder / "t.tsv", folder / "rejects.csv"
    path.write_bytes(b"a\tb\n1\t2\n3\nx\t\xff\n4\t5\n")
    with Faults(stop=False, rejects=rejects) as faults:
        assert rows(path, TAB, faults) == [(2, "1", "2"), (5, "4", "5")]
    with rejects.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == ["file", "line", "reason", "row"]
    assert {(row[0], row[1]) for row in found[1:]} == {(str(path), "3"), (str(path), "4")}
    assert faults.count == 2
