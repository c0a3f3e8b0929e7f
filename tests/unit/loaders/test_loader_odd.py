"""Odd values: what each means as a key and as a time, and that an odd row is left out alone."""

from __future__ import annotations

import csv
import gzip
import json
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loader_graph import Graph

from kg_rec.errors import KgRecError, LoadError, SchemaError
from kg_rec.loaders.cells import seconds, texts, told_of_small
from kg_rec.schema import GraphSchema

ITEMS = '[[nodes]]\ntype = "Item"\ncolumns = { item_id = "id", name = "name" }\n'
EDGES = (
    '[[edges]]\nrelation = "INTERACTED"\nsource = "u"\ntarget = "i"\n'
    'columns = { weight = "w", time = "t" }\ncreate = ["source", "target"]\n'
)
SCHEMA = GraphSchema.bundled("interactions")


def load(graph: Graph, path: Path, mapping: str, **options: Any) -> Any:
    file = path.with_name("m.toml")
    file.write_text(mapping, encoding="utf-8")
    return graph.load("table", path, schema=SCHEMA, mapping=str(file), **options)


def jsonl(folder: Path, *rows: Any) -> Path:
    path = folder / "t.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("column", "expected", "at_fault"),
    [
        (
            pa.array([1.0, float("nan"), 4006381333931.0, 2e16, 1.5, -0.0]),
            "1 - 4006381333931 20000000000000000 1.5 0",
            {},
        ),
        (pa.array([float("inf"), 1.0]), "- 1", {0: "infinity"}),
        (pa.array([2**63 + 5], pa.uint64()), "9223372036854775813", {}),
        (pa.array([Decimal("1.00"), Decimal("2.50")]), "1 2.5", {}),
        (pa.array([True, None]), "true -", {}),
        (pa.array([b"a", None], pa.binary()), "- -", {0: "got bytes"}),
        (pa.array([["a"], None]), "- -", {0: "got a list"}),
        (pa.array([{"a": 1}]), "-", {0: "got an object"}),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "-", {0: "got a list"}),
        (pa.array(["a", "b"], pa.string_view()), "a b", {}),
        (pa.array(["a", "b"]).dictionary_encode(), "a b", {}),
        (pa.array([uuid.UUID(int=1).bytes], pa.uuid()), str(uuid.UUID(int=1)), {}),
        (pa.array([date(2024, 1, 2)]), "2024-01-02", {}),
        (pa.array(["x\0y", "z"]), "- z", {0: "NUL"}),
        (pa.array([timedelta(1)]), "-", {0: "timedelta"}),
    ],
)
def test_what_a_cell_means_as_a_key(column: pa.Array, expected: str, at_fault: dict[int, str]) -> None:
    found, faults = texts(column)
    assert found.to_pylist() == [None if text == "-" else text for text in expected.split(" ")]
    assert {row: at_fault[row] in reason for row, reason in faults.items()} == dict.fromkeys(at_fault, True)


def test_bytes_that_are_no_text_are_at_fault_alone() -> None:
    offsets = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0")
    found, faults = texts(pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffa")]))
    assert found.to_pylist() == [None, "a"]
    assert "UTF-8" in faults[0]


NOON = 1_704_196_800


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([NOON, -NOON, None]), [NOON, -NOON, None]),
        (pa.array([NOON + 0.5, float("nan"), -0.5]), [NOON, None, -1]),
        (pa.array([str(NOON), "", f"{NOON}.9", "1e9", "2024-01-02T12:00:00", "2024-01-02T13:00:00+01:00"]),
         [NOON, None, NOON, 10**9, NOON, NOON]),
        (pa.array(["2024-01-02 12:00:00Z", "2024-01-02"]), [NOON, NOON - 43_200]),
        (pa.array([date(2024, 1, 2), None]), [NOON - 43_200, None]),
        *((pa.array([datetime(2024, 1, 2, 12)], pa.timestamp(unit)), [NOON]) for unit in ("s", "ms", "us", "ns")),
        (pa.array([datetime(2024, 1, 2, 12, tzinfo=UTC)], pa.timestamp("us", "Asia/Tokyo")), [NOON]),
    ],
)  # fmt: skip
def test_times(column: pa.Array, expected: list[int | None]) -> None:
    found, faults = seconds(pc_null(column))
    assert (found.to_pylist(), faults) == (expected, {})


