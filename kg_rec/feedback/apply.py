"""Reactions as interactions, so that a click changes the next list at once and without training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy import sparse

from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import NO_TIME, EdgeTable

#: Kinds that count as interactions with an item.
POSITIVE = ("click", "like", "buy")


def with_reactions(model: Recommender, reactions: pa.Table) -> tuple[Recommender, sparse.csr_array]:
    """The model with what people did as further interactions, and what they dismissed.

    A click, like or buy counts as an interaction of the time when it was done.  Where interactions have weights it gets
    the least weight that counts as positive, or the middle weight.  An interaction that is in the graph stays as it is.

    Args:
        model: a trained model.
        reactions: a table of :data:`~kg_rec.feedback.events.REACTED`; rows of unknown users or items are left out.

    Returns:
        The model, and the dismissed items, boolean CSR, shape (users, items).
    """
    rows = reactions.sort_by("at")
    users, items = model.users.indices(rows.column("user")), model.items.indices(rows.column("item"))
    kinds = np.array(rows.column("kind").to_pylist(), dtype=object)
    known = (users >= 0) & (items >= 0)
    away = known & (kinds == "dismiss")
    ones = np.ones(int(away.sum()), dtype=bool)
    dismissed = sparse.csr_array((ones, (users[away], items[away])), shape=model.shape)
    new = known & np.isin(kinds, POSITIVE)
    if not new.any():
        return model, dismissed
    edges = model.snapshot.interactions
    at = np.asarray(rows.column("at"), dtype=np.int64)[new]
    pairs = np.concatenate([edges.source * model.shape[1] + edges.target, users[new] * model.shape[1] + items[new]])
    _, first = np.unique(pairs, return_index=True)  # sorted by user and item; an edge of the graph comes before others
    weight = edges.weight
    if weight is not None:
        weight = np.concatenate([weight, np.full(len(at), _weight(model, weight), dtype=np.float32)])[first]
    time = np.full(len(edges), NO_TIME) if edges.time is None else edges.time
    time = np.concatenate([time, at])[first]
    source = np.concatenate([edges.source, users[new]])[first]
    target = np.concatenate([edges.target, items[new]])[first]
    return model.with_interactions(EdgeTable(source, target, weight, time)), dismissed


def _weight(model: Recommender, weights: np.ndarray) -> float:
    least = model.snapshot.schema.interaction.positive_from
    finite = weights[np.isfinite(weights)]
    middle = float(np.median(finite)) if len(finite) else 1.0
    return middle if least is None else max(least, middle)
