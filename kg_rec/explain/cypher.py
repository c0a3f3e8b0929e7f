"""The Cypher that returns exactly the shown paths, so that anyone can check an explanation in the store.

One read-only statement, one ``UNION ALL`` branch per distinct form of path.  It keeps to what Neo4j 5.26 and Ladybug
0.22 share: no quantified paths, no subqueries, no element ids.  Keys and bounds are parameters; labels, relationship
types and property names come from the validated schema.  Both engines bind repeated nodes differently (Neo4j does
not reuse a relationship within a MATCH, Ladybug may), so that "other users" excludes the user in so many words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kg_rec.errors import SchemaError
from kg_rec.explain.explanation import Path, PathEdge
from kg_rec.schema import GraphSchema

#: Stands in the column ``nodes`` for a set of other users.
OTHERS = "*"

#: (branch, keys of the nodes on the path with ``*`` for the others) and how many others.
PathRow = tuple[int, tuple[str, ...], int]


def cypher_for(schema: GraphSchema, user: str, item: str, paths: Sequence[Path]) -> tuple[str, dict[str, Any]]:
    """The statement that returns the shown paths, and its parameters.

    Its columns are ``pattern`` (INTEGER, number of the branch from 0), ``nodes`` (LIST of STRING, the keys along the
    path, ``*`` for the others) and ``count`` (INTEGER, how many others had both items; 1 on a path without others).
    An interaction counts only from ``positive_from`` on, where the schema has it.  For a step of similar text, which
    the graph does not hold, the statement checks that both ends exist and the steps before and after.

    Args:
        schema: names the labels, types and key properties.
        user: user key.
        item: key of the recommended item.
        paths: the shown paths; with none, the statement returns no row.

    Raises:
        SchemaError: a path does not fit the schema.
        ValueError: a path does not lead from ``user`` to ``item``.
    """
    for path in paths:
        if (path.nodes[0].key, path.nodes[-1].key) != (user, item):
            ends = f"{path.nodes[0].key!r} to {path.nodes[-1].key!r}"
            raise ValueError(f"expected paths from {user!r} to {item!r}, got one from {ends}")
        _others(path)
    if not paths:
        node = schema.user
        nothing = f"MATCH (n0:`{node.name}` {{`{node.key}`: $user}})\nWHERE n0.`{node.key}` IS NULL\n"
        return nothing + f"RETURN 0 AS pattern, [n0.`{node.key}`] AS nodes, 1 AS count", {"user": user}
    parameters: dict[str, Any] = {"user": user, "item": item}
    branches = []
    for number, (form, members) in enumerate(_forms(paths).items()):
        types, open_nodes, edges = form
        branches.append(_branch(schema, number, types, open_nodes, edges))
        rows = [{f"n{n}": p.nodes[n].key for n in _given(open_nodes)} for p in members]
        if rows[0]:
            parameters[f"rows_{number}"] = [dict(row) for row in dict.fromkeys(tuple(row.items()) for row in rows)]
    statement = "\nUNION ALL\n".join(branches)
    if "$positive_from" in statement:
        parameters["positive_from"] = schema.interaction.positive_from
    return statement, parameters


def expected_rows(paths: Sequence[Path]) -> Counter[PathRow]:
    """The rows that the statement of :func:`cypher_for` must return for these paths."""
    rows = {
        (number, tuple(OTHERS if n.key is None else n.key for n in p.nodes), _others(p))
        for number, members in enumerate(_forms(paths).values())
        for p in members
    }
    return Counter(rows)


def read_rows(table: pa.Table) -> Counter[PathRow]:
    """The rows that a store returned, in the form of :func:`expected_rows`."""
    return Counter(
        (int(row["pattern"]), tuple(row["nodes"]), int(row["count"]))
        for row in table.select(["pattern", "nodes", "count"]).to_pylist()
    )


def mismatches(paths: Sequence[Path], table: pa.Table) -> tuple[str, ...]:
    """Where the store and the shown paths differ, one line each; empty if the store holds exactly these paths.

    Args:
        paths: as given to :func:`cypher_for`.
        table: what the store returned for its statement.
    """
    expected, found = expected_rows(paths), read_rows(table)
    missing = [f"shown but not in the store: {_line(row)}" for row in sorted((expected - found).elements())]
    return (*missing, *(f"in the store but not shown: {_line(row)}" for row in sorted((found - expected).elements())))


def matches(paths: Sequence[Path], table: pa.Table) -> bool:
    """Whether the store holds exactly the shown paths, counts of others included."""
    return not mismatches(paths, table)


_Form = tuple[tuple[str, ...], tuple[bool, ...], tuple[PathEdge, ...]]


def _forms(paths: Sequence[Path]) -> dict[_Form, list[Path]]:
    """Paths by what a branch depends on (types, which nodes are sets, steps), in order of first occurrence."""
    forms: dict[_Form, list[Path]] = {}
    for p in paths:
        form = (tuple(n.type for n in p.nodes), tuple(n.key is None for n in p.nodes), p.edges)
        forms.setdefault(form, []).append(p)
    return forms


def _given(open_nodes: tuple[bool, ...]) -> list[int]:
    """Positions of the nodes between user and item whose keys are given in rows."""
    return [n for n in range(1, len(open_nodes) - 1) if not open_nodes[n]]


def _branch(
    schema: GraphSchema,
    number: int,
    types: tuple[str, ...],
    open_nodes: tuple[bool, ...],
    edges: tuple[PathEdge, ...],
) -> str:
    last = len(types) - 1
    keys = {n: f"n{n}.`{_key(schema, types[n])}`" for n in range(last + 1)}
    match, where = "", []
    for n in range(last + 1):
        value = "$user" if n == 0 else "$item" if n == last else None if open_nodes[n] else f"row.n{n}"
        match += f"(n{n}:`{types[n]}`" + (f" {{`{_key(schema, types[n])}`: {value}}})" if value else ")")
        if open_nodes[n]:
            where.append(f"{keys[n]} <> $user")
        if n < last:
            match += _step(schema, n, types, edges[n], where)
    count = next((f"count(DISTINCT {keys[n]})" for n in range(last) if open_nodes[n]), "1")
    nodes = ", ".join(f"'{OTHERS}'" if open_nodes[n] else keys[n] for n in range(last + 1))
    unwind = f"UNWIND $rows_{number} AS row\n" if _given(open_nodes) else ""
    condition = f"\nWHERE {' AND '.join(where)}" if where else ""
    return f"{unwind}MATCH {match}{condition}\nRETURN {number} AS pattern, [{nodes}] AS nodes, {count} AS count"


def _step(schema: GraphSchema, n: int, types: tuple[str, ...], edge: PathEdge, where: list[str]) -> str:
    """One step of a MATCH; adds the condition on a liked interaction to ``where``."""
    if edge.type is None:
        return ", "
    relation = schema.relation_types.get(edge.type)
    ends = (types[n], types[n + 1]) if edge.forward else (types[n + 1], types[n])
    if relation is None or ends != (relation.source, relation.target):
        raise SchemaError(
            f"schema {schema.name} has no relation {edge.type} from {ends[0]} to {ends[1]}; "
            "the path was made with another schema"
        )
    if relation.interaction and relation.weight and relation.positive_from is not None:
        where.append(f"e{n}.`{relation.weight}` >= $positive_from")
    step = f"[e{n}:`{relation.name}`]"
    return f"-{step}->" if edge.forward else f"<-{step}-"


def _key(schema: GraphSchema, node_type: str) -> str:
    if node_type not in schema.node_types:
        raise SchemaError(f"schema {schema.name} has no node type {node_type!r}; the path was made with another schema")
    return schema.node_types[node_type].key


def _others(path: Path) -> int:
    """How many others stand on a path; 1 if none do."""
    counts = [n.count for n in path.nodes if n.key is None]
    if len(counts) > 1:
        raise ValueError(f"expected at most one set of other users on a path, got {len(counts)}")
    return counts[0] if counts else 1


def _line(row: PathRow) -> str:
    _, keys, count = row
    return " - ".join(f"{count} others" if key == OTHERS else key for key in keys)
