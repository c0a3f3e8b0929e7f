"""All sentences that a schema knows in a language, ready to recognise a finished text by the words around its slots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from kg_rec.errors import ArgumentError
from kg_rec.explain.words.languages.chinese import REMARKS as CHINESE_REMARKS
from kg_rec.explain.words.languages.english import REMARKS as ENGLISH_REMARKS
from kg_rec.explain.words.patterns import SHARE, TONES, language_of, patterns
from kg_rec.explain.words.phrasebook import Phrasebook
from kg_rec.schema import GraphSchema

#: Marks that end a sentence.
ENDS = ".!?…。！？"

_SLOT = re.compile(r"\[([A-Z][A-Z0-9_]*_[0-9]+)\]")


@dataclass(frozen=True)
class Sentence:
    """A known sentence.

    Attributes:
        key: key of its pattern, or the note that it remarks on.
        literals: the words around the slots; one more than roles.
        roles: what stands in each slot, in the order of the text.
        shapes: recognise it; there is a second one if a full stop is dropped after a name that ends in one ("E.T.").
    """

    key: str
    literals: tuple[str, ...]
    roles: tuple[str, ...]
    shapes: tuple[re.Pattern[str], ...]

    @cached_property
    def longest(self) -> str:
        """The longest of the literals."""
        return max(self.literals, key=len).rstrip(".")


@dataclass(frozen=True)
class Sentences:
    """All sentences that a schema knows in a language.

    Attributes:
        schema: the schema.
        lang: ``en`` or ``zh``.
        known: the sentences, as long literals first.
    """

    schema: GraphSchema
    lang: str
    known: tuple[Sentence, ...]

    @classmethod
    def of(cls, schema: GraphSchema, lang: str, phrasebook: Phrasebook | None = None) -> Sentences:
        """The grammar's sentences and those of a phrasebook.

        Raises:
            SchemaError: no words for the language.
            PhraseError: a phrase does not fit the schema.
        """
        short, language = language_of(schema, lang)
        variants = phrasebook.for_schema(schema, short).variants if phrasebook else {}
        found: dict[tuple[str, str], Sentence] = {}
        for pattern in patterns(schema, short):
            roles = {slot.tag: str(slot.role) for slot in (*pattern.slots, SHARE)}
            item = f"[{pattern.tags['item']}]"
            for tone in TONES:
                texts = [pattern.sentence(tone), *(p.text for p in variants.get((pattern.key, tone), ()))]
                for text in texts:
                    this = language.this_item()
                    start = this[:1].upper() + this[1:] if text.startswith(item) else this
                    for one in (text, text.replace(item, start)):
                        found.setdefault((pattern.key, one), _sentence(pattern.key, one, roles))
        for note, text in (ENGLISH_REMARKS if short == "en" else CHINESE_REMARKS).items():
            found["", note] = _sentence(f"remark {note}", text, {"ITEM_1": "item"})
        return cls(schema, short, tuple(found.values()))


def _sentence(key: str, text: str, roles: Mapping[str, str]) -> Sentence:
    first, *rest = _SLOT.split(text)
    tags, literals = rest[::2], (first, *rest[1::2])
    if len(set(tags)) != len(tags):
        raise ArgumentError(f"{text!r}: expected each slot once")
    whole, dropped = re.escape(first), re.escape(first)
    for literal in literals[1:]:
        whole += f"(.+?){re.escape(literal)}"
        dropped += f"(.+?)(?<=[{ENDS}]){re.escape(literal[1:])}" if literal[:1] == "." else f"(.+?){re.escape(literal)}"
    shapes = tuple(re.compile(shape, re.DOTALL) for shape in dict.fromkeys((whole, dropped)))
    return Sentence(key, literals, tuple(roles[tag] for tag in tags), shapes)
