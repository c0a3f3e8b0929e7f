"""The sentences of a schema in one wording: taken apart once, then only filled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from kg_rec.errors import SchemaError
from kg_rec.explain.words.grammar import sentences
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.explain.words.patterns import Role, SentenceKind, Tone, pattern
from kg_rec.explain.words.slots import Template
from kg_rec.explain.words.wording import Wording
from kg_rec.schema import GraphSchema


@dataclass(frozen=True, slots=True)
class Row:
    """One reason.

    Attributes:
        kind: of its sentence.
        texts: what fills the slots, besides the recommended item and the share.
        share: its part of what speaks for the item, 0 to 1.
    """

    kind: SentenceKind
    texts: Mapping[Role, str]
    share: float


@dataclass(frozen=True)
class Sentences:
    """The sentences of one schema in one wording, taken apart.

    Attributes:
        language: speaks about the schema.
        tone: which sentences.
        phrases: texts by key and tone that are spoken in place of those that ship.
    """

    language: Language
    tone: Tone
    phrases: Mapping[tuple[str, Tone], tuple[str, ...]]
    _known: dict[tuple[SentenceKind, bool, str], tuple[Template, ...]] = field(default_factory=dict, repr=False)
    _remarks: dict[str, Template] = field(default_factory=dict, repr=False)

    def templates(self, kind: SentenceKind, named: bool = True, weight: str = "") -> tuple[Template, ...]:
        """The sentences for a kind, at least one.

        Args:
            kind: the kind.
            named: whether they name the recommended item; else they say "this film".
            weight: what stands before them: "Mainly: ".

        Raises:
            SchemaError: the schema cannot say a relation in this language.
        """
        found = self._known.get((kind, named, weight))
        if found is None:
            said = pattern(self.language.schema, self.language.code, kind)
            texts = self.phrases.get((said.key, self.tone)) or sentences(said, self.tone)
            if not texts:
                raise SchemaError(
                    f"schema {self.language.schema.name}: the pattern {said.key!r} cannot be said in "
                    f"{self.language.title}; check the words of its relation for brackets and braces"
                )
            roles = {tag: role for role, tag in said.tags.items()}
            found = self._known[kind, named, weight] = tuple(
                Template.parse(self._placed(text, said.tags["item"], named, weight), roles) for text in texts
            )
        return found

    def _placed(self, text: str, item: str, named: bool, weight: str) -> str:
        if not named:
            text = text.replace(f"[{item}]", self.language.this_item())
            text = text[:1].upper() + text[1:]
        return weight + self.language.opened(text) if weight else text

    def say(self, row: Row, item: str | None = None, seed: int = 0, weight: str = "") -> str:
        """One reason in words.

        Args:
            row: the reason.
            item: the recommended item's name as it is written; None where it was named before.
            seed: chooses among the sentences.
            weight: see :meth:`templates`.
        """
        known = self.templates(row.kind, item is not None, weight)
        texts = {**row.texts, "item": item or "", "share": self.language.percent(row.share)}
        return known[seed % len(known)].fill(texts)

    def remark(self, name: str, texts: Mapping[str, str]) -> str:
        """A sentence about the score as a whole; see :attr:`Language.remarks`."""
        return self.template(name).fill(texts)

    def template(self, name: str) -> Template:
        """The sentence of a remark, taken apart."""
        found = self._remarks.get(name)
        if found is None:
            words = self.language.words((), "none", False, False)
            text = re.sub(r"\{(\w+)\}", lambda m: words[m.group(1)][0], self.language.remarks[name])
            found = self._remarks[name] = Template.parse(text)
        return found


def sentences_of(schema: GraphSchema, wording: Wording) -> Sentences:
    """The sentences of a schema in a wording; the same arguments give the same object, with what it took apart.

    Raises:
        PhraseError: a phrase of the book is refused.
        SchemaError: the schema cannot say a relation in the language.
    """
    return _sentences_of(_Schema(schema), wording)


@dataclass(frozen=True, eq=False)
class _Schema:
    """A schema as a key: its digest stands for it."""

    schema: GraphSchema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and other.schema.digest == self.schema.digest

    def __hash__(self) -> int:
        return hash(self.schema.digest)


@lru_cache(maxsize=32)
def _sentences_of(key: _Schema, wording: Wording) -> Sentences:
    book, lang = wording.phrasebook, wording.lang
    return Sentences(speaker(key.schema, lang), wording.tone, book.for_schema(key.schema, lang) if book else {})
