"""The model as it is served: over the graph as it is now, changed without a gap when graph or model change.

A list is made from the user's interactions and reactions **as the graph holds them at that moment**: they are read
when it is made.  Whether a list that was made before still holds, :meth:`Live.look` tells.  Where the graph cannot be
read, the last state answers, and :attr:`Live.fault` says so.  What else changes (items, facts, other users) is found by
a look at the graph's counts every second, and read anew in the background; until then the last state answers.  Each
state is frozen, so any number of threads may use it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from kg_rec.api import Model
from kg_rec.errors import (
    KgRecError,
    ModelError,
    NotFoundError,
    QueryRefusedError,
    StoreError,
    StoreUnavailableError,
)
from kg_rec.feedback.apply import liked_weight, reacted
from kg_rec.feedback.events import EventLog
from kg_rec.feedback.learn import EVERYBODY, Learned, LearnedFile, reweighted, segments_of
from kg_rec.model.one_user import with_history
from kg_rec.people.kept import Kept as KeptPreferences
from kg_rec.people.preferences import Preference
from kg_rec.serve.hosted import Hosted
from kg_rec.serve.kept import Files, Look, files_of
from kg_rec.snapshot import EdgeTable, export
from kg_rec.snapshot.canonical import one_edge_a_pair
from kg_rec.snapshot.from_store import edges_of_batch
from kg_rec.store import mapping
from kg_rec.store.base import GraphStore
from kg_rec.store.batch import edge_schema
from kg_rec.store.cypher import missing_keys
from kg_rec.store.ledger_cypher import RECOMMENDED
from kg_rec.store.mapping import quoted

_log = logging.getLogger(__name__)
_MOST = 1_000_000
#: States that are remembered.
_PAST = 20
#: Seconds for which a graph that could not be read is not asked again for a list.
_REST = 1.0


@dataclass(frozen=True)
class State:
    """One state of model and graph.

    Attributes:
        number: counts up with each change.
        model: over the graph as it was read.
        counts: of nodes and relationships, by type, when it was read.
        folder: of the model, as modification time and size of its description and of what feedback taught.
        learned: what feedback taught; None for the trained weights.
        segments: the model with the weights of each segment that was learned of.
        since: when it was read, Unix seconds.
        files: of an embedded graph when it was read, by name, size and time; none for a server.
        liked: the weight that a click gets as an interaction.
        reacted: users of whom an embedded graph held reactions when it was read.
        stated: what users said of themselves when the graph was read, by user key.
    """

    number: int
    model: Model
    counts: dict[str, int]
    folder: tuple[float, ...]
    since: float
    learned: Learned | None
    segments: Mapping[str, Model]
    files: Files
    liked: float
    reacted: frozenset[str]
    stated: Mapping[str, tuple[Preference, ...]] = field(default_factory=dict)

    def has(self, model: Model) -> bool:
        """Whether a model is one of the state's own, and not one with a history of the moment."""
        return model is self.model or any(model is own for own in self.segments.values())

    def of(self, user: str) -> Model:
        """The model with the weights of a user's segment."""
        if self.learned is None:
            return self.model
        segment = segments_of(self.model.recommender, [user], self.learned.property)[0]
        return self.segments.get(segment) or self.segments[EVERYBODY]


@dataclass(frozen=True, slots=True)
class Loan:
    """An embedded graph that is open for writing here, so that nobody else writes to it.

    Attributes:
        store: it, to be read from.
        files: its files when it was opened.
        wrote: whether something was written of a user since.
    """

    store: GraphStore
    files: Files
    wrote: Callable[[str], bool]


