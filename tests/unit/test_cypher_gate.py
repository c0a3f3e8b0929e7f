"""Cypher that people supply: what only reads passes, everything else is refused by two locks."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

import kg_rec.store.embedded.prepared
import kg_rec.store.neo4j.store
from kg_rec.errors import QueryRefusedError, StoreError
from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore
from kg_rec.store.gate import check_read_only, tokens, with_limit
from kg_rec.store.results import column_names

WRITES = [
    "CREATE (n:User {user_id: 'x'})",
    "MATCH (n) DELETE n",
    "MATCH (n) DETACH DELETE n",
    "MATCH (n) NODETACH DELETE n",
    "MATCH (n:User) SET n.age = 1",
    "MATCH (n:User) SET n:Admin RETURN n",
    "MATCH (n:User) REMOVE n.age",
    "MERGE (n:User {user_id: 'x'}) RETURN n",
    "MATCH (n:User) WITH n CREATE (m:User {user_id: 'x'}) RETURN m",
    "MATCH (a:User), (b:Film) CREATE (a)-[:RATED {rating: 1.0}]->(b)",
    "MATCH (a:User), (b:Film) MERGE (a)-[r:RATED]->(b) RETURN r",
    "INSERT (n:User {user_id: 'x'})",
    "MATCH (n:User) FOREACH (x IN [1] | SET n.age = x)",
    "UNWIND [1, 2] AS x CREATE (n:User {user_id: toString(x)})",
    "OPTIONAL MATCH (n:Nope) CREATE (m:User {user_id: 'x'})",
    "WITH 1 AS x MATCH (n:User) SET n.age = x RETURN n",
    "RETURN 1 AS x UNION MATCH (n:User) SET n.age = 1 RETURN 1 AS x",
    "CALL { MATCH (n:User) SET n.age = 1 RETURN 1 AS x } RETURN x",
    "MATCH (n:User) CALL (n) { SET n.age = 1 } RETURN n",
    "MATCH (n:User) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1 ROWS",
    "MATCH (n:User) CALL { WITH n DETACH DELETE n } IN 2 CONCURRENT TRANSACTIONS",
    "mAtCh (n) dEtAcH dElEtE n",
    "MATCH (n)\nDETACH\nDELETE\nn",
    "MATCH (n)/**/DETACH/* x */DELETE/**/n",
    "MATCH (n) // harmless\nDETACH DELETE n",
    "/* RETURN 1 */ MATCH (n) DETACH DELETE n",
    "MATCH (n) RETURN 'it is safe' /* ' */ UNION MATCH (n) DETACH DELETE n RETURN 1",
    "MATCH (`n`) DETACH DELETE `n`",
    "MATCH (n) WHERE n.name = '\\'' DETACH DELETE n //'",
    'MATCH (n) WHERE n.name = "\\"" DETACH DELETE n //"',
    "MATCH (n) WHERE n.name = '\\\\' DETACH DELETE n //'",
    "RETURN 1.SET n.x = 1",
    "MATCH (n:User) RETURN n SET n.age = 1",
]
ADMINISTRATION = [
    "CREATE INDEX bad FOR (n:User) ON (n.age)",
    "CREATE CONSTRAINT bad FOR (n:User) REQUIRE n.age IS UNIQUE",
    "DROP CONSTRAINT kg_rec_User_key",
    "DROP INDEX kg_rec_User_key",
    "CREATE USER eve SET PASSWORD 'secretsecret'",
    "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'b'",
    "ALTER USER neo4j SET PASSWORD 'secretsecret'",
    "GRANT ROLE admin TO eve",
    "DENY READ {*} ON GRAPH * TO eve",
    "REVOKE ROLE admin FROM eve",
    "SHOW USERS",
    "SHOW TRANSACTIONS",
    "TERMINATE TRANSACTIONS 'neo4j-transaction-1'",
    "USE system RETURN 1",
    "CALL { USE system RETURN 1 AS x } RETURN x",
    "START DATABASE neo4j",
    "STOP DATABASE neo4j",
    "CREATE DATABASE other",
    "CALL dbms.listConfig() YIELD name RETURN name",
    "CALL dbms.killConnection('bolt-1')",
    "CALL db.createLabel('Evil')",
    "CALL db.clearQueryCaches()",
    "CALL `db`.`createLabel`('Evil')",
    "CALL db./**/createLabel('Evil')",
    "CALL tx.setMetaData({a: 1})",
    "MATCH (n) CALL db.create.setNodeVectorProperty(n, 'v', [1.0]) RETURN n",
    "CALL apoc.cypher.doIt('MATCH (n) DETACH DELETE n', {})",
    "RETURN apoc.cypher.runFirstColumnSingle('RETURN 1', {})",
    "RETURN `apoc`.`load`.`json`('file:///etc/passwd')",
    "EXPLAIN MATCH (n) RETURN n",
    "PROFILE MATCH (n) RETURN n",
    "CYPHER runtime = slotted MATCH (n) RETURN n",
    "CREATE NODE TABLE Evil(k STRING PRIMARY KEY)",
    "ALTER TABLE User DROP age",
    "DROP TABLE RATED",
    "CREATE SEQUENCE evil",
    "RETURN nextval('evil')",
    "CALL threads = 1",
    "CALL timeout=1000000",
    "CALL clear_warnings()",
    "CALL drop_projected_graph('g')",
    "BEGIN TRANSACTION",
    "COMMIT",
    "CHECKPOINT",
    "CREATE MACRO evil(x) AS x",
]
FILES = [
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "MATCH (n) LOAD CSV FROM 'http://localhost/' AS line RETURN line",
    "load\ncsv with headers from 'file:///etc/passwd' AS line RETURN line",
    "LOAD FROM '/etc/passwd' RETURN *",
    "LOAD EXTENSION httpfs",
    "INSTALL httpfs",
    "UNINSTALL httpfs",
    "ATTACH '/tmp/other.db' AS other (dbtype duckdb)",
    "DETACH other",
    "COPY User FROM '/etc/passwd'",
    "COPY (MATCH (n:User) RETURN n.user_id) TO '/tmp/kg-rec-stolen.csv'",
    "EXPORT DATABASE '/tmp/kg-rec-stolen'",
    "IMPORT DATABASE '/tmp/kg-rec-stolen'",
    "CALL read_parquet('/etc/passwd') RETURN *",
    "CALL file_info('/etc/passwd') RETURN *",
]
SMUGGLED = [
    "",
    "   ",
    ";",
    "// nothing",
    "RETURN 1; MATCH (n) DETACH DELETE n",
    "RETURN 1;;RETURN 2",
    "RETURN 1; // then\nMATCH (n) DETACH DELETE n",
    "MATCH (n) \\u0044ETACH DELETE n",
    "MATCH (n) DETACH D\\u0045LETE n",
    "RETURN '\\u0027 AS x MATCH (n) DETACH DELETE n //'",
    "RETURN `\\u0060 AS x MATCH (n) DETACH DELETE n //`",
    "RETURN 1 /* \\u002a\\u002f MATCH (n) DETACH DELETE n //*/",
    "RETURN 1 // \\u000a MATCH (n) DETACH DELETE n",
    "MATCH (n)\u00a0DETACH\u00a0DELETE n",
    "MATCH (n)\u2003DETACH\u2003DELETE n",
    "MATCH (n) // x\u2028DETACH DELETE n",
    "MATCH (n) // x\u0085DETACH DELETE n",
    "MATCH (n) // x\rDETACH DELETE n",
    "MATCH (n) /* x\r */ RETURN n",
    "MATCH (n) DE\u200bTACH DE\u200bLETE n",
    "\ufeffMATCH (n) DETACH DELETE n",
    "MATCH (n)\x0bDETACH\x0cDELETE n",
    "MATCH (n) \uff24\uff25\uff34\uff21\uff23\uff28 DELETE n",
    "MATCH (n:User) \u017fET n.age = 1",
    "MATCH (n) RETURN 'open",
    'MATCH (n) RETURN "open',
    "MATCH (n) RETURN `open",
    "MATCH (n) RETURN n /* open",
    "RETURN '\\q'",
    "RETURN 'a\\\nb'",
    "RETURN 1 \x00",
    "MATCH (n) RETURN n \U0001f600",
    "MATCH (n) WHERE n.name = $x SET n.age = $y",
    "MATCH (n:User) WITH n. SET n.age = 1",
    "RETURN {a: SET}",
    "(n) RETURN n",
    "FINISH",
    "RETURN " + "1 + " * 40_000 + "1",
]
HOSTILE = [*WRITES, *ADMINISTRATION, *FILES, *SMUGGLED]

HONEST = [
    "MATCH (u:User) RETURN u.user_id",
    "match (u:User) return count(u) as n",
    "MATCH (f:Film) WHERE f.title = 'DELETE me' RETURN f.item_id",
    'MATCH (f:Film) WHERE f.title CONTAINS "DROP TABLE; CREATE" RETURN f.item_id',
    "MATCH (f:Film) WHERE f.title = 'it\\'s; DETACH DELETE n //' RETURN f.item_id",
    "MATCH (f:Film) // do not DELETE anything\nRETURN f.title",
    "MATCH (f:Film) /* CREATE, SET, MERGE */ RETURN f.title AS t",
    "MATCH (f:Film) RETURN f.title AS `set`",
    "MATCH (f:Film) RETURN f.title AS `DELETE ``n```",
    "MATCH (`create`:Film) RETURN `create`.title AS t",
    "MATCH (u:User)-[r:RATED]->(f:Film) RETURN type(r) AS kind, avg(r.rating) AS mean",
    "MATCH (u:User)-[r:RATED]->(f:Film) WITH f, count(r) AS n WHERE n > 0 RETURN f.title, n ORDER BY n DESC LIMIT 5;",
    "MATCH (a:User)-[:RATED]->(f:Film)<-[:RATED]-(b:User) WHERE a.user_id <> b.user_id RETURN DISTINCT b.user_id AS b",
    "OPTIONAL MATCH (f:Film {title: 'no such film'}) RETURN f.title AS t",
    "UNWIND [1, 2, 3] AS x WITH x WHERE x % 2 = 1 RETURN x * 1.5 AS y",
    "WITH 'LOAD CSV FROM' AS reset RETURN reset",
    "MATCH (u:User) RETURN u.user_id AS x UNION ALL MATCH (f:Film) RETURN f.item_id AS x",
    "MATCH (f:Film) RETURN CASE WHEN f.year > 1990 THEN 'new' ELSE 'old' END AS age",
    "MATCH (f:Film) WHERE EXISTS { MATCH (f)<-[:RATED]-(:User) } RETURN f.title AS t",
    "MATCH (f:Film) RETURN f.title AS 标题",
    "MATCH (u:User)-[r:RATED]->(f:Film) WHERE r.rating >= $least RETURN f.title AS t",
    "MATCH (u:User {user_id: 'u1'})-[:RATED*1..2]-(x) RETURN count(x) AS n",
    "\n  MATCH (u:User)\r\n\tRETURN u.user_id AS offset_of_settings  ",
    "MATCH (f:Film) RETURN coalesce(f.summary, '\\\\ \\n \\t none') AS s",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_the_gate_refuses(query: str) -> None:
    with pytest.raises(QueryRefusedError, match=r"^query refused"):
        check_read_only(query)


@pytest.mark.parametrize("query", HONEST)
def test_the_gate_lets_pass(query: str) -> None:
    assert check_read_only(query)


@pytest.mark.parametrize(
    "query",
    [
        "MATCH (n) RETURN n.set, n.`x`.delete",
        "MATCH (n:Set)-[:CREATE]->(:Merge) RETURN n",
        "CALL db.labels() YIELD label RETURN label",
        "CALL db . labels ( )",
        "CALL db.index.vector.queryNodes('kg_rec_Film_v', 5, $v) YIELD node, score RETURN node.title, score",
        "CALL { MATCH (n) RETURN n LIMIT 1 } RETURN n",
        "MATCH (n) CALL (n) { RETURN 1 AS x } RETURN x",
        "RETURN date.truncate('year', date()), duration.between(date('2020-01-01'), date()).days",
        "RETURN vector.similarity.cosine($a, $b) AS s",
        "RETURN $`a b`, $1, 0x1F, 1e-3, [x IN range(1, 3) WHERE x > 1 | x]",
        "MATCH p = shortestPath((a)-[*..3]-(b)) RETURN p",
    ],
)
def test_the_gate_lets_pass_what_one_database_has(query: str) -> None:
    assert check_read_only(query)


def test_refusals_say_where_and_what_to_do() -> None:
    with pytest.raises(
        QueryRefusedError, match=r"line 2, near 'SET n\.x = 1': only reading is allowed here.*backticks"
    ):
        check_read_only("MATCH (n)\nSET n.x = 1")
    with pytest.raises(QueryRefusedError, match=r"invisible character \(U\+00A0\)"):
        check_read_only("RETURN\u00a01")
    with pytest.raises(QueryRefusedError, match=r"procedure dbms\.listconfig is not among db\.index"):
        check_read_only("CALL dbms.listConfig()")


def test_a_refusal_shows_twenty_characters_of_its_line() -> None:
    with pytest.raises(QueryRefusedError, match=r"line 2, near 'CREATE \(n:Abcdefghij': "):
        check_read_only("MATCH (m)\nCREATE (n:Abcdefghijklmnop) RETURN n")


def test_a_word_that_writes_is_a_name_within_a_pattern_alone() -> None:
    assert check_read_only("MATCH (n:DELETE)-[r:SET]->(:REMOVE) RETURN n")
    with pytest.raises(QueryRefusedError, match="near 'DELETE RETURN n': only reading is allowed here"):
        check_read_only("MATCH (n) WHERE n:DELETE RETURN n")


def test_a_query_has_to_return_something() -> None:
    with pytest.raises(QueryRefusedError, match="it returns nothing; expected it to end with RETURN"):
        check_read_only("MATCH (n:User) WITH n LIMIT 1")
    assert check_read_only("CALL db.labels()")  # a call alone gives its columns


def test_tokens_keep_quotes_and_drop_comments() -> None:
    assert [(t.kind, t.text) for t in tokens("RETURN 'a''b' /* x */, `c``d`.e, $f, 1.5e3 // y")] == [
        ("word", "RETURN"),
        ("string", "'a'"),
        ("string", "'b'"),
        ("symbol", ","),
        ("name", "`c``d`"),
        ("symbol", "."),
        ("word", "e"),
        ("symbol", ","),
        ("parameter", "$f"),
        ("symbol", ","),
        ("number", "1.5e3"),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("MATCH (n) RETURN n ; // all", "MATCH (n) RETURN n LIMIT 7"),
        ("MATCH (n) RETURN n LIMIT 3", "MATCH (n) RETURN n LIMIT 3"),
        ("MATCH (n) WITH n LIMIT 3 RETURN n", "MATCH (n) WITH n LIMIT 3 RETURN n LIMIT 7"),
        ("RETURN 1 AS limit_", "RETURN 1 AS limit_ LIMIT 7"),
        ("RETURN 1 AS x UNION RETURN 2 AS x", "RETURN 1 AS x UNION RETURN 2 AS x"),
        (
            "CALL { RETURN 1 AS x UNION RETURN 2 AS x } RETURN x",
            "CALL { RETURN 1 AS x UNION RETURN 2 AS x } RETURN x LIMIT 7",
        ),
        ("CALL { RETURN 1 AS x LIMIT 3 } RETURN x", "CALL { RETURN 1 AS x LIMIT 3 } RETURN x LIMIT 7"),
    ],
)
def test_a_limit_is_added_where_there_is_none(query: str, expected: str) -> None:
    assert with_limit(query, check_read_only(query), 7) == expected


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("MATCH (n) RETURN n.a, count( * ) AS c, [1, 2] AS `x y`, f(1, 2) ORDER BY c", ["n.a", "c", "x y", "f(1, 2)"]),
        ("MATCH (n) RETURN DISTINCT n.a LIMIT 1", ["n.a"]),
        ("MATCH (n) RETURN *", None),
    ],
)
def test_columns_are_named_as_written(query: str, names: list[str] | None) -> None:
    assert column_names(query, check_read_only(query)) == names


# --- on real databases ---------------------------------------------------------------------------------


@pytest.fixture
def films(films_store: GraphStore) -> GraphStore:
    films_store.apply_schema(GraphSchema.bundled("movies"))
    films_store.write_nodes("User", pa.table({"user_id": ["u1", "u2"], "age": [30, 40]}))
    films_store.write_nodes(
        "Film", pa.table({"item_id": ["i1", "i2"], "title": ["Alien", "Brazil"], "year": [1979, 1985]})
    )
    ends = {"source": ["u1", "u1", "u2"], "target": ["i1", "i2", "i1"], "rating": [5.0, 4.0, 3.0]}
    films_store.write_edges("RATED", pa.table(ends))
    return films_store


def fingerprint(store: GraphStore) -> str:
    """Everything in the graph, as far as kg_rec can see it."""
    kept = {t: [b.to_pylist() for b in store.scan_nodes(t)] for t in ("User", "Film")}
    kept["RATED"] = [b.to_pylist() for b in store.scan_edges("RATED")]
    counts = store.query("MATCH (n) RETURN count(n) AS nodes").to_pylist()
    edges = store.query("MATCH ()-[r]->() RETURN count(r) AS edges").to_pylist()
    return json.dumps([kept, counts, edges, store.schema().digest], default=str)


def test_hostile_queries_are_refused_and_change_nothing(films: GraphStore) -> None:
    before = fingerprint(films)
    for query in HOSTILE:
        with pytest.raises(QueryRefusedError):
            films.query(query)
        assert fingerprint(films) == before, query
    assert not Path("/tmp/kg-rec-stolen.csv").exists()


def test_honest_queries_give_rows(films: GraphStore) -> None:
    rows = {query: films.query(query, {"least": 4} if "$least" in query else {}).num_rows for query in HONEST}
    assert [query for query, n in rows.items() if n == 0] == [q for q in HONEST if "f.title = '" in q or "DROP" in q]


def test_the_database_is_a_second_lock(films: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the gate off, the database itself still refuses every write."""
    for module in (kg_rec.store.embedded.prepared, kg_rec.store.neo4j.store):
        monkeypatch.setattr(module, "check_read_only", lambda text: tokens(text) or tokens("RETURN 1"))
    kg_rec.store.embedded.prepared.prepared.cache_clear()
    before = fingerprint(films)
    for query in [*WRITES, "CREATE INDEX bad FOR (n:User) ON (n.age)", "DROP TABLE RATED", "RETURN 1; CREATE (:User)"]:
        with pytest.raises(StoreError):
            films.query(query)
        assert fingerprint(films) == before, query
    with pytest.raises(StoreError):
        films.query(WRITES[0])  # as before: only what may be asked is remembered
    assert fingerprint(films) == before
    kg_rec.store.embedded.prepared.prepared.cache_clear()  # what was made ready without the gate


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (f"RETURN {'NOT ' * 5_000}true", "more than 100 levels"),
        (f"RETURN {'(' * 2_000}1{')' * 2_000}", "more than 100 levels"),
        (f"RETURN {'1+' * 49_000}1", "words and signs, at most 10000"),
        (f"RETURN {'-' * 200}1", "more than 100 levels"),
        (f"RETURN {'CASE WHEN true THEN ' * 200}1{' END' * 200}", "more than 100 levels"),
        (" UNION ".join(["RETURN 1 AS a"] * 2_000), "more than 200 clauses"),
        ("WITH 1 AS x " * 300 + "RETURN x", "more than 200 clauses"),
    ],
)
def test_texts_too_large_to_plan_are_refused(query: str, why: str) -> None:
    with pytest.raises(QueryRefusedError, match=why):
        check_read_only(query)


def test_deep_but_honest_texts_pass() -> None:
    check_read_only(f"RETURN {'(' * 90}1{')' * 90}")
    check_read_only(f"MATCH (u:User) WHERE {' OR '.join(f'u.age = {n}' for n in range(900))} RETURN u")
