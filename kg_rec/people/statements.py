"""The Cypher of what is told of people: each count as a read-only statement, which runs on every store.

Keys and bounds are parameters; labels, relationship types and property names come from the validated schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kg_rec.explain.path import PathEdge
from kg_rec.explain.show.steps import HEAD, TAIL, step_of
from kg_rec.people.features import Feature
from kg_rec.people.groups import Group
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping
from kg_rec.store.base import GraphStore


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
        ("count", [*has, *_liked(schema, user="$user", item="")]),
        ("total", _liked(schema, user="$user")),
        ("all_count", [*has, *_liked(schema, item="")]),
        ("all_total", _liked(schema)),
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
    stamp = next(p for p in schema.interaction.properties if p.use == "time")
    time = mapping.edge_value(schema.interaction, stamp, "n0", "n1", "e0")
    during, who = [f"{time} >= $since", f"{time} <= $until"], None if user is None else "$user"
    parts = [
        ("count", [*_with_feature(schema, feature), *_liked(schema, user=who, item="", also=during)]),
        ("total", _liked(schema, user=who, also=during)),
    ]
    statement = _united(parts)
    return statement, {**({} if user is None else {"user": user}), **_parameters(schema, feature, statement)}


def group_statement(schema: GraphSchema, group: Group | None, item: str) -> tuple[str, dict[str, Any]]:
    """The statement that counts the users of a group, or all (None), and those of them who liked an item.

    Its rows are ``users`` and ``chose``; only users who liked something count.

    Args:
        schema: the schema.
        group: the users who share an attribute, or who liked an item.
        item: key of the item that they chose.
    """
    parameters: dict[str, Any] = {"item": item}
    if group is None:
        who = _liked(schema)
    elif group.kind == "like":
        who, parameters["like"] = _liked(schema, item="$like"), group.name
    else:
        conditions, bounds = _shared(schema, group)
        who = _liked(schema, also=conditions)
        parameters |= bounds
    who = [*who, "WITH DISTINCT n0"]
    statement = _united([("users", who), ("chose", [*who, *_liked(schema, user="", item="$item"), "WITH DISTINCT n0"])])
    if "$positive_from" in statement:
        parameters["positive_from"] = schema.interaction.positive_from
    return statement, parameters


def differing(
    store: GraphStore, statement: tuple[str, Mapping[str, Any]], told: Mapping[str, int | None], where: str
) -> list[str]:
    """Where a store counts otherwise than was told, one line each.

    Args:
        store: the graph.
        statement: one of this module, and its parameters.
        told: count by ``what``.
        where: what told them, as in "in the profile".
    """
    counts = {row["what"]: row["count"] for row in store.query(*statement).to_pylist()}
    return [
        f"{what} is {n} {where} and {counts.get(what)} in the graph"
        for what, n in told.items()
        if counts.get(what) != n
    ]


def _shared(schema: GraphSchema, group: Group) -> tuple[list[str], dict[str, Any]]:
    """Conditions that a user ``n0`` shares the attribute of a group, and their parameters."""
    attribute = next(p for p in schema.user.properties if p.name == group.name)
    value = mapping.value(schema.user, attribute, "n0")
    if isinstance(group.low, str):
        text = f"toLower(trim(toString({value})))"
        return [f"{text} STARTS WITH $shared" if group.code else f"{text} = $shared"], {"shared": group.low.lower()}
    bounds = {"low": group.low, "high": group.high}
    conditions = {"low": f"{value} >= $low", "high": f"{value} <= $high"}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    return [f"{value} IS NOT NULL", *(conditions[name] for name in known)], known


def _united(parts: Sequence[tuple[str, list[str]]]) -> str:
    counted = "WITH count(*) AS count\nRETURN '{}' AS what, count"
    return "\nUNION ALL\n".join("\n".join([*lines, counted.format(what)]) for what, lines in parts)


def _parameters(schema: GraphSchema, feature: Feature, statement: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if feature.years is None:
        parameters["node"] = feature.key
    else:
        parameters |= {"low": feature.years[0], "high": feature.years[1]}
    if "$positive_from" in statement:
        parameters["positive_from"] = schema.interaction.positive_from
    return parameters


def _with_feature(schema: GraphSchema, feature: Feature) -> list[str]:
    """Lines that hand on each item with a feature, ``n1``, once."""
    item = schema.item
    if feature.years is not None:
        known = next(p for p in item.properties if p.name == feature.relation)
        value = mapping.value(item, known, "n1")
        value = f"{value}.year" if known.datatype == "date" else value
        bounds = [f"{value} >= $low", f"{value} <= $high", *mapping.conditions(item, "n1")]
        return [f"MATCH {mapping.node(item, 'n1')}{mapping.where(bounds)}", "WITH DISTINCT n1"]
    relation, node = schema.relation_types[feature.relation], schema.node_types[feature.type]
    edge = PathEdge(relation.name, relation.source == item.name)
    step, conditions, _ = step_of(schema, 1, ("", item.name, node.name), edge)
    conditions += [*mapping.conditions(item, "n1"), *mapping.has_key(node, "n2", "$node")]
    step = step.replace(TAIL, mapping.node(item, "n1")).replace(HEAD, mapping.node(node, "n2"))
    return [f"MATCH {step}{mapping.where(conditions)}", "WITH DISTINCT n1"]


def _liked(
    schema: GraphSchema, *, user: str | None = None, item: str | None = None, also: Sequence[str] = ()
) -> list[str]:
    """Lines that hand on each pair of a user ``n0`` and an item ``n1`` that the user liked, once.

    Args:
        schema: the schema.
        user: parameter of the user's key; empty where the user was matched before; None for all.
        item: the same for the item.
        also: further conditions.
    """
    users, items = schema.user, schema.item
    step, conditions, weight = step_of(schema, 0, (users.name, items.name), PathEdge(schema.interaction.name, True))
    for kind, variable, given, place in ((users, "n0", user, TAIL), (items, "n1", item, HEAD)):
        step = step.replace(place, f"({variable})" if given == "" else mapping.node(kind, variable))
        if given != "":
            conditions += (
                mapping.conditions(kind, variable) if given is None else mapping.has_key(kind, variable, given)
            )
    lines = [f"MATCH {step}{mapping.where([*conditions, *also])}"]
    return [*lines, *(weight.lines(["n0", "n1"]) if weight is not None else ["WITH DISTINCT n0, n1"])]
