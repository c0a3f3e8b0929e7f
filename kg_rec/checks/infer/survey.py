"""What a graph that others made holds, of what a schema is guessed from: labels, relationships, properties, counts.

Everything is asked through the read-only gate.  Which properties there are, and what their values look like, is read
from samples of a thousand nodes or relationships each; the types of these properties, and whether they tell nodes
apart, from all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kg_rec.store.base import GraphStore
from kg_rec.store.ledger_cypher import OWN_RELATIONS
from kg_rec.store.mapping import quoted

_SAMPLE = 1_000
_SECONDS = 600.0
#: Types of values that can be keys.
_KEY_KINDS = frozenset({"STRING", "INTEGER", "FLOAT"})
_LONGEST_KEY = 64
#: A label is an umbrella if this share of its nodes has another label, and this share differs in what it is tied to.
_COVERED, _DIFFERENT = 0.9, 0.05
_PATTERNS = {
    "iso": r"(?s)\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?",
    "code": r"(?is)[0-9a-f]{8}-[0-9a-f-]{4,}|[0-9a-f]{16,}|[^\s@]+@\S+|\w+://.*",
    "word": r"(?s).*(\p{Ll}{3}|\p{Lu}{4}|\p{Lo}).*",
}


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a label or a relationship type.

    Attributes:
        name: of the property.
        kinds: the types of its values as Neo4j calls them, sorted, without ``NOT NULL``.
        present: how many of the nodes or relationships have it.
        total: how many there are.
        example: one value.
        length: mean length of its texts, 0 for others.
        low: its least number in the sample, None where it has none.
        high: its greatest number in the sample.
        iso: all its sampled texts are dates or times such as 2024-05-01T10:00:00Z.
        worded: most of its sampled texts hold a word, and are neither dates nor uuids, addresses or the like.
        distinct: how many different values it has; 0 where it cannot be a key.
        constrained: the graph's owners keep it unique, by a constraint.
    """

    name: str
    kinds: tuple[str, ...]
    present: int
    total: int
    example: Any
    length: float
    low: float | None
    high: float | None
    iso: bool
    worded: bool
    distinct: int = 0
    constrained: bool = False

    @property
    def kind(self) -> str:
        """The type of its values; empty where they differ."""
        return self.kinds[0] if len(self.kinds) == 1 else ""

    @property
    def numeric(self) -> bool:
        """All its values are numbers."""
        return set(self.kinds) <= {"INTEGER", "FLOAT"}

    @property
    def unique(self) -> bool:
        """All nodes of the label have it, each another value."""
        return 0 < self.distinct == self.total

    @property
    def nearly_unique(self) -> bool:
        """Those that have it, all but a tenth of the nodes at most, have another value each."""
        return 0 < self.distinct == self.present >= 0.9 * self.total


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
        labels: nodes by main label: of the labels of a node the one that most nodes have, umbrellas such as *Entity*
            last.
        extra: labels that stand beside each main label on some of its nodes, not on all.
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
    sets = {
        tuple(sorted(row["ls"])): row["n"]
        for row in _rows(store, "MATCH (n) RETURN labels(n) AS ls, count(*) AS n")
        if row["ls"] and not any(label.startswith("KgRec") for label in row["ls"])
    }
    asked = "MATCH (a)-[r]->(b) RETURN labels(a) AS a, type(r) AS t, labels(b) AS b, count(*) AS n"
    tied = [
        (tuple(sorted(row["a"])), row["t"], tuple(sorted(row["b"])), row["n"])
        for row in _rows(store, asked)
        if row["t"] not in OWN_RELATIONS
    ]
    tied = [tie for tie in tied if tie[0] in sets and tie[2] in sets]
    main = _main_labels(sets, tied)
    labels: dict[str, int] = {}
    beside: dict[str, dict[str, int]] = {}
    for names, count in sets.items():
        own = main[names]
        labels[own] = labels.get(own, 0) + count
        for name in set(names) - {own}:
            of = beside.setdefault(own, {})
            of[name] = of.get(name, 0) + count
    ties: dict[tuple[str, str, str], int] = {}
    for a, kind, b, count in tied:
        tie = (main[a], kind, main[b])
        ties[tie] = ties.get(tie, 0) + count
    constraints = _constraints(store)
    return Survey(
        dict(sorted(labels.items())),
        {own: tuple(sorted(name for name, n in of.items() if n < labels[own])) for own, of in beside.items()},
        {name: _node_properties(store, name, constraints.get(name, frozenset())) for name in sorted(labels)},
        tuple(Tie(*tie, count) for tie, count in sorted(ties.items(), key=lambda item: (-item[1], item[0]))),
        constraints,
    )


