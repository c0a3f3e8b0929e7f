"""Graph stores: Neo4j and an embedded graph behind one protocol."""

from __future__ import annotations

from kg_rec.store.base import GraphStore

__all__ = ["GraphStore", "connect"]

_SERVER_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")


def connect(url: str, *, read_only: bool = False) -> GraphStore:
    """Open a graph store.

    Args:
        url: ``neo4j://host:7687``, ``bolt://…`` or their ``+s`` and ``+ssc`` forms for a Neo4j server, with
            ``?database=NAME`` for another database than ``neo4j``; anything else is the folder of an embedded
            graph, made if need be.  Credentials for a server come from the environment variables
            ``NEO4J_USERNAME`` and ``NEO4J_PASSWORD``, or from the file that ``NEO4J_AUTH_FILE`` names (user on
            line one, password on line two, readable by its owner only); never from the URL.
        read_only: refuse every write; an embedded graph has to exist then.

    Raises:
        StoreUnavailableError: no server answers, no such database, or the folder is not usable or in use.
        AuthenticationError: the server refused the credentials, or there are none.
        StoreError: the URL is not understood, or the graph cannot be opened.
    """
    scheme, separator, _ = url.partition("://")
    if separator and scheme.lower() in _SERVER_SCHEMES:
        from kg_rec.store.neo4j import Neo4jStore

        return Neo4jStore(url, read_only=read_only)
    from kg_rec.store.embedded import EmbeddedStore

    if separator and scheme.lower() != "file":
        from kg_rec.errors import StoreError

        raise StoreError(
            f"{scheme}:// is not a known kind of store; expected {'://, '.join(_SERVER_SCHEMES)}:// or a path"
        )
    return EmbeddedStore(url.removeprefix("file://"), read_only=read_only)
