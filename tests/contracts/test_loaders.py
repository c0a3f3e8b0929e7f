"""What every load promises: known counts, nothing of a faulty batch, the same graph however often it is begun."""

from __future__ import annotations

import csv
import gzip
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import kg_rec.loaders
from kg_rec.cli import main
from kg_rec.errors import ConfigError, LoadError
from kg_rec.loaders.base import EdgeBatch, LoadContext, LoadReport, NodeBatch, formats, load
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect
from kg_rec.testing.loaders import LoaderContract, content
from kg_rec.testing.plugins import installed

MOVIES = GraphSchema.bundled("movies")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GraphStore]:
    """An empty embedded store."""
    made = connect(str(tmp_path / "graph"))
    yield made
    made.close()


def counts(store: GraphStore) -> dict[str, int]:
    return {name: table.num_rows for name, table in content(store).items()}


def test_formats_are_described() -> None:
    found = formats()
    assert {"movielens", "recbole", "hetrec-lastfm", "table", "rdf", "demo"} <= set(found)
    for name in ("movielens", "recbole", "hetrec-lastfm", "table", "rdf"):
        assert found[name].description
        assert all(found[name].options.values())
    assert {"items", "kg", "link"} <= set(found["recbole"].options)


def test_a_wrong_call_is_told_what_is_right(store: GraphStore, tmp_path: Path) -> None:
    path = tmp_path / "d.inter"
    path.write_text("user_id:token\titem_id:token\nu\ti\n")
    with pytest.raises(ConfigError, match=r"unknown format 'csv'; expected one of .*movielens, .*table"):
        load(store, "csv", path)
    with pytest.raises(ConfigError, match="format recbole: unknown option 'graph'; expected one of items, users, kg"):
        load(store, "recbole", path, graph="x")
    with pytest.raises(ConfigError, match="needs rejects=FILE"):
        load(store, "recbole", path, on_error="skip")
    with pytest.raises(ConfigError, match="rejects: cannot write"):
        load(store, "recbole", path, on_error="skip", rejects=tmp_path / "absent/rejects.csv")
    with pytest.raises(LoadError, match="no such file or folder"):
        load(store, "recbole", tmp_path / "absent")


# --- real data ---------------------------------------------------------------------------------------

FACTS = {"DIRECTED_BY": 1243, "FROM_COUNTRY": 1508, "IN_LANGUAGE": 1420, "STARRING": 6428}


