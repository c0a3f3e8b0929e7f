"""Graph schemas: one Turtle file per domain, from which everything else derives.

A schema says which node types and relation types a graph has, which of their properties is the key, the
name, the text, the weight or the time, which type is the user and which the item, which relation type is
the interaction, and how to say each relation in words.  Constraints, tables, loader checks, the export,
path patterns and sentences all come from it; a new domain is a new file.

The vocabulary is RDFS and SHACL (https://www.w3.org/TR/shacl/) plus the few terms of ``urn:kg-rec:schema#``
listed in ``graph_schemas/README.md``.  This module does not import torch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast, get_args

from rdflib import RDF, RDFS, XSD, Graph, Namespace, URIRef
from rdflib import Literal as RdfLiteral
from rdflib.term import Node

from kg_rec.errors import SchemaError

KR = Namespace("urn:kg-rec:schema#")
SH = Namespace("http://www.w3.org/ns/shacl#")

Datatype = Literal["string", "integer", "float", "boolean", "date", "string_list", "float_list"]
Role = Literal["user", "item", "attribute"]
Use = Literal["key", "name", "text", "weight", "time", "vector"]

_DATATYPES: dict[Node, Datatype] = {
    XSD.string: "string",
    XSD.integer: "integer",
    XSD.long: "integer",
    XSD.double: "float",
    XSD.float: "float",
    XSD.decimal: "float",
    XSD.boolean: "boolean",
    XSD.date: "date",
    KR.stringList: "string_list",
    KR.floatList: "float_list",
}
_ROLES: dict[Node, Role] = {KR.UserType: "user", KR.ItemType: "item", KR.AttributeType: "attribute"}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_VOCABULARY = frozenset(
    {*get_args(Use), "Schema", "UserType", "ItemType", "AttributeType", "RelationType", "InteractionType", "use"}
    | {"stringList", "floatList", "dimensions", "maxPerSource", "positiveFrom", "plural", "measureWord"}
    | {"inverseLabel", "phrase", "inversePhrase", "alias", "inverseAlias"}
)
_RESERVED = frozenset({"source", "target"})

#: Texts by language tag, e.g. ``{"en": "film", "zh": "电影"}``.
Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PropertyType:
    """One property of a node type or a relation type.

    Attributes:
        name: property name in the store, an identifier.
        datatype: value type; ``date`` is a calendar date, ``*_list`` a homogeneous list.
        required: every node or edge must have a value (``sh:minCount 1``).
        use: what the engine uses the property for, or None.
        minimum: smallest allowed number (``sh:minInclusive``), or None.
        maximum: largest allowed number (``sh:maxInclusive``), or None.
        dimensions: length of a ``float_list`` used as a vector, or None.
        labels: name in words, by language.
    """

    name: str
    datatype: Datatype
    required: bool
    use: Use | None
    minimum: float | None
    maximum: float | None
    dimensions: int | None
    labels: Texts


@dataclass(frozen=True, slots=True)
class NodeType:
    """One node type: a label in the store with a unique string key.

    Attributes:
        name: the store's node label, e.g. ``Film``.
        role: ``user``, ``item`` or ``attribute``.
        properties: all properties, the key first, the others by name.
        labels: singular noun by language; falls back to ``name``.
        plurals: plural noun by language, where it differs.
        measure_words: classifier by language (Chinese: 部 for films).
    """

    name: str
    role: Role
    properties: tuple[PropertyType, ...]
    labels: Texts
    plurals: Texts
    measure_words: Texts

    @property
    def key(self) -> str:
        """Name of the key property."""
        return self.properties[0].name

    @property
    def name_property(self) -> str | None:
        """Name of the property shown to people, or None: then the key is shown."""
        return next((p.name for p in self.properties if p.use == "name"), None)

    @property
    def text_properties(self) -> tuple[str, ...]:
        """Names of the properties whose text describes the node."""
        return tuple(p.name for p in self.properties if p.use == "text")


@dataclass(frozen=True, slots=True)
class RelationType:
    """One relation type: directed edges from one node type to another, at most one per pair of nodes.

    Attributes:
        name: the store's relationship type, e.g. ``DIRECTED_BY``.
        source: node type at the tail (``rdfs:domain``).
        target: node type at the head (``rdfs:range``).
        interaction: True for the relation from user to item that is learned from.
        properties: edge properties, by name.
        max_per_source: cardinality bound per source node, or None.
        positive_from: least weight of an interaction that counts as liked, or None: all count.
        labels: short label by language, reading source to target ("directed by").
        inverse_labels: the same, reading target to source ("directed").
        phrases: verb phrase by language with ``{}`` for the target: "was directed by {}".
        inverse_phrases: verb phrase by language with ``{}`` for the source: "directed {}".
        aliases: names of this relation in outside files, source first ("film.film.directed_by").
        inverse_aliases: names in outside files that give the target first ("film.director.film").
    """

    name: str
    source: str
    target: str
    interaction: bool
    properties: tuple[PropertyType, ...]
    max_per_source: int | None
    positive_from: float | None
    labels: Texts
    inverse_labels: Texts
    phrases: Texts
    inverse_phrases: Texts
    aliases: tuple[str, ...]
    inverse_aliases: tuple[str, ...]

    @property
    def weight(self) -> str | None:
        """Name of the weight property (a rating, a count), or None."""
        return next((p.name for p in self.properties if p.use == "weight"), None)

    @property
    def time(self) -> str | None:
        """Name of the time property (integer Unix seconds), or None."""
        return next((p.name for p in self.properties if p.use == "time"), None)


@dataclass(frozen=True)
class GraphSchema:
    """A validated schema.

    Attributes:
        name: short name, the local part of the schema's IRI ("movies").
        node_types: by name, sorted.
        relation_types: by name, sorted.
        labels: name of the domain in words, by language.
        turtle: the text it was parsed from, kept so that a store can carry its schema.
    """

    name: str
    node_types: Mapping[str, NodeType]
    relation_types: Mapping[str, RelationType]
    labels: Texts
    turtle: str

    @classmethod
    def from_file(cls, path: str | Path) -> GraphSchema:
        """Read a schema from a Turtle file.

        Raises:
            SchemaError: the file is absent, not Turtle, or not a valid schema.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SchemaError(f"{path}: cannot read the schema: {error}") from error
        return cls.from_turtle(text, origin=str(path))

    @classmethod
    def bundled(cls, name: str) -> GraphSchema:
        """The schema that ships as ``graph_schemas/<name>.ttl``.

        Raises:
            SchemaError: no schema of that name ships; the message lists those that do.
        """
        folder = files("kg_rec.graph_schemas")
        names = sorted(f.name[:-4] for f in folder.iterdir() if f.name.endswith(".ttl"))
        if name not in names:
            raise SchemaError(
                f"no bundled schema {name!r}; expected one of {', '.join(names)} or a path to a .ttl file"
            )
        file = folder / f"{name}.ttl"
        return cls.from_turtle(file.read_text(encoding="utf-8"), origin=f"{name}.ttl")

    @classmethod
    def find(cls, name_or_path: str) -> GraphSchema:
        """A bundled schema by name, or a schema file by path (anything that ends in ``.ttl``)."""
        return cls.from_file(name_or_path) if name_or_path.endswith(".ttl") else cls.bundled(name_or_path)

    @classmethod
    def from_turtle(cls, text: str, origin: str = "<text>") -> GraphSchema:
        """Parse and validate a schema.

        Args:
            text: Turtle.
            origin: file name for error messages.

        Raises:
            SchemaError: the message names ``origin``, the subject and what is missing.
        """
        graph = Graph()
        try:
            graph.parse(data=text, format="turtle")
        except Exception as error:  # rdflib raises many unrelated classes for bad Turtle
            raise SchemaError(f"{origin}: not valid Turtle: {' '.join(str(error).split())[:300]}") from error
        return _Parser(graph, origin).schema(text)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the Turtle text, hexadecimal."""
        return hashlib.sha256(self.turtle.encode()).hexdigest()

    @property
    def user(self) -> NodeType:
        """The node type whose role is ``user``."""
        return next(t for t in self.node_types.values() if t.role == "user")

    @property
    def item(self) -> NodeType:
        """The node type whose role is ``item``."""
        return next(t for t in self.node_types.values() if t.role == "item")

    @property
    def interaction(self) -> RelationType:
        """The relation type from user to item that is learned from."""
        return next(r for r in self.relation_types.values() if r.interaction)

    @property
    def knowledge_relations(self) -> tuple[RelationType, ...]:
        """Relation types that tie an item to an attribute or to another item, in either direction, by name."""
        item, user = self.item.name, self.user.name
        ends = {name: (r.source, r.target) for name, r in self.relation_types.items()}
        return tuple(r for name, r in self.relation_types.items() if item in ends[name] and user not in ends[name])

    @property
    def item_relations(self) -> tuple[RelationType, ...]:
        """Relation types that leave an item for an attribute or another item: the knowledge of the graph."""
        return tuple(r for r in self.relation_types.values() if r.source == self.item.name)

    def relations_called(self, name: str) -> tuple[tuple[RelationType, bool], ...]:
        """Relation types that an outside file may mean by ``name``.

        Args:
            name: the name of a relation type, one of its aliases, or one of its inverse aliases.

        Returns:
            Pairs (relation type, inverted): ``inverted`` says that ``name`` gives the target first.  Empty when
            none is meant; several when one alias stands for relation types with different ends.
        """
        return self._by_alias.get(name, ())

    @cached_property
    def _by_alias(self) -> dict[str, tuple[tuple[RelationType, bool], ...]]:
        found: dict[str, list[tuple[RelationType, bool]]] = {}
        for relation in self.relation_types.values():
            for name in dict.fromkeys((relation.name, *relation.aliases)):
                found.setdefault(name, []).append((relation, False))
            for name in relation.inverse_aliases:
                found.setdefault(name, []).append((relation, True))
        return {name: tuple(pairs) for name, pairs in found.items()}

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages in which every interaction and item relation has a phrase, sorted."""
        spoken = [set(r.phrases) for r in (self.interaction, *self.item_relations)]
        return tuple(sorted(set.intersection(*spoken)))


