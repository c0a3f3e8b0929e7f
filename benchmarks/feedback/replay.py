"""Real logs of a shop: does the log of one policy tell the value of another?

The PyPI package obp carries, per campaign, 10,000 rows of a uniformly random policy and 10,000 of a Thompson policy
with their propensities (Saito et al., Open Bandit Dataset).  The random policy's clicks are the truth; its value is
estimated from the other log.
"""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from kg_rec.errors import EvaluationError, MissingDependencyError
from kg_rec.evaluation.off_policy import effective_sample_size, ips, snips

CAMPAIGNS = ("all", "men", "women")


def _column(path: Path, names: tuple[str, ...]) -> np.ndarray:
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([[float(row[name]) for name in names] for row in csv.DictReader(file)])


def logs() -> dict[str, Any]:
    """Truth, estimate, interval and effective sample size per campaign; a refusal where the log cannot tell."""
    spec = find_spec("obp")
    if spec is None or spec.submodule_search_locations is None:
        raise MissingDependencyError("the real logs come with the package obp; install it with: pip install obp==0.4.1")
    folder = Path(spec.submodule_search_locations[0]) / "dataset" / "obd"
    found = {}
    for campaign in CAMPAIGNS:
        clicks = _column(folder / "random" / campaign / f"{campaign}.csv", ("click",))[:, 0]
        log = _column(folder / "bts" / campaign / f"{campaign}.csv", ("click", "propensity_score", "item_id"))
        weights = 1 / (log[:, 2].max() + 1) / log[:, 1]
        truth = {"truth": float(clicks.mean()), "rounds": len(log), "effective": effective_sample_size(weights)}
        try:
            estimates = {"ips": ips(log[:, 0], weights), "snips": snips(log[:, 0], weights)}
        except EvaluationError as error:
            found[campaign] = {**truth, "refused": str(error)}
            continue
        best = estimates["snips"]
        low, high = best.interval
        found[campaign] = {
            **truth,
            "estimate": best.value,
            "interval": [low, high],
            "covered": low <= truth["truth"] <= high,
            "ips": estimates["ips"].value,
        }
    return found
