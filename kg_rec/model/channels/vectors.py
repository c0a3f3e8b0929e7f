"""Alike pictures, sounds, or whatever else of the items the graph holds as vectors.

    K(j, i) = sum over properties q of m_q (exp(sharpness cos(q_j, q_i)) - 1)

One property is one addend, with a weight m_q of its own, so each is a path with its value: you - j - alike picture - i.
An item without a vector adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats32, Floats64
from kg_rec.metrics import standard_error
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import ChannelKind, Fitted, TrainingData, settings_of
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel
from kg_rec.settings import expect

#: Factors tried on the weight of one property at a time.
_STEPS = (0.0, 0.4, 2.5)
#: Passes over all properties.
_ROUNDS = 2
#: Pairs of items whose vectors are multiplied at a time.
_PAIRS = 1 << 14


@dataclass(frozen=True, slots=True)
class VectorsConfig:
    """Vectors of the items that the graph holds (``kr:use kr:vector``).

    Attributes:
        sharpness: how much more vectors that are much alike count than those that are somewhat alike; 0 for the
            cosine.
        max_items: largest catalogue for the sharpened kernel, which is a matrix; beyond it the cosine is used.
        popularity_exponent: scores of an item with n interactions are scaled by n^popularity_exponent.
    """

    sharpness: float = 4.0
    max_items: int = 10_000
    popularity_exponent: float = 0.4

    def __post_init__(self) -> None:
        expect(0 <= self.sharpness <= 20, "vectors.sharpness", "a number from 0 to 20", self.sharpness)


def vectors_kernel(
    vectors: Mapping[str, Floats32], chosen: Mapping[str, Any], config: VectorsConfig
) -> MatrixKernel | FactorKernel:
    """K.

    Args:
        vectors: centred unit vectors by property, 0 for an item without, each shape (n, d); at least one.
        chosen: ``weights``, m by property.
        config: sharpness, max_items.
    """
    sharp, n = _sharp(vectors, config), len(next(iter(vectors.values())))
    if not sharp:
        scaled = [np.float32(chosen["weights"].get(name, 0.0)) * v for name, v in vectors.items()]
        return FactorKernel(np.hstack(scaled), np.hstack(list(vectors.values())))
    matrix = np.zeros((n, n), np.float32)
    for name, v in vectors.items():
        if weight := chosen["weights"].get(name, 0.0):
            matrix += np.float32(weight) * np.expm1(np.float32(sharp) * (v @ v.T))
    np.fill_diagonal(matrix, 0)
    return MatrixKernel(matrix)


def parts_of_pairs(
    vectors: Mapping[str, Floats32],
    chosen: Mapping[str, Any],
    config: VectorsConfig,
    sources: NDArray[np.int64],
    items: NDArray[np.int64],
) -> dict[str, Floats64]:
    """The addends of K(sources[n], items[n]) by property, each float64, shape (n,).

    Args:
        vectors: see :func:`vectors_kernel`.
        chosen: see there.
        config: see there.
        sources: dense indices j.
        items: dense indices i.
    """
    sharp, parts = _sharp(vectors, config), {}
    for name, v in vectors.items():
        cosine = np.empty(len(sources))
        for start in range(0, len(sources), _PAIRS):
            part = slice(start, start + _PAIRS)
            cosine[part] = np.einsum("pd,pd->p", v[sources[part]].astype(np.float64), v[items[part]])
        value = np.expm1(sharp * cosine) if sharp else cosine
        parts[name] = np.where(sources == items, 0.0, chosen["weights"].get(name, 0.0) * value)
    return parts


def _sharp(vectors: Mapping[str, Floats32], config: VectorsConfig) -> float:
    return config.sharpness if len(next(iter(vectors.values()))) <= config.max_items else 0.0


class Vectors(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`."""

    name = "vectors"
    about = About(
        titles={"en": "likeness", "zh": "相像"},
        lines={
            "en": "their pictures, sounds or other vectors in the graph are alike",
            "zh": "图片、声音或图谱中的其他向量相似",
        },
        colour="#b42345",
    )
    paths = "vectors"
    table = "vectors"
    settings = VectorsConfig
    needs = frozenset({"vectors"})
    start = 0.3
    cold_start = 0.1

    def popularity_exponent(self, settings: Sequence[object], chosen: Mapping[str, Mapping[str, Any]]) -> float:
        """See :class:`ChannelKind`."""
        return settings_of(settings, VectorsConfig).popularity_exponent

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`; the weights of several properties are found by coordinate ascent from 1 each.

        A weight moves only where validation gains more than a standard error.
        """
        if data.similarity is None or not data.similarity.vectors:
            return
        vectors, config = data.similarity.vectors, data.settings_of(VectorsConfig)
        weights = dict.fromkeys(vectors, 1.0)
        kernel = vectors_kernel(vectors, {"weights": weights}, config)
        if data.judge is not None and len(vectors) > 1:
            best = data.judge(kernel)
            for name in [name for _ in range(_ROUNDS) for name in vectors]:
                for step in _STEPS:
                    trial = {**weights, name: weights[name] * step}
                    if trial == weights or not any(trial.values()):
                        continue
                    made = vectors_kernel(vectors, {"weights": trial}, config)
                    metric = data.judge(made)
                    if metric.mean() - best.mean() > standard_error(metric, best):
                        best, weights, kernel = metric, trial, made
        yield {"weights": weights}, kernel

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted | None:
        """See :class:`ChannelKind`."""
        if data.similarity is None or not data.similarity.vectors:
            return None
        return Fitted(vectors_kernel(data.similarity.vectors, chosen, data.settings_of(VectorsConfig)))


VECTORS = Vectors()