class Live:
    """A model over a graph that others write to.

    Args:
        connect: opens the graph for reading.
        folder: of the model; it is an attribute.
        mmap: leave what it learned in the file, and make lists from there; see :func:`kg_rec.model.persist.load`.
        share: leave what it learned in the file, where other processes have it too, but make lists in memory.
        hosted: the graph as another process has it open for reading and writing (:mod:`kg_rec.serve.hosted`); it is an
            attribute.
    """

    def __init__(
        self,
        connect: Callable[[], GraphStore],
        folder: Path,
        *,
        mmap: bool = False,
        share: bool = False,
        hosted: Hosted | None = None,
    ) -> None:
        self.hosted = hosted
        self._connect, self.folder, self._mmap, self._share = connect, folder, mmap, share
        self._store: GraphStore | None = None
        self._loan: Loan | None = None
        self._confirmed: Files = ()
        self._files: Files = ()
        self._url = "" if hosted is None else hosted.url
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._stopped = threading.Event()
        self.fault: str | None = None
        self._rest = 0.0
        self._past: deque[tuple[int, int, float]] = deque(maxlen=_PAST)
        self._state = self._read(0)

    @property
    def past(self) -> tuple[tuple[int, int, float], ...]:
        """Number, since when, and time of the model's file, of the last states, newest first."""
        return tuple(self._past)

    @property
    def alone(self) -> bool:
        """Whether the graph is in a folder, which one process at a time writes to."""
        return "://" not in self._url

    @property
    def state(self) -> State:
        """The newest state."""
        return self._state

    def watch(self, poll: float, also: Callable[[], None] = lambda: None) -> threading.Thread:
        """Look for changes every ``poll`` seconds, in a thread of its own, until :meth:`close`; and do ``also``."""

        def loop() -> None:
            while not self._stopped.wait(poll):
                try:
                    also()
                    self.refresh()
                    self.fault = None
                except (KgRecError, OSError) as error:  # the last state goes on answering; the fault is told
                    self._failed(error)

        thread = threading.Thread(target=loop, name="kg_rec-watch", daemon=True)
        thread.start()
        return thread

    def refresh(self, *, whole: bool = False) -> State:
        """Read graph and model anew if they changed, or in any case if ``whole``.

        Raises:
            StoreError: the graph cannot be read.
            ModelError: the model cannot.
        """
        with self._refreshing:
            now, loan = self._state, self._loan
            files = files_of(self._url) if loan is None else loan.files  # what is written meanwhile is no fact
            if self.hosted is not None:
                files = self.hosted.files()
            same = now.files and files in (now.files, self._confirmed)
            if whole or now.folder != self._stamp() or (not same and self._changed(now)):
                self._state = self._read(now.number + 1)
            elif not same:
                self._confirmed = files  # it is not counted again for these
            return self._state

    def _changed(self, state: State) -> bool:
        """Whether the graph has other counts than a state."""
        return state.counts != self._counts()

    def of_user(
        self, user: str, *, reactions: bool = True, said: bool = True, look: Look | None = None
    ) -> tuple[State, Model]:
        """The model with this user's interactions, reactions and statements as they are in the graph now.

        Where the graph cannot be read, those of the last state.

        Args:
            user: user key.
            reactions: whether clicks and the like count, which are no interactions of the graph.
            said: whether what the user said of themselves is in it.
            look: one of the same request, so that the graph's files are not looked at again.

        Raises:
            NotFoundError: the user is not in the graph.
            StoreError: the graph cannot be read, and the last state does not know the user.
        """
        state = self._state
        if user not in state.model.recommender.users:
            state = self.refresh(whole=self._exists(user))
        model = state.of(user)
        stated = state.stated.get(user, ()) if said else ()
        if time.monotonic() < self._rest:
            return state, model.with_preferences(user, stated)
        unchanged = self._unchanged(state, user, look)
        if unchanged and not (reactions and user in state.reacted):
            return state, model.with_preferences(user, stated)
        recommender = model.recommender
        row, edges = recommender.users.index(user), recommender.snapshot.interactions
        known = edges.take(np.arange(*np.searchsorted(edges.source, [row, row + 1])))
        try:
            if said and not unchanged:
                stated = self.stated(user)
            now = known if unchanged else self._interactions(user, model)
            done = self.reactions(user) if reactions else ()
        except StoreError as error:
            self._rest = time.monotonic() + _REST
            self._failed(error)
            return state, model.with_preferences(user, stated)
        if isinstance(done, pa.Table) and len(done):
            now = reacted(recommender, now, done, state.liked)
        elif _equal(known, now):
            return state, model.with_preferences(user, stated)
        return state, model.with_preferences(user, stated, model=with_history(recommender, row, now))

    def _unchanged(self, state: State, user: str, look: Look | None) -> bool:
        """Whether an embedded graph holds of a user what it held when a state was read."""
        loan = self._loan
        if loan is not None and state.files == loan.files:
            return not loan.wrote(user)
        files = files_of(self._url) if look is None or loan is not None else look.files
        return bool(state.files) and state.files == files

    def look(self) -> Look:
        """The state, and for an embedded graph its files as they are now: lists that were made of the same hold."""
        loan = self._loan  # who writes through the service is known by user, and nobody else writes
        files = files_of(self._url) if loan is None else loan.files
        return Look(self._state.number, files, time.monotonic())

    def reactions(self, user: str) -> pa.Table:
        """What a user did with what was shown; a table of :data:`~kg_rec.feedback.events.REACTED`."""
        with self.reading() as store:
            return EventLog(store, self._state.model.recommender.snapshot.schema).reactions(user=user)

    def stated(self, user: str) -> tuple[Preference, ...]:
        """What a user said of themselves."""
        with self.reading() as store:
            kept = KeptPreferences(store, self._state.model.recommender.snapshot.schema)
            return kept.read(user) if kept.some(user) else ()

    def interacted(self, user: str) -> set[str]:
        """Keys of the items that a user has an interaction with in the graph; reactions are none."""
        model = self._state.model
        return {model.recommender.items.key(item) for item in self._interactions(user, model).target.tolist()}

    def _failed(self, error: Exception) -> None:
        if self.fault is None:
            _log.warning("the graph or the model cannot be read, the last state answers: %s", error)
        self.fault = str(error)

    def close(self) -> None:
        """Stop watching and let go of the graph."""
        self._stopped.set()
        if self.hosted is not None:
            self.hosted.close()
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    @contextmanager
    def reading(self) -> Iterator[GraphStore]:
        """The open graph, for one thread at a time."""
        if self.hosted is not None:
            yield cast("GraphStore", self.hosted)  # as much of one as lists and feedback need
            return
        with self._lock:
            if self._loan is not None:
                yield self._loan.store
                return
            if self._store is not None and self._files != files_of(self._store.url):
                self._store.close()  # a reader of an embedded graph sees it as it was when it was opened
                self._store = None
            if self._store is None:
                before = files_of(self._url)  # a write while it is opened may be in it or not: it is opened again
                self._store = self._connect()
                self._url = self._store.url
                self._files = before or files_of(self._url)
            try:
                yield self._store
            except StoreError:
                self._store.close()  # the next one connects anew
                self._store = None
                raise

    def lend(self, loan: Loan | None) -> None:
        """Read from a graph that is open for writing, which has its own writes at once; None: no longer."""
        with self._lock:
            self._loan = loan

    def keys(self, cypher: str, seconds: float) -> list[str]:
        """The texts of the first column of somebody's Cypher; lists do not wait for it.

        Raises:
            QueryRefusedError: it does more than read, fails, or takes longer than ``seconds``.
            StoreUnavailableError: the graph cannot be reached.
        """
        with closing(self._connect()) as store:
            try:
                found = store.query(cypher, limit=_MOST, timeout=seconds).column(0).to_pylist()
            except StoreUnavailableError:
                raise
            except StoreError as error:  # whoever wrote it is to mend it
                raise QueryRefusedError(str(error)) from error
        return [key for key in found if isinstance(key, str)]

    def query(self, cypher: str, parameters: dict[str, object] | None = None, limit: int = _MOST) -> pa.Table:
        """Read from the graph."""
        with self.reading() as store:
            return store.query(cypher, parameters, limit=limit)

    def _read(self, number: int) -> State:
        stamp, loaded = self._stamp(), Model.load(self.folder, mmap=self._mmap or self._share)
        if not self._mmap:
            loaded = Model(replace(loaded.recommender, mapped=False))
        counts = self._counts(loaded)
        files = files_of(self._url)
        with closing(self._connect()) as store:  # one of its own: lists do not wait until the whole graph is read
            model = loaded.with_snapshot(export(store))
            users = EventLog(store, loaded.recommender.snapshot.schema).users() if files else frozenset()
            said = KeptPreferences(store, loaded.recommender.snapshot.schema).everybody()
        learned = LearnedFile.beside(self.folder).newest()
        posteriors = {} if learned is None else learned.posteriors
        segments = {name: Model(reweighted(model.recommender, p)) for name, p in posteriors.items()}
        for one in (model, *segments.values()):
            if len(one.recommender.users):  # what is computed on first use is computed before anybody waits for it
                next(iter(one.explain_lists([one.recommender.users.key(0)], 1, workers=1)), None)
        liked = liked_weight(model.recommender)
        self._past.appendleft((number, int(time.time()), stamp[0]))
        return State(number, model, counts, stamp, time.time(), learned, segments, files, liked, users, said)

    def _stamp(self) -> tuple[float, ...]:
        try:
            found = (self.folder / "model.json").stat()
        except OSError as error:
            raise ModelError(f"{self.folder}: not a model ({error.strerror}); train one with `kg-rec train`") from error
        try:
            taught = LearnedFile.beside(self.folder).path.stat()
        except FileNotFoundError:
            return found.st_mtime, found.st_size
        return found.st_mtime, found.st_size, taught.st_mtime, taught.st_size

    def _counts(self, model: Model | None = None) -> dict[str, int]:
        schema = (model or self._state.model).recommender.snapshot.schema
        parts = [
            (n, f"MATCH {mapping.node(t, 'x')}{mapping.where(mapping.conditions(t, 'x'))} RETURN count(x) AS n")
            for n, t in schema.node_types.items()
        ]
        for name, relation in schema.relation_types.items():
            if name != RECOMMENDED:  # our own lists are no facts
                pattern, conditions = mapping.step(relation, "a", "b", "r")
                parts.append((name, f"MATCH {pattern}{mapping.where(conditions)} RETURN count(*) AS n"))
        return {name: int(self.query(cypher).column("n")[0].as_py()) for name, cypher in parts}

    def _exists(self, user: str) -> bool:
        node = self._state.model.recommender.snapshot.schema.user
        if len(self.query(missing_keys(node), {"keys": [user]})):
            raise NotFoundError(f"no {node.name} with key {user!r} in the graph")
        return True

    def _interactions(self, user: str, model: Model) -> EdgeTable:
        """The user's interactions, one a pair by the schema's rule, sorted by item."""
        snapshot = model.recommender.snapshot
        schema, relation = snapshot.schema, snapshot.schema.interaction
        pattern, conditions = mapping.step(relation, "a", "b", "r")
        conditions += mapping.conditions(schema.item, "b")
        values = [f"{mapping.key(schema.user, 'a')} AS source", f"{mapping.key(schema.item, 'b')} AS target"]
        values += [f"{mapping.edge_value(relation, p, 'a', 'b', 'r')} AS {quoted(p.name)}" for p in relation.properties]
        found = self.query(
            f"MATCH {mapping.keyed(schema.user, 'a', '$user')} MATCH {pattern}, {mapping.node(schema.item, 'b')}"
            f"{mapping.where(conditions)} RETURN {', '.join(values)}",
            {"user": user},
        )
        fields = edge_schema(relation)
        try:
            columns = [pa.array(found.column(field.name).to_pylist(), field.type) for field in fields]
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise StoreError(f"{relation.name} of {user!r}: a value is not of the schema's type: {error}") from error
        edges = edges_of_batch(
            relation, snapshot.users, snapshot.items, pa.RecordBatch.from_arrays(columns, schema=fields)
        )
        return one_edge_a_pair(edges, relation)[0]


def _equal(one: EdgeTable, other: EdgeTable) -> bool:
    pairs = [(one.target, other.target), (one.weight, other.weight), (one.time, other.time)]
    return all(
        a is b
        or (
            a is not None
            and b is not None
            and a.shape == b.shape
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
        for a, b in pairs
    )
