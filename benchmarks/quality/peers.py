"""Peers, run beside the model on the same split; what they have to choose, they choose on validation.

EASE and EDLAE in closed form, EASE with histories that fade, ItemKNN, LightGCN by PyTorch Geometric, what was chosen
most in the last days, and what each user had most often.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch_geometric.nn.models import LightGCN

from benchmarks.quality.linear import ItemKnn, LinearAutoencoder
from kg_rec.arrays.topk import masked, top_k
from kg_rec.metrics import per_user
from kg_rec.model.histories import histories
from kg_rec.progress import Progress
from kg_rec.snapshot import EdgeTable
from kg_rec.snapshot.tables import events_of
from kg_rec.split import Split

#: Users ranked at a time.
_USERS = 1024
#: Further values that are tried where the best one is at the end of its list.
_FURTHER = 4


#: Scores of all items for some users, given their dense indices and histories: shape (b, items).
Scores = Callable[[NDArray[np.int64], sparse.csr_array], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Peer:
    """What a peer reached.

    Attributes:
        chosen: hyperparameters, by name.
        fit_seconds: wall time of fitting the chosen configuration.
        valid: validation NDCG@10.
        metrics: test metrics per user, by name such as ``ndcg@10``, each shape (users,).
    """

    chosen: dict[str, float]
    fit_seconds: float
    valid: float
    metrics: dict[str, NDArray[np.float64]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: means over users."""
        means = {name: float(values.mean()) for name, values in self.metrics.items()}
        return {"chosen": self.chosen, "fit_seconds": self.fit_seconds, "valid_ndcg@10": self.valid, **means}


@dataclass(frozen=True)
class Task:
    """A split as matrices.

    Attributes:
        split: the split.
        shape: (users, items).
        live: users are ranked with all that they did before the test, not only with the training interactions.
    """

    split: Split
    shape: tuple[int, int]
    live: bool = False

    def _matrix(self, edges: EdgeTable) -> sparse.csr_array:
        return histories(edges, self.shape, 0)

    def fading(self, part: str, recency: float) -> sparse.csr_array:
        """Histories that fade, as :func:`~kg_rec.model.histories.histories` weighs them, CSR, shape (users, items)."""
        return histories(self.split.known if part == "test" and self.live else self.split.train, self.shape, recency)

    @cached_property
    def train(self) -> sparse.csr_array:
        """Training interactions, CSR, shape (users, items)."""
        return self._matrix(self.split.train)

    @cached_property
    def known(self) -> sparse.csr_array:
        """Training and validation interactions, CSR, shape (users, items)."""
        return self._matrix(self.split.known)

    def valid(self, scores: Scores) -> float:
        """Validation NDCG@10."""
        seen = self._matrix(self.split.masked("valid"))
        found = self._ranked(scores, self.split.valid, self.train, seen, self.split.valid_candidates)
        return float(found["ndcg@10"].mean())

    def test(self, scores: Scores) -> dict[str, NDArray[np.float64]]:
        """Test metrics per user."""
        given = self.known if self.live else self.train
        seen = self._matrix(self.split.masked("test"))
        return self._ranked(scores, self.split.test, given, seen, self.split.test_candidates)

    def _ranked(
        self,
        scores: Scores,
        wanted: EdgeTable,
        given: sparse.csr_array,
        seen: sparse.csr_array,
        candidates: NDArray[np.bool_],
    ) -> dict[str, NDArray[np.float64]]:
        relevant = self._matrix(wanted)
        users = np.flatnonzero(np.diff(relevant.indptr))
        tops = []
        for start in range(0, len(users), _USERS):
            some = users[start : start + _USERS]
            tops.append(top_k(masked(np.asarray(scores(some, given[some])), seen[some], candidates), 20))
        top = np.concatenate(tops)
        return {f"{name}@{k}": v for k in (10, 20) for name, v in per_user(top, relevant[users], k).items()}


def ease(task: Task, progress: Progress, seed: int) -> Peer:
    """EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019)."""
    search = _Search(task, lambda l2: _linear(LinearAutoencoder(task.train, l2)), named("EASE", progress))
    search.walk("l2", (50.0, 100.0, 250.0, 500.0, 1000.0))
    return search.best()


def edlae(task: Task, progress: Progress, seed: int) -> Peer:
    """EDLAE (Steck, "Autoencoders that don't overfit towards the identity", NeurIPS 2020), all users alike."""
    search = _Search(
        task, lambda l2, dropout: _linear(LinearAutoencoder(task.train, l2, dropout)), named("EDLAE", progress)
    )
    search.walk("l2", (50.0, 100.0, 200.0, 400.0, 800.0), dropout=0.33)
    search.walk("dropout", (0.1, 0.2, 0.33, 0.5, 0.66), grow=None)
    search.walk("l2", (search.chosen["l2"] / 2, search.chosen["l2"], search.chosen["l2"] * 2))
    return search.best()


