"""Text as people's programs write it: marks, line ends, wide encodings, lines without end."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg_rec import textfile
from kg_rec.errors import AuthenticationError, ConfigError, LoadError, SchemaError
from kg_rec.explain.words.phrasebook import Phrasebook
from kg_rec.jobs.candidates import file_keys
from kg_rec.loaders.mapping import TableMapping
from kg_rec.loaders.text import Faults, Layout, read_whole
from kg_rec.model.config import TrainConfig
from kg_rec.schema import GraphSchema
from kg_rec.store.credentials import read_credentials
from kg_rec.textfile import _lines, csv_cell, line_blocks, parse_json, read_lines, read_text

TEXT = "id\tname\nä1\tOne 七\nb\tTwo\n"
FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "mark": lambda t: t.encode("utf-8-sig"),
    "crlf": lambda t: t.replace("\n", "\r\n").encode(),
    "cr": lambda t: t.replace("\n", "\r").encode(),
    "mark and crlf": lambda t: t.replace("\n", "\r\n").encode("utf-8-sig"),
    "utf-16": lambda t: t.encode("utf-16"),
    "utf-16-be with a mark": lambda t: ("\ufeff" + t).encode("utf-16-be"),
    "utf-16-le": lambda t: t.encode("utf-16-le"),
    "utf-16-be": lambda t: t.encode("utf-16-be"),
    "utf-16 and crlf": lambda t: t.replace("\n", "\r\n").encode("utf-16"),
    "utf-16 and cr": lambda t: t.replace("\n", "\r").encode("utf-16"),
    "utf-32": lambda t: t.encode("utf-32"),
    "utf-32-le": lambda t: t.encode("utf-32-le"),
    "utf-32-be": lambda t: t.encode("utf-32-be"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(FORMS[form](TEXT))
    assert read_text(path) == TEXT
    assert read_whole(path, Layout(), Faults()).table.to_pydict() == {"id": ["ä1", "b"], "name": ["One 七", "Two"]}
    assert file_keys(path) == TEXT.splitlines()
    assert read_text("-", stream=io.BytesIO(FORMS[form](TEXT))) == TEXT
    zipped = tmp_path / "t.tsv.gz"
    zipped.write_bytes(gzip.compress(FORMS[form](TEXT)))
    assert read_text(zipped) == TEXT
    path.write_bytes(FORMS[form]("# settings\nseed = 7\n"))
    assert TrainConfig.from_toml(path).seed == 7
    path.write_bytes(FORMS[form]('[[nodes]]\ntype = "Item"\ncolumns = { item_id = "id" }\n'))
    assert TableMapping.from_file(path).nodes[0].type == "Item"
    schema = GraphSchema.bundled("interactions")
    path.write_bytes(FORMS[form](schema.turtle))
    assert GraphSchema.from_file(path).digest == schema.digest
    for text in ("neo4j\nsecret\n", "neo4j/secret\n"):
        path.write_bytes(FORMS[form](text))
        path.chmod(0o600)
        monkeypatch.setenv("NEO4J_AUTH_FILE", str(path))
        monkeypatch.delenv("NEO4J_USERNAME", raising=False)
        monkeypatch.delenv("NEO4J_PASSWORD", raising=False)
        assert read_credentials() == ("neo4j", "secret")
        assert "secret" not in repr(read_credentials())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "latin-1", "shift_jis", "utf-7", "utf-8-sig"])
def test_every_encoding_that_can_be_named_can_be_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("id,name\na,One\n".encode(encoding))
    assert read_whole(path, Layout(",", encoding=encoding), Faults()).table.to_pydict() == {
        "id": ["a"],
        "name": ["One"],
    }


def test_other_bytes_are_told_by_file_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"one\r\ntwo \xff\r\n")
    for read, error in (
        (lambda: read_text(path), LoadError),
        (lambda: file_keys(path), ConfigError),
        (lambda: TrainConfig.from_toml(path), ConfigError),
        (lambda: TableMapping.from_file(path), ConfigError),
        (lambda: GraphSchema.from_file(path), SchemaError),
    ):
        with pytest.raises(error, match=r"t\.txt:2: expected utf-8 text, got byte 0xff at column 5"):
            read()


def test_half_a_pair_of_utf_16_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes("id\na\nb\ud83d\nc\n".encode("utf-16-le", "surrogatepass"))
    with pytest.raises(LoadError, match=r"t\.tsv:3: expected utf-8 text"):
        read_whole(path, Layout(), Faults())
    assert read_whole(path, Layout(), Faults(stop=False)).table.to_pydict() == {"id": ["a", "c"]}
    path.write_bytes("id\na\n".encode("utf-16-le") + b"x")
    with pytest.raises(LoadError, match=r"t\.tsv:3: expected utf-16-le text; the file is cut or damaged here"):
        read_text(path)


def test_a_line_without_end_is_refused_and_the_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "LINE_BYTES", 100)
    monkeypatch.setattr(textfile, "_BLOCK_BYTES", 30)
    path = tmp_path / "t.tsv"
    for text in ("id\na\n" + "x" * 1000 + "\nb\n", "id\na\n" + "x" * 101 + "\nb\n" + "y" * 150):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(LoadError, match=r"t\.tsv:3: the line is longer than"):
            read_whole(path, Layout(), Faults())
        with pytest.raises(LoadError, match=r"t\.tsv:3: the line is longer than"):
            read_text(path)
        faults = Faults(stop=False)
        assert read_whole(path, Layout(), faults).table.to_pydict() == {"id": ["a", "b"]}
        assert faults.count == 1 + ("y" in text)
    path.write_text("id\n" + "x" * 100, encoding="utf-8")
    assert read_text(path) == "id\n" + "x" * 100


def test_keys_are_kept_exactly(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    path.write_bytes("\ufeff u1\r\nu1 \r\n\r\n \r\nu\xa01\r\nu1 \r\n".encode())
    assert read_lines(path) == [" u1", "u1 ", "u\xa01", "u1 "]
    assert file_keys(path) == [" u1", "u1 ", "u\xa01"]


def test_an_auth_file_without_a_password_does_not_show_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "auth"
    path.write_text("hunter2\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("NEO4J_AUTH_FILE", str(path))
    monkeypatch.delenv("NEO4J_USERNAME", raising=False)
    monkeypatch.delenv("NEO4J_PASSWORD", raising=False)
    with pytest.raises(AuthenticationError, match="expected the user on line one") as caught:
        read_credentials()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "NaN", "-Infinity", '{"a": 1, "a": 2}', "{", ""])
def test_json_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"deep|digits|not valid JSON|comes twice"):
        parse_json(text)


def test_a_phrasebook_made_to_break_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    for data in (b"[" * 100_000, b"9" * 5000, b'{"schema": "\xff"}'):
        path.write_bytes(data)
        with pytest.raises(Exception, match=r"p\.jsonl:1: ") as caught:
            Phrasebook.load(path)
        assert type(caught.value).__name__ == "PhraseError"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=cmd|calc", "'=cmd|calc"),
        ("+1+1", "'+1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("-5", "-5"),
        ("+4.5e3", "+4.5e3"),
        (-5, -5),
        ("a=b", "a=b"),
        (None, None),
    ],
)
def test_csv_cells_are_no_formulas(value: object, expected: object) -> None:
    assert csv_cell(value) == expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), size=st.integers(1, 40))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, data: bytes, size: int
) -> None:
    monkeypatch.setattr(textfile, "_BLOCK_BYTES", size)
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    with contextlib.suppress(LoadError):
        assert "\r\n" not in read_text(path)
    try:
        blocks = list(line_blocks(path))
    except LoadError:
        return
    assert [b.line for b in blocks] == [1 + sum(c.data.count(b"\n") for c in blocks[:n]) for n in range(len(blocks))]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\r\n\ufeff\0", exclude_categories=["Cs"])), min_size=1),
    form=st.sampled_from(["plain", "mark", "crlf", "mark and crlf", "utf-16", "utf-32"]),
    size=st.integers(1, 40),
)
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, lines: list[str], form: str, size: int
) -> None:
    monkeypatch.setattr(textfile, "_BLOCK_BYTES", max(size, 4))
    path = tmp_path_factory.getbasetemp() / "text.txt"
    text = "".join(f"{line}\n" for line in lines)
    path.write_bytes(FORMS[form](text))
    assert read_text(path) == text


def test_a_line_that_never_ends_is_told_at_once() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"x" * size

    with pytest.raises(LoadError, match=r"zero:1: the line is longer than 16 MiB"):
        read_text("zero", stream=Endless())  # type: ignore[arg-type]
    parts = [b"a\n", b"x" * (17 << 20), b"x\nb\nc", b"d\n", b"y" * (17 << 20)]
    found = list(_lines(iter(parts), "utf-8"))
    assert [(b.line, b.data, b.too_long) for b in found] == [
        (1, b"a\n", False),
        (2, b"", True),
        (3, b"b\n", False),
        (4, b"cd\n", False),
        (5, b"", True),
    ]
