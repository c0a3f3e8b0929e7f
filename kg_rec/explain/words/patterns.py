"""All sentences that the paths of a schema can need, without names: patterns with typed slots.

The kinds are those of the model.  From an item the user interacted with, one step of taste ("others who had both")
leads to the recommended item or to a bridge, a known item next to it; one link leads on: a shared attribute, a
direct relation, similar text, or alike vectors (of a picture, a sound).

What a profile says of a user (:func:`profile_kinds`) is told by the same means: how many of the user's items have an
attribute, or come from some years.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from kg_rec.explain.path import PathEdge
from kg_rec.schema import GraphSchema

Lead = Literal["one", "several", "counted", "counts", "crowd", "more", "every", "fewer", "single", "never"]
Link = Literal["none", "shared", "direct", "text", "facts", "vectors", "years"]
Role = Literal["count", "liked", "bridge", "shared", "item", "share", "rate", "total"]
Tone = Literal["short", "friendly", "formal", "audit"]
TONES: tuple[Tone, ...] = get_args(Tone)

_SINGLE: tuple[Lead, ...] = ("one", "several")
_CROWDS: tuple[Lead, ...] = ("counted", "counts", "crowd")
#: How a sentence of a profile starts.
PROFILE_LEADS: tuple[Lead, ...] = ("more", "every", "fewer", "single", "never")


@dataclass(frozen=True, slots=True)
class SentenceKind:
    """What one sentence says, whatever the names: finitely many for a schema.

    Attributes:
        lead: how it starts: with one item that the user had, with ``several``, with one item and how many others had
            it (``counted``), with several and their counts (``counts``), or with others who are not counted
            (``crowd``: several bridges).  Of a profile: several of the user's items have it, ``more`` or ``fewer`` than
            is usual, ``every`` one, fewer and but a ``single`` one, or ``never`` one.
        link: what leads to the recommended item: nothing more, an attribute ``shared`` through the same relation, a
            relation between the items (``direct``), similar ``text``, or, of items without a description, similar
            title and ``facts``, or a property whose ``vectors`` are alike.  Of a profile: what the items have,
            ``shared`` or ``years`` that they come from.
        steps: relations, each read from its subject: ``shared``: from the recommended item to the attribute;
            ``direct``: from it to the known item; ``vectors``: which property is alike.
        several: several attributes are shared.
    """

    lead: Lead
    link: Link
    steps: tuple[PathEdge, ...] = ()
    several: bool = False

    @property
    def key(self) -> str:
        """Stable name, the same in all languages: ``several shared DIRECTED_BY one``, ``one direct ^FOLLOWED_BY``.

        ``^`` marks a relation read against its direction; the last word of ``shared`` tells the number of attributes.
        """
        steps = [f"{'' if e.forward else '^'}{e.type or e.likeness}" for e in self.steps]
        number = ["several" if self.several else "one"] if self.link == "shared" else []
        return " ".join([self.lead, self.link, *steps, *number])

    @property
    def of_profile(self) -> bool:
        """Whether it says something of a user, and not why an item is recommended."""
        return self.lead in PROFILE_LEADS

    @property
    def through_others(self) -> bool:
        """Whether other users stand between the user's items and the next one."""
        return self.lead in _CROWDS

    @property
    def bridged(self) -> bool:
        """Whether a known item stands between the others and the recommended one."""
        return self.through_others and self.link != "none"

    @property
    def many(self) -> bool:
        """Whether the known items next to the recommended one are several."""
        return self.lead == "crowd" if self.through_others else self.lead == "several"

    @property
    def roles(self) -> tuple[tuple[Role, bool], ...]:
        """The slots, in a fixed order: what stands there, and whether it may be several."""
        if self.of_profile:
            counts: list[tuple[Role, bool]] = [("count", False)] if self.lead not in ("every", "never") else []
            return (*counts, ("total", False), ("shared", False))
        roles: list[tuple[Role, bool]] = [("count", False)] if self.lead == "counted" else []
        roles.append(("liked", self.lead in ("several", "counts", "crowd")))
        if self.bridged:
            roles.append(("bridge", self.lead == "crowd"))
        if self.link == "shared":
            roles.append(("shared", self.several))
        return (*roles, ("item", False))


@dataclass(frozen=True, slots=True)
class PatternSlot:
    """A place for names or a number.

    Attributes:
        tag: what stands for it in a sentence: ``FILM_1`` without the brackets.
        role: ``count`` (how many of those who had an item had the next one too: "112 of the 147 viewers"), ``liked``
            (what the user had; where the lead is ``counts``, who had each: "112 of the 147 viewers who liked A and 80
            of the 120 who liked B"), ``bridge`` (what the others had too), ``shared`` (the attribute), ``item`` (the
            recommended item, or "this film" where it was named before).  Of a profile: ``count`` of the user's
            ``total`` items have what is ``shared``.
        type: node type of the schema.
        several: a list of names may stand here ("A and B").
    """

    tag: str
    role: Role
    type: str
    several: bool


