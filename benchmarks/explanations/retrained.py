"""Whether "without these, the item would leave your top 10" still holds when the model is trained again.

A counterfactual speaks of the model as it stands: its parameters are kept.  Here the interactions that it takes out are
deleted, those of all the sampled users at once, and the model is fitted anew with the hyperparameters it has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kg_rec.explain.counterfactuals.counterfactual import Counterfactual, counterfactual
from kg_rec.explain.counterfactuals.user_list import UserList
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.fit import fit
from kg_rec.progress import Progress

#: Ranks beyond the list that the item has to fall.
MARGINS = (0, 5, 20)
_K = 10


def survives(model: Recommender, count: int, seed: int, progress: Progress) -> dict[str, dict[str, float]]:
    """Per margin: of how many counterfactuals, the share that holds in the model as it stands and after training again.

    Args:
        model: a trained model.
        count: counterfactuals, each of another user, of an item of the top 10.
        seed: of the sample.
        progress: called as the work advances.
    """
    rng = np.random.default_rng(seed)
    users = np.sort(rng.choice(len(model.users), min(count, len(model.users)), replace=False))
    top, _ = model.rank(users, _K)
    items = [int(row[row >= 0][rng.integers((row >= 0).sum())]) for row in top]
    found: dict[str, dict[str, float]] = {}
    for margin in MARGINS:
        told: list[Counterfactual] = []
        for n, (user, item) in enumerate(zip(users.tolist(), items, strict=True)):
            progress(n, len(users), f"counterfactuals with a margin of {margin}")
            one = counterfactual(model, model.users.key(user), model.items.key(item), _K, margin=margin, seconds=2.0)
            told += [one] if one.outcome == "leaves" else []
        progress(0, None, f"fit without them, margin {margin}")
        edges = model.snapshot.interactions
        gone = np.zeros(len(edges), np.bool_)
        for one in told:
            taken = [model.items.index(key) for key, _ in one.removed]
            gone |= (edges.source == model.users.index(one.user)) & np.isin(edges.target, taken)
        kept = model.snapshot.with_edges(model.snapshot.schema.interaction.name, edges.take(~gone))
        again = fit(kept, model.chosen, model.config, model.text, progress)
        stands = [_left(model, model.with_snapshot(kept), one) for one in told]
        trained = [_left(model, again, one) for one in told]
        found[f"margin {margin}"] = {
            "counterfactuals": len(told),
            "removed": float(np.mean([len(one.removed) for one in told])) if told else 0.0,
            "as_it_stands": float(np.mean(stands)) if told else 0.0,
            "trained_again": float(np.mean(trained)) if told else 0.0,
        }
    return found


def _left(model: Recommender, changed: Recommender, one: Counterfactual) -> bool:
    """Whether the item is outside the top 10 of a changed model; what the user had before stays left out."""
    had: Any = UserList.of(model, one.user, None)
    scores = changed.scores(np.array([model.users.index(one.user)]))[0]
    rank = had.rank(scores, model.items.index(one.item))
    return rank is None or rank > _K