def pc_null(column: pa.Array) -> pa.Array:
    return pa.array([None if v == "" else v for v in column.to_pylist()]) if pa.types.is_string(column.type) else column


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (NOON * 1000, "looks like milliseconds; divide by 1,000"),
        (str(NOON * 10**6), "looks like microseconds"),
        (NOON * 10**9, "looks like nanoseconds"),
        ("yesterday", "or as YYYY-MM-DDTHH:MM:SS, got 'yesterday'"),
        (timedelta(1), "expected a time in seconds since 1970"),
        (-(2**62), "in the years 1600 to 2199"),
        ("9999-12-31", "got one in 9999; correct it, or leave it empty"),
        (datetime(2262, 1, 1), "got one in 2262"),
        (1e300, "expected a time in seconds since 1970"),
        (20240229, "got 20240229, which looks like a day; write it as 2024-02-29"),
        (20240229235959, "looks like a date and time; write it as YYYY-MM-DDTHH:MM:SS"),
        (202402292359, "looks like a date and time"),
    ],
)
def test_times_that_cannot_be(value: Any, message: str) -> None:
    faults = seconds(pa.array([value]))[1]
    assert message in faults[0]
    good = pa.array([NOON, value, NOON]) if isinstance(value, int | float) else pa.array([value, value])
    assert sorted(seconds(good)[1]) == ([1] if isinstance(value, int | float) else [0, 1])


def test_few_seconds_are_no_days() -> None:
    assert seconds(pa.array([20240501, 20240502, 7]))[1] == {}
    assert seconds(pa.array([20240230, 20241301, 18991231]))[1] == {}
    assert sorted(seconds(pa.array(["20240501", "", "20240502", str(NOON)]))[1]) == [0, 2]


@pytest.mark.parametrize(
    ("least", "most", "told"),
    [
        (19_700, 19_990, "they look like days since 1970; multiply them by 86,400"),
        (475_000, 475_900, "they look like hours since 1970; multiply them by 3,600"),
        (28_000_000, 28_900_000, "they look like minutes since 1970; multiply them by 60"),
        (1, 711, "if they are no seconds, such as days, multiply them"),
        (5, 5, ""),
        (-5, 5, ""),
        (1_000, NOON, ""),
    ],
)
def test_times_that_are_hardly_seconds(graph: Graph, folder: Path, least: int, most: int, told: str) -> None:
    assert told_of_small(least, most) == told
    rows = [{"u": "a", "i": i, "w": 1, "t": t} for i, t in (("x", most), ("y", least))]
    read = f"INTERACTED.time: {least:,} to {most:,} is read as seconds since 1970; {told}"
    assert load(graph, jsonl(folder, *rows), EDGES).notes == ((read,) if told else ())


