"""What the service tells of people: a profile that they may correct, and how they changed."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request

from kg_rec.explain.words.wording import Wording
from kg_rec.people.evolution_words import evolution_json
from kg_rec.people.kept import Kept
from kg_rec.people.preference_words import edited_json
from kg_rec.people.preferences import Preference
from kg_rec.people.profile_words import profile_json
from kg_rec.serve.routes import model_of, service_of
from kg_rec.serve.wire import Key, Lang, Length, Said, Support

router = APIRouter(tags=["people"])


@router.get("/v1/profile")
def profile(request: Request, user: Key, token: Support, lang: Lang = "en") -> dict[str, Any]:
    """What the user likes and avoids in the graph's terms, each count with the Cypher that returns it.

    Clicks and the like are no interactions of the graph, so they are not counted; struck clauses are left out.
    """
    _, model = model_of(request, user, token, "profile", reactions=False, said=False)
    struck = [p.feature for p in _kept(request, user) if p.kind == "struck"]
    return profile_json(model.profile(user).without(struck), Wording(lang))


@router.get("/v1/evolution")
def evolution(request: Request, user: Key, token: Support, lang: Lang = "en") -> dict[str, Any]:
    """The user over time: windows, what was liked in each, and whether there is a change that stands out."""
    _, model = model_of(request, user, token, "evolution", reactions=False, said=False)
    return evolution_json(model.recommender.snapshot, model.evolution(user), lang)


@router.get("/v1/preferences")
def preferences(request: Request, user: Key, token: Support, k: Length = 10, lang: Lang = "en") -> dict[str, Any]:
    """What the user said of themselves, and the list that it makes."""
    _, model = model_of(request, user, token, "preferences", said=False)
    return {**edited_json(model.editor.apply(user, _kept(request, user)), k, lang), "remarks": []}


@router.post("/v1/preferences")
def prefer(request: Request, user: Key, said: Said, token: Support) -> dict[str, Any]:
    """Strike clauses of the profile, or add to it in words; ``keep`` writes it into the graph, else it is tried."""
    _, model = model_of(request, user, token, "preferences", said=False)
    service, editor = service_of(request), model.editor
    read = [editor.read(text) for text in said.say]
    new = [preference for found, _ in read for preference in found]
    new += [editor.clause(user, name) for name in said.strike]
    if said.keep:
        with service.writing([user]) as store:
            kept = Kept.of(store)
            if said.forget:
                kept.remove(user)
            kept.add(user, new, int(time.time()))
            now = kept.read(user)
    else:
        about = {p.feature.identity for p in new}
        old = () if said.forget else _kept(request, user)
        now = (*(p for p in old if p.feature.identity not in about), *new)
    remarks = [line for _, lines in read for line in lines]
    return {**edited_json(editor.apply(user, now), said.k, said.lang), "remarks": remarks}


def _kept(request: Request, user: str) -> tuple[Preference, ...]:
    """What the user said and had kept."""
    live = service_of(request).live
    with live.reading() as store:
        return Kept(store, live.state.model.recommender.snapshot.schema).read(user)
