"""What an RDF load is asked for, and what the terms of the file mean in the schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rdflib import OWL, RDF, RDFS

from kg_rec.errors import ConfigError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import relation_type
from kg_rec.schema import GraphSchema, RelationType
from kg_rec.schema.iris import local_name, plain

LABEL, SAME = str(RDFS.label), str(OWL.sameAs)
#: Predicates that say the class; the second is Wikidata's.
TYPES = frozenset({str(RDF.type), "http://www.wikidata.org/prop/direct/P31"})
_KEEP = ("all", "linked", "known")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a load, checked.

    Attributes:
        local_keys: the key of a node is the local name of its IRI, not the whole.
        language: of texts, in small letters.
        relations: names of the relation types to read; empty for all.
        keep: which nodes: ``all``, ``linked`` or ``known``.
        same: whether ``owl:sameAs`` joins.
    """

    local_keys: bool
    language: str
    relations: frozenset[str]
    keep: str
    same: bool

    @classmethod
    def of(cls, context: LoadContext) -> Options:
        """From what the caller gave.

        Raises:
            ConfigError: an option has no such value.
            SchemaError: the schema has no relation type of that name.
        """
        given = {"keys": "local", "keep": "all", "same": "yes", **context.options}
        for name, values in (("keys", ("local", "iri")), ("keep", _KEEP), ("same", ("yes", "no"))):
            if given[name] not in values:
                known = " or ".join(map(repr, values))
                raise ConfigError(f"option {name}: expected {known}, got {given[name]!r}")
        relations = {name.strip() for name in str(given.get("relations", "")).split(",") if name.strip()}
        for name in sorted(relations):
            relation_type(context.schema, name)
        return cls(
            given["keys"] == "local",
            str(given.get("language", "en")).lower(),
            frozenset(relations),
            given["keep"],
            given["same"] == "yes",
        )


#: What an ontology in the data says of its terms: the subject is below the object.
BELOW = frozenset(str(term) for term in (RDFS.subClassOf, RDFS.subPropertyOf))
#: Or the two are the same.
ALIKE = frozenset(str(term) for term in (OWL.equivalentClass, OWL.equivalentProperty))


class Terms:
    """What the terms of a file mean in a schema; each is looked up once.

    A term that the schema does not know means what those mean that the data put above it: a class by
    ``rdfs:subClassOf``, a predicate by ``rdfs:subPropertyOf``, either by OWL's equivalence.

    Attributes:
        types: node types of a class: those that its members are, and those that they may be.
        properties: names of the properties that a predicate gives.
        relations: relation types that a predicate means, each with whether it gives the target first.
    """

    def __init__(self, schema: GraphSchema, relations: frozenset[str]) -> None:
        self._schema = schema
        self._wanted = relations
        self._above: dict[str, set[str]] = {}
        self.types = lru_cache(maxsize=10_000)(self._types)
        self.properties = lru_cache(maxsize=10_000)(self._properties)
        self.relations = lru_cache(maxsize=10_000)(self._relations)

    def learn(self, one: str, predicate: str, other: str) -> bool:
        """Take what the data say of two terms; whether one of them now means something that it did not."""
        before = [self._meaning(term) for term in (one, other)]
        self._above.setdefault(one, set()).add(other)
        if predicate in ALIKE:
            self._above.setdefault(other, set()).add(one)
        for cached in (self.types, self.properties, self.relations):
            cached.cache_clear()
        return before != [self._meaning(term) for term in (one, other)]

    def _meaning(self, term: str) -> tuple[object, ...]:
        return self._types(term), self._properties(term), self._relations(term)

    def _types(self, iri: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        several = [self._schema.types_of(term) for term in self._with_above(iri)]
        return next((types for types in several if any(types)), ((), ()))

    def _properties(self, iri: str) -> tuple[str, ...]:
        if iri == LABEL:
            return (LABEL,)
        return next(filter(None, map(self._schema.properties_called, self._with_above(iri))), ())

    def _relations(self, iri: str) -> tuple[tuple[RelationType, bool], ...]:
        names = (name for term in self._with_above(iri) for name in (term, plain(term), local_name(term)))
        relations = next(filter(None, map(self._schema.relations_called, names)), ())
        return tuple(r for r in relations if not self._wanted or r[0].name in self._wanted)

    def _with_above(self, iri: str) -> Iterator[str]:
        """A term, then those above it, the nearest first."""
        seen, row = {iri}, [iri]
        while row:
            yield from row
            row = sorted({above for term in row for above in self._above.get(term, ())} - seen)
            seen.update(row)
