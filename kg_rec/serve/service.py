"""What the routes of the service share: lists that are kept, names, limits, the audit log, feedback."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Histogram

from kg_rec.ask.search import NameIndex
from kg_rec.ask.session import Asker
from kg_rec.explain.config import ExplainConfig
from kg_rec.feedback.events import REACTED, EventLog
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.live import Live, State
from kg_rec.serve.tokens import Token, read_tokens
from kg_rec.store.base import GraphStore


class _Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("kg_rec_requests", "Requests", ("route", "status"), registry=self.registry)
        self.seconds = Histogram("kg_rec_request_seconds", "Time to answer", ("route",), registry=self.registry)


class _Lists:
    """The newest lists, least used first out."""

    def __init__(self, size: int) -> None:
        self._size, self._kept, self._lock = size, OrderedDict[tuple[Any, ...], dict[str, Any]](), threading.Lock()

    def get(self, key: tuple[Any, ...]) -> dict[str, Any] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[Any, ...], value: dict[str, Any]) -> None:
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


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
        self.metrics, self.lists, self.rate = _Metrics(), _Lists(config.cached), _Rate(config.rate)
        self.shown = ExplainConfig(least_crowd=config.least_crowd)
        self._names: tuple[int, dict[str, NameIndex]] = (-1, {})
        self._asker: tuple[int, Asker] | None = None
        self._audit, self._writing = threading.Lock(), threading.Lock()

    def names(self) -> dict[str, NameIndex]:
        """Names of users and items of the state at hand."""
        state = self.live.state
        if self._names[0] != state.number:
            snapshot = state.model.recommender.snapshot
            found = {
                what: NameIndex(snapshot.ids[node.name].keys, snapshot.names(node.name))
                for what, node in (("user", snapshot.schema.user), ("item", snapshot.schema.item))
            }
            self._names = (state.number, found)
        return self._names[1]

    def asker(self, state: State) -> Asker:
        """What answers requests in words over a state; its parsers are kept until nodes change."""
        if self._asker is None or self._asker[0] != state.number:
            self._asker = (state.number, Asker(state.model.recommender))
        return self._asker[1]

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
        with self._writing, closing(self.writer()) as store:
            return EventLog.of(store).record_reactions(pa.Table.from_pylist(rows, schema=REACTED))

    def list_of(self, user: str, k: int, lang: str, why: bool) -> dict[str, Any]:
        """A user's list, each item with what its score is made of."""
        state, model = self.live.of_user(user)
        recommender = model.recommender
        row = recommender.users.index(user)
        first, last = recommender.histories.indptr[[row, row + 1]]
        seen = recommender.seen[[row]]
        did = hash(
            (
                recommender.histories.indices[first:last].tobytes(),
                recommender.histories.data[first:last].tobytes(),
                seen.indices.tobytes(),
            )
        )
        key = (state.number, user, k, lang, why, did)
        kept = self.lists.get(key)
        if kept is not None:
            return kept
        items = []
        for entry in model.recommend([user], k).to_pylist():
            one = {"rank": entry["rank"], "item": entry["item"], "name": entry["name"], "score": entry["score"]}
            if why:
                found = model.explain(user, entry["item"], lang=lang, config=self.shown)
                channels: dict[str, float] = {}
                for term in found.terms:
                    channels[term.channel] = channels.get(term.channel, 0.0) + term.value
                one |= {"base": found.base, "channels": channels, "why": found.text}
            items.append(one)
        answer = {"user": user, "state": state.number, "items": items}
        self.lists.put(key, answer)
        return answer
