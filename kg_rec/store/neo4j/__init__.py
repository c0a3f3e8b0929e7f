"""The Neo4j store: a server, the system of record."""

from __future__ import annotations

from kg_rec.store.neo4j.store import Neo4jStore

__all__ = ["Neo4jStore"]
