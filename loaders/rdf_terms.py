"""What an RDF load is asked for, and what the terms of the file mean in the schema."""

from __future__ import annotations

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


class Terms:
    """What the terms of a file mean in a schema; each is looked up once.

    Attributes:
        types: node types of a class: those that its members are, and those that they may be.
        properties: names of the properties that a predicate gives.
        relations: relation types that a predicate means, each with whether it gives the target first.
    """

    def __init__(self, schema: GraphSchema, relations: frozenset[str]) -> None:
        def called(iri: str) -> tuple[tuple[RelationType, bool], ...]:
            found = (schema.relations_called(name) for name in (iri, plain(iri), local_name(iri)))
            return tuple(r for r in next(filter(None, found), ()) if not relations or r[0].name in relations)

        self.types = lru_cache(maxsize=10_000)(schema.types_of)
        self.properties = lru_cache(maxsize=10_000)(
            lambda iri: (LABEL,) if iri == LABEL else schema.properties_called(iri)
        )
        self.relations = lru_cache(maxsize=10_000)(called)
