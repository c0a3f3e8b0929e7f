"""A store with its content as dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kg_rec.loaders.base import LoadReport, load
from kg_rec.store import GraphStore


class Graph:
    """A store with its content as dictionaries."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store

    def load(self, format_name: str, path: Path, **options: Any) -> LoadReport:
        return load(self.store, format_name, path, **options)

    def nodes(self, node_type: str) -> dict[str, dict[str, Any]]:
        """Key to the other properties that have a value."""
        key = self.store.schema().node_types[node_type].key
        rows = (row for batch in self.store.scan_nodes(node_type) for row in batch.to_pylist())
        return {row.pop(key): {n: v for n, v in row.items() if v is not None} for row in rows}

    def edges(self, relation: str) -> dict[tuple[str, str], dict[str, Any]]:
        """(source, target) to the properties that have a value."""
        rows = (row for batch in self.store.scan_edges(relation) for row in batch.to_pylist())
        return {(row.pop("source"), row.pop("target")): {n: v for n, v in row.items() if v is not None} for row in rows}
