"""Why an item is not in a user's list: how far it is from it, and which interactions would bring it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.errors import ConfigError
from kg_rec.explain.counterfactuals.user_list import Entry, UserList
from kg_rec.explain.counterfactuals.what_if import with_latest
from kg_rec.model.recommender import Recommender
from kg_rec.tabular import Tabular, columns

Standing = Literal["listed", "had", "shut_out", "not_listed"]

#: Items tried as additions: those that speak most for the item by themselves.
_TRIED = 200
#: Most items added together.
_MOST = 3
#: Answers of one item each that are told.
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Lack:
    """What one interaction adds to the item, and to the last item of the list.

    Attributes:
        source: key of the item the user interacted with.
        source_name: its name.
        value: what it adds to the item, over all channels.
        last_value: what it adds to the last item of the list.
    """

    source: str
    source_name: str
    value: float
    last_value: float


@dataclass(frozen=True, slots=True)
class Addition:
    """Interactions that would bring the item into the list, as the user's latest.

    Attributes:
        items: as (key, name), in the order in which they are added.
        rank: the item's rank then.
    """

    items: tuple[tuple[str, str], ...]
    rank: int


@dataclass(frozen=True, slots=True, repr=False)
class WhyNot(Tabular):
    """Why an item is not in a user's top k.

    Attributes:
        user: user key.
        item: item key.
        item_name: its name.
        k: length of the list.
        standing: ``not_listed``, or why the question does not arise: ``listed`` it is in the top k, ``had`` the user
            interacted with it, and what was had is not listed, ``shut_out`` it may not be listed, by a rule of the
            model or as it is no candidate.
        rank: its rank; None for an item the user had, or that may not be listed.
        score: its score.
        last: the last item of the list; None for an empty list.
        base: what the base gives the item.
        base_gap: what it gives ``last`` more.
        lacks: what makes the rest of the gap, by interaction, the largest difference first; with ``base_gap`` they sum
            to ``gap``.
        additions: the smallest additions that were found to bring the item in; empty if none was found.
        exhausted: every item was tried as an addition by itself, so no smaller one was missed.
    """

    user: str
    item: str
    item_name: str
    k: int
    standing: Standing
    rank: int | None
    score: float
    last: Entry | None
    base: float
    base_gap: float
    lacks: tuple[Lack, ...]
    additions: tuple[Addition, ...]
    exhausted: bool

    @property
    def gap(self) -> float:
        """How much the item's score is below that of the last item of the list."""
        return self.last.score - self.score if self.last is not None else 0.0

    def to_arrow(self) -> pa.Table:
        """The lacks: columns ``source``, ``source_name``, ``value`` and ``last_value``."""
        text, real = pa.string(), pa.float64()
        return columns(self.lacks, source=text, source_name=text, value=real, last_value=real)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        additions = [
            {"items": [{"item": key, "name": name} for key, name in a.items], "rank": a.rank} for a in self.additions
        ]
        return {**asdict(self), "gap": self.gap, "additions": additions}


def why_not(
    model: Recommender, user: str, item: str, k: int = 10, *, candidates: Sequence[str] | None = None
) -> WhyNot:
    """Why an item is not in a user's top k, and what would bring it in; exact, the model stays as it is.

    Args:
        model: a trained model.
        user: user key.
        item: item key.
        k: length of the list.
        candidates: keys of the items allowed, as in :func:`kg_rec.recommend.recommend`; None allows all.

    Raises:
        NotFoundError: the user, the item or a candidate is not in the model's graph.
        ConfigError: ``k`` is below 1.
    """
    if k < 1:
        raise ConfigError(f"expected k of at least 1, got {k}")
    view, target = UserList.of(model, user, candidates), model.items.index(item)
    scores = view.scores(view.edges)
    rank, top = view.rank(scores, target), view.top(scores, k)
    standing: Standing = "shut_out"
    if target in view.had and rank is None:
        standing = "had"
    elif rank is not None:
        standing = "listed" if rank <= k else "not_listed"
    about = (user, item, view.name(target), k, standing, rank, float(scores[target]))
    if standing != "not_listed":
        return WhyNot(*about, top[-1] if top else None, float(model.base[target]), 0.0, (), (), True)
    last = model.items.index(top[-1].item)
    base = model.base.astype(np.float64)
    additions, exhausted = _additions(view, target, k)
    return WhyNot(
        *about,
        top[-1],
        float(base[target]),
        float(base[last] - base[target]),
        _lacks(view, target, last),
        additions,
        exhausted,
    )


def _lacks(view: UserList, target: int, last: int) -> tuple[Lack, ...]:
    model, row = view.model, view.row(view.edges)
    sources, weights = row.indices.astype(np.int64), row.data.astype(np.float64)
    net = np.zeros((2, len(sources)))
    for channel in model.channels:
        for place, item in enumerate((target, last)):
            net[place] += weights * channel.kernel.values(sources, item) * float(channel.weight[item])
    own = model.again_in(view.edges, 1)
    if own is not None:
        for place, item in enumerate((target, last)):
            net[place] += np.where(sources == item, own[0, item], 0.0)
    order = np.lexsort((sources, -np.abs(net[1] - net[0])))
    return tuple(
        Lack(model.items.key(int(sources[n])), view.name(int(sources[n])), float(net[0, n]), float(net[1, n]))
        for n in order.tolist()
        if net[0, n] != net[1, n]
    )


def _additions(view: UserList, target: int, k: int) -> tuple[tuple[Addition, ...], bool]:
    """Additions of one item, the best first; or one of more, found step by step; and whether all items were tried."""
    free = np.setdiff1d(np.flatnonzero(np.arange(len(view.allowed)) != target), view.edges.target)
    own = sum(
        (c.kernel.values(free, target).astype(np.float64) * float(c.weight[target]) for c in view.model.channels),
        start=np.zeros(len(free)),
    )
    tried = free[np.lexsort((free, -own))[:_TRIED]]
    added: list[int] = []
    for _ in range(_MOST):
        rest = np.setdiff1d(tried, added, assume_unique=True)
        if not len(rest):
            break
        ranks, behind = _with_each(view, target, k, added, rest)
        enough = np.flatnonzero(ranks <= k)
        order = enough[np.lexsort((rest[enough], ranks[enough]))][: 1 if added else _TOLD]
        if len(order):
            additions = [Addition(_named(view, [*added, int(rest[n])]), int(ranks[n])) for n in order.tolist()]
            return tuple(additions), len(tried) == len(free)
        added.append(int(rest[int(np.argmin(behind))]))
    return (), len(tried) == len(free)


def _with_each(
    view: UserList, target: int, k: int, added: list[int], rest: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The item's rank, and how far it is behind the list, with each of some items added."""
    ranks, behind = np.empty(len(rest), np.int64), np.empty(len(rest))
    for n, item in enumerate(rest.tolist()):
        new = np.array([*added, item])
        after = view.having(new)
        scores = after.scores(with_latest(view.edges, new))
        rank = after.rank(scores, target)
        ranks[n] = rank if rank is not None else len(scores)
        others = np.sort(scores[after.allowed])
        behind[n] = others[-min(k, len(others))] - scores[target]
    return ranks, behind


def _named(view: UserList, items: list[int]) -> tuple[tuple[str, str], ...]:
    return tuple((view.model.items.key(i), view.name(i)) for i in items)