@pytest.mark.shared
def test_ml_100k_with_named_facts(store: GraphStore, shared_data: Path) -> None:
    films = load(store, "recbole", shared_data / "ml-100k", kg="none")
    assert films.nodes == {"Film": 1682, "Genre": 18, "User": 943}
    assert films.edges == {"HAS_GENRE": 2891, "RATED": 100_000}
    facts = load(store, "table", shared_data / "ml-100k/dbpedia_facts.tsv")
    assert facts.edges == FACTS
    lines = (shared_data / "ml-100k/dbpedia_facts.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    people = {name for _, relation, name in rows if relation in ("directed_by", "starring")}
    assert facts.nodes["Person"] == len(people)
    assert facts.nodes["Country"] == len({name for _, relation, name in rows if relation == "country"})
    assert counts(store) == {
        **{"Film": 1682, "Genre": 18, "User": 943, "HAS_GENRE": 2891, "RATED": 100_000},
        **{"Person": len(people), "Country": facts.nodes["Country"], "Language": facts.nodes["Language"]},
        **FACTS,
    }


@pytest.mark.shared
def test_loading_again_changes_nothing(store: GraphStore, shared_data: Path) -> None:
    contents = []
    for _ in range(2):
        load(store, "recbole", shared_data / "ml-100k", kg="none")
        load(store, "table", shared_data / "ml-100k/dbpedia_facts.tsv")
        contents.append(content(store))
    assert contents[0] == contents[1]
    assert contents[1]["RATED"].num_rows == 100_000


@pytest.fixture(scope="module")
def undisturbed(real_films: Callable[[str], Path]) -> dict[str, pa.Table]:
    """The graph of one whole load of ml-100k with its knowledge graph."""
    with closing(connect(str(real_films("right")), read_only=True)) as store:
        found = content(store)
    assert found["RATED"].num_rows == 100_000
    return found


CHILD = """
import sys
from kg_rec.loaders.base import load
from kg_rec.store import connect
store = connect(sys.argv[1])
load(store, "recbole", sys.argv[2], progress=lambda done, total, what: print(done, what, flush=True))
print("finished", flush=True)
store.close()
"""


@pytest.mark.shared
@pytest.mark.parametrize(
    ("after", "seconds"), [("Film", 0.0), ("STARRING", 0.0), ("WRITTEN_BY", 0.1), ("WRITTEN_BY", 0.35)]
)
def test_killed_and_started_again(
    tmp_path: Path, shared_data: Path, undisturbed: dict[str, pa.Table], after: str, seconds: float
) -> None:
    """SIGKILL during or after a write; the second start ends in the graph of an undisturbed load."""
    url, source = str(tmp_path / "killed"), str(shared_data / "ml-100k")
    with subprocess.Popen([sys.executable, "-c", CHILD, url, source], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            assert "finished" not in line, "the load ended before it could be killed"
            if line.endswith(f"writing {after}\n"):
                time.sleep(seconds)
                child.send_signal(signal.SIGKILL)
                break
        child.wait()
    if child.returncode != -signal.SIGKILL and seconds:
        pytest.skip("this machine finished the last write before the signal came")
    assert child.returncode == -signal.SIGKILL
    again = connect(url)
    try:
        load(again, "recbole", source)
        assert content(again) == undisturbed
    finally:
        again.close()


# --- malformed files ---------------------------------------------------------------------------------

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\t1\t5\t100\nu2\t2\t3\t200\n"
ITEMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n1\tOne\t1995\tDrama\n2\tTwo\t1996\t\n"
)
NODES = '[[nodes]]\ntype = "Film"\ncolumns = { item_id = "id", title = "name", year = "year" }\n'
FACT_LINES = "item_id\trelation\tname\n1\tdirected_by\tAda\n"

# name: (format, files, path to load, file at fault, line, part of the message, what must be empty)
MALFORMED: dict[str, tuple[str, dict[str, str | bytes], str, str, int | None, str, tuple[str, ...]]] = {
    "too few columns": (
        "recbole", {"d.inter": INTER + "u3\t1\n", "d.item": ITEMS}, "d.inter",
        "d.inter", 4, "expected 4 fields", ("RATED", "User", "Film"),
    ),
    "number is text": (
        "recbole", {"d.inter": INTER + "u3\t1\tgood\t300\n", "d.item": ITEMS}, "d.inter",
        "d.inter", 4, "RATED.rating: expected a finite number, got 'good'", ("RATED",),
    ),
    "number out of range": (
        "recbole", {"d.inter": INTER + "u3\t1\t6\t300\n", "d.item": ITEMS}, "d.inter",
        "d.inter", 4, "RATED.rating: expected at most 5, got 6", ("RATED",),
    ),
    "time is no integer": (
        "recbole", {"d.inter": INTER + "u3\t1\t4\tnoon\n", "d.item": ITEMS}, "d.inter",
        "d.inter", 4,
        "RATED.timestamp: expected a time in seconds since 1970 or as YYYY-MM-DDTHH:MM:SS, got 'noon'", ("RATED",),
    ),
    "encoding": (
        "recbole", {"d.inter": INTER, "d.item": ITEMS.encode() + b"3\tCaf\xe9\t1997\t\n"}, "d.inter",
        "d.item", 4, "expected utf-8 text, got byte 0xe9 at column 6", ("Film", "RATED"),
    ),
    "unknown item": (
        "recbole", {"d.inter": INTER + "u3\t77\t4\t300\n", "d.item": ITEMS}, "d.inter",
        "d.inter", 4, "unknown Film '77'", ("RATED",),
    ),
    "item twice": (
        "recbole", {"d.inter": INTER, "d.item": ITEMS + "1\tOne again\t1995\t\n"}, "d.inter",
        "d.item", 4, "Film item_id '1' is defined twice, first at line 2", ("Film", "RATED"),
    ),
    "no title": (
        "recbole", {"d.inter": INTER, "d.item": ITEMS + "3\t\t1995\t\n"}, "d.inter",
        "d.item", 4, "Film.title: a value is required", ("Film", "RATED"),
    ),
    "empty id": (
        "recbole", {"d.inter": INTER + "\t1\t4\t300\n", "d.item": ITEMS}, "d.inter",
        "d.inter", 4, "User.user_id: a value is required", ("User", "RATED"),
    ),
    "empty file": (
        "recbole", {"d.inter": "", "d.item": ITEMS}, "d.inter",
        "d.inter", None, "the file is empty", ("User", "Film", "RATED"),
    ),
    "header only": (
        "recbole", {"d.inter": INTER.splitlines()[0] + "\n", "d.item": ITEMS}, "d.inter",
        "d.inter", None, "holds no rows", ("User", "Film", "RATED"),
    ),
    "header without types": (
        "recbole", {"d.inter": "user_id\titem_id\nu\ti\n", "d.item": ITEMS}, "d.inter",
        "d.inter", 1, "headed name:type", ("User", "Film", "RATED"),
    ),
    "gzip cut off": (
        "recbole", {"d.inter.gz": gzip.compress((INTER * 200).encode())[:-9], "d.item": ITEMS}, "d.inter.gz",
        "d.inter.gz", None, "cut or damaged", ("User", "Film", "RATED"),
    ),
    "link of nothing": (
        "recbole",
        {
            "d.inter": INTER, "d.item": ITEMS, "d.link": "item_id:token\tentity_id:token\n8\tm.x\n",
            "d.kg": "head_id:token\trelation_id:token\ttail_id:token\nm.x\tfilm.film.genre\tm.y\n",
        },
        "d.inter", "d.kg", None, "is it the link of another dataset?", ("RATED",),
    ),
    "triple with a hole": (
        "recbole",
        {
            "d.inter": INTER, "d.item": ITEMS, "d.link": "item_id:token\tentity_id:token\n1\tm.x\n",
            "d.kg": "head_id:token\trelation_id:token\ttail_id:token\nm.x\tfilm.film.subjects\t\n",
        },
        "d.inter", "d.kg", 2, "got an empty field", ("RATED", "ABOUT"),
    ),
    "not a genre flag": (
        "movielens",
        {"u.data": "1\t1\t5\t100\n", "u.item": "1|One (1995)|01-Jan-1995||x|" + "|".join("0" * 18) + "|7\n"}, ".",
        "u.item", 1, "expected 19 genre flags", ("Film", "RATED"),
    ),
    "missing fields, two-character delimiter": (
        "movielens", {"ratings.dat": "1::1::5::100\n1::2::4\n", "movies.dat": "1::One (1995)::Drama\n"}, ".",
        "ratings.dat", 2, "expected 4 fields separated by '::'", ("Film", "RATED"),
    ),
    "rating of a film that is not there": (
        "movielens",
        {
            "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,1\n1,2,4.0,1\n",
            "movies.csv": "movieId,title,genres\n1,A,B\n",
        },
        ".", "ratings.csv", 3, "unknown Film '2'", ("RATED",),
    ),
    "quote not closed": (
        "table", {"f.csv": 'id,name,year\n1,One,1995\n2,"Two,1996\n', "m.toml": NODES}, "f.csv",
        "f.csv", 3, "not valid CSV", ("Film",),
    ),
    "column absent": (
        "table", {"f.csv": "id,title,year\n1,One,1995\n", "m.toml": NODES}, "f.csv",
        "f.csv", 1, "name not among id, title, year", ("Film",),
    ),
    "year before film": (
        "table", {"f.tsv": "id\tname\tyear\n1\tOne\t1995\n2\tTwo\t1066\n", "m.toml": NODES}, "f.tsv",
        "f.tsv", 3, "Film.year: expected at least 1870, got 1066", ("Film",),
    ),
    "not JSON": (
        "table", {"f.jsonl": '{"id": 1, "name": "One"}\n{"id": 2,\n', "m.toml": NODES}, "f.jsonl",
        "f.jsonl", 2, "not valid JSON", ("Film",),
    ),
    "JSON list": (
        "table", {"f.jsonl": '{"id": 1, "name": "One", "year": 1995}\n[2]\n', "m.toml": NODES}, "f.jsonl",
        "f.jsonl", 2, "expected a JSON object, got a list", ("Film",),
    ),
    "fact about an unknown film": (
        "table", {"f.tsv": FACT_LINES}, "f.tsv",
        "f.tsv", 2, "unknown Film '1'", ("DIRECTED_BY",),
    ),
    "fact with an unknown relation": (
        "table", {"f.tsv": FACT_LINES + "1\tpainted_by\tBo\n"}, "f.tsv",
        "f.tsv", 3, "relation 'painted_by' is no relation type or alias of schema movies", ("DIRECTED_BY", "Person"),
    ),
    "triple without an end": (
        "rdf", {"g.nt": "<urn:x:a> <urn:x:title> .\n"}, "g.nt",
        "g.nt", 1, "as in N-Triples", ("Film",),
    ),
}  # fmt: skip


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def call(store: GraphStore, case: str, folder: Path, **more: object) -> LoadReport:
    format_name, files, path = MALFORMED[case][:3]
    write(folder, files)
    options = {"mapping": folder / "m.toml"} if "m.toml" in files else {}
    return load(store, format_name, folder / path, schema=MOVIES, **options, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_stop_before_their_batch(store: GraphStore, tmp_path: Path, case: str) -> None:
    *_, file, line, message, empty = MALFORMED[case]
    with pytest.raises(LoadError) as error:
        call(store, case, tmp_path / "data")
    assert error.value.path == tmp_path / "data" / file
    assert error.value.line == line
    assert message in str(error.value)
    written = counts(store)
    assert not set(empty) & set(written)


UNREADABLE = {"empty file", "header only", "header without types", "gzip cut off", "column absent", "link of nothing"}


@pytest.mark.parametrize("case", sorted(set(MALFORMED) - UNREADABLE - {"not a genre flag", "triple without an end"}))
def test_malformed_rows_can_be_skipped(store: GraphStore, tmp_path: Path, case: str) -> None:
    """The row is in the rejects file with its place and reason; the rows beside it are loaded."""
    *_, file, line, message, _ = MALFORMED[case]
    rejects = tmp_path / "rejects.csv"
    report = call(store, case, tmp_path / "data", on_error="skip", rejects=rejects)
    assert report.rejected >= 1
    assert report.rejects == rejects
    lines = rejects.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "file,line,reason,row"
    # A row that is at fault for two reasons, or as a node and as an end, is listed for each and counted once.
    places = {(at["file"], at["line"] or n) for n, at in enumerate(csv.DictReader(lines))}
    assert len(places) == report.rejected
    assert any(f"{tmp_path / 'data' / file},{line}," in text for text in lines)
    reasons = [text.replace('""', '"') for text in lines[1:]]
    assert any(message in text for text in reasons)
    if case not in ("fact about an unknown film", "fact with an unknown relation", "quote not closed"):
        assert report.rows > 0


def test_skipping_writes_the_good_rows(store: GraphStore, tmp_path: Path) -> None:
    bad = INTER + "u3\t1\tgood\t300\nu3\t1\t4\t301\nu4\t9\t4\t302\n"
    write(tmp_path / "data", {"d.inter": bad, "d.item": ITEMS})
    rejects = tmp_path / "rejects.csv"
    report = load(store, "recbole", tmp_path / "data", on_error="skip", rejects=rejects)
    assert report.edges["RATED"] == 3
    assert report.rejected == 2  # the row with the bad number, and the row of the unknown film
    with rejects.open(encoding="utf-8", newline="") as listed:
        lines = [row["line"] for row in csv.DictReader(listed)]
    assert lines == ["6", "4", "6"]  # the unknown film is listed as a node, before all edges, and as an end
    assert counts(store)["RATED"] == 3
    good = tmp_path / "good.csv"
    write(tmp_path / "data", {"d.inter": INTER})
    assert load(store, "recbole", tmp_path / "data", on_error="skip", rejects=good).rejected == 0
    assert good.read_text() == "file,line,reason,row\n"


def test_parquet_with_a_missing_key(store: GraphStore, tmp_path: Path) -> None:
    write(tmp_path, {"m.toml": NODES})
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"id": ["1", None], "name": ["One", "Two"], "year": [1995, 1996]}), path)
    with pytest.raises(LoadError, match=r"f\.parquet:2: Film\.item_id: a value is required"):
        load(store, "table", path, schema=MOVIES, mapping=tmp_path / "m.toml")
    assert counts(store) == {}
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(LoadError, match="expected a Parquet file"):
        load(store, "table", path, schema=MOVIES, mapping=tmp_path / "m.toml")


