"""The clauses of a language, for one kind of sentence: what may be said, and nothing else.

A language's grammar (:attr:`kg_rec.explain.words.languages.base.Language.grammar`) is written in the EBNF of lark.  Its
terminals ``LIKED ITEM SHARED BRIDGE COUNT TOTAL SHARE RATE`` are slots; small names that no rule defines are words,
which the schema gives (:meth:`Language.words`).  It has these rules, each a sentence without its full stop or a part of
one, for the tones ``short``, ``friendly``, ``formal``, and ``more`` for what phrases may say besides:

===========================================  =====================================================================
``own_{shared,text,direct}_TONE``            sentences about items of the user
``{counted,counts,crowd}_TONE{next}``        what others did, ``next`` with the next item
``bridged_TONE{next}``                       ``counts`` where the sentence goes on from the next item
``onward_{shared,text,direct}``              how it goes on from there to the recommended item; what phrases may say
                                             besides is ``onward_{shared,text,direct}_more``, where there is any
``rate``                                     how many of all users had the item
``audit``                                    which share of the reasons it makes
``{more,every,fewer,...}_TONE{has}``         of a profile: how many of the user's items have something; no ``more``
``usual``                                    which share of everybody's items that is
``audit_usual``                              the user's share and everybody's
===========================================  =====================================================================

From the same rules come the sentences that ship (:func:`sentences`), the check of any other one
(:func:`check_phrase`: it must derive completely), and the mask of a language model that writes one (:func:`ebnf`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, cast

from lark import Lark
from lark.exceptions import UnexpectedInput
from lark.grammar import NonTerminal, Rule, Symbol

from kg_rec.explain.words.languages.base import Language, language
from kg_rec.explain.words.patterns import PROFILE_LEADS, Pattern, Tone

_SLOTS = ("COUNT", "TOTAL", "LIKED", "BRIDGE", "SHARED", "ITEM", "SHARE", "RATE")
_SLOT = re.compile(r"\[([A-Z][A-Z0-9_]*_[0-9]+)\]")
_SLOT_LIKE = re.compile(r"\[[^\]]*\]?|\]|[{}]")
#: Stands where a schema lacks a word: no text holds it, so nothing that needs the word derives.
_NEVER = "\ue000"
#: Stands before the name of a rule, to tell it from a literal text.
_RULE = "\ue001"
_SPOKEN = ("short", "friendly", "formal")


def sentences(pattern: Pattern, tone: Tone) -> tuple[str, ...]:
    """The sentences that ship for a pattern in a tone, best first.

    Raises:
        SchemaError: the schema cannot say a relation in the language.
    """
    words = _words(pattern)
    frames = _frames(cast(Any, language(pattern.lang)), pattern.kind.lead, pattern.kind.link, tone)
    texts = [_WORD.sub(lambda m: (words.get(m.group(1)) or (_NEVER,))[0], frame) for frame in frames]
    tags = tuple(slot.tag for slot in pattern.slots_of(tone))
    told = (pattern.by_tags(text) for text in dict.fromkeys(texts) if _NEVER not in text)
    return tuple(text for text in told if not check_slots(text, tags, (pattern.tags["rate"],)))


def check_phrase(pattern: Pattern, text: str, lang: str, tone: Tone = "friendly") -> tuple[str, ...]:
    """Reasons to reject a sentence for a pattern; empty if it derives completely from the language's grammar.

    Args:
        pattern: what it must say.
        text: the proposed sentence, with slots.
        lang: its language.
        tone: its tone; ``audit`` sentences have the slot ``[SHARE_1]`` besides the pattern's.

    Raises:
        SchemaError: the schema cannot say a relation in the language.
    """
    if lang != pattern.lang:
        return (f"expected a phrase in {pattern.lang}, got one in {lang}",)
    problems = check_slots(text, tuple(s.tag for s in pattern.slots_of(tone)), (pattern.tags["rate"],))
    if problems:
        return problems
    said = pattern.by_roles(text)
    try:
        _parser(ebnf(pattern, tone == "audit")).parse(said)
    except UnexpectedInput as error:
        at = getattr(error, "pos_in_stream", None)
        place = len(said) if at is None or at < 0 else int(at)
        said_until, rest = pattern.by_tags(said[:place]), pattern.by_tags(said[place:])
        if not rest:
            return (f"it breaks off: no true sentence of this pattern ends with {said_until[-40:]!r}",)
        return (f"after {said_until[-40:]!r} no true sentence of this pattern goes on with {rest[:40]!r}",)
    return ()


def check_slots(text: str, tags: Sequence[str], optional: Sequence[str] = ()) -> tuple[str, ...]:
    """What is wrong with a sentence for a set of slots; empty if it uses each once and nothing else like a slot.

    Args:
        text: a proposed sentence.
        tags: the tags it must use, ``("FILM_1", "COUNT_1")``.
        optional: tags that it may use once.
    """
    used = Counter(_SLOT.findall(text))
    problems = [f"[{tag}] occurs {used[tag]} times, expected once" for tag in tags if used[tag] != 1]
    problems += [f"[{tag}] occurs {used[tag]} times, expected at most once" for tag in optional if used[tag] > 1]
    problems += [f"[{tag}] is not a slot of this pattern" for tag in used if tag not in (*tags, *optional)]
    rest = _SLOT_LIKE.search(_SLOT.sub("", text))
    if rest:
        problems.append(f"{rest.group()!r} looks like a slot; sentences hold no brackets or braces besides their slots")
    return tuple(problems)


@lru_cache(maxsize=512)
def ebnf(pattern: Pattern, audit: bool = False, *, by_tags: bool = False) -> str:
    """The grammar of one pattern in plain EBNF, its start rule ``start``: rules of literal texts alone.

    Args:
        pattern: the pattern.
        audit: of the tone ``audit``; the other tones differ in what ships, not in what may be said.
        by_tags: slots as tags of the pattern, not as roles, as llguidance reads it.

    Raises:
        SchemaError: the schema cannot say a relation in the language.
    """
    kind, words = pattern.kind, _words(pattern)
    rules = _abstract(cast(Any, language(pattern.lang)), kind.of_profile)
    starts = [_RULE + _start(kind.lead, kind.link, t) for t in (("audit",) if audit else (*_SPOKEN, "more"))]
    found: dict[str, list[tuple[str, ...]]] = {}
    wanted = list(starts)
    while wanted:
        name = wanted.pop()
        if name not in found:
            word = _WORD.fullmatch(name)
            found[name] = rules[name] if word is None else [(text,) for text in words.get(word.group(1), ())]
            wanted += [s for option in found[name] for s in option if s in rules or _WORD.fullmatch(s)]
    while empty := {name for name, options in found.items() if not options}:
        found = {n: [e for e in o if not empty & {*e}] for n, o in found.items() if n not in empty}

    def said(symbol: str) -> str:
        if symbol in found:
            return _name(symbol)
        if not symbol:  # nothing: lark leaves it out, llguidance writes it
            return '""' if by_tags else ""
        return _quoted(pattern.by_tags(symbol) if by_tags else symbol)

    lines = [f"start: {' | '.join(_name(s) for s in starts if s in found)}"]
    for name, options in found.items():
        lines.append(f"{_name(name)}: {' | '.join(' '.join(map(said, option)) for option in options)}")
    return "\n".join(lines)


def _name(symbol: str) -> str:
    """The name of a rule, or of a word, in the grammar of one pattern."""
    return symbol[1:] if symbol[0] == _RULE else f"word_{symbol[1:-1]}"


@lru_cache(maxsize=256)
def _parser(grammar: str) -> Lark:
    return Lark(grammar, parser="earley", lexer="dynamic", ambiguity="resolve")


def _words(pattern: Pattern) -> Mapping[str, tuple[str, ...]]:
    kind = pattern.kind
    return language(pattern.lang)(pattern.schema).words(kind.steps, kind.link, kind.several, kind.many)


_WORD = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=512)
def _frames(spoken: Any, lead: str, link: str, tone: Tone) -> tuple[str, ...]:
    """The sentences of a tone with slots by role and ``{words}``."""
    return tuple(_derived(_RULE + _start(lead, link, tone), _abstract(spoken, lead in PROFILE_LEADS)))


@lru_cache(maxsize=32)
def _abstract(spoken: Any, of_profile: bool) -> dict[str, list[tuple[str, ...]]]:
    words = "\n".join(f'{name}: "{{{name}}}"' for name in _undefined(spoken.grammar))
    if of_profile:
        tones = (*_SPOKEN, "more", "audit")
        said = [_start(lead, link, tone) for lead in PROFILE_LEADS for link in ("shared", "years") for tone in tones]
        return _rules(spoken, words, said)
    starts = [
        _start(lead, link, tone)
        for lead in ("one", "counted", "counts", "crowd")
        for link in ("none", "text", "shared", "direct")
        for tone in (*_SPOKEN, "more", "audit")
        if (lead, link) not in (("one", "none"), ("crowd", "none"))
    ]
    return _rules(spoken, words, starts)


def _rules(spoken: type[Language], words: str, starts: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """The rules that some starts need, as lark reads them: by name, each option a row of names and literal texts."""
    slots = "\n".join(f'{slot}: "[{slot}]"' for slot in _SLOTS)
    composed = "\n".join(line for start in starts for line in _composed(spoken, start))
    text = "\n".join([spoken.grammar, composed, words, slots])
    read = Lark(text, start=list(starts), parser="earley", lexer="dynamic")
    literal = {t.name: t.pattern.value for t in read.terminals}

    def said(symbol: Symbol) -> str:
        return symbol.name if isinstance(symbol, NonTerminal) else literal[symbol.name]

    names: dict[str, str] = {}
    options: dict[str, list[tuple[str, ...]]] = {}
    rules: list[Rule] = sorted(read.rules, key=lambda rule: rule.order)
    for rule in rules:
        options.setdefault(_plain(rule.origin.name, names), []).append(
            tuple(_plain(s.name, names) if isinstance(s, NonTerminal) else said(s) for s in rule.expansion)
        )
    return options


def _plain(name: str, names: dict[str, str]) -> str:
    """A rule's name without the marks that lark gives to its own."""
    if name not in names:
        names[name] = _RULE + (name if re.fullmatch(r"[a-z][a-z_]*", name) else f"rule_{len(names)}")
    return names[name]


