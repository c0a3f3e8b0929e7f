"""A schema on a graph that others made: checked before it is applied, compared, and taken away without a trace."""

from __future__ import annotations

import difflib

from kg_rec.checks.constraints import ConstraintChecker, Finding
from kg_rec.errors import SchemaError, SchemaNotAppliedError
from kg_rec.schema import GraphSchema
from kg_rec.store.base import GraphStore
from kg_rec.store.cypher import SCHEMA_LABEL
from kg_rec.store.ledger_cypher import CHUNK, LATEST, REACTED_TYPE, RECOMMENDED, RUN, SHOWN_TYPE
from kg_rec.store.mapping import check_mapping, quoted
from kg_rec.store.neo4j.vectors import VECTORS

_OWN = (SCHEMA_LABEL, RUN, CHUNK, LATEST, VECTORS)
_BATCH = 20_000


def contradictions(store: GraphStore, schema: GraphSchema, samples: int = 5) -> tuple[Finding, ...]:
    """What in the graph a schema contradicts, and what is worth knowing; nothing is written.

    Raises:
        SchemaError: ``kr:from`` is not a pattern or an expression.
        QueryRefusedError: the server does not understand it.
    """
    check_mapping(schema)
    checker = ConstraintChecker(store, schema, samples)
    for t in schema.node_types.values():
        if not checker.nodes(t):
            checker.findings.append(Finding("no nodes", t.name, 0, "node", "the graph has none", (), False))
    for r in schema.relation_types.values():
        if not checker.edges(r) and r.name != RECOMMENDED:
            detail = "the graph has none"
            checker.findings.append(Finding("no edges", r.name, 0, "edge", detail, (), r.interaction))
    return tuple(checker.findings)


def apply(store: GraphStore, schema: GraphSchema) -> None:
    """Keep a schema in the graph, in place of one that was there; refuse it where the graph contradicts it.

    Raises:
        SchemaError: the graph contradicts it; the message has the first violations.
    """
    broken = [f for f in contradictions(store, schema) if f.violation]
    if broken:
        shown = "; ".join(f.line() for f in broken[:3])
        more = f" (and {len(broken) - 3} more)" if len(broken) > 3 else ""
        raise SchemaError(f"the graph contradicts the schema {schema.name}: {shown}{more}; nothing was applied")
    store.apply_schema(schema)


def difference(store: GraphStore, schema: GraphSchema) -> list[str]:
    """The lines that differ between the schema in the graph and another one, as a unified diff."""
    try:
        old = store.schema().turtle
    except SchemaNotAppliedError:
        old = ""
    return list(
        difflib.unified_diff(old.splitlines(), schema.turtle.splitlines(), "in the graph", "given", lineterm="")
    )


def remove(store: GraphStore) -> dict[str, int]:
    """Take what is kg_rec's out of a graph that others made: schema, runs, lists, feedback, constraints and indexes.

    Returns:
        How many nodes and relationships were deleted, by label and type.

    Raises:
        SchemaError: the nodes of the graph are kg_rec's own; delete the graph itself.
    """
    schema = store.schema()
    if not schema.mapped:
        raise SchemaError(
            f"the schema {schema.name} describes nodes that kg_rec wrote (it has no kr:from); delete the database or "
            "the folder to be rid of them"
        )
    deleted: dict[str, int] = {}
    for name, match, thing in (
        (RECOMMENDED, f"MATCH ()-[x:{RECOMMENDED}]->() WHERE x.run IS NOT NULL", "x"),
        *((kind, f"MATCH ()-[x:{kind}]->()", "x") for kind in (SHOWN_TYPE, REACTED_TYPE)),
        *((label, f"MATCH (x:{quoted(label)})", "x") for label in _OWN),
    ):
        count = int(store.query(f"{match} RETURN count(x) AS n")["n"][0].as_py())
        for _ in range(0, count, _BATCH):
            store.transact([(f"{match} WITH {thing} LIMIT {_BATCH} DELETE {thing}", {})])
        if count:
            deleted[name] = count
    for t in schema.node_types.values():
        store.transact([(f"DROP INDEX {quoted(f'kg_rec_{t.name}_key')} IF EXISTS", {})])
    for label, key in ((RUN, "run"), (CHUNK, "id"), (LATEST, "job"), (VECTORS, "id")):
        store.transact([(f"DROP CONSTRAINT {quoted(f'kg_rec_{label}_{key}')} IF EXISTS", {})])
    return deleted
