"""The parts of a schema from Turtle.

The vocabulary is RDFS and SHACL (https://www.w3.org/TR/shacl/) plus the few terms of ``urn:kg-rec:schema#``
listed in ``graph_schemas/README.md``.  What one type says is checked here; what types say of one another is checked
where they come together (:mod:`kg_rec.schema.schema`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import cast, get_args

from rdflib import OWL, RDF, RDFS, XSD, Graph, Namespace, URIRef
from rdflib import Literal as RdfLiteral
from rdflib.term import Node

from kg_rec.errors import SchemaError
from kg_rec.schema.iris import plain
from kg_rec.schema.types import Datatype, NodeType, PropertyType, RelationType, Repeats, Role, Texts, Use
from kg_rec.textfile import parser_fault

KR = Namespace("urn:kg-rec:schema#")
SH = Namespace("http://www.w3.org/ns/shacl#")

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
_RELATIONS: tuple[Node, ...] = (KR.RelationType, KR.InteractionType, KR.RuleType)
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_VOCABULARY = frozenset(
    {
        *get_args(Use),
        "Schema",
        "UserType",
        "ItemType",
        "AttributeType",
        "RelationType",
        "InteractionType",
        "RuleType",
        "use",
    }
    | {"stringList", "floatList", "dimensions", "maxPerSource", "positiveFrom", "plural", "measureWord"}
    | {"repeats", "again", "from", *get_args(Repeats)}
    | {"inverseLabel", "phrase", "inversePhrase", "alias", "inverseAlias"}
)
_OURS = "KgRec"
_RESERVED = frozenset({"source", "target"})


@dataclass(frozen=True, slots=True)
class Parts:
    """What a Turtle file says.

    Attributes:
        name: local part of the schema's IRI.
        labels: name of the domain in words, by language.
        node_types: in no particular order.
        relation_types: in no particular order.
    """

    name: str
    labels: Texts
    node_types: tuple[NodeType, ...]
    relation_types: tuple[RelationType, ...]


def parse(text: str, origin: str) -> Parts:
    """The parts of a schema.

    Args:
        text: Turtle.
        origin: file name for error messages.

    Raises:
        SchemaError: not Turtle, or not a schema; the message names ``origin``, the subject and what is missing.
    """
    try:
        graph = _graph(text)
    except Exception as error:  # rdflib raises many unrelated classes for bad Turtle
        raise SchemaError(f"{origin}: not valid Turtle: {parser_fault(error)}") from error
    return _Parser(graph, origin).parts()


@lru_cache(maxsize=8)
def _graph(text: str) -> Graph:
    """The triples of a text; not to be changed, as a graph and the models over it have one schema and share them."""
    graph = Graph()
    graph.parse(data=text, format="turtle")
    return graph


def with_limit(text: str, least: float) -> str:
    """A schema's Turtle with another ``kr:positiveFrom`` of its interaction; the rest is as it was."""
    graph = Graph()
    graph.parse(data=text, format="turtle")
    relation = graph.value(None, RDF.type, KR.InteractionType)
    if graph.value(relation, KR.positiveFrom) is None:
        return f"{text.rstrip()}\n\n<{relation}> <{KR.positiveFrom}> {least!r} .\n"
    said = r"(?<=:positiveFrom )\s*[-+0-9.eE]*[0-9]"
    if len(re.findall(said, text)) == 1:
        return re.sub(said, repr(least), text)
    graph.set((cast("Node", relation), KR.positiveFrom, RdfLiteral(least)))
    return str(graph.serialize(format="turtle"))


