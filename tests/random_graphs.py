"""Random edits of a graph, with a plain graph of dicts that follows them, and random questions, all as Cypher."""

from __future__ import annotations

# ruff: noqa: E501  # a statement or a choice a line
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kg_rec.schema import GraphSchema
from kg_rec.store import GraphStore

SCHEMA = GraphSchema.from_turtle("""
@prefix : <urn:kg-rec:lab#> . @prefix kr: <urn:kg-rec:schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:kg-rec:lab> a kr:Schema .
:User a kr:UserType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :age ; sh:datatype xsd:integer ] , [ sh:path :name ; sh:datatype xsd:string ] .
:Thing a kr:ItemType ; sh:property [ sh:path :id ; sh:datatype xsd:string ; sh:minCount 1 ; kr:use kr:key ] ,
    [ sh:path :title ; sh:datatype xsd:string ] , [ sh:path :count ; sh:datatype xsd:integer ] ,
    [ sh:path :size ; sh:datatype xsd:double ] , [ sh:path :ok ; sh:datatype xsd:boolean ] ,
    [ sh:path :tags ; sh:datatype kr:stringList ] .
:SEEN a kr:InteractionType ; rdfs:domain :User ; rdfs:range :Thing ; rdfs:label "saw" ;
    sh:property [ sh:path :at ; sh:datatype xsd:integer ] , [ sh:path :note ; sh:datatype xsd:string ] .
:LIKE a kr:RelationType ; rdfs:domain :Thing ; rdfs:range :Thing ; rdfs:label "like" ;
    sh:property [ sh:path :at ; sh:datatype xsd:integer ] .
:KNOWS a kr:RelationType ; rdfs:domain :User ; rdfs:range :User ; rdfs:label "knows" .
""")
RELATIONS = {"SEEN": ("User", "Thing"), "LIKE": ("Thing", "Thing"), "KNOWS": ("User", "User")}
_EDGE_PROPERTIES = {"SEEN": ("at", "note"), "LIKE": ("at",), "KNOWS": ()}
_PROPERTIES = {"User": ("age", "name"), "Thing": ("title", "count", "size", "ok", "tags")}
_TEXTS = ("a", "b", "Ab", "é", "", "a b", "\U0001f600", "z'\"\\", "name")


@dataclass
class Graph:
    """Nodes by (label, key) and edges as [type, source, target, properties]; a property that is null is not there."""

    nodes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    edges: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)

    def detach_delete(self, label: str, key: str) -> None:
        del self.nodes[label, key]
        self.edges = [
            e
            for e in self.edges
            if (RELATIONS[e[0]][0], e[1]) != (label, key) and (RELATIONS[e[0]][1], e[2]) != (label, key)
        ]

    def dump(self) -> list[Any]:
        """All of it, in an order."""
        nodes = [(label, key, _sorted({"id": key, **p})) for (label, key), p in self.nodes.items()]
        return [sorted(nodes), sorted(([k, s, t, _sorted(p)] for k, s, t, p in self.edges), key=repr)]


def stored_dump(store: GraphStore) -> list[Any]:
    """The same of a store, by queries."""
    nodes, edges = [], []
    for label in ("User", "Thing"):
        asked = f"MATCH (n:{label}) RETURN n.id AS k, properties(n) AS p"
        nodes += [(label, row["k"], _sorted(row["p"])) for row in _rows(store, asked)]
    for kind, (source, target) in RELATIONS.items():
        asked = f"MATCH (a:{source})-[r:{kind}]->(b:{target}) RETURN a.id AS s, b.id AS t, properties(r) AS p"
        edges += [[kind, row["s"], row["t"], _sorted(row["p"])] for row in _rows(store, asked)]
    return [sorted(nodes), sorted(edges, key=repr)]


def _rows(store: GraphStore, asked: str) -> list[dict[str, Any]]:
    return list(store.query(asked).to_pylist())


def _sorted(properties: dict[str, Any] | None) -> dict[str, Any]:
    return {k: v for k, v in sorted((properties or {}).items()) if v is not None}