class _Parser:
    """Reads one rdflib graph into a :class:`GraphSchema`; raises SchemaError with file and subject."""

    def __init__(self, graph: Graph, origin: str) -> None:
        self.graph = graph
        self.origin = origin

    def schema(self, text: str) -> GraphSchema:
        self._check_vocabulary()
        subjects = list(self.graph.subjects(RDF.type, KR.Schema))
        if len(subjects) != 1:
            raise SchemaError(f"{self.origin}: expected one subject of type kr:Schema, got {len(subjects)}")
        nodes = [self._node_type(s, role) for kind, role in _ROLES.items() for s in self.graph.subjects(RDF.type, kind)]
        relations = [self._relation_type(s, False) for s in self.graph.subjects(RDF.type, KR.RelationType)]
        relations += [self._relation_type(s, True) for s in self.graph.subjects(RDF.type, KR.InteractionType)]
        schema = GraphSchema(
            name=self._local(subjects[0]),
            node_types={t.name: t for t in sorted(nodes, key=lambda t: t.name)},
            relation_types={r.name: r for r in sorted(relations, key=lambda r: r.name)},
            labels=self._texts(subjects[0], RDFS.label),
            turtle=text,
        )
        self._check_whole(schema, [t.name for t in nodes] + [r.name for r in relations])
        return schema

    def _check_vocabulary(self) -> None:
        """A misspelt kr: term is an error, not a property that is quietly absent."""
        for subject, predicate, value in self.graph:
            for term in (predicate, value):
                if isinstance(term, URIRef) and term.startswith(str(KR)) and term[len(KR) :] not in _VOCABULARY:
                    owner = subject if isinstance(subject, URIRef) else self.graph.value(None, SH.property, subject)
                    raise SchemaError(
                        f"{self.origin}: {self._local(owner) if owner is not None else subject}: unknown term "
                        f"kr:{term[len(KR) :]}; expected one of {', '.join(sorted(_VOCABULARY))}"
                    )

    def _check_whole(self, schema: GraphSchema, names: list[str]) -> None:
        for role, kind in (("user", "kr:UserType"), ("item", "kr:ItemType")):
            found = [t.name for t in schema.node_types.values() if t.role == role]
            if len(found) != 1:
                raise SchemaError(f"{self.origin}: expected one node type of type {kind}, got {found or 'none'}")
        interactions = [r.name for r in schema.relation_types.values() if r.interaction]
        if len(interactions) != 1:
            raise SchemaError(f"{self.origin}: expected one kr:InteractionType, got {interactions or 'none'}")
        lower = [n.lower() for n in names]  # the embedded store's table names ignore case
        twice = sorted({n for n in names if lower.count(n.lower()) > 1})
        if twice:
            raise SchemaError(
                f"{self.origin}: {', '.join(twice)} is defined twice; names of types must differ in more than case"
            )
        for relation in schema.relation_types.values():
            for end, what in ((relation.source, "rdfs:domain"), (relation.target, "rdfs:range")):
                if end not in schema.node_types:
                    raise SchemaError(f"{self.origin}: {relation.name}: {what} {end} is not a node type of this schema")
        self._check_aliases(schema)
        interaction = schema.interaction
        if (interaction.source, interaction.target) != (schema.user.name, schema.item.name):
            raise SchemaError(
                f"{self.origin}: {interaction.name}: an interaction goes from {schema.user.name} "
                f"to {schema.item.name}, got {interaction.source} to {interaction.target}"
            )

    def _check_aliases(self, schema: GraphSchema) -> None:
        owners: dict[tuple[str, str, str], str] = {}
        for relation in schema.relation_types.values():
            readings = [(a, relation.source, relation.target) for a in relation.aliases]
            readings += [(a, relation.target, relation.source) for a in relation.inverse_aliases]
            for reading in readings:
                other = owners.setdefault(reading, relation.name)
                if other != relation.name:
                    raise SchemaError(
                        f"{self.origin}: {relation.name}: alias {reading[0]!r} is also one of {other} "
                        f"with the same ends; keep one"
                    )

    def _node_type(self, subject: Node, role: Role) -> NodeType:
        name = self._local(subject)
        properties = self._properties(subject)
        keys = [p for p in properties if p.use == "key"]
        if len(keys) != 1 or keys[0].datatype != "string" or not keys[0].required:
            raise SchemaError(
                f"{self.origin}: {name}: expected one property with kr:use kr:key, sh:datatype xsd:string "
                f"and sh:minCount 1, got {[p.name for p in keys] or 'none'}"
            )
        rest = sorted((p for p in properties if p.use != "key"), key=lambda p: p.name)
        if sum(p.use == "name" for p in rest) > 1:
            raise SchemaError(f"{self.origin}: {name}: expected at most one property with kr:use kr:name")
        return NodeType(
            name=name,
            role=role,
            properties=(keys[0], *rest),
            labels=self._texts(subject, RDFS.label),
            plurals=self._texts(subject, KR.plural),
            measure_words=self._texts(subject, KR.measureWord),
        )

    def _relation_type(self, subject: Node, interaction: bool) -> RelationType:
        name = self._local(subject)
        phrases = self._phrases(subject, KR.phrase)
        labels = self._texts(subject, RDFS.label)
        if not labels:
            raise SchemaError(f"{self.origin}: {name}: rdfs:label is missing")
        maximum = self._number(subject, KR.maxPerSource, name)
        properties = tuple(sorted(self._properties(subject), key=lambda p: p.name))
        if any(p.use in ("key", "name", "text", "vector") for p in properties):
            raise SchemaError(f"{self.origin}: {name}: a relation's property can be used as kr:weight or kr:time only")
        return RelationType(
            name=name,
            source=self._local(self._one(subject, RDFS.domain, "rdfs:domain")),
            target=self._local(self._one(subject, RDFS.range, "rdfs:range")),
            interaction=interaction,
            properties=properties,
            max_per_source=None if maximum is None else int(maximum),
            positive_from=self._number(subject, KR.positiveFrom, name),
            labels=labels,
            inverse_labels=self._texts(subject, KR.inverseLabel),
            phrases=phrases,
            inverse_phrases=self._phrases(subject, KR.inversePhrase),
            aliases=tuple(sorted(str(o) for o in self.graph.objects(subject, KR.alias))),
            inverse_aliases=tuple(sorted(str(o) for o in self.graph.objects(subject, KR.inverseAlias))),
        )

    def _properties(self, subject: Node) -> list[PropertyType]:
        owner = self._local(subject)
        found = [self._property(shape, owner) for shape in self.graph.objects(subject, SH.property)]
        names = [p.name for p in found]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise SchemaError(f"{self.origin}: {owner}: property {twice[0]} is defined twice")
        return found

    def _property(self, shape: Node, owner: str) -> PropertyType:
        path = self.graph.value(shape, SH.path)
        if path is None:
            raise SchemaError(f"{self.origin}: {owner}: a sh:property has no sh:path")
        name = self._local(path)
        if name in _RESERVED:
            raise SchemaError(f"{self.origin}: {owner}: property name {name!r} is reserved; choose another")
        shown = f"{owner}.{name}"
        datatype = self.graph.value(shape, SH.datatype)
        if datatype not in _DATATYPES:
            raise SchemaError(
                f"{self.origin}: {owner}.{name}: expected sh:datatype among xsd:string, integer, double, boolean, "
                f"date, kr:stringList, kr:floatList; got {datatype}"
            )
        use_node = self.graph.value(shape, KR.use)
        use = None if use_node is None else self._local(use_node)
        if use is not None and use not in get_args(Use):
            raise SchemaError(
                f"{self.origin}: {owner}.{name}: kr:use {use} is unknown; expected one of {', '.join(get_args(Use))}"
            )
        kind = _DATATYPES[datatype]
        if use == "time" and kind != "integer":
            raise SchemaError(
                f"{self.origin}: {owner}.{name}: a property used as kr:time holds Unix seconds: xsd:integer"
            )
        if use == "weight" and kind not in ("integer", "float"):
            raise SchemaError(f"{self.origin}: {shown}: a property used as kr:weight is a number, got {kind}")
        minimum = self._number(shape, SH.minInclusive, shown)
        maximum = self._number(shape, SH.maxInclusive, shown)
        if minimum is not None and maximum is not None and minimum > maximum:
            raise SchemaError(
                f"{self.origin}: {shown}: sh:minInclusive {minimum:g} is above sh:maxInclusive {maximum:g}"
            )
        dimensions = self._number(shape, KR.dimensions, shown)
        if use == "vector" and (kind != "float_list" or dimensions is None):
            raise SchemaError(
                f"{self.origin}: {shown}: a property used as kr:vector is a kr:floatList with kr:dimensions"
            )
        return PropertyType(
            name=name,
            datatype=kind,
            required=(self._number(shape, SH.minCount, shown) or 0) >= 1,
            use=cast("Use | None", use),
            minimum=minimum,
            maximum=maximum,
            dimensions=None if dimensions is None else int(dimensions),
            labels=self._texts(shape, RDFS.label),
        )

    def _one(self, subject: Node, predicate: URIRef, shown: str) -> Node:
        values = list(self.graph.objects(subject, predicate))
        if len(values) != 1:
            raise SchemaError(f"{self.origin}: {self._local(subject)}: expected one {shown}, got {len(values)}")
        return values[0]

    def _number(self, subject: Node, predicate: URIRef, owner: str) -> float | None:
        value = self.graph.value(subject, predicate)
        if value is None:
            return None
        try:
            return float(str(value))
        except ValueError as error:
            raise SchemaError(
                f"{self.origin}: {owner}: expected a number for {self._local(predicate)}, got {str(value)!r}"
            ) from error

    def _texts(self, subject: Node, predicate: URIRef) -> dict[str, str]:
        texts = {
            (o.language or "en"): str(o) for o in self.graph.objects(subject, predicate) if isinstance(o, RdfLiteral)
        }
        return dict(sorted(texts.items()))

    def _phrases(self, subject: Node, predicate: URIRef) -> dict[str, str]:
        phrases = self._texts(subject, predicate)
        for language, phrase in phrases.items():
            if phrase.count("{}") != 1:
                raise SchemaError(
                    f"{self.origin}: {self._local(subject)}: a phrase has exactly one {{}} for the other end, "
                    f"got {phrase!r}@{language}"
                )
        return phrases

    def _local(self, node: Node) -> str:
        """The local part of an IRI, checked to be an identifier (types and properties become Cypher names)."""
        local = re.split(r"[#/:]", str(node))[-1]
        if not _IDENTIFIER.fullmatch(local):
            raise SchemaError(
                f"{self.origin}: {node}: the local name must be letters, digits and '_', starting with a letter, "
                f"got {local!r}"
            )
        return local
