"""One Cypher on every store: what users write, and what kg_rec emits, gives the same answers."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kg_rec.errors import StoreError
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore, connect, ledger_cypher
from kg_rec.store import cypher as statements
from kg_rec.store.ledger import ChunkRecord, Run, RunLedger, read_list

pytestmark = pytest.mark.neo4j

# ruff: noqa: E501  # a statement a line
#: What people ask of a graph of films, as they would write it.
ASKED = """
MATCH (u:User) RETURN count(u)
MATCH (f:Film) RETURN f.title, f.year ORDER BY f.title
MATCH (f:Film) WHERE f.year >= 1990 AND f.year < 2000 RETURN f.title ORDER BY f.year DESC, f.title LIMIT 3
MATCH (f:Film) WHERE f.title CONTAINS 'film' RETURN f.item_id ORDER BY f.item_id
MATCH (f:Film) WHERE f.title STARTS WITH 'The' OR f.title ENDS WITH '3' RETURN f.item_id ORDER BY f.item_id
MATCH (f:Film) WHERE f.title =~ '.*[0-4]' RETURN f.item_id ORDER BY f.item_id
MATCH (f:Film) WHERE NOT f.year IN [1990, 1991] RETURN count(*) AS c
MATCH (f:Film) WHERE f.year IS NULL RETURN f.item_id ORDER BY f.item_id
MATCH (f:Film) WHERE f.nothing IS NULL RETURN count(f) AS c
MATCH (f:Film) RETURN f.nothing AS x, f.id AS y, f.type AS z, f.name AS n, f.label AS l LIMIT 2
MATCH (p:Person) RETURN p.title AS t, p.name AS n ORDER BY n, p.person_id
MATCH (u:User {user_id: 'u1'})-[r:RATED]->(f:Film) RETURN f.item_id, r.rating ORDER BY f.item_id
MATCH (u:User {user_id: $user})-[r:RATED]->(f) WHERE r.rating >= $least RETURN f.title AS title ORDER BY title
MATCH (u:User)-[r:RATED]->(f:Film) RETURN f.item_id, count(*) AS n, avg(r.rating) AS mean ORDER BY n DESC, f.item_id
MATCH (u:User)-[r:RATED]->() RETURN u.user_id, sum(r.rating), min(r.rating), max(r.rating) ORDER BY u.user_id
MATCH (u:User)-[:RATED]->(f)<-[:RATED]-(v:User) WHERE u.user_id < v.user_id RETURN count(*) AS pairs
MATCH (u:User {user_id: 'u1'})-[:RATED]->()<-[:RATED]-(v) RETURN DISTINCT v.user_id ORDER BY v.user_id
MATCH (f:Film)-[:DIRECTED_BY]->(p:Person) WITH p.name AS name, collect(f.item_id) AS films RETURN name, size(films) AS n ORDER BY name
MATCH (f:Film)-[:DIRECTED_BY|STARRING]->(p) RETURN p.person_id, count(DISTINCT f) AS c ORDER BY c DESC, p.person_id
MATCH (f:Film)-[r]->(p:Person) RETURN type(r) AS kind, count(*) AS c ORDER BY kind
MATCH (f:Film) OPTIONAL MATCH (f)-[:DIRECTED_BY]->(p) RETURN f.item_id, p.name ORDER BY f.item_id, p.name
MATCH (f:Film) WHERE EXISTS { (f)-[:DIRECTED_BY]->(:Person) } RETURN count(f) AS c
MATCH (f:Film) WHERE NOT (f)-[:DIRECTED_BY]->() RETURN f.item_id ORDER BY f.item_id
MATCH (f:Film) WHERE COUNT { (f)<-[:RATED]-() } > 3 RETURN f.item_id ORDER BY f.item_id
MATCH (f:Film) RETURN f.item_id, COUNT { (f)<-[:RATED]-(:User) } AS n ORDER BY n DESC, f.item_id LIMIT 5
MATCH (f:Film) WITH f, COUNT { (f)<-[:RATED]-() } AS n WHERE n >= 3 RETURN sum(n) AS s
MATCH (u:User)-[r:RATED]->(f) WITH u, count(f) AS n ORDER BY n DESC, u.user_id LIMIT 3 RETURN u.user_id, n
MATCH (u:User) CALL (u) { MATCH (u)-[r:RATED]->(f) RETURN max(r.rating) AS best } RETURN u.user_id, best ORDER BY u.user_id
MATCH p = (u:User {user_id: 'u1'})-[:RATED]->(:Film)-[:DIRECTED_BY]->(d) RETURN length(p) AS l, d.name ORDER BY d.name
MATCH p = (u:User {user_id: 'u1'})-[:RATED]->(f:Film {item_id: 'f1'}) RETURN [n IN nodes(p) | labels(n)[0]] AS l
MATCH (a:Film {item_id: 'f1'})-[*1..2]-(b:Film) RETURN count(DISTINCT b) AS c
MATCH p = shortestPath((a:User {user_id: 'u1'})-[*]-(b:User {user_id: 'u7'})) RETURN length(p) AS l
MATCH (f:Film {item_id: 'f1'}) RETURN f
MATCH (f:Film {item_id: 'f1'}) RETURN f {.title, .year} AS m
MATCH (:User {user_id: 'u1'})-[r:RATED]->(:Film {item_id: 'f1'}) RETURN r
MATCH (f:Film {item_id: 'f1'}) RETURN properties(f) AS p
MATCH (n) RETURN labels(n)[0] AS l, count(*) AS c ORDER BY l
MATCH (f:Film) RETURN CASE WHEN f.year < 1995 THEN 'old' WHEN f.year IS NULL THEN 'unknown' ELSE 'new' END AS age, count(*) AS c ORDER BY age
MATCH (f:Film) RETURN coalesce(f.year, 0) AS y ORDER BY y, f.item_id
MATCH (f:Film) RETURN f.item_id ORDER BY f.year, f.item_id SKIP 2 LIMIT 3
MATCH (f:Film) RETURN DISTINCT f.year % 10 AS digit ORDER BY digit
MATCH (f:Film) WHERE f.year > 1990 RETURN f.item_id AS k UNION MATCH (p:Person) RETURN p.person_id AS k
MATCH (f:Film) RETURN f.title UNION ALL MATCH (p:Person) RETURN p.name AS `f.title`
UNWIND [1, 2, 3] AS x RETURN x * 2 AS y, x / 2 AS z, x % 2 AS m, x ^ 2 AS q, -x AS n
UNWIND $keys AS k MATCH (f:Film {item_id: k}) RETURN f.title ORDER BY f.title
UNWIND $rows AS row MATCH (f:Film {item_id: row.id}) RETURN row.name AS name, f.title AS title
RETURN [x IN range(1, 10) WHERE x % 2 = 0 | x * x] AS squares, size([1, 2, 3]) AS n
RETURN reduce(s = 0, x IN [1, 2, 3] | s + x) AS s, all(x IN [1, 2] WHERE x > 0) AS a, any(x IN [1] WHERE x > 1) AS b
RETURN toUpper('abc') AS u, substring('hello', 1, 3) AS s, replace('aXa', 'X', 'b') AS r, split('a,b', ',') AS l, trim(' a ') AS t
RETURN toInteger('42') AS i, toFloat('1.5') AS f, toString(7) AS s, toInteger('x') AS n, toBoolean('true') AS b
RETURN abs(-2) AS a, ceil(1.2) AS c, floor(-1.2) AS f, round(2.5) AS r, sqrt(16.0) AS s, sign(-3) AS g
RETURN [1, 2, 3][0] AS a, [1, 2, 3][-1] AS b, [1, 2, 3][1..] AS c, 2 IN [1, 2] AS d, null IN [1] AS e, [1] + [2] AS f
RETURN null = null AS a, null <> 1 AS b, true AND null AS c, false OR null AS d, NOT null AS e, 1 = 1.0 AS f
RETURN date('2024-02-29') AS d, date('2024-02-29').year AS y, date('2020-01-01') < date('2021-01-01') AS b
RETURN datetime('2024-03-09T14:30:00+02:00').epochSeconds AS s, localdatetime('2024-03-09T14:30:00').hour AS h
RETURN {a: 1, title: 'x', id: 2} AS m, {name: 'n'}.name AS n
RETURN head([1, 2]) AS h, last([1, 2]) AS l, tail([1, 2]) AS t, reverse([1, 2]) AS r, keys({b: 1}) AS k
MATCH (u:User)-[r:RATED]->(f) RETURN stDev(r.rating) > 0 AS m, count(DISTINCT r.rating) AS d
MATCH (u:User)-[r:RATED]->(f:Film)-[:DIRECTED_BY]->(d:Person)<-[:DIRECTED_BY]-(g:Film) WHERE r.rating >= 4 AND NOT (u)-[:RATED]->(g) RETURN u.user_id, g.item_id, count(*) AS c ORDER BY u.user_id, c DESC, g.item_id LIMIT 20
MATCH (u:User) WHERE u.age > 30 AND u.gender = 'f' RETURN u.user_id ORDER BY u.user_id
MATCH (u:User {age: 31}) RETURN u.user_id /* a comment */ // and another
MATCH (f:Film {item_id: 'f1'}) UNWIND keys(f) AS k RETURN k ORDER BY k
MATCH (f:Film) WHERE 'title' IN keys(f) RETURN count(f) AS c
MATCH (:User {user_id: 'u1'})-[r]->(:Film {item_id: 'f1'}) RETURN size(keys(r)) AS n
MATCH (f:Film) WHERE (COUNT { (f)<-[:RATED]-() } > 3 OR f.year = 1990) RETURN f.item_id ORDER BY f.item_id
MATCH (u:User {user_id: 'u1'}) WHERE u.age > 90 RETURN u.age
MATCH (f:Film) RETURN f.title AS 标题 ORDER BY 标题 LIMIT 2
"""
#: What Neo4j answers and the embedded store refuses, never answers otherwise; benchmarks/stores/README.md lists them.
REFUSED = """
MATCH (u:User)-[r:RATED]->(f) RETURN percentileCont(r.rating, 0.5) AS m
MATCH (f:Film)-[:DIRECTED_BY]->(p) RETURN p.name, collect(f.item_id)[0] IS NOT NULL AS any
MATCH (f:Film {nothing: 1}) RETURN f.item_id
MATCH (a:User {user_id: 'u1'}) ((x)-[:RATED]->(y)){1,2} (b) RETURN count(*) AS c
RETURN isNaN(1.0) AS n
RETURN point({x: 1, y: 2}) AS p
"""
PARAMETERS = {"user": "u1", "least": 3, "keys": ["f1", "f2", "none"], "rows": [{"id": "f1", "name": "one"}]}


@pytest.fixture
def stores(tmp_path: Path, films_neo4j: str) -> Iterator[list[GraphStore]]:
    found = [connect(str(tmp_path / "graph")), connect(films_neo4j)]
    for store in found:
        fill(store)
    yield found
    for store in found:
        store.close()


def fill(store: GraphStore) -> None:
    store.apply_schema(GraphSchema.bundled("movies"))
    users, films, people = ([f"{kind}{i}" for i in range(n)] for kind, n in (("u", 12), ("f", 10), ("p", 4)))
    ages = [25 + i for i in range(12)]
    store.write_nodes("User", pa.table({"user_id": users, "age": ages, "gender": ["f", "m"] * 6}))
    titles = [f"The {i}" if i % 3 else f"A film {i}" for i in range(10)]
    years = [1988 + i if i != 4 else None for i in range(10)]
    store.write_nodes("Film", pa.table({"item_id": films, "title": titles, "year": years}))
    store.write_nodes("Person", pa.table({"person_id": people, "name": ["Ann", "Bob", "Ann", None]}))
    pairs = [(u, f) for u in range(12) for f in range(10) if (u * 7 + f * 3) % 4 == 0 or u == f]
    ratings = [1.0 + (u + f) % 5 for u, f in pairs]
    ends = {"source": [f"u{u}" for u, _ in pairs], "target": [f"f{f}" for _, f in pairs]}
    store.write_edges("RATED", pa.table({**ends, "rating": ratings, "timestamp": [10**9 + u for u, _ in pairs]}))
    store.write_edges("DIRECTED_BY", pa.table({"source": films[:8], "target": [people[i % 4] for i in range(8)]}))
    cast = [(f, p) for f in range(10) for p in range(4) if (f + p) % 3 == 0]
    store.write_edges(
        "STARRING", pa.table({"source": [f"f{f}" for f, _ in cast], "target": [f"p{p}" for _, p in cast]})
    )


def answer(store: GraphStore, statement: str, parameters: dict[str, Any]) -> Any:
    """Columns and rows, in order where the statement orders them."""
    used = {name: value for name, value in parameters.items() if f"${name}" in statement}
    table = store.query(statement, used)
    rows = [tuple(map(plain, row.values())) for row in table.to_pylist()]
    return table.column_names, rows if "ORDER BY" in statement else sorted(rows, key=repr)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value) if value[key] is not None}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else str(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value


def differences(stores: list[GraphStore], asked: dict[str, dict[str, Any]]) -> list[str]:
    found = []
    for statement, parameters in asked.items():
        answers = []
        for store in stores:
            try:
                answers.append(answer(store, statement, parameters))
            except StoreError as error:
                answers.append(f"{type(error).__name__}: {str(error)[:150]}")
        if any(a != answers[0] or isinstance(a, str) for a in answers):
            found.append("\n   ".join([statement, *map(str, answers)]))
    return found


def test_what_users_ask(stores: list[GraphStore]) -> None:
    asked = dict.fromkeys(ASKED.strip().splitlines(), PARAMETERS)
    assert len(asked) >= 60
    assert differences(stores, asked) == []


def test_what_the_embedded_store_refuses(stores: list[GraphStore]) -> None:
    answered = {}
    for statement in REFUSED.strip().splitlines():
        try:
            answered[statement] = stores[0].query(statement).to_pylist()
        except StoreError:
            continue
    assert answered == {}


def test_what_kg_rec_emits(stores: list[GraphStore]) -> None:
    schema = stores[0].schema()
    user, item = schema.user, schema.item
    asked: dict[str, dict[str, Any]] = {statements.READ_SCHEMA: {}}
    for t in schema.node_types.values():
        keys = {"keys": ["f1", "f2", "u1", "p1", "nowhere"]}
        asked |= {statements.node_keys(t): {}, statements.nodes(t): keys, statements.missing_keys(t): keys}
    for r in schema.relation_types.values():
        source, target = schema.node_types[r.source], schema.node_types[r.target]
        asked |= {
            statements.source_keys(r, source): {},
            statements.edges(r, source, target): {"keys": ["u1", "u2", "f1", "f2"]},
        }
    for store in stores:
        write_a_run(store)
    asked |= {
        ledger_cypher.READ_RUNS: {},
        ledger_cypher.READ_RUN: {"run": "monday"},
        ledger_cypher.READ_CHUNKS: {"run": "monday"},
        ledger_cypher.READ_DIGESTS: {"id": "monday/0"},
        ledger_cypher.READ_LATEST: {"job": "nightly"},
        read_list(schema): {"job": "nightly", "user": "u1"},
        read_list(schema, "nightly"): {"user": "u2"},
        f"MATCH (u:{user.name})-[r:RECOMMENDED]->(i:{item.name}) "
        f"RETURN u.{user.key}, i.{item.key}, properties(r) AS p ORDER BY u.{user.key}, r.rank": {},
    }
    assert differences(stores, asked) == []
    for store in stores:
        RunLedger(store).forget("monday")
        assert store.query("MATCH ()-[r:RECOMMENDED]->() RETURN count(r) AS c")["c"].to_pylist() == [2]


def write_a_run(store: GraphStore) -> None:
    ledger = RunLedger(store)
    ledger.prepare()
    for run in ("monday", "tuesday"):
        ledger.save(Run(run, "nightly", "running", "2026-11-22T01:00:00Z", about={"k": 2}))
        rows = {"user": ["u1", "u1"], "rank": [1, 2], "item": ["f1", "f2"], "score": [0.5, 0.25]}
        columns = {**rows, "reason": ["because", None], "paths": [["a", "b"], []]}
        chunk = ChunkRecord(0, "done", 1, 2, 0, "u1", "u1", 0.5, "now", (0.25, 0.5), keys=("u1",), digests=(-7,))
        ledger.commit(run, chunk, pa.record_batch(columns))
    ledger.publish(Run("monday", "nightly", "done", "2026-11-22T01:00:00Z", "then"), ["monday"])
