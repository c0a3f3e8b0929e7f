"""What one user says of themselves, as a model takes it into account: addends of the base, and what may be listed.

    s'(u, i) = s(u, i) + sum over what was said of x [i has it]

:mod:`kg_rec.people.preferences` makes it from the edges of the user in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats64


@dataclass(frozen=True)
class Stated:
    """The statements of one user.

    Attributes:
        user: dense index of the user.
        texts: each statement in words, by language: "You asked for more of Western."
        values: what each adds to items, float64, shape (statements, items).
        listed: which items each lets be listed, shape (statements, items).
    """

    user: int
    texts: Mapping[str, tuple[str, ...]]
    values: Floats64
    listed: NDArray[np.bool_]

    @property
    def total(self) -> Floats64:
        """What all of them add, shape (items,)."""
        total: Floats64 = self.values.sum(axis=0)
        return total

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """The items that all of them let be listed, shape (items,)."""
        allowed: NDArray[np.bool_] = np.logical_and.reduce(self.listed, axis=0)
        return allowed

    def text(self, place: int, lang: str) -> str:
        """A statement in a language, in English where it has none."""
        return self.texts.get(lang, self.texts["en"])[place]

    def about(self, item: int, lang: str) -> tuple[tuple[str, float], ...]:
        """The statements that add to an item's score: in words, and how much."""
        return tuple((self.text(n, lang), float(v)) for n, v in enumerate(self.values[:, item].tolist()) if v)
