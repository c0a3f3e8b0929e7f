"""Counterfactuals and what-ifs in words, English and Chinese.

Names are data from the graph: they are cleaned and put into sentences of a fixed form, so they cannot change them.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.explain.counterfactuals.counterfactual import Counterfactual
from kg_rec.explain.counterfactuals.user_list import Entry
from kg_rec.explain.counterfactuals.what_if import WhatIf
from kg_rec.explain.path import PathNode
from kg_rec.explain.words.lexicon import Lexicon
from kg_rec.explain.words.patterns import language_of
from kg_rec.schema import GraphSchema

#: Most names in a list; the others are counted.
_NAMED = 5

_WORDS = {
    "en": {
        "leaves": "Without {reasons}, {item} would leave your top {k}; {new} would come in.",
        "leaves_alone": "Without {reasons}, {item} would leave your top {k}.",
        "smaller": "A smaller set is not ruled out: at least {n} would have to go.",
        "stays": "{item} stays in your top {k}, whatever is taken out of your history.",
        "open": "{item} is in your top {k}; no set of interactions to take out was found in the time given. "
        "At least {n} would have to go.",
        "not_listed": "{item} is not in your top {k}: it has rank {n}.",
        "had": "{item} is not in your top {k}: you had it.",
        "entered": "{new} would come into your top {k}.",
        "left": "{old} would go out.",
        "same": "Your top {k} would hold the same.",
    },
    "zh": {
        "leaves": "如果没有{reasons}，{item}就不在你的前{k}名里，{new}会取而代之。",
        "leaves_alone": "如果没有{reasons}，{item}就不在你的前{k}名里。",
        "smaller": "不排除更小的组合：至少要去掉{n}项。",
        "stays": "无论去掉你的哪些历史记录，{item}都在你的前{k}名里。",
        "open": "{item}在你的前{k}名里；在限定时间内没有找到可以去掉的组合，至少要去掉{n}项。",
        "not_listed": "{item}不在你的前{k}名里，它排第{n}名。",
        "had": "{item}不在你的前{k}名里，它已在你的历史记录中。",
        "entered": "{new}会进入你的前{k}名。",
        "left": "{old}会离开。",
        "same": "你的前{k}名不会有变化。",
    },
}


def tell_counterfactual(found: Counterfactual, schema: GraphSchema, lang: str = "en") -> str:
    """A counterfactual in words.

    Raises:
        SchemaError: no words for the language.
    """
    lang, _ = language_of(schema, lang)
    words = _WORDS[lang]
    item = _names([(found.item, found.item_name)], schema, lang)
    if found.outcome == "not_listed":
        which = "had" if found.rank is None else "not_listed"
        return words[which].format(item=item, k=found.k, n=found.rank)
    if found.outcome != "leaves":
        return words[found.outcome].format(item=item, k=found.k, n=found.at_least)
    reasons = _liked(_names(found.removed, schema, lang), len(found.removed) > 1, Lexicon(schema, lang))
    new = _entries(found.replacements, schema, lang)
    sentences = [words["leaves" if new else "leaves_alone"].format(reasons=reasons, item=item, k=found.k, new=new)]
    if not found.proven:
        sentences.append(words["smaller"].format(n=found.at_least))
    return _text(sentences, lang)


def tell_what_if(found: WhatIf, schema: GraphSchema, lang: str = "en") -> str:
    """What comes into a list and what goes out, in words.

    Raises:
        SchemaError: no words for the language.
    """
    lang, _ = language_of(schema, lang)
    words = _WORDS[lang]
    new, old = (_entries(entries, schema, lang) for entries in (found.entered, found.left))
    sentences = [words["entered"].format(new=new, k=found.k)] if new else []
    sentences += [words["left"].format(old=old)] if old else []
    return _text(sentences or [words["same"].format(k=found.k)], lang)


def _text(sentences: Sequence[str], lang: str) -> str:
    return (" " if lang == "en" else "").join(sentences)


def _entries(entries: Sequence[Entry], schema: GraphSchema, lang: str) -> str:
    return _names([(e.item, e.name) for e in entries], schema, lang)


def _names(items: Sequence[tuple[str, str]], schema: GraphSchema, lang: str) -> str:
    """Names of items as a list, cut where it is long; empty without items."""
    _, language = language_of(schema, lang)
    kind = schema.item.name
    most = len(items) if len(items) <= _NAMED else _NAMED - 1
    shown = [language.name(PathNode(kind, key, name)) for key, name in items[:most]]
    return language.join(shown, len(items) - most, kind) if shown else ""


def _liked(names: str, several: bool, words: Lexicon) -> str:
    """ "Heat and Ronin, which you liked", 你喜欢的《盗火线》; the phrase in brackets where it has no open end."""
    did = words.did()
    if words.lang == "en":
        open_end, them = did.endswith(" {}"), "them" if several else "it"
        return f"{names}, which you {did[:-3]}" if open_end else f"{names} (you {did.replace('{}', them)})"
    return f"你{did[:-2]}的{names}" if did.endswith("{}") else f"{names}（你{did.replace('{}', '它')}）"