# --- both stores -------------------------------------------------------------------------------------


def test_a_small_load_is_the_same_in_both_stores(tmp_store: GraphStore, tmp_path: Path) -> None:
    write(tmp_path / "data", {"d.inter": INTER, "d.item": ITEMS, "f.tsv": FACT_LINES})
    for _ in range(2):
        report = load(tmp_store, "recbole", tmp_path / "data")
        assert report.nodes == {"Film": 2, "Genre": 1, "User": 2}
        assert report.edges == {"HAS_GENRE": 1, "RATED": 2}
        load(tmp_store, "table", tmp_path / "data/f.tsv")
    assert counts(tmp_store) == {
        **{"Film": 2, "Genre": 1, "User": 2, "Person": 1},
        **{"HAS_GENRE": 1, "RATED": 2, "DIRECTED_BY": 1},
    }
    rated = content(tmp_store)["RATED"].to_pylist()
    assert rated == [
        {"source": "u1", "target": "1", "rating": 5.0, "timestamp": 100},
        {"source": "u2", "target": "2", "rating": 3.0, "timestamp": 200},
    ]


# --- the contract --------------------------------------------------------------------------------------

RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,1\n1,2,3.5,2\n"
TRIPLES = "".join(
    f"<urn:x:{s}> <{p}> {o} .\n"
    for s, p, o in (
        ("heat", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "<urn:kg-rec:movies#Film>"),
        ("heat", "urn:kg-rec:movies#title", '"Heat"'),
        ("heat", "urn:kg-rec:movies#starring", "<urn:x:Al>"),
    )
)
#: Format -> its files and more arguments; the first file is what is loaded, "." the folder.
GOOD: dict[str, tuple[str, dict[str, str], dict[str, object]]] = {
    "recbole": (".", {"d.inter": INTER, "d.item": ITEMS}, {}),
    "movielens": (
        ".",
        {"ratings.csv": RATINGS, "movies.csv": "movieId,title,genres\n1,Heat (1995),Crime|Drama\n2,Ronin (1998),\n"},
        {},
    ),
    "hetrec-lastfm": (
        ".",
        {
            "user_artists.dat": "userID\tartistID\tweight\n2\t51\t13883\n3\t51\t1\n",
            "artists.dat": "id\tname\turl\tpictureURL\n51\tLow\thttp://x\thttp://p\n",
        },
        {},
    ),
    "table": ("f.csv", {"f.csv": "id,name,year\n1,One,1995\n2,Two,\n", "m.toml": NODES}, {"schema": MOVIES}),
    "rdf": ("g.nt", {"g.nt": TRIPLES}, {"schema": MOVIES}),
}


