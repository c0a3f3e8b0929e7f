"""Preferences and edited lists in words and as plain data."""

from __future__ import annotations

from typing import Any

from kg_rec.explain.words.languages.base import speaker
from kg_rec.explain.words.slots import clean_name
from kg_rec.model.stated import Stated
from kg_rec.people.preferences import Edited, Preference
from kg_rec.people.profile_words import feature_json, name_of
from kg_rec.schema import GraphSchema


def tell_preference(schema: GraphSchema, preference: Preference, lang: str = "en") -> str:
    """What was said, as a sentence to the person: "You asked for more of Western."

    Raises:
        SchemaError: no words for the language.
    """
    language = speaker(schema, lang)
    return language.person[preference.kind].format(shared=name_of(language, preference.feature))


def stated(edited: Edited) -> Stated:
    """What was said, as a model takes it in; see :meth:`~kg_rec.model.recommender.Recommender.stating`."""
    model, schema = edited.model, edited.model.snapshot.schema
    texts = {lang: tuple(tell_preference(schema, p, lang) for p in edited.preferences) for lang in schema.languages}
    texts.setdefault("en", tuple(tell_preference(schema, p) for p in edited.preferences))
    return Stated(model.users.index(edited.user), texts, edited.parts, edited.listed)


def edited_json(edited: Edited, k: int, lang: str = "en") -> dict[str, Any]:
    """The list with what was said, each score as its addends; and what came in and went out by it."""
    schema = edited.model.snapshot.schema
    names = edited.model.snapshot.names(schema.item.name)

    def item(i: int) -> dict[str, Any]:
        key = edited.model.items.key(i)
        return {"item": key, "name": clean_name(names[i].as_py(), key)}

    before, after = (edited.best(k, edited=e).tolist() for e in (False, True))
    rows = []
    for rank, i in enumerate(after, start=1):
        addends = [
            {
                "preference": None if p is None else edited.preferences.index(p),
                "value": value,
                "text": speaker(schema, lang).person["yours"] if p is None else tell_preference(schema, p, lang),
            }
            for p, value in edited.addends(edited.model.items.key(i))
        ]
        rows.append({"rank": rank, **item(i), "score": float(edited.scores[i]), "addends": addends})
    return {
        "user": edited.user,
        "preferences": [
            {"kind": p.kind, "feature": feature_json(p.feature), "text": tell_preference(schema, p, lang)}
            for p in edited.preferences
        ],
        "items": rows,
        "entered": [item(i) for i in after if i not in before],
        "left": [item(i) for i in before if i not in after],
        "lang": lang,
    }
