"""The constraints of a schema as read-only Cypher, run inside the database.

One pass over each node type and relation type counts everything that a single node or edge can break; keys are
looked up only for what is broken.  To an embedded graph only kg_rec writes, so wrong datatypes and wrongly typed ends
are tested on Neo4j alone, where any program may write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kg_rec.errors import StoreError, StoreUnavailableError
from kg_rec.schema import Datatype, GraphSchema, NodeType, PropertyType, RelationType
from kg_rec.store import mapping
from kg_rec.store.base import GraphStore
from kg_rec.store.cypher import SCHEMA_LABEL
from kg_rec.store.ledger_cypher import CHUNK, LATEST, RECOMMENDED, RUN
from kg_rec.store.mapping import quoted
from kg_rec.store.neo4j.vectors import VECTORS
from kg_rec.store.unfinished import LOAD

_SECONDS_PER_QUERY = 600.0
#: The end of the year 9999: some write it for never.
_MOST_SECONDS = 253_402_300_799
#: Whether labels are ours, and how they are shown.
_LABELS = ("any(l IN name WHERE l IN $known)", "coalesce(head(name), 'no label')")
_NEO4J_TYPES: dict[Datatype, str] = {
    "string": "STRING",
    "integer": "INTEGER",
    "float": "INTEGER | FLOAT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "string_list": "LIST<STRING>",
    "float_list": "LIST<INTEGER> | LIST<FLOAT>",  # a stored list of numbers is not a LIST<INTEGER | FLOAT>
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One constraint that something breaks, or one thing worth knowing.

    Attributes:
        constraint: kind of constraint, e.g. ``missing property``.
        subject: what it is about: a type, or a property as ``Film.year``.
        count: how many nodes, edges or pairs.
        unit: what was counted, in the singular.
        detail: what is expected or what is wrong.
        samples: the first few keys in order; for edges ``source -> target``.
        violation: False: only worth knowing.
    """

    constraint: str
    subject: str
    count: int
    unit: str
    detail: str
    samples: tuple[str, ...]
    violation: bool

    def line(self) -> str:
        """The finding in one line."""
        units = self.unit if self.count == 1 else f"{self.unit}s"
        kind = "" if self.violation else "note: "
        shown = f", for example {', '.join(self.samples)}" if self.samples else ""
        return f"{kind}{self.constraint}: {self.subject}: {self.count} {units} ({self.detail}){shown}"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A condition on one node ``n``, or on one edge ``a-[r]->b``, that is true where the constraint is broken."""

    constraint: str
    subject: str
    condition: str
    detail: str
    violation: bool = True


@dataclass
class ConstraintChecker:
    """Runs the queries and collects the findings.

    Attributes:
        store: an open store.
        schema: its schema.
        samples: most keys shown per finding.
        findings: what was found so far.
    """

    store: GraphStore
    schema: GraphSchema
    samples: int
    findings: list[Finding] = field(default_factory=list)

    @property
    def typed(self) -> bool:
        """Nothing but kg_rec writes to the store, so datatypes and the types of ends are right."""
        return self.store.capabilities.checked_types

    def nodes(self, t: NodeType) -> int:
        """Test the nodes of one type; returns how many there are."""
        key, match = mapping.raw_key(t, "n"), f"MATCH {mapping.node(t, 'n')}"
        extra = mapping.conditions(t, "n")
        match += f"{mapping.where(extra)} WITH n" if extra else ""
        missing = f"({key} IS NULL OR {key} = '')"
        rules = [_Rule("missing key", t.name, missing, f"{t.key} is absent or empty"), *self._properties(t)]
        if t.name_property is not None and not any(p.use == "name" and p.required for p in t.properties):
            named = next(p for p in t.properties if p.use == "name")
            unnamed = f"{mapping.value(t, named, 'n')} IS NULL"
            rules.append(_Rule("no name", t.name, unnamed, f"without {t.name_property} the key is shown", False))
        if t.role == "item" and not self.schema.mapped:
            rules += self._lonely(t)
        shown = key if self.typed else f"coalesce(toStringOrNull({key}), elementId(n))"
        total = self._rows(match, "node", rules, shown)
        if not self.typed:  # the uniqueness constraint may have been dropped
            body = f"{match} WITH {key} AS k, count(*) AS c WHERE c > 1 AND k IS NOT NULL"
            self._groups("duplicate key", t.name, body, "toStringOrNull(k)", "key", "several nodes have it")
        return total

    def edges(self, r: RelationType) -> int:
        """Test the edges of one type; returns how many there are."""
        source, target = self.schema.node_types[r.source], self.schema.node_types[r.target]
        if self.schema.mapped:
            return self._mapped_edges(r, source, target)
        rules = list(self._properties(r))
        kind, tail, head = quoted(r.name), quoted(source.name), quoted(target.name)
        if self.typed:
            match = f"MATCH (a:{tail})-[r:{kind}]->(b:{head})"
        else:
            match = f"MATCH (a)-[r:{kind}]->(b)"
            detail = f"expected {source.name} -> {target.name}"
            rules.append(_Rule("wrongly typed ends", r.name, f"NOT (a:{tail} AND b:{head})", detail))
        shown = f"{self._end('a', source)} + ' -> ' + {self._end('b', target)}"
        total = self._rows(match, "edge", rules, shown)
        if r.max_per_source is not None:
            body = f"{match} WITH a, count(DISTINCT b.{quoted(target.key)}) AS c WHERE c > $most"
            detail = f"at most {r.max_per_source} a source"
            most = {"most": r.max_per_source}
            self._groups("cardinality", r.name, body, self._end("a", source), "source", detail, most)
        if r.name == RECOMMENDED or r.repeats is not None:
            return total  # every run has an edge of its own, and the schema says what repeated edges mean
        if self.typed:
            self._scan_for_duplicates(r)
        else:
            body = (  # one source node at a time, so that memory is bounded
                f"MATCH (a:{tail}) CALL (a) {{ MATCH (a)-[:{kind}]->(b) "
                "WITH b, count(*) AS c WHERE c > 1 RETURN b } WITH a, b"
            )
            self._groups("duplicate edge", r.name, body, shown, "pair", "several edges between two nodes")
        return total

    def _mapped_edges(self, r: RelationType, source: NodeType, target: NodeType) -> int:
        """:meth:`edges` in a graph that others made, where other relationships of the type are their own affair."""
        pattern, conditions = mapping.step(r, "a", "b", "r")
        conditions += [*mapping.conditions(source, "a"), *mapping.conditions(target, "b")]
        ends = f"{mapping.node(source, 'a')}, {mapping.node(target, 'b')}"
        match = f"MATCH {ends}, {pattern}{mapping.where(conditions)} WITH *"
        tail, head = mapping.key(source, "a"), mapping.key(target, "b")
        total = self._rows(match, "edge", list(self._properties(r)), f"{tail} + ' -> ' + {head}")
        if r.name != RECOMMENDED and r.repeats is None:
            body = f"{match} WITH {tail} AS s, {head} AS t, count(*) AS c WHERE c > 1"
            self._groups("duplicate edge", r.name, body, "s + ' -> ' + t", "pair", "several edges; say kr:repeats")
        return total

    def unknown(self) -> None:
        """Nodes and edges of types that the schema does not have: other programs', or a misspelt label."""
        if self.schema.mapped:  # other nodes are their owners' affair
            return
        known = [*self.schema.node_types, SCHEMA_LABEL, RUN, CHUNK, LATEST, VECTORS, LOAD]
        detail = "not in the schema; kg_rec does not read them"
        for what, match, name, mine, text, names in (
            ("node", "MATCH (n)", "labels(n)", *_LABELS, known),
            ("edge", "MATCH ()-[r]->()", "type(r)", "name IN $known", "name", list(self.schema.relation_types)),
        ):
            body = (
                f"{match} WITH {name} AS name, count(*) AS c WHERE NOT {mine} RETURN {text} AS shown, c ORDER BY shown"
            )
            rows = self._query(body, {"known": names}).to_pylist()
            if rows:
                types = tuple(dict.fromkeys(row["shown"] for row in rows))[: self.samples]
                count = sum(row["c"] for row in rows)
                self.findings.append(Finding("unknown type", what, count, what, detail, types, False))

    # --- rules -------------------------------------------------------------------------------------

    def _properties(self, owner: NodeType | RelationType) -> Iterator[_Rule]:
        for p in owner.properties:
            subject = f"{owner.name}.{p.name}"
            if isinstance(owner, NodeType):
                value = mapping.value(owner, p, "n")
            else:
                value = mapping.edge_value(owner, p, "a", "b", "r")
            if p.required and p.use != "key":
                yield _Rule("missing property", subject, f"{value} IS NULL", "the schema requires it")
            if not self.typed:
                yield from self._datatype(p, value, subject)
                if p.use == "time":
                    beyond = f"CASE WHEN {value} IS :: INTEGER THEN abs({value}) > {_MOST_SECONDS} ELSE false END"
                    yield _Rule("implausible time", subject, beyond, "expected seconds since 1970, not milliseconds")
            bounds = [(p.minimum, "<", "at least"), (p.maximum, ">", "at most")]
            outside = [f"{value} {sign} {float(bound)!r}" for bound, sign, _ in bounds if bound is not None]
            if outside:
                detail = " and ".join(f"{word} {bound:g}" for bound, _, word in bounds if bound is not None)
                yield _Rule("out of range", subject, f"({' OR '.join(outside)})", f"expected {detail}")

    def _datatype(self, p: PropertyType, value: str, subject: str) -> Iterator[_Rule]:
        kind = _NEO4J_TYPES[p.datatype]
        yield _Rule("wrong datatype", subject, f"{value} IS NOT :: {kind}", f"expected {p.datatype}")
        if p.datatype == "date":
            year = f"CASE WHEN {value} IS :: DATE THEN NOT 1 <= {value}.year <= 9999 ELSE false END"
            yield _Rule("wrong datatype", subject, year, "expected a year from 1 to 9999")
        if p.datatype == "float":
            numbers = "['NaN', 'Infinity', '-Infinity']"
            yield _Rule("not finite", subject, f"toStringOrNull({value}) IN {numbers}", "expected a finite number")
        if p.dimensions is not None:
            size = f"CASE WHEN {value} IS :: {kind} THEN size({value}) <> {p.dimensions} ELSE false END"
            yield _Rule("wrong length", subject, size, f"expected {p.dimensions} numbers")

    def _lonely(self, item: NodeType) -> Iterator[_Rule]:
        interaction = self.schema.interaction
        acts = f"EXISTS {{ MATCH (n)<-[:{quoted(interaction.name)}]-() }}"
        yield _Rule("no interaction", item.name, f"NOT {acts}", f"no {interaction.name}", False)
        facts = [
            r
            for r in self.schema.relation_types.values()
            if item.name in (r.source, r.target) and self.schema.user.name not in (r.source, r.target)
        ]
        if facts:
            known = f"EXISTS {{ MATCH (n)-[:{'|'.join(quoted(r.name) for r in facts)}]-() }}"
            yield _Rule("no fact", item.name, f"NOT {known}", "nothing is known of them", False)
            neither = f"(NOT {acts} AND NOT {known})"
            yield _Rule("nothing at all", item.name, neither, "neither interaction nor fact", False)

    def _end(self, variable: str, t: NodeType) -> str:
        """How an end of an edge is shown: by its key; on Neo4j, where it may be anything, by whatever tells it."""
        if self.typed:
            return f"{variable}.{quoted(t.key)}"
        keys = dict.fromkeys([t.key, *(other.key for other in self.schema.node_types.values())])
        tried = ", ".join(f"toStringOrNull({variable}.{quoted(k)})" for k in keys)
        return f"coalesce({tried}, elementId({variable}))"

    # --- queries -----------------------------------------------------------------------------------

    def _query(self, cypher: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        return self.store.query(cypher, parameters, timeout=_SECONDS_PER_QUERY)

    def _rows(self, match: str, unit: str, rules: Sequence[_Rule], shown: str) -> int:
        """Count in one pass what breaks each rule; returns the number of rows."""
        sums = [f"sum(CASE WHEN {rule.condition} THEN 1 ELSE 0 END) AS c{i}" for i, rule in enumerate(rules)]
        try:
            row = self._query(f"{match} RETURN {', '.join(['count(*) AS total', *sums])}").to_pylist()[0]
        except StoreUnavailableError:
            raise
        except StoreError as error:
            return self._unreadable(match, unit, rules, error)
        for i, rule in enumerate(rules):
            if row[f"c{i}"]:
                keys = self._shown(f"{match} WHERE {rule.condition}", shown, {})
                self.findings.append(
                    Finding(rule.constraint, rule.subject, row[f"c{i}"], unit, rule.detail, keys, rule.violation)
                )
        return int(row["total"])

    def _unreadable(self, match: str, unit: str, rules: Sequence[_Rule], error: StoreError) -> int:
        """Tell which property's ``kr:from`` the server cannot take of every row; returns the number of rows.

        Raises:
            StoreError: it is none of these.
        """
        total = int(self._query(f"{match} RETURN count(*) AS n")["n"][0].as_py())
        known = len(self.findings)
        for rule in rules:
            if any(rule.subject == found.subject for found in self.findings[known:]):
                continue
            try:
                self._query(f"{match} RETURN sum(CASE WHEN {rule.condition} THEN 1 ELSE 0 END) AS n")
            except StoreUnavailableError:
                raise
            except StoreError as reason:
                detail = f"kr:from does not fit all of them: {reason}"
                self.findings.append(Finding("unreadable value", rule.subject, total, unit, detail, (), True))
        if len(self.findings) == known:
            raise error
        return total

    def _groups(
        self,
        constraint: str,
        subject: str,
        body: str,
        shown: str,
        unit: str,
        detail: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        count = self._query(f"{body} RETURN count(*) AS total", parameters).to_pylist()[0]["total"]
        if count:
            keys = self._shown(body, shown, parameters or {})
            self.findings.append(Finding(constraint, subject, count, unit, detail, keys, True))

    def _shown(self, body: str, shown: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        text = f"{body} RETURN {shown} AS shown ORDER BY shown LIMIT {int(self.samples)}"
        return tuple(str(row["shown"]) for row in self._query(text, parameters).to_pylist())

    def _scan_for_duplicates(self, r: RelationType) -> None:
        """Edges come in order, so equal ones come together; a database-side grouping would hold all pairs."""
        last: tuple[Any, Any] | None = None
        twice: dict[str, None] = {}
        count = 0
        for batch in self.store.scan_edges(r.name):
            for pair in zip(batch.column("source").to_pylist(), batch.column("target").to_pylist(), strict=True):
                if pair == last and " -> ".join(pair) not in twice:
                    count += 1
                    twice[" -> ".join(pair)] = None
                last = pair
        if count:
            samples = tuple(twice)[: self.samples]
            detail = "several edges between two nodes"
            self.findings.append(Finding("duplicate edge", r.name, count, "pair", detail, samples, True))