def test_a_time_in_other_units_is_told_by_file_and_line(graph: Graph, folder: Path) -> None:
    good, odd = {"u": "a", "i": "x", "w": 1, "t": NOON}, {"u": "b", "i": "x", "w": 1, "t": NOON * 1000}
    with pytest.raises(LoadError, match=r"t\.jsonl:2: INTERACTED\.time: .* milliseconds"):
        load(graph, jsonl(folder, good, odd), EDGES)
    report = load(graph, jsonl(folder, good, odd), EDGES, on_error="skip", rejects=folder / "r.csv")
    assert (report.rejected, graph.edges("INTERACTED")) == (1, {("a", "x"): {"weight": 1.0, "time": NOON}})


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"id": "C", "name": ["bad", "list"]}, "name: expected text or a number, got a list"),
        ({"id": ["C"], "name": "c"}, "id: expected text or a number, got a list"),
        ({"id": "C", "name": {"en": "c"}}, "name: expected text or a number, got an object"),
        ('{"id": "C", "name": "half \\ud83d"}', r"half a character \(\\ud83d\) at 6"),
        ('{"id": "C", "id": "D", "name": "c"}', "the key 'id' comes twice"),
        ('{"id": "C", "name": NaN}', "not valid JSON: NaN"),
        ('{"id": "C", "name": ' + "[" * 100_000, "too deep"),
        ('{"id": ' + "9" * 5000 + "}", "digits"),
        ('{"id": "C\\u0000", "name": "c"}', "NUL"),
        ("[1]", "expected a JSON object, got a list"),
    ],
)
def test_an_odd_line_is_left_out_alone(graph: Graph, folder: Path, odd: Any, message: str) -> None:
    rows = [{"id": "A", "name": "a"}, {"id": "B", "name": "b"}, odd, {"id": "D", "name": "d"}]
    with pytest.raises(LoadError, match=r"t\.jsonl:3: .*" + message):
        load(graph, jsonl(folder, *rows), ITEMS)
    report = load(graph, jsonl(folder, *rows), ITEMS, on_error="skip", rejects=folder / "r.csv")
    assert (report.rejected, sorted(graph.nodes("Item"))) == (1, ["A", "B", "D"])
    with (folder / "r.csv").open(encoding="utf-8", newline="") as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["3"]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('[{"id": "A", "name": "a"},\n{"id": "B", "name": "b"}]\n', r"one object a line, as `jq -c '\.\[\]'` does"),
        ('[{"id": "A", "name": "a"}, {"id": "B", "name": "b"}]\n', r"one object a line, as `jq -c '\.\[\]'` does"),
        ('{\n  "id": "A",\n  "name": "a"\n}\n', r"each object on a line of its own, as `jq -c \.` does"),
    ],
)
def test_a_file_that_is_one_value_is_told_how_to_become_lines(
    graph: Graph, folder: Path, text: str, advice: str
) -> None:
    path = folder / "t.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LoadError, match=r"t\.jsonl:1: .*" + advice):
        load(graph, path, ITEMS)
    with pytest.raises(LoadError, match="jq"):
        load(graph, path.rename(folder / "t.json"), ITEMS)


def test_a_schema_may_be_given_by_its_name(graph: Graph, folder: Path) -> None:
    (folder / "m.toml").write_text(ITEMS, encoding="utf-8")
    path = jsonl(folder, {"id": "A", "name": "a"})
    graph.load("table", path, schema="interactions", mapping=str(folder / "m.toml"))
    assert graph.nodes("Item") == {"A": {"name": "a"}}
    with pytest.raises(SchemaError, match="no bundled schema 'interaction'; expected one of"):
        graph.load("table", path, schema="interaction", mapping=str(folder / "m.toml"))


def test_an_odd_row_of_a_parquet_file_is_left_out_alone(graph: Graph, folder: Path) -> None:
    path = folder / "t.parquet"
    pq.write_table(pa.table({"id": [4006381333931.0, float("nan"), 5000159461122.0], "name": ["a", "b", "c"]}), path)
    with pytest.raises(LoadError, match=r"t\.parquet:2: Item\.item_id: a value is required"):
        load(graph, path, ITEMS)
    assert load(graph, path, ITEMS, on_error="skip", rejects=folder / "r.csv").rejected == 1
    assert set(graph.nodes("Item")) == {"4006381333931", "5000159461122"}


def test_a_row_that_nodes_and_edges_refuse_counts_once(graph: Graph, folder: Path) -> None:
    path = folder / "t.parquet"
    pq.write_table(pa.table({"u": [1.0, None], "i": ["x", "y"], "w": [1.0, 1.0], "t": [NOON, NOON]}), path)
    report = load(graph, path, EDGES, on_error="skip", rejects=folder / "r.csv")
    assert (report.rejected, set(graph.edges("INTERACTED"))) == (1, {("1", "x")})


