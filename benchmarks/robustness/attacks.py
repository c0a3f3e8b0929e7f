"""Fake users that push one item into the lists of real ones (shilling).

Each has the target and so many other items (fillers) as a real user drawn at random of the upper half by number of
items, and at least :data:`SHORTEST`.  What the fillers are makes the attack (Lam & Riedl, "Shilling recommender systems
for fun and profit", WWW 2004; Mobasher et al., "Toward trustworthy recommender systems", ACM TOIT 2007):

- ``random``: any items alike.
- ``average``: items as often as real users have them, rated as these rate them.
- ``bandwagon``: one half the most popular items, one half any.
- ``segment``: one half the most popular items of a segment of taste (those that share a fact with the target, where
  there are facts; else the history of one real user), one half any.
- ``copied``: the history of a real user who came before, with the target beside it.  No two are copied from one user.
- ``whitebox``: whoever made it knows all interactions and the closed form.  It chooses fillers one by one so that they
  raise the target's column of B most where real users are near to having the target in their lists.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.robustness.world import Ints, World
from kg_rec.arrays.cholesky import inverse
from kg_rec.arrays.topk import masked, top_k
from kg_rec.arrays.types import Floats64

#: Least number of fillers.
SHORTEST = 5
#: Least number of items of a segment.
SEGMENT = 10
#: Largest catalogue for ``whitebox``, which inverts a matrix of items by items.
MOST_ITEMS = 4_000
#: Penalty and dropout of the closed form that ``whitebox`` was made for.
L2, DROPOUT = 200.0, 0.4

Fillers = Callable[[World, int, list[int], np.random.Generator], list[Ints]]


def attacked(world: World, name: str, target: int, share: float, random: np.random.Generator) -> World:
    """The world with fake users, ``share`` times as many as there are real ones, at least one.

    Args:
        world: without fake users.
        name: one of :data:`ATTACKS`.
        target: dense index of the item.
        share: of the real users.
        random: of all that is drawn.
    """
    fakes = max(1, round(share * world.real))
    lengths = np.maximum(np.diff(world.interactions.indptr), SHORTEST)
    sizes = random.choice(lengths[lengths >= np.median(lengths)], fakes)
    profiles = ATTACKS[name](world, target, sizes.tolist(), random)
    whole = [np.sort(np.append(f[f != target], target)) for f in profiles]
    return world.with_users(whole, [_ratings(world, name, p, target, random) for p in whole], random)


def _ratings(world: World, name: str, profile: Ints, target: int, random: np.random.Generator) -> NDArray[np.float32]:
    weight = world.edges.weight
    if weight is None:
        return np.ones(len(profile), np.float32)
    known = weight[np.isfinite(weight)]
    if name == "average":
        sums = np.bincount(world.edges.target, weights=np.nan_to_num(weight), minlength=len(world.counts))
        found = np.rint(sums / np.maximum(world.counts, 1)).astype(np.float32)[profile]
        found[world.counts[profile] == 0] = np.median(known)
    else:
        found = random.choice(known, len(profile)).astype(np.float32)
    found[profile == target] = known.max()
    return found


def _random(world: World, target: int, sizes: list[int], random: np.random.Generator) -> list[Ints]:
    return [_drawn(world, size, random) for size in sizes]


def _average(world: World, target: int, sizes: list[int], random: np.random.Generator) -> list[Ints]:
    p = world.counts / world.counts.sum()
    return [random.choice(len(p), min(size, int((p > 0).sum())), replace=False, p=p) for size in sizes]


def _bandwagon(world: World, target: int, sizes: list[int], random: np.random.Generator) -> list[Ints]:
    popular = np.argsort(-world.counts, kind="stable")
    return [_half(world, popular, size, random) for size in sizes]


def _segment(world: World, target: int, sizes: list[int], random: np.random.Generator) -> list[Ints]:
    inside = _segment_of(world, target)
    if len(inside) < SEGMENT:
        inside = world.interactions[[int(random.integers(world.real))]].indices
    popular = inside[np.argsort(-world.counts[inside], kind="stable")]
    return [_half(world, popular, size, random) for size in sizes]


def _segment_of(world: World, target: int) -> Ints:
    """The items that share the fact of the target which fewest, but at least :data:`SEGMENT`, others share."""
    found, snapshot = np.empty(0, np.int64), world.snapshot
    for relation in snapshot.schema.knowledge_relations:
        edges = snapshot.edges[relation.name]
        item, node = (edges.source, edges.target)
        if relation.source != snapshot.schema.item.name:
            item, node = node, item
        for shared in node[item == target].tolist():
            others = np.setdiff1d(item[node == shared], [target])
            if len(others) >= SEGMENT and (not len(found) or len(others) < len(found)):
                found = others
    return found


def _copied(world: World, target: int, sizes: list[int], random: np.random.Generator) -> list[Ints]:
    early = np.zeros(world.real, np.bool_)
    time = world.edges.time
    early[world.edges.source if time is None else world.edges.source[time < world.late]] = True
    long = np.flatnonzero(early & (np.diff(world.interactions.indptr)[: world.real] >= SHORTEST))
    chosen = random.choice(long, len(sizes), replace=len(long) < len(sizes))
    return [world.interactions[[int(user)]].indices.astype(np.int64) for user in chosen]


def _whitebox(world: World, target: int, sizes: list[int], random: np.random.Generator) -> list[Ints]:
    x = world.interactions[: world.real].astype(np.float64)
    gram = (x.T @ x).toarray()
    penalty = L2 + DROPOUT / (1 - DROPOUT) * np.diag(gram)
    whole = inverse(gram + np.diag(penalty))
    scores = -(x @ whole) / np.diag(whole)
    listed = masked(scores, world.interactions[: world.real], None)
    last = np.take_along_axis(listed, top_k(listed, 10)[:, -1:], axis=1).ravel()
    had = np.asarray(x[:, [target]].toarray()).ravel() > 0
    column = gram[:, target].copy()
    column[target] = 0
    # (G + L)^-1 without the target's row and column
    p = whole - np.outer(whole[:, target], whole[target]) / whole[target, target]
    found = []
    for size in sizes:
        b = p @ column
        margin = last - x @ b
        width = max(float(margin[~had].std()), 1e-9)
        wanted = np.where(had, 0.0, np.exp(-np.maximum(margin, 0) / width) * (margin > 0))
        chosen = _greedy(p, p @ (x.T @ wanted), b, target, size)
        found.append(chosen)
        row = p[:, chosen].sum(axis=1)
        p = p - np.outer(row, row) / (1 + row[chosen].sum())
        column[chosen] += 1
    return found


def _greedy(p: Floats64, toward: Floats64, b: Floats64, target: int, size: int) -> Ints:
    """Fillers S that raise q S (1 - b S) / (1 + S P S): what one more user with S and the target adds to m X B_target.

    That is the rank-one change of B_target = P g, exact for given weights m of the users, with q = P m.
    """
    taken = np.zeros(len(b), np.bool_)
    taken[target] = True
    reach, gain, said, norm = np.zeros(len(b)), 0.0, 0.0, 0.0
    diagonal = np.diag(p)
    for _ in range(min(size, len(b) - 1)):
        after = (gain + toward) * (1 - said - b) / (1 + norm + 2 * reach + diagonal)
        after[taken] = -np.inf
        best = int(after.argmax())
        gain, said, norm = gain + toward[best], said + b[best], norm + 2 * reach[best] + diagonal[best]
        reach += p[:, best]
        taken[best] = True
    taken[target] = False
    return np.flatnonzero(taken)


def _half(world: World, chosen: Ints, size: int, random: np.random.Generator) -> Ints:
    first = chosen[: size // 2]
    rest = np.setdiff1d(_drawn(world, size, random), first)
    return np.concatenate([first, random.permutation(rest)[: size - len(first)]])


def _drawn(world: World, size: int, random: np.random.Generator) -> Ints:
    return random.choice(len(world.counts), min(size, len(world.counts)), replace=False)


ATTACKS: dict[str, Fillers] = {
    "random": _random,
    "average": _average,
    "bandwagon": _bandwagon,
    "segment": _segment,
    "copied": _copied,
    "whitebox": _whitebox,
}
