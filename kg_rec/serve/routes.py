"""What people ask of the service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from kg_rec.api import Model
from kg_rec.serve.live import State
from kg_rec.serve.service import Service
from kg_rec.serve.tokens import Token
from kg_rec.serve.wire import Admin, App, Auditor, Change, Event, Key, Lang, Length, Support
from kg_rec.snapshot import NO_TIME

router = APIRouter()


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    found: Service = request.app.state.service
    return found


def model_of(request: Request, user: str, token: Token, what: str) -> tuple[State, Model]:
    """The model with the user's interactions as they are now; the look is written down."""
    service = service_of(request)
    service.audit(token, what, user)
    return service.live.of_user(user)


@router.get("/v1/recommendations", tags=["lists"])
def recommend(
    request: Request, user: Key, token: App, k: Length = 10, lang: Lang = "en", why: bool = True
) -> dict[str, Any]:
    """The user's best items, each with what its score is made of and, unless why=false, the reason in words."""
    service_of(request).audit(token, "recommendations", user)
    return service_of(request).list_of(user, k, lang, why)


@router.get("/v1/explanation", tags=["why"])
def explain(request: Request, user: Key, item: Key, token: Support, lang: Lang = "en") -> dict[str, Any]:
    """Why the item has its score for the user: every addend, paths, words, and Cypher to check it."""
    from kg_rec.explain.show.text import to_dict

    _, model = model_of(request, user, token, "explanation")
    return to_dict(model.explain(user, item, lang=lang))


@router.get("/v1/card", tags=["why"], response_class=HTMLResponse)
def card(request: Request, user: Key, item: Key, token: Support, lang: Lang = "en") -> Response:
    """The explanation as a page of its own, with a picture."""
    _, model = model_of(request, user, token, "explanation")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    page = model.explain(user, item, lang=lang).to("html")
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


@router.get("/v1/check", tags=["why"])
def check(request: Request, user: Key, item: Key, token: Auditor) -> dict[str, Any]:
    """Run the explanation's Cypher in the graph: does it return exactly the paths that are told?"""
    from kg_rec.explain.show.cypher import mismatches

    _, model = model_of(request, user, token, "check")
    found = model.explain(user, item)
    table = service_of(request).live.query(found.cypher, dict(found.parameters))
    wrong = list(mismatches(found.paths, table))
    return {"paths": len(found.paths), "wrong": wrong, "cypher": found.cypher, "parameters": dict(found.parameters)}


@router.get("/v1/counterfactual", tags=["why"])
def counterfactual(request: Request, user: Key, item: Key, token: Support, k: Length = 10) -> dict[str, Any]:
    """Without which interactions would the item leave the list?  Of the model as it stands, not of people."""
    _, model = model_of(request, user, token, "counterfactual")
    return model.counterfactual(user, item, k, seconds=2.0).to_dict()


@router.post("/v1/what-if", tags=["why"])
def what_if(request: Request, user: Key, change: Change, token: Support) -> dict[str, Any]:
    """The list with another history, or with other weights of the channels; nothing is written."""
    _, model = model_of(request, user, token, "what-if")
    weights = change.weights or None
    return model.what_if(user, added=change.add, removed=change.remove, weights=weights, k=change.k).to_dict()


@router.get("/v1/history", tags=["why"])
def history(request: Request, user: Key, token: Support) -> dict[str, Any]:
    """What the user did, latest first."""
    _, model = model_of(request, user, token, "history")
    return {"user": user, "items": list(_history(model, user))}


@router.get("/v1/search", tags=["find"])
def search(
    request: Request,
    token: Support,
    q: Annotated[str, Query(min_length=1, max_length=200, description="What was typed.")],
    what: Literal["user", "item"] = "item",
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> dict[str, Any]:
    """Users or items by name: near matches, without accents, words in any order."""
    return {"matches": [asdict(match) for match in service_of(request).names()[what].find(q, limit)]}


@router.post("/v1/feedback", tags=["feedback"])
def feedback(
    request: Request, events: Annotated[list[Event], Field(min_length=1, max_length=1000)], token: App
) -> dict[str, int]:
    """Write what people did; it is in the graph when the answer comes.  Sending an event again changes nothing."""
    return {"written": service_of(request).record([event.model_dump() for event in events])}


@router.post("/v1/refresh", tags=["operations"])
def refresh(request: Request, token: Admin) -> dict[str, int]:
    """Read graph and model anew now."""
    return {"state": service_of(request).live.refresh(whole=True).number}


def _history(model: Model, user: str) -> Iterator[dict[str, Any]]:
    recommender = model.recommender
    row = recommender.users.index(user)
    edges = recommender.snapshot.interactions
    edges = edges.take(edges.source == row)
    names = recommender.snapshot.names(recommender.snapshot.schema.item.name)
    rows = []
    for n, target in enumerate(edges.target.tolist()):
        at = None if edges.time is None or edges.time[n] == NO_TIME else int(edges.time[n])
        weight = None if edges.weight is None or edges.weight[n] != edges.weight[n] else float(edges.weight[n])
        rows.append({"item": recommender.items.key(target), "name": names[target].as_py(), "weight": weight, "at": at})
    yield from sorted(rows, key=lambda r: (-(r["at"] or 0), r["name"]))
