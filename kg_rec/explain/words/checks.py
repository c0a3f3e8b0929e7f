"""Sentences of a file, each checked against the grammar of its pattern."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kg_rec.errors import PhraseError, SchemaError
from kg_rec.explain.words.grammar import check_phrase
from kg_rec.explain.words.languages.base import language
from kg_rec.explain.words.patterns import patterns
from kg_rec.schema import GraphSchema
from kg_rec.textfile import nothing_told_of_links, read_text

#: The columns of the file, named in its first line.
COLUMNS = ("language", "pattern", "phrase")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check says of one line.

    Attributes:
        line: its number, from 1.
        language, pattern, phrase: what it holds.
        reasons: why it is refused; empty if it is accepted.
    """

    line: int
    language: str
    pattern: str
    phrase: str
    reasons: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether it may be said."""
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        return {**asdict(self), "accepted": self.accepted}


def verdicts(schema: GraphSchema, file: Path) -> list[Verdict]:
    """The verdicts on all lines of a tab-separated file.

    A sentence with the slot of the share is checked as one of the tone ``audit``.

    Raises:
        PhraseError: the file cannot be read, or a line has not the columns; the message names file and line.
    """
    with nothing_told_of_links(file, PhraseError):
        return _verdicts(schema, file)


def _verdicts(schema: GraphSchema, file: Path) -> list[Verdict]:
    rows = list(csv.reader(read_text(file, PhraseError).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise PhraseError(f"{file}:1: expected the columns {', '.join(COLUMNS)}, separated by tabs")
    judged = []
    for number, row in enumerate(rows[1:], start=2):
        if row and len(row) != len(COLUMNS):
            raise PhraseError(f"{file}:{number}: expected {len(COLUMNS)} columns, got {len(row)}")
        if row:
            judged.append(Verdict(number, row[0], row[1], row[2], _reasons(schema, *row)))
    return judged


def _reasons(schema: GraphSchema, lang: str, key: str, text: str) -> tuple[str, ...]:
    try:
        code = language(lang).code
    except SchemaError as error:
        return (str(error),)
    known = {p.key: p for p in patterns(schema, code)}
    if key not in known:
        return (f"schema {schema.name} has no pattern {key!r}",)
    return check_phrase(known[key], text, code, "audit" if "[SHARE_1]" in text else "friendly")
