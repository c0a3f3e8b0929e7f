"""Do the shown paths matter?  Deletion and insertion curves, necessity and sufficiency, against random paths.

A path starts with one of the user's interactions; taking the path away takes that interaction away, and the model
scores the rest, its parameters kept.  The random path beside it has the same pattern (the same steps, so the same
length) and leads from another of the user's interactions to the same item, if there is one, each only once.

- deletion: the score while the interactions of the paths are taken away one by one, the largest path first, from 1
  (all) to 0 (what the item gets whoever asks); the area under the curve, lower is better.
- insertion: the same while they are put into an empty history; higher is better.  Petsiuk et al. 2018 (RISE).
- necessity: how often the item leaves the top 10 when the interactions of the shown paths are taken away.
- sufficiency: how often it is in the top 10 with them alone.  Tan et al. 2021 (CountER).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.counterfactuals.user_list import UserList
from kg_rec.explain.path import Path
from kg_rec.explain.single import explain
from kg_rec.model.recommender import Recommender
from kg_rec.progress import Progress

#: Interactions taken away or put in along a curve.
STEPS = 10

MEASURES = ("deletion", "insertion", "necessity", "sufficiency")


def curves(model: Recommender, count: int, seed: int, progress: Progress) -> dict[str, Any]:
    """The figures over ``count`` recommendations, each at a random place of a random user's top 10."""
    rng = np.random.default_rng(seed)
    every = ExplainConfig(least_share=0.0, specificity=0.0, hubs=STEPS, repeats=True)
    long = replace(every, groups=STEPS, paths_per_group=STEPS)
    found: dict[str, list[float]] = {f"{what} {whose}": [] for what in MEASURES for whose in ("ours", "random")}
    for n, user in enumerate(rng.integers(0, len(model.users), count).tolist()):
        progress(n, count, "delete and insert")
        top, _ = model.rank(np.array([user]), 10)
        item = int(rng.choice(top[0][top[0] >= 0]))
        keys = model.users.key(user), model.items.key(item)
        view = UserList.of(model, keys[0], None)
        curve = explain(model, *keys, config=long).paths
        shown = explain(model, *keys).paths
        if not curve or view.scores(view.edges)[item] <= model.base[item]:
            continue
        for whose, some, few in (
            ("ours", _interactions(model, curve)[:STEPS], _interactions(model, shown)),
            ("random", _others(model, user, item, curve, rng)[:STEPS], _others(model, user, item, shown, rng)),
        ):
            found[f"deletion {whose}"].append(_area(view, item, some, put=False))
            found[f"insertion {whose}"].append(_area(view, item, some, put=True))
            found[f"necessity {whose}"].append(not _listed(view, item, few, keep=False))
            found[f"sufficiency {whose}"].append(_listed(view, item, few, keep=True))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    result = {what: {"ours": means[f"{what} ours"], "random": means[f"{what} random"]} for what in MEASURES}
    return {"recommendations": len(found["deletion ours"]), **result}


def _interactions(model: Recommender, paths: Sequence[Path]) -> list[int]:
    """The interactions that paths start with, the largest path first, each once."""
    return list(dict.fromkeys(model.items.index(str(p.nodes[1].key)) for p in paths))


def _others(model: Recommender, user: int, item: int, paths: Sequence[Path], rng: np.random.Generator) -> list[int]:
    """As many interactions, each the start of a random path of the same pattern as the path it stands beside."""
    history = model.histories.indices[slice(*model.histories.indptr[user : user + 2])].astype(np.int64)
    chosen: list[int] = []
    seen: set[str] = set()
    for path in paths:
        key = str(path.nodes[1].key)
        if key in seen:
            continue
        seen.add(key)
        left = np.setdiff1d(history, chosen)
        fitting = left[_leads(model, left, item, path)]
        chosen.append(int(rng.choice(fitting if len(fitting) else left)))
    return chosen


def _leads(model: Recommender, sources: NDArray[np.int64], item: int, path: Path) -> NDArray[np.bool_]:
    """Which interactions have a path of this pattern to the item: others who liked both, a shared node, or a text."""
    if len(path.nodes) > 3 and path.nodes[2].key is None:
        end = item if len(path.nodes) == 4 else model.items.index(str(path.nodes[3].key))
        together = model.interacted.co_count(sources, np.full(len(sources), end))
        both: NDArray[np.bool_] = (together > 0) & (sources != end)
        return both
    if path.edges[1].type is None:
        return np.ones(len(sources), dtype=bool)
    factors = next(f for f in model.similarity.factors if f.relation == path.edges[1].type)
    found: NDArray[np.bool_] = (factors.source[sources] @ factors.target[[item]].T).toarray().ravel() > 0
    return found


def _area(view: UserList, item: int, order: Sequence[int], *, put: bool) -> float:
    """Area under the curve of (score - base) / (full score - base) over the share of ``order`` taken away or put in."""
    base = float(view.model.base[item])
    full = float(view.scores(view.edges)[item]) - base
    values = []
    for step in range(len(order) + 1):
        inside = np.isin(view.edges.target, order[:step])
        values.append((float(view.scores(view.edges.take(inside if put else ~inside))[item]) - base) / full)
    return float(np.trapezoid(values, dx=1 / max(len(order), 1)))


def _listed(view: UserList, item: int, interactions: Sequence[int], *, keep: bool) -> bool:
    """Whether the item is in the top 10 with these interactions alone, or without them."""
    inside = np.isin(view.edges.target, interactions)
    rank = view.rank(view.scores(view.edges.take(inside if keep else ~inside)), item)
    return rank is not None and rank <= 10