def ease_recent(task: Task, progress: Progress, seed: int) -> Peer:
    """EASE whose histories fade at ranking time, 1/(1 + rank/decay) from the latest; popularity for new users.

    Penalty and decay are chosen on validation.
    """
    popular = np.bincount(task.split.train.target, minlength=task.shape[1]).astype(np.float64)
    fitted: dict[float, LinearAutoencoder] = {}

    def scores(l2: float, decay: float, part: str) -> Scores:
        if l2 not in fitted:
            fitted.clear()  # one inverse at a time: it is large
            fitted[l2] = LinearAutoencoder(task.train, l2)
        model = fitted[l2]
        rows = task.fading(part, decay)

        def of(users: NDArray[np.int64], _: sparse.csr_array) -> NDArray[np.float64]:
            given = rows[users]
            found = model.scores(given)
            found[np.diff(given.indptr) == 0] = popular
            return found

        return of

    search = _Search(task, lambda l2, decay: scores(l2, decay, "valid"), named("EASE, fading", progress))
    search.walk("l2", (50.0, 100.0, 250.0, 500.0, 1000.0), decay=5.0)
    search.walk("decay", (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0), grow=None)
    return search.best(lambda l2, decay: scores(l2, decay, "test"))


def popular_last(days: int) -> Callable[[Task, Progress, int], Peer]:
    """The items chosen most in the last days before the first interaction to be found; for a split by calendar."""

    def peer(task: Task, progress: Progress, seed: int) -> Peer:
        valid = task.valid(_most_chosen(task.split.train, task.split.moment("valid"), days, task.shape[1]))
        known = task.split.known if task.live else task.split.train
        start = time.perf_counter()
        scores = _most_chosen(known, task.split.moment("test"), days, task.shape[1])
        return Peer({"days": days}, time.perf_counter() - start, valid, task.test(scores))

    return peer


def own_frequent(task: Task, progress: Progress, seed: int) -> Peer:
    """What each user had most often, then the most popular items; for a split by calendar."""
    search = _Search(task, lambda days: _own(task, "valid", days), named("own frequent", progress))
    search.walk("days", (36_500.0,), grow=None)  # a century: nothing fades
    return search.best(lambda days: _own(task, "test", days))


def own_decayed(task: Task, progress: Progress, seed: int) -> Peer:
    """The same, each time fading by exp(-age/days), with the days chosen on validation; for a split by calendar.

    Such counts of what one person had are hard to beat in groceries (Hu et al., "Modeling personalized item frequency
    information for next-basket recommendation", SIGIR 2020).
    """
    search = _Search(task, lambda days: _own(task, "valid", days), named("own frequent, fading", progress))
    search.walk("days", (7.0, 15.0, 30.0, 60.0, 120.0, 240.0))
    return search.best(lambda days: _own(task, "test", days))


def _own(task: Task, part: str, days: float) -> Scores:
    """How often each user had each item, fading by exp(-age/days); equal ones by popularity."""
    known = task.split.known if part == "test" and task.live else task.split.train
    moment = task.split.moment(part)
    assert moment is not None
    edge, time = events_of(known)
    each = np.exp((time - moment) / (86_400 * days))
    counts = sparse.csr_array((each, (known.source[edge], known.target[edge])), shape=task.shape)
    popular = np.bincount(known.target, minlength=task.shape[1]) / (1e9 * len(known))
    return lambda users, rows: counts[users].toarray() + popular


#: Peers that need one moment for everybody.
BY_CALENDAR = ("popular-7", "popular-30", "own-frequent", "own-frequent-fading")


def _most_chosen(edges: EdgeTable, moment: int | None, days: int, items: int) -> Scores:
    assert moment is not None
    assert edges.time is not None
    lately = (edges.time < moment) & (edges.time >= moment - days * 86_400)
    counts = np.bincount(edges.target[lately], minlength=items).astype(np.float64)
    return lambda users, rows: np.tile(counts, (len(users), 1))


def item_knn(task: Task, progress: Progress, seed: int) -> Peer:
    """ItemKNN: cosine of two items' users with shrinkage (Aiolli, RecSys 2013), the k most alike of each item."""
    search = _Search(task, lambda k, shrink: _linear(ItemKnn(task.train, int(k), shrink)), named("ItemKNN", progress))
    search.walk("k", (25.0, 50.0, 100.0, 200.0), shrink=10.0)
    search.walk("shrink", (0.0, 3.0, 10.0, 30.0, 100.0), grow=None)
    search.walk("k", (search.chosen["k"] / 2, search.chosen["k"], search.chosen["k"] * 2))
    return search.best()


