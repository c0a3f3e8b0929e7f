"""All Cypher text of the stores, made by pure functions.

Names of labels, relationship types and properties come from a validated :class:`~kg_rec.schema.GraphSchema`
(identifiers only) and are quoted all the same; values are always parameters.  Every statement runs on both back ends,
but for those of functions named ``neo4j_*``.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.schema import GraphSchema, NodeType, PropertyType, RelationType
from kg_rec.store import mapping
from kg_rec.store.base import End
from kg_rec.store.catalog import SHOWN_KEYS
from kg_rec.store.mapping import quoted

SCHEMA_LABEL = "KgRecSchema"
#: Longer vectors are kept without an index: Neo4j 5 indexes at most so many numbers.
_MOST_DIMENSIONS = 4_096
READ_SCHEMA = f"MATCH (s:{SCHEMA_LABEL}) RETURN s.turtle AS turtle, s.name AS name"


def neo4j_constraints(schema: GraphSchema) -> dict[str, str]:
    """Statements that create a uniqueness constraint per node type and a cosine index per vector property, by name.

    A graph that others made gets no constraint, which its owners' writes could break: an index on a key that has none.
    """
    statements = {}
    for t in schema.node_types.values():
        name = quoted(f"kg_rec_{t.name}_key")
        if t.pattern is not None:
            if t.properties[0].expression is None:
                label = mapping.node(t, "n").partition(":")[2].rstrip(")").split("`:`")[0].strip("`")
                statements[name] = (
                    f"CREATE RANGE INDEX {name} IF NOT EXISTS FOR (n:{quoted(label)}) ON (n.{quoted(t.key)})"
                )
            continue
        statements[name] = (
            f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:{quoted(t.name)}) REQUIRE n.{quoted(t.key)} IS UNIQUE"
        )
        for p in t.properties:
            if p.use == "vector" and p.dimensions is not None and p.dimensions <= _MOST_DIMENSIONS:
                name = quoted(f"kg_rec_{t.name}_{p.name}")
                statements[name] = (
                    f"CREATE VECTOR INDEX {name} IF NOT EXISTS FOR (n:{quoted(t.name)}) ON n.{quoted(p.name)} "
                    f"OPTIONS {{indexConfig: {{`vector.dimensions`: {p.dimensions}, "
                    "`vector.similarity_function`: 'cosine'}}"
                )
    return statements


WRITE_SCHEMA = f"MERGE (s:{SCHEMA_LABEL}) SET s.name = $name, s.turtle = $turtle, s.digest = $digest"
NEO4J_AWAIT_INDEXES = "CALL db.awaitIndexes(120)"


def neo4j_merge_nodes(node_type: NodeType, properties: Sequence[str]) -> str:
    """Upsert ``$rows``, lists of values: the key, then ``properties``; a null leaves the old value."""
    settings = [f"n.{quoted(p)} = coalesce(row[{i}], n.{quoted(p)})" for i, p in enumerate(properties, 1)]
    merge = f"UNWIND $rows AS row MERGE (n:{quoted(node_type.name)} {{{quoted(node_type.key)}: row[0]}})"
    return merge + (" SET " + ", ".join(settings) if settings else "")


def neo4j_merge_edges(relation: RelationType, source: NodeType, target: NodeType) -> str:
    """Upsert ``$rows``, lists of values: source key, target key, properties; returns how many found both ends."""
    settings = [f"r.{quoted(p.name)} = row[{i}]" for i, p in enumerate(relation.properties, 2)]
    return (
        f"UNWIND $rows AS row MATCH (a:{quoted(source.name)} {{{quoted(source.key)}: row[0]}}) "
        f"MATCH (b:{quoted(target.name)} {{{quoted(target.key)}: row[1]}}) "
        f"MERGE (a)-[r:{quoted(relation.name)}]->(b) {'SET ' + ', '.join(settings) if settings else ''} "
        "RETURN count(*) AS written"
    )


def missing_keys(node_type: NodeType) -> str:
    """Those of ``$keys`` that no node has, at most five."""
    there = f"MATCH {mapping.keyed(node_type, 'n', 'k')}"
    if node_type.pattern is not None:
        there += f" AND {mapping.key(node_type, 'n')} = k"  # toInteger takes 7.5 for 7
    return f"UNWIND $keys AS k WITH k WHERE NOT EXISTS {{ {there} }} RETURN k ORDER BY k LIMIT {SHOWN_KEYS}"


def node_keys(node_type: NodeType) -> str:
    """All keys, with a one for each."""
    return f"MATCH (n:{quoted(node_type.name)}) RETURN n.{quoted(node_type.key)} AS k, 1 AS weight"


def source_keys(relation: RelationType, source: NodeType) -> str:
    """All keys of nodes of the source type, with the out-degree of each."""
    weight = f"COUNT {{ (n)-[:{quoted(relation.name)}]->() }}"
    return f"MATCH (n:{quoted(source.name)}) RETURN n.{quoted(source.key)} AS k, {weight} AS weight"


def nodes(node_type: NodeType) -> str:
    """The nodes of ``$keys``, a column per property."""
    values = [f"n.{quoted(p.name)} AS {quoted(p.name)}" for p in node_type.properties]
    match = f"MATCH (n:{quoted(node_type.name)} {{{quoted(node_type.key)}: k}})"
    return f"UNWIND $keys AS k {match} RETURN {', '.join(values)}"


def edges(relation: RelationType, source: NodeType, target: NodeType, end: End = "source") -> str:
    """The edges whose ``end`` is one of ``$keys``: source, target, and a column per property."""
    values = [f"r.{quoted(p.name)} AS {quoted(p.name)}" for p in relation.properties]
    kind = quoted(relation.name)
    if end == "source":
        pattern = f"{mapping.keyed(source, 'a', 'k')}-[r:{kind}]->(b:{quoted(target.name)})"
        ends = ["k AS source", f"b.{quoted(target.key)} AS target"]
    else:
        pattern = f"{mapping.keyed(target, 'b', 'k')}<-[r:{kind}]-(a:{quoted(source.name)})"
        ends = [f"a.{quoted(source.key)} AS source", "k AS target"]
    return f"UNWIND $keys AS k MATCH {pattern} RETURN {', '.join([*ends, *values])}"


# --- Neo4j, where a page of lists in one row is read several times faster than rows ----------------------


def neo4j_node_keys(node_type: NodeType) -> str:
    """One row with a page of ``$limit`` keys after ``$after`` and a one for each."""
    return _neo4j_keys(node_type, "1")


def neo4j_source_keys(relation: RelationType, source: NodeType) -> str:
    """One row with a page of ``$limit`` source keys after ``$after`` and the out-degree of each."""
    return _neo4j_keys(source, f"COUNT {{ (n)-[:{quoted(relation.name)}]->() }}")


def _neo4j_keys(node_type: NodeType, weight: str) -> str:
    # Only the index compares keys in code point order: without it Neo4j compares a property with a parameter
    # in UTF-16 order, and a range with two bounds is taken as empty where UTF-16 has them the other way round.
    label, key = quoted(node_type.name), quoted(node_type.key)
    return (
        f"MATCH (n:{label}) USING INDEX SEEK n:{label}({key}) WHERE n.{key} > $after WITH n, n.{key} AS k "
        f"ORDER BY k LIMIT $limit RETURN collect(k) AS keys, collect({weight}) AS weights"
    )


def neo4j_all_keys(node_type: NodeType, relation: RelationType | None = None) -> str:
    """One row with all keys of a type that maps a graph that others made, and the out-degree of each, or ones."""
    weight = "1"
    if relation is not None:
        pattern, conditions = mapping.step(relation, "n", "b", "r")
        weight = f"COUNT {{ {pattern}{mapping.where(conditions)} }}"
    match = f"MATCH {mapping.node(node_type, 'n')}{mapping.where(mapping.conditions(node_type, 'n'))}"
    return (
        f"{match} WITH {mapping.key(node_type, 'n')} AS k, {weight} AS w WHERE k IS NOT NULL AND k <> '' "
        "RETURN collect(k) AS keys, collect(w) AS weights"
    )


def neo4j_nodes(node_type: NodeType) -> str:
    """One row with a list per property of the nodes of ``$keys``."""
    key, *others = node_type.properties
    values = [mapping.key(node_type, "x"), *(mapping.value(node_type, p, "x") for p in others)]
    lists = [f"[x IN nodes | {value}] AS {quoted(p.name)}" for p, value in zip((key, *others), values, strict=True)]
    return (
        f"UNWIND $keys AS k MATCH {mapping.keyed(node_type, 'n', 'k')} "
        f"WITH collect(n) AS nodes RETURN {', '.join(lists)}"
    )


def neo4j_edges(relation: RelationType, source: NodeType, target: NodeType, end: End = "source") -> str:
    """One row with lists (source, target, properties) of the edges whose ``end`` is one of ``$keys``."""
    if relation.pattern is not None or source.pattern is not None or target.pattern is not None:
        return _neo4j_mapped_edges(relation, source, target, end)
    lists = [f"[x IN edges | x.{quoted(p.name)}] AS {quoted(p.name)}" for p in relation.properties]
    kind = quoted(relation.name)
    if end == "source":
        known, step = mapping.keyed(source, "a", "k"), f"(a)-[r:{kind}]->(b:{quoted(target.name)})"
        keys = "k", f"b.{quoted(target.key)}"
    else:
        known, step = mapping.keyed(target, "b", "k"), f"(a:{quoted(source.name)})-[r:{kind}]->(b)"
        keys = f"a.{quoted(source.key)}", "k"
    return (
        f"UNWIND $keys AS k MATCH {known} MATCH {step} "
        f"WITH collect({keys[0]}) AS source, collect({keys[1]}) AS target"
        f"{', collect(r) AS edges' if lists else ''} RETURN {', '.join(['source', 'target', *lists])}"
    )


def _neo4j_mapped_edges(relation: RelationType, source: NodeType, target: NodeType, end: End) -> str:
    pattern, conditions = mapping.step(relation, "a", "b", "r")
    leaves = end == "source"
    known, other = ((source, "a"), (target, "b")) if leaves else ((target, "b"), (source, "a"))
    keys = ["k", mapping.key(*other)]
    values = keys if leaves else keys[::-1]
    values += [mapping.edge_value(relation, p, "a", "b", "r") for p in relation.properties]
    names = ["source", "target", *(quoted(p.name) for p in relation.properties)]
    lists = [f"[x IN rows | x[{i}]] AS {name}" for i, name in enumerate(names)]
    return (
        f"UNWIND $keys AS k MATCH {mapping.keyed(*known, 'k')} "
        f"MATCH {pattern}, {mapping.node(*other)}"
        f"{mapping.where([*conditions, *mapping.conditions(*other)])} "
        f"WITH collect([{', '.join(values)}]) AS rows RETURN {', '.join(lists)}"
    )


def values_there(schema: GraphSchema, owner: NodeType | RelationType, p: PropertyType) -> str:
    """How many nodes or relationships of a type have a property; every value is made for it."""
    if isinstance(owner, NodeType):
        pattern, conditions = mapping.node(owner, "n"), mapping.conditions(owner, "n")
        value = mapping.value(owner, p, "n")
    else:
        source, target = schema.node_types[owner.source], schema.node_types[owner.target]
        step, conditions = mapping.step(owner, "a", "b", "r")
        pattern = f"{mapping.node(source, 'a')}, {mapping.node(target, 'b')}, {step}"
        conditions = [*conditions, *mapping.conditions(source, "a"), *mapping.conditions(target, "b")]
        value = mapping.edge_value(owner, p, "a", "b", "r")
    return f"MATCH {pattern}{mapping.where(conditions)} WITH {value} AS v RETURN count(v) AS n"
