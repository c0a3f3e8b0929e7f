"""What a graph has no more of, though training knew it: deleted, or renamed by its owners."""

from __future__ import annotations

from kg_rec.schema import NodeType, PropertyType, RelationType
from kg_rec.snapshot import Snapshot


def vanished(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Types of which there is none now, and properties that no node has now, each in words.

    Args:
        before: the graph of the training.
        after: the graph now.
    """
    schema, found, empty = after.schema, list[str](), set[str]()
    for name, node_type in schema.node_types.items():
        old, new = before.nodes.get(name), after.nodes[name]
        if old is None or not old.num_rows:
            continue
        if not new.num_rows:
            empty.add(name)
            found.append(f"{name}{_from(node_type)}")
            continue
        found += [
            f"{name}.{p.name}{_from(p)}"
            for p in node_type.properties
            if p.name in old.column_names
            and old[p.name].null_count < old.num_rows
            and new[p.name].null_count == new.num_rows
        ]
    for name, relation in schema.relation_types.items():
        there = name in before.edges and len(before.edges[name]) > 0
        if there and not len(after.edges[name]) and not {relation.source, relation.target} & empty:
            found.append(f"{name}{_from(relation)}")
    return tuple(found)


def _from(owner: NodeType | PropertyType | RelationType) -> str:
    """Where the schema says that it is in a graph that others made."""
    pattern = owner.expression if isinstance(owner, PropertyType) else owner.pattern
    return "" if pattern is None else f", which is {pattern}"
