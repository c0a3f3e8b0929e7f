"""What the routes of the service share: lists, names, limits, the audit log, feedback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from kg_rec.ask.search import NameIndex
from kg_rec.ask.session import Asker
from kg_rec.ask.words import WORDS
from kg_rec.errors import StoreError
from kg_rec.explain.config import ExplainConfig
from kg_rec.feedback.events import REACTED, EventLog
from kg_rec.model.recommender import Recommender
from kg_rec.people.evolution import Evolution
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.kept import Changes, Kept, KeptLists, files_of
from kg_rec.serve.live import Live, Loan, State
from kg_rec.serve.maker import Form, ListMaker
from kg_rec.serve.tokens import ANYBODY, Token, holder, read_tokens
from kg_rec.store.base import GraphStore

#: Lists that are asked for at once; more wait.
_MAKERS = 32
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class _Metrics:
    """Counts and times; those of all worker processes where they share a folder."""

    def __init__(self, shared: Path | None) -> None:
        self._shared, self.registry = shared, CollectorRegistry()
        self.requests = Counter("kg_rec_requests", "Requests", ("route", "status"), registry=self.registry)
        self.seconds = Histogram("kg_rec_request_seconds", "Time to answer", ("route",), registry=self.registry)

    def done(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests.labels(route, status).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        if self._shared is None:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, path=str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(together)


class _Rate:
    """Requests of the last minute by who asks."""

    def __init__(self, most: int) -> None:
        self._most, self._seen, self._lock = most, dict[str, deque[float]](), threading.Lock()

    def allows(self, who: str) -> bool:
        if not self._most:
            return True
        now = time.monotonic()
        with self._lock:
            times = self._seen.setdefault(who, deque())
            while times and times[0] < now - 60:
                times.popleft()
            if len(self._seen) > 10_000:  # addresses that were not heard of for a minute are forgotten
                self._seen = {k: v for k, v in self._seen.items() if v and v[-1] >= now - 60}
            if len(times) >= self._most:
                return False
            times.append(now)
            return True


class Service:
    """What the routes share.

    Args:
        live: the model over its graph.
        writer: opens the graph for writing.
        config: settings.
    """

    def __init__(self, live: Live, writer: Callable[[], GraphStore], config: ServeConfig) -> None:
        self.live, self.writer, self.config = live, writer, config
        self.tokens = () if config.tokens is None else read_tokens(config.tokens)
        shared = config.shared
        self.metrics, self.rate = _Metrics(shared), _Rate(config.rate)
        self.changes = Changes(None if shared is None else shared / "changes")
        self.lists = KeptLists(config.cached, self.changes)
        self.shown = ExplainConfig(least_crowd=config.least_crowd)
        self.maker = ListMaker(self.shown)
        self._makers = ThreadPoolExecutor(_MAKERS, "kg_rec-list")
        self._names: tuple[int, dict[str, NameIndex]] = (-1, {})
        self._asker: tuple[int, Asker] | None = None
        self._drift: tuple[int, Evolution] | None = None
        self._audit, self._writing = threading.Lock(), threading.Lock()
        self._loan: Loan | None = None
        self._written = 0.0

    def names(self) -> dict[str, NameIndex]:
        """Names of users and items of the state at hand."""
        state = self.live.state
        number, before = self._names
        if number != state.number:
            snapshot, found = state.model.recommender.snapshot, {}
            done = snapshot.interactions
            for what, ids, ends in (("user", snapshot.users, done.source), ("item", snapshot.items, done.target)):
                counts = np.bincount(ends, minlength=len(ids))
                found[what] = NameIndex(ids.keys, snapshot.names(ids.node_type), counts, before.get(what))
            self._names = (state.number, found)
        return self._names[1]

    def asker(self, state: State) -> Asker:
        """What answers requests in words over a state; its parsers are kept until items or facts change."""
        before, model = self._asker, state.model.recommender
        if before is not None and before[0] == state.number:
            return before[1]
        asker = before[1].over(model) if before is not None and before[1].reads(model) else Asker(model)
        self._asker = (state.number, asker)
        return asker

    def listen(self) -> None:
        """Load the text model and make the parsers, so that the first request in words does not wait for them."""
        state = self.live.state
        if state.model.recommender.text is not None:
            for language in WORDS:
                self.asker(state).parser(language).near.ready()

    def drift(self, state: State) -> Evolution:
        """How what everybody likes changed, over a state; tested once, as that takes seconds."""
        if self._drift is None or self._drift[0] != state.number:
            self._drift = (state.number, state.model.evolution())
        return self._drift[1]

    def audit(self, token: Token, what: str, user: str) -> None:
        """Write down who looked at whom."""
        if self.config.audit is None:
            return
        line = json.dumps({"at": int(time.time()), "who": token.name, "what": what, "user": user}, ensure_ascii=True)
        with self._audit, self.config.audit.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def record(self, events: Sequence[Mapping[str, Any]]) -> int:
        """Write events into the graph; they are there when this returns."""
        now = int(time.time())
        rows = [{**event, "at": now if event["at"] is None else event["at"]} for event in events]
        with self.writing({event["user"] for event in events}) as store:
            return EventLog.of(store).record_reactions(pa.Table.from_pylist(rows, schema=REACTED))

    @contextmanager
    def writing(self, users: Iterable[str]) -> Iterator[GraphStore]:
        """The graph for writing something of some users; lists that were kept of them do not hold after that."""
        try:
            with self._writable() as store:
                yield store
        finally:  # where it failed, nobody knows how much of it was written
            self.changes.mark(users)

    @contextmanager
    def _writable(self) -> Iterator[GraphStore]:
        """The graph for writing, for one thread at a time; it stays open for the next, and is read from meanwhile."""
        if self.live.hosted is not None:
            yield cast("GraphStore", self.live.hosted)
            return
        with self._writing:
            if self._loan is None:
                since, opened = time.monotonic(), self.writer()
                self._loan = Loan(opened, files_of(opened.url), lambda user: self.changes.of(user) >= since)
            try:
                yield self._loan.store
            except StoreError:
                self._let_go()
                raise
            self._written = time.monotonic()
            if self.live.alone:
                self.live.lend(self._loan)

    def tidy(self) -> None:
        """Close an embedded graph that nobody sent feedback for since a poll, so that others may write to it."""
        with self._writing:
            alone = self._loan is not None and self.live.alone
            if alone and time.monotonic() - self._written >= self.config.poll:
                self._let_go()

    def close(self) -> None:
        """Let go of the graph, when the lists that are being made are done."""
        self._makers.shutdown(cancel_futures=True)
        self.live.close()
        with self._writing:
            self._let_go()

    def _let_go(self) -> None:
        self.live.lend(None)
        if self._loan is not None:
            self._loan.store.close()
            self._loan = None

    def who(self, authorization: str | None) -> Token | None:
        """Who sent an ``Authorization`` header; None where a token is asked for and this is none."""
        return ANYBODY if self.config.tokens is None else holder(self.tokens, authorization)

    def kept(self, request: bytes) -> Kept | None:
        """The list that a request was answered with, where nothing it was made from has changed."""
        found = self.lists.get(request)
        return found if found is not None and found.look.still(self.live.look(), self.config.poll) else None

    async def list_soon(self, request: bytes, user: str, k: int, lang: str, why: bool) -> bytes:
        """:meth:`list_of` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._makers, self.list_of, request, user, k, lang, why)

    def list_of(self, request: bytes, user: str, k: int, lang: str, why: bool) -> bytes:
        """A user's list as JSON, each item with what its score is made of.

        Args:
            request: the text of the request, by which the answer is kept.
            user, k, lang, why: what it asks for.
        """
        look = self.live.look()
        before = self.lists.get(request)
        state, model = self.live.of_user(user, look=look)
        did = b"" if state.has(model) else _did(model.recommender, user)  # what the state holds does not change
        if before is not None and (before.look.state, before.did) == (state.number, did):
            body = before.body
        else:
            items = self.maker.items(state, model, user, Form(k, lang, why))
            body = _json({"user": user, "state": state.number, "items": items})
        if state.number == look.state:
            self.lists.put(request, Kept(user, look, did, body))
        return body


def _did(recommender: Recommender, user: str) -> bytes:
    """A digest of what a user did and said."""
    row = np.array([recommender.users.index(user)])
    given, seen = recommender.interacted.histories_of(row), recommender.interacted.seen_of(row)
    whole = hashlib.blake2b(digest_size=16)
    for part in (given.indices, given.data, seen.indices):
        whole.update(len(part).to_bytes(8, "little") + part.tobytes())
    again = recommender.again_of(row)
    if again is not None:
        whole.update(again.data.tobytes())
    if recommender.stated is not None:
        whole.update(recommender.stated.total.tobytes() + recommender.stated.allowed.tobytes())
    return whole.digest()


def _json(value: Any) -> bytes:
    return _JSON.encode(value).encode()