_Labels = tuple[str, ...]


def _main_labels(sets: Mapping[_Labels, int], tied: Iterable[tuple[_Labels, str, _Labels, int]]) -> dict[_Labels, str]:
    """The main label of each set of labels."""
    totals: dict[str, int] = {}
    for names, count in sets.items():
        for name in names:
            totals[name] = totals.get(name, 0) + count
    shapes: dict[_Labels, set[tuple[bool, str]]] = {names: set() for names in sets}
    for a, kind, b, _ in tied:
        shapes[a].add((True, kind))
        shapes[b].add((False, kind))
    umbrellas = {name for name in totals if _is_umbrella(name, totals[name], sets, shapes)}

    def rank(name: str) -> tuple[bool, int, str]:
        return (name not in umbrellas, totals[name], name)

    return {names: max(names, key=rank) for names in sets}


def _is_umbrella(
    label: str, total: int, sets: Mapping[_Labels, int], shapes: Mapping[_Labels, set[tuple[bool, str]]]
) -> bool:
    """Whether a label stands over nodes of several kinds, each with a label of its own: *Person* over *Patient*."""
    under: dict[str, int] = {}
    for names, count in sets.items():
        if label in names:
            for name in set(names) - {label}:
                under[name] = under.get(name, 0) + count
    covered = sum(count for names, count in sets.items() if label in names and len(names) > 1)
    if len(under) < 2 or covered < _COVERED * total:
        return False
    largest, *others = sorted(under, key=lambda name: (-under[name], name))

    def shape(name: str) -> set[tuple[bool, str]]:
        return set[tuple[bool, str]]().union(*(found for names, found in shapes.items() if {label, name} <= set(names)))

    first, different = shape(largest), 0
    for name in others:
        own = shape(name)
        if len(own & first) < 0.5 * len(own | first):
            different += sum(n for names, n in sets.items() if {label, name} <= set(names) and largest not in names)
    return different >= _DIFFERENT * total


def _constraints(store: GraphStore) -> dict[str, frozenset[tuple[str, ...]]]:
    """Uniqueness and key constraints, as the server describes them: ``type='UNIQUENESS', schema=(:Label {key})``."""
    asked = "CALL db.schema.visualization() YIELD nodes UNWIND nodes AS n RETURN n"
    found: dict[str, frozenset[tuple[str, ...]]] = {}
    for row in _rows(store, asked):
        label, texts = row["n"]["name"], row["n"]["constraints"] or ()
        start = f"schema=(:{label} {{"
        kept = [t for t in texts if start in t and any(kind in t for kind in ("'UNIQUENESS'", "'NODE_KEY'"))]
        keys = (t[t.index(start) + len(start) : t.rindex("})")] for t in kept)
        found[label] = frozenset(tuple(key.split(", ")) for key in keys)
    return found


def edge_properties(store: GraphStore, pattern: str, variable: str) -> tuple[Property, ...]:
    """The properties of a relationship or of a node in the middle of a pattern."""
    return _properties(store, f"MATCH {pattern}", variable, frozenset())


def _node_properties(store: GraphStore, label: str, constraints: frozenset[tuple[str, ...]]) -> tuple[Property, ...]:
    return _properties(store, f"MATCH (x:{quoted(label)})", "x", constraints)


