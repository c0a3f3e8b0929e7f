"""Means over the folds of a split."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from typing import Any

import numpy as np


def averaged(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over folds; a drop's interval is that of the mean of independent folds."""

    def values(path: Sequence[str]) -> list[Any]:
        return [reduce(getitem, path, run) for run in runs]

    def mean(path: Sequence[str]) -> float:
        return statistics.fmean(values(path))

    def interval(path: Sequence[str], centre: float) -> tuple[float, float]:
        halves = [(high - low) / 2 for low, high in values(path)]
        half = float(np.sqrt(np.sum(np.square(halves)))) / len(runs)
        return centre - half, centre + half

    metrics = {name: mean(("metrics", name)) for name in runs[0]["metrics"]}
    drops = {name: mean(("kg_lift", name, "drop")) for name in runs[0]["kg_lift"]}
    shares = [name for name in runs[0]["knowledge_share"] if all(name in run["knowledge_share"] for run in runs)]
    return {
        "protocol": runs[0]["protocol"],
        "users": sum(run["users"] for run in runs),
        "items": sum(run["items"] for run in runs),
        "metrics": metrics,
        "valid": {name: mean(("valid", name)) for name in runs[0]["valid"]},
        "intervals": {name: interval(("intervals", name), metrics[name]) for name in runs[0]["intervals"]},
        "chosen": [run["chosen"] for run in runs],
        "seconds": {name: max(run["seconds"][name] for run in runs) for name in runs[0]["seconds"]},
        "peak_memory_mb": max(run["peak_memory_mb"] for run in runs),
        "knowledge_share": {name: mean(("knowledge_share", name)) for name in shares},
        "kg_lift": {n: {"drop": d, "interval": interval(("kg_lift", n, "interval"), d)} for n, d in drops.items()},
    }
