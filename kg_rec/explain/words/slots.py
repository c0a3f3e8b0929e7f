"""Sentence patterns with typed slots, and names that are only names.

A pattern such as ``[FILM_1], which you liked, has the same description as [FILM_2]`` holds no data of the graph;
names are cleaned and filled in afterwards, in a single pass, so that a film called ``[PERSON_1]`` or ``{}`` is
only a film.  Whoever phrases a pattern (the grammar, a person, a language model), :func:`check` accepts only
sentences that use every slot once and nothing else that looks like one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kg_rec.errors import SlotError

#: Longest name shown, in characters; a longer one ends in an ellipsis.
MAX_NAME = 120

_SLOT = re.compile(r"\[([A-Z][A-Z0-9_]*_[0-9]+)\]")
_SLOT_LIKE = re.compile(r"\[[^\]]*\]?|\]|[{}]")
_CLOSERS = ".!?…。！？"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a sentence.

    Attributes:
        tag: what stands in the pattern between square brackets: ``FILM_1``, ``FILMS_1`` (several), ``COUNT_1``.
        text: what is filled in: cleaned names, joined and cut as the language does, or a number of people.
    """

    tag: str
    text: str


@dataclass(frozen=True, slots=True)
class SlotPattern:
    """A sentence without names.

    Attributes:
        template: the sentence, with ``[TAG]`` where a slot goes; the same for all paths of one kind.
        slots: the slots, in the order of the template.
    """

    template: str
    slots: tuple[Slot, ...]

    @property
    def sentence(self) -> str:
        """The template with the slots filled."""
        return fill(self.template, {slot.tag: slot.text for slot in self.slots})


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence taken apart once, to be filled many times.

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

        A full stop after a text that ends in one is dropped ("E.T.").
        """
        said = self.start
        for what, after in self.parts:
            text = texts[what]
            said += text + (after[1:] if after[:1] == "." and text[-1:] in _CLOSERS else after)
        return said


def fill(template: str, slots: Mapping[str, str]) -> str:
    """Put texts into slots, in one pass: what a text contains is never read as a slot.

    Args:
        template: sentence with ``[TAG]`` slots.
        slots: text by tag.

    Raises:
        SlotError: the template does not use every slot once, or uses others.
    """
    problems = check(template, tuple(slots))
    if problems:
        raise SlotError(f"{template!r}: {'; '.join(problems)}")
    return Template.parse(template).fill(slots)


def check(template: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """What is wrong with a sentence for a set of slots; empty if it uses each once and nothing else like a slot.

    Args:
        template: a proposed sentence.
        tags: the tags it must use, ``("FILM_1", "COUNT_1")``.
    """
    used = Counter(_SLOT.findall(template))
    problems = [f"[{tag}] occurs {used[tag]} times, expected once" for tag in tags if used[tag] != 1]
    problems += [f"[{tag}] is not a slot of this pattern" for tag in used if tag not in tags]
    rest = _SLOT_LIKE.search(_SLOT.sub("", template))
    if rest:
        problems.append(f"{rest.group()!r} looks like a slot; sentences hold no brackets or braces besides their slots")
    return tuple(problems)


def clean_name(name: str | None, fallback: str | None = None, *, longest: int | None = MAX_NAME) -> str:
    """A name from the graph, made fit to stand in a line of text.

    Control characters, line breaks, direction marks, zero-width and other invisible format characters go; runs of
    white space become one space; what has no meaning in Unicode becomes U+FFFD; a name longer than ``longest`` is
    cut and ends in an ellipsis.

    Args:
        name: text from the graph.
        fallback: used where nothing visible is left, usually the key.
        longest: most characters, or None for no bound.
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
