"""All Cypher text of the stores, made by pure functions.

Names of labels, relationship types and properties come from a validated :class:`~kg_rec.schema.GraphSchema`
(identifiers only) and are quoted all the same; values are always parameters.  Functions named ``neo4j_*`` and
``ladybug_*`` are for one back end.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.schema import Datatype, GraphSchema, NodeType, PropertyType, RelationType
from kg_rec.store.catalog import SHOWN_KEYS

SCHEMA_LABEL = "KgRecSchema"
READ_SCHEMA = f"MATCH (s:{SCHEMA_LABEL}) RETURN s.turtle AS turtle, s.name AS name"
_LADYBUG_TYPES: dict[Datatype, str] = {
    "string": "STRING",
    "integer": "INT64",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "string_list": "STRING[]",
    "float_list": "DOUBLE[]",
}


def quoted(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("`", "``") + "`"


# --- Neo4j ---------------------------------------------------------------------------------------------


def neo4j_constraints(schema: GraphSchema) -> list[str]:
    """Statements that create a uniqueness constraint per node type and a cosine index per vector property."""
    statements = []
    for t in schema.node_types.values():
        statements.append(
            f"CREATE CONSTRAINT {quoted(f'kg_rec_{t.name}_key')} IF NOT EXISTS "
            f"FOR (n:{quoted(t.name)}) REQUIRE n.{quoted(t.key)} IS UNIQUE"
        )
        statements += [
            f"CREATE VECTOR INDEX {quoted(f'kg_rec_{t.name}_{p.name}')} IF NOT EXISTS "
            f"FOR (n:{quoted(t.name)}) ON n.{quoted(p.name)} OPTIONS {{indexConfig: "
            f"{{`vector.dimensions`: {p.dimensions}, `vector.similarity_function`: 'cosine'}}}}"
            for p in t.properties
            if p.use == "vector" and p.dimensions is not None
        ]
    return statements


NEO4J_WRITE_SCHEMA = f"MERGE (s:{SCHEMA_LABEL}) SET s.name = $name, s.turtle = $turtle, s.digest = $digest"
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


def neo4j_missing_keys(node_type: NodeType) -> str:
    """Those of ``$keys`` that no node has, at most five."""
    return (
        f"UNWIND $keys AS k WITH k WHERE NOT EXISTS {{ MATCH (n:{quoted(node_type.name)} "
        f"{{{quoted(node_type.key)}: k}}) }} RETURN k ORDER BY k LIMIT {SHOWN_KEYS}"
    )


def neo4j_node_keys(node_type: NodeType) -> str:
    """One row with a page of ``$limit`` keys after ``$after`` and a one for each."""
    return _neo4j_keys(node_type, "1")


def neo4j_source_keys(relation: RelationType, source: NodeType) -> str:
    """One row with a page of ``$limit`` source keys after ``$after`` and the out-degree of each."""
    return _neo4j_keys(source, f"COUNT {{ (n)-[:{quoted(relation.name)}]->() }}")


def _neo4j_keys(node_type: NodeType, weight: str) -> str:
    # Only the index compares keys in code point order: without it Neo4j compares a property with a parameter in
    # UTF-16 order, and a range with two bounds is taken as empty where UTF-16 has them the other way round.
    label, key = quoted(node_type.name), quoted(node_type.key)
    return (
        f"MATCH (n:{label}) USING INDEX SEEK n:{label}({key}) WHERE n.{key} > $after WITH n, n.{key} AS k "
        f"ORDER BY k LIMIT $limit RETURN collect(k) AS keys, collect({weight}) AS weights"
    )


def neo4j_nodes(node_type: NodeType) -> str:
    """One row with a list per property of the nodes of ``$keys``."""
    lists = [f"[x IN nodes | x.{quoted(p.name)}] AS {quoted(p.name)}" for p in node_type.properties]
    return (
        f"UNWIND $keys AS k MATCH (n:{quoted(node_type.name)} {{{quoted(node_type.key)}: k}}) "
        f"WITH collect(n) AS nodes RETURN {', '.join(lists)}"
    )


def neo4j_edges(relation: RelationType, source: NodeType, target: NodeType) -> str:
    """One row with lists (source, target, properties) of the edges that leave the nodes of ``$keys``."""
    lists = [f"[x IN edges | x.{quoted(p.name)}] AS {quoted(p.name)}" for p in relation.properties]
    return (
        f"UNWIND $keys AS k MATCH (a:{quoted(source.name)} {{{quoted(source.key)}: k}}) "
        f"MATCH (a)-[r:{quoted(relation.name)}]->(b:{quoted(target.name)}) "
        f"WITH collect(k) AS source, collect(b.{quoted(target.key)}) AS target"
        f"{', collect(r) AS edges' if lists else ''} RETURN {', '.join(['source', 'target', *lists])}"
    )


# --- Ladybug -------------------------------------------------------------------------------------------

LADYBUG_SCHEMA_TABLE = (
    f"CREATE NODE TABLE IF NOT EXISTS {SCHEMA_LABEL}(name STRING PRIMARY KEY, turtle STRING, digest STRING)"
)
LADYBUG_WRITE_SCHEMA = f"CREATE (s:{SCHEMA_LABEL} {{name: $name, turtle: $turtle, digest: $digest}})"
LADYBUG_CLEAR_SCHEMA = f"MATCH (s:{SCHEMA_LABEL}) DELETE s"


def ladybug_tables(schema: GraphSchema, old: GraphSchema | None) -> list[str]:
    """Statements that create the tables and columns of ``schema`` that ``old`` does not have."""
    statements = []
    node_types = {} if old is None else old.node_types
    relations = {} if old is None else old.relation_types
    for t in schema.node_types.values():
        if t.name not in node_types:
            columns = [_column(p) for p in t.properties]
            statements.append(f"CREATE NODE TABLE {quoted(t.name)}({', '.join(columns)}, PRIMARY KEY({quoted(t.key)}))")
        else:
            statements += _added(t.name, node_types[t.name].properties, t.properties)
    for r in schema.relation_types.values():
        if r.name not in relations:
            ends = f"FROM {quoted(r.source)} TO {quoted(r.target)}"
            statements.append(f"CREATE REL TABLE {quoted(r.name)}({', '.join([ends, *map(_column, r.properties)])})")
        else:
            statements += _added(r.name, relations[r.name].properties, r.properties)
    return statements


def _column(p: PropertyType) -> str:
    return f"{quoted(p.name)} {_LADYBUG_TYPES[p.datatype]}"


def _added(owner: str, old: Sequence[PropertyType], new: Sequence[PropertyType]) -> list[str]:
    had = {p.name for p in old}
    return [f"ALTER TABLE {quoted(owner)} ADD {_column(p)}" for p in new if p.name not in had]


def ladybug_merge_nodes(node_type: NodeType, properties: Sequence[str]) -> str:
    """Upsert the Arrow table ``$batch`` (columns ``k, v1, v2 …``); a null leaves the old value."""
    settings = [f"n.{quoted(p)} = coalesce(v{i}, n.{quoted(p)})" for i, p in enumerate(properties, 1)]
    merge = f"LOAD FROM $batch MERGE (n:{quoted(node_type.name)} {{{quoted(node_type.key)}: k}})"
    return merge + (" SET " + ", ".join(settings) if settings else "")


def ladybug_missing_keys(node_type: NodeType) -> str:
    """Those of the Arrow table ``$batch`` (column ``k``) that no node has, at most five."""
    key = quoted(node_type.key)
    return (
        f"LOAD FROM $batch OPTIONAL MATCH (n:{quoted(node_type.name)} {{{key}: k}}) "
        f"WITH k, n.{key} AS found WHERE found IS NULL RETURN k ORDER BY k LIMIT {SHOWN_KEYS}"
    )


def ladybug_has_edges(relation: RelationType) -> str:
    """One row when the relation has an edge, else none."""
    return f"MATCH ()-[r:{quoted(relation.name)}]->() RETURN 1 AS one LIMIT 1"


def ladybug_known_edges(relation: RelationType, source: NodeType, target: NodeType) -> str:
    """Of the Arrow table ``$batch`` (``row, source, target``): the edges there are, with their properties."""
    values = [f"r.{quoted(p.name)} AS {quoted(p.name)}" for p in relation.properties]
    return f"{_ladybug_join(relation, source, target)} RETURN {', '.join(['row', *values])}"


def ladybug_delete_edges(relation: RelationType, source: NodeType, target: NodeType) -> str:
    """Delete the edges of the Arrow table ``$batch`` (``row, source, target``)."""
    return f"{_ladybug_join(relation, source, target)} DELETE r"


def _ladybug_join(relation: RelationType, source: NodeType, target: NodeType) -> str:
    a, b = f"a.{quoted(source.key)}", f"b.{quoted(target.key)}"
    return (
        f"LOAD FROM $batch MATCH (a:{quoted(source.name)})-[r:{quoted(relation.name)}]->(b:{quoted(target.name)}) "
        f"WHERE {a} = source AND {b} = target AND {a} >= $first AND {a} <= $last"
    )


def ladybug_copy_edges(relation: RelationType) -> str:
    """Append the Arrow table ``$batch``: source, target, properties in the schema's order."""
    names = ", ".join(quoted(p.name) for p in relation.properties)
    return f"COPY {quoted(relation.name)}{f'({names})' if names else ''} FROM $batch"


