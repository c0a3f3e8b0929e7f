"""A snapshot: one store's graph as arrays with frozen id maps, in memory or memory-mapped on disk.

Training, recommendation and explanation read snapshots, never the store, so a run sees one state of the
graph.  The same graph gives the same bytes: keys are sorted before they are numbered, edges are sorted by
(source, target), and the manifest's date is that of the newest interaction, not of the export.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import SchemaError, SnapshotError
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import files
from kg_rec.snapshot.tables import NO_TIME, EdgeTable, IdMap, positive
from kg_rec.textfile import parser_fault

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data.hetero_data import HeteroData

_FORMAT = 1


@dataclass(frozen=True, repr=False)
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
            ids[name] = IdMap(name, files.whole(self.nodes[name].column(node_type.key)))
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
        """The interactions that count as positive.

        Those with a weight of at least ``positive_from``.  Where the schema does not say from which weight on, those
        without a weight or with one above 0: a weight of 0 or less never says that something was chosen.
        """
        return positive(self.interactions, self.schema.interaction)

    def with_edges(self, relation: str, edges: EdgeTable) -> Snapshot:
        """The same graph with other edges of one relation type (a training split, a shuffled graph)."""
        return self.with_all_edges({**self.edges, relation: edges})

    def with_all_edges(self, edges: Mapping[str, EdgeTable]) -> Snapshot:
        """The same nodes with other edges, by relation type."""
        found = Snapshot(self.schema, self.source, self.nodes, edges)
        object.__setattr__(found, "ids", self.ids)  # with the positions of keys, which are found once
        found.__dict__["_names"] = self._names
        return found

    def same_catalogue(self, other: Snapshot) -> bool:
        """Whether another snapshot has the same items, other nodes and facts; weights and times of facts may differ."""
        user, interaction = self.schema.user.name, self.schema.interaction.name
        return (
            self.schema == other.schema
            and all(self.nodes[t].equals(other.nodes[t]) for t in self.nodes if t != user)
            and all(
                np.array_equal(edges.source, other.edges[r].source)
                and np.array_equal(edges.target, other.edges[r].target)
                for r, edges in self.edges.items()
                if r != interaction
            )
        )

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
                column = files.whole(self.nodes[node_type].column(shown)).cast(pa.string())
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
        parts = {"schema.ttl": hashlib.sha256(self.schema.turtle.encode()).digest()}
        for file, table in tables.items():
            parts[file] = files.digest(table)
        return _combined(self.schema, parts)

    # --- on disk -------------------------------------------------------------------------------------

    def _tables(self) -> dict[str, pa.Table]:
        """Per file its table; the edges' are views of the arrays."""
        tables = {f"nodes/{name}.arrow": table for name, table in self.nodes.items()}
        for name, edges in self.edges.items():
            columns: dict[str, Any] = {"source": edges.source, "target": edges.target}
            if edges.weight is not None:
                columns["weight"] = edges.weight
            if edges.time is not None:
                columns["time"] = edges.time
            if edges.times is not None:
                columns["times"] = edges.times
            tables[f"edges/{name}.arrow"] = pa.table(columns)
        return tables

    def manifest(self) -> dict[str, Any]:
        """Counts, schema, source and date (``as_of``: the newest interaction), as written to ``manifest.json``."""
        time = self.interactions.time
        known = time[time != NO_TIME] if time is not None else np.empty(0, dtype=np.int64)
        return {
            "format": _FORMAT,
            "schema": {"name": self.schema.name, "sha256": self.schema.digest},
            "source": self.source,
            "as_of": _date(int(known.max())) if len(known) else None,
            "nodes": {name: len(ids) for name, ids in self.ids.items()},
            "edges": {name: len(edges) for name, edges in self.edges.items()},
            "sha256": self.digest,
        }

    def save(self, folder: str | Path, *, packed: bool = False) -> None:
        """Write the snapshot into a folder (created; files of an earlier snapshot are replaced).

        A process that has the earlier one mapped keeps it.  The manifest is written last, so a folder that was only
        half written is no snapshot.

        Args:
            folder: where.
            packed: in a fraction of the bytes, without loss; such files are read into memory, not mapped.
        """
        folder = Path(folder)
        (folder / "nodes").mkdir(parents=True, exist_ok=True)
        (folder / "edges").mkdir(exist_ok=True)
        (folder / "manifest.json").unlink(missing_ok=True)
        (folder / "schema.ttl").write_bytes(self.schema.turtle.encode())
        for file, table in self._tables().items():
            path, other = folder / file, (folder / file).with_suffix(files.PACKED)
            in_steps = packed and file.startswith("edges/")
            if in_steps:
                path, other = other, path
            new = path.with_name(f"{path.name}.new")
            with new.open("wb") as sink:
                if in_steps:
                    files.pack_edges(table, sink)
                else:
                    files.write(table, sink, packed=packed)
            new.replace(path)
            other.unlink(missing_ok=True)
        manifest = self.manifest()
        if packed:  # the digest of the content stays that of files which are not
            manifest["packed_sha256"] = _digest_of_files(folder, self.schema, files.PACKED)
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Snapshot:
        """Open a saved snapshot, memory-mapped.

        Raises:
            SnapshotError: the folder is not a snapshot, or its parts do not fit together.
        """
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise SnapshotError(
                f"{folder}: not a snapshot ({parser_fault(error)}); write one with `kg-rec export`"
            ) from error
        version = manifest.get("format") if isinstance(manifest, dict) else None
        if version != _FORMAT:
            raise SnapshotError(f"{folder}: expected snapshot format {_FORMAT}, got {version}; export again")
        try:
            schema = GraphSchema.from_file(folder / "schema.ttl")
        except SchemaError as error:
            raise SnapshotError(f"{error}; export again") from error
        ending = files.PACKED if "packed_sha256" in manifest else files.PLAIN
        if _digest_of_files(folder, schema, ending) != manifest.get("packed_sha256", manifest.get("sha256")):
            raise SnapshotError(f"{folder}: a file was changed or damaged after it was written; export again")
        nodes = {
            name: files.open_table(folder / f"nodes/{name}.arrow", [p.name for p in t.properties])
            for name, t in schema.node_types.items()
        }
        edges = {
            name: files.edges_of(files.open_table(folder / f"edges/{name}{ending}", ["source", "target"]))
            for name in schema.relation_types
        }
        snapshot = cls(schema, str(manifest.get("source")), nodes, edges)
        snapshot.__dict__["digest"] = manifest.get("sha256")  # checked above; the property would write the files again
        wrong = [part for part, value in snapshot.manifest().items() if manifest.get(part) != value]
        if wrong:
            raise SnapshotError(f"{folder}: the files do not match manifest.json ({wrong[0]}); export again")
        return snapshot

    # --- to other libraries --------------------------------------------------------------------------

    def to_arrow(self) -> dict[str, pa.Table]:
        """See :func:`kg_rec.snapshot.convert.to_arrow`."""
        from kg_rec.snapshot import convert

        return convert.to_arrow(self)

    def to_networkx(self) -> nx.MultiDiGraph[tuple[str, str]]:
        """See :func:`kg_rec.snapshot.convert.to_networkx`."""
        from kg_rec.snapshot import convert

        return convert.to_networkx(self)

    def to_pyg(
        self,
        *,
        numbers: bool = False,
        text: pa.Table | None = None,
        label: str | None = None,
        drop_empty: bool = False,
    ) -> HeteroData:
        """See :func:`kg_rec.snapshot.hetero.to_pyg`."""
        from kg_rec.snapshot import hetero

        return hetero.to_pyg(self, numbers=numbers, text=text, label=label, drop_empty=drop_empty)

    def __repr__(self) -> str:
        n, m = sum(map(len, self.ids.values())), sum(map(len, self.edges.values()))
        return (
            f"Snapshot({self.schema.name}: {len(self.users):,} users, {len(self.items):,} items, "
            f"{len(self.interactions):,} interactions; {n:,} nodes and {m:,} edges in all)"
        )

    def _repr_html_(self) -> str:
        """A table of the counts, for notebooks."""
        rows = [(name, "nodes", len(ids)) for name, ids in self.ids.items()]
        rows += [(name, "edges", len(edges)) for name, edges in self.edges.items()]
        cells = "".join(f"<tr><td>{name}</td><td>{kind}</td><td>{n:,}</td></tr>" for name, kind, n in rows if n)
        head = "<tr><th>type</th><th>kind</th><th>count</th></tr>"
        return f"<div>{escape(repr(self))}</div><table>{head}{cells}</table>"


def _date(seconds: int) -> str:
    """A time as a date; as the number itself where the calendar has no such year, as with milliseconds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _digest_of_files(folder: Path, schema: GraphSchema, ending: str) -> str:
    """The digest of the files that hold a snapshot's content; those of edges have this ending."""
    nodes, edges = schema.node_types, schema.relation_types
    names = ["schema.ttl", *(f"nodes/{name}.arrow" for name in nodes), *(f"edges/{name}{ending}" for name in edges)]
    return _combined(schema, {name: files.file_digest(folder / name) for name in names})


def _combined(schema: GraphSchema, parts: Mapping[str, bytes]) -> str:
    """The digest of a snapshot from those of its files."""
    whole = hashlib.sha256(schema.digest.encode())
    for file, part in sorted(parts.items()):
        whole.update(file.encode() + part)
    return whole.hexdigest()
