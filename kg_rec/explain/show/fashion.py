"""What an explanation says of fashion: a true count, and the statement that returns it."""

from __future__ import annotations

from typing import Any

from kg_rec.explain.explanation import InFashion
from kg_rec.explain.path import PathEdge
from kg_rec.explain.show.steps import HEAD, TAIL, step_of
from kg_rec.model.recommender import Recommender
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping


def in_fashion(model: Recommender, item: int) -> InFashion | None:
    """What a model says of the fashion of an item, by dense index; None where it is off."""
    fashion = model.fashion
    if fashion is None:
        return None
    key = model.items.key(item)
    statement, parameters = fashion_statement(model.snapshot.schema, key, fashion.since, fashion.until)
    return InFashion(
        value=float(fashion.values[item]),
        count=int(fashion.counts[item]),
        days=fashion.days,
        since=fashion.since,
        until=fashion.until,
        cypher=statement,
        parameters=parameters,
    )


def fashion_statement(schema: GraphSchema, item: str, since: int, until: int) -> tuple[str, dict[str, Any]]:
    """The statement that counts the users who liked an item from ``since`` on and before ``until``, and its parameters.

    Its one column is ``count`` (INTEGER).  An interaction counts as a snapshot counts it: from ``positive_from`` on, or
    above 0, several edges of a pair by the schema's rule, at the time of the latest.

    Args:
        schema: names the labels, types and properties.
        item: key of the item.
        since: in Unix seconds.
        until: in Unix seconds.
    """
    user, kind, interaction = schema.user, schema.item, schema.interaction
    step, conditions, weight = step_of(schema, 0, (user.name, kind.name), PathEdge(interaction.name, True))
    pattern = step.replace(TAIL, mapping.node(user, "n0")).replace(HEAD, mapping.node(kind, "n1"))
    where = [*conditions, *mapping.conditions(user, "n0"), *mapping.has_key(kind, "n1", "$item")]
    again = step.replace(TAIL, "(n0)").replace(HEAD, "(n1)")
    time = next(mapping.edge_value(interaction, p, "n0", "n1", "e0") for p in interaction.properties if p.use == "time")
    lines = [
        f"MATCH {pattern}{mapping.where(where)}",
        *(weight.lines(["n0", "n1"]) if weight is not None else ["WITH DISTINCT n0, n1"]),
        f"MATCH {again}",
        f"WITH n0, max({time}) AS at",
        "WHERE at >= $since AND at < $until",
        "RETURN count(*) AS count",
    ]
    parameters: dict[str, Any] = {"item": item, "since": since, "until": until}
    statement = "\n".join(lines)
    if "$positive_from" in statement:
        parameters["positive_from"] = interaction.positive_from
    return statement, parameters
