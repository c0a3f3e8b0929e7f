"""Graph stores: Neo4j, an embedded graph and those of other packages, behind one protocol."""

from __future__ import annotations

from kg_rec.store.base import GraphStore
from kg_rec.store.registry import open_store

__all__ = ["GraphStore", "connect"]


def connect(url: str, *, read_only: bool = False, create: bool = True) -> GraphStore:
    """Open a graph store.

    Args:
        url: ``neo4j://host:7687``, ``bolt://…`` or their ``+s`` and ``+ssc`` forms for a Neo4j server, with
            ``?database=NAME`` for another database than ``neo4j``; a URL of a scheme that another package added; or
            the folder of an embedded graph.  Credentials for a server come from the environment
            variables ``NEO4J_USERNAME`` and ``NEO4J_PASSWORD``, or from the file that ``NEO4J_AUTH_FILE`` names (user
            on line one, password on line two, readable by its owner only); never from the URL.
        read_only: refuse every write; an embedded graph has to exist then, and may be open for writing elsewhere.
        create: whether the folder of an embedded graph is made where there is none; else it has to exist.

    Raises:
        StoreUnavailableError: no server answers, no such database, or the folder is not usable or in use.
        AuthenticationError: the server refused the credentials, or there are none.
        StoreError: the URL is not understood, or the graph cannot be opened.
    """
    return open_store(url, read_only=read_only, create=create)
