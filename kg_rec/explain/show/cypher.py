"""The Cypher that returns exactly the shown paths, so that anyone can check an explanation in the store.

One read-only statement, one ``UNION ALL`` branch per distinct form of path, and in each branch one MATCH of the whole
path, as one would draw it.  It keeps to what every store reads alike: no quantified paths, no subqueries, no element
ids.  Keys and bounds are parameters; labels, relationship types and property names come from the validated schema.

No relationship stands twice on a path, so it does not matter that a MATCH uses none twice.  Where several edges of a
pair are one by a rule of the schema, each step is a MATCH of its own, after which its pair's weight is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kg_rec.errors import ArgumentError
from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathEdge
from kg_rec.explain.show.escaped import escaped_json
from kg_rec.explain.show.steps import HEAD, TAIL, node_type_of, step_of
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping

#: Stands in the column ``nodes`` for a set of other users.
OTHERS = "*"

#: (branch, keys of the nodes on the path with ``*`` for the others) and how many others.
PathRow = tuple[int, tuple[str, ...], int]


def cypher_for(schema: GraphSchema, user: str, item: str, paths: Sequence[Path]) -> tuple[str, dict[str, Any]]:
    """The statement that returns the shown paths, and its parameters.

    Its columns are ``pattern`` (INTEGER, number of the branch from 0), ``nodes`` (LIST of STRING, the keys along the
    path, ``*`` for the others) and ``count`` (INTEGER, how many others had both items; 1 on a path without others).
    An interaction counts as the snapshot counts it: from ``positive_from`` on, or above 0, and several edges of a
    pair by the schema's rule.  For a step of similar text, which the graph does not hold, the statement checks that
    both ends exist and the steps before and after.

    Args:
        schema: names the labels, types and key properties.
        user: user key.
        item: key of the recommended item.
        paths: the shown paths; with none, the statement returns no row.

    Raises:
        SchemaError: a path does not fit the schema.
        ArgumentError: a path does not lead from ``user`` to ``item``.
    """
    for path in paths:
        if (path.nodes[0].key, path.nodes[-1].key) != (user, item):
            ends = f"{path.nodes[0].key!r} to {path.nodes[-1].key!r}"
            raise ArgumentError(f"expected paths from {user!r} to {item!r}, got one from {ends}")
        _others(path)
    if not paths:
        key = mapping.key(schema.user, "n0")
        nothing = f"MATCH {mapping.node(schema.user, 'n0')}\nWHERE {key} = $user AND {key} IS NULL\n"
        return nothing + f"RETURN 0 AS pattern, [{key}] AS nodes, 1 AS count", {"user": user}
    parameters: dict[str, Any] = {"user": user, "item": item}
    branches = []
    for number, (form, members) in enumerate(_forms(paths).items()):
        types, open_nodes, edges = form
        branches.append(_branch(schema, number, types, open_nodes, edges))
        rows = [{f"n{n}": p.nodes[n].key for n in _given(open_nodes)} for p in members]
        parameters[f"rows_{number}"] = [dict(row) for row in dict.fromkeys(tuple(row.items()) for row in rows)]
    statement = "\nUNION ALL\n".join(branches)
    if "$positive_from" in statement:
        parameters["positive_from"] = schema.interaction.positive_from
    return statement, parameters


def to_cypher(explanation: Explanation) -> str:
    """The statement of an explanation with its parameters, for cypher-shell and the Neo4j Browser."""
    lines = [f":param {name} => {literal(value)};" for name, value in explanation.parameters.items()]
    return "\n".join([*lines, f"{explanation.cypher};"])


def literal(value: Any) -> str:
    """A value in Cypher."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {literal(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    return escaped_json(value)


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
    expected, returned = expected_rows(paths), read_rows(table)
    missing = [f"shown but not in the store: {_line(row)}" for row in sorted((expected - returned).elements())]
    return (
        *missing,
        *(f"in the store but not shown: {_line(row)}" for row in sorted((returned - expected).elements())),
    )


def matches(paths: Sequence[Path], table: pa.Table) -> bool:
    """Whether the store holds exactly the shown paths, counts of others included."""
    return not mismatches(paths, table)


_Form = tuple[tuple[str, ...], tuple[bool, ...], tuple[PathEdge, ...]]


def _forms(paths: Sequence[Path]) -> dict[_Form, list[Path]]:
    """Paths by what a branch depends on (types, which nodes are sets, steps), whatever order they come in."""
    forms: dict[_Form, list[Path]] = {}
    for p in paths:
        form = (tuple(n.type for n in p.nodes), tuple(n.key is None for n in p.nodes), p.edges)
        forms.setdefault(form, []).append(p)
    return dict(sorted(forms.items(), key=lambda item: repr(item[0])))


def _given(open_nodes: tuple[bool, ...]) -> list[int]:
    """Positions of the nodes between user and item, whose keys are given in rows; the user where there are none."""
    return [n for n in range(1, len(open_nodes) - 1) if not open_nodes[n]] or [0]


