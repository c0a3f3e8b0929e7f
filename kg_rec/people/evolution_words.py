"""Change in words and as plain data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from kg_rec.explain.path import PathNode
from kg_rec.explain.words.languages.base import speaker
from kg_rec.people.evolution import Evolution, ScoreChange, Shift, Strand
from kg_rec.people.profile_words import feature_json, name_of
from kg_rec.people.statements import timed_statement
from kg_rec.snapshot import Snapshot

#: A change with a larger p value is not told as one.
_P = 0.05


def date_of(seconds: int) -> str:
    """The day of a time, UTC, ISO 8601; the number itself where the calendar has no such year."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def tell_drift(snapshot: Snapshot, evolution: Evolution, lang: str = "en") -> str:
    """Whether there is a change that stands out, and when.

    Raises:
        SchemaError: no words for the language.
    """
    language = speaker(snapshot.schema, lang)
    words, drift = language.person, evolution.drift
    if drift is None:
        return words["untested"]
    if drift.p > _P:
        return words["unchanged"].format(date=date_of(drift.since), p=f"{drift.p:.2g}")
    name = "changed" if evolution.user is not None else "changed_all"
    users = language.noun(snapshot.schema.user.name, 2)
    return words[name].format(date=date_of(drift.since), p=f"{drift.p:.2g}", users=users)


def tell_strand(snapshot: Snapshot, evolution: Evolution, strand: Strand, lang: str = "en") -> str:
    """How often a feature was liked before the change and since; empty where no change was looked for."""
    language = speaker(snapshot.schema, lang)
    if strand.before is None or strand.after is None or evolution.drift is None:
        return ""
    total = sum(window.total for window in evolution.windows)
    after = evolution.likes_since or 0
    return language.person["strand"].format(
        shared=name_of(language, strand.feature),
        before=language.number(strand.before),
        before_total=language.number(total - after),
        after=language.number(strand.after),
        after_total=language.number(after),
    )


def tell_shift(snapshot: Snapshot, shift: Shift, lang: str = "en") -> str:
    """What one interaction added to the change of a score."""
    language, item = speaker(snapshot.schema, lang), snapshot.schema.item.name
    name = language.name(PathNode(item, shift.item, snapshot.name(item, snapshot.items.index(shift.item))))
    return language.person["shift_new" if shift.new else "shift_old"].format(item=name)


def evolution_json(snapshot: Snapshot, evolution: Evolution, lang: str = "en") -> dict[str, Any]:
    """Plain data; times are Unix seconds.

    The statement of a feature counts it between two times, such as those of a window: parameters ``since``, ``until``.
    """
    statements = [timed_statement(snapshot.schema, evolution.user, strand.feature) for strand in evolution.strands]
    return {
        "user": evolution.user,
        "windows": [asdict(window) for window in evolution.windows],
        "features": [
            {
                "feature": feature_json(strand.feature),
                "counts": list(strand.counts),
                "values": None if strand.values is None else list(strand.values),
                "before": strand.before,
                "after": strand.after,
                "text": tell_strand(snapshot, evolution, strand, lang),
                "cypher": None if said is None else said[0],
                "parameters": None if said is None else said[1],
            }
            for strand, said in zip(evolution.strands, statements, strict=True)
        ],
        "drift": None if evolution.drift is None else asdict(evolution.drift),
        "likes_since": evolution.likes_since,
        "text": tell_drift(snapshot, evolution, lang),
        "lang": lang,
    }


def change_json(snapshot: Snapshot, change: ScoreChange, lang: str = "en") -> dict[str, Any]:
    """Plain data; the values of the shifts sum to ``after - before``."""
    shifts = [{**asdict(shift), "text": tell_shift(snapshot, shift, lang)} for shift in change.shifts]
    return {**asdict(change), "shifts": shifts, "lang": lang}
