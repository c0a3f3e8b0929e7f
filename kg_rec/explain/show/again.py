"""What an explanation says of an item that the user had: the true times, and the statement that returns them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kg_rec.explain.explanation import HadAgain
from kg_rec.explain.path import PathEdge
from kg_rec.explain.show.steps import HEAD, TAIL, step_of
from kg_rec.model.recommender import Recommender
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping


def had_again(model: Recommender, user: int, item: int) -> HadAgain | None:
    """What a model says of a user who had an item, by dense index; None where it is off, or the user did not."""
    habit, own = model.habit(user, item), model.again_of(np.array([user]))
    if habit is None or own is None or model.again is None:
        return None
    statement, parameters = own_statement(model.snapshot.schema, model.users.key(user), model.items.key(item))
    return HadAgain(
        value=float(own[0, item]),
        count=int(habit.count[0]),
        gap=float(habit.gap[0]),
        since=float(habit.since[0]),
        until=model.again.until,
        cypher=statement,
        parameters=parameters,
    )


def own_statement(schema: GraphSchema, user: str, item: str) -> tuple[str, dict[str, Any]]:
    """The statement that returns when a user had an item, and its parameters.

    Its one column is ``at`` (INTEGER), in Unix seconds.

    Args:
        schema: names the labels, types and properties.
        user: key of the user.
        item: key of the item.
    """
    who, kind, interaction = schema.user, schema.item, schema.interaction
    step, conditions, _ = step_of(schema, 0, (who.name, kind.name), PathEdge(interaction.name, True))
    pattern = step.replace(TAIL, mapping.node(who, "n0")).replace(HEAD, mapping.node(kind, "n1"))
    where = [*conditions, *mapping.has_key(who, "n0", "$user"), *mapping.has_key(kind, "n1", "$item")]
    time = next(mapping.edge_value(interaction, p, "n0", "n1", "e0") for p in interaction.properties if p.use == "time")
    statement = f"MATCH {pattern}{mapping.where(where)}\nRETURN {time} AS at\nORDER BY at"
    return statement, {"user": user, "item": item}
