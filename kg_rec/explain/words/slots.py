"""Sentences taken apart once, to be filled many times, and names that are only names.

A pattern such as ``[FILM_2] was directed by [PERSON_1], like [FILM_1], which you liked.`` holds no data of the graph;
names are cleaned and filled in afterwards, in a single pass, so that a film called ``[PERSON_1]`` or ``{}`` is only a
film.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

#: Longest name shown, in characters; a longer one ends in an ellipsis.
MAX_NAME = 120

_SLOT = re.compile(r"\[([A-Z][A-Z0-9_]*)\]")


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence taken apart.

    Attributes:
        start: the text before the first slot.
        parts: for each slot, in the order of the sentence: what fills it (a tag or a role), and the text behind it.
    """

    start: str
    parts: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, sentence: str, names: Mapping[str, str] | None = None) -> Template:
        """Take a sentence apart.

        Args:
            sentence: text with ``[TAG]`` slots.
            names: what fills each tag, if not the tag itself.
        """
        start, *rest = _SLOT.split(sentence)
        pairs = zip(rest[::2], rest[1::2], strict=True)
        return cls(start, tuple((names[tag] if names else tag, text) for tag, text in pairs))

    def fill(self, texts: Mapping[Any, str]) -> str:
        """The sentence, in one pass: what a text contains is never read as a slot.

        A text at its start gets a capital letter.
        """
        said = self.start
        for what, after in self.parts:
            said += texts[what] + after
        return said if self.start else _capital(said)

    def filler(self, order: Sequence[str]) -> Callable[..., str]:
        """:meth:`fill` as a function of the texts in a fixed order, for many of them; all of the order are passed."""
        place = {what: n for n, what in enumerate(order)}
        plain = [
            part.replace("{", "{{").replace("}", "}}") for part in (self.start, *(after for _, after in self.parts))
        ]
        slots = [f"{{{place[what]}}}" for what, _ in self.parts]
        fill = "".join(chain(*zip(plain, [*slots, ""], strict=True))).format
        return fill if self.start else lambda *texts: _capital(fill(*texts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def clean_name(name: str | None, fallback: str | None = None, *, longest: int | None = MAX_NAME) -> str:
    """A name from the graph, made fit to stand in a line of text.

    Control characters, line breaks, direction marks, zero-width and other invisible format characters go; runs of
    white space become one space; what has no meaning in Unicode becomes U+FFFD; a name longer than ``longest`` is
    cut and ends in an ellipsis.

    Args:
        name: text from the graph.
        fallback: used where nothing visible is left, usually the key.
        longest: most characters, or None for no bound.

    >>> clean_name("Heat\\n\\u200b (1995)"), clean_name("  ", "film-7"), clean_name("Metropolis", longest=6)
    ('Heat (1995)', 'film-7', 'Metro…')
    """
    if name and len(name) <= (longest or len(name)) and name.isascii() and name.isprintable():
        words = " ".join(name.split())
        if words:
            return words
    for text in (name, fallback):
        visible = "".join(_visible(c) for c in (text or "")[: None if longest is None else 20 * longest])
        words = " ".join(visible.split())
        if words:
            return words if longest is None or len(words) <= longest else words[: longest - 1].rstrip() + "…"
    return "?"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    if category in ("Cs", "Cn", "Co"):
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category == "Cf" or character in _BLANK else character


#: Letters and marks that print nothing though Unicode does not call them format characters.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0",
) | {chr(c) for c in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
