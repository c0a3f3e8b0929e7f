"""RDF: N-Triples, streamed line by line, and Turtle, read whole by rdflib.

``rdf:type`` says the node type, by the local name of the class.  A predicate is, by its local name or its whole
IRI, a relation type, an alias of one, or a property of the subject's node type (``rdfs:label`` is the name).  A
node's key is its key property where the file gives it, else the local name of its IRI or the whole IRI (``keys``); two
IRIs never become one node.  What blank nodes and RDF lists say has no place in a schema: it is counted as left out.

N-Triples (https://www.w3.org/TR/n-triples/) are passed over twice, first for the nodes, then for the relations,
so memory grows with the nodes and their properties, not with the relations.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote as percent_decoded

import pyarrow as pa
from rdflib import RDF, RDFS, BNode, Graph, Literal
from rdflib.compat import decodeUnicodeEscape

from kg_rec.errors import ArgumentError, ConfigError, LoadError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import EdgeBatch, NodeBatch
from kg_rec.loaders.text import Faults, Origin, bare_name, lines
from kg_rec.schema import GraphSchema, NodeType, RelationType
from kg_rec.textfile import read_text

_IRI = r"<([^\x00-\x20<>\"{}|^`\\]*(?:\\[uU][0-9A-Fa-f]{4,8}[^\x00-\x20<>\"{}|^`\\]*)*)>"
_BLANK = r"(_:[^\s<>\"]+)"
_LITERAL = r'"((?:[^"\\\r\n]|\\.)*)"(?:\^\^' + _IRI + r"|@([A-Za-z]+(?:-[A-Za-z0-9]+)*))?"
_TRIPLE = re.compile(rf"\s*(?:{_IRI}|{_BLANK})\s*{_IRI}\s*(?:{_IRI}|{_BLANK}|{_LITERAL})\s*\.\s*(?:#.*)?")
_COMMENT = re.compile(r"\s*(?:#.*)?")
_BATCH_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class _Statement:
    """One triple with an IRI as subject.  ``resource`` or ``text`` is the object."""

    subject: str
    predicate: str
    resource: str | None
    text: str | None
    language: str | None
    line: int | None


class RdfLoader:
    """Turtle or N-Triples."""

    name = "rdf"
    description = "RDF: N-Triples (.nt, streamed) or Turtle (.ttl), with rdf:type and the schema's names as predicates"
    options: Mapping[str, str] = {
        "keys": "'local' (key is the local name of the IRI) or 'iri' (the whole IRI); default: local",
        "language": "language of texts, such as en or en-GB; default: en.  Texts in it come first, then those without "
        "a language, then those in another kind of it (en-US for en)",
    }

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The chosen schema, else the one that the store holds."""
        return base

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Nodes of every type, then edges.

        Raises:
            ConfigError: an option has no such value.
            LoadError: the file is malformed, or two nodes of a type have the same key.
        """
        keys = context.options.get("keys", "local")
        if keys not in ("local", "iri"):
            raise ConfigError(f"option keys: expected 'local' or 'iri', got {keys!r}")
        reading = _Reading(path, context, keys == "local", str(context.options.get("language", "en")).lower())
        graph = _turtle(path) if bare_name(path).endswith(".ttl") else None
        yield from reading.nodes(_source(path, graph, context.faults, context.unmapped))
        # the first pass reported malformed lines and counted blank nodes
        yield from reading.edges(_source(path, graph, Faults(stop=False), Counter()))


def _source(path: Path, graph: Graph | None, faults: Faults, unmapped: Counter[str]) -> Iterator[_Statement]:
    if graph is not None:
        return _statements(path, graph, faults, unmapped)
    if bare_name(path).endswith(".nt"):
        return _n_triples(path, faults, unmapped)
    raise LoadError("expected a file named *.nt, *.ttl or either with .gz; convert other RDF first", path)


def _n_triples(path: Path, faults: Faults, unmapped: Counter[str]) -> Iterator[_Statement]:
    for number, text in lines(path, faults):
        match = _TRIPLE.fullmatch(text)
        if match is None:
            if not _COMMENT.fullmatch(text):
                reason = "expected '<subject> <predicate> object .' as in N-Triples; correct the line"
                faults.add(path, number, reason, [text])
            continue
        subject, blank, predicate, resource, object_blank, literal, _, language = match.groups()
        if blank is not None or object_blank is not None:
            _count_blank(unmapped, predicate, object_blank is not None)
            continue
        try:
            if "\\" in text:
                subject, predicate = _unescaped(subject), _unescaped(predicate)
                resource = None if resource is None else _unescaped(resource)
                literal = None if literal is None else _unescaped(literal)
        except ValueError as error:
            faults.add(
                path, number, f"expected characters of Unicode in escapes, got {error}; correct the line", [text]
            )
            continue
        yield _Statement(subject, predicate, resource, literal, language, number)


def _unescaped(text: str) -> str:
    try:
        found: str = decodeUnicodeEscape(text)
        found.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"half a character (\\u{ord(found[error.start]):04X})") from error
    except (ValueError, OverflowError) as error:
        raise ArgumentError("a number that stands for none") from error
    return found


def _count_blank(unmapped: Counter[str], predicate: str, value: bool) -> None:
    """Count a statement about, or with, a blank node; a list is a chain of these."""
    if predicate == str(RDF.first):
        unmapped["values in RDF lists"] += 1
    elif predicate == str(RDF.rest):
        return
    elif value:
        unmapped[f"predicate {_short(predicate)}: the value is a blank node or a list"] += 1
    else:
        unmapped["statements about blank nodes"] += 1


def _turtle(path: Path) -> Graph:
    graph = Graph()
    data = read_text(path)
    try:
        graph.parse(data=data, format="turtle")
    except Exception as error:  # rdflib raises many unrelated classes for bad Turtle
        raise LoadError(f"not valid Turtle: {' '.join(str(error).split())[:300]}; correct the file", path) from error
    return graph


def _statements(path: Path, graph: Graph, faults: Faults, unmapped: Counter[str]) -> Iterator[_Statement]:
    for subject, predicate, value in sorted(graph, key=lambda triple: tuple(map(str, triple))):
        if isinstance(subject, BNode) or isinstance(value, BNode):
            if value != RDF.nil:
                _count_blank(unmapped, str(predicate), isinstance(value, BNode))
            continue
        text = str(value)
        if not text.isascii() and text.encode(errors="ignore").decode() != text:
            faults.add(path, None, f"<{subject}>: {_local(str(predicate))}: half a character in the text; correct it")
        elif isinstance(value, Literal):
            yield _Statement(str(subject), str(predicate), None, text, value.language, None)
        else:
            yield _Statement(str(subject), str(predicate), text, None, None, None)


def _local(iri: str) -> str:
    return percent_decoded(re.split(r"[#/:]", iri.rstrip("#/:"))[-1])


def _short(iri: str) -> str:
    """The local name for a message."""
    return f"{_local(iri):.100}"


#: Per subject and property its texts, each with the rank of its language.
_Texts = dict[str, dict[str, list[tuple[int, str]]]]


@dataclass
class _Reading:
    """One file on its way into batches."""

    path: Path
    context: LoadContext
    local_keys: bool
    language: str
    types: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    given_keys: dict[str, str] = field(default_factory=dict)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    other_languages: dict[tuple[str, str], str] = field(default_factory=dict)

    def key(self, iri: str) -> str:
        """The value of the key property where the file gives one, else the local name or the IRI."""
        return self.given_keys.get(iri) or (_local(iri) if self.local_keys else iri)

    def nodes(self, source: Iterator[_Statement]) -> Iterator[NodeBatch]:
        """First pass: nodes with their properties."""
        schema = self.context.schema
        names = {p.name for t in schema.node_types.values() for p in t.properties} | {str(RDFS.label)}
        needed = {p.name for t in schema.node_types.values() for p in t.properties if p.required} | {str(RDFS.label)}
        texts: _Texts = defaultdict(dict)
        empty = True
        for s in source:
            empty = False
            local = _local(s.predicate)
            name = s.predicate if s.predicate == str(RDFS.label) else local
            if s.predicate == str(RDF.type) and s.resource is not None:
                self._add_type(s, _local(s.resource))
            elif s.text is None:
                continue
            elif name not in names:
                self.context.unmapped[f"predicate {local:.100}: no such property"] += 1
            elif (rank := self._rank(s.language)) is None:
                self.context.unmapped[f"texts in language {s.language}"] += 1
                if name in needed:
                    self.other_languages.setdefault((s.subject, name), str(s.language))
            else:
                texts[s.subject].setdefault(name, []).append((rank, s.text))
        if empty:
            raise LoadError("the file holds no triples between IRIs; expected N-Triples or Turtle", self.path)
        for iri, (kind_name, _) in self.types.items():
            own = texts.get(iri, {}).get(schema.node_types[kind_name].key)
            if own:
                self.given_keys[iri] = min(own)[1]
        self._check_keys()
        if untyped := len(texts.keys() - self.types.keys()):
            self.context.unmapped["subjects with properties and without a type of the schema"] += untyped
        for name, kind in schema.node_types.items():
            members = [(iri, line) for iri, (its_type, line) in self.types.items() if its_type == name]
            if members:
                yield self._batch(kind, members, texts)

    def _rank(self, language: str | None) -> int | None:
        """How near a language is to the one asked for, 0 the nearest; None for another one."""
        if language is None:
            return 1
        found = language.lower()
        if found == self.language:
            return 0
        return 2 if found.split("-")[0] == self.language.split("-")[0] else None

    def _add_type(self, s: _Statement, kind: str) -> None:
        if kind not in self.context.schema.node_types:
            self.context.unmapped[f"type {kind:.100}: no such node type"] += 1
            return
        before = self.types.setdefault(s.subject, (kind, s.line))[0]
        if before != kind:
            reason = f"<{s.subject}> is a {before} and a {kind}; expected one type of the schema, remove the other"
            self.context.faults.add(self.path, s.line, reason)

    def _check_keys(self) -> None:
        for iri, (kind, line) in list(self.types.items()):
            if not self._owned(kind, iri, line):
                del self.types[iri]

    def _owned(self, kind: str, iri: str, line: int | None) -> bool:
        """Whether the node of this type and key is this IRI's; the first to name it owns it."""
        owner = self.owners.setdefault((kind, self.key(iri)), iri)
        if owner != iri:
            reason = f"<{owner}> and <{iri}> have the same key {self.key(iri)!r}; load with keys=iri"
            self.context.faults.add(self.path, line, reason)
        return owner == iri

    def _batch(self, kind: NodeType, members: list[tuple[str, int | None]], texts: _Texts) -> NodeBatch:
        members = [(iri, line) for iri, line in members if self._has_texts(kind, iri, line, texts)]
        columns: dict[str, pa.Array] = {kind.key: pa.array([self.key(iri) for iri, _ in members], pa.string())}
        for prop in kind.properties[1:]:
            values = [self._values(kind, prop.name, iri, texts) for iri, _ in members]
            if prop.datatype == "string_list":
                lists = [[text for _, text in found] or None for found in values]
                columns[prop.name] = pa.array(lists, pa.list_(pa.string()))
                continue
            if several := sum(len({text for rank, text in v if rank == min(v)[0]}) > 1 for v in values):
                self.context.unmapped[f"{kind.name}.{prop.name}: further values of one node"] += several
            columns[prop.name] = pa.array([min(v)[1] if v else None for v in values], pa.string())
        return NodeBatch(kind.name, pa.table(columns), self._origin([(iri, line) for iri, line in members]))

    def _values(self, kind: NodeType, name: str, iri: str, texts: _Texts) -> list[tuple[int, str]]:
        own = texts.get(iri, {})
        return list(own.get(name, ()) or (own.get(str(RDFS.label), ()) if name == kind.name_property else ()))

    def _has_texts(self, kind: NodeType, iri: str, line: int | None, texts: _Texts) -> bool:
        """Whether no required text is there in other languages alone."""
        for prop in kind.properties[1:]:
            names = [prop.name, *([str(RDFS.label)] if prop.name == kind.name_property else [])]
            other = next((self.other_languages[iri, n] for n in names if (iri, n) in self.other_languages), None)
            if prop.required and other is not None and not self._values(kind, prop.name, iri, texts):
                self.context.faults.add(
                    self.path,
                    line,
                    f"<{iri}>: {kind.name}.{prop.name}: expected a text in {self.language}, the file has one in "
                    f"{other}; load with language={other}, or add a text",
                )
                del self.types[iri]
                return False
        return True

    def _origin(self, rows: list[tuple[str, int | None]]) -> Origin:
        lines_of = pa.array([line for _, line in rows], pa.int64())
        subjects = pa.array([iri for iri, _ in rows], pa.string()) if lines_of.null_count else None
        return Origin(self.path, lines_of, subjects)

    def edges(self, source: Iterator[_Statement]) -> Iterator[NodeBatch | EdgeBatch]:
        """Second pass: relations, in bounded pieces."""
        pending: dict[str, list[tuple[str, str, int | None]]] = defaultdict(list)
        for s in source:
            if s.resource is None or s.predicate == str(RDF.type):
                continue
            kind, ends = self._relation(s)
            if kind is None:
                self.context.unmapped[f"predicate {_short(s.predicate)}: no relation between these types"] += 1
                continue
            if not (self._owned(kind.source, ends[0], s.line) and self._owned(kind.target, ends[1], s.line)):
                continue
            pending[kind.name].append((*ends, s.line))
            if len(pending[kind.name]) >= _BATCH_ROWS:
                yield from self._edge_batches(kind, pending.pop(kind.name))
        for name, rows in sorted(pending.items()):
            yield from self._edge_batches(self.context.schema.relation_types[name], rows)

    def _relation(self, s: _Statement) -> tuple[RelationType | None, tuple[str, str]]:
        """The relation type of a statement, and its ends' IRIs in the order of the relation type."""
        schema = self.context.schema
        found = schema.relations_called(s.predicate) or schema.relations_called(_local(s.predicate))
        for kind, inverted in found:
            ends = (s.resource or "", s.subject) if inverted else (s.subject, s.resource or "")
            types = [self.types.get(end, (None, None))[0] for end in ends]
            if types[0] in (None, kind.source) and types[1] in (None, kind.target):
                return kind, ends
        return None, ("", "")

    def _edge_batches(
        self, kind: RelationType, rows: list[tuple[str, str, int | None]]
    ) -> Iterator[NodeBatch | EdgeBatch]:
        """Edges; an attribute node that has no type in the file is made from its key."""
        schema = self.context.schema
        target = schema.node_types[kind.target]
        if target.role == "attribute":
            loose = [(iri, line) for _, iri, line in rows if iri not in self.types]
            if loose:
                columns = {target.key: pa.array([self.key(iri) for iri, _ in loose], pa.string())}
                if target.name_property is not None:
                    columns[target.name_property] = pa.array([_local(iri).replace("_", " ") for iri, _ in loose])
                yield NodeBatch(target.name, pa.table(columns), self._origin(loose), mention=True)
        table = pa.table(
            {
                "source": pa.array([self.key(source) for source, _, _ in rows], pa.string()),
                "target": pa.array([self.key(goal) for _, goal, _ in rows], pa.string()),
            }
        )
        yield EdgeBatch(kind.name, table, self._origin([(source, line) for source, _, line in rows]))