class _Parser:
    """Reads one rdflib graph; raises SchemaError with file and subject."""

    def __init__(self, graph: Graph, origin: str) -> None:
        self.graph = graph
        self.origin = origin

    def parts(self) -> Parts:
        self._check_vocabulary()
        subjects = list(self.graph.subjects(RDF.type, KR.Schema))
        if len(subjects) != 1:
            raise SchemaError(f"{self.origin}: expected one subject of type kr:Schema, got {len(subjects)}")
        nodes = [self._node_type(s, role) for kind, role in _ROLES.items() for s in self.graph.subjects(RDF.type, kind)]
        relations = [self._relation_type(s, k) for k in _RELATIONS for s in self.graph.subjects(RDF.type, k)]
        labels = self._texts(subjects[0], RDFS.label)
        return Parts(self._local(subjects[0]), labels, tuple(nodes), tuple(relations))

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

    def _node_type(self, subject: Node, role: Role) -> NodeType:
        name = self._local(subject)
        properties = self._properties(subject)
        keys = [p for p in properties if p.use == "key"]
        pattern = self._cypher(subject, name)
        datatypes = ("string",) if pattern is None else ("string", "integer")
        if len(keys) != 1 or keys[0].datatype not in datatypes or not keys[0].required:
            raise SchemaError(
                f"{self.origin}: {name}: expected one property with kr:use kr:key, sh:datatype xsd:string (or "
                f"xsd:integer, in a node type with kr:from) and sh:minCount 1, got {[p.name for p in keys] or 'none'}"
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
            pattern=pattern,
            classes=self._elsewhere(subject, OWL.equivalentClass, below=RDFS.subClassOf),
            wider=self._elsewhere(subject, RDFS.subClassOf),
        )

    def _relation_type(self, subject: Node, kind: Node) -> RelationType:
        name = self._local(subject)
        phrases = self._phrases(subject, KR.phrase)
        labels = self._texts(subject, RDFS.label)
        if not labels:
            raise SchemaError(f"{self.origin}: {name}: rdfs:label is missing")
        maximum = self._number(subject, KR.maxPerSource, name)
        properties = tuple(sorted(self._properties(subject), key=lambda p: p.name))
        repeats = self._repeats(subject, name, properties)
        if any(p.use in ("key", "name", "text", "vector") for p in properties):
            raise SchemaError(f"{self.origin}: {name}: a relation's property can be used as kr:weight or kr:time only")
        return RelationType(
            name=name,
            source=self._local(self._one(subject, RDFS.domain, "rdfs:domain")),
            target=self._local(self._one(subject, RDFS.range, "rdfs:range")),
            interaction=kind == KR.InteractionType,
            properties=properties,
            max_per_source=None if maximum is None else int(maximum),
            positive_from=self._number(subject, KR.positiveFrom, name),
            labels=labels,
            inverse_labels=self._texts(subject, KR.inverseLabel),
            phrases=phrases,
            inverse_phrases=self._phrases(subject, KR.inversePhrase),
            aliases=self._names(subject, KR.alias, OWL.equivalentProperty),
            inverse_aliases=self._names(subject, KR.inverseAlias, OWL.inverseOf),
            repeats=repeats,
            pattern=self._cypher(subject, name),
            rule=kind == KR.RuleType,
            again=self._again(subject, name, kind, repeats),
        )

    def _cypher(self, subject: Node, owner: str) -> str | None:
        values = list(self.graph.objects(subject, KR["from"]))
        if len(values) > 1 or any(not isinstance(v, RdfLiteral) or not str(v).strip() for v in values):
            raise SchemaError(f"{self.origin}: {owner}: expected one text of Cypher for kr:from, got {len(values)}")
        return str(values[0]).strip() if values else None

    def _repeats(self, subject: Node, name: str, properties: tuple[PropertyType, ...]) -> Repeats | None:
        value = self.graph.value(subject, KR.repeats)
        if value is None:
            return None
        rule = self._local(value)
        if rule not in get_args(Repeats):
            known = ", ".join(f"kr:{r}" for r in get_args(Repeats))
            raise SchemaError(f"{self.origin}: {name}: kr:repeats: expected one of {known}, got {value}")
        if rule in ("max", "sum") and not any(p.use == "weight" for p in properties):
            raise SchemaError(f"{self.origin}: {name}: kr:repeats kr:{rule} needs a property with kr:use kr:weight")
        return cast("Repeats", rule)

    def _again(self, subject: Node, name: str, kind: Node, repeats: Repeats | None) -> bool:
        values = [v.toPython() if isinstance(v, RdfLiteral) else v for v in self.graph.objects(subject, KR.again)]
        if not values:
            return False
        if len(values) > 1 or not isinstance(values[0], bool):
            raise SchemaError(f"{self.origin}: {name}: expected kr:again true or false, got {values[0]!s:.200}")
        if values[0] and kind != KR.InteractionType:
            raise SchemaError(f"{self.origin}: {name}: kr:again is said of an interaction type alone")
        if values[0] and repeats != "count":
            raise SchemaError(f"{self.origin}: {name}: kr:again true needs kr:repeats kr:count, which keeps all times")
        return values[0]

    def _properties(self, subject: Node) -> list[PropertyType]:
        owner = self._local(subject)
        properties = [self._property(shape, owner) for shape in self.graph.objects(subject, SH.property)]
        names = [p.name for p in properties]
        twice = sorted(n for n, times in Counter(names).items() if times > 1)
        if twice:
            raise SchemaError(f"{self.origin}: {owner}: property {twice[0]} is defined twice")
        return properties

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
            expression=self._cypher(shape, shown),
            aliases=self._elsewhere(path, OWL.equivalentProperty),
        )

    def _names(self, subject: Node, ours: URIRef, theirs: URIRef) -> tuple[str, ...]:
        """Names of a relation in outside files: texts, and IRIs of other vocabularies."""
        return tuple(sorted({*map(str, self.graph.objects(subject, ours)), *self._elsewhere(subject, theirs)}))

    def _elsewhere(self, subject: Node, same: URIRef, below: URIRef | None = None) -> tuple[str, ...]:
        """IRIs that a term of the schema is tied to by ``same``, and those tied to it by ``below``."""
        terms = [*self.graph.objects(subject, same), *(self.graph.subjects(below, subject) if below else ())]
        for term in terms:
            if not isinstance(term, URIRef):
                raise SchemaError(
                    f"{self.origin}: {self._local(subject)}: {self._local(same)}: expected an IRI, got {term!s:.100}"
                )
        return tuple(sorted({plain(str(term)) for term in terms}))

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
            if phrase.count("{}") != 1 or re.search(r"[{}]", phrase.replace("{}", "")):
                raise SchemaError(
                    f"{self.origin}: {self._local(subject)}: a phrase has exactly one {{}} for the other end "
                    f"and no other brace, got {phrase!r}@{language}"
                )
        return phrases

    def _local(self, node: Node) -> str:
        """The local part of an IRI, checked to be an identifier (types and properties become Cypher names)."""
        local = re.split(r"[#/:]", str(node))[-1]
        if not _IDENTIFIER.fullmatch(local):
            raise SchemaError(
                f"{self.origin}: {node!s:.200}: the local name must be at most 63 letters, digits and '_', starting "
                f"with a letter, got {local!r:.200}"
            )
        if local.startswith(_OURS):
            raise SchemaError(f"{self.origin}: {local}: names that begin with {_OURS} are kg_rec's own; choose another")
        return local
