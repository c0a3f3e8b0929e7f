"""A profile in words and as plain data: each clause a sentence of the grammar that explanations are told by."""

from __future__ import annotations

from typing import Any

from kg_rec.errors import SchemaError
from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.words.grammar import sentences
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.explain.words.patterns import Lead, Role, SentenceKind, pattern
from kg_rec.explain.words.slots import Template
from kg_rec.explain.words.wording import Wording
from kg_rec.people.features import Feature
from kg_rec.people.profile import Clause, Profile
from kg_rec.schema import GraphSchema


def kind_of(schema: GraphSchema, clause: Clause) -> SentenceKind:
    """The kind of sentence that tells a clause."""
    lead: Lead = "more" if clause.likes else "fewer"
    if clause.count == clause.total > 1:
        lead = "every"
    if not clause.likes and clause.count < 2:
        lead = "single" if clause.count else "never"
    if clause.feature.years is not None:
        return SentenceKind(lead, "years")
    relation = schema.relation_types[clause.feature.relation]
    return SentenceKind(lead, "shared", (PathEdge(relation.name, relation.source == schema.item.name),))


def tell_clause(profile: Profile, clause: Clause, wording: Wording | None = None) -> str:
    """One clause in words: "23 of your 41 films are of the genre Crime (usual: 18% of what all viewers liked)."

    Raises:
        SchemaError: the schema cannot say its relation in the language.
    """
    wording = wording or Wording()
    schema = profile.model.snapshot.schema
    language = speaker(schema, wording.lang)
    texts: dict[Role, str] = {
        "count": language.number(clause.count),
        "total": language.number(clause.total),
        "shared": name_of(language, clause.feature),
        "share": language.percent(clause.count / clause.total),
        "rate": language.percent(clause.all_count / clause.all_total),
    }
    said = pattern(schema, wording.lang, kind_of(schema, clause))
    shipped = sentences(said, wording.tone)
    if not shipped:
        raise SchemaError(
            f"schema {schema.name}: the pattern {said.key!r} cannot be said in {language.title}; check the words of "
            "its relation for brackets and braces"
        )
    return Template.parse(shipped[0], {tag: role for role, tag in said.tags.items()}).fill(texts)


def tell_profile(profile: Profile, wording: Wording | None = None) -> str:
    """What a user likes, then what the user avoids; or that there is nothing to tell.

    Raises:
        SchemaError: the schema cannot say a relation in the language.
    """
    wording = wording or Wording()
    language = speaker(profile.model.snapshot.schema, wording.lang)
    if not profile.clauses:
        name = "profile_usual" if profile.total else "profile_empty"
        return language.person[name].format(users=language.noun(profile.model.snapshot.schema.user.name, 2))
    return language.gap.join(tell_clause(profile, clause, wording) for clause in profile.clauses)


def profile_json(profile: Profile, wording: Wording | None = None) -> dict[str, Any]:
    """Plain data as ``profile.schema.json`` describes it; names are as they are in the graph."""
    wording = wording or Wording()
    return {
        "user": profile.user,
        "total": profile.total,
        "clauses": [_clause(profile, clause, wording) for clause in profile.clauses],
        "text": tell_profile(profile, wording),
        "lang": wording.lang,
        "tone": wording.tone,
    }


def _clause(profile: Profile, clause: Clause, wording: Wording) -> dict[str, Any]:
    cypher, parameters = profile.cypher(clause)
    return {
        "likes": clause.likes,
        "feature": feature_json(clause.feature),
        "count": clause.count,
        "total": clause.total,
        "all_count": clause.all_count,
        "all_total": clause.all_total,
        "lift": clause.lift,
        "evidence": clause.evidence,
        "value": clause.value,
        "terms": [{"item": item, "value": value} for item, value in clause.terms],
        "everybody": clause.everybody,
        "text": tell_clause(profile, clause, wording),
        "cypher": cypher,
        "parameters": parameters,
    }


def feature_json(feature: Feature) -> dict[str, Any]:
    """A feature as plain data."""
    years = None if feature.years is None else list(feature.years)
    node = {"type": feature.type or None, "key": feature.key, "name": feature.name}
    return {"relation": feature.relation, **node, "years": years}


def name_of(language: Language, feature: Feature) -> str:
    """A feature's name as it stands in a sentence."""
    if feature.years is not None:
        return "–".join(map(str, feature.years))
    return language.fact(PathNode(feature.type, feature.key, feature.name))
