"""Phrases: sentences that people or language models wrote for patterns, kept in files that people can read.

One phrase is one line of JSON::

    {"schema": "movies", "lang": "en", "pattern": "one shared DIRECTED_BY one", "tone": "friendly",
     "text": "You liked [FILM_1], and [FILM_2] was directed by [PERSON_1] as well."}

Names are filled in afterwards.  Where a book has phrases for a pattern and tone they are spoken in place of the
sentences that ship (:func:`kg_rec.explain.words.grammar.sentences`).  A book with a phrase that
:func:`kg_rec.explain.words.grammar.check_phrase` refuses is refused as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from kg_rec.errors import PhraseError
from kg_rec.explain.words.grammar import check_phrase
from kg_rec.explain.words.languages.registry import languages
from kg_rec.explain.words.patterns import TONES, Pattern, Tone, patterns
from kg_rec.schema import GraphSchema
from kg_rec.textfile import nothing_told_of_links, parse_json, read_text

_FIELDS = ("schema", "lang", "pattern", "tone", "text")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One sentence for one pattern.

    Attributes:
        schema: name of the schema that it is for.
        lang: code of its language.
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


@dataclass(frozen=True, eq=False)
class Phrasebook:
    """Phrases of any schemas and languages; a book is equal to itself only.

    Attributes:
        phrases: in the order of the files.
    """

    phrases: tuple[Phrase, ...] = ()

    @classmethod
    def load(cls, *paths: str | Path, schema: GraphSchema | None = None) -> Phrasebook:
        """Read JSON Lines files.

        Args:
            paths: the files.
            schema: phrases for it, in all languages, are checked at once; others when they are first spoken.

        Raises:
            PhraseError: a file cannot be read, a line is not a phrase, or a phrase for ``schema`` is refused; the
                message names file and line.
        """
        phrases: list[Phrase] = []
        for path in paths:
            with nothing_told_of_links(path, PhraseError):
                phrases += _read(Path(path))
        book = cls(tuple(phrases))
        if schema is not None:
            for lang in dict.fromkeys(phrase.lang for phrase in book.phrases):
                book.for_schema(schema, lang)
        return book

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

    def for_schema(self, schema: GraphSchema, lang: str) -> Mapping[tuple[str, Tone], tuple[str, ...]]:
        """The texts for one schema and language by key of the pattern and tone, in the order of the files.

        Raises:
            PhraseError: a phrase names a pattern that the schema does not have, or is refused; the message names its
                file and line.
            SchemaError: there is no such language, or the schema cannot say a relation in it.
        """
        known = {p.key: p for p in patterns(schema, lang)}
        by_pattern: dict[tuple[str, Tone], dict[str, None]] = {}
        for phrase in self.phrases:
            if phrase.schema == schema.name and phrase.lang == lang:
                _require(phrase, known, schema)
                by_pattern.setdefault((phrase.pattern, phrase.tone), {})[phrase.text] = None
        return {key: tuple(texts) for key, texts in by_pattern.items()}


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
    lines = read_text(file, PhraseError).split("\n")
    return [_phrase(line, f"{file}:{n}") for n, line in enumerate(lines, start=1) if line.strip()]


def _phrase(line: str, origin: str) -> Phrase:
    try:
        row: Any = parse_json(line)
    except ValueError as error:
        raise PhraseError(f"{origin}: expected one JSON object a line, got {line[:60]!r}: {error}") from error
    if not isinstance(row, dict) or set(row) != set(_FIELDS) or not all(isinstance(v, str) for v in row.values()):
        raise PhraseError(f"{origin}: expected an object with the texts {', '.join(_FIELDS)}, got {line[:80]!r}")
    for what, known in (("tone", TONES), ("lang", languages())):
        if row[what] not in known:
            kind = {"tone": "tones", "lang": "languages"}[what]
            raise PhraseError(f"{origin}: expected one of the {kind} {', '.join(known)}, got {row[what]!r}")
    return Phrase(row["schema"], row["lang"], row["pattern"], cast(Tone, row["tone"]), row["text"], origin)
