"""Labels and relationship types that a query names and nothing in the graph has: most often a slip of the pen."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from kg_rec.errors import SchemaNotAppliedError
from kg_rec.store.base import GraphStore
from kg_rec.store.gate import tokens
from kg_rec.store.mapping import quoted


def unknown_names(store: GraphStore, cypher: str) -> Iterator[str]:
    """A sentence for each; a database answers such a query, with no rows or a count of 0.

    Args:
        store: the graph.
        cypher: a query that it has answered.
    """
    try:
        schema = store.schema()
        known = list(schema.node_types), list(schema.relation_types)
    except SchemaNotAppliedError:
        known = [], []
    for of_relationship, name in dict.fromkeys(_names(cypher)):
        pattern = f"()-[r:{quoted(name)}]->()" if of_relationship else f"(n:{quoted(name)})"
        if name in known[of_relationship] or len(store.query(f"MATCH {pattern} RETURN 1 LIMIT 1")):
            continue
        near = get_close_matches(name, known[of_relationship], n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        yield f"no {'relationship has the type' if of_relationship else 'node has the label'} {name}{meant}"


def _names(cypher: str) -> Iterator[tuple[bool, str]]:
    """What stands after the colon in ``(n:Label)`` and ``-[r:TYPE|OTHER]-``, and whether it is a relationship's."""
    opened, before, named = [""], "", False
    for token in tokens(cypher):
        if token.text in ("(", "[", "{"):
            opened.append("-[" if (before, token.text) == ("-", "[") else token.text)
        elif token.text in (")", "]", "}") and len(opened) > 1:
            opened.pop()
        name = token.kind in ("word", "name") and (before == ":" or (named and before in ("|", "&")))
        if name and opened[-1] != "{":  # there a colon follows a property
            yield opened[-1] == "-[", token.name
        named = name or (named and token.text in ("|", "&"))
        before = token.text
