"""The audit as HTML: a part of a report, or a page of its own without anything from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from kg_rec import theme
from kg_rec.audit.compare import Exposure, UserGap, p_text
from kg_rec.audit.measures import MEASURES
from kg_rec.audit.parts import ScoreGap
from kg_rec.audit.report import AuditReport
from kg_rec.explain.show.view import score_parts
from kg_rec.explain.words.slots import clean_name
from kg_rec.model.channels.registry import about_of
from kg_rec.pages import template
from kg_rec.quantity import quantity


def part_of_page(report: AuditReport) -> Markup:
    """The tables and bars, to be put into a page that has the colours of :mod:`kg_rec.theme` as variables."""
    return Markup(_template("part.html.j2").render(**_content(report)))  # noqa: S704  escaped by the template


def page(report: AuditReport, about: str) -> str:
    """A whole HTML page.

    Args:
        report: what was found.
        about: of which model, in words.
    """
    parts = score_parts()
    return _template("page.html.j2").render(
        about=about,
        part=part_of_page(report),
        light=theme.variables(parts),
        dark=theme.variables(parts, dark=True),
    )


def _content(report: AuditReport) -> dict[str, Any]:
    measures = []
    for measure in MEASURES:
        rows = [gap for gap in report.gaps if gap.measure == measure.name]
        if rows:
            reach = max(abs(end) for gap in rows for end in gap.gap_interval) or 1.0
            measures.append((measure, report.means[measure.name], [(_name(g), g, _whisker(g, reach)) for g in rows]))
    reach = max((abs(end) for e in report.exposure for end in e.gap_interval or (e.gap,)), default=1.0) or 1.0
    used = dict.fromkeys(name for gap in report.scores for name, _ in gap.parts)
    return {
        "r": report,
        "measures": measures,
        "exposure": [(_name(e), e, _whisker(e, reach)) for e in report.exposure],
        "scores": {of: _bars([s for s in report.scores if s.of == of]) for of in ("users", "items")},
        "parts": [(name, about_of(name).title("en")) for name in score_parts() if name in used],
    }


def _name(row: UserGap | Exposure | ScoreGap) -> tuple[str, str]:
    return row.by, clean_name(row.group, row.by)


def _whisker(row: UserGap | Exposure, reach: float) -> dict[str, float]:
    """Where a gap and its interval are in a box from -reach to reach, in percent."""
    low, high = row.gap_interval or (row.gap, row.gap)
    return {name: 50 + 50 * value / reach for name, value in (("low", low), ("at", row.gap), ("high", high))}


def _bars(gaps: Iterable[ScoreGap]) -> list[dict[str, Any]]:
    """Each gap with its parts as bars, from those against it to those for it, all on one scale."""
    shown = list(gaps)
    left = max((-sum(v for _, v in g.parts if v < 0) for g in shown), default=0.0)
    right = max((sum(v for _, v in g.parts if v > 0) for g in shown), default=0.0)
    scale = 100 / ((left + right) or 1.0)
    rows = []
    for gap in shown:
        low, high, bars = left * scale, left * scale, []
        values: Mapping[str, float] = dict(gap.parts)
        for name in (p for p in score_parts() if p in values):
            width = abs(values[name]) * scale
            low, high = (low, high + width) if values[name] >= 0 else (low - width, high)
            bars.append((name, high - width if values[name] >= 0 else low, width))
        facts = [(f.relation, clean_name(f.name, f.key), f.value) for f in gap.facts]
        rows.append({"name": _name(gap), "gap": gap, "bars": bars, "zero": left * scale, "facts": facts})
    return rows


@cache
def _template(name: str) -> Template:
    filters: dict[str, Callable[..., Any]] = {
        "number": "{:,}".format,
        "signed": "{:+z.4f}".format,
        "figure": "{:z.4f}".format,
        "p": lambda value: p_text(value) or "–",
        "points": lambda share: f"{100 * share:+z.1f}",
        "quantity": quantity,
    }
    return template("kg_rec.audit", name, filters)
