"""A schema for a graph that others made, guessed from what it holds; the evidence of each guess is a comment beside it.

What cannot be known from the graph is taken from the caller: who is recommended to, what is recommended, what each
relationship says of taste.  Words are made of the graph's names and are worth a second look.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.checks.infer.facts import facts_of, relation
from kg_rec.checks.infer.interactions import interaction
from kg_rec.checks.infer.names import Identifiers, comment, english
from kg_rec.checks.infer.nodes import name_of, node_type
from kg_rec.checks.infer.survey import Survey, survey
from kg_rec.checks.infer.ways import Way, Wishes, roles, ways_between
from kg_rec.errors import SchemaError
from kg_rec.store.base import GraphStore
from kg_rec.store.ledger_cypher import RECOMMENDED

__all__ = ["Wishes", "infer"]

_PREFIXES = """\
@prefix :     <urn:kg-rec:own#> .
@prefix kr:   <urn:kg-rec:schema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh:   <http://www.w3.org/ns/shacl#> .
@prefix xsd:  <http://www.w3.org/2001/XMLSchema#> .
"""
_WORDS = """\
# The words (rdfs:label, kr:plural, kr:phrase, kr:inversePhrase) are made of the names in the graph, as English.
# Sentences are made of them: correct those that do not sound right.
"""
_WRITTEN = """\
# --- what kg_rec writes back: `kg-rec job run`; relationships of this type only, no node and no property of yours

:RECOMMENDED a kr:RelationType ; rdfs:domain :{user} ; rdfs:range :{item} ; rdfs:label "recommended"@en ;
    sh:property [ sh:path :run ; sh:datatype xsd:string ; sh:minCount 1 ] ,
                [ sh:path :rank ; sh:datatype xsd:integer ; sh:minCount 1 ; sh:minInclusive 1 ] ,
                [ sh:path :score ; sh:datatype xsd:double ; sh:minCount 1 ] ,
                [ sh:path :reason ; sh:datatype xsd:string ] ,
                [ sh:path :paths ; sh:datatype kr:stringList ] .
"""


def infer(store: GraphStore, wishes: Wishes | None = None) -> str:
    """A schema as Turtle.

    Args:
        store: the graph, in Neo4j; nothing is written.
        wishes: what the caller knows; the rest is guessed.

    Raises:
        SchemaError: no users, items, interactions or keys are found (the message lists what there is), or nothing but
            kg_rec writes to the graph.
    """
    wishes = wishes or Wishes()
    if store.capabilities.checked_types:
        raise SchemaError(
            f"{store.url}: a schema is inferred from a graph that others made, on a Neo4j server; this one was written "
            "by kg-rec and holds its schema (`kg-rec schema diff NAME|FILE.ttl` compares it with another)"
        )
    found = survey(store)
    if not found.labels:
        raise SchemaError(f"{store.url} holds no nodes; expected a graph to infer a schema from")
    user, item = roles(found, wishes, frozenset(label for label, p in found.properties.items() if name_of(p)))
    ways = ways_between(found, user, item, wishes)
    events = frozenset(label for way in ways for label in way.between)
    facts, notes = facts_of(found, user, item, events)
    attributes = list(dict.fromkeys(fact.attribute for fact in facts if fact.attribute != item))
    names = Identifiers("TOOK_TO", RECOMMENDED)
    for label in (user, item, *attributes):
        names.label(label)
    why = f"who gets recommendations: {_told(found, ways, user, item)}"
    parts = [_PREFIXES, _WORDS, f"<urn:kg-rec:own> a kr:Schema ; rdfs:label {english(item)} .\n"]
    parts.append(node_type(store, found, names, user, "user", why))
    parts.append(node_type(store, found, names, item, "item", "what is recommended"))
    parts += [node_type(store, found, names, label, "attribute", "tied to the items") for label in attributes]
    parts.append(interaction(store, names, user, item, ways, wishes))
    parts += [relation(names, fact) for fact in facts]
    parts += [comment(note) for note in dict.fromkeys(notes)]
    parts.append(_WRITTEN.format(user=names.label(user), item=names.label(item)))
    left = sorted(set(found.labels) - {user, item, *attributes, *events})
    if left:
        parts.append(comment(f"not used: nodes labelled {', '.join(left)}"))
    parts += _not_used(found, user, attributes)
    return "\n".join(parts)


def _told(found: Survey, ways: Sequence[Way], user: str, item: str) -> str:
    patterns = [way.pattern(f"({user})", f"({item})", named=False) for way in ways]
    return "; ".join(f"{way.count(found.labels):,} {p}" for way, p in zip(ways, patterns, strict=True))


def _not_used(found: Survey, user: str, attributes: Sequence[str]) -> list[str]:
    """Ties of users to attributes: the model does not read them, rules of jobs can."""
    ties = [t for t in found.ties if {t.source, t.target} <= {user, *attributes} and user in (t.source, t.target)]
    return [
        comment(
            f"not used: {t.count:,} ({t.source})-[:{t.type}]->({t.target}); rules of a job can ask for them, as in "
            "candidates.never_for"
        )
        for t in ties
        if t.source != t.target
    ]
