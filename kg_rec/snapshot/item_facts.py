"""Relation types of items' facts: the one that a word means, and the graph without some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kg_rec.errors import ArgumentError
from kg_rec.schema import GraphSchema, RelationType
from kg_rec.snapshot.snapshot import Snapshot


def item_relation(schema: GraphSchema, word: str, setting: str) -> RelationType:
    """The relation type between items and other nodes that ``word`` means.

    Args:
        schema: the schema.
        word: its name, an alias, a label in any language, or the name or a noun of the nodes it ties items to; in
            small or capital letters.
        setting: what the word was given for, for the message.

    Raises:
        ArgumentError: none is meant, or several.
    """
    known = schema.knowledge_relations
    wanted = word.strip().casefold()
    for names in (_own_names, _labels, _nouns):
        matches = [r for r in known if wanted in {n.casefold() for n in names(schema, r)}]
        if len(matches) == 1:
            return matches[0]
        if matches:
            several = ", ".join(r.name for r in matches)
            raise ArgumentError(f"{setting}: {word!r} may be {several}; give one of these names")
    names_ = ", ".join(r.name for r in known) or "none in this schema"
    raise ArgumentError(f"{setting}: expected a relation type of {schema.item.name} ({names_}), got {word!r}")


def without_relations(snapshot: Snapshot, names: Sequence[str]) -> Snapshot:
    """The graph without the facts of some relation types, as if they had been deleted.

    Args:
        snapshot: the graph.
        names: of relation types between items and other nodes.

    Raises:
        ArgumentError: there is no such relation type, or it is not one of items' facts.
    """
    known = {r.name for r in snapshot.schema.knowledge_relations}
    for name in names:
        if name not in known:
            told = ", ".join(sorted(known)) or "none in this schema"
            raise ArgumentError(
                f"blocked: expected relation types of {snapshot.schema.item.name} ({told}), got {name!r}"
            )
        edges = snapshot.edges[name]
        if len(edges):
            snapshot = snapshot.with_edges(name, edges.take(np.zeros(len(edges), np.bool_)))
    return snapshot


def other_end(schema: GraphSchema, relation: RelationType) -> str:
    """The node type that a relation type ties items to."""
    return relation.target if relation.source == schema.item.name else relation.source


def _own_names(_: GraphSchema, relation: RelationType) -> tuple[str, ...]:
    return (relation.name,)


def _labels(_: GraphSchema, relation: RelationType) -> tuple[str, ...]:
    return (*_values(relation.labels), *relation.aliases)


def _nouns(schema: GraphSchema, relation: RelationType) -> tuple[str, ...]:
    kind = schema.node_types[other_end(schema, relation)]
    return (kind.name, *_values(kind.labels), *_values(kind.plurals))


def _values(texts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(texts.values())
