"""Explanations as data, JSON, terminal text, Markdown and HTML.

Every name is data from the graph: it is cleaned of control characters and cut for text, and escaped for Markdown,
HTML and JSON.  The shape of the JSON is ``explanation.schema.json``.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path, PathEdge
from kg_rec.explain.show.card import card
from kg_rec.explain.show.cells import cut, padded
from kg_rec.explain.show.escaped import escaped_json
from kg_rec.explain.show.view import ExplanationView
from kg_rec.explain.words.numbers import percent, signed
from kg_rec.explain.words.slots import clean_name

#: Interactions listed in text and Markdown; the others are summed up in one row.
LISTED = 8

_BAR = 24
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~$^@]|^[-+=]|(?<=(?i:www))\.|:(?=//)|!(?=\[))")
_LIST = re.compile(r"^(\d+)([.)])")


def to_dict(explanation: Explanation) -> dict[str, Any]:
    """Plain data as ``explanation.schema.json`` describes it; names are as they are in the graph."""
    e = explanation
    return {
        "user": e.user,
        "item": e.item,
        "item_name": e.item_name,
        "score": e.score,
        "base": e.base,
        "fashion": None if e.fashion is None else {**asdict(e.fashion), "parameters": dict(e.fashion.parameters)},
        "again": None if e.again is None else {**asdict(e.again), "parameters": dict(e.again.parameters)},
        "stated": [{"text": text, "value": value} for text, value in e.stated],
        "speaks_for": e.speaks_for,
        "speaks_against": e.speaks_against,
        "by_facts": e.by_facts,
        "terms": [
            {"channel": t.channel, "source": t.source, "source_name": t.source_name, "value": t.value} for t in e.terms
        ],
        "paths": [_path(p) for p in e.paths],
        "shown_share": e.shown_share,
        "about_counts": ExplanationView(e).about_counts,
        "notes": list(e.notes),
        "text": e.text,
        "lang": e.lang,
        "cypher": e.cypher,
        "parameters": dict(e.parameters),
    }


def to_json(explanation: Explanation, *, indent: int | None = 2) -> str:
    """JSON text of :func:`to_dict`; characters that a terminal would act on are written as ``\\uXXXX``.

    Raises:
        ValueError: a number is not finite.
    """
    return escaped_json(to_dict(explanation), indent)


def to_text(explanation: Explanation) -> str:
    """For a terminal: the sentence, the sum, the paths with their shares, what is not shown."""
    view = ExplanationView(explanation)
    words, widest = view.words, max((abs(v) for _, v in view.channels), default=0.0) or 1.0
    head = f"{view.item}  ({words['for_user'].format(clean_name(explanation.user))}, {_score(view)})"
    lines = [head, "", _text(explanation), "", words["channels"]]
    width = max(cell_len(view.title(c)) for c, _ in view.channels)
    for channel, value in view.channels:
        bar = ("█" if value > 0 else "▒") * round(_BAR * abs(value) / widest)
        lines.append(f"  {padded(view.title(channel), width)}  {signed(value):>10}  {bar}".rstrip())
    lines += [f"  {view.sides}", f"  {view.by_facts}"]
    sources, more, rest = view.sources(LISTED)
    if sources:
        lines += ["", words["interactions"]]
        shown = [cut(s.name, 40) for s in sources]
        width = max(cell_len(n) for n in [*shown, words["more"].format(more)])
        for name, source in zip(shown, sources, strict=True):
            parts = ", ".join(f"{view.title(c)} {signed(v)}" for c, v in source.parts)
            lines.append(f"  {padded(name, width)}  {signed(source.value):>10}  {parts}")
        if more:
            lines.append(f"  {padded(words['more'].format(more), width)}  {signed(rest):>10}")
    if explanation.paths:
        lines += ["", words["paths"]]
        lines += [f"  {percent(p.share):>8}  {view.line(p)}" for p in explanation.paths]
    return "\n".join([*lines, "", view.shown, *([view.about_counts] if view.about_counts else []), ""])


def to_markdown(explanation: Explanation) -> str:
    """Markdown (GitHub's): the sentence, tables of channels, interactions and paths, the Cypher and its parameters."""
    view = ExplanationView(explanation)
    words = view.words
    lines = [f"### {_md(view.item)}", "", _md(_text(explanation)), ""]
    lines += [f"{_md(words['for_user'].format(clean_name(explanation.user)))}, {_md(_score(view))}", ""]
    lines += [f"| {words['channels']} | {words['value']} |", "|---|---:|"]
    lines += [f"| {view.title(channel)} | {signed(value)} |" for channel, value in view.channels]
    lines += ["", _md(view.sides), "", _md(view.by_facts)]
    sources, more, rest = view.sources(LISTED)
    if sources:
        lines += ["", f"| {words['interactions']} | {words['value']} |", "|---|---:|"]
        lines += [f"| {_md(s.name)} | {signed(s.value)} |" for s in sources]
        lines += [f"| {words['more'].format(more)} | {signed(rest)} |"] if more else []
    if explanation.paths:
        lines += ["", f"| {words['paths']} | {words['value']} | {words['share']} |", "|---|---:|---:|"]
        lines += [f"| {_md(view.line(p))} | {signed(p.value)} | {percent(p.share)} |" for p in explanation.paths]
    lines += ["", view.shown, *(["", _md(view.about_counts)] if view.about_counts else [])]
    lines += ["", "```cypher", explanation.cypher, "```", "", "```json"]
    return "\n".join([*lines, escaped_json(dict(explanation.parameters), 1), "```", ""])


def to_html(explanation: Explanation, *, page: bool = False) -> str:
    """A card in HTML: the sentence, a bar per channel, the paths as a picture, the numbers and the Cypher.

    It needs nothing from outside: no scripts, fonts or pictures; it follows light and dark themes.

    Args:
        explanation: what to show.
        page: a whole document instead of an element to put into one.
    """
    parameters = escaped_json(dict(explanation.parameters), 1)
    return card(ExplanationView(explanation), text=_text(explanation), parameters=parameters, page=page)


def to_page(explanation: Explanation) -> str:
    """:func:`to_html` as a whole document."""
    return to_html(explanation, page=True)


def _path(path: Path) -> dict[str, Any]:
    return {
        "channel": path.channel,
        "channels": list(path.channels),
        "nodes": [{"type": n.type, "key": n.key, "name": n.name, "count": n.count} for n in path.nodes],
        "relations": [step_dict(e) for e in path.edges],
        "value": path.value,
        "share": path.share,
    }


def step_dict(edge: PathEdge) -> dict[str, Any]:
    """A step of a path; ``alike`` is there where vectors of a property are alike."""
    step = {"type": edge.type, "forward": edge.forward}
    return step if edge.alike is None else {**step, "alike": edge.alike}


def _text(explanation: Explanation) -> str:
    """The sentence as one line; the grammar's is clean already, another writer's may not be."""
    return clean_name(explanation.text, " ", longest=None) if explanation.text else ""


def _score(view: ExplanationView) -> str:
    return f"{view.words['score']} {view.explanation.score:.4g}"


def _md(text: str) -> str:
    escaped = _LIST.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
