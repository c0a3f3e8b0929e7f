"""Whether nodes are in the graph, asked before something of theirs is written."""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.errors import NotFoundError
from kg_rec.schema import NodeType
from kg_rec.store.base import GraphStore
from kg_rec.store.cypher import missing_keys


def require_keys(store: GraphStore, node_type: NodeType, keys: Sequence[str]) -> None:
    """Go on only where each key is that of a node.

    Raises:
        NotFoundError: some are not; at most five are named.
    """
    missing = store.query(missing_keys(node_type), {"keys": keys}).column("k").to_pylist()
    if missing:
        named = ", ".join(map(repr, missing))
        raise NotFoundError(f"no {node_type.name} in {store.url} has the key {named}; nothing was written")
