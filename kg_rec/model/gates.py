"""What a model learned of the nodes that items share: which of them bind taste most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg_rec.errors import NotFoundError
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot.item_facts import other_end


@dataclass(frozen=True)
class Gate:
    """A node that ties items.

    Attributes:
        relation: relation type.
        node: key of the node; for a relation between items, the item that is led to.
        items: how many items it ties.
        weight: what a path through it adds to W, the score before the channel's weight; below 0 it speaks against.
        against_type: ``weight`` over the mean of its relation type.
    """

    relation: str
    node: str
    items: int
    weight: float
    against_type: float


def strongest(model: Recommender, relation: str | None = None, count: int = 20) -> list[Gate]:
    """The gates of the largest weight in absolute value, the largest first; equal ones by relation and key.

    The weight holds the node's degree discount: a path j - node - i adds it once.

    Args:
        model: a model with a knowledge channel.
        relation: of this relation type alone.
        count: at most so many.

    Raises:
        NotFoundError: the model has no gates of that relation type.
    """
    known = [p.factors.relation for p in model.shared]
    if relation is not None and relation not in known:
        raise NotFoundError(
            f"the model has no gates of relation type {relation!r}; it has {', '.join(known) or 'none'}"
        )
    gates = []
    for paths in model.shared:
        factors = paths.factors
        if relation not in (None, factors.relation):
            continue
        kind = model.snapshot.schema.relation_types[factors.relation]
        ids = model.snapshot.ids[other_end(model.snapshot.schema, kind)]
        items = np.bincount(factors.source.indices, minlength=factors.source.shape[1])
        discount = np.asarray(factors.source.max(axis=0).todense()).ravel()
        weight = paths.gate * discount
        mean = max(float(model.chosen.channels["knowledge"]["mean"].get(factors.relation, 0.0)), 1e-12)
        tying = np.flatnonzero((items > 1) & (weight != 0))
        for node in tying[np.argsort(-np.abs(weight[tying]), kind="stable")[:count]].tolist():
            own, against = float(weight[node]), float(paths.gate[node]) / mean
            gates.append(Gate(factors.relation, ids.key(node), int(items[node]), own, against))
    gates.sort(key=lambda g: (-abs(g.weight), g.relation, g.node))
    return gates[:count]
