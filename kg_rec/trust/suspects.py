"""Users who are probably fake, each with the numbers that speak against them.

What names a user is :func:`kg_rec.model.trusted.evidence`: items that do not hang together, or a near copy of a user
who came before.  What the user does to others is told by addends.  In the closed form of taste the scores of an item i
are sums over the users u who have it,

    sum_v s_v(i) = sum over u with i of m P_-i x_u,    m = sum_v x_v,  P_-i = (G + L)^-1 without item i's row and column

so the share of an item's scores that comes from some users is exact, without training anything again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import hypergeom

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ModelError
from kg_rec.model.channels.taste import TasteConfig, weighted_rows
from kg_rec.model.histories import histories, learnable
from kg_rec.model.recommender import Recommender
from kg_rec.model.trusted import COMPARED, EXPECTED, evidence, placed, precision, scored
from kg_rec.progress import Progress, no_progress


@dataclass(frozen=True)
class Suspect:
    """One user, and why.

    Attributes:
        user: key.
        items: how many items they like.
        chance: the probability that their items were picked by chance.
        coherence: mean share of other items that what others like puts below theirs; 0.5 for any items alike.
        facts: the same by what the graph says of the items; None without facts.
        alike: key of the user most alike who came before; None for none.
        overlap: Jaccard similarity with that user.
        item: key of the item of theirs that more suspects like than chance explains (hypergeometric tail), the least
            likely one.
        holders: how many users like that item.
        pushers: how many of these are suspects.
        addend: what this user adds to that item's score, the mean over all users.
        share: share of that item's scores that comes from suspects.
    """

    user: str
    items: int
    chance: float
    coherence: float
    facts: float | None
    alike: str | None
    overlap: float
    item: str
    holders: int
    pushers: int
    addend: float
    share: float


@dataclass(frozen=True)
class Suspects:
    """Who is named, and what is usual.

    Attributes:
        users: how many users there are.
        fakes: the share of fake users that was expected.
        coherence: median of all users.
        facts: median of all users; None without facts.
        named: the most probable first.
    """

    users: int
    fakes: float
    coherence: float
    facts: float | None
    named: tuple[Suspect, ...]


def suspects(model: Recommender, fakes: float | None = None, progress: Progress = no_progress) -> Suspects:
    """The users whom training with the defence does not learn from.

    Args:
        model: over the graph that is looked at (:meth:`~kg_rec.model.recommender.Recommender.with_snapshot`).
        fakes: the share of users that is expected to be fake; None for the model's, or 0.05 where that is off.
        progress: called as the work advances.

    Raises:
        ModelError: there are no users, or too many items.
    """
    snapshot, robust, seed = model.snapshot, model.config.robust, model.config.seed
    expected = (robust.fakes or EXPECTED) if fakes is None else fakes
    edges = learnable(snapshot.liked(), seed)
    if not len(edges):
        raise ModelError("nobody likes anything in this graph: give --graph one with interactions")
    progress(0, 3, "compare histories")
    judged = evidence(edges, model.shape, robust, expected, seed)
    progress(1, 3, "compare with facts")
    x = histories(edges, model.shape, 0)
    facts = _by_facts(model, x)
    progress(2, 3, "add up what users add")
    named = np.flatnonzero(~judged.trusted)
    named = named[np.lexsort((named, -judged.overlap[named], -judged.chance[named]))]
    holders, pushers = (np.bincount(part.indices, minlength=model.shape[1]) for part in (x, x[named]))
    chance = hypergeom.logsf(pushers - 1, max(model.shape[0], 1), len(named), holders)
    pushed = np.array([own[np.argmin(chance[own])] for own in (x[[u]].indices for u in named.tolist())], np.int64)
    addends, shares = _pushed(model, x, named, pushed)
    told = []
    for place, user in enumerate(named.tolist()):
        item, twin = int(pushed[place]), int(judged.twin[user])
        told.append(
            Suspect(
                model.users.key(user),
                int(judged.items[user]),
                float(judged.chance[user]),
                float(judged.coherence[user]),
                None if facts is None else float(facts[user]),
                None if twin < 0 else model.users.key(twin),
                float(judged.overlap[user]),
                model.items.key(item),
                int(holders[item]),
                int(pushers[item]),
                float(addends[place]),
                float(shares[place]),
            )
        )
    usual = None if facts is None else float(np.nanmedian(facts))
    return Suspects(model.shape[0], expected, float(np.nanmedian(judged.coherence)), usual, tuple(told))


def _by_facts(model: Recommender, x: sparse.csr_array) -> Floats64 | None:
    """Coherence by the knowledge channel, shape (users,), NaN without items; None without that channel."""
    kernel = next((c.kernel for c in model.channels if c.name == "knowledge"), None)
    if kernel is None:
        return None
    n = x.shape[1]
    compared = np.sort(np.random.default_rng(model.config.seed).choice(n, min(n, COMPARED), replace=False))
    said = kernel.scores(sparse.csr_array(sparse.eye_array(n, format="csr", dtype=np.float32)), compared)
    places, some = np.full(x.shape[0], np.nan), np.flatnonzero(np.diff(x.indptr))
    for user, scores in zip(some.tolist(), scored(x, some, kernel), strict=True):
        items = x.indices[x.indptr[user] : x.indptr[user + 1]]
        places[user] = placed(scores, items, said[items], items, compared).mean()
    return places


def _pushed(model: Recommender, x: sparse.csr_array, named: Ints, items: Ints) -> tuple[Floats64, Floats64]:
    """What each named user adds to an item of theirs, the mean over all users, and the share of all named users."""
    config = model.config.of(TasteConfig)
    l2 = float(model.chosen.channels.get("taste", {}).get("l2", config.l2[0]))
    if not len(named):
        return np.empty(0), np.empty(0)
    adds, total = addends_of(x, named, config, l2)
    together = np.maximum(np.asarray(adds.sum(axis=0)).ravel(), 0)
    share = together / np.maximum(np.maximum(total, together), 1e-12)
    addend = np.asarray(adds[np.arange(len(named)), items], dtype=np.float64).ravel() / x.shape[0]
    return addend, share[items]


def addends_of(x: sparse.csr_array, users: Ints, config: TasteConfig, l2: float) -> tuple[sparse.csr_array, Floats64]:
    """What some users add to the scores of each of their items, and what all users do.

    Args:
        x: binary CSR, shape (all users, items).
        users: dense indices.
        config: weights of users, and dropout.
        l2: ridge penalty.

    Returns:
        The sum over all users v of what each user adds to s_v(i), CSR, shape (users, items), stored where a user has
        the item; and sum_v s_v(i), shape (items,).
    """
    weighted = weighted_rows(x, config.user_power)
    p = precision(weighted, l2, config.dropout)
    everybody = np.asarray(x.sum(axis=0), dtype=np.float64).ravel()
    reach = everybody @ p
    own = weighted[users]
    through = own @ p
    toward = own @ reach
    row = np.repeat(np.arange(len(users)), np.diff(own.indptr))
    values = (toward[row] - reach[own.indices] * through[row, own.indices] / np.diag(p)[own.indices]) * own.data
    adds = sparse.csr_array((values, own.indices, own.indptr), shape=own.shape)
    return adds, everybody - reach / np.diag(p)
