"""The embedded store: a folder with a KGLite graph, for work without a server."""

from __future__ import annotations

from kg_rec.store.embedded.store import EmbeddedStore

__all__ = ["EmbeddedStore"]
