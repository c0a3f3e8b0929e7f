"""The Neo4j store (5.26 and newer, Community is enough; no plug-in): the system of record.

Nodes carry their own string keys under uniqueness constraints.  A batch is one managed transaction, which the
driver repeats after passing faults; rows are sorted by key, so that concurrent writers lock nodes in one order.
A batch too large for the server's transaction memory is split, after its ends were all found.
Scans page over keys and fetch one row of column lists a page, which decodes several times faster than rows.

:meth:`Neo4jStore.transact` may be called by several threads.  Creating an edge locks its nodes and their other edges,
but not before the commit; so these transactions are prepared at a time and commit one after the other, and none waits
for a lock that another holds.

A connection that is lost without notice ends an operation too.  Connecting and sending have time limits; while the
server works on an answer it sends empty chunks, and the driver gives up after the silence that the server's hint
``connection.recv_timeout_seconds`` allows (``server.bolt.connection_keep_alive`` times ``..._probes``, 120 s by
default).  A server with ``server.bolt.connection_keep_alive_for_requests=OFF`` gives no hint: there the system's TCP
keep-alive alone ends the wait.  What a lost transaction had locked is free again when its time limit is over.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

import neo4j
import pyarrow as pa

from kg_rec.errors import (
    QueryRefusedError,
    SchemaNotAppliedError,
    StoreError,
    StoreUnavailableError,
)
from kg_rec.schema import GraphSchema, NodeType, RelationType
from kg_rec.store import cypher
from kg_rec.store.base import Capabilities, End, Statement
from kg_rec.store.batch import edge_schema, edge_table, node_schema, node_table
from kg_rec.store.catalog import find_node_type, find_relation, missing_ends
from kg_rec.store.credentials import read_credentials, split_url
from kg_rec.store.evolution import check_evolution
from kg_rec.store.gate import check_read_only, statement_text
from kg_rec.store.mapping import check_mapping
from kg_rec.store.neo4j.failures import Where, mapped_errors
from kg_rec.store.neo4j.values import plain, typed_column
from kg_rec.store.paging import in_order, key_runs
from kg_rec.store.results import to_table

_OLDEST = (5, 26)
_ROWS_PER_STATEMENT = 10_000
_ROWS_PER_TRANSACTION = 100_000
_NODES_PER_PAGE = 10_000
_KEYS_PER_PAGE = 20_000
#: Time limit of a transaction of :meth:`Neo4jStore.transact`.  The server does not see that a line is dead, and would
#: keep the locks of what was begun on it for hours; who tries again would wait for them.
_SECONDS_PER_TRANSACTION = 300.0
#: How long the driver itself tries a transaction again while the server does not answer.
_SECONDS_OF_TRYING = 30.0
#: So many queries of which the server said that they only read are not asked about again.
_TEXTS_KEPT = 200
_Rows = list[tuple[Any, ...]]
T = TypeVar("T")


class Neo4jStore:
    """A :class:`~kg_rec.store.base.GraphStore` on a Neo4j server.

    Args:
        url: see :func:`kg_rec.store.connect`.
        read_only: refuse every write before it reaches the server.

    Raises:
        StoreUnavailableError: no server answers, or it has no such database.
        AuthenticationError: the server refused the credentials, or there are none.
        StoreError: the URL is not understood, or the server is older than 5.26.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._url, self._database = split_url(url)
        self._read_only = read_only
        auth = read_credentials()
        self._schema: GraphSchema | None = None
        self._only_reads: set[str] = set()
        self._commits = threading.Lock()
        self._anonymous = auth is None
        with self._mapped_errors():
            self._driver = neo4j.GraphDatabase.driver(
                self._url,
                auth=auth,
                connection_timeout=10.0,
                connection_acquisition_timeout=30.0,
                max_transaction_retry_time=_SECONDS_OF_TRYING,
                notifications_min_severity="OFF",
                user_agent="kg_rec",
            )
        try:
            self._check_server()
        except BaseException:
            self._driver.close()
            raise

    @property
    def url(self) -> str:
        """The server's URL with the database, without credentials."""
        return f"{self._url}?database={self._database}"

    @property
    def capabilities(self) -> Capabilities:
        """See :attr:`kg_rec.store.base.GraphStore.capabilities`."""
        return Capabilities(concurrent_writers=True, vector_index=True, checked_types=False)

    def apply_schema(self, schema: GraphSchema) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.apply_schema`."""
        self._check_writable()
        old = self._stored_schema()
        if old is not None and old.digest == schema.digest:
            return
        check_mapping(schema)
        # a graph that others made may be looked at in another way
        if old is not None and not (old.mapped and schema.mapped):
            check_evolution(old, schema)
        values = {"name": schema.name, "turtle": schema.turtle, "digest": schema.digest}
        with self._mapped_errors(), self._session(neo4j.WRITE_ACCESS) as session:
            statements = cypher.neo4j_constraints(schema)
            for name, made in cypher.neo4j_constraints(old).items() if old is not None and old.mapped else ():
                if statements.get(name) != made:
                    session.run(_query(f"DROP INDEX {name} IF EXISTS")).consume()
            for statement in statements.values():
                session.run(_query(statement)).consume()
            session.run(_query(cypher.NEO4J_AWAIT_INDEXES)).consume()
            session.execute_write(lambda tx: tx.run(cypher.WRITE_SCHEMA, values).consume())
        self._schema = schema

    def schema(self) -> GraphSchema:
        """See :meth:`kg_rec.store.base.GraphStore.schema`."""
        if self._schema is None:
            self._schema = self._stored_schema()
        if self._schema is None:
            raise SchemaNotAppliedError(f"{self.url} holds no kg_rec schema yet; load data or apply a schema first")
        return self._schema

    def reserve(self, rows: int) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.reserve`; a server's disk is its own affair."""

    def write_nodes(self, node_type: str, batch: pa.Table) -> int:
        """See :meth:`kg_rec.store.base.GraphStore.write_nodes`."""
        self._check_writable()
        self._check_own()
        t = find_node_type(self.schema(), node_type)
        table = node_table(t, batch)
        statement = cypher.neo4j_merge_nodes(t, table.column_names[1:])

        def work(tx: neo4j.ManagedTransaction, rows: _Rows) -> None:
            for chunk in _split(rows, _ROWS_PER_STATEMENT):
                tx.run(statement, {"rows": chunk}).consume()

        self._write(work, _rows(table, [t.key]))
        return int(table.num_rows)

    def write_edges(self, relation: str, batch: pa.Table) -> int:
        """See :meth:`kg_rec.store.base.GraphStore.write_edges`."""
        self._check_writable()
        self._check_own()
        r, source, target = find_relation(self.schema(), relation)
        table = edge_table(r, batch)
        statement = cypher.neo4j_merge_edges(r, source, target)

        def check(tx: neo4j.ManagedTransaction, rows: _Rows) -> None:
            for end, (column, t) in {"source": (0, source), "target": (1, target)}.items():
                keys = sorted({row[column] for row in rows})
                missing = tx.run(cypher.missing_keys(t), {"keys": keys}).value()
                if missing:
                    raise missing_ends(relation, end, t.name, missing)

        def work(tx: neo4j.ManagedTransaction, rows: _Rows) -> None:
            for chunk in _split(rows, _ROWS_PER_STATEMENT):
                written = tx.run(statement, {"rows": chunk}).single(strict=True)["written"]
                if written != len(chunk):  # ends are missing; or the owners have several edges between two nodes
                    check(tx, chunk)

        rows = _rows(table, ["source", "target"])
        if len(rows) > _ROWS_PER_TRANSACTION:
            with self._mapped_errors(), self._session(neo4j.READ_ACCESS) as session:
                session.execute_read(check, rows)
        self._write(work, rows)
        return int(table.num_rows)

    def scan_nodes(
        self, node_type: str, batch_size: int = 50_000, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See :meth:`kg_rec.store.base.GraphStore.scan_nodes`."""
        t = find_node_type(self.schema(), node_type, columns)
        keys = self._keys(t, cypher.neo4j_node_keys(t))
        size = min(batch_size, _NODES_PER_PAGE)
        return self._scan(t, keys, cypher.neo4j_nodes(t), node_schema(t), [t.key], size)

    def scan_edges(self, relation: str, batch_size: int = 50_000) -> Iterator[pa.RecordBatch]:
        """See :meth:`kg_rec.store.base.GraphStore.scan_edges`.

        Memory is bounded by ``batch_size`` rows or by the edges of the largest source node, if there are more.
        """
        r, source, target = find_relation(self.schema(), relation)
        keys = self._keys(source, cypher.neo4j_source_keys(r, source), r)
        statement = cypher.neo4j_edges(r, source, target)
        return self._scan(r, keys, statement, edge_schema(r), ["source", "target"], batch_size)

    def read_nodes(self, node_type: str, keys: Sequence[str], *, columns: Sequence[str] | None = None) -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.read_nodes`."""
        t = find_node_type(self.schema(), node_type, columns)
        return in_order(self._page(t, cypher.neo4j_nodes(t), keys, node_schema(t), [t.key]), [t.key])

    def read_edges(self, relation: str, keys: Sequence[str], *, end: End = "source") -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.read_edges`."""
        r, source, target = find_relation(self.schema(), relation)
        order = ["source", "target"]
        return in_order(self._page(r, cypher.neo4j_edges(r, source, target, end), keys, edge_schema(r), order), order)

    def query(
        self, cypher: str, parameters: Mapping[str, Any] | None = None, *, limit: int = 100_000, timeout: float = 60.0
    ) -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.query`."""
        text = statement_text(cypher, check_read_only(cypher))
        values = dict(parameters or {})
        rows: list[list[Any]] = []
        with self._mapped_errors(user=True, timeout=timeout), self._session(neo4j.READ_ACCESS) as session:
            if text not in self._only_reads:
                plan = session.run(_query(f"EXPLAIN {text}", timeout), values).consume()
                if plan.query_type != "r":
                    raise QueryRefusedError("query refused: the server says that it does more than read")
                if len(self._only_reads) >= _TEXTS_KEPT:
                    self._only_reads.clear()
                self._only_reads.add(text)
            result = session.run(_query(text, timeout), values)
            names = list(result.keys())
            for record in result:
                rows.append([plain(value) for value in record.values()])
                if len(rows) > limit:
                    raise StoreError(f"the query gives more than {limit} rows; add LIMIT or raise the limit")
        return to_table(names, list(zip(*rows, strict=True)) or [[] for _ in names])

    def transact(self, statements: Sequence[Statement]) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.transact`."""
        self._check_writable()

        @neo4j.unit_of_work(timeout=_SECONDS_PER_TRANSACTION)
        def work(tx: neo4j.ManagedTransaction) -> None:
            turn.close()  # of a commit that failed
            for statement, values in statements:
                tx.run(statement, dict(values)).consume()
            turn.enter_context(self._commits)

        with self._mapped_errors(), self._session(neo4j.WRITE_ACCESS) as session, ExitStack() as turn:
            session.execute_write(work)

    def close(self) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.close`."""
        self._driver.close()

    # --- inside ------------------------------------------------------------------------------------

    def _session(self, access: str) -> neo4j.Session:
        return self._driver.session(database=self._database, default_access_mode=access)

    def _check_writable(self) -> None:
        if self._read_only:
            raise StoreError(f"{self.url} is open for reading only; connect without read_only to write")

    def _check_own(self) -> None:
        if self.schema().mapped:
            raise StoreError(
                f"{self.url}: the schema {self.schema().name} maps a graph that others made (kr:from); kg_rec writes "
                "no node and no fact of it: write them with your own programs"
            )

    def _check_server(self) -> None:
        with self._mapped_errors(), self._session(neo4j.READ_ACCESS) as session:
            agent = session.run("RETURN 1").consume().server.agent
        version = re.match(r"Neo4j/(\d+)\.(\d+)", str(agent))
        if version and (int(version[1]), int(version[2])) < _OLDEST:
            raise StoreError(f"{self._url}: expected Neo4j 5.26 or newer, got {agent}")

    def _stored_schema(self) -> GraphSchema | None:
        rows = self._read(cypher.READ_SCHEMA, {}, lambda result: result.data())
        return GraphSchema.from_turtle(rows[0]["turtle"], origin=f"{self.url}: stored schema") if rows else None

    def _keys(
        self, t: NodeType, paged: str, relation: RelationType | None = None
    ) -> Iterator[tuple[list[str], list[int]]]:
        """Keys with weights, in pages by the index of kg_rec's own types, and all at once of others' types."""
        if t.pattern is None and (relation is None or relation.pattern is None):
            yield from self._weighted_keys(paged)
            return
        statement = cypher.neo4j_all_keys(t, relation)
        with self._named(t):
            keys, weights = self._read(statement, {}, lambda r: r.single(strict=True)).values()
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for start in range(0, len(order), _KEYS_PER_PAGE):
            page = order[start : start + _KEYS_PER_PAGE]
            yield [keys[i] for i in page], [weights[i] for i in page]

    def _weighted_keys(self, statement: str) -> Iterator[tuple[list[str], list[int]]]:
        after = ""  # no key is empty
        while True:
            page = self._read(statement, {"after": after, "limit": _KEYS_PER_PAGE}, lambda r: r.single(strict=True))
            keys, weights = page.values()
            if keys:
                yield keys, weights
            if len(keys) < _KEYS_PER_PAGE:
                return
            after = keys[-1]

    def _scan(
        self,
        owner: NodeType | RelationType,
        keys: Iterator[tuple[list[str], list[int]]],
        statement: str,
        schema: pa.Schema,
        order: list[str],
        batch_size: int,
    ) -> Iterator[pa.RecordBatch]:
        for run in key_runs(keys, batch_size):
            page = in_order(self._page(owner, statement, run, schema, order), order)
            yield from page.to_batches(max_chunksize=batch_size)

    def _page(
        self, owner: NodeType | RelationType, statement: str, keys: Sequence[str], schema: pa.Schema, ends: list[str]
    ) -> pa.Table:
        """What a statement gives of a type for some keys, as one row of lists."""
        with self._named(owner):
            page = self._read(statement, {"keys": list(keys)}, lambda r: r.single(strict=True))
        shown = [page[name] for name in ends]
        columns = [
            typed_column(values, field, shown, owner.name) for values, field in zip(page.values(), schema, strict=True)
        ]
        return pa.table(columns, schema=schema)

    @contextmanager
    def _named(self, owner: NodeType | RelationType) -> Iterator[None]:
        """Name the property whose ``kr:from`` the server cannot take of every node or relationship there is now."""
        try:
            yield
        except StoreUnavailableError:
            raise
        except StoreError as error:
            for p in owner.properties if owner.pattern is not None else ():
                if p.expression is None:
                    continue
                try:
                    self.query(cypher.values_there(self.schema(), owner, p), timeout=_SECONDS_PER_TRANSACTION)
                except StoreUnavailableError:
                    raise
                except StoreError as found:
                    raise StoreError(
                        f"{owner.name}.{p.name}: the graph holds values that {p.expression} does not fit ({found}); if "
                        "its owners changed their type, correct kr:from in the schema"
                    ) from error
            raise

    def _read(self, statement: str, values: dict[str, Any], take: Callable[[neo4j.Result], T]) -> T:
        with self._mapped_errors(), self._session(neo4j.READ_ACCESS) as session:
            return session.execute_read(lambda tx: take(tx.run(statement, values)))

    def _write(self, work: Callable[[neo4j.ManagedTransaction, _Rows], None], rows: _Rows) -> None:
        with self._mapped_errors(), self._session(neo4j.WRITE_ACCESS) as session:
            for part in _split(rows, _ROWS_PER_TRANSACTION):
                session.execute_write(work, part)

    def _mapped_errors(self, *, user: bool = False, timeout: float = 0.0) -> AbstractContextManager[None]:
        where = Where(self._url, self._database, self._anonymous)
        return mapped_errors(where, user=user, timeout=timeout)


def _query(text: str, timeout: float | None = None) -> neo4j.Query:
    return neo4j.Query(text, timeout=timeout)


def _rows(table: pa.Table, order: list[str]) -> _Rows:
    """The rows in key order, as tuples."""
    ordered = table.sort_by([(name, "ascending") for name in order])
    return list(zip(*(column.to_pylist() for column in ordered.columns), strict=True))


def _split(rows: _Rows, size: int) -> Iterator[_Rows]:
    return (rows[i : i + size] for i in range(0, len(rows), size))