def test_a_load_of_which_no_row_fits_has_failed(graph: Graph, folder: Path) -> None:
    path = folder / "t.parquet"
    pq.write_table(pa.table({"id": [b"a", b"b"], "name": ["a", "b"]}), path)
    with pytest.raises(LoadError, match=r"no row fits: 2 rows are at fault, listed in .*r\.csv"):
        load(graph, path, ITEMS, on_error="skip", rejects=folder / "r.csv")


def test_an_unclosed_quote_takes_no_other_row_with_it(graph: Graph, folder: Path) -> None:
    path = folder / "t.csv"
    path.write_text('id,name\nA,a\nB,"b\nC,c\nD,"d"\nE,"two\nlines"\n', encoding="utf-8")
    report = load(graph, path, ITEMS, on_error="skip", rejects=folder / "r.csv")
    assert report.rejected == 1
    assert graph.nodes("Item") == {
        "A": {"name": "a"},
        "C": {"name": "c"},
        "D": {"name": "d"},
        "E": {"name": "two\nlines"},
    }
    with pytest.raises(LoadError, match=r"t\.csv:3: not valid CSV"):
        load(graph, path, ITEMS)


def test_lists_of_targets_of_any_kind(graph: Graph, folder: Path) -> None:
    path = folder / "t.parquet"
    pq.write_table(pa.table({"id": [1.0, 2.0], "name": ["a", "b"], "c": [[10, 20], [20]]}), path)
    mapping = ITEMS + '[[edges]]\nrelation = "HAS_CATEGORY"\nsource = "id"\ntarget = "c"\ncreate = ["target"]\n'
    load(graph, path, mapping)
    assert set(graph.edges("HAS_CATEGORY")) == {("1", "10"), ("1", "20"), ("2", "20")}


def test_keys_that_look_alike_get_a_note_and_stay_as_they_are(graph: Graph, folder: Path) -> None:
    keys = ["café", "cafe\u0301", "a b", "a\xa0b", "c", "c ", "d"]
    report = load(graph, jsonl(folder, *({"id": key, "name": "x"} for key in keys)), ITEMS)
    assert set(graph.nodes("Item")) == set(keys)
    assert len(report.notes) == 1
    assert report.notes[0].startswith("Item: 4 keys differ from others only in blanks or in how accents are written")


def test_rejected_cells_are_no_formulas(graph: Graph, folder: Path) -> None:
    path = folder / "t.csv"
    path.write_text("id,name\nA,a\n=cmd|calc,b,c\n-5,b,c\n", encoding="utf-8")
    load(graph, path, ITEMS, on_error="skip", rejects=folder / "r.csv")
    with (folder / "r.csv").open(encoding="utf-8", newline="") as file:
        assert [row["row"] for row in csv.DictReader(file)] == ["'=cmd|calc\tb\tc", "'-5\tb\tc"]


