"""Why not, and which of two, in words.

Names are data from the graph: they are cleaned and put into sentences of a fixed form, so they cannot change them.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.explain.counterfactuals.why_not import WhyNot
from kg_rec.explain.path import PathNode
from kg_rec.explain.versus import Versus
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.schema import GraphSchema

#: Interactions that are named on either side.
_NAMED = 2


def tell_why_not(why_not: WhyNot, schema: GraphSchema, lang: str = "en") -> str:
    """Why an item is not in the list, and what would bring it in, in words.

    Raises:
        SchemaError: no words for the language.
    """
    language = speaker(schema, lang)
    words, item = language.what_if, _name(why_not.item, why_not.item_name, language)
    if why_not.standing != "not_listed" or why_not.last is None:
        which = "listed" if why_not.standing == "not_listed" else why_not.standing
        return words[which].format(item=item, k=why_not.k, n=why_not.rank)
    last = _name(why_not.last.item, why_not.last.name, language)
    numbers = {"score": f"{why_not.score:.4g}", "gap": f"{why_not.gap:.4g}"}
    said = [words["behind"].format(item=item, k=why_not.k, n=why_not.rank, last=last, **numbers)]
    ahead = [(lack.source, lack.source_name) for lack in why_not.lacks if lack.last_value > lack.value][:_NAMED]
    if ahead:
        said.append(words["ahead"].format(names=_names(ahead, language), last=last))
    if len(why_not.additions) == 1:
        said.append(words["brings"].format(names=_names(why_not.additions[0].items, language), item=item))
    elif why_not.additions:
        one = [addition.items[0] for addition in why_not.additions]
        said.append(words["each_brings"].format(names=_names(one, language, either=True), item=item))
    else:
        said.append(words["nothing_brings"].format(item=item))
    return language.gap.join(said)


def tell_versus(versus: Versus, lang: str = "en") -> str:
    """Which of two items is ahead and what makes the difference, in words.

    Raises:
        SchemaError: no words for the language.
    """
    first, second = versus.first, versus.second
    language = speaker(first.schema, lang)
    words, names = language.what_if, [_name(e.item, e.item_name, language) for e in (first, second)]
    if versus.value < 0:
        names.reverse()
    texts = {"first": names[0], "second": names[1]}
    said = [words["first_ahead" if versus.value else "level"].format(gap=f"{abs(versus.value):.4g}", **texts)]
    sign = -1.0 if versus.value < 0 else 1.0
    for which, side in (("speaks_first", 1.0), ("speaks_second", -1.0)):
        some = [(d.source, d.source_name) for d in versus.differences if d.value * sign * side > 0][:_NAMED]
        if some:
            said.append(words[which].format(names=_names(some, language), **texts))
    return language.gap.join(said)


def _name(key: str, name: str, language: Language) -> str:
    return language.name(PathNode(language.schema.item.name, key, name))


def _names(items: Sequence[tuple[str, str]], language: Language, *, either: bool = False) -> str:
    return language.join([_name(key, name, language) for key, name in items], either=either)
