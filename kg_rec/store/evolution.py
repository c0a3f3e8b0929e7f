"""Which schema may follow which in a store that already holds data."""

from __future__ import annotations

from collections.abc import Iterable

from kg_rec.errors import SchemaError
from kg_rec.schema import GraphSchema, PropertyType


def check_evolution(old: GraphSchema, new: GraphSchema) -> None:
    """Allow ``new`` after ``old`` when it only adds node types, relation types and optional properties.

    Words (labels, phrases, aliases) and bounds may change freely, since the store does not depend on them.

    Raises:
        SchemaError: the message lists every contradiction.
    """
    faults: list[str] = []
    for name, before in old.node_types.items():
        after = new.node_types.get(name)
        if after is None:
            faults.append(f"node type {name} is gone")
            continue
        if after.role != before.role:
            faults.append(f"{name} was a {before.role}, now a {after.role}")
        if after.key != before.key:
            faults.append(f"the key of {name} was {before.key}, now {after.key}")
        faults += _property_faults(name, before.properties, after.properties)
    for name, was in old.relation_types.items():
        now = new.relation_types.get(name)
        if now is None:
            faults.append(f"relation type {name} is gone")
            continue
        if (now.source, now.target, now.interaction) != (was.source, was.target, was.interaction):
            faults.append(f"{name} went from {was.source} to {was.target}, now from {now.source} to {now.target}")
        faults += _property_faults(name, was.properties, now.properties)
    if faults:
        raise SchemaError(
            f"schema {new.name} contradicts the schema {old.name} that the store holds: {'; '.join(faults)}. "
            "A schema may only add types and optional properties; use a new store for another schema"
        )


def _property_faults(owner: str, before: Iterable[PropertyType], after: Iterable[PropertyType]) -> list[str]:
    old, new = {p.name: p for p in before}, {p.name: p for p in after}
    faults = []
    for name, p in old.items():
        q = new.get(name)
        if q is None:
            faults.append(f"property {owner}.{name} is gone")
        elif (q.datatype, q.dimensions) != (p.datatype, p.dimensions):
            faults.append(f"{owner}.{name} was {p.datatype}, now {q.datatype}")
        elif q.required and not p.required:
            faults.append(f"{owner}.{name} was optional, now required")
    faults += [f"{owner}.{n} is new and required" for n, q in new.items() if n not in old and q.required]
    return faults