def _branch(
    schema: GraphSchema,
    number: int,
    types: tuple[str, ...],
    open_nodes: tuple[bool, ...],
    edges: tuple[PathEdge, ...],
) -> str:
    steps = [step_of(schema, n, types, edge) for n, edge in enumerate(edges)]
    if all(weight is None for _, _, weight in steps) and not schema.mapped:
        bare = [(step.replace(TAIL, "").replace(HEAD, ""), liked) for step, liked, _ in steps]
        return _whole_path(schema, number, types, open_nodes, bare)
    last = len(types) - 1
    values = ["$user", *("other" if open_nodes[n] else f"row.n{n}" for n in range(1, last)), "$item"]
    kinds = [node_type_of(schema, name) for name in types]
    keys = [mapping.key(t, f"n{n}") for n, t in enumerate(kinds)]
    own = [t.pattern is None for t in kinds]  # by their key, in the pattern itself
    nodes = [mapping.keyed(t, f"n{n}", values[n]) if own[n] else mapping.node(t, f"n{n}") for n, t in enumerate(kinds)]
    known = [[] if own[n] else mapping.has_key(t, f"n{n}", values[n]) for n, t in enumerate(kinds)]
    lines, carried = [f"UNWIND $rows_{number} AS row"], ["row"]
    for n, (step, conditions, weight) in enumerate(steps):
        crowd = open_nodes[n + 1]
        end = mapping.node(kinds[n + 1], f"n{n + 1}") if crowd else nodes[n + 1]
        conditions += known[n] if step else []
        conditions += mapping.conditions(kinds[n + 1], f"n{n + 1}") if crowd else known[n + 1]
        lines.append(f"MATCH {step.replace(TAIL, nodes[n]).replace(HEAD, end)}" if step else f"MATCH {end}")
        conditions += [f"{keys[n + 1]} <> $user"] if crowd else []
        lines += [f"WHERE {' AND '.join(conditions)}"] if conditions else []
        handed = [*carried, *([f"{keys[n + 1]} AS other"] if crowd else ["other"] if open_nodes[n] else [])]
        if weight is not None:
            lines += weight.lines(handed)
        elif crowd:
            lines.append(f"WITH {', '.join(handed)}")
        if crowd:
            continue
        if open_nodes[n]:
            lines.append(f"WITH {', '.join(carried)}, count(DISTINCT other) AS others")
            carried.append("others")
        elif n + 1 < last:
            lines.append(f"WITH {', '.join(carried)}")
    shown = ", ".join(f"'{OTHERS}'" if open_nodes[n] else values[n] for n in range(last + 1))
    lines.append(
        f"RETURN DISTINCT {number} AS pattern, [{shown}] AS nodes, {'others' if True in open_nodes else '1'} AS count"
    )
    return "\n".join(lines)


def _whole_path(
    schema: GraphSchema,
    number: int,
    types: tuple[str, ...],
    open_nodes: tuple[bool, ...],
    steps: Sequence[tuple[str, list[str]]],
) -> str:
    """A branch as one MATCH; each step has its relationship and the conditions on it."""
    last = len(types) - 1
    values = ["$user", *(f"'{OTHERS}'" if open_nodes[n] else f"row.n{n}" for n in range(1, last)), "$item"]
    keys = [f"`{node_type_of(schema, node_type).key}`" for node_type in types]
    nodes = [
        f"(n{n}:`{types[n]}`)" if open_nodes[n] else f"(n{n}:`{types[n]}` {{{keys[n]}: {values[n]}}})"
        for n in range(last + 1)
    ]
    path = nodes[0] + "".join(f"{step or ', '}{node}" for (step, _), node in zip(steps, nodes[1:], strict=True))
    others = [f"n{n}.{keys[n]}" for n in range(last + 1) if open_nodes[n]]
    conditions = [*(condition for _, liked in steps for condition in liked), *(f"{key} <> $user" for key in others)]
    lines = [f"UNWIND $rows_{number} AS row", f"MATCH {path}"]
    lines += [f"WHERE {' AND '.join(conditions)}"] if conditions else []
    count = f"count(DISTINCT {others[0]})" if others else "1"
    distinct = "" if others else "DISTINCT "
    lines.append(f"RETURN {distinct}{number} AS pattern, [{', '.join(values)}] AS nodes, {count} AS count")
    return "\n".join(lines)


def _others(path: Path) -> int:
    """How many others stand on a path; 1 if none do."""
    counts = [n.count for n in path.nodes if n.key is None]
    if len(counts) > 1:
        raise ArgumentError(f"expected at most one set of other users on a path, got {len(counts)}")
    return counts[0] if counts else 1


def _line(row: PathRow) -> str:
    _, keys, count = row
    return " - ".join(f"{count} others" if key == OTHERS else key for key in keys)
