"""Settings of how items without interactions are scored."""

from __future__ import annotations

from dataclasses import dataclass

from kg_rec.settings import expect


@dataclass(frozen=True, slots=True)
class ColdConfig:
    """Embeddings of items without interactions, by kernel ridge on text and graph.

    Attributes:
        ridge: penalties to choose from on validation.
        text_power: exponent that sharpens the text similarity.
        number_scale: width of the kernel on the item's numeric properties, in their unit (years, for films).
        common: an attribute that at least this share of the items have belongs to an item's profile.
        kind: how strongly items with other common attributes differ in profile.
        landmarks: most known items that the regression uses, the most popular first.
        tuning_landmarks: the same while the weights of text, numbers and relation types are chosen.
        folds: groups of items that take turns as the new items when these weights are chosen.
        users: most users per group whose rankings are judged.
        steps: factors tried on one of these weights at a time.
        rounds: passes over all of them.
    """

    ridge: tuple[float, ...] = (2.0, 8.0)
    text_power: float = 2.0
    number_scale: float = 5.0
    common: float = 0.05
    kind: float = 0.15
    landmarks: int = 5_000
    tuning_landmarks: int = 800
    folds: int = 10
    users: int = 150
    steps: tuple[float, ...] = (0.0, 0.4, 2.5)
    rounds: int = 2

    def __post_init__(self) -> None:
        expect(min(self.ridge) > 0, "cold.ridge", "positive numbers", self.ridge)
        expect(self.number_scale > 0, "cold.number_scale", "a positive number", self.number_scale)
        expect(0 < self.common <= 1, "cold.common", "a number above 0, at most 1", self.common)
        expect(self.kind >= 0, "cold.kind", "a number from 0", self.kind)
        expect(self.folds > 1, "cold.folds", "at least 2", self.folds)
        for name in ("landmarks", "tuning_landmarks", "users"):
            expect(getattr(self, name) > 0, f"cold.{name}", "at least 1", getattr(self, name))
