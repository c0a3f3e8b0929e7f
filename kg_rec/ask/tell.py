"""An answer in words: the list with what each score is made of, and what there is to say besides."""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.ask.answer import Addend, Suggestion
from kg_rec.ask.atoms import MOST
from kg_rec.ask.request import Request
from kg_rec.ask.words import words_of
from kg_rec.explain.words.languages.base import article_first
from kg_rec.schema import GraphSchema


def addend_text(addend: Addend, language: str) -> str:
    """One part of a score: "comedy, which you asked for"."""
    say = words_of(language).say
    if addend.kind == "yours":
        return say["yours"]
    if addend.kind == "said":
        return addend.about.rstrip(".。")
    if addend.kind == "like":
        return say["like"].format(addend.about)
    return say[addend.kind].format(addend.about)


def suggestion_text(one: Suggestion, language: str) -> str:
    """One line of the list: its name, and its score as the sum it is."""
    parts = [f"{addend_text(a, language)} {a.value:+.2f}" for a in one.addends]
    between, equals = ("；", "：") if language == "zh" else ("; ", ": ")
    return f"{one.rank}. {article_first(one.name)} ({one.score:.2f}){equals}{between.join(parts)}"


def remarks_of(request: Request, schema: GraphSchema, text: str) -> list[str]:
    """What was taken how, what the graph does not know, and what was not understood."""
    language = request.language
    say = words_of(language).say
    remarks = []
    taken = [(w.said, w.how, [n.name for n in w.nodes]) for w in request.wishes]
    taken += [(a.said, a.how, [a.item.name]) for a in request.anchors]
    for said, how, names in taken:
        if how in ("fuzzy", "near", "model"):
            remarks.append(say["near"].format(said, say["or"].join(dict.fromkeys(names))))
    item = schema.item
    plural = item.plurals.get(language) or item.labels.get(language) or item.name
    unknown = [c for c in request.constraints if c.property is None]
    remarks += [say["no field"].format(say.get(c.field, c.field), plural, c.said) for c in unknown]
    if request.not_understood:
        quoted = "、" if language == "zh" else ", "
        remarks.append(say["not understood"].format(quoted.join(f"“{w}”" for w in request.not_understood)))
    remarks += request.refused
    if len(text) > MOST:
        remarks.append(say["cut"].format(MOST))
    return remarks


def text_of(items: Sequence[Suggestion], remarks: Sequence[str], language: str) -> str:
    """The whole answer."""
    return "\n".join([*(suggestion_text(one, language) for one in items), *remarks])
