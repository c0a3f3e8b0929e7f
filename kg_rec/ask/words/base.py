"""What a language gives: which words mean what, and how an answer is put.  One file a language."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Kinds of tokens whose words carry no further value.
PLAIN = (
    "not", "like", "but", "or", "and", "only", "more", "less", "why", "why not", "another", "reset", "around",
    "between", "to", "same", "than", "of", "item", "filler", "measure", "from", "half", "decade", "recent", "past", "ask", "them", "people", "absent", "excluded",
)  # fmt: skip


@dataclass(frozen=True)
class Words:
    """The words of one language.

    Attributes:
        code: of the language.
        plain: per kind of :data:`PLAIN`, its words.
        bound: words before a number -> operator: ``under``.
        after: words after a number -> operator: ``or less``; ``~`` for "around".
        than: words that compare -> field and operator: ``cheaper``.
        field: words that name a field -> field, and the operator where none is said: ``budget``.
        unit: words of measure -> field and factor: ``hours`` are 60 minutes.
        number: number words.
        ordinal: words for places of a list; -1 for the last.
        decade: words for decades -> first year.
        century: words for centuries -> first year.
        part: words for parts of a decade -> first and last year in it.
        relation: nouns for relation types -> their labels in the schema, in this language.
        names: other words for names that a graph may have.
        nearly: adjectives -> names that a graph may have, of which the items are more or less of that.
        gloss: the same words in English for the text model, where the language is another.
        relation_first: whether a relation stands before its node: "directed by X".
        article: how a word is put to the text model: "a {} film".
        say: sentences of answers; each a format string.
    """

    code: str
    plain: Mapping[str, tuple[str, ...]]
    bound: Mapping[str, str]
    after: Mapping[str, str]
    than: Mapping[str, tuple[str, str]]
    field: Mapping[str, tuple[str, str | None]]
    unit: Mapping[str, tuple[str, float]]
    number: Mapping[str, float]
    ordinal: Mapping[str, int]
    decade: Mapping[str, int]
    century: Mapping[str, int]
    part: Mapping[str, tuple[int, int]]
    relation: Mapping[str, tuple[str, ...]]
    names: Mapping[str, tuple[str, ...]]
    nearly: Mapping[str, tuple[str, ...]]
    relation_first: bool
    article: str
    say: Mapping[str, str]
    gloss: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def entries(self) -> list[tuple[str, str, Any]]:
        """Every phrase with the kind of its token and its value."""
        found: list[tuple[str, str, Any]] = [(p, kind, None) for kind, some in self.plain.items() for p in some]
        valued = (
            "bound",
            "after",
            "than",
            "field",
            "unit",
            "number",
            "ordinal",
            "decade",
            "century",
            "part",
            "relation",
        )
        for kind in (*valued, "nearly"):
            found += [(phrase, kind, value) for phrase, value in getattr(self, kind).items()]
        return found


def spread(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table whose keys are several words for one thing, ``"hour, hours, h"``, as one entry a word."""
    return {word.strip(): value for words, value in table.items() for word in words.split(",")}


def split(words: str) -> tuple[str, ...]:
    """The words of a list that is written with commas."""
    return tuple(word.strip() for word in words.replace("\n", " ").split(",") if word.strip())
