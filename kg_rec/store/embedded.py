"""The embedded store: a folder with a Ladybug graph, for work without a server.

One process may write; a lock file in the folder sees to that, and readers exclude a writer.  Ladybug's own cache
of prepared statements holds buffer memory for every Arrow table it has seen, so each statement here is prepared,
run once and closed.  The graph can always be rebuilt from the loader's files and is never the only copy.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import ladybug
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import QueryRefusedError, SchemaNotAppliedError, StoreError, StoreUnavailableError
from kg_rec.schema import GraphSchema, NodeType, RelationType
from kg_rec.store import cypher
from kg_rec.store.base import Statement
from kg_rec.store.batch import edge_schema, edge_table, node_schema, node_table
from kg_rec.store.catalog import find_node_type, find_relation, missing_ends
from kg_rec.store.dialect import column_names, for_ladybug
from kg_rec.store.evolution import check_evolution
from kg_rec.store.gate import check_read_only, with_limit
from kg_rec.store.lock import FolderLock
from kg_rec.store.paging import key_runs, ordered_batches
from kg_rec.store.results import rows_to_table

_log = logging.getLogger(__name__)
_GRAPH = "graph.lbug"
_BUFFER_BYTES = 1 << 30
_KEYS_PER_PAGE = 500_000


class EmbeddedStore:
    """A :class:`~kg_rec.store.base.GraphStore` in a folder.

    Args:
        folder: made when it does not exist, unless ``read_only``.
        read_only: open for reading only; several readers may share a folder.

    Raises:
        StoreUnavailableError: the folder does not exist (``read_only``), holds other files, or is in use.
        StoreError: the graph's files cannot be read.
    """

    def __init__(self, folder: str | Path, *, read_only: bool = False) -> None:
        self._folder = Path(folder)
        self._read_only = read_only
        self._check_folder()
        self._lock = FolderLock(self._folder, shared=read_only)
        try:
            self._database = self._open()
            self._connection = ladybug.Connection(self._database)
        except BaseException:
            self._lock.release()
            raise
        self._schema: GraphSchema | None = None

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._folder)

    @property
    def dialect(self) -> Literal["neo4j", "ladybug"]:
        """See :attr:`kg_rec.store.base.GraphStore.dialect`."""
        return "ladybug"

    def apply_schema(self, schema: GraphSchema) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.apply_schema`."""
        old = self._stored_schema()
        if old is not None and old.digest == schema.digest:
            return
        if old is not None:
            check_evolution(old, schema)
        values = {"name": schema.name, "turtle": schema.turtle, "digest": schema.digest}
        with _Transaction(self):
            for statement in (cypher.LADYBUG_SCHEMA_TABLE, *cypher.ladybug_tables(schema, old)):
                self._run(statement)
            self._run(cypher.LADYBUG_CLEAR_SCHEMA)
            self._run(cypher.LADYBUG_WRITE_SCHEMA, values)
        self._schema = schema

    def schema(self) -> GraphSchema:
        """See :meth:`kg_rec.store.base.GraphStore.schema`."""
        if self._schema is None:
            self._schema = self._stored_schema()
        if self._schema is None:
            raise SchemaNotAppliedError(f"{self.url} holds no kg_rec schema yet; load data or apply a schema first")
        return self._schema

    def write_nodes(self, node_type: str, batch: pa.Table) -> int:
        """See :meth:`kg_rec.store.base.GraphStore.write_nodes`."""
        t = find_node_type(self.schema(), node_type)
        table = node_table(t, batch)
        if table.num_rows:
            names = table.column_names
            renamed = table.rename_columns(["k", *(f"v{i}" for i in range(1, len(names)))])
            with _Transaction(self):
                self._run(cypher.ladybug_merge_nodes(t, names[1:]), {"batch": renamed})
        return int(table.num_rows)

    def write_edges(self, relation: str, batch: pa.Table) -> int:
        """See :meth:`kg_rec.store.base.GraphStore.write_edges`."""
        r, source, target = find_relation(self.schema(), relation)
        table = edge_table(r, batch)
        if table.num_rows:
            with _Transaction(self):
                for end, t in (("source", source), ("target", target)):
                    self._check_ends(r, end, t, table)
                new = self._new_or_changed(r, source, target, table)
                if new.num_rows:
                    self._run(cypher.ladybug_copy_edges(r), {"batch": new})
        return int(table.num_rows)

    def scan_nodes(self, node_type: str, batch_size: int = 50_000) -> Iterator[pa.RecordBatch]:
        """See :meth:`kg_rec.store.base.GraphStore.scan_nodes`."""
        t = find_node_type(self.schema(), node_type)
        keys = self._weighted_keys(cypher.ladybug_node_keys(t))
        return self._scan(keys, cypher.ladybug_nodes_between(t), node_schema(t), [t.key], batch_size)

    def scan_edges(self, relation: str, batch_size: int = 50_000) -> Iterator[pa.RecordBatch]:
        """See :meth:`kg_rec.store.base.GraphStore.scan_edges`.

        Memory is bounded by ``batch_size`` rows or by the edges of the largest source node, if there are more.
        """
        r, source, target = find_relation(self.schema(), relation)
        keys = self._weighted_keys(cypher.ladybug_source_keys(r, source))
        statement = cypher.ladybug_edges_between(r, source, target)
        return self._scan(keys, statement, edge_schema(r), ["source", "target"], batch_size)

    def query(
        self, cypher: str, parameters: Mapping[str, Any] | None = None, *, limit: int = 100_000, timeout: float = 60.0
    ) -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.query`."""
        found = check_read_only(cypher)
        names = column_names(cypher, found)
        values = dict(parameters or {})
        text = for_ladybug(with_limit(cypher, found, limit + 1), found, values)
        connection = ladybug.Connection(self._database)
        try:
            connection.set_query_timeout(max(1, int(timeout * 1000)))
            _execute(connection, "BEGIN TRANSACTION READ ONLY").close()
            result = _execute(connection, text, values, user=True, timeout=timeout)
            if result.get_num_tuples() > limit:
                raise StoreError(f"the query gives more than {limit} rows; add LIMIT or raise the limit")
            if names is None or len(names) != len(result.get_column_names()):
                names = result.get_column_names()
            rows = [[_plain(value) for value in row] for row in result.get_all()]
            result.close()
        finally:
            connection.close()
        return rows_to_table(names, rows)

    def transact(self, statements: Sequence[Statement]) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.transact`."""
        with _Transaction(self):
            for statement, values in statements:
                self._run(statement, dict(values))

    def close(self) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.close`."""
        self._connection.close()
        self._database.close()
        self._lock.release()

    # --- inside ------------------------------------------------------------------------------------

    def _check_folder(self) -> None:
        here = self._folder
        if self._read_only and not (here / _GRAPH).exists():
            raise StoreUnavailableError(f"{here}: no graph here; load one first, or check the path")
        if here.is_file():
            raise StoreUnavailableError(f"{here}: expected a folder for the embedded graph, got a file")
        if here.is_dir() and not (here / _GRAPH).exists() and any(here.iterdir()):
            raise StoreUnavailableError(f"{here}: the folder holds other files; choose a new or an empty folder")
        try:
            here.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(f"{here}: cannot make the folder: {error}") from error

    def _open(self) -> ladybug.Database:
        # compression off: with it, Ladybug 0.22 gives back other numbers than were written once a table of doubles is
        # written a second time (its issue 998; tests/contracts/test_runs.py shows it)
        options: dict[str, Any] = {
            "read_only": self._read_only,
            "buffer_pool_size": _BUFFER_BYTES,
            "compression": False,
        }
        path = self._folder / _GRAPH
        try:
            return ladybug.Database(path, **options)
        except RuntimeError as error:
            if "WAL" not in str(error).upper():
                raise StoreError(f"{path}: cannot open the graph: {_first_line(error)}") from error
            _log.warning("%s: a write was cut off; going back to the last complete one (%s)", path, _first_line(error))
        try:
            return ladybug.Database(path, throw_on_wal_replay_failure=False, **options)
        except RuntimeError as error:
            raise StoreError(f"{path}: cannot open the graph: {_first_line(error)}; load it again") from error

    def _stored_schema(self) -> GraphSchema | None:
        tables = self._table("CALL show_tables() RETURN name")
        if cypher.SCHEMA_LABEL not in tables["name"].to_pylist():
            return None
        rows = self._table(cypher.READ_SCHEMA).to_pylist()
        return GraphSchema.from_turtle(rows[0]["turtle"], origin=f"{self.url}: stored schema") if rows else None

    def _check_ends(self, relation: RelationType, end: str, t: NodeType, table: pa.Table) -> None:
        keys = pa.table({"k": pc.unique(table[end])})
        missing = self._table(cypher.ladybug_missing_keys(t), {"batch": keys})["k"].to_pylist()
        if missing:
            raise missing_ends(relation.name, end, t.name, missing)

    def _new_or_changed(self, r: RelationType, source: NodeType, target: NodeType, table: pa.Table) -> pa.Table:
        """Rows that are to be appended, after edges with other properties were deleted."""
        if not self._table(cypher.ladybug_has_edges(r)).num_rows:
            return table
        bounds = pc.min_max(table["source"]).as_py()
        span = {"first": bounds["min"], "last": bounds["max"]}
        pairs = table.select(["source", "target"]).append_column("row", pa.array(range(table.num_rows), pa.int64()))
        known = self._table(cypher.ladybug_known_edges(r, source, target), {"batch": pairs, **span})
        if not known.num_rows:
            return table
        properties = [p.name for p in r.properties]
        before = known.select(properties).cast(table.select(properties).schema)
        after = table.select(properties).take(known["row"])
        changed = known["row"].filter(_differs(before, after, known.num_rows))
        if len(changed):
            delete = cypher.ladybug_delete_edges(r, source, target)
            self._run(delete, {"batch": pairs.take(changed), **span})
        kept = pa.array(set(known["row"].to_pylist()) - set(changed.to_pylist()), pa.int64())
        return table.filter(pc.invert(pc.is_in(pairs["row"], kept)))

    def _weighted_keys(self, statement: str) -> Iterator[tuple[list[str], list[int]]]:
        after = ""  # no key is empty
        while True:
            page = self._table(statement, {"after": after, "limit": _KEYS_PER_PAGE})
            keys = page["k"].to_pylist()
            if keys:
                yield keys, page["weight"].to_pylist()
            if len(keys) < _KEYS_PER_PAGE:
                return
            after = keys[-1]

    def _scan(
        self,
        keys: Iterator[tuple[list[str], list[int]]],
        statement: str,
        schema: pa.Schema,
        order: list[str],
        batch_size: int,
    ) -> Iterator[pa.RecordBatch]:
        for run in key_runs(keys, batch_size):
            page = self._table(statement, {"first": run[0], "last": run[-1]}).cast(schema)
            yield from ordered_batches(page, order, batch_size)

    def _table(self, statement: str, values: dict[str, Any] | None = None) -> pa.Table:
        result = _execute(self._connection, statement, values)
        try:
            return result.get_as_arrow(-1) if result.get_num_tuples() else _empty(result)
        finally:
            result.close()

    def _run(self, statement: str, values: dict[str, Any] | None = None) -> None:
        if self._read_only:
            raise StoreError(f"{self.url} is open for reading only; connect without read_only to write")
        _execute(self._connection, statement, values).close()


