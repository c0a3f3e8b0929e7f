"""Every reader of a file against every hostile content: refused by name (and line where there are lines), or read.

What ends in anything but an error of :mod:`kg_rec.errors` would be told at the command line as a fault of kg_rec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kg_rec.errors import MOST_CHARACTERS, ConfigError, KgRecError, LoadError, SchemaError
from kg_rec.explain.words.checks import verdicts
from kg_rec.explain.words.phrasebook import Phrasebook
from kg_rec.feedback.file import read_reactions
from kg_rec.feedback.learn import LearnedFile
from kg_rec.jobs.candidates import file_keys
from kg_rec.jobs.config import read_job
from kg_rec.loaders.base import load
from kg_rec.loaders.mapping import TableMapping
from kg_rec.model.config import TrainConfig
from kg_rec.model.persist import load as load_model
from kg_rec.schema import GraphSchema
from kg_rec.serve.tokens import read_tokens
from kg_rec.snapshot import Snapshot
from kg_rec.split_files import read_rows
from kg_rec.store import GraphStore, connect
from kg_rec.store.credentials import read_credentials
from kg_rec.textfile import read_toml

ITEMS = '[[nodes]]\ntype = "Item"\ncolumns = { item_id = "id", name = "name" }\n'
SCHEMA = GraphSchema.bundled("interactions")
TURTLE = (
    "@prefix : <urn:x#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .\n"
    "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"
)


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        file: the name of its file.
        body: a file of it; ``@`` stands for a value, written as the format writes a JSON text, number or list.
        read: reads the file.
        lines: whether it knows on which line a value stands.
    """

    file: str
    body: str
    read: Callable[[Path, GraphStore], Any]
    lines: bool = False


def loads(form: str, **options: Any) -> Callable[[Path, GraphStore], Any]:
    def read(path: Path, store: GraphStore) -> Any:
        mapping = path.parent / "m.toml"
        mapping.write_text(ITEMS, encoding="utf-8")
        more = {"mapping": str(mapping)} if form == "table" else {}
        return load(store, form, path, schema=SCHEMA, **options, **more)

    return read


def auth(path: Path, store: GraphStore) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NEO4J_USERNAME", "NEO4J_PASSWORD"):
            patch.delenv(name, raising=False)
        patch.setenv("NEO4J_AUTH_FILE", str(path))
        if path.exists():
            path.chmod(0o600)
        return read_credentials()


def read_events(path: Path, store: GraphStore) -> Any:
    return read_reactions(path, 0)