def _composed(spoken: type[Language], start: str) -> Iterator[str]:
    """The start rule of a kind and tone, from the parts that the grammar has."""
    lead, link, tone = start.split("_")[1:]
    stop = json.dumps(spoken.stop, ensure_ascii=False)
    part, end = ("short", f"audit {stop}") if tone == "audit" else (tone, stop)
    if lead in PROFILE_LEADS:
        has = f"{{{'has' if lead in ('single', 'never') else 'have'}_{link}}}"
        every = " | ".join(f"{lead}_{t}{has}" for t in _SPOKEN)
        ends = {"short": stop, "audit": f"audit_usual {stop}", "more": f"usual? {stop}"}
        yield f"{start}: ({every if part == 'more' else lead + '_' + part + has}) {ends.get(tone, f'usual {stop}')}"
        return
    if lead == "one":
        yield f"{start}: own_{link}_{part} {end}"
    elif link != "none":
        head, onward = "bridged" if lead == "counts" else lead, f"onward_{link}"
        if part == "more":
            heads = " | ".join(f"{head}_{t}{{did_bridge}}" for t in (*_SPOKEN, "more"))
            further = f" | {onward}_more" if f"{onward}_more" in spoken.grammar else ""
            yield f"{start}: ({heads}) ({onward}{further}) {end}"
        else:
            yield f"{start}: {head}_{part}{{did_bridge}} {onward} {end}"
    elif lead != "counted":
        yield f"{start}: {lead}_{part}{{did_item}} {end}"
    elif part == "more":
        every = " | ".join(f"counted_{t}{{did_item}}" for t in (*_SPOKEN, "more"))
        yield f"{start}: ({every}) rate? {end}"
    else:
        yield f"{start}: counted_{part}{{did_item}} rate {end}"


def _start(lead: str, link: str, tone: str) -> str:
    return f"say_{'one' if lead == 'several' else lead}_{'text' if link in ('facts', 'vectors') else link}_{tone}"


def _derived(symbol: str, rules: Mapping[str, list[tuple[str, ...]]]) -> Iterator[str]:
    if symbol not in rules:
        yield symbol
        return
    for option in rules[symbol]:
        for parts in product(*(tuple(_derived(part, rules)) for part in option)):
            yield "".join(parts)


def _undefined(grammar: str) -> tuple[str, ...]:
    """The small names that a grammar uses and does not define: words of the schema."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', " ", re.sub(r"//[^\n]*", "", grammar))
    defined = {
        *re.findall(r"^\s*([a-z_]+)(?:\{\w+\})?\s*:", bare, re.MULTILINE),
        *re.findall(r"^\s*[a-z_]+\{(\w+)\}", bare, re.MULTILINE),
    }
    passed = ("did_bridge", "did_item", *(f"{has}_{link}" for has in ("has", "have") for link in ("shared", "years")))
    used = dict.fromkeys([*re.findall(r"\b[a-z_]+\b", bare), *passed])
    return tuple(name for name in used if name not in defined)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
