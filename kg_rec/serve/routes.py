"""What people ask of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from kg_rec.api import Model
from kg_rec.serve.candidates import allowed_items
from kg_rec.serve.guard import LISTS
from kg_rec.serve.live import State
from kg_rec.serve.maker import Form
from kg_rec.serve.service import Service
from kg_rec.serve.tokens import Token
from kg_rec.serve.wire import (
    LIST_LANG,
    LIST_LENGTH,
    Admin,
    App,
    Asked,
    Auditor,
    Change,
    Event,
    Key,
    Lang,
    Length,
    Support,
    Wanted,
)
from kg_rec.snapshot import NO_TIME
from kg_rec.snapshot.tables import counts_as_positive

router = APIRouter()


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    found: Service = request.app.state.service
    return found


def model_of(
    request: Request, user: str, token: Token, what: str, *, reactions: bool = True, said: bool = True
) -> tuple[State, Model]:
    """The model with what the user did, and said, as it is now (:meth:`Live.of_user`); the look is written down."""
    service = service_of(request)
    service.audit(token, what, user)
    return service.live.of_user(user, reactions=reactions, said=said)


@router.get(LISTS, tags=["lists"], response_class=JSONResponse)
def recommend(
    request: Request, user: Key, token: App, k: Length = LIST_LENGTH, lang: Lang = LIST_LANG, why: bool = True
) -> Response:
    """The user's best items, each with what its score is made of and, unless why=false, the reason in words."""
    service_of(request).audit(token, "recommendations", user)
    body = service_of(request).list_of(request.scope["query_string"], user, k, lang, why)
    return Response(body, media_type="application/json")


@router.post(LISTS, tags=["lists"])
def recommend_of(request: Request, user: Key, wanted: Wanted, token: App) -> dict[str, Any]:
    """The user's best items of those that are wanted: by key, by fact, or by Cypher that returns keys of items.

    Cypher reads any part of the graph, so it needs the role auditor; it is only read, and stopped after ten seconds.
    """
    service = service_of(request)
    if (wanted.only or wanted.never) and not token.may("auditor"):
        raise HTTPException(403, f"Cypher needs the role auditor, the token of {token.name} has {token.role}")
    state, model = model_of(request, user, token, "recommendations")
    form = Form(wanted.k, wanted.lang, wanted.why)
    items = service.maker.of(state, model, user, form, allowed_items(service.live, state, wanted))
    return {"user": user, "state": state.number, "items": items}


@router.get("/v1/explanation", tags=["why"])
def explain(request: Request, user: Key, item: Key, token: Support, lang: Lang = "en") -> dict[str, Any]:
    """Why the item has its score for the user: every addend, paths, words, and Cypher to check it."""
    from kg_rec.explain.show.text import to_dict

    _, model = model_of(request, user, token, "explanation")
    return to_dict(model.explain(user, item, lang=lang, config=service_of(request).shown))


@router.get("/v1/card", tags=["why"], response_class=HTMLResponse)
def card(request: Request, user: Key, item: Key, token: Support, lang: Lang = "en") -> Response:
    """The explanation as a page of its own, with a picture."""
    _, model = model_of(request, user, token, "explanation")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    page = model.explain(user, item, lang=lang, config=service_of(request).shown).to("html")
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


@router.get("/v1/check", tags=["why"])
def check(request: Request, user: Key, item: Key, token: Auditor) -> dict[str, Any]:
    """Run the explanation's Cypher in the graph: does it return exactly the paths that are told?

    Paths that begin with a reaction (a click is no interaction of the graph) are counted apart, as ``by_feedback``; of
    ``by_likeness`` the graph has the items, and the likeness itself is the model's.
    """
    from kg_rec.explain.show.cypher import cypher_for, mismatches

    _, model = model_of(request, user, token, "check")
    live = service_of(request).live
    found = model.explain(user, item, config=service_of(request).shown)
    reacted = set(live.reactions(user).column("item").to_pylist()) - live.interacted(user)
    paths = [path for path in found.paths if path.nodes[1].key not in reacted]
    cypher, parameters = cypher_for(model.recommender.snapshot.schema, user, item, paths)
    wrong = list(mismatches(paths, live.query(cypher, parameters)))
    likeness = sum(any(edge.type is None for edge in path.edges) for path in paths)
    told = {"paths": len(paths), "by_feedback": len(found.paths) - len(paths), "by_likeness": likeness}
    return {**told, "wrong": wrong, "cypher": cypher, "parameters": parameters}


