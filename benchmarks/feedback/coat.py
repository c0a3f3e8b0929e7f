"""Does a correction for selection help?  Learned from coats that people chose, tested on coats drawn at random.

Ratings are predicted by ridge regression on user, item, their properties and pairs of properties; the interactions are
weighed by propensity^-s.  Penalty and s are chosen by five folds of the chosen ratings, by the error weighed by
1/propensity; the random ratings are looked at once.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.metrics import discounts
from kg_rec.model.propensity import inverse_weights, propensities, weighted_error
from kg_rec.snapshot import EdgeTable

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
PENALTIES = (3.0, 10.0, 30.0, 100.0)
#: Schnabel et al., ICML 2016, table 2: matrix factorisation without and with inverse propensity scoring.
PUBLISHED = {"naive": {"mse": 1.202, "mae": 0.920}, "ips": {"mse": 1.093, "mae": 0.860}}
Floats = NDArray[np.float64]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _one_hot(path: Path, key: str) -> Floats:
    table = rows(path)
    columns = {name: n for n, name in enumerate(sorted({f"{r['property']}={r['value']}" for r in table}))}
    found = np.zeros((1 + max(int(r[key]) for r in table), len(columns)))
    for r in table:
        found[int(r[key]), columns[f"{r['property']}={r['value']}"]] = 1
    return found


def ratings(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    table = rows(path)
    return (
        np.array([int(r["user"]) for r in table]),
        np.array([int(r["item"]) for r in table]),
        np.array([float(r["rating"]) for r in table]),
    )


def _design(users: NDArray[np.int64], items: NDArray[np.int64], x: Floats, y: Floats) -> Floats:
    pairs = (x[users][:, :, None] * y[items][:, None, :]).reshape(len(users), -1)
    return np.hstack([np.eye(len(x))[users], np.eye(len(y))[items], x[users], y[items], pairs])


def _ridge(design: Floats, ratings: Floats, weights: Floats, penalty: float) -> tuple[float, Floats]:
    mean = float((weights * ratings).sum() / weights.sum())
    gram = (design * weights[:, None]).T @ design
    gram[np.diag_indices_from(gram)] += penalty
    return mean, np.linalg.solve(gram, (design * weights[:, None]).T @ (ratings - mean))


def ndcg(users: NDArray[np.int64], ratings: Floats, predicted: Floats, k: int = 10) -> Floats:
    found = []
    for user in np.unique(users):
        mine = users == user
        hit = ratings[mine] >= 4
        if hit.any():
            order = np.argsort(-predicted[mine], kind="stable")[:k]
            gain = discounts(k)
            found.append((hit[order] * gain[: len(order)]).sum() / gain[: min(k, hit.sum())].sum())
    return np.array(found)


def coat(folder: Path, seed: int = 0) -> dict[str, Any]:
    """Figures with and without the correction."""
    x, y = _one_hot(folder / "users.tsv", "user"), _one_hot(folder / "items.tsv", "item")
    users, items, given = ratings(folder / "chosen.tsv")
    order = np.lexsort((items, users))
    users, items, given = users[order], items[order], given[order]
    p = propensities(EdgeTable(users, items), x, y, seed=seed)
    design = _design(users, items, x, y)
    fold = np.random.default_rng(seed).integers(0, 5, len(given))
    table: dict[float, tuple[float, float]] = {}
    for strength in STRENGTHS:
        weights = inverse_weights(p, strength)
        figures = {}
        for penalty in PENALTIES:
            errors = np.zeros(len(given))
            for part in range(5):
                kept = fold != part
                mean, b = _ridge(design[kept], given[kept], weights[kept], penalty)
                errors[~kept] = (given[~kept] - mean - design[~kept] @ b) ** 2
            figures[penalty] = weighted_error(errors, p)
        penalty = min(figures, key=lambda value: figures[value])
        table[strength] = (figures[penalty], penalty)
    chosen = min(table, key=lambda s: table[s][0])
    random_users, random_items, truth = ratings(folder / "random.tsv")
    there = _design(random_users, random_items, x, y)
    found = {}
    for name, strength in (("without", 0.0), ("with", chosen)):
        mean, b = _ridge(design, given, inverse_weights(p, strength), table[strength][1])
        predicted = mean + there @ b
        ranking = ndcg(random_users, truth, predicted)
        found[name] = {
            "mse": float(((truth - predicted) ** 2).mean()),
            "mae": float(np.abs(truth - predicted).mean()),
            "ndcg@10": float(ranking.mean()),
            "squared": (truth - predicted) ** 2,
            "ndcg": ranking,
        }
    gain = found["without"].pop("squared") - found["with"].pop("squared")
    ranked = found["with"].pop("ndcg") - found["without"].pop("ndcg")
    return {
        "strength": chosen,
        "validation": {str(s): figure for s, (figure, _) in table.items()},
        **found,
        "mse_gain": [float(gain.mean()), *interval(gain)],
        "ndcg_gain": [float(ranked.mean()), *interval(ranked)],
        "published_matrix_factorisation": PUBLISHED,
    }


def interval(values: Floats) -> tuple[float, float]:
    half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half
