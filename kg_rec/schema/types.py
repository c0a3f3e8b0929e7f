"""What a schema is made of: datatypes, property types, node types and relation types.

:data:`DATATYPES` is the only table of datatypes: what a value is called in messages and how Arrow holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Datatype = Literal["string", "integer", "float", "boolean", "date", "string_list", "float_list"]
Role = Literal["user", "item", "attribute"]
Repeats = Literal["last", "max", "sum", "count"]
Use = Literal["key", "name", "text", "weight", "time", "vector"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a datatype is.

    Attributes:
        arrow: how Arrow holds its values.
        words: what a message calls one value.
    """

    arrow: pa.DataType
    words: str


DATATYPES: Mapping[Datatype, Kind] = {
    "string": Kind(pa.string(), "text"),
    "integer": Kind(pa.int64(), "an integer"),
    "float": Kind(pa.float64(), "a finite number"),
    "boolean": Kind(pa.bool_(), "true or false"),
    "date": Kind(pa.date32(), "a date (YYYY-MM-DD)"),
    "string_list": Kind(pa.list_(pa.string()), "a list of texts"),
    "float_list": Kind(pa.list_(pa.float64()), "a list of numbers"),
}

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
        expression: Cypher that gives the value in a graph that is not kg_rec's own (``kr:from``), over the variables
            of its owner's pattern; None for the property of the same name.
        aliases: IRIs of the same property in other vocabularies (``owl:equivalentProperty``), as
            :func:`kg_rec.schema.iris.plain` has them.
    """

    name: str
    datatype: Datatype
    required: bool
    use: Use | None
    minimum: float | None
    maximum: float | None
    dimensions: int | None
    labels: Texts
    expression: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeType:
    """One node type: a label in the store with a unique key; in a snapshot, keys are texts.

    Attributes:
        name: the store's node label, e.g. ``Film``.
        role: ``user``, ``item`` or ``attribute``.
        properties: all properties, the key first, the others by name.
        labels: singular noun by language; falls back to ``name``.
        plurals: plural noun by language, where it differs.
        measure_words: classifier by language (Chinese: 部 for films).
        pattern: which nodes of a graph that is not kg_rec's own these are (``kr:from``), as a Cypher pattern of one
            node ``n``, with or without WHERE; None for the nodes that kg_rec itself writes.
        classes: IRIs of classes in other vocabularies all of whose members are nodes of this type
            (``owl:equivalentClass``, or the class is ``rdfs:subClassOf`` this type), compared likewise.
        wider: IRIs of classes some of whose members are (this type is ``rdfs:subClassOf`` the class).
    """

    name: str
    role: Role
    properties: tuple[PropertyType, ...]
    labels: Texts
    plurals: Texts
    measure_words: Texts
    pattern: str | None = None
    classes: tuple[str, ...] = ()
    wider: tuple[str, ...] = ()

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
    """One relation type: directed edges from one node type to another; a snapshot has at most one per pair of nodes.

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
        aliases: names of this relation in outside files, source first ("film.film.directed_by"); IRIs of the same
            property in other vocabularies (``owl:equivalentProperty``) are among them.
        inverse_aliases: names in outside files that give the target first ("film.director.film"; ``owl:inverseOf``).
        repeats: what several edges between two nodes become in a snapshot, where the graph may have them: the weight
            of the ``last``, the ``max``, the ``sum``, or the ``count`` of edges; None where it should have none.
        pattern: how a source ``a`` is tied to a target ``b`` in a graph that is not kg_rec's own (``kr:from``), as a
            Cypher pattern, with or without WHERE; None for the relationship of this name.
        rule: True for a relation that rules ask for and that is no reason to recommend anything (``kr:RuleType``).
        again: True where users have items again and again (``kr:again``), as groceries: what a user had may be in the
            user's lists.  Only of an interaction whose ``repeats`` is ``count``, which keeps all times of a pair.
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
    repeats: Repeats | None = None
    pattern: str | None = None
    rule: bool = False
    again: bool = False

    @property
    def weight(self) -> str | None:
        """Name of the weight property (a rating, a count), or None."""
        return next((p.name for p in self.properties if p.use == "weight"), None)

    @property
    def time(self) -> str | None:
        """Name of the time property (integer Unix seconds), or None."""
        return next((p.name for p in self.properties if p.use == "time"), None)
