"""Shared meaning: items whose texts are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kg_rec.arrays.types import Floats32
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData, settings_of
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel
from kg_rec.settings import expect


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


def meaning_kernel(text: Floats32, config: MeaningConfig) -> MatrixKernel | FactorKernel:
    """K(j, i) = exp(sharpness cos(text_j, text_i)) - 1: much alike texts count far more than a topic in common.

    Up to ``config.max_items`` items; beyond, or for a sharpness of 0, the cosine itself, as a product of factors.

    Args:
        text: centred unit vectors, or zeros for an item without a text, shape (n, d).
        config: sharpness, max_items.
    """
    if not config.sharpness or len(text) > config.max_items:
        return FactorKernel(text, text)
    matrix = np.expm1(np.float32(config.sharpness) * (text @ text.T))
    np.fill_diagonal(matrix, 0)
    return MatrixKernel(matrix)


class Meaning(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`."""

    name = "meaning"
    about = About(
        titles={"en": "meaning", "zh": "语义"},
        lines={
            "en": "their texts are alike: embeddings of a language model",
            "zh": "文本相似：语言模型的嵌入",
        },
        colour="#2e8b3d",
    )
    paths = "text"
    table = "meaning"
    settings = MeaningConfig
    needs = frozenset({"text"})
    start = 0.3
    cold_start = 0.1

    def popularity_exponent(self, settings: Sequence[object], chosen: Mapping[str, Mapping[str, Any]]) -> float:
        """See :class:`ChannelKind`."""
        return settings_of(settings, MeaningConfig).popularity_exponent

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`."""
        fitted = self.fit(data, {})
        if fitted is not None:
            yield {}, fitted.kernel

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted | None:
        """See :class:`ChannelKind`."""
        if data.similarity is None or data.similarity.text is None:
            return None
        return Fitted(meaning_kernel(data.similarity.text, data.settings_of(MeaningConfig)))


MEANING = Meaning()
