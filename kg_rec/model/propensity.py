"""How likely was it that a user would choose an item at all?  Propensities of selection, for inverse weighting.

What people rate is what they chose, not a sample of what there is.  The propensity of a pair is estimated by logistic
regression on the popularity of the item and on pairs of user and item features (a woman and a women's coat, say):

    logit p(u, i) = b + g log popularity(i) + x_u^T M y_i

Weighing an interaction by p^-s corrects for selection: s = 1 is inverse propensity scoring (Schnabel et al.,
"Recommendations as treatments", ICML 2016), 0 < s < 1 trades bias for variance, s = 0 leaves it be.  Choose s by an
error that is itself weighed by 1/p (:func:`weighted_error`), never by the plain one, which has the same selection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from kg_rec.errors import ArgumentError
from kg_rec.snapshot import EdgeTable


@dataclass(frozen=True)
class PropensityConfig:
    """How propensities are estimated.

    Attributes:
        l2: ridge penalty of the pairs of features.
        sampled: cells without an interaction that are drawn, per interaction; they stand for all.
        least: propensities below this quantile of those of the interactions are raised to it, which bounds the weights.
    """

    l2: float = 5.0
    sampled: float = 5.0
    least: float = 0.01


def propensities(
    edges: EdgeTable,
    user_features: NDArray[np.float64],
    item_features: NDArray[np.float64],
    config: PropensityConfig | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """P(user interacts with item) for each interaction, shape (m,).

    Time and memory are linear in the interactions: cells without one are sampled.

    Args:
        edges: the interactions, m of them.
        user_features: x, shape (users, p), for example one column per value of a property.
        item_features: y, shape (items, q).
        config: settings.
        seed: of the sampled cells.

    Raises:
        ArgumentError: there are no interactions.
    """
    config = config or PropensityConfig()
    users, items = len(user_features), len(item_features)
    if not len(edges):
        raise ArgumentError("propensities: expected interactions, got none")
    rng = np.random.default_rng(seed)
    count = min(int(config.sampled * len(edges)), users * items)
    cells = (
        rng.choice(users * items, size=count, replace=False)
        if users * items < 2**24
        else rng.integers(0, users * items, count)
    )
    cells = np.setdiff1d(cells, edges.source * items + edges.target)
    u = np.concatenate([edges.source, cells // items])
    i = np.concatenate([edges.target, cells % items])
    chosen = np.concatenate([np.ones(len(edges)), np.zeros(len(cells))])
    stands_for = np.concatenate(
        [np.ones(len(edges)), np.full(len(cells), (users * items - len(edges)) / max(len(cells), 1))]
    )
    popularity = np.log((np.bincount(edges.target, minlength=items) + 1) / (users + 2))
    pairs = (user_features[u][:, :, None] * item_features[i][:, None, :]).reshape(len(u), -1)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = w[0] + w[1] * popularity[i] + pairs @ w[2:]
        value = float((stands_for * (np.logaddexp(0, z) - chosen * z)).sum() + config.l2 * (w[2:] @ w[2:]) / 2)
        error = stands_for * (1 / (1 + np.exp(-z)) - chosen)
        return value, np.concatenate([[error.sum(), error @ popularity[i]], error @ pairs + config.l2 * w[2:]])

    found = optimize.minimize(loss, np.concatenate([[0.0, 1.0], np.zeros(pairs.shape[1])]), jac=True, method="L-BFGS-B")
    m = len(edges)
    p = 1 / (1 + np.exp(-(found.x[0] + found.x[1] * popularity[i[:m]] + pairs[:m] @ found.x[2:])))
    raised: NDArray[np.float64] = np.maximum(p, np.quantile(p, config.least))
    return raised


def inverse_weights(p: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """p^-strength, scaled to mean 1, shape (m,)."""
    weights = p**-strength
    scaled: NDArray[np.float64] = weights / weights.mean()
    return scaled


def inverse_weighted(edges: EdgeTable, shape: tuple[int, int], strength: float, seed: int = 0) -> sparse.csr_array:
    """X with sqrt(w_ui) for an interaction, w = p^-strength of mean 1, and p estimated from the items' popularity.

    So the Gram matrix holds sum over u of sqrt(w_ui w_uj) x_ui x_uj, and on its diagonal the weights' sums.

    Args:
        edges: the interactions.
        shape: (users, items).
        strength: s.
        seed: of the sampled cells.

    Returns:
        float32 CSR, shape (users, items), columns sorted.
    """
    p = propensities(edges, np.zeros((shape[0], 0)), np.zeros((shape[1], 0)), seed=seed)
    values = np.sqrt(inverse_weights(p, strength)).astype(np.float32)
    matrix = sparse.csr_array((values, (edges.source, edges.target)), shape=shape)
    matrix.sort_indices()
    return matrix


def weighted_error(errors: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """Mean of errors weighed by 1/p: an estimate of the mean error over all pairs, chosen or not."""
    return float((errors / p).sum() / (1 / p).sum())