def _without_nulls(properties: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in properties.items() if v is not None}


class Editor:
    """Makes random edits to stores and to the plain graph alike."""

    def __init__(self, stores: list[GraphStore], seed: int) -> None:
        self.stores = stores
        self.seed = seed
        self.graph = Graph()
        self.random = random.Random(seed)
        self._next = 0
        for store in stores:
            store.apply_schema(SCHEMA)
        self.bulk_nodes()
        self.bulk_nodes()
        self.bulk_edges()

    def edit(self) -> str:
        """One edit; its name."""
        edits = (
            self.bulk_nodes, self.bulk_edges, self.create_nodes, self.merge_nodes, self.create_edges, self.merge_edges,
            self.set_node, self.add_to_node, self.replace_node, self.remove_property, self.set_edges, self.delete_edges,
            self.delete_node, self.two_statements,
        )  # fmt: skip
        chosen = self.random.choice(edits)
        chosen()
        return chosen.__name__

    # --- what is chosen ----------------------------------------------------------------------------

    def label(self) -> str:
        return self.random.choice(["User", "Thing", "Thing"])

    def new_key(self) -> str:
        self._next += 1
        return self.random.choice(["{}", "k{}", "k'{}", "é{}"]).format(self._next)

    def key(self, label: str) -> str:
        """Of a node that is there, mostly."""
        keys = [k for kind, k in self.graph.nodes if kind == label]
        return self.random.choice(keys) if keys and self.random.random() < 0.95 else "nowhere"

    def value(self, name: str) -> Any:
        r = self.random
        if r.random() < 0.2:
            return None
        makers: dict[str, Callable[[], Any]] = {
            "age": lambda: r.randrange(-2, 5),
            "at": lambda: r.randrange(-2, 5),
            "count": lambda: r.choice([r.randrange(-2, 5), 2**62, -(2**63)]),
            "size": lambda: r.choice([0.5, -1.5, 2.0, 0.1, 1e300]),
            "ok": lambda: r.random() < 0.5,
            "tags": lambda: [r.choice(_TEXTS) for _ in range(r.randrange(4))],
        }
        return makers[name]() if name in makers else r.choice(_TEXTS)

    def values(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.value(name) for name in names if self.random.random() < 0.6}

    def run(self, *statements: tuple[str, dict[str, Any]]) -> None:
        for store in self.stores:
            store.transact(statements)

    # --- edits -------------------------------------------------------------------------------------

    def bulk_nodes(self) -> None:
        label = self.label()
        names = [n for n in _PROPERTIES[label] if self.random.random() < 0.7]
        count = self.random.choice([1, 3, 20])
        keys = {self.new_key() if self.random.random() < 0.8 else self.key(label) for _ in range(count)} - {"nowhere"}
        rows = {key: {name: self.value(name) for name in names} for key in sorted(keys)}
        if not rows:
            return
        columns = {name: [row[name] for row in rows.values()] for name in names}
        for store in self.stores:
            store.write_nodes(label, pa.table({"id": list(rows), **columns}))
        for key, row in rows.items():
            self.graph.nodes.setdefault((label, key), {}).update(_without_nulls(row))

    def bulk_edges(self) -> None:
        kind = self.random.choice(list(RELATIONS))
        source, target = RELATIONS[kind]
        pairs = {(self.key(source), self.key(target)) for _ in range(self.random.choice([1, 5, 40]))}
        times = Counter(e[:3] for e in self.graph.edges)  # of parallel edges a bulk write replaces one or all
        pairs = {p for p in pairs if "nowhere" not in p and times[kind, *p] < 2}
        if not pairs:
            return
        rows = [(*pair, {name: self.value(name) for name in _EDGE_PROPERTIES[kind]}) for pair in sorted(pairs)]
        columns = {name: [row[2][name] for row in rows] for name in _EDGE_PROPERTIES[kind]}
        table = pa.table({"source": [r[0] for r in rows], "target": [r[1] for r in rows], **columns})
        for store in self.stores:
            store.write_edges(kind, table)
        for s, t, properties in rows:
            there = [e for e in self.graph.edges if e[:3] == (kind, s, t)]
            for edge in there:
                self._set(edge[3], properties)
            if not there:
                self.graph.edges.append((kind, s, t, _without_nulls(properties)))

    def create_nodes(self) -> None:
        label = self.label()
        keys = [self.new_key() for _ in range(self.random.choice([1, 1, 4]))]
        values = self.values(_PROPERTIES[label])
        if len(keys) == 1:
            given = "".join(f", {name}: ${name}" for name in values)
            self.run((f"CREATE (n:{label} {{id: $id{given}}})", {"id": keys[0], **values}))
        else:
            rows = [{"id": key, "p": values} for key in keys]
            self.run((f"UNWIND $rows AS row CREATE (n:{label} {{id: row.id}}) SET n += row.p", {"rows": rows}))
        for key in keys:
            self.graph.nodes[label, key] = _without_nulls(values)

    def merge_nodes(self) -> None:
        label = self.label()
        keys = sorted({self.random.choice([self.new_key(), self.key(label)]) for _ in range(3)} - {"nowhere"})
        name, other = self.random.sample(_PROPERTIES[label], 2) if label == "Thing" else ("age", "name")
        value, created = self.value(name), self.value(other)
        if not keys:
            return
        if self.random.random() < 0.5:
            statement = (
                f"MERGE (n:{label} {{id: $id}}) ON CREATE SET n.{other} = $created ON MATCH SET n.{name} = $value"
            )
            for key in keys:
                self.run((statement, {"id": key, "created": created, "value": value}))
        else:
            self.run(
                (
                    f"UNWIND $keys AS k MERGE (n:{label} {{id: k}}) "
                    f"ON CREATE SET n.{other} = $created ON MATCH SET n.{name} = $value",
                    {"keys": keys, "created": created, "value": value},
                )
            )
        for key in keys:
            if (label, key) in self.graph.nodes:
                self._set(self.graph.nodes[label, key], {name: value})
            else:
                self.graph.nodes[label, key] = _without_nulls({other: created})

    def create_edges(self) -> None:
        """Parallel ones and loops among them."""
        kind = self.random.choice(list(RELATIONS))
        source, target = RELATIONS[kind]
        s, t = self.key(source), self.key(target)
        if source == target and self.random.random() < 0.3:
            t = s
        values = self.values(_EDGE_PROPERTIES[kind])
        given = ", ".join(f"{name}: ${name}" for name in values)
        self.run(
            (
                f"MATCH (a:{source} {{id: $s}}) MATCH (b:{target} {{id: $t}}) CREATE (a)-[:{kind} {{{given}}}]->(b)",
                {"s": s, "t": t, **values},
            )
        )
        if "nowhere" not in (s, t):
            self.graph.edges.append((kind, s, t, _without_nulls(values)))

    def merge_edges(self) -> None:
        kind = self.random.choice(["SEEN", "LIKE"])
        source, target = RELATIONS[kind]
        rows: list[dict[str, Any]] = [
            {"s": self.key(source), "t": self.key(target), "at": self.random.randrange(3)} for _ in range(3)
        ]
        more = "SET e.note = row.s" if kind == "SEEN" else ""
        self.run(
            (
                f"UNWIND $rows AS row MATCH (a:{source} {{id: row.s}}) MATCH (b:{target} {{id: row.t}}) "
                f"MERGE (a)-[e:{kind} {{at: row.at}}]->(b) {more}",
                {"rows": rows},
            )
        )
        for row in rows:
            if "nowhere" in row.values():
                continue
            there = [e for e in self.graph.edges if e[:3] == (kind, row["s"], row["t"]) and e[3].get("at") == row["at"]]
            if not there:
                there = [(kind, row["s"], row["t"], {"at": row["at"]})]
                self.graph.edges += there
            for edge in there:
                if kind == "SEEN":
                    edge[3]["note"] = row["s"]

    def set_node(self) -> None:
        label = self.label()
        key, name = self.key(label), self.random.choice(_PROPERTIES[label])
        value = self.value(name)
        self.run((f"MATCH (n:{label} {{id: $id}}) SET n.{name} = $value", {"id": key, "value": value}))
        self._set(self.graph.nodes.get((label, key), {}), {name: value})

    def add_to_node(self) -> None:
        label = self.label()
        key, values = self.key(label), self.values(_PROPERTIES[label])
        self.run((f"MATCH (n:{label} {{id: $id}}) SET n += $values", {"id": key, "values": values}))
        self._set(self.graph.nodes.get((label, key), {}), values)

    def replace_node(self) -> None:
        label = self.label()
        key, values = self.key(label), self.values(_PROPERTIES[label])
        self.run((f"MATCH (n:{label} {{id: $id}}) SET n = $values", {"id": key, "values": {"id": key, **values}}))
        if (label, key) in self.graph.nodes:
            self.graph.nodes[label, key] = _without_nulls(values)

    def remove_property(self) -> None:
        label = self.label()
        key, name = self.key(label), self.random.choice(_PROPERTIES[label])
        self.run((f"MATCH (n:{label} {{id: $id}}) REMOVE n.{name}", {"id": key}))
        self.graph.nodes.get((label, key), {}).pop(name, None)

    def set_edges(self) -> None:
        kind = self.random.choice(["SEEN", "LIKE"])
        least, value = self.random.randrange(-2, 5), self.value("at")
        way = self.random.choice(["SET r.at = $value", "SET r += {at: $value}"])
        if self.random.random() < 0.3:
            way, value = "REMOVE r.at", None
        self.run((f"MATCH ()-[r:{kind}]->() WHERE r.at >= $least {way}", {"least": least, "value": value}))
        for edge in self.graph.edges:
            if edge[0] == kind and "at" in edge[3] and edge[3]["at"] >= least:
                self._set(edge[3], {"at": value})

    def delete_edges(self) -> None:
        kind = self.random.choice(list(RELATIONS))
        source = self.key(RELATIONS[kind][0])
        self.run((f"MATCH (a:{RELATIONS[kind][0]} {{id: $id}})-[r:{kind}]->() DELETE r", {"id": source}))
        self.graph.edges = [e for e in self.graph.edges if e[:2] != (kind, source)]

    def delete_node(self) -> None:
        label = self.label()
        key = self.key(label)
        self.run((f"MATCH (n:{label} {{id: $id}}) DETACH DELETE n", {"id": key}))
        if (label, key) in self.graph.nodes:
            self.graph.detach_delete(label, key)

    def two_statements(self) -> None:
        """What the first does is seen by the second."""
        key = self.new_key()
        self.run(
            ("CREATE (:User {id: $id, age: 3})", {"id": key}),
            ("MATCH (a:User {id: $id}), (b:User {age: 3}) MERGE (a)-[:KNOWS]->(b)", {"id": key}),
        )
        self.graph.nodes["User", key] = {"age": 3}
        for label, other in list(self.graph.nodes):
            if label == "User" and self.graph.nodes[label, other].get("age") == 3:
                self.graph.edges.append(("KNOWS", key, other, {}))

    def _set(self, properties: dict[str, Any], values: dict[str, Any]) -> None:
        for name, value in values.items():
            if value is None:
                properties.pop(name, None)
            else:
                properties[name] = value


