"""Around every request: limits, headers, metrics, and the quick way to lists that are kept.

It is written against ASGI itself: a kept list is sent as the bytes that were sent before, without a thread, a router or
a parser in between; a list that has to be made passes no router either, where the request is a plain one.
"""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kg_rec.errors import KgRecError
from kg_rec.serve.service import Service
from kg_rec.serve.tokens import Token
from kg_rec.serve.wire import plain_list

_log = logging.getLogger(__name__)

#: Where lists are asked for.
LISTS = "/v1/recommendations"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_RAW = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
_STALE = (b"warning", b'110 kg_rec "the graph cannot be read; this is its last known state"')


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """A problem document (RFC 9457)."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(content, status, media_type="application/problem+json")


class Guard:
    """The application with limits, headers and metrics.

    Args:
        app: what answers.
        service: settings, kept lists, metrics.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        service, start, status = self._service, time.perf_counter(), 0

        async def out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name for name, _ in message["headers"]}
                more = [*_RAW, _STALE] if service.live.fault is not None else _RAW
                message["headers"] = [*message["headers"], *(one for one in more if one[0] not in there)]
            await send(message)

        headers, made = dict(scope["headers"]), False
        refused = self._refused(scope, headers)
        answer = refused or self._kept(scope, headers)
        if answer is not None:
            await answer(scope, receive, out)
        else:
            try:
                async with asyncio.timeout(service.config.timeout):  # also of a client that sends its body slowly
                    body = await self._made(scope, headers)
                    made = body is not None
                    inner: ASGIApp = self._app
                    if body is not None:
                        inner = Response(body, media_type="application/json")
                    await inner(scope, receive, out)
            except TimeoutError:
                if status:  # the answer has begun: it ends here, and the client sees that it is cut
                    raise
                late = problem(504, "the request took too long", f"more than {service.config.timeout:g} seconds")
                await late(scope, receive, out)
            except Exception:
                if status:
                    raise
                _log.exception("%s %s failed", scope["method"], scope["path"])
                await problem(500, "an error of the service", "the log of the service says more")(scope, receive, out)
        of_list = made or (answer is not None and answer is not refused)
        route = getattr(scope.get("route"), "path", LISTS if of_list else "none")
        service.metrics.done(route, status, time.perf_counter() - start)

    def _refused(self, scope: Scope, headers: dict[bytes, bytes]) -> Response | None:
        """What says that a request is over a limit."""
        config = self._service.config
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit() or int(length) > config.body:
            return problem(413, "the body is too large or of unknown length", f"at most {config.body} bytes")
        client = scope.get("client")
        if not self._service.rate.allows(client[0] if client else ""):
            refused = problem(429, "too many requests", f"at most {config.rate} a minute")
            refused.headers["Retry-After"] = "60"
            return refused
        return None

    def _kept(self, scope: Scope, headers: dict[bytes, bytes]) -> Response | None:
        """The list that the same request was answered with before, for who may see it."""
        if scope["method"] != "GET" or scope["path"] != LISTS:
            return None
        found = self._service.kept(scope["query_string"])
        if found is None:
            return None
        token = self._may(headers)
        if token is None:
            return None
        self._service.audit(token, "recommendations", found.user)
        return Response(found.body, media_type="application/json")

    async def _made(self, scope: Scope, headers: dict[bytes, bytes]) -> bytes | None:
        """The list that a plain request asks for; None where the route has something to say."""
        asked = plain_list(scope["query_string"]) if scope["method"] == "GET" and scope["path"] == LISTS else None
        token = None if asked is None else self._may(headers)
        if asked is None or token is None:
            return None
        try:
            body = await self._service.list_soon(scope["query_string"], *asked)
        except KgRecError:
            return None
        self._service.audit(token, "recommendations", asked[0])
        return body

    def _may(self, headers: dict[bytes, bytes]) -> Token | None:
        """Who asks, where that one may see lists; else the route says what is missing."""
        token = self._service.who(headers.get(b"authorization", b"").decode("latin-1"))
        return token if token is not None and token.may("app") else None
