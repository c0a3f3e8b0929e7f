"""Counterfactuals and what-ifs in words.

Names are data from the graph: they are cleaned and put into sentences of a fixed form, so they cannot change them.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.explain.counterfactuals.counterfactual import Counterfactual
from kg_rec.explain.counterfactuals.user_list import Entry
from kg_rec.explain.counterfactuals.what_if import WhatIf
from kg_rec.explain.path import PathNode
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.schema import GraphSchema

#: Most names in a list; the others are counted.
_NAMED = 5


def tell_counterfactual(counterfactual: Counterfactual, schema: GraphSchema, lang: str = "en") -> str:
    """A counterfactual in words.

    Raises:
        SchemaError: no words for the language.
    """
    language = speaker(schema, lang)
    words = language.what_if
    item = _names([(counterfactual.item, counterfactual.item_name)], language)
    if counterfactual.outcome == "not_listed":
        which = "had" if counterfactual.rank is None else "not_listed"
        return words[which].format(item=item, k=counterfactual.k, n=counterfactual.rank)
    if counterfactual.outcome != "leaves":
        return words[counterfactual.outcome].format(item=item, k=counterfactual.k, n=counterfactual.at_least)
    reasons = language.yours(_names(counterfactual.removed, language), len(counterfactual.removed) > 1)
    new = _entries(counterfactual.replacements, language)
    sentences = [
        words["leaves" if new else "leaves_alone"].format(reasons=reasons, item=item, k=counterfactual.k, new=new)
    ]
    if not counterfactual.proven:
        sentences.append(words["smaller"].format(n=counterfactual.at_least))
    return language.gap.join(sentences)


def tell_what_if(what_if: WhatIf, schema: GraphSchema, lang: str = "en") -> str:
    """What comes into a list and what goes out, in words.

    Raises:
        SchemaError: no words for the language.
    """
    language = speaker(schema, lang)
    words = language.what_if
    new, old = (_entries(entries, language) for entries in (what_if.entered, what_if.left))
    sentences = [words["entered"].format(new=new, k=what_if.k)] if new else []
    sentences += [words["left"].format(old=old)] if old else []
    return language.gap.join(sentences or [words["same"].format(k=what_if.k)])


def _entries(entries: Sequence[Entry], language: Language) -> str:
    return _names([(e.item, e.name) for e in entries], language)


def _names(items: Sequence[tuple[str, str]], language: Language) -> str:
    """Names of items as a list, cut where it is long; empty without items."""
    kind = language.schema.item.name
    most = len(items) if len(items) <= _NAMED else _NAMED - 1
    shown = [language.name(PathNode(kind, key, name)) for key, name in items[:most]]
    return language.listed(shown, len(items) - most, kind) if shown else ""
