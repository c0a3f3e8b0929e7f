"""Which store a URL names: the stores of kg_rec, and those that other packages add.

A package adds a store with one class and one entry point of the group ``kg_rec.stores``, whose name is a URL scheme::

    [project.entry-points."kg_rec.stores"]
    memgraph = "my_package:MemgraphStore"

The class takes ``(url, read_only=...)`` and keeps the promises of :class:`~kg_rec.store.base.GraphStore`.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Protocol

from kg_rec.errors import MissingDependencyError, StoreError
from kg_rec.plugins import installed
from kg_rec.store.base import GraphStore

_GROUP = "kg_rec.stores"
_NEO4J = "kg_rec.store.neo4j:Neo4jStore"
_EMBEDDED = "kg_rec.store.embedded:EmbeddedStore"
#: KGLite needs a part of a small memory (static TLS) that all libraries of a process share, and torch another.
_ROOM = "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384"
#: Schemes of kg_rec's own stores; a path without a scheme is a ``file://``.
_OWN = {**dict.fromkeys(("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"), _NEO4J), "file": _EMBEDDED}


class _Opens(Protocol):
    def __call__(self, url: str, *, read_only: bool) -> GraphStore: ...


def open_store(url: str, *, read_only: bool, create: bool = True) -> GraphStore:
    """The store of a URL; see :func:`kg_rec.store.connect`.

    Raises:
        StoreError: no store is known for its scheme, or the store cannot be opened.
        MissingDependencyError: its engine cannot be loaded.
    """
    scheme, separator, _ = url.partition("://")
    name = scheme.strip().lower() if separator else "file"
    slip = re.match(r"\s*([a-z0-9+.-]+)(:|//)", url.lower())
    if not separator and slip and slip[1] in schemes():  # may hold a password, so it is not repeated
        raise StoreError(f"expected {slip[1]}:// at the start of the graph's URL, or ./ before the name of a folder")
    opens = _find(name)
    if name == "file":
        url = url[len("file://") :] if separator else url
        if not create:
            from kg_rec.store.embedded.files import check_folder

            check_folder(Path(url), exists=True)
    return opens(url, read_only=read_only)


def schemes() -> tuple[str, ...]:
    """The schemes that are known, in order."""
    return tuple(sorted({*_OWN, *(point.name for point in installed(_GROUP))}))


def _find(scheme: str) -> _Opens:
    if scheme in _OWN:
        module, _, name = _OWN[scheme].partition(":")
        try:
            own: _Opens = getattr(import_module(module), name)
        except ImportError as error:
            if "static TLS" not in str(error):
                raise
            raise MissingDependencyError(
                "the engine of embedded graphs cannot be loaded beside the libraries that this process has loaded "
                f"(scikit-learn is one): start Python with {_ROOM} in its environment ({error})"
            ) from error
        return own
    for point in installed(_GROUP):
        if point.name == scheme:
            added: _Opens = point.load()
            return added
    known = "://, ".join(s for s in schemes() if s != "file")
    raise StoreError(f"{scheme}:// is not a known kind of store; expected {known}:// or a path")
