"""Tables with a mapping file, and facts without."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loader_graph import Graph

from kg_rec.errors import ConfigError, LoadError, SchemaError, SchemaNotAppliedError
from kg_rec.loaders.mapping import TableMapping
from kg_rec.schema import GraphSchema

MOVIES = GraphSchema.bundled("movies")
FILMS = """\
[[nodes]]
type = "Film"
columns = { item_id = "id", title = "name", year = "year" }
[[edges]]
relation = "HAS_GENRE"
source = "id"
target = "genres"
split = "|"
create = ["target"]
"""
RATINGS = """\
[[edges]]
relation = "RATED"
source = "who"
target = "film"
columns = { rating = "stars" }
create = ["source"]
"""
EXPECTED = {"1": {"title": "Net, The", "year": 1995}, "2": {"title": "坂"}}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv(graph: Graph, folder: Path) -> None:
    mapping = write(folder, "films.toml", FILMS)
    path = write(folder, "films.csv", 'id,name,year,genres,other\n1,"Net, The",1995,Drama | Action,x\n2,坂,,,y\n')
    report = graph.load("table", path, mapping=mapping, schema=MOVIES)
    assert graph.nodes("Film") == EXPECTED
    assert set(graph.edges("HAS_GENRE")) == {("1", "Drama"), ("1", "Action")}
    assert graph.nodes("Genre") == {"Drama": {"name": "Drama"}, "Action": {"name": "Action"}}
    assert report.rows == 6
    ratings = write(folder, "ratings.tsv", "who\tfilm\tstars\nu1\t1\t4.5\nu1\t2\t2\n")
    graph.load("table", ratings, mapping=write(folder, "ratings.toml", RATINGS))
    assert graph.edges("RATED") == {("u1", "1"): {"rating": 4.5}, ("u1", "2"): {"rating": 2.0}}


def test_json_lines(graph: Graph, folder: Path) -> None:
    rows = [{"id": 1, "name": "Net, The", "year": 1995, "genres": ["Drama", "Action"]}, {"id": "2", "name": "坂"}]
    path = folder / "films.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
    graph.load("table", path, mapping=write(folder, "films.toml", FILMS), schema=MOVIES)
    assert graph.nodes("Film") == EXPECTED
    assert set(graph.edges("HAS_GENRE")) == {("1", "Drama"), ("1", "Action")}


def test_parquet(graph: Graph, folder: Path) -> None:
    path = folder / "films.parquet"
    columns = {"id": [1, 2], "name": ["Net, The", "坂"], "year": [1995.0, None], "genres": [["Drama", "Action"], None]}
    pq.write_table(pa.table(columns), path)
    graph.load("table", path, mapping=write(folder, "films.toml", FILMS), schema=MOVIES)
    assert graph.nodes("Film") == EXPECTED
    assert set(graph.edges("HAS_GENRE")) == {("1", "Drama"), ("1", "Action")}


def test_encoding_delimiter_and_quotes(graph: Graph, folder: Path) -> None:
    path = folder / "films.txt"
    path.write_bytes('id;name;year;genres\n1;"Die Hard" für Jäger;1995;\n'.encode("latin-1"))
    mapping = write(folder, "films.toml", FILMS)
    graph.load("table", path, mapping=mapping, schema=MOVIES, delimiter=";", quotes="no", encoding="latin-1")
    assert graph.nodes("Film")["1"]["title"] == '"Die Hard" für Jäger'
    for option, value in (("delimiter", ";;"), ("quotes", "perhaps"), ("encoding", "latin-99")):
        with pytest.raises(ConfigError, match=f"option {option}"):
            graph.load("table", path, mapping=mapping, **{"delimiter": ";", option: value})


def test_facts_need_no_mapping(graph: Graph, folder: Path) -> None:
    films = write(folder, "films.csv", "id,name,year,genres\n1,One,1995,\n2,Two,1996,\n")
    graph.load("table", films, mapping=write(folder, "films.toml", FILMS), schema=MOVIES)
    path = write(
        folder,
        "facts.tsv",
        "item_id\trelation\tname\n1\tdirected_by\tAda\n2\tDIRECTED_BY\tAda\n1\tstarring\tBo\n1\tstarring\tBo\n",
    )
    report = graph.load("table", path)
    assert graph.nodes("Person") == {"Ada": {"name": "Ada"}, "Bo": {"name": "Bo"}}
    assert set(graph.edges("DIRECTED_BY")) == {("1", "Ada"), ("2", "Ada")}
    assert report.edges == {"DIRECTED_BY": 2, "STARRING": 1}
    assert report.repeated == {"STARRING": 1}
    assert report.schema == "movies"


def test_facts_with_own_names_and_inverse_aliases(graph: Graph, folder: Path) -> None:
    films = write(folder, "films.csv", "id,name,year,genres\n1,One,1995,\n")
    graph.load("table", films, mapping=write(folder, "films.toml", FILMS), schema=MOVIES)
    path = write(folder, "f.csv", "a,r,b\n1,regie,Ada\nAda,film.director.film,1\n")
    rule = '[[facts]]\nsource = "a"\nrelation = "r"\ntarget = "b"\ncreate = ["target"]\n'
    rule += 'names = { regie = "DIRECTED_BY" }\n'
    mapping = write(folder, "f.toml", rule)
    without = write(folder, "g.toml", rule.replace('create = ["target"]\n', ""))
    with pytest.raises(LoadError, match=r"f\.csv:3: unknown Person 'Ada'"):
        graph.load("table", path, mapping=without)
    graph.load("table", path, mapping=mapping)
    assert set(graph.edges("DIRECTED_BY")) == {("1", "Ada")}


def test_no_schema_and_no_mapping(graph: Graph, folder: Path) -> None:
    path = write(folder, "t.csv", "a,b\n1,2\n")
    with pytest.raises(SchemaNotAppliedError, match="format table has no schema of its own"):
        graph.load("table", path)
    with pytest.raises(ConfigError, match="a table with the columns a, b needs mapping=FILE"):
        graph.load("table", path, schema=MOVIES)
    with pytest.raises(LoadError, match=r"expected a file named \.csv"):
        graph.load("table", write(folder, "t.xls", "x"), mapping=write(folder, "m.toml", FILMS), schema=MOVIES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got nothing"),
        ("[[rows]]\n", "got rows"),
        ("[nodes]\n", "array of tables"),
        ("nodes = [1]\n", r"nodes\[0\]: expected a table, got 1"),
        ("not toml", r"m\.toml:1: Expected '=' after a key"),
        ('[[edges]]\nrelation = "R"\nsource = "a"\ntarget = "b"\ncreate = [[1]]\n', "expected 'source' and 'target'"),
        ("x = " + "[" * 100_000, "too deep in one another"),
        ("x = " + "9" * 5000, "digits"),
        ('[[nodes]]\ncolumns = { a = "b" }\n', r"nodes\[0\]: missing 1 required positional argument: 'type'"),
        ('[[nodes]]\ntype = "Film"\ncolums = {}\n', r"nodes\[0\]: unknown key 'colums'"),
        ('[[nodes]]\ntype = "Film"\ncolumns = "id"\n', r"nodes\[0\]\.columns: expected dict"),
        ('[[nodes]]\ntype = "Film"\ncolumns = { a = 1 }\n', "expected texts as values"),
        (
            '[[edges]]\nrelation = "R"\nsource = "a"\ntarget = "b"\ncreate = ["both"]\n',
            "expected 'source' and 'target'",
        ),
        ('[[edges]]\nrelation = "R"\nsource = "a"\ntarget = "b"\nsplit = ""\n', "expected a separator"),
    ],
)
def test_faulty_mapping(folder: Path, text: str, message: str) -> None:
    path = write(folder, "m.toml", text)
    with pytest.raises(ConfigError, match=message) as error:
        TableMapping.from_file(path)
    assert str(path) in str(error.value)


def test_mapping_of_what_the_schema_lacks(graph: Graph, folder: Path) -> None:
    path = write(folder, "films.csv", "id,name,year,genres\n1,One,1995,\n")
    for old, new, message in (
        ('"Film"', '"Movie"', "no node type 'Movie'"),
        ("HAS_GENRE", "GENRE_OF", "no relation type 'GENRE_OF'"),
        ("year = ", "released = ", "Film has no property 'released'"),
    ):
        mapping = write(folder, "m.toml", FILMS.replace(old, new))
        with pytest.raises(SchemaError, match=message):
            graph.load("table", path, mapping=mapping, schema=MOVIES)
