"""The HTML card: where boxes and lines of the picture go; ``card.html.j2`` draws them."""

from __future__ import annotations

from functools import cache

from jinja2 import Template

from kg_rec.explain.path import Path
from kg_rec.explain.show.layout import draw, to_draw
from kg_rec.explain.show.view import ExplanationView, score_parts
from kg_rec.explain.words.numbers import percent, signed
from kg_rec.pages import template
from kg_rec.theme import variables

#: Interactions listed in the table; the others are summed up in one row.
LISTED = 12


def card(view: ExplanationView, *, text: str, parameters: str, page: bool) -> str:
    """Fill the template.

    Args:
        view: the explanation.
        text: its sentence, in one line.
        parameters: its Cypher parameters as JSON.
        page: a whole document.
    """
    widest = max((abs(v) for _, v in view.channels), default=0.0) or 1.0
    sources, more, rest = view.sources(LISTED)
    drawn, others = to_draw(view.explanation)
    paths = (*drawn, *others)
    longest = max((abs(p.share) for p in paths), default=0.0) or 1.0
    rows = [
        (p.channel, view.line(p), signed(p.value), percent(p.share), 100 * abs(p.share) / longest, _name(view, p))
        for p in paths
    ]
    return _template().render(
        e=view.explanation,
        view=view,
        words=view.words,
        lang=view.language.code,
        text=text,
        parameters=parameters,
        page=page,
        parts=score_parts(),
        light=variables(score_parts()),
        dark=variables(score_parts(), dark=True),
        bars=[(c, view.title(c), signed(v), 50 * abs(v) / widest, v < 0) for c, v in view.channels],
        picture=draw(drawn, view) if drawn else None,
        drawn=view.words["drawn"].format(len(drawn), len(paths)) if others else "",
        sources=[(s.name, signed(s.value), [(c, signed(v)) for c, v in s.parts]) for s in sources],
        more=(view.words["more"].format(more), signed(rest)) if more else None,
        drawn_paths=rows[: len(drawn)],
        other_paths=rows[len(drawn) :],
        shown_share=percent(view.explanation.shown_share),
    )


def _name(view: ExplanationView, path: Path) -> str:
    """A path in short: what lies between you and the recommended item."""
    return " · ".join(view.node(node, position) for position, node in enumerate(path.nodes[:-1]) if position)


@cache
def _template() -> Template:
    return template("kg_rec.explain.show", "card.html.j2")