def test_what_a_link_leads_to_is_not_told(graph: Graph, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:*:hunter2:\nx\n", encoding="utf-8")
    for name, form, mapping in (
        ("d.inter", "recbole", None),
        ("t.csv", "table", ITEMS),
        ("t.ttl", "rdf", None),
        ("u.csv", "table", ""),
    ):
        (folder / name).symlink_to(secret)
        options = {"mapping": str(folder / "m.toml")} if mapping else {}
        (folder / "m.toml").write_text(mapping or ITEMS, encoding="utf-8")
        with pytest.raises(KgRecError) as caught:
            graph.load(form, folder / name, schema=SCHEMA, **options)
        assert "hunter2" not in str(caught.value)
        assert name in str(caught.value)


# --- RDF -----------------------------------------------------------------------------------------------

PREFIXES = (
    "@prefix : <http://ex.org/> . @prefix m: <urn:kg-rec:movies#> . "
    "@prefix a: <http://a.org/p/> . @prefix b: <http://b.org/p/> .\n"
)
MOVIES = GraphSchema.bundled("movies")


def rdf(graph: Graph, folder: Path, text: str, suffix: str = "ttl", **options: Any) -> Any:
    path = folder / f"g.{suffix}"
    path.write_text((PREFIXES if suffix == "ttl" else "") + text, encoding="utf-8")
    return graph.load("rdf", path, schema=MOVIES, **options)


FILM = ':F a m:Film ; m:title "F" ; '


def test_two_iris_never_become_one_node(graph: Graph, folder: Path) -> None:
    text = FILM + "m:directed_by a:1 , b:1 ."
    with pytest.raises(
        LoadError, match=r"<http://a.org/p/1> and <http://b.org/p/1> have the same key '1'; load with keys=iri"
    ):
        rdf(graph, folder, text)
    report = rdf(graph, folder, text, on_error="skip", rejects=folder / "r.csv")
    assert (report.rejected, len(graph.edges("DIRECTED_BY"))) == (1, 1)
    rdf(graph, folder, text, keys="iri")
    assert len(graph.edges("DIRECTED_BY")) == 3


@pytest.mark.parametrize(
    ("text", "unmapped"),
    [
        (FILM + "m:genre ( :Drama :Comedy ) .",
         {"predicate genre: the value is a blank node or a list": 1, "values in RDF lists": 2}),
        (FILM + 'm:directed_by [ a m:Person ; m:name "Ada" ] .',
         {"predicate directed_by: the value is a blank node or a list": 1, "statements about blank nodes": 2}),
        ('_:x m:title "X" . ' + FILM + ".", {"statements about blank nodes": 1}),
    ],
)  # fmt: skip
def test_blank_nodes_are_counted(graph: Graph, folder: Path, text: str, unmapped: dict[str, int]) -> None:
    assert rdf(graph, folder, text).unmapped == unmapped


@pytest.mark.parametrize(
    ("titles", "language", "expected"),
    [
        ('"Colour"@en-GB, "Color"@en-US, "Color (film)"@en, "Farbe"@de, "A"', "en", "Color (film)"),
        ('"Colour"@en-GB, "Farbe"@de, "Plain"', "en", "Plain"),
        ('"Colour"@en-GB, "Color"@en-US', "en-US", "Color"),
        ('"Colour"@en-GB, "B"@en', "en-US", "B"),
        ('"Farbe"@de, "A"@en', "de", "Farbe"),
    ],
)
def test_the_nearest_language_is_taken(graph: Graph, folder: Path, titles: str, language: str, expected: str) -> None:
    rdf(graph, folder, f":F a m:Film ; m:title {titles} .", language=language)
    assert graph.nodes("Film")["F"]["title"] == expected


def test_a_title_in_another_language_alone_names_the_subject(graph: Graph, folder: Path) -> None:
    text = ':F a m:Film ; m:title "七人の侍"@ja . :G a m:Film ; m:title "G"@en .'
    with pytest.raises(
        LoadError, match=r"<http://ex.org/F>: Film.title: expected a text in en, the file has one in ja"
    ):
        rdf(graph, folder, text)
    report = rdf(graph, folder, text, on_error="skip", rejects=folder / "r.csv")
    assert (report.rejected, list(graph.nodes("Film"))) == (1, ["G"])
    rdf(graph, folder, text.replace("@en", "@ja"), language="ja")
    assert graph.nodes("Film")["F"]["title"] == "七人の侍"


def test_a_fault_in_turtle_names_the_subject(graph: Graph, folder: Path) -> None:
    with pytest.raises(LoadError, match=r"g\.ttl: <http://ex.org/F>: Film.year: expected an integer, got '1999-05-19'"):
        rdf(graph, folder, FILM + 'm:year "1999-05-19" .')


@pytest.mark.parametrize("escape", ["\\U00110000", "\\uD83D"])
def test_escapes_that_stand_for_no_character(graph: Graph, folder: Path, escape: str) -> None:
    kind = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:m#Film> .\n"
    good = f'<http://e/F> {kind}<http://e/F> <urn:m#title> "F" .\n'
    odd = f'<http://e/F> <urn:m#summary> "{escape}" .\n'
    with pytest.raises(LoadError, match=r"g\.nt:3: expected characters of Unicode"):
        rdf(graph, folder, good + odd, "nt")
    assert rdf(graph, folder, good + odd, "nt", on_error="skip", rejects=folder / "r.csv").rejected == 1
    assert graph.nodes("Film") == {"F": {"title": "F"}}


# --- anything ------------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text(), max_size=2),
    st.dictionaries(st.text(), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
def test_any_json_is_loaded_or_refused_by_line(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    from kg_rec.loaders.base import LoadContext
    from kg_rec.loaders.check import Checker
    from kg_rec.loaders.table import TableLoader
    from kg_rec.loaders.text import Faults, Origin

    folder = tmp_path_factory.mktemp("any")
    good = {"u": "good", "i": "good", "w": 1, "t": 1}
    text = [json.dumps({"u": u, "i": i, "w": 1, "t": t}, default=str) for u, i, t in rows]
    path = jsonl(folder, good, *text)
    (folder / "m.toml").write_text(EDGES, encoding="utf-8")
    faults = Faults(stop=False)
    checker = Checker(SCHEMA, faults, lambda _: ())
    context = LoadContext(SCHEMA, {"mapping": str(folder / "m.toml")}, faults)
    kept = 0
    for batch in TableLoader().read(path, context):
        origin = batch.origin or Origin(path, pa.nulls(0, pa.int64()))
        if hasattr(batch, "relation"):
            table = checker.edges(batch.relation, batch.table, origin, batch.repeats)
            assert ("good", "good") in set(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
            kept += table.num_rows + sum(checker.repeated.values())
        else:
            checker.nodes(batch.node_type, batch.table, origin, batch.mention)
    assert kept + faults.count == len(rows) + 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "t.csv",
            "id;name\nA;a\n",
            r"not among id;name; are the fields separated by ';'\? then say delimiter",
        ),
        ("t.csv", "id\tname\nA\ta\n", r"are the fields separated by tab\?"),
        ("t.tsv", "id,name\nA,a\n", r"are the fields separated by ','\?"),
    ],
)
def test_another_delimiter_is_guessed_in_the_message(
    graph: Graph, folder: Path, name: str, text: str, message: str
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(LoadError, match=message):
        load(graph, folder / name, ITEMS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04" + bytes(40), "got a ZIP or Excel file; unpack it, or save its table as CSV"),
        (gzip.compress(b"id,name\nA,a\n", mtime=0), "got a gzipped file; let its name end in .gz"),
        (b"PAR1\x15\x04", "got a Parquet file; let its name end in .parquet"),
        (b"sep=,\nid,name\nA,a\n", "got Excel's sep=; delete that line"),
        (b"id,name\r\nA,a\nB,b\rC,c\n", "end all lines of the file alike"),
    ],
)
def test_a_file_of_another_kind_is_told_as_such(graph: Graph, folder: Path, data: bytes, message: str) -> None:
    (folder / "t.csv").write_bytes(data)
    with pytest.raises(LoadError, match=message):
        load(graph, folder / "t.csv", ITEMS)


def test_endings_in_capitals_and_columns_of_one_name(graph: Graph, folder: Path) -> None:
    (folder / "T.JSONL").write_text('{"id": "A", "name": "a"}\n', encoding="utf-8")
    load(graph, folder / "T.JSONL", ITEMS)
    pq.write_table(pa.table({"id": ["B"], "name": ["b"]}), folder / "T.PARQUET")
    load(graph, folder / "T.PARQUET", ITEMS)
    assert set(graph.nodes("Item")) == {"A", "B"}
    pq.write_table(pa.table({"id": ["B"], "name": ["b"]}).rename_columns(["id", "id"]), folder / "twice.parquet")
    with pytest.raises(LoadError, match=r"twice\.parquet: column names must differ, got id, id"):
        load(graph, folder / "twice.parquet", ITEMS)


def test_many_columns_are_read_in_one_go(graph: Graph, folder: Path) -> None:
    path = folder / "wide.csv"
    path.write_text(",".join(f"c{i}" for i in range(50_000)) + "\n", encoding="utf-8")
    with pytest.raises(LoadError, match=r"wide\.csv:1: expected the columns id, name"):
        load(graph, path, ITEMS)
