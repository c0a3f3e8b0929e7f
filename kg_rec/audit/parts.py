"""What each part of the score adds to a gap between groups: scores are sums, so gaps of mean scores are sums too.

Two gaps are taken apart, both in standard deviations of the user's own scores over what the user has not seen:

- of users: how far what a user held out stands above the rest of what the user has not seen,

      f(u) = (mean of s(u, i) over held-out i  -  mean of s(u, i) over the others) / sd(u);

  the gap is the mean of f over a group less that over all other users.
- of items: f(u) with the group's items in place of those held out; the gap is its mean over users.

f is linear in s(u, .), so it is the same expression of each channel's share of s, and of each fact's share of the
channel that is a sum of paths through facts (gate by gate, :class:`kg_rec.model.item_paths.GatedPaths`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.audit.groups import Grouping
from kg_rec.model.channels.registry import kind_of
from kg_rec.model.item_paths import GatedPaths
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot.item_facts import other_end

#: Cells of a matrix of users by items that is held at a time.
_CELLS = 1 << 21


@dataclass(frozen=True, slots=True)
class FactPart:
    """What one fact adds to a gap.

    Attributes:
        relation: relation type of the fact.
        key: key of the node that items share; of a relation between items, that of the item it leads to.
        name: its name.
        value: what it adds, in standard deviations of scores.
    """

    relation: str
    key: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class ScoreGap:
    """A gap of scores, and the parts that it is the sum of.

    Attributes:
        of: ``users`` or ``items``.
        by: what they are grouped by.
        group: the group.
        gap: the gap, computed from whole scores.
        parts: what ``base`` and each channel add; they sum to ``gap``.
        facts: what each of some facts adds, the largest first; parts of the channel ``knowledge``.
        other_facts: what all other facts add together; with ``facts`` that is the channel's part.
    """

    of: str
    by: str
    group: str
    gap: float
    parts: tuple[tuple[str, float], ...]
    facts: tuple[FactPart, ...]
    other_facts: float


@dataclass(frozen=True)
class _Sums:
    """What is added up over users: for each gap its value, its parts and its facts.

    Attributes:
        gap: shape (gaps,).
        parts: shape (gaps, 1 + channels).
        facts: shape (gaps, facts).
    """

    gap: Floats64
    parts: Floats64
    facts: Floats64


def score_gaps(
    model: Recommender,
    users: Ints,
    held: sparse.csr_array,
    unseen: sparse.csr_array,
    candidates: NDArray[np.bool_],
    of_users: Sequence[Grouping],
    of_items: Sequence[Grouping],
    most: int,
) -> tuple[ScoreGap, ...]:
    """All gaps of scores, taken apart.

    Args:
        model: the model.
        users: dense indices, shape (u,).
        held: what each held out, binary CSR, shape (u, items).
        unseen: what is masked for each: everything they had, CSR, shape (u, items).
        candidates: items ranked, boolean, shape (items,).
        of_users: groups of these users, members of shape (groups, u).
        of_items: groups of items, members of shape (groups, items).
        most: facts told of each gap.
    """
    weights, user_names = _group_weights(of_users, len(users))
    members = [m for g in of_items for m in g.members]
    item_names = [(g.name, label) for g in of_items for label in g.labels]
    totals = [_zeros(model, len(user_names)), *(_zeros(model, 1) for _ in members)]
    counted = np.zeros(len(members))
    for rows, allowed, sd in _blocks(model, users, unseen, candidates):
        sets = [held[rows].toarray() > 0, *members]
        asked = [_contrast(some & allowed, allowed) / sd[:, None] for some in sets]
        counted += [int((f != 0).any(axis=1).sum()) for f in asked[1:]]
        each = np.ones((1, len(sd)))
        parts = _taken_apart(model, users[rows], asked, [weights[:, rows], *(each for _ in members)])
        totals = [_plus(one, other) for one, other in zip(totals, parts, strict=True)]
    gaps = [
        _told(model, "users", *name, totals[0].gap[n], totals[0].parts[n], totals[0].facts[n], most)
        for n, name in enumerate(user_names)
    ]
    for name, one, n in zip(item_names, totals[1:], np.maximum(counted, 1.0), strict=True):
        gaps.append(_told(model, "items", *name, one.gap[0] / n, one.parts[0] / n, one.facts[0] / n, most))
    return tuple(gaps)


def _group_weights(groupings: Sequence[Grouping], users: int) -> tuple[Floats64, list[tuple[str, str]]]:
    """How each user counts in each gap: 1 / size inside the group, -1 / size of the rest outside."""
    names = [(g.name, label) for g in groupings for label in g.labels]
    inside = np.concatenate([np.zeros((0, users), np.bool_), *(g.members for g in groupings)])
    size = inside.sum(axis=1, keepdims=True)
    weights: Floats64 = np.where(inside, 1 / np.maximum(size, 1), -1 / np.maximum(users - size, 1))
    return weights, names


def _blocks(
    model: Recommender, users: Ints, seen: sparse.csr_array, candidates: NDArray[np.bool_]
) -> Iterator[tuple[slice, NDArray[np.bool_], Floats64]]:
    """Parts of the users: where they are, what each may be recommended, and the deviation of these scores."""
    n = len(model.items)
    size = max(1, _CELLS // n)
    for start in range(0, len(users), size):
        rows = slice(start, min(start + size, len(users)))
        allowed = candidates & ~(seen[rows].toarray() > 0)
        scores = model.scores(users[rows])
        count = np.maximum(allowed.sum(axis=1), 1)
        mean = np.where(allowed, scores, 0.0).sum(axis=1) / count
        spread = np.where(allowed, scores - mean[:, None], 0.0)
        yield rows, allowed, np.maximum(np.sqrt((spread**2).sum(axis=1) / count), 1e-12)


def _contrast(inside: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> Floats64:
    """Weights that take the mean of some cells less that of the others of a row; 0 where either is empty."""
    one, rest = inside.sum(axis=1, keepdims=True), (allowed & ~inside).sum(axis=1, keepdims=True)
    weights = np.where(inside, 1 / np.maximum(one, 1), np.where(allowed, -1 / np.maximum(rest, 1), 0.0))
    return np.where((one > 0) & (rest > 0), weights, 0.0)


def _taken_apart(
    model: Recommender, users: Ints, asked: Sequence[Floats64], weights: Sequence[Floats64]
) -> list[_Sums]:
    """What a block of users adds to some sets of gaps.

    Args:
        model: the model.
        users: dense indices, shape (b,).
        asked: per set the weight of each score of each user, shape (b, items).
        weights: per set how each user counts in each gap, shape (gaps, b).
    """
    rows, again = model.histories[users], model.again_of(users)
    whole, wide = model.scores_of(rows, again), rows.astype(np.float64)
    channels = [c.kernel.scores(rows) * c.weight.astype(np.float64) for c in model.channels]
    channels += [] if again is None else [again.toarray()]
    prior = next((c for c in model.channels if kind_of(c.name).is_prior), None)
    lambda_ = np.zeros(len(model.items)) if prior is None else prior.weight.astype(np.float64)
    reached = [] if prior is None else [(wide @ _gated(p), p.factors.target.astype(np.float64)) for p in model.shared]
    sums = []
    for f, weight in zip(asked, weights, strict=True):
        parts = [f @ model.base.astype(np.float64), *((f * scores).sum(axis=1) for scores in channels)]
        facts = [np.zeros((len(weight), 0))]
        for source, target in reached:
            told = sparse.csr_array(source.multiply((f * lambda_) @ target))
            facts.append(np.asarray((told.T @ weight.T).T))
        gap = weight @ (f * whole).sum(axis=1)
        sums.append(_Sums(gap, weight @ np.stack(parts, axis=1), np.concatenate(facts, axis=1)))
    return sums


def _gated(paths: GatedPaths) -> sparse.csr_array:
    """source times gate, in double precision from single, as the channel's kernel has it."""
    return (paths.factors.source * paths.gate).astype(np.float64)