def ladybug_node_keys(node_type: NodeType) -> str:
    """A page of ``$limit`` keys after ``$after``, in order, with a one for each."""
    key = f"n.{quoted(node_type.key)}"
    return (
        f"MATCH (n:{quoted(node_type.name)}) WHERE {key} > $after "
        f"RETURN {key} AS k, 1 AS weight ORDER BY k LIMIT $limit"
    )


def ladybug_source_keys(relation: RelationType, source: NodeType) -> str:
    """A page of ``$limit`` source keys after ``$after``, in order, with the out-degree of each."""
    key = f"n.{quoted(source.key)}"
    return (
        f"MATCH (n:{quoted(source.name)})-[:{quoted(relation.name)}]->() WHERE {key} > $after "
        f"RETURN {key} AS k, count(*) AS weight ORDER BY k LIMIT $limit"
    )


def ladybug_nodes_between(node_type: NodeType) -> str:
    """The nodes whose keys lie between ``$first`` and ``$last``."""
    key = f"n.{quoted(node_type.key)}"
    values = [f"n.{quoted(p.name)} AS {quoted(p.name)}" for p in node_type.properties]
    return f"MATCH (n:{quoted(node_type.name)}) WHERE {key} >= $first AND {key} <= $last RETURN {', '.join(values)}"


def ladybug_edges_between(relation: RelationType, source: NodeType, target: NodeType) -> str:
    """The edges whose source keys lie between ``$first`` and ``$last``."""
    key = f"a.{quoted(source.key)}"
    values = [f"r.{quoted(p.name)} AS {quoted(p.name)}" for p in relation.properties]
    ends = [f"{key} AS source", f"b.{quoted(target.key)} AS target"]
    return (
        f"MATCH (a:{quoted(source.name)})-[r:{quoted(relation.name)}]->(b:{quoted(target.name)}) "
        f"WHERE {key} >= $first AND {key} <= $last RETURN {', '.join([*ends, *values])}"
    )
