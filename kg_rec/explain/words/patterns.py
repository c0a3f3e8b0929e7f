"""All sentences that the paths of a schema can need, without names: patterns with typed slots.

A pattern says what its sentence must say: who did what (``claims``), with which words it may be said, and the
grammar's own sentence as the reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from kg_rec.errors import SchemaError
from kg_rec.explain.path import PathEdge
from kg_rec.explain.words.languages.chinese import Chinese
from kg_rec.explain.words.languages.english import English
from kg_rec.explain.words.lexicon import Lexicon
from kg_rec.explain.words.sentence_kinds import Kind, Language, Lead, Role
from kg_rec.explain.words.vocabulary import Words, words_for
from kg_rec.schema import GraphSchema

#: Languages with a grammar.
LANGUAGES = ("en", "zh")

Tone = Literal["short", "friendly", "formal", "audit"]
TONES: tuple[Tone, ...] = get_args(Tone)

_SINGLE: tuple[Lead, ...] = ("one", "several")
_CROWDS: tuple[Lead, ...] = ("counted", "counts", "crowd")


@dataclass(frozen=True, slots=True)
class PatternSlot:
    """A place for names or a number.

    Attributes:
        tag: what stands for it in a sentence: ``[FILM_1]`` without the brackets.
        role: ``count`` (a number of other users with its noun, "37 viewers"), ``liked`` (what the user had, where
            the lead is ``counts`` with numbers: "Heat (37 viewers) or Ronin (12)"), ``bridge`` (what the others had
            too), ``shared`` (the attribute), ``through`` (what lies between), ``item`` (the recommended item, or
            "this film" where it was named before).
        type: node type of the schema; for ``through`` of a chain, the item's.
        several: a list of names may stand here ("Heat and Ronin").
    """

    tag: str
    role: Role
    type: str
    several: bool


#: The sentences of the tone ``audit`` also say which share of what speaks for the item their paths make.
SHARE = PatternSlot("SHARE_1", "share", "", False)

_AUDIT = {"en": "{} ([SHARE_1] of what speaks for it).", "zh": "{}（占推荐理由的[SHARE_1]）。"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one sentence says, in one language.

    Attributes:
        key: stable name, the same in all languages; see :attr:`kg_rec.explain.words.sentence_kinds.Kind.key`.
        lang: ``en`` or ``zh``.
        kind: the parts of the key.
        slots: in a fixed order; each occurs in a sentence exactly once.
        reference: the grammar's sentence, e.g. ``Like [FILM_1], which you liked, [FILM_2] stars [PERSON_1].``
        words: the vocabulary that a phrase for it is checked against.
    """

    key: str
    lang: str
    kind: Kind
    slots: tuple[PatternSlot, ...]
    reference: str
    words: Words

    @property
    def tags(self) -> Mapping[Role, str]:
        """Tag by role, without brackets."""
        return {slot.role: slot.tag for slot in self.slots}

    def slots_of(self, tone: Tone) -> tuple[PatternSlot, ...]:
        """The slots that a sentence of a tone must have: ``audit`` also tells the share."""
        return (*self.slots, SHARE) if tone == "audit" else self.slots

    def sentence(self, tone: Tone) -> str:
        """The grammar's sentence in a tone: the reference, for ``audit`` with the share."""
        return _AUDIT[self.lang].format(self.reference[:-1]) if tone == "audit" else self.reference


def language_of(schema: GraphSchema, lang: str) -> tuple[str, Language]:
    """The short name of a language (a region is ignored: ``zh-CN``), and how it speaks about a schema.

    Raises:
        SchemaError: no grammar for the language.
    """
    short = lang.replace("_", "-").split("-")[0].lower()
    if short not in LANGUAGES:
        raise SchemaError(f"no grammar for the language {lang!r}; expected one of {', '.join(LANGUAGES)}")
    words = Lexicon(schema, short)
    language: Language = English(words) if short == "en" else Chinese(words)
    return short, language


def kinds(schema: GraphSchema) -> Iterator[Kind]:
    """What the model's paths can say for a schema, in a fixed order.

    Attributes joined through two different relations are told by the grammar alone; the model makes no such path.
    """
    item, user = schema.item.name, schema.user.name
    leads: tuple[Lead, ...] = (*_SINGLE, *_CROWDS)
    yield from (Kind(lead, "none") for lead in _CROWDS[:2])
    yield from (Kind(lead, "text") for lead in leads)
    for relation in schema.relation_types.values():
        ends = (relation.source, relation.target)
        if item not in ends or user in ends:
            continue
        if relation.source == relation.target:
            yield from (
                Kind(lead, "direct", (PathEdge(relation.name, way),)) for way in (True, False) for lead in leads
            )
            continue
        step = (PathEdge(relation.name, relation.source == item),)
        yield from (Kind(lead, "shared", step, several) for lead in _SINGLE for several in (False, True))
        yield from (Kind(lead, "shared", step) for lead in _CROWDS)
    yield from (Kind(lead, "chain") for lead in ("you", *leads))


def pattern(schema: GraphSchema, lang: str, kind: Kind) -> Pattern:
    """The pattern of one kind of sentence.

    Raises:
        SchemaError: no grammar for the language, or the schema cannot say a relation in it.
    """
    short, language = language_of(schema, lang)
    slots = _slots(kind, schema)
    reference = language.sentence(kind, {slot.role: f"[{slot.tag}]" for slot in slots})
    words = words_for(Lexicon(schema, short), kind, [slot.type for slot in slots])
    return Pattern(kind.key, short, kind, slots, reference, words)


def patterns(schema: GraphSchema, lang: str) -> tuple[Pattern, ...]:
    """All patterns that the model's paths can need: a finite, ordered list without repetition.

    Args:
        schema: any schema.
        lang: ``en`` or ``zh``.

    Raises:
        SchemaError: no grammar for the language, or the schema cannot say a relation in it.
    """
    return tuple(pattern(schema, lang, kind) for kind in kinds(schema))


def _slots(kind: Kind, schema: GraphSchema) -> tuple[PatternSlot, ...]:
    item = schema.item.name
    counts: dict[str, int] = {}
    slots = []
    for role, several in kind.roles:
        node_type = item
        if role == "count":
            node_type = schema.user.name
        elif role == "shared" or (role == "through" and kind.link == "mixed"):
            step = kind.steps[0]
            relation = schema.relation_types[step.type or ""]
            away = step.forward if role == "shared" else not step.forward
            node_type = relation.target if away else relation.source
        stem = "count" if role == "count" else "nodes" if kind.link == "chain" and role == "through" else node_type
        stem = re.sub(r"[^A-Z0-9_]", "_", stem.upper()) + ("S" if several and stem != "nodes" else "")
        counts[stem] = counts.get(stem, 0) + 1
        slots.append(PatternSlot(f"{stem}_{counts[stem]}", role, node_type, several))
    return tuple(slots)
