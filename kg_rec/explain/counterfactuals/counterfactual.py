"""The smallest set of a user's interactions without which an item leaves the list: exact, parameters kept.

A user is what the user did, so an answer is another row of weights a_uj, scored by the same model: nothing is trained
and nothing is approximated.  With recency, a_uj depends on the rank of an interaction, so taking one out weighs the
others anew, as it would after a deletion in the store; the search knows that
(:mod:`kg_rec.explain.counterfactuals.removal`).

One rule differs from a deletion in the store, on purpose: **what a user had stays left out of the list**, also where
the interaction is taken out ("without it" asks what else it does, not whether that item itself comes back).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import ConfigError, ModelError
from kg_rec.explain.counterfactuals.removal import Contest, smallest_removal
from kg_rec.explain.counterfactuals.user_list import Entry, UserList
from kg_rec.model.histories import rating_factors, recency_weights
from kg_rec.model.recommender import Recommender
from kg_rec.tabular import Tabular

Outcome = Literal["leaves", "stays", "not_listed", "shut_out", "open"]

#: Most kernel values (interactions times candidates) that :func:`counterfactual` holds at a time.
_MOST = 20_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Counterfactual(Tabular):
    """The smallest set of interactions without which an item leaves a user's top k.

    Attributes:
        user: user key.
        item: item key.
        item_name: its name.
        k: length of the list.
        outcome: ``leaves``: without ``removed`` it is below rank ``k + margin``; ``stays``: it is not, whatever is
            taken out; ``not_listed``: it is not in the top k in the first place; ``shut_out``: nor may it be, by a
            rule of the model or as it is no candidate; ``open``: no set was found in the time given.
        removed: the interactions taken out, as (key, name), the user's latest first.
        at_least: no smaller set does it.
        proven: ``removed`` is a smallest set, or it is proven that there is none.
        rank: the item's rank before; None for an item the user had, or that may not be listed.
        rank_after: its rank without ``removed``.
        replacements: what is in the list then and was not before, best first.
        after: the list without ``removed``.
        margin: how many ranks beyond the top k it has to fall.
    """

    user: str
    item: str
    item_name: str
    k: int
    outcome: Outcome
    removed: tuple[tuple[str, str], ...]
    at_least: int
    proven: bool
    rank: int | None
    rank_after: int | None
    replacements: tuple[Entry, ...]
    after: tuple[Entry, ...]
    margin: int = 0

    def to_arrow(self) -> pa.Table:
        """What is taken out and what comes in.

        Columns ``what`` (``removed`` or ``replacement``), ``item``, ``name`` and ``rank`` (null for what is removed).
        """
        rows: list[tuple[str, str, str, int | None]] = [("removed", *item, None) for item in self.removed]
        rows += [("replacement", e.item, e.name, e.rank) for e in self.replacements]
        kinds = {"what": pa.string(), "item": pa.string(), "name": pa.string(), "rank": pa.int64()}
        return pa.table({name: pa.array([r[n] for r in rows], kinds[name]) for n, name in enumerate(kinds)})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "removed": [{"item": item, "name": name} for item, name in self.removed]}


def counterfactual(
    model: Recommender,
    user: str,
    item: str,
    k: int = 10,
    *,
    margin: int = 0,
    candidates: Sequence[str] | None = None,
    seconds: float = 10.0,
) -> Counterfactual:
    """The smallest set of a user's interactions without which an item leaves the top k, and what replaces it.

    Only interactions that count as positive carry weight, so only they are taken out.  The answer is proven by bounds
    or by a mixed-integer program, and decided by the model's own scores.

    Args:
        model: a trained model.
        user: user key.
        item: item key.
        k: length of the list.
        margin: how many ranks beyond the top k the item has to fall.  The smallest set without a margin ends just below
            the list, so a model that is trained again without these interactions may list the item all the same; a
            margin makes that less likely.
        candidates: keys of the items allowed, as in :func:`kg_rec.recommend.recommend`; None allows all.
        seconds: most time for the mixed-integer programs.  Beyond it the result says ``proven=False``, holds the best
            set found, and in ``at_least`` how small a set could still be.

    Raises:
        NotFoundError: the user, the item or a candidate is not in the model's graph.
        ConfigError: ``k`` is below 1, ``margin`` or ``seconds`` below 0.
        ModelError: the user's interactions times the candidates are too many to hold; pass ``candidates``.
    """
    if k < 1 or margin < 0 or seconds < 0:
        raise ConfigError(
            f"expected k of at least 1, margin and seconds of at least 0, got {k}, {margin} and {seconds}"
        )
    view = UserList.of(model, user, candidates)
    target = model.items.index(item)
    name = view.name(target)
    scores = view.scores(view.edges)
    rank = view.rank(scores, target)
    if rank is None or rank > k:
        why: Outcome = "not_listed" if rank is not None or target in view.had else "shut_out"
        return Counterfactual(user, item, name, k, why, (), 0, True, rank, rank, (), view.top(scores, k))

    def without(rows: tuple[int, ...]) -> NDArray[np.float64]:
        return view.scores(view.edges.take(np.setdiff1d(np.arange(len(view.edges)), rows)))

    def leaves(rows: tuple[int, ...]) -> bool:
        after = view.rank(without(rows), target)
        return after is not None and after > k + margin

    removal = smallest_removal(_contest(view, target, k + margin), leaves, seconds)
    if removal.rows is None:
        outcome: Outcome = "stays" if removal.proven else "open"
        top = view.top(scores, k)
        return Counterfactual(user, item, name, k, outcome, (), removal.at_least, removal.proven, rank, rank, (), top)
    after = without(removal.rows)
    top, old = view.top(after, k), {e.item for e in view.top(scores, k)}
    sources = [int(view.edges.target[row]) for row in removal.rows]
    return Counterfactual(
        user=user,
        item=item,
        item_name=name,
        k=k,
        outcome="leaves",
        removed=tuple((model.items.key(j), view.name(j)) for j in sources),
        at_least=removal.at_least,
        proven=removal.proven,
        rank=rank,
        rank_after=view.rank(after, target),
        replacements=tuple(e for e in top if e.item not in old),
        after=top,
        margin=margin,
    )


def _contest(view: UserList, target: int, k: int) -> Contest:
    others = view.allowed.copy()
    others[target] = False
    m, n = len(view.edges), int(others.sum())
    if m * n > _MOST:
        raise ModelError(
            f"{m:,} interactions times {n:,} candidates are more than {_MOST:,}; pass the candidates that matter, "
            "e.g. the best 10,000 of the list"
        )
    effects = np.empty((m, n))
    own = np.empty((m, 1))
    factors = rating_factors(view.edges, view.model.chosen.rating)
    step = max(1, _MOST // (4 * len(view.allowed)))
    for start in range(0, m, step):
        sources = view.edges.target[start : start + step]
        cells = (factors[start : start + step], (np.arange(len(sources)), sources))
        rows = sparse.csr_array(cells, shape=(len(sources), len(view.allowed)))
        block = view.model.scores_of(rows) - view.model.base.astype(np.float64)
        effects[start : start + step], own[start : start + step, 0] = block[:, others], block[:, target]
    base = view.scores(view.edges.take(np.empty(0, np.int64)))  # what stays, whatever is taken out
    timed = view.edges.time is not None
    decay = recency_weights(np.arange(m), view.model.chosen.recency if timed else 0.0).astype(np.float64)
    gains, leads = effects - own, base[others] - base[target]
    again = view.model.again_in(view.edges, 1)
    if again is None:
        return Contest(gains, leads, decay, k)
    each = np.arange(m), view.edges.target
    values = np.asarray(again[np.zeros(m, np.int64), view.edges.target])
    alone = sparse.csr_array((values, each), shape=(m, len(view.allowed))).toarray()
    of_item = alone[:, others] - alone[:, [target]]
    return Contest(gains + of_item, leads, decay, k) if (decay == 1).all() else Contest(gains, leads, decay, k, of_item)
