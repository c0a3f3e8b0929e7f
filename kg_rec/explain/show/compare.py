"""Why not, and which of two, as data, for a terminal and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Template
from rich.cells import cell_len

from kg_rec.explain.counterfactuals.why_not import WhyNot
from kg_rec.explain.show.cells import cut, padded
from kg_rec.explain.show.text import to_dict
from kg_rec.explain.versus import Versus
from kg_rec.explain.words.comparisons import tell_versus, tell_why_not
from kg_rec.explain.words.languages.base import speaker
from kg_rec.explain.words.numbers import signed
from kg_rec.explain.words.slots import clean_name
from kg_rec.pages import template
from kg_rec.schema import GraphSchema
from kg_rec.theme import AGAINST, FOR, variables

#: Rows of the table; the others are summed up in one.
LISTED = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what one thing adds to the one item and to the other."""

    name: str
    first: float
    second: float

    @property
    def value(self) -> float:
        """The difference."""
        return self.first - self.second


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two items side by side.

    Attributes:
        text: the comparison in words.
        lang: their language.
        labels: headings: of the table, of the two columns, of the difference, of the base, of the rest, of the sum.
        rows: what each interaction adds, the base first and the sum last.
    """

    text: str
    lang: str
    labels: tuple[str, ...]
    rows: tuple[Row, ...]


def of_versus(versus: Versus, lang: str = "en") -> Comparison:
    """Two items of one user."""
    first, second = versus.first, versus.second
    rows = [Row(clean_name(d.source_name, d.source), d.first, d.second) for d in versus.differences]
    names = clean_name(first.item_name, first.item), clean_name(second.item_name, second.item)
    words = speaker(first.schema, lang).what_if
    return _comparison(tell_versus(versus, lang), lang, words, names, (first.base, second.base), rows)


def of_why_not(why_not: WhyNot, schema: GraphSchema, lang: str = "en") -> Comparison:
    """An item beside the last of the list; without rows where the question does not arise."""
    text, words = tell_why_not(why_not, schema, lang), speaker(schema, lang).what_if
    if why_not.standing != "not_listed" or why_not.last is None:
        return Comparison(text, lang, (), ())
    rows = [Row(clean_name(x.source_name, x.source), x.value, x.last_value) for x in why_not.lacks]
    names = clean_name(why_not.item_name, why_not.item), clean_name(why_not.last.name, why_not.last.item)
    return _comparison(text, lang, words, names, (why_not.base, why_not.base + why_not.base_gap), rows)


def versus_dict(versus: Versus, lang: str = "en") -> dict[str, Any]:
    """Plain data for JSON: ``first`` and ``second`` are explanations in their own form."""
    differences = [
        {"source": d.source, "source_name": d.source_name, "first": d.first, "second": d.second, "value": d.value}
        for d in versus.differences
    ]
    return {
        "user": versus.first.user,
        "value": versus.value,
        "base": versus.base,
        "differences": differences,
        "not_shown": versus.not_shown,
        "first": to_dict(versus.first),
        "second": to_dict(versus.second),
        "text": tell_versus(versus, lang),
        "lang": lang,
    }


def why_not_dict(why_not: WhyNot, schema: GraphSchema, lang: str = "en") -> dict[str, Any]:
    """Plain data for JSON."""
    return {**why_not.to_dict(), "text": tell_why_not(why_not, schema, lang), "lang": lang}


def to_text(comparison: Comparison) -> str:
    """For a terminal: the words, then the table."""
    if not comparison.rows:
        return f"{comparison.text}\n"
    table = [(cut(r.name, 40), *map(signed, (r.first, r.second, r.value))) for r in comparison.rows]
    head = (comparison.labels[0], *(cut(label, 24) for label in comparison.labels[1:4]))
    widths = [max(cell_len(row[n]) for row in [head, *table]) for n in range(4)]
    cells = [[padded(row[n], widths[n], left=n == 0) for n in range(4)] for row in [head, *table]]
    lines = [f"  {'  '.join(row)}".rstrip() for row in cells]
    return "\n".join([comparison.text, "", *lines, ""])


def to_page(comparison: Comparison) -> str:
    """A page of HTML: the words, and the table with a bar per difference.  It needs nothing from outside."""
    widest = max((abs(r.value) for r in comparison.rows[:-1]), default=0.0) or 1.0
    rows = [
        (r.name, signed(r.first), signed(r.second), signed(r.value), 50 * abs(r.value) / widest, r.value < 0)
        for r in comparison.rows
    ]
    sides = {"first": FOR, "second": AGAINST}
    return _template().render(
        text=comparison.text,
        lang=comparison.lang,
        labels=comparison.labels,
        rows=rows,
        light=variables(sides),
        dark=variables(sides, dark=True),
    )


def _comparison(
    text: str,
    lang: str,
    words: Any,
    names: tuple[str, str],
    base: tuple[float, float],
    rows: Sequence[Row],
) -> Comparison:
    shown, rest = list(rows[:LISTED]), rows[LISTED:]
    if rest:
        more = words["more_rows"].format(n=len(rest))
        shown.append(Row(more, sum(r.first for r in rest), sum(r.second for r in rest)))
    every = [Row(words["base_row"], *base), *shown]
    whole = Row(words["sum_row"], sum(r.first for r in every), sum(r.second for r in every))
    return Comparison(text, lang, (words["what_row"], *names, words["difference"]), (*every, whole))


@cache
def _template() -> Template:
    return template("kg_rec.explain.show", "compare.html.j2")