def _properties(
    store: GraphStore, match: str, variable: str, constraints: frozenset[tuple[str, ...]]
) -> tuple[Property, ...]:
    tests = ", ".join(
        f"sum(CASE WHEN v IS :: STRING AND v =~ ${name} THEN 1 ELSE 0 END) AS {name}" for name in _PATTERNS
    )
    number = "CASE WHEN v IS :: INTEGER | FLOAT THEN toFloat(v) END"
    asked = (
        f"{match} WITH {variable} AS x LIMIT {_SAMPLE} UNWIND keys(x) AS k WITH k, x[k] AS v WHERE v IS NOT NULL "
        "RETURN k, count(*) AS n, head(collect(toStringOrNull(v))) AS example, "
        f"avg(CASE WHEN v IS :: STRING THEN size(v) END) AS length, min({number}) AS low, max({number}) AS high, "
        f"sum(CASE WHEN v IS :: STRING THEN 1 ELSE 0 END) AS texts, {tests} ORDER BY k"
    )
    sampled = _rows(store, asked, _PATTERNS)
    if not sampled:
        return ()
    values = [f"x.{quoted(row['k'])}" for row in sampled]
    kinds = [f"collect(DISTINCT replace(valueType({v}), ' NOT NULL', '')) AS k{i}" for i, v in enumerate(values)]
    present = [f"count({v}) AS n{i}" for i, v in enumerate(values)]
    short = [i for i, row in enumerate(sampled) if (row["length"] or 0) <= _LONGEST_KEY]
    distinct = [f"count(DISTINCT {_as_key(values[i])}) AS d{i}" for i in short]
    whole = _rows(store, f"{match} WITH {variable} AS x RETURN count(*) AS n, {', '.join(kinds + present + distinct)}")
    found = []
    for i, row in enumerate(sampled):
        own = tuple(sorted(set(whole[0][f"k{i}"]) - {"NULL", "NOTHING"}))
        found.append(
            Property(
                row["k"],
                own,
                whole[0][f"n{i}"],
                whole[0]["n"],
                row["example"],
                row["length"] or 0.0,
                row["low"],
                row["high"],
                iso=0 < row["texts"] == row["iso"],
                worded=row["word"] - row["code"] - row["iso"] > 0.5 * row["n"],
                distinct=whole[0].get(f"d{i}", 0) if set(own) <= _KEY_KINDS else 0,
                constrained=(row["k"],) in constraints,
            )
        )
    return tuple(found)


def _as_key(value: str) -> str:
    """A value as a key: as text, of whole numbers without a fraction, of other numbers none."""
    return (
        f"CASE WHEN {value} IS :: FLOAT "
        f"THEN CASE WHEN {value} = toInteger({value}) THEN toString(toInteger({value})) END "
        f"ELSE toStringOrNull({value}) END"
    )


def pair_is_unique(store: GraphStore, label: str, first: str, second: str) -> bool:
    """Whether two properties together tell all nodes of a label apart."""
    row = _rows(
        store,
        f"MATCH (x:{quoted(label)}) RETURN count(*) AS n, count(DISTINCT [x.{quoted(first)}, x.{quoted(second)}]) AS c",
    )[0]
    return bool(row["n"] == row["c"])


def repeated(store: GraphStore, pattern: str) -> float:
    """The share of the pairs (a, b) of a pattern that it matches several times."""
    row = _rows(
        store,
        f"MATCH {pattern} WITH a, b, count(*) AS n "
        "RETURN count(*) AS pairs, sum(CASE WHEN n > 1 THEN 1 ELSE 0 END) AS many",
    )[0]
    return float(row["many"] / row["pairs"]) if row["pairs"] else 0.0


def twice(store: GraphStore, label: str, name: str) -> str | None:
    """A value of a property that several nodes of a label have, as text."""
    found = _rows(
        store,
        f"MATCH (x:{quoted(label)}) WITH x.{quoted(name)} AS v, count(*) AS c WHERE c > 1 AND v IS NOT NULL "
        "RETURN toStringOrNull(v) AS v ORDER BY v LIMIT 1",
    )
    return found[0]["v"] if found else None


def _rows(store: GraphStore, cypher: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    table: pa.Table = store.query(cypher, parameters, timeout=_SECONDS)
    return list(table.to_pylist())
