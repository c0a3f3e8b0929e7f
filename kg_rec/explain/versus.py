"""Why one item and not another: the difference of two scores of a user, as a sum over interactions and over paths."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path


@dataclass(frozen=True, slots=True)
class Difference:
    """What one interaction adds to the one item and to the other.

    Attributes:
        source: key of the item the user interacted with.
        source_name: its name.
        first: what it adds to the first item, over all channels.
        second: what it adds to the second.
    """

    source: str
    source_name: str
    first: float
    second: float

    @property
    def value(self) -> float:
        """What it adds to the difference of the scores."""
        return self.first - self.second


@dataclass(frozen=True, slots=True)
class Versus:
    """Two items for one user.

    Attributes:
        first: why the one has its score.
        second: why the other has its.
    """

    first: Explanation
    second: Explanation

    @property
    def value(self) -> float:
        """The first score less the second."""
        return self.first.score - self.second.score

    @property
    def base(self) -> float:
        """What the base adds to the difference."""
        return self.first.base - self.second.base

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What each interaction adds to it, the largest first; with ``base`` they sum to ``value``."""
        one, two = self.first.shap_values(), self.second.shap_values()
        names = {t.source: t.source_name for e in (self.first, self.second) for t in e.terms}
        differences = [Difference(key, name, one.get(key, 0.0), two.get(key, 0.0)) for key, name in names.items()]
        return tuple(sorted(differences, key=lambda d: (-abs(d.value), d.source)))

    @property
    def paths(self) -> tuple[tuple[Path, float], ...]:
        """The shown paths of both and what each adds to the difference: those of the second take away."""
        both = [(p, p.value) for p in self.first.paths] + [(p, -p.value) for p in self.second.paths]
        return tuple(sorted(both, key=lambda pair: -abs(pair[1])))

    @property
    def not_shown(self) -> float:
        """What is not a shown path: with the values of ``paths`` it sums to ``value``."""
        return self.value - sum(value for _, value in self.paths)
