"""Settings of training: what may be chosen from, and what is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kg_rec.settings import expect, from_dict, from_toml


@dataclass(frozen=True, slots=True)
class TasteConfig:
    """The closed-form item-item operator (EDLAE, Steck 2020, https://arxiv.org/abs/2006.15516).

    Attributes:
        l2: ridge penalties to choose from on validation, in interactions.
        dropout: probability p of the emphasised denoising penalty p/(1-p) diag(G), in [0, 1).
        user_power: users are weighted by (number of interactions)^-user_power in the Gram matrix.
        popularity_exponent: scores of an item with n interactions are scaled by n^popularity_exponent.
        max_items: largest catalogue for the dense operator; beyond it each item is regressed on its neighbours.
        neighbours: neighbours per item of that sparse form.
    """

    l2: tuple[float, ...] = (50.0, 200.0, 800.0)
    dropout: float = 0.4
    user_power: float = 0.2
    popularity_exponent: float = -0.1
    max_items: int = 10_000
    neighbours: int = 100

    def __post_init__(self) -> None:
        expect(min(self.l2) >= 0, "taste.l2", "numbers from 0", self.l2)
        expect(0 <= self.dropout < 1, "taste.dropout", "a number from 0 to below 1", self.dropout)
        expect(self.neighbours > 0, "taste.neighbours", "at least 1", self.neighbours)


@dataclass(frozen=True, slots=True)
class GnnConfig:
    """The linear relational GNN.

    Attributes:
        dimensions: numbers of spectral dimensions (the low-pass cut) to choose from on validation.
        exponents: initial degree exponents a = b of D_out^-a A D_in^-b to choose from on validation.
        iterations: propagation steps of the orthogonal iteration that finds the spectral input.
        hops: propagation layers after the input, each with its own relation weights.
        epochs: most epochs of gradient training; 0 keeps the initial weights.
        patience: epochs without a better validation NDCG@10 before training stops.
        learning_rate: of Adam.
        holdout: share of the interactions that each epoch predicts from the others.
        batch_users: users per gradient step; also bounds memory.
        negatives: items in the softmax beyond the batch's targets; catalogues up to this size use all items.
    """

    dimensions: tuple[int, ...] = (16, 32, 64)
    exponents: tuple[float, ...] = (0.2, 0.3, 0.4)
    iterations: int = 12
    hops: int = 1
    epochs: int = 40
    patience: int = 8
    learning_rate: float = 0.02
    holdout: float = 0.3
    batch_users: int = 1024
    negatives: int = 20_000

    def __post_init__(self) -> None:
        expect(min(self.dimensions) > 0, "gnn.dimensions", "whole numbers from 1", self.dimensions)
        expect(0 < self.holdout < 1, "gnn.holdout", "a number between 0 and 1", self.holdout)
        expect(self.epochs >= 0, "gnn.epochs", "0 or more", self.epochs)
        expect(self.hops >= 0, "gnn.hops", "0 or more", self.hops)
        expect(self.batch_users > 0, "gnn.batch_users", "at least 1", self.batch_users)


@dataclass(frozen=True, slots=True)
class KnowledgeConfig:
    """Paths through shared attributes.

    Attributes:
        degree_exponent: an attribute with n items weighs n^-degree_exponent.
        popularity_exponent: scores of an item with n interactions are scaled by n^popularity_exponent.
        max_degree: attributes with more items than this share of the catalogue are ignored.
    """

    degree_exponent: float = 0.25
    popularity_exponent: float = 0.5
    max_degree: float = 1.0


@dataclass(frozen=True, slots=True)
class MeaningConfig:
    """Text embeddings.

    Attributes:
        encoder: ``auto`` (the packaged all-MiniLM-L6-v2), a model folder, a hub id, or ``none``.
        sharpness: how much more texts that are much alike count than those that are somewhat alike; 0 for the cosine.
        max_items: largest catalogue for the sharpened kernel, which is a matrix; beyond it the cosine is used.
        popularity_exponent: scores of an item with n interactions are scaled by n^popularity_exponent.
        batch_size: texts per forward pass.
        max_tokens: longer texts are cut.
    """

    encoder: str = "auto"
    sharpness: float = 4.0
    max_items: int = 10_000
    popularity_exponent: float = 0.4
    batch_size: int = 64
    max_tokens: int = 128

    def __post_init__(self) -> None:
        expect(0 <= self.sharpness <= 20, "meaning.sharpness", "a number from 0 to 20", self.sharpness)
        expect(self.batch_size > 0, "meaning.batch_size", "at least 1", self.batch_size)
        expect(self.max_tokens > 2, "meaning.max_tokens", "at least 3", self.max_tokens)


@dataclass(frozen=True, slots=True)
class SequenceConfig:
    """What users go on to like: the item-item operator with time (:mod:`kg_rec.model.channels.sequence`).

    Attributes:
        directions: how much more a pair counts in the order it happened than in the other, 0 to 1; values to choose
            from on validation.
        blocks: parts of a user's record, equally long; pairs within one have no order.
        span: interactions that are near each other, in steps.
        far: weight of pairs that are not near.
        latest: beyond ``taste.max_items`` items, only so many of a user's latest interactions make pairs.
    """

    directions: tuple[float, ...] = (0.0, 0.5)
    blocks: int = 20
    span: int = 30
    far: float = 0.3
    latest: int = 100

    def __post_init__(self) -> None:
        wrong = [d for d in self.directions if not 0 <= d <= 1]
        expect(not wrong, "sequence.directions", "numbers from 0 to 1", self.directions)
        expect(self.far >= 0, "sequence.far", "a number from 0", self.far)
        for name, least in (("blocks", 1), ("span", 2), ("latest", 2)):
            expect(getattr(self, name) >= least, f"sequence.{name}", f"at least {least}", getattr(self, name))


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


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """Choice of the channel weights lambda by coordinate ascent on validation NDCG@10.

    Attributes:
        steps: factors tried on one weight at a time.
        rounds: passes over all weights.
        least: share of the validation figure that a move of a weight must add; smaller gains are chance.
        users: most validation users scored (sampled with the seed).
        candidates: most items they rank; of a larger catalogue what is to be found, the most popular and random ones.
        tolerance: validation NDCG@10 that may be given up for the largest weight of the knowledge channel, whose
            paths run through named facts that people can check.
        holdout: share of each user's interactions held out for validation, if no split is given.
    """

    steps: tuple[float, ...] = (0.0, 0.35, 0.6, 0.8, 1.25, 1.7, 3.0)
    rounds: int = 3
    least: float = 0.004
    users: int = 2_000
    candidates: int = 20_000
    tolerance: float = 0.001
    holdout: float = 0.1

    def __post_init__(self) -> None:
        expect(0 < self.holdout < 0.5, "fusion.holdout", "a number between 0 and 0.5", self.holdout)
        expect(self.users > 0, "fusion.users", "at least 1", self.users)
        expect(self.candidates > 0, "fusion.candidates", "at least 1", self.candidates)
        expect(self.least >= 0, "fusion.least", "a number from 0", self.least)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that decides a model, besides the snapshot.

    Attributes:
        seed: of every random choice.
        device: ``cpu``, ``cuda``, or ``auto``: cuda where there is one.
        channels: the parts of the score to use.
        recency: interactions are weighted 1/(1 + rank/recency) by their rank from the user's latest; values to
            choose from on validation, 0 for equal weights.
        rating: strengths to choose from on validation, with which an interaction counts by its weight (rating, number
            of plays): from 1 - strength for the lowest to 1 + strength for the highest.  0 for equal weights.
        taste: the closed-form item-item operator.
        gnn: the linear relational GNN.
        sequence: directed co-occurrence.
        knowledge: paths through attributes.
        meaning: text embeddings.
        cold: items without interactions.
        fusion: the channel weights.
    """

    seed: int = 2026
    device: str = "auto"
    channels: tuple[str, ...] = ("taste", "relational", "sequence", "knowledge", "meaning")
    recency: tuple[float, ...] = (0.0, 5.0, 20.0)
    rating: tuple[float, ...] = (0.0, 0.4)
    taste: TasteConfig = field(default_factory=TasteConfig)
    gnn: GnnConfig = field(default_factory=GnnConfig)
    sequence: SequenceConfig = field(default_factory=SequenceConfig)
    knowledge: KnowledgeConfig = field(default_factory=KnowledgeConfig)
    meaning: MeaningConfig = field(default_factory=MeaningConfig)
    cold: ColdConfig = field(default_factory=ColdConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, as saved with a model."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Inverse of :meth:`to_dict`; missing keys keep their defaults.

        Raises:
            ConfigError: a key is unknown or a value has the wrong type.
        """
        return from_dict(cls, values)

    @classmethod
    def from_toml(cls, path: str | Path) -> TrainConfig:
        """Read a TOML file.

        Raises:
            ConfigError: not TOML, a key is unknown, or a value has the wrong type; the message names file and line.
        """
        return from_toml(cls, path)
