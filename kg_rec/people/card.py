"""Profiles and change as cards: HTML that needs nothing from outside, for a page, a notebook or a mail.

A bar is a share: how many of the liked items have a feature.  Names are data from the graph; the template escapes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Template

from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.explain.words.slots import clean_name
from kg_rec.explain.words.wording import Wording
from kg_rec.pages import template
from kg_rec.people.evolution import Evolution
from kg_rec.people.evolution_words import date_of, tell_drift, tell_strand
from kg_rec.people.profile import Profile
from kg_rec.people.profile_words import name_of, tell_clause, tell_profile
from kg_rec.snapshot import Snapshot
from kg_rec.theme import AGAINST, FOR, variables


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    kind: str
    length: float
    number: str


@dataclass(frozen=True, slots=True)
class _Block:
    text: str
    rows: tuple[_Bar, ...]
    cypher: str = ""
    parameters: str = ""


def profile_card(profile: Profile, wording: Wording | None = None, *, page: bool = False) -> str:
    """A profile as HTML: each clause in words, the user's share beside everybody's, and the statement that counts it.

    Args:
        profile: what is shown.
        wording: language and tone; None for friendly English.
        page: a whole document instead of an element to put into one.

    Raises:
        SchemaError: the schema cannot say a relation in the language.
    """
    wording = wording or Wording()
    language = speaker(profile.model.snapshot.schema, wording.lang)
    blocks = []
    for clause in profile.clauses:
        statement, parameters = profile.cypher(clause)
        mine, usual = clause.count / clause.total, clause.all_count / clause.all_total
        you = _Bar(language.headings["you"], "likes" if clause.likes else "avoids", mine, language.percent(mine))
        others = _Bar(language.person["everybody"], "usual", usual, language.percent(usual))
        text = tell_clause(profile, clause, wording)
        blocks.append(_Block(text, (you, others), statement, json.dumps(parameters, ensure_ascii=False)))
    lines = () if blocks else (tell_profile(profile, wording),)
    return _card(language, clean_name(profile.user), lines, blocks, page=page)


def evolution_card(snapshot: Snapshot, evolution: Evolution, lang: str = "en", *, page: bool = False) -> str:
    """Change as HTML: when it was, and for each feature its share of what was liked, window by window.

    Args:
        snapshot: the graph.
        evolution: what is shown.
        lang: code of a language.
        page: a whole document instead of an element to put into one.

    Raises:
        SchemaError: no words for the language.
    """
    language, drift = speaker(snapshot.schema, lang), evolution.drift
    blocks = []
    for strand in evolution.strands:
        rows = []
        for n, window in enumerate(evolution.windows):
            share = strand.counts[n] / window.total if window.total else 0.0
            since = drift is not None and window.last >= drift.since
            added = "" if strand.values is None else f", {strand.values[n]:+.3f}"
            number = f"{strand.counts[n]} / {window.total}{added}"
            rows.append(_Bar(date_of(window.first), "likes" if since else "usual", share, number))
        text = tell_strand(snapshot, evolution, strand, lang) or name_of(language, strand.feature)
        blocks.append(_Block(text, tuple(rows)))
    everybody = language.noun(snapshot.schema.user.name, 2)
    title = everybody if evolution.user is None else clean_name(evolution.user)
    return _card(language, title, (tell_drift(snapshot, evolution, lang),), blocks, page=page)


def _card(language: Language, title: str, lines: tuple[str, ...], blocks: list[_Block], *, page: bool) -> str:
    values: dict[str, Any] = {"light": variables({}), "dark": variables({}, dark=True), "up": FOR, "down": AGAINST}
    return _template().render(lang=language.code, title=title, lines=lines, blocks=blocks, page=page, **values)


@cache
def _template() -> Template:
    return template("kg_rec.people", "card.html.j2")
