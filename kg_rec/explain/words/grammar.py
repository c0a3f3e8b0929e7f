"""Explanations in words, from a phrasebook and the grammar made from the schema's labels.

Deterministic, offline, and every name, number and relation in the text is on a path: a sentence is first a pattern
with typed slots (:mod:`kg_rec.explain.words.patterns`), then filled.  English and Chinese; any schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from zlib import crc32

from kg_rec.errors import ArgumentError, ConfigError
from kg_rec.explain.path import PathGroup, PathNode
from kg_rec.explain.words.languages.chinese import REMARKS as CHINESE_REMARKS
from kg_rec.explain.words.languages.english import REMARKS as ENGLISH_REMARKS
from kg_rec.explain.words.numbers import percent
from kg_rec.explain.words.patterns import LANGUAGES, SHARE, Pattern, language_of
from kg_rec.explain.words.patterns import pattern as pattern_for
from kg_rec.explain.words.phrasebook import TONES, Phrasebook, SchemaPhrases, Tone
from kg_rec.explain.words.sentence_kinds import Kind, Language, Reader, Role, texts_of
from kg_rec.explain.words.slots import Slot, SlotPattern, Template
from kg_rec.schema import GraphSchema

__all__ = ["LANGUAGES", "Teller", "compiled", "pattern_of", "seed_of", "verbalize"]

_NOTES = ("already_interacted", "no_interactions")


@dataclass(frozen=True, slots=True)
class Compiled:
    """The sentences for one kind, ready to be filled: the phrases of a tone, or the grammar's sentence.

    Attributes:
        pattern: what they say.
        naming: at least one, in the order of the phrasebook; they name the recommended item.
        later: the same, saying "this film" instead, for sentences after the first.
    """

    pattern: Pattern
    naming: tuple[Template, ...]
    later: tuple[Template, ...]


@dataclass(frozen=True)
class Teller:
    """Speaks about one schema in one language and tone; keeps what it compiled.

    Attributes:
        schema: gives the words.
        lang: ``en`` or ``zh``.
        language: names, numbers and the grammar.
        tone: ``short``, ``friendly``, ``formal`` or ``audit``.
        phrases: where they have none, the grammar speaks.
        reader: finds the kinds of paths.
    """

    schema: GraphSchema
    lang: str
    language: Language
    tone: Tone
    phrases: SchemaPhrases | None
    reader: Reader
    _kinds: dict[Kind, Compiled] = field(default_factory=dict, repr=False)

    def compiled(self, kind: Kind) -> Compiled:
        """The sentences for a kind.

        Raises:
            SchemaError: the schema cannot say a relation in this language.
        """
        found = self._kinds.get(kind)
        if found is None:
            pattern = pattern_for(self.schema, self.lang, kind)
            some = self.phrases.variants.get((pattern.key, self.tone), ()) if self.phrases else ()
            texts = [phrase.text for phrase in some] or [pattern.sentence(self.tone)]
            roles = {slot.tag: slot.role for slot in (*pattern.slots, SHARE)}
            tag, this = f"[{pattern.tags['item']}]", self.language.this_item()
            later = [(this[0].upper() + this[1:] if t.startswith(tag) else this).join(t.split(tag)) for t in texts]
            naming, anew = (tuple(Template.parse(t, roles) for t in some) for some in (texts, later))
            found = self._kinds[kind] = Compiled(pattern, naming, anew)
        return found

    def say(self, kind: Kind, texts: Mapping[Role, str], seed: int = 0) -> str:
        """One sentence.

        Args:
            kind: what it says.
            texts: what fills each slot; see :func:`kg_rec.explain.words.sentence_kinds.texts_of`.  Without ``item`` the
            sentence says
                "this film"; the tone ``audit`` takes ``share`` besides.
            seed: chooses among variants.
        """
        sentences = self.compiled(kind)
        templates = sentences.naming if "item" in texts else sentences.later
        return templates[seed % len(templates)].fill(texts)

    def tell(
        self,
        groups: Sequence[PathGroup],
        item_name: str,
        notes: Sequence[str] = (),
        *,
        base_only: bool = False,
        sentences: int = 3,
        seed: int = 0,
    ) -> str:
        """An explanation in words; see :func:`verbalize`."""
        unknown = sorted(set(notes) - set(_NOTES))
        if unknown:
            raise ArgumentError(f"expected the notes {', '.join(_NOTES)}; got {', '.join(unknown)}")
        item = PathNode(self.schema.item.name, "", item_name)
        said = []
        for n, paths in enumerate(self.reader.merge(groups)[:sentences]):
            kind = self.reader.kind(paths)
            texts = texts_of(paths, kind, self.language, None if n else item)
            if self.tone == "audit":
                texts["share"] = percent(sum(p.share for p in paths))
            said.append(self.say(kind, texts, seed + n))
        if not said:
            why = "no_interactions" if "no_interactions" in notes else "base_only" if base_only else "no_path"
            said.append(self.remark(why, item))
        if "already_interacted" in notes:
            said.append(self.remark("already_interacted", item))
        return self.language.gap.join(said)

    def remark(self, note: str, item: PathNode) -> str:
        """What is said where there is no path to tell: ``already_interacted``, ``no_interactions``, ``base_only``,
        ``no_path``.
        """
        text = (ENGLISH_REMARKS if self.lang == "en" else CHINESE_REMARKS)[note]
        return Template.parse(text, {"ITEM_1": "item"}).fill({"item": self.language.name(item)})


def compiled(
    schema: GraphSchema, lang: str = "en", tone: Tone = "friendly", phrasebook: Phrasebook | None = None
) -> Teller:
    """What tells explanations of a schema; the same arguments give the same teller, with what it compiled.

    Args:
        schema: gives the words.
        lang: ``en`` or ``zh``; a region is ignored (``zh-CN``).
        tone: which phrases.
        phrasebook: phrases; None for the grammar alone.

    Raises:
        ConfigError: the tone is unknown.
        SchemaError: no grammar for the language.
        PhraseError: a phrase of the book does not fit the schema.
    """
    return _teller(_Schema(schema), lang, tone, phrasebook)


@dataclass(frozen=True, eq=False)
class _Schema:
    """A schema as a key: its digest stands for it."""

    schema: GraphSchema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and other.schema.digest == self.schema.digest

    def __hash__(self) -> int:
        return hash(self.schema.digest)


@lru_cache(maxsize=32)
def _teller(key: _Schema, lang: str, tone: Tone, phrasebook: Phrasebook | None) -> Teller:
    if tone not in TONES:
        raise ConfigError(f"expected one of the tones {', '.join(TONES)}, got {tone!r}")
    short, language = language_of(key.schema, lang)
    phrases = phrasebook.for_schema(key.schema, short) if phrasebook else None
    return Teller(key.schema, short, language, tone, phrases, Reader(key.schema))


def verbalize(
    schema: GraphSchema,
    groups: Sequence[PathGroup],
    item_name: str,
    notes: Sequence[str] = (),
    lang: str = "en",
    *,
    base_only: bool = False,
    sentences: int = 3,
    tone: Tone = "friendly",
    phrasebook: Phrasebook | None = None,
    seed: int = 0,
) -> str:
    """An explanation in words.

    Only paths that speak for the item are told, the most important first; groups that differ in the channel only,
    and attributes of one relation shared with the same items, share a sentence.  For many explanations make a
    :func:`compiled` teller once.

    Args:
        schema: gives the words.
        groups: the paths shown, largest first.
        item_name: name of the recommended item; data, it is cleaned.
        notes: ``already_interacted``, ``no_interactions``.
        lang: ``en`` or ``zh``; a region is ignored (``zh-CN``).
        base_only: the score has no term besides the base; said where there is no path to tell.
        sentences: most sentences about paths.
        tone: which phrases.
        phrasebook: phrases; where they have none, and without a book, the grammar speaks.
        seed: chooses among variants; see :func:`seed_of`.

    Raises:
        SchemaError: no grammar for the language, or the schema has neither a phrase nor a label for a relation in it,
            or a path does not fit the schema.
        PhraseError: a phrase of the book does not fit the schema.
        ArgumentError: a note that is not known.
    """
    teller = compiled(schema, lang, tone, phrasebook)
    return teller.tell(groups, item_name, notes, base_only=base_only, sentences=sentences, seed=seed)


def seed_of(user: str, item: str) -> int:
    """A whole number for a user and an item, the same on every machine (CRC-32)."""
    return crc32(f"{user}\0{item}".encode("utf-8", "surrogatepass"))


def pattern_of(group: PathGroup, schema: GraphSchema, lang: str = "en") -> SlotPattern:
    """The grammar's sentence about one group, with slots instead of names.

    Args:
        group: paths of one pattern.
        schema: gives the words.
        lang: ``en`` or ``zh``.

    Raises:
        SchemaError: see :func:`verbalize`.
        ArgumentError: no path of the group speaks for the item, so there is nothing to say.
    """
    teller = compiled(schema, lang)
    told = teller.reader.merge([group])
    if not told:
        raise ArgumentError(
            "expected a group with at least one path of positive value through existing nodes, got none"
        )
    kind = teller.reader.kind(told[0])
    texts = texts_of(told[0], kind, teller.language, told[0][0].nodes[-1])
    found = teller.compiled(kind).pattern
    return SlotPattern(found.reference, tuple(Slot(slot.tag, texts[slot.role]) for slot in found.slots))
