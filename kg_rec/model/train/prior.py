"""What the graph says, W, as the part of other channels' kernels that they are shrunk to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kg_rec.model.channels.base import PRIOR_FACTOR, ChannelKind, TrainingData
from kg_rec.model.kernel import FactorKernel, Kernel, SumKernel


def with_prior(data: TrainingData, kinds_used: Sequence[ChannelKind]) -> TrainingData:
    """The data with W, as the first channel that can learn W says it."""
    for kind in kinds_used:
        best = next(iter(kind.candidates(data)), None) if kind.is_prior else None
        if best is not None and isinstance(best[1], FactorKernel):
            return replace(data, prior=best[1], chosen={**data.chosen, kind.name: best[0]})
    return data


def kernel_with_prior(kind: ChannelKind, kernel: Kernel, data: TrainingData) -> Kernel:
    """A channel's kernel plus k W: the whole operator B.

    Items without interactions score nothing here: W has a weight of its own for them.
    """
    factor = prior_factor(kind, data.chosen)
    if data.prior is None or not factor:
        return kernel
    known = np.bincount(data.edges.target, minlength=data.interactions.shape[1]) > 0
    return SumKernel(((1.0, kernel), (factor, data.prior)), known.astype(np.float32))


def prior_factor(kind: ChannelKind, chosen: Mapping[str, Mapping[str, Any]]) -> float:
    """k: how many times W goes with a channel; 0 for channels that are not shrunk to W.

    The operator of taste chooses it for all.
    """
    own = chosen.get(kind.name, {}).get(PRIOR_FACTOR, chosen.get("taste", {}).get(PRIOR_FACTOR, 0.0))
    return float(own) if kind.beyond_prior else 0.0
