"""Off-policy estimates equal those of the package obp, which runs in a process of its own: it loads scikit-learn."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from kg_rec.evaluation.off_policy import doubly_robust, ips, list_weights, snips

#: Reads a world from stdin, writes obp's estimates to stdout.
_THEIRS = """
import json, sys
import numpy as np
from obp.ope import (DoublyRobust, InverseProbabilityWeighting, SelfNormalizedInverseProbabilityWeighting,
                     SlateRewardInteractionIPS, SlateStandardIPS)
w = {name: np.array(value) for name, value in json.load(sys.stdin).items()}
n, k = w["list_rewards"].shape
shared = {"reward": w["rewards"], "action": w["actions"], "pscore": w["pscore"], "action_dist": w["other"][:, :, None]}
slate, position = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
whole = {"pscore": np.repeat(w["list_logging"].prod(axis=1), k),
         "evaluation_policy_pscore": np.repeat(w["list_other"].prod(axis=1), k)}
cascade = {"pscore_cascade": w["list_logging"].cumprod(axis=1).ravel(),
           "evaluation_policy_pscore_cascade": w["list_other"].cumprod(axis=1).ravel()}
print(json.dumps({
    "ips": InverseProbabilityWeighting().estimate_policy_value(**shared),
    "snips": SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**shared),
    "dr": DoublyRobust().estimate_policy_value(**shared, estimated_rewards_by_reg_model=w["model"][:, :, None]),
    "list": SlateStandardIPS(len_list=k).estimate_policy_value(slate, w["list_rewards"].ravel(), position, **whole),
    "cascade": SlateRewardInteractionIPS(len_list=k).estimate_policy_value(
        slate, w["list_rewards"].ravel(), position, **cascade),
}))
"""


def test_the_estimates_are_those_of_obp() -> None:
    rng, n, k = np.random.default_rng(0), 2000, 3
    rows = np.arange(n)
    q, logging, other = (
        rng.uniform(0.1, 0.9, (n, 4)),
        rng.dirichlet(np.ones(4) * 3, n),
        rng.dirichlet(np.ones(4) * 3, n),
    )
    actions = np.array([rng.choice(4, p=p) for p in logging])
    rewards = (rng.random(n) < q[rows, actions]).astype(float)
    list_logging, list_other = rng.uniform(0.2, 0.9, (n, k)), rng.uniform(0.2, 0.9, (n, k))
    list_rewards = rng.integers(0, 2, (n, k)).astype(float)
    pscore, model = logging[rows, actions], np.clip(q + 0.1, 0, 1)
    world = {
        "rewards": rewards, "actions": actions, "pscore": pscore, "other": other, "model": model,
        "list_rewards": list_rewards, "list_other": list_other, "list_logging": list_logging,
    }  # fmt: skip
    sent = json.dumps({name: value.tolist() for name, value in world.items()})
    call = [sys.executable, "-W", "ignore", "-c", _THEIRS]
    done = subprocess.run(call, input=sent, capture_output=True, text=True, timeout=300, check=True)
    theirs = json.loads(done.stdout)
    weights = other[rows, actions] / pscore
    ours = {
        "ips": ips(rewards, weights),
        "snips": snips(rewards, weights),
        "dr": doubly_robust(rewards, weights, model[rows, actions], (other * model).sum(axis=1)),
        "list": ips(list_rewards, list_weights(list_other, list_logging, "list"), least=1),
        "cascade": ips(list_rewards, list_weights(list_other, list_logging), least=1),
    }
    for name, estimate in ours.items():
        assert estimate.value == pytest.approx(theirs[name], rel=1e-12), name
