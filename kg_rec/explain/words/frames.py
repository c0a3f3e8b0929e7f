"""Frames: phrases for many patterns at once, for any schema or for any relation of one.

The text of a frame names slots by role (``[LIKED]``, ``[ITEM]``, ``[SHARED]``, ``[BRIDGE]``, ``[COUNT]``,
``[THROUGH]``, ``[SHARE]``) and takes words from the schema in braces:

=====================  ==========================================================================================
``{did X}``            what the user did, X the item: ``liked X``
``{which you did}``    ``which you liked``; where the verb phrase ends in its object
``{你做的}``            the same before a Chinese name: ``你喜欢的``
``{user}``, ``{item}``   nouns; ``{users}``, ``{items}`` in the plural, ``{Users}`` with a capital letter
``{has X}``            what the recommended item has or is, X the attribute: ``was directed by X``
``{of X}``             what the attribute did or is, X the item: ``directed X``; one attribute only, and no "is ... of"
``{noun}``             what the attribute is for the item: ``director``, ``directors``
``{forth X}``, ``{back X}``  a relation between items, from the recommended one, and from the known one
=====================  ==========================================================================================

A frame that needs a word which the schema does not have makes no phrase for that relation.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kg_rec.errors import ArgumentError
from kg_rec.explain.path import PathEdge
from kg_rec.explain.words.lexicon import Lexicon
from kg_rec.explain.words.patterns import SHARE, Pattern
from kg_rec.explain.words.vocabulary import noun_of
from kg_rec.schema import GraphSchema

_MACRO = re.compile(r"\{(which you did|[^{}\s]+)(?: ([^{}]+))?\}")
_ROLE = re.compile(r"\[(LIKED|ITEM|SHARED|BRIDGE|COUNT|THROUGH|SHARE)\]")


def fits(wanted: str, key: str) -> bool:
    """Whether the pattern of a frame covers a key: ``one/several shared * *`` covers ``one shared STARRING one``."""
    words, parts = wanted.split(), key.split()
    return len(words) == len(parts) and all(w == "*" or p in w.split("/") for w, p in zip(words, parts, strict=True))


def is_frame(schema: str, pattern: str, text: str) -> bool:
    """Whether a phrase stands for many patterns, or takes words from the schema."""
    return schema == "*" or "*" in pattern or "/" in pattern or "{" in text


def expand(text: str, pattern: Pattern, schema: GraphSchema) -> str | None:
    """The phrase of a frame for one pattern, with its slots; None where the schema or the pattern lacks a word."""
    words = Lexicon(schema, pattern.lang)
    tags = {slot.role.upper(): slot.tag for slot in (*pattern.slots, SHARE)}
    missing: list[str] = []

    def word(match: re.Match[str]) -> str:
        said = _word(match.group(1), match.group(2) or "", pattern, words)
        if said is None:
            missing.append(match.group(1))
        return said or ""

    def slot(match: re.Match[str]) -> str:
        if match.group(1) not in tags:
            missing.append(match.group(1))
        return f"[{tags.get(match.group(1), '')}]"

    while "{" in text and not missing:  # from the inside out: {forth {你做的}[LIKED]}
        text = _MACRO.sub(word, text)
    said = _ROLE.sub(slot, text)
    return None if missing else said


def _word(name: str, what: str, pattern: Pattern, words: Lexicon) -> str | None:
    user, item = words.schema.user.name, words.schema.item.name
    nouns: dict[str, Callable[[], str]] = {
        "user": lambda: words.noun(user),
        "users": lambda: words.noun(user, 2),
        "Users": lambda: words.noun(user, 2).capitalize(),
        "item": lambda: words.noun(item),
        "items": lambda: words.noun(item, 2),
    }
    if name in nouns:
        return nouns[name]()
    did = words.did()
    if name == "did":
        return did.replace("{}", what)
    if name in ("which you did", "你做的"):
        ending = "{}" if pattern.lang == "zh" else " {}"
        if not did.endswith(ending):
            return None
        verb = did.removesuffix(ending)
        return f"which you {verb}" if pattern.lang == "en" else f"你{verb.removesuffix('了')}的"
    step = pattern.kind.steps[0] if pattern.kind.steps else None
    return None if step is None else _relation(name, what, step, pattern, words)


def _relation(name: str, what: str, step: PathEdge, pattern: Pattern, words: Lexicon) -> str | None:
    turned = PathEdge(step.type, not step.forward)
    if name == "has":
        return words.verb(step, several=pattern.kind.several).replace("{}", what)
    if name == "of":
        phrase = words.phrase(turned)
        copula = phrase is None or phrase.startswith(("is ", "was ", "had ", "是"))
        return None if phrase is None or copula or pattern.kind.several else phrase.replace("{}", what)
    if name == "noun":
        return noun_of(words, step, pattern.kind.several)
    if name in ("forth", "back"):
        phrase = words.phrase(step if name == "forth" else turned)
        return None if phrase is None else phrase.replace("{}", what)
    raise ArgumentError(f"a frame has no word {{{name}}}; see kg_rec/explain/words/frames.py")
