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
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import optimize, sparse, special

from kg_rec.arrays.types import Floats64
from kg_rec.errors import ArgumentError
from kg_rec.snapshot import EdgeTable, Snapshot


@dataclass(frozen=True)
class PropensityConfig:
    """How propensities are estimated.

    Attributes:
        l2: ridge penalty of the pairs of features.
        features: most features of a user and of an item; of more, those are kept that tell most nodes apart.
        most: interactions that the regression reads; of more, a sample stands for all.
        sampled: cells without an interaction that are drawn, per interaction read; they stand for all.
        least: propensities below this quantile of those of the interactions are raised to it, which bounds the weights.
    """

    l2: float = 5.0
    features: int = 24
    most: int = 400_000
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
    users, items, m = len(user_features), len(item_features), len(edges)
    if not m:
        raise ArgumentError("propensities: expected interactions, got none")
    rng = np.random.default_rng(seed)
    read = np.arange(m) if m <= config.most else np.sort(rng.choice(m, config.most, replace=False))
    count = min(int(config.sampled * len(read)), users * items)
    cells = (
        rng.choice(users * items, size=count, replace=False)
        if users * items < 2**24
        else rng.integers(0, users * items, count)
    )
    cells = np.setdiff1d(cells, edges.source * items + edges.target)
    u = np.concatenate([edges.source[read], cells // items])
    i = np.concatenate([edges.target[read], cells % items])
    chosen = np.concatenate([np.ones(len(read)), np.zeros(len(cells))])
    each = (m / len(read), (users * items - m) / max(len(cells), 1))
    stands_for = np.where(chosen > 0, *each)
    popularity = np.log((np.bincount(edges.target, minlength=items) + 1) / (users + 2))
    shape = (user_features.shape[1], item_features.shape[1])
    place = sparse.csr_array((np.arange(len(u)), (u, i)), shape=(users, items))  # of each pair, which is there once

    def logit(w: Floats64, u: NDArray[np.int64], i: NDArray[np.int64]) -> Floats64:
        z: Floats64 = w[0] + w[1] * popularity[i]
        if len(w) > 2:
            z += np.einsum("nq,nq->n", (user_features @ w[2:].reshape(shape))[u], item_features[i])
        return z

    def loss(w: Floats64) -> tuple[float, Floats64]:
        z = logit(w, u, i)
        value = float((stands_for * (np.logaddexp(0, z) - chosen * z)).sum() + config.l2 * (w[2:] @ w[2:]) / 2)
        error = stands_for * (special.expit(z) - chosen)
        gradient = [[error.sum(), error @ popularity[i]]]
        if len(w) > 2:
            by_user = sparse.csr_array((error[place.data], place.indices, place.indptr), place.shape) @ item_features
            gradient.append((user_features.T @ by_user).ravel() + config.l2 * w[2:])
        return value, np.concatenate(gradient)

    start = np.concatenate([[0.0, 1.0], np.zeros(shape[0] * shape[1])])
    solution = optimize.minimize(loss, start, jac=True, method="L-BFGS-B")
    p = special.expit(logit(solution.x, edges.source, edges.target))
    raised: Floats64 = np.maximum(p, np.quantile(p, config.least))
    return raised


def node_features(snapshot: Snapshot, node_type: str, most: int) -> Floats64:
    """What is known of users or items as numbers, for :func:`propensities`; shape (n, at most ``most``).

    Numbers are standardised, 0 where one is missing.  Each value of a text property that is no key, name or text, and
    each node that a relation other than the interaction leads to, is a column of 0 and 1; columns are centred.
    A column that is true of one node alone, or of all, tells nothing and is left out.

    Args:
        snapshot: the graph.
        node_type: the users' or the items' type.
        most: columns that are kept, those of most variance.
    """
    table, n = snapshot.nodes[node_type], len(snapshot.ids[node_type])
    columns: list[Floats64] = []
    flags: list[tuple[float, NDArray[np.int64]]] = []

    def flag(rows: NDArray[np.int64]) -> None:
        if 1 < len(rows) < n:
            flags.append((len(rows) / n * (1 - len(rows) / n), rows))

    for kind in snapshot.schema.node_types[node_type].properties:
        if kind.use is not None:
            continue
        column = table.column(kind.name)
        if kind.datatype in ("integer", "float"):
            values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            there = np.isfinite(values)
            spread = values[there].std() if there.any() else 0.0
            if spread > 0:
                columns.append(np.where(there, (values - values[there].mean()) / spread, 0.0))
        elif kind.datatype == "string":
            coded = pc.dictionary_encode(column.combine_chunks())
            codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
            counts = np.bincount(codes[codes >= 0], minlength=1)
            for value in np.argsort(-counts, kind="stable")[:most]:
                flag(np.flatnonzero(codes == value))
    for relation in snapshot.schema.relation_types.values():
        edges = snapshot.edges[relation.name]
        if relation.interaction or relation.source != node_type or not len(edges):
            continue
        counts = np.bincount(edges.target)
        for target in np.argsort(-counts, kind="stable")[:most]:
            flag(edges.source[edges.target == target])
    columns = columns[:most]
    for _, rows in sorted(flags, key=lambda pair: -pair[0])[: most - len(columns)]:
        values = np.zeros(n)
        values[rows] = 1.0
        columns.append(values - values.mean())
    return np.stack(columns, axis=1) if columns else np.zeros((n, 0))


def of_graph(snapshot: Snapshot, edges: EdgeTable, seed: int) -> Floats64:
    """:func:`propensities` of the interactions from the :func:`node_features` of users and items, shape (m,)."""
    most = PropensityConfig().features
    user, item = (node_features(snapshot, kind.name, most) for kind in (snapshot.schema.user, snapshot.schema.item))
    return propensities(edges, user, item, seed=seed)


def inverse_weights(p: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """p^-strength, scaled to mean 1, shape (m,)."""
    weights = p**-strength
    scaled: NDArray[np.float64] = weights / weights.mean()
    return scaled


def inverse_weighted(edges: EdgeTable, shape: tuple[int, int], p: Floats64, strength: float) -> sparse.csr_array:
    """X with sqrt(w_ui) for an interaction, w = p^-strength of mean 1.

    So the Gram matrix holds sum over u of sqrt(w_ui w_uj) x_ui x_uj, and on its diagonal the weights' sums.

    Args:
        edges: the interactions, m of them.
        shape: (users, items).
        p: their propensities, shape (m,).
        strength: s.

    Returns:
        float32 CSR, shape (users, items), columns sorted.
    """
    values = np.sqrt(inverse_weights(p, strength)).astype(np.float32)
    matrix = sparse.csr_array((values, (edges.source, edges.target)), shape=shape)
    matrix.sort_indices()
    return matrix


def weighted_error(errors: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """Mean of errors weighed by 1/p: an estimate of the mean error over all pairs, chosen or not."""
    return float((errors / p).sum() / (1 / p).sum())