class _Search:
    """One hyperparameter after the other, by validation NDCG@10; a list grows while its end is best."""

    def __init__(self, task: Task, fit: Callable[..., Scores], progress: Callable[[int], None]) -> None:
        self._task = task
        self._fit = fit
        self._progress = progress
        self._tried: dict[tuple[tuple[str, float], ...], tuple[float, float]] = {}
        self._scores: Scores | None = None
        self.chosen: dict[str, float] = {}
        self._valid = -1.0

    def walk(self, name: str, values: Iterable[float], *, grow: float | None = 2.0, **others: float) -> None:
        """Try values of one hyperparameter beside the chosen ones of the others."""
        fixed = {**others, **self.chosen}
        for value in values:
            self._try({**fixed, name: value})
        line = sorted(values)
        for _ in range(_FURTHER):
            end = self.chosen[name]
            if grow is None or end not in (line[0], line[-1]):
                return
            further = end / grow if end == line[0] else end * grow
            line = sorted([*line, further])
            self._try({**self.chosen, name: further})

    def _try(self, settings: dict[str, float]) -> None:
        key = tuple(sorted(settings.items()))
        if key in self._tried:
            return
        self._progress(len(self._tried))
        start = time.perf_counter()
        scores = self._fit(**settings)
        seconds = time.perf_counter() - start
        valid = self._task.valid(scores)
        self._tried[key] = valid, seconds
        if valid > self._valid:
            self._valid, self._scores, self.chosen = valid, scores, settings

    def best(self, tested: Callable[..., Scores] | None = None) -> Peer:
        """The chosen configuration, tested; as ``tested`` makes it from the chosen values, where that is another."""
        assert self._scores is not None
        _, seconds = self._tried[tuple(sorted(self.chosen.items()))]
        scores = self._scores if tested is None else tested(**self.chosen)
        return Peer(self.chosen, seconds, self._valid, self._task.test(scores))


def named(name: str, progress: Progress) -> Callable[[int], None]:
    """Progress that counts what was tried, without knowing how much there will be."""
    return lambda done: progress(done, None, name)


def _linear(model: LinearAutoencoder | ItemKnn) -> Scores:
    return lambda users, rows: model.scores(rows)


def lightgcn(task: Task, progress: Progress, seed: int) -> Peer:
    """LightGCN (He et al., SIGIR 2020): 64 dimensions, 2 layers, BPR with Adam, early stopping on validation."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, (n_users, n_items) = task.split.train, task.shape
    model = LightGCN(n_users + n_items, 64, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    users, items = torch.from_numpy(train.source), torch.from_numpy(train.target) + n_users
    edges = torch.cat([torch.stack([users, items]), torch.stack([items, users])], dim=1)
    best, state, waited, start = -1.0, copy.deepcopy(model.state_dict()), 0, time.perf_counter()
    for epoch in range(300):
        progress(epoch, 300, "LightGCN")
        for batch in torch.from_numpy(rng.permutation(len(users))).split(2048):
            negative = _negatives(train.source[batch.numpy()], task.train, rng)
            nodes = torch.cat([users[batch], items[batch], torch.from_numpy(negative) + n_users])
            embedding = model.get_embedding(edges)
            u, i, j = embedding[nodes].chunk(3)
            optimizer.zero_grad()
            loss = model.recommendation_loss((u * i).sum(1), (u * j).sum(1), nodes.unique(), lambda_reg=1e-4)
            loss.backward()
            optimizer.step()
        metric = task.valid(_embedded(model, edges, n_users))
        waited = 0 if metric > best else waited + 1
        if metric > best:
            best, state = metric, copy.deepcopy(model.state_dict())
        if waited == 10:
            break
    seconds = time.perf_counter() - start
    model.load_state_dict(state)
    return Peer({}, seconds, best, task.test(_embedded(model, edges, n_users)))


PEERS = {
    "ease": ease,
    "ease-recent": ease_recent,
    "edlae": edlae,
    "itemknn": item_knn,
    "lightgcn": lightgcn,
    "popular-7": popular_last(7),
    "popular-30": popular_last(30),
    "own-frequent": own_frequent,
    "own-frequent-fading": own_decayed,
}


def _negatives(users: NDArray[np.int64], had: sparse.csr_array, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random item for each user that the user did not have."""
    drawn = rng.integers(0, had.shape[1], len(users))
    while (again := np.flatnonzero(np.asarray(had[users, drawn]).ravel())).size:
        drawn[again] = rng.integers(0, had.shape[1], len(again))
    return drawn


def _embedded(model: LightGCN, edges: torch.Tensor, n_users: int) -> Scores:
    with torch.no_grad():
        embedding = model.get_embedding(edges).numpy()
    return lambda users, _: embedding[users] @ embedding[n_users:].T