class _Transaction:
    """All writes inside are kept together or not at all."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store._run("BEGIN TRANSACTION")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._store._run("COMMIT")
            return
        try:
            self._store._run("ROLLBACK")
        except StoreError as failure:  # Ladybug rolls back by itself after some errors
            if "No active transaction" not in str(failure):
                _log.warning("%s: rolling back failed: %s", self._store.url, failure)


def _execute(
    connection: ladybug.Connection,
    statement: str,
    values: dict[str, Any] | None = None,
    *,
    user: bool = False,
    timeout: float = 0.0,
) -> ladybug.QueryResult:
    """Prepare one statement, run it, and forget it; ``user`` says that a person wrote it."""
    values = values or {}
    try:
        prepared = ladybug.PreparedStatement(connection, statement, values)
        if not prepared.is_success():
            reason = _first_line(prepared.get_error_message())
            if user:
                raise QueryRefusedError(f"query refused by the graph database: {reason}")
            raise StoreError(f"the embedded graph refused a statement: {reason}")
        result = connection.execute(prepared, values)
    except RuntimeError as error:
        if user and "Parameter" in str(error) and "not found" in str(error):
            raise QueryRefusedError(f"query refused by the graph database: {_first_line(error)}") from error
        if "Interrupted" in str(error):
            raise StoreError(
                f"the query was stopped after {timeout:g} seconds; narrow it or raise the timeout"
            ) from error
        raise StoreError(f"the embedded graph failed: {_first_line(error)}") from error
    if isinstance(result, list):
        raise StoreError("expected one statement, got several")
    return result


def _differs(before: pa.Table, after: pa.Table, rows: int) -> pa.Array:
    different = pa.array([False] * rows)
    for name in before.column_names:
        old, new = before[name].combine_chunks(), after[name].combine_chunks()
        if pa.types.is_list(old.type):
            here = pa.array([a != b for a, b in zip(old.to_pylist(), new.to_pylist(), strict=True)], pa.bool_())
        else:
            unequal = pc.fill_null(pc.not_equal(old, new), False)
            here = pc.or_(unequal, pc.xor(pc.is_null(old), pc.is_null(new)))
        different = pc.or_(different, here)
    return different


def _empty(result: ladybug.QueryResult) -> pa.Table:
    return pa.table({name: pa.array([], pa.null()) for name in result.get_column_names()})


def _plain(value: Any) -> Any:
    """A value without Ladybug's internal fields and its 128-bit sums."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        if value.keys() == {"_NODES", "_RELS"}:
            return {"nodes": _plain(value["_NODES"]), "relationships": _plain(value["_RELS"])}
        inner = "_LABEL" in value
        return {k: _plain(v) for k, v in value.items() if not (inner and (k.startswith("_") or v is None))}
    return value


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0][:300]
