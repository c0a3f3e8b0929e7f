"""A snapshot: one store's graph as arrays with frozen id maps, in memory or memory-mapped on disk.

Training, recommendation and explanation read snapshots, never the store, so a run sees one state of the
graph.  The same graph gives the same bytes: keys are sorted before they are numbered, edges are sorted by
(source, target), and the manifest's date is that of the newest interaction, not of the export.
"""

from __future__ import annotations

import hashlib
import io
import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kg_rec.errors import NotFoundError, SchemaError, SnapshotError
from kg_rec.progress import Progress, no_progress
from kg_rec.schema import GraphSchema, NodeType, RelationType
from kg_rec.store.base import GraphStore
from kg_rec.store.run_cypher import RECOMMENDED

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data.hetero_data import HeteroData

_FORMAT = 1


@dataclass(frozen=True)
class IdMap:
    """Keys of one node type, sorted; the position of a key is its dense index.

    Attributes:
        node_type: the node type, for messages.
        keys: Arrow string array, sorted by code point, without duplicates.
    """

    node_type: str
    keys: pa.Array

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self.keys.to_pylist())}

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def index(self, key: str) -> int:
        """Dense index of a key.

        Raises:
            NotFoundError: the key is not in the graph.
        """
        try:
            return self._index[key]
        except KeyError:
            near = self.keys[:3].to_pylist()
            raise NotFoundError(
                f"no {self.node_type} with key {key!r} in the snapshot; expected one of {len(self)} keys such as {near}"
            ) from None

    def indices(self, keys: Sequence[str] | pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """Dense indices of many keys, shape (n,); -1 where a key is unknown."""
        asked = pa.array(keys, pa.string()) if isinstance(keys, Sequence) else keys
        bounds = pc.min_max(asked).as_py()
        if bounds["min"] is None:
            return np.full(len(asked), -1, dtype=np.int64)
        # the hash table that index_in builds is of this part alone: a batch in key order costs what it holds
        first = bisect_left(self.keys, bounds["min"], key=pa.StringScalar.as_py)
        last = bisect_right(self.keys, bounds["max"], lo=first, key=pa.StringScalar.as_py)
        found = pc.index_in(asked, self.keys[first:last]).cast(pa.int64())
        return np.asarray(pc.fill_null(pc.add(found, first), -1), dtype=np.int64)

    def key(self, index: int) -> str:
        """The key at a dense index."""
        return str(self.keys[index].as_py())


@dataclass(frozen=True)
class EdgeTable:
    """Edges of one relation type, sorted by (source, target), at most one per pair.

    Attributes:
        source: dense indices of the tails, int64, shape (m,).
        target: dense indices of the heads, int64, shape (m,).
        weight: float32, shape (m,), or None where the relation has no weight; NaN for a missing value.
        time: Unix seconds, int64, shape (m,), or None; the smallest int64 for a missing value.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float32] | None = None
    time: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: NDArray[Any]) -> EdgeTable:
        """The edges at positions (or a boolean mask) ``rows``, in their order."""
        return EdgeTable(
            self.source[rows],
            self.target[rows],
            None if self.weight is None else self.weight[rows],
            None if self.time is None else self.time[rows],
        )


def positive(edges: EdgeTable, interaction: RelationType) -> EdgeTable:
    """Of some interactions those that count as positive; see :meth:`Snapshot.liked`."""
    if interaction.positive_from is None or edges.weight is None:
        return edges
    return edges.take(edges.weight >= interaction.positive_from)


#: Stands for "no time" in :attr:`EdgeTable.time`.
NO_TIME = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Snapshot:
    """One state of a graph.

    Attributes:
        schema: the schema it follows.
        source: URL of the store it came from.
        nodes: per node type, an Arrow table of all properties in key order.
        edges: per relation type, its edges.
    """

    schema: GraphSchema
    source: str
    nodes: Mapping[str, pa.Table]
    edges: Mapping[str, EdgeTable]
    ids: Mapping[str, IdMap] = field(init=False)

    def __post_init__(self) -> None:
        ids = {}
        for name, node_type in self.schema.node_types.items():
            ids[name] = IdMap(name, _whole(self.nodes[name].column(node_type.key)))
        object.__setattr__(self, "ids", ids)

    @property
    def users(self) -> IdMap:
        """Id map of the user type."""
        return self.ids[self.schema.user.name]

    @property
    def items(self) -> IdMap:
        """Id map of the item type."""
        return self.ids[self.schema.item.name]

    @property
    def interactions(self) -> EdgeTable:
        """Edges of the interaction relation, user to item."""
        return self.edges[self.schema.interaction.name]

    def liked(self) -> EdgeTable:
        """The interactions that count as positive: weight at least ``positive_from``; a missing weight is not."""
        return positive(self.interactions, self.schema.interaction)

    def with_edges(self, relation: str, edges: EdgeTable) -> Snapshot:
        """The same graph with other edges of one relation type (a training split, a shuffled graph)."""
        return Snapshot(self.schema, self.source, self.nodes, {**self.edges, relation: edges})

    def name(self, node_type: str, index: int) -> str:
        """Name of a node as shown to people: its name property, or its key."""
        shown = self.schema.node_types[node_type].name_property
        value = None if shown is None else self.nodes[node_type].column(shown)[index].as_py()
        return str(value) if value else self.ids[node_type].key(index)

    @cached_property
    def _names(self) -> dict[str, pa.Array]:
        return {}

    def names(self, node_type: str) -> pa.Array:
        """:meth:`name` of every node of a type, an Arrow string array in key order."""
        if node_type not in self._names:
            shown, keys = self.schema.node_types[node_type].name_property, self.ids[node_type].keys
            if shown is not None:
                column = _whole(self.nodes[node_type].column(shown)).cast(pa.string())
                keys = pc.coalesce(
                    pc.replace_with_mask(column, pc.equal(column, ""), pa.scalar(None, pa.string())), keys
                )
            self._names[node_type] = keys
        return self._names[node_type]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over schema, nodes and edges, hexadecimal."""
        return self._digest(self._tables())

    @cached_property
    def facts_digest(self) -> str:
        """:attr:`digest` without the users and the relations that leave them."""
        user = self.schema.user.name
        about = {f"nodes/{user}.arrow"}
        about |= {f"edges/{name}.arrow" for name, r in self.schema.relation_types.items() if r.source == user}
        return self._digest({file: table for file, table in self._tables().items() if file not in about})

    def _digest(self, tables: Mapping[str, pa.Table]) -> str:
        parts = {"schema.ttl": hashlib.sha256(self.schema.turtle.encode())}
        for file, table in tables.items():
            sink = _Hash()
            _write(table, sink)
            parts[file] = sink.sha256
        whole = hashlib.sha256(self.schema.digest.encode())
        for file, part in sorted(parts.items()):
            whole.update(file.encode() + part.digest())
        return whole.hexdigest()

    # --- on disk -------------------------------------------------------------------------------------

    def _tables(self) -> dict[str, pa.Table]:
        """Per file its table; the edges' are views of the arrays."""
        files = {f"nodes/{name}.arrow": table for name, table in self.nodes.items()}
        for name, edges in self.edges.items():
            columns: dict[str, NDArray[Any]] = {"source": edges.source, "target": edges.target}
            if edges.weight is not None:
                columns["weight"] = edges.weight
            if edges.time is not None:
                columns["time"] = edges.time
            files[f"edges/{name}.arrow"] = pa.table(columns)
        return files

    def manifest(self) -> dict[str, Any]:
        """Counts, schema, source and date (``as_of``: the newest interaction), as written to ``manifest.json``."""
        time = self.interactions.time
        known = time[time != NO_TIME] if time is not None else np.empty(0, dtype=np.int64)
        return {
            "format": _FORMAT,
            "schema": {"name": self.schema.name, "sha256": self.schema.digest},
            "source": self.source,
            "as_of": datetime.fromtimestamp(int(known.max()), UTC).isoformat() if len(known) else None,
            "nodes": {name: len(ids) for name, ids in self.ids.items()},
            "edges": {name: len(edges) for name, edges in self.edges.items()},
            "sha256": self.digest,
        }

    def save(self, folder: str | Path) -> None:
        """Write the snapshot into a folder (created; files of an earlier snapshot are replaced).

        A process that has the earlier one mapped keeps it.  The manifest is written last, so a folder that was only
        half written is no snapshot.
        """
        folder = Path(folder)
        (folder / "nodes").mkdir(parents=True, exist_ok=True)
        (folder / "edges").mkdir(exist_ok=True)
        (folder / "manifest.json").unlink(missing_ok=True)
        (folder / "schema.ttl").write_bytes(self.schema.turtle.encode())
        for file, table in self._tables().items():
            path = folder / file
            new = path.with_name(f"{path.name}.new")
            with new.open("wb") as sink:
                _write(table, sink)
            new.replace(path)
        (folder / "manifest.json").write_text(json.dumps(self.manifest(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Snapshot:
        """Open a saved snapshot, memory-mapped.

        Raises:
            SnapshotError: the folder is not a snapshot, or its parts do not fit together.
        """
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SnapshotError(f"{folder}: not a snapshot ({error}); write one with `kg-rec export`") from error
        found = manifest.get("format") if isinstance(manifest, dict) else None
        if found != _FORMAT:
            raise SnapshotError(f"{folder}: expected snapshot format {_FORMAT}, got {found}; export again")
        try:
            schema = GraphSchema.from_file(folder / "schema.ttl")
        except SchemaError as error:
            raise SnapshotError(f"{error}; export again") from error
        nodes = {
            name: _open(folder / f"nodes/{name}.arrow", [p.name for p in t.properties])
            for name, t in schema.node_types.items()
        }
        edges = {
            name: _edges(_open(folder / f"edges/{name}.arrow", ["source", "target"])) for name in schema.relation_types
        }
        parts = {
            "schema": {"name": schema.name, "sha256": schema.digest},
            "nodes": {name: len(table) for name, table in nodes.items()},
            "edges": {name: len(table) for name, table in edges.items()},
        }
        wrong = [part for part, value in parts.items() if manifest.get(part) != value]
        if wrong or "source" not in manifest:
            raise SnapshotError(
                f"{folder}: the files do not match manifest.json ({wrong[0] if wrong else 'source'}); export again"
            )
        return cls(schema, str(manifest["source"]), nodes, edges)

    # --- to other libraries --------------------------------------------------------------------------

    def to_arrow(self) -> dict[str, pa.Table]:
        """Every node type and relation type as an Arrow table; edges carry keys in ``source`` and ``target``."""
        tables = dict(self.nodes)
        for name, edges in self.edges.items():
            relation = self.schema.relation_types[name]
            columns: dict[str, Any] = {
                "source": self.ids[relation.source].keys.take(pa.array(edges.source)),
                "target": self.ids[relation.target].keys.take(pa.array(edges.target)),
            }
            if relation.weight is not None and edges.weight is not None:
                columns[relation.weight] = pa.array(edges.weight, mask=np.isnan(edges.weight))
            if relation.time is not None and edges.time is not None:
                columns[relation.time] = pa.array(edges.time, mask=edges.time == NO_TIME)
            tables[name] = pa.table(columns)
        return tables

    def to_networkx(self) -> nx.MultiDiGraph[tuple[str, str]]:
        """A multi-digraph: nodes are (type, key) with their properties, edges are keyed by relation type."""
        import networkx as nx

        graph: nx.MultiDiGraph[tuple[str, str]] = nx.MultiDiGraph()
        tables = self.to_arrow()
        for name, node_type in self.schema.node_types.items():
            rows = tables[name].to_pylist()
            graph.add_nodes_from(((name, row[node_type.key]), {"type": name, **row}) for row in rows)
        for name, relation in self.schema.relation_types.items():
            for row in tables[name].to_pylist():
                ends = (relation.source, row.pop("source")), (relation.target, row.pop("target"))
                graph.add_edge(*ends, key=name)
                graph.edges[*ends, name].update(row)  # by itself, as a property may be called "key"
        return graph

    def to_pyg(self) -> HeteroData:
        """A ``torch_geometric.data.HeteroData``.

        Per node type ``num_nodes`` and, where the schema has a vector, ``x`` (n, dimensions), NaN for a node without
        one; per relation type
        ``edge_index`` (2, m), and ``edge_weight`` (m,) and ``edge_time`` (m,) where the schema has them.
        """
        import torch
        from torch_geometric.data.hetero_data import HeteroData

        data = HeteroData()
        for name, node_type in self.schema.node_types.items():
            data[name].num_nodes = len(self.ids[name])
            vector = next((p for p in node_type.properties if p.use == "vector"), None)
            if vector is not None and len(self.ids[name]):
                absent = [float("nan")] * (vector.dimensions or 0)
                rows = [absent if row is None else row for row in self.nodes[name].column(vector.name).to_pylist()]
                data[name].x = torch.tensor(rows, dtype=torch.float32)
        for name, relation in self.schema.relation_types.items():
            edges, store = self.edges[name], data[relation.source, name, relation.target]
            store.edge_index = torch.from_numpy(np.stack([edges.source, edges.target]))
            if edges.weight is not None:
                store.edge_weight = torch.from_numpy(np.array(edges.weight))
            if edges.time is not None:
                store.edge_time = torch.from_numpy(np.array(edges.time))
        return data


def export(store: GraphStore, progress: Progress = no_progress) -> Snapshot:
    """Read a whole graph from a store, but for the lists that runs wrote back: their relation type stays empty.

    Raises:
        SchemaNotAppliedError: the store holds no schema.
        SnapshotError: an edge names a node that is not there.
    """
    schema = store.schema()
    steps, done = len(schema.node_types) + len(schema.relation_types), 0
    nodes: dict[str, pa.Table] = {}
    for name, node_type in schema.node_types.items():
        progress(done, steps, f"export {name}")
        nodes[name] = _node_table(node_type, list(store.scan_nodes(name)))
        done += 1
    ids = {name: IdMap(name, nodes[name].column(t.key).combine_chunks()) for name, t in schema.node_types.items()}
    edges: dict[str, EdgeTable] = {}
    for name, relation in schema.relation_types.items():
        progress(done, steps, f"export {name}")
        scanned = store.scan_edges(name) if name != RECOMMENDED else iter(())  # our own lists are no facts
        parts = [_edge_part(relation, ids, batch) for batch in scanned]
        edges[name] = _sorted(_concatenate(relation, parts))
        done += 1
    progress(done, steps, "exported")
    return Snapshot(schema, store.url, nodes, edges)


_ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "string_list": pa.list_(pa.string()),
    "float_list": pa.list_(pa.float64()),
}


def _node_table(node_type: NodeType, batches: list[pa.RecordBatch]) -> pa.Table:
    fields = pa.schema([(p.name, _ARROW_TYPES[p.datatype]) for p in node_type.properties])
    if not batches:
        return fields.empty_table()
    table = pa.Table.from_batches(batches).select(fields.names).cast(fields)
    return table.sort_by(node_type.key).combine_chunks()


def _edge_part(relation: RelationType, ids: Mapping[str, IdMap], batch: pa.RecordBatch) -> EdgeTable:
    source = ids[relation.source].indices(batch.column("source"))
    target = ids[relation.target].indices(batch.column("target"))
    if (source < 0).any() or (target < 0).any():
        row = int(np.argmax((source < 0) | (target < 0)))
        raise SnapshotError(
            f"{relation.name}: an edge from {batch.column('source')[row]} to {batch.column('target')[row]} names "
            "a node that is not there; the graph changed during the export: export again"
        )
    weight = time = None
    if relation.weight is not None:
        weight = np.asarray(pc.fill_null(batch.column(relation.weight).cast(pa.float32()), np.nan), dtype=np.float32)
    if relation.time is not None:
        time = np.asarray(pc.fill_null(batch.column(relation.time).cast(pa.int64()), NO_TIME), dtype=np.int64)
    return EdgeTable(source, target, weight, time)


def _concatenate(relation: RelationType, parts: list[EdgeTable]) -> EdgeTable:
    empty = EdgeTable(
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        None if relation.weight is None else np.empty(0, np.float32),
        None if relation.time is None else np.empty(0, np.int64),
    )
    parts = [empty, *parts]
    return EdgeTable(
        np.concatenate([p.source for p in parts]),
        np.concatenate([p.target for p in parts]),
        None if relation.weight is None else np.concatenate([p.weight for p in parts if p.weight is not None]),
        None if relation.time is None else np.concatenate([p.time for p in parts if p.time is not None]),
    )


def _sorted(edges: EdgeTable) -> EdgeTable:
    step = np.diff(edges.source)
    if (step >= 0).all() and (np.diff(edges.target)[step == 0] >= 0).all():
        return edges  # as scans give them
    return edges.take(np.lexsort((edges.target, edges.source)))


class _Hash(io.RawIOBase):
    """A file that keeps no more than the SHA-256 of what is written."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return len(data)


def _write(table: pa.Table, sink: IO[bytes] | io.RawIOBase) -> None:
    """The table as an Arrow file of one batch, so that it can be mapped as one array a column."""
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def _open(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise SnapshotError(f"{path}: cannot read this part of the snapshot ({error}); export again") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise SnapshotError(f"{path}: expected the column {missing[0]}, got {table.column_names}; export again")
    return table


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array, copied only if it is in several chunks."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _edges(table: pa.Table) -> EdgeTable:
    columns = {name: _whole(table.column(name)).to_numpy(zero_copy_only=True) for name in table.column_names}
    return EdgeTable(columns["source"], columns["target"], columns.get("weight"), columns.get("time"))
