"""Snapshots: one state of a graph as arrays, read from a store or from a folder."""

from kg_rec.snapshot.from_store import export
from kg_rec.snapshot.snapshot import Snapshot
from kg_rec.snapshot.tables import NO_TIME, EdgeTable, IdMap, positive

__all__ = ["NO_TIME", "EdgeTable", "IdMap", "Snapshot", "export", "positive"]