# --- questions -----------------------------------------------------------------------------------------

_STEPS = [(kind, forward) for kind in RELATIONS for forward in (True, False)]


class Asker:
    """Random questions whose answers do not depend on the order in which a store finds rows."""

    def __init__(self, seed: int, graph: Graph) -> None:
        self.random = random.Random(seed)
        self.keys = {label: [k for kind, k in graph.nodes if kind == label] for label in ("User", "Thing")}
        self._label_of: dict[str, str] = {}

    def questions(self, count: int) -> Iterator[str]:
        kinds = (
            self.counted, self.counted, self.counted, self.grouped, self.grouped, self.optional, self.optional,
            self.listed, self.filtered_by_pattern, self.after_with, self.of_lists, self.united, self.called, self.long,
            self.comma, self.properties, self.ends,
        )  # fmt: skip
        for _ in range(count):
            yield self.random.choice(kinds)()

    # --- parts -------------------------------------------------------------------------------------

    def path(self, hops: int, start: str | None = None, prefix: str = "") -> tuple[str, dict[str, str], dict[str, str]]:
        """A pattern, its nodes' labels and its relationships' types, by variable; ``start`` is bound before."""
        r = self.random
        label = r.choice(["User", "Thing"]) if start is None else self._label_of[start]
        names: dict[str, str] = {}
        edges: dict[str, str] = {}
        first = start or f"{prefix}n0"
        names[first] = label
        text = f"({first})" if start is not None else self._node(first, label)
        for hop in range(1, hops + 1):
            kind, forward = r.choice([s for s in _STEPS if RELATIONS[s[0]][0 if s[1] else 1] == label])
            label = RELATIONS[kind][1 if forward else 0]
            undirected = RELATIONS[kind][0] == RELATIONS[kind][1] and r.random() < 0.25
            e, n = f"{prefix}e{hop}", f"{prefix}n{hop}"
            named = r.random() < 0.75
            inside = f"[{e if named else ''}:{kind}{self._edge_map(kind)}]"
            left, right = ("-", "-") if undirected else ("-", "->") if forward else ("<-", "-")
            text += f"{left}{inside}{right}{self._node(n, label)}"
            names[n] = label
            if named:
                edges[e] = kind
        self._label_of |= names
        return text, names, edges

    def _node(self, name: str, label: str) -> str:
        r = self.random
        shown = f":{label}" if r.random() < 0.7 else ""
        if r.random() < 0.15 and self.keys[label]:
            return f"({name}:{label} {{id: {self._text(r.choice(self.keys[label]))}}})"
        return f"({name}{shown})"

    def _edge_map(self, kind: str) -> str:
        return f" {{at: {self.random.randrange(-2, 5)}}}" if kind != "KNOWS" and self.random.random() < 0.1 else ""

    def _text(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def condition(self, names: dict[str, str], edges: dict[str, str]) -> str:
        r = self.random
        made = [self._of_node(n, label) for n, label in names.items()]
        made += [self._of_edge(e) for e, kind in edges.items() if kind != "KNOWS"]
        made += [self._of_edge(e) for e, kind in edges.items() if kind != "KNOWS"]
        if len(names) > 1:
            a, b = r.sample(list(names), 2)
            if names[a] == names[b]:
                made += [f"{a} <> {b}", f"{a}.id < {b}.id", f"{a} = {b}"]
            timed = [e for e, kind in edges.items() if kind != "KNOWS"]
            if len(timed) > 1:
                a, b = r.sample(timed, 2)
                made += [f"{a}.at < {b}.at", f"{a}.at = {b}.at"]
        chosen = r.sample(made, min(len(made), r.choice([1, 1, 2, 3])))
        if len(chosen) > 1 and r.random() < 0.3:
            return f"({chosen[0]} OR {chosen[1]})" + "".join(f" AND {c}" for c in chosen[2:])
        return " AND ".join(f"NOT ({c})" if r.random() < 0.15 else c for c in chosen)

    def _of_edge(self, e: str) -> str:
        n = self.random.randrange(-2, 5)
        return self.random.choice(
            [f"{e}.at >= {n}", f"{e}.at < {n}", f"{e}.at = {n}", f"{e}.at IS NULL", f"{e}.at IN [{n}, {n + 1}, null]"]
        )

    def _of_node(self, n: str, label: str) -> str:
        r = self.random
        number = "age" if label == "User" else "count"
        text = "name" if label == "User" else "title"
        made = [
            f"{n}.{number} > {r.randrange(-2, 5)}", f"{n}.{number} IS NULL", f"{n}.{text} IS NOT NULL",
            f"{n}.{text} STARTS WITH 'a'", f"{n}.{text} = {self._text(r.choice(_TEXTS))}",
            f"{n}.{text} IN ['a', 'b', 'é']", f"{n}.{number} <> 1", f"({n})-->()", f"NOT ({n})<--()",
            f"EXISTS {{ ({n})--(m) WHERE m.id > '5' }}", f"COUNT {{ ({n})-->() }} > {r.randrange(3)}",
            f"{n}:{label}", f"coalesce({n}.{number}, 1) = 1", f"size({n}.id) > 1", f"{n}.{number} % 2 = 0",
        ]  # fmt: skip
        if label == "Thing":
            made += [
                f"{n}.ok", f"NOT {n}.ok", f"'a' IN {n}.tags", f"size({n}.tags) > 1", f"{n}.size > 0.3",
                f"any(t IN {n}.tags WHERE t STARTS WITH 'a')", f"{n}.tags = ['a']", f"{n}.tags[0] = 'b'",
                f"none(t IN coalesce({n}.tags, []) WHERE t = 'a')", f"EXISTS {{ MATCH ({n})-[x:LIKE]-() WHERE x.at > 0 }}",
                f"COUNT {{ MATCH ({n})<-[x:SEEN]-(u:User) WHERE x.at >= 1 AND u.age > 0 }} >= 1",
            ]  # fmt: skip
        return r.choice(made)

    def _where(self, names: dict[str, str], edges: dict[str, str], often: float = 0.75) -> str:
        return f" WHERE {self.condition(names, edges)}" if self.random.random() < often else ""

    def _number(self, names: dict[str, str], edges: dict[str, str]) -> str:
        made = [f"{n}.{'age' if label == 'User' else 'count'}" for n, label in names.items()]
        made = [m for m in made if not m.endswith(".count")] or [f"size({next(iter(names))}.id)"]
        made += [f"{e}.at" for e, kind in edges.items() if kind != "KNOWS"]
        return self.random.choice(made)

    def _value(self, names: dict[str, str], edges: dict[str, str]) -> str:
        r = self.random
        n, label = r.choice(list(names.items()))
        made = [f"{n}.id", f"{n}.{r.choice(_PROPERTIES[label])}", f"labels({n})"]
        made += [f"{e}.at" for e, kind in edges.items() if kind != "KNOWS"] + [f"type({e})" for e in edges]
        return r.choice(made)

    def _aggregate(self, names: dict[str, str], edges: dict[str, str]) -> str:
        r = self.random
        number, value = self._number(names, edges), self._value(names, edges)
        n = r.choice(list(names))
        return r.choice(
            [
                "count(*)", f"count({value})", f"count(DISTINCT {n})", f"count(DISTINCT {value})", f"sum({number})",
                f"min({number})", f"max({number})", f"size(collect({value}))", f"size(collect(DISTINCT {value}))",
                f"count({n})", f"avg({number})", f"max({n}.id)", f"min({n}.id)",
            ]
        )  # fmt: skip

    # --- kinds of questions ------------------------------------------------------------------------

    def counted(self) -> str:
        text, names, edges = self.path(self.random.randrange(1, 5))
        return f"MATCH {text}{self._where(names, edges, 0.9)} RETURN {self._aggregate(names, edges)} AS c"

    def grouped(self) -> str:
        text, names, edges = self.path(self.random.randrange(1, 4))
        key = self._value(names, edges)
        first, second = self._aggregate(names, edges), self._aggregate(names, edges)
        end = self.random.choice(
            ["", " ORDER BY k, a, b", " ORDER BY a DESC, k, b LIMIT 3", " ORDER BY b, k, a SKIP 1"]
        )
        return f"MATCH {text}{self._where(names, edges)} RETURN {key} AS k, {first} AS a, {second} AS b{end}"

    def optional(self) -> str:
        text, names, edges = self.path(self.random.randrange(0, 2))
        where = self._where(names, edges, 0.5)
        start = self.random.choice(list(names))
        more, others, more_edges = self.path(self.random.randrange(1, 3), start=start, prefix="o")
        others = {n: k for n, k in others.items() if n != start}
        condition = self._where(others, more_edges, 0.7)
        shown = self.random.choice(
            [
                f"{start}.id AS k, {self._aggregate(others, more_edges)} AS a",
                f"{self._aggregate(others, more_edges)} AS a, count(*) AS b",
                f"{start}.id AS k, {self._value(others, more_edges)} AS v",
                f"{start}.id AS k, count(DISTINCT {next(iter(others))}) AS a",
            ]
        )
        return f"MATCH {text}{where} OPTIONAL MATCH {more}{condition} RETURN {shown}"

    def listed(self) -> str:
        text, names, edges = self.path(self.random.randrange(0, 4))
        shown = [self._value(names, edges) for _ in range(self.random.randrange(1, 4))]
        columns = ", ".join(f"{value} AS v{i}" for i, value in enumerate(shown))
        order = [f"v{i}{self.random.choice(['', ' DESC'])}" for i in range(len(shown))]
        self.random.shuffle(order)
        distinct = self.random.choice(["", "DISTINCT "])
        end = f" ORDER BY {', '.join(order)}" + self.random.choice(["", " LIMIT 5", " SKIP 2 LIMIT 4", " SKIP 1"])
        return f"MATCH {text}{self._where(names, edges)} RETURN {distinct}{columns}{end}"

    def filtered_by_pattern(self) -> str:
        text, names, edges = self.path(self.random.randrange(0, 3))
        start = self.random.choice(list(names))
        inner, others, more = self.path(self.random.randrange(1, 3), start=start, prefix="x")
        where = self._where({n: k for n, k in others.items() if n != start}, more)
        test = self.random.choice([f"EXISTS {{ MATCH {inner}{where} }}", f"COUNT {{ MATCH {inner}{where} }} > 1"])
        if self.random.random() < 0.3:
            test = f"NOT {test}"
        if self.random.random() < 0.3:
            return (
                f"MATCH {text}{self._where(names, edges)} RETURN {start}.id AS k, COUNT {{ MATCH {inner}{where} }} AS c"
            )
        return f"MATCH {text} WHERE {test} RETURN {start}.id AS k, count(*) AS c"

    def after_with(self) -> str:
        text, names, edges = self.path(self.random.randrange(1, 3))
        kept = self.random.choice(list(names))
        more, others, more_edges = self.path(self.random.randrange(1, 3), start=kept, prefix="w")
        aggregate = self.random.choice(
            [f"count({next(iter(names))})", "count(*)", f"sum({self._number(names, edges)})"]
        )
        every = self._where(names, edges, 0.5)
        way = self.random.choice([f" WITH {kept}, {aggregate} AS c WHERE c > 1", f" WITH DISTINCT {kept}, 1 AS c", ""])
        c = "c" if way else "1"
        shown = self.random.choice(
            [f"{kept}.id AS k, count(*) AS a, max({c}) AS m", f"count(*) AS a, sum({c}) AS s", "count(*) AS a"]
        )
        return f"MATCH {text}{every}{way} MATCH {more}{self._where(others, more_edges, 0.5)} RETURN {shown}"

    def of_lists(self) -> str:
        return self.random.choice(
            [
                "MATCH (n:Thing) UNWIND n.tags AS t RETURN t, count(*) AS c",
                "MATCH (n:Thing) UNWIND n.tags AS t MATCH (m:Thing) WHERE m.title = t RETURN count(*) AS c",
                "MATCH (n:Thing) RETURN n.id AS k, [t IN n.tags WHERE t <> 'a' | t + 'x'] AS l, size(n.tags) AS s",
                "MATCH (n:Thing) WITH n ORDER BY n.id RETURN collect(n.title) AS l, collect(n.count)[..2] AS m",
                "MATCH (n:Thing) RETURN n.id AS k, n.tags[0] AS a, n.tags[-1] AS b, n.tags[1..] AS c, 'a' IN n.tags AS d",
                "MATCH (n) RETURN labels(n) AS l, count(n.tags) AS a, count(n.age) AS b, count(*) AS c",
                "MATCH (n:Thing)-[e]-(m) RETURN type(e) AS t, labels(m) AS l, count(*) AS c, sum(e.at) AS s",
                "UNWIND [3, 1, null, 2] AS x OPTIONAL MATCH (n:User {age: x}) RETURN x, count(n) AS c",
                "MATCH (n:Thing) WITH n.ok AS ok, collect(n.id) AS ids RETURN ok, size(ids) AS s",
                "MATCH (u:User) WITH collect(u.id) AS ids MATCH (v:User) WHERE v.id IN ids RETURN count(*) AS c",
            ]
        )

    def united(self) -> str:
        first, second = self.path(1), self.path(2)
        parts = [f"MATCH {t}{self._where(n, e)} RETURN {next(iter(n))}.id AS k" for t, n, e in (first, second)]
        return self.random.choice([" UNION ", " UNION ALL "]).join(parts)

    def called(self) -> str:
        text, names, edges = self.path(self.random.randrange(0, 2))
        start = self.random.choice(list(names))
        inner, others, more = self.path(self.random.randrange(1, 3), start=start, prefix="c")
        where = self._where({n: k for n, k in others.items() if n != start}, more)
        aggregate = self._aggregate(others, more)
        return (
            f"MATCH {text}{self._where(names, edges)} CALL ({start}) {{ MATCH {inner}{where} RETURN {aggregate} AS a }} "
            f"RETURN {start}.id AS k, a"
        )

    def long(self) -> str:
        kind = self.random.choice(["LIKE", "KNOWS", "SEEN|LIKE", "LIKE|KNOWS"])
        length = self.random.choice(["*1..2", "*2", "*1..3", "*0..1"])
        arrow = self.random.choice(["->", "-"])
        label = "User" if "KNOWS" in kind or "SEEN" in kind else "Thing"
        n = self.random.choice(self.keys[label] or ["nowhere"])
        shown = self.random.choice(["count(*) AS c", "count(DISTINCT b) AS c", "b.id AS k, count(*) AS c"])
        return f"MATCH (a:{label} {{id: {self._text(n)}}})-[:{kind}{length}]{arrow}(b) RETURN {shown}"

    def comma(self) -> str:
        first, names, edges = self.path(self.random.randrange(1, 3))
        start = self.random.choice(list(names))
        second, others, more = self.path(self.random.randrange(1, 3), start=start, prefix="y")
        both, both_edges = {**names, **others}, {**edges, **more}
        where = self._where(both, both_edges, 0.8)
        return f"MATCH {first}, {second}{where} RETURN {self._aggregate(both, both_edges)} AS c"

    def properties(self) -> str:
        text, names, edges = self.path(self.random.randrange(0, 2))
        n = self.random.choice(list(names))
        e = next(iter(edges), None)
        made = [f"properties({n}) AS p", f"{n} AS p", f"{n} {{.id, .title, .age}} AS p"]
        made += [f"{e} AS p", f"properties({e}) AS p"] if e else []
        return f"MATCH {text}{self._where(names, edges)} RETURN {n}.id AS k, {self.random.choice(made)}"

    def ends(self) -> str:
        """A loop: both ends of a path are the same node."""
        hops = self.random.randrange(1, 3)
        kind, label = self.random.choice([("LIKE", "Thing"), ("KNOWS", "User")])
        middle = f"-[e1:{kind}]->(m)" if hops == 2 else ""
        arrow = self.random.choice(["->", "-"])
        return f"MATCH (a:{label}){middle}-[e2:{kind}]{arrow}(a) RETURN a.id AS k, count(*) AS c"
