"""Whether the vectors of two items are as alike as a path says, computed anew from the graph's own values.

The model takes the mean c of the known items' vectors away from each: v = (q - c) / |q - c| with q of length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kg_rec.arrays.types import Floats64
from kg_rec.explain.path import Path
from kg_rec.model.recommender import Recommender

#: The model's vectors are stored as float32.
_TOLERANCE = 1e-4

#: A property, and the keys of two items.
Step = tuple[str, str, str]


@dataclass(frozen=True)
class AlikeVectors:
    """How alike two vectors of items are.

    Attributes:
        name: of the property.
        first: key of an item.
        second: key of the other item.
        cosine: as the model holds it.
        recomputed: the same from the graph's values; None if an item has no such vector there.
    """

    name: str
    first: str
    second: str
    cosine: float
    recomputed: float | None

    @property
    def holds(self) -> bool:
        """The model's cosine is that of the graph's vectors."""
        return self.recomputed is not None and abs(self.cosine - self.recomputed) <= _TOLERANCE

    def line(self) -> str:
        """In one line, numbers to two digits."""
        pair = f"{self.name} of {self.first} and {self.second}: cosine {self.cosine:.2f}"
        if self.recomputed is None:
            return f"{pair}, NOT in the graph any more"
        return f"{pair}, {'the same' if self.holds else f'NOT the same ({self.recomputed:.2f})'} from the vectors"


def vector_steps(paths: Sequence[Path]) -> list[Step]:
    """The steps of alike vectors, each once."""
    steps = [
        (edge.alike, str(path.nodes[n].key), str(path.nodes[n + 1].key))
        for path in paths
        for n, edge in enumerate(path.edges)
        if edge.alike is not None
    ]
    return list(dict.fromkeys(steps))


def alike_vectors(model: Recommender, steps: Sequence[Step], items: pa.Table | None = None) -> list[AlikeVectors]:
    """How alike vectors are.

    Args:
        model: with vectors of its items.
        steps: of :func:`vector_steps`.
        items: nodes of the items as a store gives them now, with the key and the properties; None for those of the
            model's snapshot.
    """
    schema, similarity = model.snapshot.schema.item, model.similarity
    table = model.snapshot.nodes[schema.name] if items is None else items
    place = {key: n for n, key in enumerate(table.column(schema.key).cast(pa.string()).to_pylist())}
    likenesses = []
    for name, first, second in steps:
        rows = similarity.vectors[name].astype(np.float64)
        cosine = float(rows[model.items.index(first)] @ rows[model.items.index(second)])
        ends = [table.column(name)[place[key]].as_py() if key in place else None for key in (first, second)]
        centre = similarity.vector_centres[name].astype(np.float64)
        again = None
        if all(end is not None and len(end) == len(centre) for end in ends):
            one, other = (_centred(np.array(end, np.float64), centre) for end in ends)
            again = float(one @ other)
        likenesses.append(AlikeVectors(name, first, second, cosine, again))
    return likenesses


def _centred(vector: Floats64, centre: Floats64) -> Floats64:
    shifted = vector / (np.linalg.norm(vector) or 1.0) - centre
    unit: Floats64 = shifted / (np.linalg.norm(shifted) or 1.0)
    return unit
