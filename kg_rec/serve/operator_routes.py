"""What the service tells operators: runs, drift, feedback, fairness, versions of the model."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request

from kg_rec.errors import ConfigError
from kg_rec.feedback.events import EventLog
from kg_rec.feedback.learn import LearnedFile
from kg_rec.people.evolution_words import evolution_json
from kg_rec.serve.routes import service_of
from kg_rec.serve.wire import Admin, Lang
from kg_rec.store.ledger import RunLedger
from kg_rec.textfile import parse_json, read_text

router = APIRouter(tags=["operations"])

#: Parts of an audit that are told.
_TOLD = ("protocol", "users", "items", "k", "means", "gaps", "exposure")
#: Runs that are told of, the newest.
_RUNS = 50


@router.get("/v1/runs")
def runs(request: Request, token: Admin) -> dict[str, Any]:
    """The newest runs of jobs: state, figures, and how far the scores moved (``drift``)."""
    with service_of(request).live.reading() as store:
        found = RunLedger(store).all()[-_RUNS:][::-1]
    told = ("run", "job", "state", "started", "finished", "error")
    figures = ("users", "rows", "seconds", "share_with_fewer_than_k", "compared_with", "drift")
    return {
        "runs": [
            {**{name: getattr(run, name) for name in told}, **{name: run.report.get(name) for name in figures}}
            for run in found
        ]
    }


@router.get("/v1/drift")
def drift(request: Request, token: Admin, lang: Lang = "en") -> dict[str, Any]:
    """How what everybody likes changed over time, and whether a change stands out."""
    service = service_of(request)
    state = service.live.state
    return evolution_json(state.model.recommender.snapshot, service.drift(state), lang)


@router.get("/v1/reactions")
def reactions(request: Request, token: Admin) -> dict[str, Any]:
    """How many reactions of each kind there are, and what each lesson made of the channels' weights, newest first."""
    live = service_of(request).live
    with live.reading() as store:
        kinds = EventLog(store, live.state.model.recommender.snapshot.schema).kinds()
    lessons = []
    for learned in reversed(LearnedFile.beside(live.folder).versions()):
        for segment, posterior in learned.posteriors.items():
            weights = zip(posterior.channels, posterior.weights, posterior.deviations, strict=True)
            lessons.append(
                {
                    "until": learned.until,
                    "segment": segment,
                    "observed": posterior.observed,
                    "weights": [{"channel": c, "weight": float(w), "deviation": float(d)} for c, w, d in weights],
                }
            )
    return {"kinds": kinds, "lessons": lessons}


@router.get("/v1/fairness")
def fairness(request: Request, token: Admin) -> dict[str, Any]:
    """The audit that is kept beside the model, null for none: ``kg-rec audit MODEL --json > MODEL/audit.json``."""
    file = service_of(request).live.folder / "audit.json"
    if not file.exists():
        return {"audit": None}
    try:
        found: dict[str, Any] = parse_json(read_text(file, ConfigError))
        return {"audit": {name: found[name] for name in _TOLD}}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file.name}: expected what kg-rec audit --json prints ({error}); make it anew") from error


@router.get("/v1/models")
def models(request: Request, token: Admin) -> dict[str, Any]:
    """The model that is served, what training chose, and the states since the service started, newest first."""
    live = service_of(request).live
    state = live.state
    chosen = state.model.recommender.chosen
    users, items = state.model.recommender.shape
    return {
        "kg_rec": version("kg-rec"),
        "model": live.folder.name,
        "trained": state.folder[0],
        "users": users,
        "items": items,
        "interactions": len(state.model.recommender.snapshot.interactions),
        "valid_ndcg": chosen.valid,
        "weights": dict(chosen.warm),
        "new_weights": dict(chosen.cold),
        "alone": dict(chosen.alone),
        "counts": state.counts,
        "states": [{"state": number, "since": since, "trained": trained} for number, since, trained in live.past],
    }
