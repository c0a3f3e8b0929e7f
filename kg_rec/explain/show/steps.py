"""One step of a path in Cypher: its pattern, its conditions, and when a pair's edges count as one interaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kg_rec.errors import SchemaError
from kg_rec.explain.path import PathEdge
from kg_rec.schema import GraphSchema, NodeType, RelationType
from kg_rec.store import mapping

#: Stand for the nodes at the two ends of a step.
TAIL, HEAD = "(\0)", "(\1)"


@dataclass(frozen=True)
class PairWeight:
    """Whether a pair's edges together count as liked; see :func:`kg_rec.snapshot.canonical.one_edge_a_pair`.

    Attributes:
        relation: the interaction.
        weight: Cypher of the weight of an edge, if the relation has one.
        time: Cypher of its time, if the relation has one.
    """

    relation: RelationType
    weight: str
    time: str

    def lines(self, handed: Sequence[str]) -> list[str]:
        """Lines that hand on ``handed``, which names the pair, where the weight of its edges is enough."""
        r, aliases = self.relation, [name.rpartition(" AS ")[2] for name in handed]
        before = []
        if r.repeats == "count":
            total = "count(*)"
        elif r.repeats == "sum":
            total = f"sum(coalesce({self.weight}, 1.0))"
        elif r.repeats == "last":
            values = [f"{self.time} AS at"] if self.time else []
            order = ["at"] if self.time else []
            shown = ", ".join([*handed, *values, f"{self.weight} AS one"])
            before = [f"WITH {shown} ORDER BY {', '.join([*order, 'one'])}"]
            handed = aliases
            missing = "1.0" if r.positive_from is None else "-1.7e308"
            total = f"last(collect(coalesce(one, {missing})))"
        else:
            total = f"max({self.weight})"
        enough = "weight IS NULL OR weight > 0" if r.positive_from is None else "weight >= $positive_from"
        return [*before, f"WITH {', '.join([*handed, f'{total} AS weight'])}", f"WHERE {enough}"]


def step_of(
    schema: GraphSchema, n: int, types: tuple[str, ...], edge: PathEdge
) -> tuple[str, list[str], PairWeight | None]:
    """The pattern of a MATCH, its conditions, and what its weights say; no pattern for similar text.

    Args:
        schema: names the relation type.
        n: number of the step; its ends are the variables ``n{n}`` and ``n{n + 1}``, its edge is ``e{n}``.
        types: node types along the path.
        edge: the step.

    Returns:
        The pattern with :data:`TAIL` and :data:`HEAD` in place of its ends; conditions; what the weights of a pair's
        edges have to say together, or None.

    Raises:
        SchemaError: the schema has no such relation.
    """
    if edge.type is None:
        return "", [], None
    relation = schema.relation_types.get(edge.type)
    ends = (types[n], types[n + 1]) if edge.forward else (types[n + 1], types[n])
    if relation is None or ends != (relation.source, relation.target):
        raise SchemaError(
            f"schema {schema.name} has no relation {edge.type} from {ends[0]} to {ends[1]}; "
            "the path was made with another schema"
        )
    source, target = (f"n{n}", f"n{n + 1}") if edge.forward else (f"n{n + 1}", f"n{n}")
    if relation.pattern is None:
        step, conditions = f"[e{n}:`{relation.name}`]", list[str]()
        pattern = f"{TAIL}-{step}->{HEAD}" if edge.forward else f"{TAIL}<-{step}-{HEAD}"
    else:
        pattern, conditions = mapping.step(relation, source, target, f"e{n}")
        pattern = f"{TAIL}, {HEAD}, {pattern}"
    by_use = {p.use: mapping.edge_value(relation, p, source, target, f"e{n}") for p in relation.properties}
    if relation.interaction and ("weight" in by_use or relation.repeats == "count"):
        if relation.repeats is None and relation.positive_from is not None:  # then one edge is enough
            return pattern, [*conditions, f"{by_use['weight']} >= $positive_from"], None
        if relation.repeats != "count" or relation.positive_from is not None:
            return pattern, conditions, PairWeight(relation, by_use.get("weight", ""), by_use.get("time", ""))
    return pattern, conditions, None


def node_type_of(schema: GraphSchema, name: str) -> NodeType:
    """A node type by name.

    Raises:
        SchemaError: the schema has none of that name.
    """
    if name not in schema.node_types:
        raise SchemaError(f"schema {schema.name} has no node type {name!r}; the path was made with another schema")
    return schema.node_types[name]