@router.get("/v1/counterfactual", tags=["why"])
def counterfactual(request: Request, user: Key, item: Key, token: Support, k: Length = 10) -> dict[str, Any]:
    """Without which interactions would the item leave the list?  Of the model as it stands, not of people."""
    _, model = model_of(request, user, token, "counterfactual")
    return model.counterfactual(user, item, k, seconds=2.0).to_dict()


@router.get("/v1/why-not", tags=["why"])
def why_not(
    request: Request, user: Key, item: Key, token: Support, k: Length = 10, lang: Lang = "en"
) -> dict[str, Any]:
    """Why is the item not in the user's list, and what would bring it in?  Of the model as it stands."""
    from kg_rec.explain.show.compare import why_not_dict

    _, model = model_of(request, user, token, "why-not")
    return why_not_dict(model.why_not(user, item, k), model.recommender.snapshot.schema, lang)


@router.get("/v1/versus", tags=["why"])
def versus(request: Request, user: Key, item: Key, other: Key, token: Support, lang: Lang = "en") -> dict[str, Any]:
    """Why the one item and not the other: the difference of their scores, by what the user did."""
    from kg_rec.explain.show.compare import versus_dict

    _, model = model_of(request, user, token, "versus")
    return versus_dict(model.versus(user, item, other, lang=lang, config=service_of(request).shown), lang)


@router.get("/v1/similar", tags=["lists"])
def similar(request: Request, item: Key, token: App, k: Length = 10) -> dict[str, Any]:
    """Items that most support one another: what a user who had only this item would get, without what all get."""
    items = []
    for row in service_of(request).live.state.model.similar(item, k).to_pylist():
        one = {name: row.pop(name) for name in ("item", "name", "score")}
        items.append(one | {"channels": {name: value for name, value in row.items() if name != "rank"}})
    return {"item": item, "items": items}


@router.post("/v1/what-if", tags=["why"])
def what_if(request: Request, user: Key, change: Change, token: Support) -> dict[str, Any]:
    """The list with another history, or with other weights of the channels; nothing is written."""
    _, model = model_of(request, user, token, "what-if")
    weights = change.weights or None
    return model.what_if(user, added=change.add, removed=change.remove, weights=weights, k=change.k).to_dict()


@router.post("/v1/ask", tags=["lists"])
def ask(request: Request, user: Key, asked: Asked, token: App) -> dict[str, Any]:
    """A list for a request in words, each score with its addends; what was not understood is said.

    Requests before it are answered again, so the service keeps no conversation.  "Why" is answered for who may see why.
    """
    state, model = model_of(request, user, token, "ask")
    session = service_of(request).asker(state).over(model.recommender).session(user, asked.lang)
    for earlier in asked.after:
        session.ask(earlier, asked.k)
    answer = session.ask(asked.text, asked.k)
    if answer.request.turn.kind in ("why", "why-not") and not token.may("support"):
        raise HTTPException(403, f"why needs the role support, the token of {token.name} has {token.role}")
    return answer.to_dict()


@router.get("/v1/history", tags=["why"])
def history(request: Request, user: Key, token: Support) -> dict[str, Any]:
    """What the user did, latest first: whether it counts as liked, and of a reaction its kind (``feedback``)."""
    _, model = model_of(request, user, token, "history")
    live = service_of(request).live
    reactions = live.reactions(user).to_pylist()  # by time, so the latest of an item stays
    there = live.interacted(user) if reactions else set()
    kinds = {row["item"]: row["kind"] for row in reactions if row["item"] not in there}
    return {"user": user, "items": list(_history(model, user, kinds))}


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


def _history(model: Model, user: str, kinds: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    recommender = model.recommender
    row = recommender.users.index(user)
    edges = recommender.snapshot.interactions
    edges = edges.take(edges.source == row)
    names = recommender.snapshot.names(recommender.snapshot.schema.item.name)
    rows, liked = [], counts_as_positive(edges, recommender.snapshot.schema.interaction)
    for n, target in enumerate(edges.target.tolist()):
        at = None if edges.time is None or edges.time[n] == NO_TIME else int(edges.time[n])
        weight = None if edges.weight is None or edges.weight[n] != edges.weight[n] else float(edges.weight[n])
        item = recommender.items.key(target)
        kind = kinds.get(item)
        if kind != "dismiss":
            own = {"weight": weight if kind is None else None, "liked": bool(liked[n]), "at": at, "feedback": kind}
            rows.append({"item": item, "name": names[target].as_py(), **own})
    yield from sorted(rows, key=lambda r: (-(r["at"] or 0), r["name"]))
