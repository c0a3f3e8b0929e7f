"""The HTTP service: an ASGI application made of a live model.

Every answer is JSON as the OpenAPI document says; an error is a problem document (RFC 9457) with the library's message.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from kg_rec.errors import ConfigError, FeedbackError, KgRecError, NotFoundError, QueryRefusedError, StoreError
from kg_rec.model.channels.registry import about_of
from kg_rec.serve import operator_routes, people_routes, routes
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.guard import Guard, problem
from kg_rec.serve.live import Live
from kg_rec.serve.service import Service
from kg_rec.store.base import GraphStore

_MEDIA = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def create_app(live: Live, writer: Callable[[], GraphStore], config: ServeConfig | None = None) -> FastAPI:
    """The application.

    Args:
        live: the model over its graph.
        writer: opens the graph for writing, for feedback.
        config: settings.

    Raises:
        ConfigError: the file of tokens is not one.
    """
    service = Service(live, writer, config or ServeConfig())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        live.watch(service.config.poll, service.tidy)
        Thread(target=service.listen, name="kg_rec-words", daemon=True).start()
        yield
        service.close()

    app = FastAPI(
        title="kg_rec", version=version("kg-rec"), lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Recommendations from a knowledge graph, each score an exact sum of graph paths.",
    )  # fmt: skip
    app.add_middleware(Guard, service=service)
    if service.config.cors:  # around the guard, which answers kept lists itself
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.config.cors,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    _problems(app)
    app.state.service = service
    for part in (routes.router, people_routes.router, operator_routes.router):
        app.include_router(part)
    _operations(app, service)
    return app


def _problems(app: FastAPI) -> None:
    """Errors of the library, of the request and of the service as problem documents."""

    @app.exception_handler(KgRecError)
    async def library(_: Request, error: KgRecError) -> Response:
        if isinstance(error, NotFoundError):
            return problem(404, "not found", str(error))
        if isinstance(error, ConfigError | FeedbackError | QueryRefusedError):
            return problem(422, "not possible as asked", str(error))
        if isinstance(error, StoreError):
            response = problem(503, "the graph cannot be reached", str(error))
            response.headers["Retry-After"] = "5"
            return response
        return problem(500, type(error).__name__, str(error))

    @app.exception_handler(RequestValidationError)
    async def request(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return problem(422, "the request is not as the OpenAPI document says", f"{place}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), str(error.detail))


def _operations(app: FastAPI, service: Service) -> None:
    """Health, metrics, the page."""

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["operations"])
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.head("/ready", include_in_schema=False)
    @app.get("/ready", tags=["operations"])
    def ready() -> Response:
        """Model and graph can be read: 200, else 503."""
        if service.live.fault is not None:
            return problem(503, "the last known state answers", service.live.fault)
        return JSONResponse({"status": "ok", "state": service.live.state.number})

    @app.get("/v1/version", tags=["operations"])
    def about() -> dict[str, Any]:
        """Versions, and what is served."""
        state = service.live.state
        users, items = state.model.recommender.shape
        kinds = state.model.recommender.snapshot.schema.relation_types
        relations = {name: dict(kind.labels) for name, kind in kinds.items()}
        channels = [c.name for c in state.model.recommender.channels]
        parts = {name: about_of(name) for name in ("base", "fashion", "stated", "again", *channels)}
        titles = {name: dict(about.titles) for name, about in parts.items()}
        colours = {name: about.colour for name, about in parts.items()}
        what: dict[str, Any] = {"kg_rec": version("kg-rec"), "state": state.number, "since": int(state.since)}
        return {
            **what,
            "users": users,
            "items": items,
            "channels": channels,
            "titles": titles,
            "colours": colours,
            "relations": relations,
        }

    @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse)
    def metrics() -> Response:
        """Counts and times in Prometheus' text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    page = {
        file.name: (file.read_bytes(), f"{_MEDIA[Path(file.name).suffix]}; charset=utf-8")
        for file in (files("kg_rec.serve") / "page").iterdir()
        if Path(file.name).suffix in _MEDIA
    }

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return part("index.html")

    @app.head("/page/{name}", include_in_schema=False)
    @app.get("/page/{name}", include_in_schema=False)
    def part(name: str) -> Response:
        if name not in page:
            raise HTTPException(404, "no such file")
        body, media = page[name]
        return Response(body, media_type=media)
