"""The terms of alike vectors, one part a property: each is a path you - j - alike picture - item."""

from __future__ import annotations

import numpy as np

from kg_rec.arrays.types import Floats64
from kg_rec.model.channels.vectors import VECTORS, VectorsConfig, parts_of_pairs
from kg_rec.model.recommender import Addends, Recommender


def addends_of_vectors(model: Recommender, addends: Addends) -> dict[str, Floats64]:
    """The addends of the channel by property, each shape (n,); none where the model does not have it."""
    channel = next((c for c in model.channels if c.name == VECTORS.name), None)
    if channel is None:
        return {}
    items = addends.items[addends.pairs]
    scale = addends.weights.astype(np.float64) * channel.weight[items]
    chosen, config = model.chosen.channels[VECTORS.name], model.config.of(VectorsConfig)
    parts = parts_of_pairs(model.similarity.vectors, chosen, config, addends.sources, items)
    return {name: scale * values for name, values in parts.items()}
