"""The Cypher of what is told of people: each count as a read-only statement, which runs on every store.

Keys and bounds are parameters; labels, relationship types and property names come from the validated schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kg_rec.explain.path import PathEdge
from kg_rec.explain.show.steps import HEAD, TAIL, step_of
from kg_rec.people.features import Feature
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping


def count_statement(schema: GraphSchema, user: str, feature: Feature) -> tuple[str, dict[str, Any]]:
    """The statement that counts a feature among the likes of a user and of everybody, and its parameters.

    Its columns are ``what`` (STRING) and ``count`` (INTEGER).  The rows, in any order: ``count``, the user's liked
    items that have the feature; ``total``, all of them; ``all_count``, of all users' likes those of items that have
    it; ``all_total``, all likes.  An interaction counts as a snapshot counts it: from ``positive_from`` on, or above 0,
    and several edges of a pair by the schema's rule.

    Raises:
        SchemaError: the feature does not fit the schema.
    """
    has = _with_feature(schema, feature)
    parts = [
        ("count", [*has, *_liked(schema, one=True, bound=True)]),
        ("total", _liked(schema, one=True, bound=False)),
        ("all_count", [*has, *_liked(schema, one=False, bound=True)]),
        ("all_total", _liked(schema, one=False, bound=False)),
    ]
    statement = _united(parts)
    return statement, {"user": user, **_parameters(schema, feature, statement)}


def timed_statement(schema: GraphSchema, user: str | None, feature: Feature) -> tuple[str, dict[str, Any]] | None:
    """The statement that counts a feature among likes from ``$since`` to ``$until`` (Unix seconds, both included).

    Its rows are ``count`` and ``total``, as those of :func:`count_statement`; the parameters lack the two times.

    Args:
        schema: the schema.
        user: of this user's likes; None for those of everybody.
        feature: the feature.

    Returns:
        None where interactions have no time, or several edges of a pair are one by a rule of the schema.
    """
    if schema.interaction.time is None or schema.interaction.repeats is not None:
        return None
    has, one = _with_feature(schema, feature), user is not None
    parts = [
        ("count", [*has, *_liked(schema, one=one, bound=True, timed=True)]),
        ("total", _liked(schema, one=one, bound=False, timed=True)),
    ]
    statement = _united(parts)
    return statement, {**({} if user is None else {"user": user}), **_parameters(schema, feature, statement)}


def _united(parts: Sequence[tuple[str, list[str]]]) -> str:
    counted = "WITH count(*) AS count\nRETURN '{}' AS what, count"
    return "\nUNION ALL\n".join("\n".join([*lines, counted.format(what)]) for what, lines in parts)


def _parameters(schema: GraphSchema, feature: Feature, statement: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if feature.years is None:
        found["node"] = feature.key
    else:
        found |= {"low": feature.years[0], "high": feature.years[1]}
    if "$positive_from" in statement:
        found["positive_from"] = schema.interaction.positive_from
    return found


def _with_feature(schema: GraphSchema, feature: Feature) -> list[str]:
    """Lines that hand on each item with a feature, ``n1``, once."""
    item = schema.item
    if feature.years is not None:
        found = next(p for p in item.properties if p.name == feature.relation)
        value = mapping.value(item, found, "n1")
        value = f"{value}.year" if found.datatype == "date" else value
        bounds = [f"{value} >= $low", f"{value} <= $high", *mapping.conditions(item, "n1")]
        return [f"MATCH {mapping.node(item, 'n1')}{mapping.where(bounds)}", "WITH DISTINCT n1"]
    relation, node = schema.relation_types[feature.relation], schema.node_types[feature.type]
    edge = PathEdge(relation.name, relation.source == item.name)
    step, conditions, _ = step_of(schema, 1, ("", item.name, node.name), edge)
    conditions += [*mapping.conditions(item, "n1"), *mapping.has_key(node, "n2", "$node")]
    step = step.replace(TAIL, mapping.node(item, "n1")).replace(HEAD, mapping.node(node, "n2"))
    return [f"MATCH {step}{mapping.where(conditions)}", "WITH DISTINCT n1"]


def _liked(schema: GraphSchema, *, one: bool, bound: bool, timed: bool = False) -> list[str]:
    """Lines that hand on each pair of a user ``n0`` and an item ``n1`` that the user liked, once.

    Args:
        schema: the schema.
        one: of ``$user`` alone.
        bound: the item was matched before.
        timed: from ``$since`` to ``$until``.
    """
    user, item = schema.user, schema.item
    step, conditions, weight = step_of(schema, 0, (user.name, item.name), PathEdge(schema.interaction.name, True))
    conditions += mapping.has_key(user, "n0", "$user") if one else mapping.conditions(user, "n0")
    conditions += [] if bound else mapping.conditions(item, "n1")
    if timed:
        found = next(p for p in schema.interaction.properties if p.use == "time")
        time = mapping.edge_value(schema.interaction, found, "n0", "n1", "e0")
        conditions += [f"{time} >= $since", f"{time} <= $until"]
    step = step.replace(TAIL, mapping.node(user, "n0")).replace(HEAD, "(n1)" if bound else mapping.node(item, "n1"))
    handed = ["n0", "n1"]
    lines = [f"MATCH {step}{mapping.where(conditions)}"]
    return [*lines, *(weight.lines(handed) if weight is not None else ["WITH DISTINCT n0, n1"])]