def _zeros(model: Recommender, gaps: int) -> _Sums:
    prior = any(kind_of(c.name).is_prior for c in model.channels)
    facts = sum(p.factors.source.shape[1] for p in model.shared) if prior else 0
    return _Sums(np.zeros(gaps), np.zeros((gaps, len(_part_names(model)))), np.zeros((gaps, facts)))


def _part_names(model: Recommender) -> tuple[str, ...]:
    """The base, the channels, and what users have again where it counts."""
    return ("base", *(c.name for c in model.channels), *(() if model.again is None else ("again",)))


def _plus(one: _Sums, other: _Sums) -> _Sums:
    return _Sums(one.gap + other.gap, one.parts + other.parts, one.facts + other.facts)


def _told(
    model: Recommender, of: str, by: str, group: str, gap: float, parts: Floats64, facts: Floats64, most: int
) -> ScoreGap:
    names = _part_names(model)
    largest = np.argsort(-np.abs(facts), kind="stable")[:most]
    told = tuple(_fact(model, int(place), float(facts[place])) for place in largest.tolist() if facts[place])
    others = float(facts.sum() - sum(fact.value for fact in told))
    return ScoreGap(of, by, group, float(gap), tuple(zip(names, parts.tolist(), strict=True)), told, others)


def _fact(model: Recommender, place: int, value: float) -> FactPart:
    snapshot = model.snapshot
    ends = np.cumsum([p.factors.source.shape[1] for p in model.shared])
    which = int(np.searchsorted(ends, place, "right"))
    node = place - int(ends[which - 1] if which else 0)
    relation = snapshot.schema.relation_types[model.shared[which].factors.relation]
    kind = other_end(snapshot.schema, relation)
    return FactPart(relation.name, snapshot.ids[kind].key(node), snapshot.name(kind, node), value)
