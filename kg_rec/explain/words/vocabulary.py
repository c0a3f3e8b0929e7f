"""The words that a phrase may use, and the claims that it must make: a closed vocabulary.

A phrase is read by people as a statement of fact, so it may hold nothing that is not on the path: its words come from
a short list of common words (``phrases/common.<lang>.txt``), the schema's labels and phrases of the relations on the
path, and their synonyms (``phrases/words.json``).  A word of another relation, a name, a number, a negation, praise or
a promise is in none of these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kg_rec.explain.path import PathEdge
from kg_rec.explain.words.lexicon import Lexicon
from kg_rec.explain.words.sentence_kinds import Kind

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")

#: Words that carry no relation by themselves.
_EMPTY = re.compile(r"an?|the|is|are|was|were|be|been|has|have|had|of|to|in|on|by|for|from|with|at|as|its?|and|or|.")

#: Words that say the link where it is no relation of the schema, and further words for it.
_LINKS = {
    ("text", "en"): "description descriptions text texts described plot plots summary summaries",
    ("text", "zh"): "简介 文字介绍 内容介绍",
    ("chain", "en"): "linked link links connected connects connection path leads lead reached",
    ("chain", "zh"): "相关联 关联 联系 相连 路径",
}
_BESIDES = {
    ("text", "en"): "close closely similar alike resembles resemble reads read much very near",
    ("text", "zh"): "相近 相似 接近 类似 很",
    ("chain", "en"): "steps step",
    ("chain", "zh"): "通过 经由 经过",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What the checker knows about one pattern, in its language.

    Attributes:
        allowed: words that may occur (English: in small letters; Chinese: pieces that a sentence is made of).
        acts: verb phrases of the user's interaction, ``{}`` for the item: "liked {}"; one is said about [LIKED].
        link: words of the link to the recommended item; at least one is said.  Empty where there is none.
        forth: verb phrases of the relation from the recommended item (subject) to the known item or the attribute.
        back: the same, from the known item or the attribute to the recommended item.
    """

    allowed: frozenset[str]
    acts: tuple[str, ...]
    link: frozenset[str]
    forth: tuple[str, ...] = ()
    back: tuple[str, ...] = ()


def words_for(words: Lexicon, kind: Kind, types: Iterable[str]) -> Words:
    """The vocabulary of one kind of sentence.

    Args:
        words: of the schema, in the language.
        kind: the kind.
        types: node types of its slots.

    Raises:
        SchemaError: the schema cannot say a relation in the language.
    """
    lang, told = words.lang, synonyms(words.schema.name, words.lang)
    acts = (words.did(), *_list(told, words.schema.interaction.name, "phrases"))
    nouns = [noun for t in sorted({*types, words.schema.user.name}) for noun in (words.noun(t), words.noun(t, 2))]
    nouns += [f"{words.measure(t)}{words.noun(t)}" for t in types] if lang == "zh" else []
    forth: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    said: list[str] = []
    for edge in kind.steps:
        turned = PathEdge(edge.type, not edge.forward)
        ways = [_phrases(words, e) for e in (edge, turned)]
        said += [*(p for way in ways for p in way), words.verb(edge), *words.labels(edge)]
        said += [*_list(told, edge.type or "", "words"), *_list(told, edge.type or "", "noun")]
        if kind.link in ("direct", "shared"):
            forth, back = ways
    link = frozenset(w for text in said for w in pieces(text, lang))
    told_by = _LINKS.get((kind.link, lang))
    meaning = frozenset(told_by.split()) if told_by else frozenset(w for w in link if not _EMPTY.fullmatch(w)) or link
    extra = {w for text in (*acts, *nouns) for w in pieces(text, lang)}
    extra |= {w.removesuffix("了").removesuffix("过") for w in extra}
    extra |= set(_BESIDES.get((kind.link, lang), "").split())
    return Words(frozenset(link | meaning | extra | common(lang)), acts, meaning, forth, back)


def _phrases(words: Lexicon, edge: PathEdge) -> tuple[str, ...]:
    more = _list(synonyms(words.schema.name, words.lang), edge.type or "", "phrases" if edge.forward else "inverse")
    own = words.phrase(edge)
    return more if own is None else (own, *more)


def pieces(text: str, lang: str) -> Sequence[str]:
    """The words of a label or phrase: English words, or the Chinese text around ``{}``."""
    if lang == "en":
        return _WORD.findall(text.lower().replace("{}", " "))
    return [part for part in re.split(r"\{\}|[（）]", text) if part]


def noun_of(words: Lexicon, edge: PathEdge, several: bool) -> str | None:
    """What the attribute is for the item: "director", "directors"; None where nobody said it."""
    found = _list(synonyms(words.schema.name, words.lang), edge.type or "", "noun")
    return (found[-1] if several else found[0]) if found else None


@cache
def common(lang: str) -> frozenset[str]:
    """The common words of a language."""
    text = files("kg_rec.explain.words").joinpath(f"phrases/common.{lang}.txt").read_text(encoding="utf-8")
    return frozenset(w for line in text.splitlines() if not line.startswith("#") for w in line.split())


@cache
def synonyms(schema: str, lang: str) -> Mapping[str, Mapping[str, Any]]:
    """Further words for the relations of a bundled schema, by relation; empty for other schemas."""
    text = files("kg_rec.explain.words").joinpath("phrases/words.json").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Any]] = json.loads(text).get(schema, {}).get(lang, {})
    return found


def _list(told: Mapping[str, Mapping[str, Any]], relation: str, what: str) -> tuple[str, ...]:
    return tuple(told.get(relation, {}).get(what, ()))
