"""The embedded store: a folder with a KGLite graph, for work without a server.

The graph is held in memory and logged: a write is on the disk before it returns, and whole or not there at all.  One
connection writes.  Readers see the graph as it was when they opened it; they neither wait for a writer nor make one
wait.  The statements are those of Neo4j (:mod:`kg_rec.store.cypher`); only nodes and edges in bulk are written by
another way.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import kglite
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import QueryRefusedError, SchemaError, SchemaNotAppliedError, StoreError
from kg_rec.schema import GraphSchema, NodeType
from kg_rec.store import cypher as statements_of
from kg_rec.store.base import Capabilities, End, Statement
from kg_rec.store.batch import edge_schema, edge_table, node_schema, node_table
from kg_rec.store.catalog import SHOWN_KEYS, find_node_type, find_relation, missing_ends
from kg_rec.store.embedded import files
from kg_rec.store.embedded.bounded import MemoryWatch, bounded
from kg_rec.store.embedded.files import first_line
from kg_rec.store.embedded.frames import frame
from kg_rec.store.embedded.memory import BYTES_PER_ROW, require_memory
from kg_rec.store.embedded.names import given, plain_column, stored, stored_parameters, translated, with_own_ids
from kg_rec.store.embedded.optimizer import left_out
from kg_rec.store.embedded.prepared import prepared, stored_statement
from kg_rec.store.evolution import check_evolution
from kg_rec.store.gate import tokens
from kg_rec.store.paging import in_order, key_runs
from kg_rec.store.results import to_table

_SECONDS_PER_STATEMENT = 600.0
#: Rows and values that a statement of kg_rec's own may hold on its way.
_WORK = 1 << 40
#: Columns of keys in a frame of edges; no identifier of a schema has a blank.
_SOURCE, _TARGET = "source key", "target key"

#: What KGLite finds only while it runs a statement, and Neo4j before.
_NOT_VALID = re.compile(r"Missing parameter|Unknown (function|procedure)|Aggregate function .* cannot be used")

kglite.set_query_warning_policy("silent")


class EmbeddedStore:
    """A :class:`~kg_rec.store.base.GraphStore` in a folder.  Threads may share it.

    Args:
        folder: made when it does not exist, unless ``read_only``.
        read_only: open for reading only, beside a writer if there is one.

    Raises:
        StoreUnavailableError: the folder does not exist (``read_only``), holds other files, or is in use.
        StoreError: the graph's files cannot be read, or do not fit into memory.
    """

    def __init__(self, folder: str | Path, *, read_only: bool = False) -> None:
        self._folder = Path(folder)
        self._read_only = read_only
        files.check_folder(self._folder, exists=read_only)
        self._graph = files.open_for_reading(self._folder) if read_only else files.open_for_writing(self._folder)
        self._turn, self._memory = threading.RLock(), MemoryWatch()
        self._schema: GraphSchema | None = None
        self._closed = False

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._folder)

    @property
    def capabilities(self) -> Capabilities:
        """See :attr:`kg_rec.store.base.GraphStore.capabilities`."""
        return Capabilities(concurrent_writers=False, vector_index=False, checked_types=True)

    def apply_schema(self, schema: GraphSchema) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.apply_schema`."""
        self._check_writable()
        old = self._stored_schema()
        if old is not None and old.digest == schema.digest:
            return
        if old is not None:
            check_evolution(old, schema)
        if schema.mapped:
            raise SchemaError(
                f"schema {schema.name} maps a graph that others made (kr:from); an embedded graph is kg_rec's own: "
                "apply it to a Neo4j server"
            )
        values = {"name": schema.name, "turtle": schema.turtle, "digest": schema.digest}
        self._declare(schema)
        self.transact([(statements_of.WRITE_SCHEMA, values)])
        self._schema = schema

    def schema(self) -> GraphSchema:
        """See :meth:`kg_rec.store.base.GraphStore.schema`."""
        if self._schema is None:
            self._schema = self._stored_schema()
        if self._schema is None:
            raise SchemaNotAppliedError(f"{self.url} holds no kg_rec schema yet; load data or apply a schema first")
        return self._schema

    def reserve(self, rows: int) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.reserve`."""
        require_memory(rows * BYTES_PER_ROW, f"{self.url}: loading {rows:,} rows")

    def write_nodes(self, node_type: str, batch: pa.Table) -> int:
        """See :meth:`kg_rec.store.base.GraphStore.write_nodes`."""
        self._check_writable()
        t = find_node_type(self.schema(), node_type)
        table = node_table(t, batch)
        if table.num_rows:
            self._add_nodes(t, table)
        return int(table.num_rows)

    def write_edges(self, relation: str, batch: pa.Table) -> int:
        """See :meth:`kg_rec.store.base.GraphStore.write_edges`."""
        self._check_writable()
        r, source, target = find_relation(self.schema(), relation)
        table = edge_table(r, batch)
        if table.num_rows:
            for end, t in (("source", source), ("target", target)):
                self._check_ends(relation, end, t, table)
            ends = {_SOURCE: "source", _TARGET: "target"}
            data, kinds = frame(table, ends, list(r.properties))
            self._bulk(
                table.num_rows,
                lambda graph: graph.add_relationships(
                    data,
                    r.name,
                    source.name,
                    _SOURCE,
                    target.name,
                    _TARGET,
                    conflict_handling="replace",
                    column_types=kinds,
                ),
            )
        return int(table.num_rows)

    def scan_nodes(
        self, node_type: str, batch_size: int = 50_000, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See :meth:`kg_rec.store.base.GraphStore.scan_nodes`."""
        t = find_node_type(self.schema(), node_type, columns)
        keys = self._weighted_keys(statements_of.node_keys(t))
        return self._scan(keys, statements_of.nodes(t), node_schema(t), [t.key], batch_size)

    def scan_edges(self, relation: str, batch_size: int = 50_000) -> Iterator[pa.RecordBatch]:
        """See :meth:`kg_rec.store.base.GraphStore.scan_edges`.

        Memory is bounded by ``batch_size`` rows or by the edges of the largest source node, if there are more.
        """
        r, source, target = find_relation(self.schema(), relation)
        keys = self._weighted_keys(statements_of.source_keys(r, source))
        statement = statements_of.edges(r, source, target)
        return self._scan(keys, statement, edge_schema(r), ["source", "target"], batch_size)

    def read_nodes(self, node_type: str, keys: Sequence[str], *, columns: Sequence[str] | None = None) -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.read_nodes`."""
        t = find_node_type(self.schema(), node_type, columns)
        return in_order(self._page(statements_of.nodes(t), keys, node_schema(t)), [t.key])

    def read_edges(self, relation: str, keys: Sequence[str], *, end: End = "source") -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.read_edges`."""
        r, source, target = find_relation(self.schema(), relation)
        statement = statements_of.edges(r, source, target, end)
        return in_order(self._page(statement, keys, edge_schema(r)), ["source", "target"])

    def query(
        self, cypher: str, parameters: Mapping[str, Any] | None = None, *, limit: int = 100_000, timeout: float = 60.0
    ) -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.query`."""
        ready = prepared(cypher, limit + 1)
        names, view = ready.names, self._view()

        def answer() -> pa.Table:
            with _UserErrors(timeout):
                result = view.cypher(
                    ready.text,
                    params=stored_parameters(parameters),
                    timeout_ms=max(1, int(timeout * 1000)),
                    row_limit=limit + 1,
                    disabled_passes=list(ready.left_out),
                )
                if not isinstance(result, kglite.ResultView):
                    raise QueryRefusedError("query refused: it asks for text; expected a query that returns rows")
                if len(result) > limit:
                    raise StoreError(f"the query gives more than {limit} rows; add LIMIT or raise the limit")
                columns = [plain_column(result.column(name)) for name in result.columns]
            if names is not None and len(names) == len(columns):
                return to_table(names, columns)
            return to_table([given(name) for name in result.columns], columns)

        if ready.builds:
            return bounded(answer, timeout, self._turn)
        with self._memory.limit():
            return answer()

    def transact(self, statements: Sequence[Statement]) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.transact`."""
        self._check_writable()
        schema = self._schema or self._stored_schema()
        declared = schema.node_types if schema is not None else ()
        with self._turn, _Errors(self.url), self._graph.begin() as transaction:
            for statement, values in statements:
                transaction.cypher(
                    with_own_ids(stored_statement(statement), declared),
                    params=stored_parameters(values),
                    timeout_ms=int(_SECONDS_PER_STATEMENT * 1000),
                )

    def close(self) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.close`."""
        with self._turn:
            if not self._closed and not self._read_only:
                files.close(self._graph, self._folder)
            self._closed = True
            self._memory.close()

    # --- inside ------------------------------------------------------------------------------------

    def _check_writable(self) -> None:
        if self._read_only:
            raise StoreError(f"{self.url} is open for reading only; connect without read_only to write")

    def _stored_schema(self) -> GraphSchema | None:
        rows = self._read(statements_of.READ_SCHEMA, {}).to_list()
        return GraphSchema.from_turtle(rows[0]["turtle"], origin=f"{self.url}: stored schema") if rows else None

    def _declare(self, schema: GraphSchema) -> None:
        """Tell KGLite the key and the properties of each node type, so that statements too can make nodes of it."""
        for t in schema.node_types.values():
            self._add_nodes(t, node_schema(t).empty_table())

    def _add_nodes(self, t: NodeType, table: pa.Table) -> None:
        key = stored(t.key)
        data, kinds = frame(table, {key: t.key}, [p for p in t.properties if p.name != t.key])
        self._bulk(table.num_rows, lambda graph: graph.add_nodes(data, t.name, key, key, column_types=kinds))

    def _bulk(self, rows: int, write: Callable[[kglite.KnowledgeGraph], object]) -> None:
        require_memory(rows * BYTES_PER_ROW, f"{self.url}: writing {rows:,} rows")
        with self._turn, _Errors(self.url):
            write(self._graph)

    def _check_ends(self, relation: str, end: str, t: NodeType, table: pa.Table) -> None:
        keys = sorted(pc.unique(table[end]).to_pylist())
        missing = self._read(statements_of.missing_keys(t), {"keys": keys}).column("k")
        if missing:
            raise missing_ends(relation, end, t.name, missing[:SHOWN_KEYS])

    def _weighted_keys(self, statement: str) -> Iterator[tuple[list[str], list[int]]]:
        page = self._read(statement, {})
        keys, weights = page.column("k"), page.column("weight")
        order = sorted(range(len(keys)), key=keys.__getitem__)
        yield [keys[i] for i in order], [weights[i] for i in order]

    def _scan(
        self,
        keys: Iterator[tuple[list[str], list[int]]],
        statement: str,
        schema: pa.Schema,
        order: list[str],
        batch_size: int,
    ) -> Iterator[pa.RecordBatch]:
        for run in key_runs(keys, batch_size):
            yield from in_order(self._page(statement, run, schema), order).to_batches(max_chunksize=batch_size)

    def _page(self, statement: str, keys: Sequence[str], schema: pa.Schema) -> pa.Table:
        """What a statement gives for some keys."""
        page = self._read(statement, {"keys": list(keys)})
        return pa.table([pa.array(page.column(f.name), f.type) for f in schema], schema=schema)

    def _view(self) -> kglite.KnowledgeGraph:
        """The graph as it is now, for reading only; what is written later does not change it."""
        with self._turn:
            view = self._graph.session().cursor()
        view.read_only(True)
        return view

    def _read(self, statement: str, values: dict[str, Any]) -> kglite.ResultView:
        found = tokens(statement)
        text = translated(statement, found)
        with _Errors(self.url):
            result = self._view().cypher(
                text, params=values, timeout_ms=0, max_work_units=_WORK, disabled_passes=left_out(found)
            )
            if isinstance(result, kglite.ResultView):
                return result
            raise StoreError(f"expected rows, got {type(result).__name__}")


class _Errors:
    """Raises KGLite's errors as kg_rec's, in one line each."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, kglite.FileIoError | OSError):
            raise StoreError(
                f"{self._where}: cannot write the graph: {first_line(error)[:160]}; what was written before is kept: "
                "make room, then open the graph again"
            ) from error
        if isinstance(error, (kglite.KgError, ValueError, TypeError, RuntimeError, OverflowError)):
            raise StoreError(f"{self._where}: the embedded graph failed: {first_line(error)}") from error


class _UserErrors:
    """The same for a statement that a person wrote."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, kglite.CypherTimeoutError):
            raise StoreError(
                f"the query was stopped after {self._timeout:g} seconds; narrow it or raise the timeout"
            ) from error
        if isinstance(error, kglite.CypherExecutionError) and not _NOT_VALID.search(str(error)):
            raise StoreError(f"the query failed: {first_line(error)}") from error
        if isinstance(error, (kglite.KgError, ValueError, TypeError, OverflowError, RecursionError)):
            raise QueryRefusedError(f"query refused by the graph database: {first_line(error)}") from error