READERS = {
    "JSON Lines": Reader("t.jsonl", '{"id": "A", "name": "a"}\n{"id": "B", "name": @}\n', loads("table"), True),
    "JSON Lines, key": Reader("k.jsonl", '{"id": "A", "name": "a"}\n{"id": @, "name": "b"}\n', loads("table"), True),
    "CSV": Reader("t.csv", "id,name\nB,@\n", loads("table"), True),
    "RecBole": Reader("d.inter", "user_id:token\titem_id:token\trating:float\nu\t@\t1\n", loads("recbole"), True),
    "N-Triples": Reader(
        "t.nt",
        "<urn:e:F> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:m#Item> .\n<urn:e:F> <urn:m#name> @ .\n",
        loads("rdf"),
        True,
    ),
    "Turtle": Reader("t.ttl", "@prefix m: <urn:m#> .\n<urn:e:F> a m:Item ; m:name @ .\n", loads("rdf")),
    "mapping": Reader(
        "map.toml",
        '[[nodes]]\ntype = "Item"\ncolumns = { item_id = @ }\n',
        lambda path, store: TableMapping.from_file(path),
    ),
    "settings": Reader(
        "c.toml", "seed = 1\n[relational]\nsteps = @\n", lambda path, store: TrainConfig.from_toml(path)
    ),
    "job": Reader("j.toml", 'model = "m"\ngraph = "g"\nk = @\n', lambda path, store: read_job(path)),
    "schema": Reader(
        "s.ttl",
        TURTLE + "<urn:x> a kr:Schema ; rdfs:label @ .\n:U a kr:UserType ; sh:property "
        "[ sh:path :u ; sh:datatype xsd:string ; sh:minCount @ ; kr:use kr:key ] .\n",
        lambda path, store: GraphSchema.from_file(path),
    ),
    "phrasebook": Reader(
        "p.jsonl",
        '{"schema": "movies", "lang": "en", "pattern": "x", "tone": "friendly", "text": @}\n',
        lambda path, store: Phrasebook.load(path),
        True,
    ),
    "sentences": Reader(
        "s.tsv", "lang\tpattern\ttext\nen\tx\t@\n", lambda path, store: verdicts(GraphSchema.bundled("movies"), path)
    ),
    "keys": Reader("users.txt", "@\n", lambda path, store: file_keys(path)),
    "credentials": Reader("auth", "neo4j\n@\n", auth),
    "split": Reader("train.tsv", "user\titem\trating\nu\ti\t@\n", lambda path, store: read_rows(path), True),
    "tokens": Reader(
        "tokens", '{"name": @, "role": "reader", "sha256": "00"}\n', lambda path, store: read_tokens(path), True
    ),
    "model": Reader("model.json", '{"format": @}', lambda path, store: load_model(path.parent)),
    "snapshot": Reader("manifest.json", '{"format": @}', lambda path, store: Snapshot.load(path.parent)),
    "events": Reader(
        "e.jsonl", '{"event": "a", "user": "u", "item": "i", "kind": "click", "at": @}\n', read_events, True
    ),
    "events, key": Reader("f.jsonl", '{"event": "a", "user": @, "item": "i", "kind": "like"}\n', read_events, True),
    "events, value": Reader(
        "g.jsonl", '{"event": "a", "user": "u", "item": "i", "kind": "like", "value": @}\n', read_events, True
    ),
    "weights": Reader("feedback.json", '{"versions": [@]}', lambda path, store: LearnedFile(path).versions()),
}
#: What a file holds in place of one of its values.
VALUES = {
    "deep lists": "[" * 100_000,
    "deep lists, closed": "[" * 3_000 + "]" * 3_000,
    "5,000 digits": "9" * 5_000,
    "half a character": '"\\ud83d"',
    "half a character, raw": '"\udc80"',
    "beyond Unicode": '"\\U00110000"',
    "NUL": '"\\u0000"',
    "a format field": '"{0.__class__}"',
    "a long text": '"' + "A" * 100_000 + '"',
    "a list": '["x"]',
    "an object": '{"x": 1}',
    "a number": "1e999",
    "negative zero": "-0.0",
    "a control character": '"\\u001b[31m"',
}
#: What a file is, as a whole.
FILES = {
    "no UTF-8": b"caf\xe9\n",
    "all bytes": bytes(range(256)) * 20,
    "zeros": bytes(5_000),
    "nothing": b"",
    "a blank": b" \n",
    "a byte order mark alone": b"\xef\xbb\xbf",
    "UTF-16, cut": "\ufeffid,name\n".encode("utf-16-le")[:-1],
    "UTF-32 mark alone": b"\xff\xfe\x00\x00",
    "a word": b"hello",
    "a quote": b'"',
    "null": b"null\n",
    "CR alone": b"a\rb\r",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GraphStore]:
    with closing(connect(str(tmp_path / "graph"))) as opened:
        yield opened


