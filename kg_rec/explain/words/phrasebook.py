"""Phrases: checked sentences for patterns, in several variants and tones, kept in files that people can read.

One phrase is one line of JSON::

    {"schema": "movies", "lang": "en", "pattern": "one shared DIRECTED_BY one", "tone": "friendly",
     "text": "You liked [FILM_1]; [PERSON_1] directed it, and [FILM_2] too."}

A line for schema ``*``, or whose pattern holds ``*`` or ``/``, or whose text holds braces, is a frame
(:mod:`kg_rec.explain.words.frames`): it makes a phrase for each pattern that it covers.  Names are filled in
afterwards.  A phrase that :func:`kg_rec.explain.words.checker.check_phrase` rejects is never used: the grammar's
sentence stands in for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from kg_rec.errors import PhraseError
from kg_rec.explain.words.checker import check_phrase
from kg_rec.explain.words.frames import expand, fits, is_frame
from kg_rec.explain.words.patterns import LANGUAGES, TONES, Pattern, PatternSlot, Tone, pattern, patterns
from kg_rec.schema import GraphSchema
from kg_rec.textfile import parse_json, read_text

__all__ = [
    "LANGUAGES",
    "TONES",
    "Pattern",
    "PatternSlot",
    "Phrase",
    "Phrasebook",
    "SchemaPhrases",
    "Tone",
    "check_phrase",
    "pattern",
    "patterns",
]

_FIELDS = ("schema", "lang", "pattern", "tone", "text")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One sentence for one pattern.

    Attributes:
        schema: name of the schema that it is for.
        lang: ``en`` or ``zh``.
        pattern: key of the pattern.
        tone: ``short``, ``friendly``, ``formal`` or ``audit``.
        text: the sentence, each slot of the pattern in square brackets once.
        origin: file and line that it was read from; empty if it was made otherwise.
    """

    schema: str
    lang: str
    pattern: str
    tone: Tone
    text: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class SchemaPhrases:
    """The phrases of one schema in one language, checked; see :meth:`Phrasebook.for_schema`.

    Attributes:
        lang: ``en`` or ``zh``.
        variants: texts by key of the pattern and tone, in the order of the files.
        refused: what frames made for a pattern and the checker refused, with its reasons; never used.
    """

    lang: str
    variants: Mapping[tuple[str, Tone], tuple[Phrase, ...]]
    refused: tuple[tuple[Phrase, tuple[str, ...]], ...] = ()

    def choose(self, pattern: str, tone: Tone, seed: int) -> Phrase | None:
        """One of the variants, always the same for the same seed; None if there is none: use the grammar.

        Args:
            pattern: key of the pattern.
            tone: the tone.
            seed: any whole number from 0, different from list entry to list entry so that a list does not read
                monotonously; see :func:`kg_rec.explain.words.grammar.seed_of`.
        """
        some = self.variants.get((pattern, tone))
        return some[seed % len(some)] if some else None


