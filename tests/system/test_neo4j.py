"""Neo4jStore against a real server: addresses, credentials, faults, and what stands in the database."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import neo4j
import pyarrow as pa
import pytest
from click.testing import CliRunner

from kg_rec.cli import main
from kg_rec.errors import AuthenticationError, StoreError, StoreUnavailableError
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect
from kg_rec.store.credentials import split_url

pytestmark = pytest.mark.neo4j
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def films(films_neo4j: str) -> GraphStore:
    store = connect(films_neo4j)
    store.apply_schema(GraphSchema.bundled("movies"))
    store.write_nodes("User", pa.table({"user_id": ["u1", "u2"]}))
    store.write_nodes("Film", pa.table({"item_id": ["i1", "i2"], "title": ["Alien", "Brazil"]}))
    return store


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


# --- connecting ----------------------------------------------------------------------------------------


def test_no_server() -> None:
    with pytest.raises(StoreUnavailableError, match=r"bolt://127\.0\.0\.1:1: no answer from a Neo4j server") as caught:
        connect("bolt://127.0.0.1:1")
    one_line(caught.value)


@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
def test_wrong_database(neo4j_url: str, scheme: str) -> None:
    with pytest.raises(StoreUnavailableError, match="database nowhere") as caught:
        connect(f"{scheme}://{neo4j_url.partition('://')[2]}?database=nowhere")
    one_line(caught.value)


@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
def test_wrong_password(neo4j_url: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_PASSWORD", "wrong-but-secret")
    with pytest.raises(AuthenticationError, match="the server refused the credentials") as caught:
        connect(f"{scheme}://{neo4j_url.partition('://')[2]}")
    assert "wrong-but-secret" not in one_line(caught.value)


def test_no_credentials(neo4j_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEO4J_USERNAME", "NEO4J_PASSWORD", "NEO4J_AUTH_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(AuthenticationError, match=r"no credentials were given; set NEO4J_USERNAME") as caught:
        connect(neo4j_url)
    one_line(caught.value)


def test_half_the_credentials(neo4j_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEO4J_USERNAME")
    with pytest.raises(AuthenticationError, match="only one of"):
        connect(neo4j_url)


def test_credentials_from_a_file(
    neo4j_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "auth"
    file.write_text(f"{os.environ['NEO4J_USERNAME']}\n{os.environ['NEO4J_PASSWORD']}\n")
    file.chmod(0o600)
    monkeypatch.delenv("NEO4J_USERNAME")
    monkeypatch.delenv("NEO4J_PASSWORD")
    monkeypatch.setenv("NEO4J_AUTH_FILE", str(file))
    store = connect(neo4j_url)
    assert store.query("RETURN 1 AS one")["one"].to_pylist() == [1]
    store.close()
    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        connect(neo4j_url).close()
    assert "other users can access it; run chmod 600" in caplog.text
    file.chmod(0o600)
    file.write_text("only-a-user\n")
    with pytest.raises(AuthenticationError, match="the password on line two"):
        connect(neo4j_url)
    file.unlink()
    with pytest.raises(AuthenticationError, match="cannot read it: No such file"):
        connect(neo4j_url)


@pytest.mark.parametrize("url", ["bolt://eve:hunter2@localhost:1", "neo4j://localhost?user=eve&password=hunter2"])
def test_credentials_in_the_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(StoreError, match="must not carry credentials") as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


HIDDEN = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"neo4j://localhost:1/{HIDDEN}",
        f"neo4j://localhost:1#{HIDDEN}",
        f"neo4j://localhost:1?database=neo4j#{HIDDEN}",
        f"neo4j://localhost:1?pw={HIDDEN}",
        f"neo4j://localhost:{HIDDEN}",
        f"neo4j://localhost:1;{HIDDEN}",
        f"neo4j://[::1/{HIDDEN}",
        f"neo4j:///{HIDDEN}",
        f"neo4j:/localhost/{HIDDEN}",
        f"neo4j:localhost/{HIDDEN}",
        f"neo4j//eve:{HIDDEN}@localhost",
        f"NEO4J://eve:{HIDDEN}@localhost",
        f" bolt+s://eve:{HIDDEN}@localhost",
        f"http://eve:{HIDDEN}@localhost",
    ],
)
def test_a_password_is_not_shown_wherever_it_stands_in_a_url(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEO4J_USERNAME", "eve")
    monkeypatch.setenv("NEO4J_PASSWORD", "x")
    for command in (["query", "RETURN 1"], ["load", "demo", "."], ["train"], ["schema", "infer"]):
        result = CliRunner().invoke(main, [*command, "--graph", url])
        assert result.exit_code in (1, 2)
        assert HIDDEN not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["bolt://", "bolt://host/path", "bolt://host?colour=red", "bolt://host?database=", "bolt://h:x"]
)
def test_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="expected"):
        connect(url)


def test_addresses() -> None:
    assert split_url("neo4j://db.example:7688?database=films") == ("neo4j://db.example:7688", "films")
    assert split_url("neo4j+s://db.example") == ("neo4j+s://db.example", "neo4j")
    assert split_url("bolt://[::1]:7687") == ("bolt://[::1]:7687", "neo4j")


def test_url_shows_no_credentials_and_logs_hold_no_password(clean_neo4j: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        store = connect(clean_neo4j)
        store.apply_schema(GraphSchema.bundled("movies"))
        store.close()
    assert caplog.records
    assert os.environ["NEO4J_PASSWORD"] not in caplog.text
    assert store.url == f"{clean_neo4j}?database=neo4j"


def test_connecting_does_not_import_torch() -> None:
    code = "import sys, kg_rec.store.neo4j, kg_rec.store.embedded; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_read_only(films: GraphStore, films_neo4j: str) -> None:
    reader = connect(films_neo4j, read_only=True)
    assert [b.num_rows for b in reader.scan_nodes("User")] == [2]
    for write in (
        lambda: reader.write_nodes("User", pa.table({"user_id": ["u3"]})),
        lambda: reader.write_edges("RATED", pa.table({"source": ["u1"], "target": ["i1"]})),
        lambda: reader.apply_schema(GraphSchema.bundled("movies")),
    ):
        with pytest.raises(StoreError, match="open for reading only"):
            write()


# --- what stands in the database -----------------------------------------------------------------------


def test_schema_makes_constraints_and_is_kept(clean_neo4j: str, neo4j_driver: neo4j.Driver) -> None:
    schema = GraphSchema.bundled("movies")
    with closing(connect(clean_neo4j)) as store:
        store.apply_schema(schema)
    with neo4j_driver.session(database="neo4j") as session:
        constraints = session.run("SHOW CONSTRAINTS YIELD name, type RETURN name, type ORDER BY name").values()
        kept = session.run("MATCH (s:KgRecSchema) RETURN s.name, s.digest, s.turtle").values()
    assert constraints == [[f"kg_rec_{t}_key", "UNIQUENESS"] for t in sorted(schema.node_types)]
    assert kept == [["movies", schema.digest, schema.turtle]]


def test_vector_properties_get_a_vector_index(clean_neo4j: str) -> None:
    extra = (
        "[ sh:path :year ; sh:datatype xsd:integer ; sh:minInclusive 1870",
        "[ sh:path :embedding ; sh:datatype kr:floatList ; kr:use kr:vector ; kr:dimensions 3 ] ,\n",
    )
    turtle = GraphSchema.bundled("movies").turtle.replace(extra[0], extra[1] + extra[0])
    store = connect(clean_neo4j)
    store.apply_schema(GraphSchema.from_turtle(turtle))
    vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.9, 0.1, 0.0]]
    store.write_nodes("Film", pa.table({"item_id": ["a", "b", "c"], "title": ["A", "B", "C"], "embedding": vectors}))
    with pytest.raises(StoreError, match=r"expected vectors of 3 numbers, got \[2\]"):
        store.write_nodes("Film", pa.table({"item_id": ["d"], "embedding": [[1.0, 2.0]]}))
    near = store.query(
        "CALL db.index.vector.queryNodes('kg_rec_Film_embedding', 2, $v) YIELD node, score RETURN node.item_id AS id",
        {"v": [1.0, 0.0, 0.0]},
    )
    assert near["id"].to_pylist() == ["a", "c"]


def test_a_failed_batch_leaves_nothing(films: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    films.write_nodes("User", pa.table({"user_id": [f"v{i}" for i in range(12_000)]}))
    ends = {"source": [f"v{i}" for i in range(12_000)], "target": ["i1"] * 11_999 + ["zz"]}
    with pytest.raises(StoreError, match="no Film has the target key 'zz'"):
        films.write_edges("RATED", pa.table({**ends, "rating": [1.0] * 12_000}))
    with neo4j_driver.session(database="neo4j") as session:
        assert session.run("MATCH ()-[r:RATED]->() RETURN count(r)").single(strict=True).value() == 0


def test_concurrent_writers_do_not_fail(films: GraphStore, films_neo4j: str) -> None:
    users = [f"w{i}" for i in range(400)]
    films.write_nodes("User", pa.table({"user_id": users}))
    failures: list[BaseException] = []

    def load(part: int) -> None:
        store = connect(films_neo4j)
        try:
            mine = users[:: 1 if part % 2 else -1]
            for film in ("i1", "i2"):
                table = pa.table({"source": mine, "target": [film] * 400, "rating": [float(part + 1)] * 400})
                store.write_edges("RATED", table)
        except BaseException as error:  # noqa: BLE001  # shown by the main thread
            failures.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    counted = films.query("MATCH (:User)-[r:RATED]->(:Film) RETURN count(r) AS n, max(r.rating) AS most").to_pylist()
    assert counted[0]["n"] == 800


def test_data_of_other_programs_is_left_alone(films: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    with neo4j_driver.session(database="neo4j") as session:
        session.run("CREATE (:Other {x: 1})-[:RATED]->(:Film {item_id: 'foreign', extra: 1}), (:User {name: 'no key'})")
    films.write_edges("RATED", pa.table({"source": ["u1"], "target": ["foreign"], "rating": [2.0]}))
    assert [e for b in films.scan_edges("RATED") for e in b["source"].to_pylist()] == ["u1"]
    assert [k for b in films.scan_nodes("User") for k in b["user_id"].to_pylist()] == ["u1", "u2"]


def test_a_property_of_another_type_is_named(films: GraphStore, neo4j_driver: neo4j.Driver) -> None:
    with neo4j_driver.session(database="neo4j") as session:
        session.run("MATCH (f:Film {item_id: 'i1'}) SET f.year = 'nineteen'").consume()
    with pytest.raises(
        StoreError, match=r"property year of Film holds .* of the schema's type int64, such as that of i1:"
    ):
        list(films.scan_nodes("Film"))


def test_temporal_values_in_queries(films: GraphStore) -> None:
    row = films.query(
        "RETURN date('2020-02-29') AS d, datetime('2020-01-01T00:00:00Z') AS t, duration('P1D') AS p"
    ).to_pylist()[0]
    assert str(row["d"]) == "2020-02-29"
    assert row["t"].year == 2020
    assert row["p"] == "P1D"


def test_facts_of_which_the_owners_have_several_are_written_again(
    films: GraphStore, neo4j_driver: neo4j.Driver
) -> None:
    films.write_nodes("User", pa.table({"user_id": ["twice"]}))
    neo4j_driver.execute_query(
        "MATCH (u:User {user_id: 'twice'}) MATCH (f:Film) WITH u, f ORDER BY f.item_id LIMIT 1 "
        "CREATE (u)-[:RATED]->(f), (u)-[:RATED]->(f)"
    )
    film = films.query("MATCH (:User {user_id: 'twice'})-->(f) RETURN DISTINCT f.item_id AS f")["f"].to_pylist()
    films.write_edges("RATED", pa.table({"source": ["twice"], "target": film, "rating": [4.0]}))
    asked = "MATCH (:User {user_id: 'twice'})-[r:RATED]->() RETURN r.rating AS r"
    assert films.query(asked)["r"].to_pylist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("time('12:00:00+05:30')", ["12:00:00+05:30"]),
        ("[localtime('12:00')]", [["12:00:00"]]),
        (
            "datetime('2024-07-01T12:00:00[Europe/Berlin]'), datetime('2024-07-01T12:00:00Z'), null",
            ["2024-07-01T12:00:00+02:00[Europe/Berlin]", "2024-07-01T12:00:00+00:00", None],
        ),
        ("{a: time('12:00:00Z'), b: localtime('13:00')}", [{"a": "12:00:00+00:00", "b": "13:00:00"}]),
        ("datetime('2024-07-01T12:00:00+05:30')", ["2024-07-01 12:00:00+05:30"]),
    ],
)
def test_no_time_loses_its_zone(films: GraphStore, values: str, expected: list[Any]) -> None:
    found = films.query(f"UNWIND [{values}] AS v RETURN v")["v"].to_pylist()
    assert json.loads(json.dumps(found, default=str)) == expected


def test_what_python_has_no_form_for_is_named(films: GraphStore) -> None:
    with pytest.raises(StoreError, match="mixes times with a zone and without one"):
        films.query("UNWIND [datetime('2024-07-01T12:00:00Z'), localdatetime('2024-07-01T12:00:00')] AS v RETURN v")
    for time in ("localdatetime('2024-07-01T12:00:00')", "datetime('2024-07-01T12:00:00Z')"):
        with pytest.raises(StoreError, match="column v of the query mixes dates and times"):
            films.query(f"UNWIND [date('2024-07-01'), {time}] AS v RETURN v")
    with pytest.raises(StoreError, match=r"such as a date after the year 9999; return it as text, by toString\(\)"):
        films.query("RETURN date('+12024-01-01') AS v")