def refused(reader: Reader, path: Path, store: GraphStore) -> KgRecError | None:
    """Why a reader refuses a file, None where it reads it; the message names the file, is short and can be printed."""
    try:
        reader.read(path, store)
    except KgRecError as error:
        text = str(error)
        assert path.name in text or str(path.parent) in text
        assert len(text) <= MOST_CHARACTERS
        assert "set_int_max_str_digits" not in text  # what Python advises its programmers
        assert "recursion" not in text
        text.encode()
        return error
    return None


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", READERS)
def test_a_hostile_value(name: str, value: str, tmp_path: Path, store: GraphStore) -> None:
    reader = READERS[name]
    path = tmp_path / reader.file
    body = reader.body.replace("@prefix", "\0").replace("@", VALUES[value]).replace("\0", "@prefix")
    path.write_bytes(body.encode("utf-8", "surrogatepass"))
    error = refused(reader, path, store)
    digits = value in ("5,000 digits", "deep lists") and path.suffix in (".jsonl", ".toml", ".json")
    if value == "half a character, raw" or digits:
        assert error is not None
    if error is not None and reader.lines:
        assert f"{path}:" in str(error)


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize("name", READERS)
def test_a_hostile_file(name: str, content: str, tmp_path: Path, store: GraphStore) -> None:
    path = tmp_path / READERS[name].file
    path.write_bytes(FILES[content])
    error = refused(READERS[name], path, store)
    if content in ("no UTF-8", "all bytes"):
        assert error is not None


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["absent", "folder", "long line"])
def test_what_is_no_file_or_has_no_lines(name: str, kind: str, tmp_path: Path, store: GraphStore) -> None:
    path = tmp_path / READERS[name].file
    if kind == "folder":
        path.mkdir()
    elif kind == "long line":
        path.write_bytes(b"x" * (17 << 20))
    if (name, kind) != ("weights", "absent"):  # no weights were learned yet
        assert refused(READERS[name], path, store) is not None


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_as_editors_write_them(form: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    lines = ['{"event": "a", "user": "u", "item": "café", "kind": "buy", "at": 7}', "", '{"event": "b"}']
    path.write_bytes(end.join(lines[:2]).encode(form))
    row = {"event": "a", "list": "", "user": "u", "item": "café", "at": 7, "kind": "buy", "value": 1.0}
    assert read_reactions(path, 0).to_pylist() == [row]
    path.write_bytes(end.join(lines).encode(form))
    with pytest.raises(LoadError, match=r"e\.jsonl:3: user: expected str, got None"):
        read_reactions(path, 0)


KEYS = {
    "lists": pa.array([["a"]]),
    "objects": pa.array([{"a": 1}]),
    "maps": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
    "bytes": pa.array([b"\xff"]),
    "durations": pa.array([1], pa.duration("s")),
    "times of day": pa.array([1], pa.time64("us")),
    "decimals": pa.array(["1e30"]).cast(pa.decimal128(38, 2)),
    "halves": pa.array([1.5], pa.float16()),
    "nulls": pa.nulls(1),
    "large lists": pa.array([["a"]], pa.large_list(pa.string())),
    "dictionaries of bytes": pa.array([b"\xff"]).dictionary_encode(),
    "timestamps beyond Python": pa.array([2**62], pa.timestamp("us")),
    "dates beyond Python": pa.array([2**30], pa.date32()),
    "views": pa.array(["a"], pa.string_view()),
    "fixed bytes": pa.array([b"\xff\xfe"], pa.binary(2)),
}


#: Columns that are text or numbers, so that a key or a name can be made of them.
TAKEN = ("decimals", "halves", "views", "times of day", "timestamps beyond Python", "dates beyond Python")


@pytest.mark.parametrize("column", ["id", "name"])
@pytest.mark.parametrize("kind", KEYS)
def test_a_hostile_column_of_parquet(kind: str, column: str, tmp_path: Path, store: GraphStore) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": ["A"], "name": ["a"]} | {column: KEYS[kind]}), path)
    error = refused(Reader("t.parquet", "", loads("table")), path, store)
    assert (error is None) == (kind in TAKEN or (kind == "nulls" and column == "name"))


@pytest.mark.parametrize("name", READERS)
def test_what_a_link_leads_to_is_not_told(name: str, tmp_path: Path, store: GraphStore) -> None:
    folder, secret = tmp_path / "data", tmp_path / "secret"
    folder.mkdir()
    (folder / READERS[name].file).symlink_to(secret)
    for text in ("root:*:hunter2:\nx\n", 'root = "hunter2"\n', '{"hunter2": "hunter2"}\n', '["hunter2"]\n'):
        secret.write_text(text, encoding="utf-8")
        error = refused(READERS[name], folder / READERS[name].file, store)
        assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":HAS_CATEGORY", ":KgRecRun", "KgRecRun"),
        (":Category", ":KgRecSchema", "KgRecSchema"),
        (":Category", ":" + "C" * 100_000, "the local name must be at most 63 letters"),
        (
            'kr:phrase "belongs to the category {}"@en',
            'kr:phrase "{0.__class__} {}"@en',
            r"a phrase has exactly one {}",
        ),
        ('kr:phrase "belongs to the category {}"@en', 'kr:phrase "{0.__class__}"@en', r"a phrase has exactly one {}"),
    ],
)
def test_a_hostile_schema(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.ttl"
    text = SCHEMA.turtle
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SchemaError, match=rf"s\.ttl: .*{message}") as caught:
        GraphSchema.from_file(path)
    assert len(str(caught.value)) <= MOST_CHARACTERS


@pytest.mark.parametrize(
    "line", ["a." * 50_000 + "b = 1", "[[a." + "b." * 60 + "c]]", "x = {a." + "b . " * 50 + "c = 1}"]
)
def test_a_key_of_many_parts(line: str, tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f"# {'a.' * 70}\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"m\.toml:2: lists or tables stand too deep"):
        read_toml(path)
    path.write_text(f"x = '{'a.' * 70}'\n", encoding="utf-8")
    assert read_toml(path)[0] == {"x": "a." * 70}


@pytest.mark.parametrize("value", ["[[1]]", "[1]", '["middle"]', '"source"', "{}", "9" * 5_000])
def test_a_hostile_mapping(value: str, tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f'[[edges]]\nrelation = "R"\nsource = "a"\ntarget = "b"\ncreate = {value}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"m\.toml"):
        TableMapping.from_file(path)
