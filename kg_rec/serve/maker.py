"""Lists with their reasons, made together where they are asked for at the same moment.

Most of the cost of a list is the same for one and for ten of them.  While one batch is made, what is asked for gathers,
and is the next batch: a service that is asked much makes larger batches, each list at a smaller cost.  Whoever asks
first makes the batch, so a list that is asked for alone changes no thread.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.api import Model
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.single import reasons
from kg_rec.explain.words.fillings import Kept
from kg_rec.explain.words.verbalizer import Verbalizer
from kg_rec.explain.words.wording import Wording
from kg_rec.serve.live import State

#: Lists that are made together at most: the first of them waits for the last.
_TOGETHER = 16

Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """What a list is to hold.

    Attributes:
        k: how many items.
        lang: language of the reasons.
        why: whether there are reasons.
    """

    k: int
    lang: str
    why: bool


@dataclass(frozen=True, slots=True)
class _Batch:
    """Lists of one model and form that wait to be made."""

    state: State
    model: Model
    form: Form
    asked: list[tuple[str, Future[Items]]]


class ListMaker:
    """Makes lists; any number of threads may ask.

    Args:
        shown: which paths the reasons tell.
    """

    def __init__(self, shown: ExplainConfig) -> None:
        self._shown = shown
        self._making = threading.Lock()
        self._waiting: dict[tuple[int, Form], _Batch] = {}
        self._lock = threading.Lock()
        self._speakers: tuple[int, dict[str, Verbalizer]] = (-1, {})
        self._labels: tuple[int, Kept[int, tuple[str, str]]] | None = None

    def items(self, state: State, model: Model, user: str, form: Form) -> Items:
        """A user's list: rank, key, name and score of each item, and what the score is made of.

        Args:
            state: the state at hand.
            model: that of the state, or one with the user's history as it is now.
            user: key of a user of the model.
            form: what the list is to hold.
        """
        if not state.has(model):
            return self.of(state, model, user, form)
        found, key = Future[Items](), (id(model), form)
        with self._lock:
            batch = self._waiting.get(key)
            first = batch is None or len(batch.asked) >= _TOGETHER
            if batch is None or first:
                batch = self._waiting[key] = _Batch(state, model, form, [])
            batch.asked.append((user, found))
        if first:
            with self._making:
                self._run(key, batch)
        return found.result()

    def of(self, state: State, model: Model, user: str, form: Form, allowed: NDArray[np.bool_] | None = None) -> Items:
        """:meth:`items` made alone, of the items ``allowed``, shape (items,); None for all."""
        return self._made(state, model, [user], form, allowed)[0]

    def _run(self, key: tuple[int, Form], batch: _Batch) -> None:
        with self._lock:
            if self._waiting.get(key) is batch:
                del self._waiting[key]
        users = [user for user, _ in batch.asked]
        try:
            lists = self._made(batch.state, batch.model, users, batch.form)
        except BaseException as error:  # it is the answer of who asked
            for _, found in batch.asked:
                found.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, found), items in zip(batch.asked, lists, strict=True):
            found.set_result(items)

    def _made(
        self, state: State, model: Model, users: Sequence[str], form: Form, allowed: NDArray[np.bool_] | None = None
    ) -> list[Items]:
        recommender = model.recommender
        rows = np.array([recommender.users.index(user) for user in users])
        top, scores = recommender.rank(rows, form.k, allowed)
        filled = top >= 0
        lengths, items, labels = filled.sum(axis=1), top[filled], self._labels_of(state)
        ranks = filled.nonzero()[1] + 1
        told = zip(ranks.tolist(), items.tolist(), scores[filled].tolist(), strict=True)
        listed: Items = [
            {"rank": n, "item": labels[i][0], "name": labels[i][1], "score": score} for n, i, score in told
        ]
        if form.why:
            speaker = self._speaker(state, model, form.lang)
            found = reasons(speaker, np.repeat(rows, lengths), items, self._shown)
            for one, reason in zip(listed, found, strict=True):
                one |= {"base": reason.base, "channels": reason.channels, "why": reason.text}
        ends = np.cumsum(lengths).tolist()
        return [listed[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]

    def _labels_of(self, state: State) -> Kept[int, tuple[str, str]]:
        """Keys and names of items by dense index; those once asked for are kept until the graph changes."""
        kept = self._labels
        if kept is None or kept[0] != state.number:
            recommender = state.model.recommender
            key, names = recommender.items.key, recommender.snapshot.names(recommender.snapshot.schema.item.name)
            kept = self._labels = (state.number, Kept(lambda item: (key(item), names[item].as_py())))
        return kept[1]

    def _speaker(self, state: State, model: Model, lang: str) -> Verbalizer:
        """Speaks about a model of the state; names once written are kept until the graph changes."""
        number, speakers = self._speakers
        if number != state.number:
            speakers = {}
            self._speakers = (state.number, speakers)
        kept = speakers.get(lang)
        if kept is None:
            kept = speakers[lang] = Verbalizer(state.model.recommender, Wording(lang))
        recommender = model.recommender
        return kept if kept.model is recommender else kept.about(recommender)