@dataclass(frozen=True, eq=False)
class Phrasebook:
    """Phrases of any schemas and languages; a book is equal to itself only.

    Attributes:
        phrases: in the order of the files.
    """

    phrases: tuple[Phrase, ...] = ()

    @classmethod
    def load(cls, *paths: str | Path) -> Phrasebook:
        """Read JSON Lines files.

        Raises:
            PhraseError: a file cannot be read, or a line is not a phrase; the message names file and line.
        """
        return cls(tuple(phrase for path in paths for phrase in _read(Path(path))))

    @staticmethod
    @cache
    def shipped() -> Phrasebook:
        """The phrases that ship with kg_rec: for every schema, and more for the bundled ones."""
        folder = files("kg_rec.explain.words") / "phrases"
        texts = {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.name.endswith(".jsonl")}
        order = sorted(texts, key=lambda name: (name.startswith("any."), name))  # those for one schema come first
        return Phrasebook(tuple(phrase for name in order for phrase in _lines(texts[name], name)))

    def save(self, file: str | Path) -> None:
        """Write all phrases into one JSON Lines file, sorted, so that two versions can be compared."""
        order = {tone: n for n, tone in enumerate(TONES)}
        rows = sorted(self.phrases, key=lambda p: (p.schema, p.lang, p.pattern, order[p.tone]))
        lines = [json.dumps({f: getattr(p, f) for f in _FIELDS}, ensure_ascii=False) + "\n" for p in rows]
        Path(file).write_text("".join(lines), encoding="utf-8")

    def add(self, phrases: Iterable[Phrase]) -> Phrasebook:
        """The book with more phrases behind its own; one that it has already (same text) is not repeated."""
        known = {replace(p, origin=""): p for p in self.phrases}
        for phrase in phrases:
            known.setdefault(replace(phrase, origin=""), phrase)
        return Phrasebook(tuple(known.values()))

    def for_schema(self, schema: GraphSchema, lang: str) -> SchemaPhrases:
        """The phrases for one schema and language, checked against its patterns.

        Raises:
            PhraseError: a phrase names a pattern that the schema does not have, or is rejected by
                :func:`check_phrase`; the message names its file and line.
            SchemaError: the schema has no words for the language.
        """
        known = {p.key: p for p in patterns(schema, lang)}
        variants: dict[tuple[str, Tone], list[Phrase]] = {}
        refused: list[tuple[Phrase, tuple[str, ...]]] = []
        for phrase in self.phrases:
            if phrase.schema not in (schema.name, "*") or phrase.lang != lang:
                continue
            if not is_frame(phrase.schema, phrase.pattern, phrase.text):
                _require(phrase, known, schema)
                variants.setdefault((phrase.pattern, phrase.tone), []).append(phrase)
                continue
            for key, found in known.items():
                text = expand(phrase.text, found, schema) if fits(phrase.pattern, key) else None
                if text is None:
                    continue
                made = replace(phrase, schema=schema.name, pattern=key, text=text)
                wrong = check_phrase(found, text, lang, phrase.tone)
                if wrong:
                    refused.append((made, wrong))
                elif all(text != p.text for p in variants.get((key, phrase.tone), ())):
                    variants.setdefault((key, phrase.tone), []).append(made)
        return SchemaPhrases(lang, {key: tuple(some) for key, some in variants.items()}, tuple(refused))


def _require(phrase: Phrase, known: Mapping[str, Pattern], schema: GraphSchema) -> None:
    if phrase.pattern not in known:
        raise PhraseError(
            f"{phrase.origin or phrase.text}: schema {schema.name} has no pattern {phrase.pattern!r}; expected one "
            f"that patterns() lists, such as {next(iter(known))!r}"
        )
    wrong = check_phrase(known[phrase.pattern], phrase.text, phrase.lang, phrase.tone)
    if wrong:
        raise PhraseError(f"{phrase.origin or phrase.pattern}: {phrase.text!r} is refused: {'; '.join(wrong)}")


def _read(file: Path) -> Sequence[Phrase]:
    return _lines(read_text(file, PhraseError), str(file))


def _lines(text: str, origin: str) -> Sequence[Phrase]:
    return [_phrase(line, f"{origin}:{n}") for n, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _phrase(line: str, origin: str) -> Phrase:
    try:
        row: Any = parse_json(line)
    except ValueError as error:
        raise PhraseError(f"{origin}: expected one JSON object a line, got {line[:60]!r}: {error}") from error
    if not isinstance(row, dict) or set(row) != set(_FIELDS) or not all(isinstance(v, str) for v in row.values()):
        raise PhraseError(f"{origin}: expected an object with the texts {', '.join(_FIELDS)}, got {line[:80]!r}")
    if row["tone"] not in TONES:
        raise PhraseError(f"{origin}: expected one of the tones {', '.join(TONES)}, got {row['tone']!r}")
    if row["lang"] not in LANGUAGES:
        raise PhraseError(f"{origin}: expected one of the languages {', '.join(LANGUAGES)}, got {row['lang']!r}")
    return Phrase(row["schema"], row["lang"], row["pattern"], cast(Tone, row["tone"]), row["text"], origin)
