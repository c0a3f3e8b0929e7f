"""How much of the scores at the top of the lists runs through facts of the graph."""

from __future__ import annotations

import numpy as np

from kg_rec.evaluation.ranking import Ranking
from kg_rec.model.channels.registry import kind_of
from kg_rec.model.recommender import Recommender

#: Users whose scores are taken apart at a time.
_USERS = 200


def knowledge_share(model: Recommender, ranking: Ranking, k: int = 10) -> dict[str, float]:
    """The part of each user's top-k scores, taken together, that channels of facts add: quartiles over users.

    Users whose scores do not add up to a positive number are left out.

    Args:
        model: the model that ranked.
        ranking: its lists.
        k: cut-off.

    Returns:
        ``lower`` quartile, ``median`` and ``upper`` quartile.
    """
    names = [c.name for c in model.channels if kind_of(c.name).paths == "facts"]
    shares = [np.empty(0)]
    for start in range(0, len(ranking.users), _USERS):
        top, users = ranking.top[start : start + _USERS, :k], ranking.users[start : start + _USERS]
        owner = np.repeat(np.arange(len(top)), (top >= 0).sum(axis=1))
        addends = model.addends(users[owner], top[top >= 0])
        of = owner[addends.pairs]
        through = sum(
            (np.bincount(of, weights=addends.values[name], minlength=len(top)) for name in names), np.zeros(len(top))
        )
        total = np.bincount(owner, weights=addends.sums(), minlength=len(top))
        shares.append(through[total > 0] / total[total > 0])
    per_score = np.concatenate(shares)
    lower, median, upper = np.quantile(per_score, [0.25, 0.5, 0.75]) if len(per_score) else (0.0, 0.0, 0.0)
    return {"lower": float(lower), "median": float(median), "upper": float(upper)}
