"""What is measured of every user: each measure is one number a user, so any group's figure is a mean over its users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.segments import sums
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.evaluation.ranking import Ranking
from kg_rec.jobs.mix import divergence, mix_of_items, shares
from kg_rec.metrics import discounts
from kg_rec.model.channels.registry import kind_of
from kg_rec.model.recommender import Recommender
from kg_rec.schema import RelationType

#: Users whose lists are taken apart, and reasons whose co-users are counted, at a time.
_USERS, _REASONS = 200, 5_000


@dataclass(frozen=True, slots=True)
class Measure:
    """What a measure of users is.

    Attributes:
        name: as in tables and JSON.
        title: a few words.
        line: what it says, in one line.
    """

    name: str
    title: str
    line: str


QUALITY = Measure("ndcg", "NDCG", "how high the items that were held out stand in the list; 1 is a perfect list")
CALIBRATION = Measure(
    "divergence",
    "divergence",
    "how far the list's mix of kinds is from that of what the user liked; 0 is the same mix",
)
FACTS = Measure("facts", "facts", "share of the list's scores that runs through facts, which people can check")
TOLD = Measure(
    "told", "told of", "how often the user is counted among those who did the same, in others' reasons; 1 is the mean"
)
MEASURES = (QUALITY, CALIBRATION, FACTS, TOLD)


def calibration(model: Recommender, users: Ints, top: Ints, relation: RelationType) -> Floats64:
    """How far each list's mix of kinds is from that of the user's likes, in nats, shape (users,).

    Args:
        model: its snapshot has the histories.
        users: dense indices.
        top: their lists, -1 for none, shape (users, k).
        relation: ties items to kinds.

    Returns:
        NaN for users who liked nothing of a known kind, or whose list is empty.
    """
    kinds = mix_of_items(model.snapshot, relation)
    own = shares(np.asarray((_liked(model)[users] @ kinds).todense()))
    rows = np.repeat(np.arange(len(users)), (top >= 0).sum(axis=1))
    listed = sparse.csr_array((np.ones(len(rows)), (rows, top[top >= 0])), shape=(len(users), len(model.items)))
    distances = divergence(own, shares(np.asarray((listed @ kinds).todense())))
    return np.where((own.sum(axis=1) > 0) & (top >= 0).any(axis=1), distances, np.nan)


def reasons(model: Recommender, users: Ints, top: Ints) -> tuple[Floats64, Floats64]:
    """What the lists' scores are made of, and whom their reasons tell of.

    Args:
        model: the model that ranked.
        users: dense indices.
        top: their lists, -1 for none, shape (users, k).

    Returns:
        Per user the share of the list's scores that channels of facts add, NaN where scores do not add up to a
        positive number, shape (users,); and per user of the graph how often they are counted, shape (all users,):
        each listed item's largest addend of shared taste is told of the users who had both items, who share 1.
    """
    kinds = {c.name: kind_of(c.name).paths for c in model.channels}
    through, pairs = np.full(len(users), np.nan), list[Ints]()
    for start in range(0, len(users), _USERS):
        part = top[start : start + _USERS]
        owner = np.repeat(np.arange(len(part)), (part >= 0).sum(axis=1))
        addends = model.addends(users[start : start + _USERS][owner], part[part >= 0])
        facts = sum((addends.values[n] for n, kind in kinds.items() if kind == "facts"), np.zeros(len(addends.pairs)))
        total = np.bincount(owner, weights=addends.sums(), minlength=len(part))
        by_facts = np.bincount(owner[addends.pairs], weights=facts, minlength=len(part))
        np.divide(by_facts, total, out=through[start : start + _USERS], where=total > 0)
        taste = sum((addends.values[n] for n, kind in kinds.items() if kind == "co-users"), np.zeros(len(facts)))
        order = np.lexsort((taste, addends.pairs))
        last = order[np.flatnonzero(np.diff(addends.pairs[order], append=-1))]  # the largest of each pair
        last = last[taste[last] > 0]
        pairs.append(np.stack([addends.sources[last], addends.items[addends.pairs[last]]]))
    first, second = np.concatenate([np.empty((2, 0), np.int64), *pairs], axis=1)
    return through, _told(model.users_of_items, first, second)


def _told(users_of_items: sparse.csc_array, first: Ints, second: Ints) -> Floats64:
    """Of each pair of items those who had both share 1; the sum per user."""
    counted = np.zeros(users_of_items.shape[0])
    for start in range(0, len(first), _REASONS):
        part = slice(start, start + _REASONS)
        both = users_of_items[:, first[part]].multiply(users_of_items[:, second[part]]).tocsc()
        counts = np.diff(both.indptr)
        counted += sums(np.repeat(1 / np.maximum(counts, 1), counts), both.indices.astype(np.int64), len(counted))
    return counted


def measure(model: Recommender, ranking: Ranking, k: int, relation: RelationType | None) -> Mapping[str, Floats64]:
    """All measures of the users of a ranking, by name, each of shape (users,); NaN where one says nothing of a user.

    Args:
        model: the model that ranked.
        ranking: lists of length k or more.
        k: length of the lists that are judged.
        relation: for calibration; None leaves it out.
    """
    top = ranking.top[:, :k]
    through, told = reasons(model, ranking.users, top)
    told = told[ranking.users]
    measured = {QUALITY.name: ranking.metrics[f"ndcg@{k}"]}
    if relation is not None:
        measured[CALIBRATION.name] = calibration(model, ranking.users, top, relation)
    measured[FACTS.name] = through
    if told.any():
        measured[TOLD.name] = told / told.mean()
    return measured


def _liked(model: Recommender) -> sparse.csr_array:
    """Who liked what, binary CSR, float64, shape (users, items)."""
    return sparse.csr_array(model.users_of_items.tocsr().astype(np.float64))


def exposure(top: Ints, members: NDArray[np.bool_]) -> Floats64:
    """The share of each list's exposure that each group has, where rank r is worth 1 / log2(1 + r).

    Args:
        top: lists, -1 for none, shape (users, k).
        members: groups of items, boolean, shape (groups, items).

    Returns:
        Shape (users, groups); rows of zeros for empty lists.
    """
    worth = np.where(top >= 0, discounts(top.shape[1]), 0.0)
    rows, total = np.nonzero(top >= 0)[0], np.maximum(worth.sum(axis=1), 1e-12)
    shape = (len(top), members.shape[1])
    seen = sparse.csr_array(((worth / total[:, None])[top >= 0], (rows, top[top >= 0])), shape=shape)
    exposures: Floats64 = seen @ members.T.astype(np.float64)
    return exposures
