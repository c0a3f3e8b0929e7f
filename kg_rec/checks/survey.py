"""What a graph that others made holds, of what a schema is guessed from: labels, relationships, properties, counts.

Everything is asked through the read-only gate; samples are of a thousand nodes or relationships each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kg_rec.store.base import GraphStore
from kg_rec.store.ledger_cypher import OWN_RELATIONS
from kg_rec.store.mapping import quoted

_SAMPLE = 1_000


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a label or a relationship type.

    Attributes:
        name: of the property.
        kinds: the types of its values as Neo4j calls them, sorted, without ``NOT NULL``.
        present: how many of the sampled nodes or relationships have it.
        sampled: how many were sampled.
        example: one value.
        length: mean length of its texts, 0 for others.
        unique: all nodes of the label have it, each another value.
        constrained: the graph's owners keep it unique, by a constraint.
    """

    name: str
    kinds: tuple[str, ...]
    present: int
    sampled: int
    example: Any
    length: float
    unique: bool
    constrained: bool = False

    @property
    def kind(self) -> str:
        """The type of its values; empty where they differ."""
        return self.kinds[0] if len(self.kinds) == 1 else ""


@dataclass(frozen=True, slots=True)
class Tie:
    """Relationships of one type between two labels."""

    source: str
    type: str
    target: str
    count: int


@dataclass(frozen=True)
class Survey:
    """A graph.

    Attributes:
        labels: nodes by main label: of the labels of a node the one that most nodes have.
        extra: labels that stand beside each main label on some of its nodes.
        properties: by main label.
        ties: what is tied to what, by count.
        constraints: by label, the properties that constraints keep unique, one or several together.
    """

    labels: dict[str, int]
    extra: dict[str, tuple[str, ...]]
    properties: dict[str, tuple[Property, ...]]
    ties: tuple[Tie, ...]
    constraints: dict[str, frozenset[tuple[str, ...]]]


def survey(store: GraphStore) -> Survey:
    """Ask a graph what it holds; kg_rec's own nodes and relationships are left out."""
    sets = [
        (sorted(row["ls"]), row["n"])
        for row in store.query("MATCH (n) RETURN labels(n) AS ls, count(*) AS n").to_pylist()
        if row["ls"] and not any(label.startswith("KgRec") for label in row["ls"])
    ]
    totals: dict[str, int] = {}
    for names, count in sets:
        for name in names:
            totals[name] = totals.get(name, 0) + count

    def main(names: list[str]) -> str:
        return max(names, key=lambda name: (totals[name], name))

    labels: dict[str, int] = {}
    extra: dict[str, set[str]] = {}
    for names, count in sets:
        own = main(names)
        labels[own] = labels.get(own, 0) + count
        extra.setdefault(own, set()).update(set(names) - {own})
    ties: dict[tuple[str, str, str], int] = {}
    asked = "MATCH (a)-[r]->(b) RETURN labels(a) AS a, type(r) AS t, labels(b) AS b, count(*) AS n"
    for row in store.query(asked).to_pylist():
        if row["t"] in OWN_RELATIONS:
            continue
        if all(name in totals for name in (*row["a"], *row["b"])) and row["a"] and row["b"]:
            tie = (main(row["a"]), row["t"], main(row["b"]))
            ties[tie] = ties.get(tie, 0) + row["n"]
    constraints = _constraints(store)
    return Survey(
        dict(sorted(labels.items())),
        {name: tuple(sorted(found)) for name, found in extra.items()},
        {name: _node_properties(store, name, constraints.get(name, frozenset())) for name in sorted(labels)},
        tuple(Tie(*tie, count) for tie, count in sorted(ties.items(), key=lambda item: (-item[1], item[0]))),
        constraints,
    )


def _constraints(store: GraphStore) -> dict[str, frozenset[tuple[str, ...]]]:
    """Uniqueness and key constraints, as the server describes them: ``type='UNIQUENESS', schema=(:Label {key})``."""
    asked = "CALL db.schema.visualization() YIELD nodes UNWIND nodes AS n RETURN n"
    found: dict[str, frozenset[tuple[str, ...]]] = {}
    for row in store.query(asked).to_pylist():
        label, texts = row["n"]["name"], row["n"]["constraints"] or ()
        start = f"schema=(:{label} {{"
        kept = [t for t in texts if start in t and any(kind in t for kind in ("'UNIQUENESS'", "'NODE_KEY'"))]
        keys = (t[t.index(start) + len(start) : t.rindex("})")] for t in kept)
        found[label] = frozenset(tuple(key.split(", ")) for key in keys)
    return found


def edge_properties(store: GraphStore, pattern: str, variable: str) -> tuple[Property, ...]:
    """The properties of a relationship or of a node in the middle of a pattern."""
    return _properties(store, f"MATCH {pattern} WITH {variable} AS x LIMIT {_SAMPLE}")


def _node_properties(store: GraphStore, label: str, constraints: frozenset[tuple[str, ...]]) -> tuple[Property, ...]:
    match = f"MATCH (x:{quoted(label)})"
    first = _properties(store, f"{match} WITH x LIMIT {_SAMPLE}")
    may = [p for p in first if p.kind in ("STRING", "INTEGER", "FLOAT") and p.present == p.sampled]
    if not may:
        return first
    counts = ", ".join(f"count(DISTINCT {_whole(p)}) AS c{i}" for i, p in enumerate(may))
    row = store.query(f"{match} RETURN count(*) AS n, {counts}").to_pylist()[0]
    unique = {p.name for i, p in enumerate(may) if row[f"c{i}"] == row["n"]}
    return tuple(replace(p, unique=p.name in unique, constrained=(p.name,) in constraints) for p in first)


def _whole(p: Property) -> str:
    """The values of a property that may be keys: of numbers with a fraction none."""
    value = f"x.{quoted(p.name)}"
    return f"CASE WHEN {value} = toInteger({value}) THEN {value} END" if p.kind == "FLOAT" else value


def _properties(store: GraphStore, sample: str) -> tuple[Property, ...]:
    sampled = store.query(f"{sample} RETURN count(*) AS n").to_pylist()[0]["n"]
    rows = store.query(
        f"{sample} UNWIND keys(x) AS k WITH k, x[k] AS v WHERE v IS NOT NULL "
        "RETURN k, replace(valueType(v), ' NOT NULL', '') AS kind, count(*) AS n, head(collect(toStringOrNull(v))) AS "
        "example, avg(CASE WHEN v IS :: STRING THEN size(v) ELSE 0 END) AS length ORDER BY k, kind"
    ).to_pylist()
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["k"], []).append(row)
    return tuple(
        Property(
            name,
            tuple(row["kind"] for row in some),
            sum(row["n"] for row in some),
            sampled,
            some[0]["example"],
            max(row["length"] or 0.0 for row in some),
            False,
        )
        for name, some in found.items()
    )


def pair_is_unique(store: GraphStore, label: str, first: str, second: str) -> bool:
    """Whether two properties together tell all nodes of a label apart."""
    row = store.query(
        f"MATCH (x:{quoted(label)}) RETURN count(*) AS n, count(DISTINCT [x.{quoted(first)}, x.{quoted(second)}]) AS c"
    ).to_pylist()[0]
    return bool(row["n"] == row["c"])