#: The sentences of the tone ``audit`` also say which share of what speaks for the item their paths make.
SHARE = PatternSlot("SHARE_1", "share", "", False)
#: A sentence about one item and those who had it may also say which share of all users had the recommended item.
RATE = PatternSlot("RATE_1", "rate", "", False)


@dataclass(frozen=True, eq=False)
class Pattern:
    """What one sentence says, in one language; two patterns of equal schemas, language and kind are equal.

    Attributes:
        schema: the schema.
        lang: code of the language.
        kind: the parts of the key.
        slots: in a fixed order; each occurs in a sentence exactly once.
    """

    schema: GraphSchema
    lang: str
    kind: SentenceKind
    slots: tuple[PatternSlot, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[str, str, SentenceKind]:
        return self.schema.digest, self.lang, self.kind

    @property
    def key(self) -> str:
        """Stable name, the same in all languages; see :attr:`SentenceKind.key`."""
        return self.kind.key

    @cached_property
    def tags(self) -> Mapping[Role, str]:
        """Tag by role, without brackets, those that not every sentence has included."""
        return {slot.role: slot.tag for slot in (*self.slots, SHARE, RATE)}

    def slots_of(self, tone: Tone) -> tuple[PatternSlot, ...]:
        """The slots that a sentence of a tone must have: ``audit`` also tells the share."""
        return (*self.slots, SHARE) if tone == "audit" else self.slots

    def by_tags(self, text: str) -> str:
        """A text with slots by role, ``[LIKED]``, as one with slots by tag, ``[FILM_1]``."""
        for role, tag in self.tags.items():
            text = text.replace(f"[{role.upper()}]", f"[{tag}]")
        return text

    def by_roles(self, text: str) -> str:
        """The reverse of :meth:`by_tags`."""
        for role, tag in self.tags.items():
            text = text.replace(f"[{tag}]", f"[{role.upper()}]")
        return text


def kinds(schema: GraphSchema) -> Iterator[SentenceKind]:
    """What the model's paths can say for a schema, in a fixed order."""
    item = schema.item.name
    leads: tuple[Lead, ...] = (*_SINGLE, *_CROWDS)
    yield from (SentenceKind(lead, "none") for lead in _CROWDS[:2])
    if schema.item.text_properties:
        yield from (SentenceKind(lead, "text") for lead in leads)
    yield from (SentenceKind(lead, "facts") for lead in leads)
    alike = [PathEdge(None, True, p.name) for p in schema.item.properties if p.use == "vector"]
    yield from (SentenceKind(lead, "vectors", (step,)) for step in alike for lead in leads)
    for relation in schema.knowledge_relations:
        if relation.source == relation.target:
            yield from (
                SentenceKind(lead, "direct", (PathEdge(relation.name, way),)) for way in (True, False) for lead in leads
            )
            continue
        step = (PathEdge(relation.name, relation.source == item),)
        yield from (SentenceKind(lead, "shared", step, several) for lead in _SINGLE for several in (False, True))
        yield from (SentenceKind(lead, "shared", step) for lead in _CROWDS)


def profile_kinds(schema: GraphSchema) -> Iterator[SentenceKind]:
    """What a profile of a user can say for a schema, in a fixed order."""
    item = schema.item.name
    for relation in schema.knowledge_relations:
        if relation.source != relation.target:
            step = (PathEdge(relation.name, relation.source == item),)
            yield from (SentenceKind(lead, "shared", step) for lead in PROFILE_LEADS)
    yield from (SentenceKind(lead, "years") for lead in PROFILE_LEADS)


def pattern(schema: GraphSchema, lang: str, kind: SentenceKind) -> Pattern:
    """The pattern of one kind of sentence."""
    return Pattern(schema, lang, kind, _slots(kind, schema))


def patterns(schema: GraphSchema, lang: str) -> tuple[Pattern, ...]:
    """All patterns that the model's paths can need: a finite, ordered list without repetition.

    Args:
        schema: any schema.
        lang: code of a language.
    """
    return tuple(pattern(schema, lang, kind) for kind in kinds(schema))


#: Tags of numbers by role.
_STEMS: Mapping[Role, str] = {"count": "COUNT", "total": "TOTAL"}
#: Tags that no node type has.
_NUMBERS = ("COUNT", "SHARE", "RATE", "TOTAL")


def _slots(kind: SentenceKind, schema: GraphSchema) -> tuple[PatternSlot, ...]:
    item = schema.item.name
    counts: dict[str, int] = {}
    slots = []
    for role, several in kind.roles:
        node_type = item
        if role == "count" and not kind.of_profile:
            node_type = schema.user.name
        elif role == "shared" and kind.steps:
            step = kind.steps[0]
            relation = schema.relation_types[step.type or ""]
            node_type = relation.target if step.forward else relation.source
        stem = _STEMS.get(role) or re.sub(r"[^A-Z0-9_]", "_", node_type.upper()) + "S" * several
        stem = "YEARS" if role == "shared" and kind.link == "years" else stem
        if stem in _NUMBERS and role not in _STEMS:
            stem += "_NODE"
        counts[stem] = counts.get(stem, 0) + 1
        slots.append(PatternSlot(f"{stem}_{counts[stem]}", role, node_type, several))
    return tuple(slots)