class TestLoaders(LoaderContract):
    @pytest.fixture(params=[*GOOD, "demo"])
    def loader(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def source(self, loader: str, tmp_path: Path) -> Path:
        if loader == "demo":
            return Path(kg_rec.loaders.__file__).with_name("films.csv")
        path, files, _ = GOOD[loader]
        write(tmp_path / "good", dict(files))
        return tmp_path / "good" / path

    @pytest.fixture
    def options(self, loader: str, tmp_path: Path) -> dict[str, object]:
        if loader == "demo":
            return {"viewers": 20}
        return {**GOOD[loader][2], **({"mapping": tmp_path / "good/m.toml"} if loader == "table" else {})}


class Lines:
    """A loader of another package: "user film" a line."""

    name = "lines"
    description = "a user and a film a line"
    options: ClassVar = {}

    def schema(self, path: Path, options: object, base: GraphSchema | None, faults: object) -> GraphSchema:
        return base or MOVIES

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        users, films = zip(*(line.split() for line in path.read_text(encoding="utf-8").splitlines()), strict=True)
        yield NodeBatch("User", pa.table({"user_id": users}), mention=True)
        yield NodeBatch("Film", pa.table({"item_id": films, "title": films}), mention=True)
        yield EdgeBatch("RATED", pa.table({"source": users, "target": films, "rating": [4.0] * len(users)}))


class TestALoaderOfAnotherPackage(LoaderContract):
    @pytest.fixture
    def loader(self, tmp_path: Path) -> Iterator[str]:
        with installed(tmp_path / "site", "kg_rec.loaders", "lines", f"{__name__}:Lines"):
            yield "lines"

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        (tmp_path / "d.lines").write_text("ann heat\nann ronin\nbob heat\n", encoding="utf-8")
        return tmp_path / "d.lines"

    def test_the_command_line_knows_it(self, loader: str, source: Path, tmp_path: Path) -> None:
        done = CliRunner().invoke(main, ["load", "lines", str(source), "--graph", str(tmp_path / "g")])
        assert done.exit_code == 0, done.output
        assert "a user and a film a line" in CliRunner().invoke(main, ["formats"]).output
