"""Simulated people: they click on what real people later rated well; which policy learns the channel weights cheapest?

Each event shows one item of a user's best 100 to a user drawn at random.  A user clicks on a film that is in their test
ratings (4 or 5 stars) with probability .9, else .1, and on any other film with probability .02.  Every policy starts
from channels of equal influence, not from the trained weights, so there is something to learn.  Regret is counted
against the best fixed weights, found with the click probabilities in sight; it is expected, not drawn.  How unsure
Thompson sampling is in the beginning is chosen on other people, made in the same way from the validation ratings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kg_rec.feedback.explore import channel_names, pools
from kg_rec.feedback.policy import EpsilonGreedy, Greedy, Policy, Pool, Thompson
from kg_rec.feedback.posterior import LearningConfig, Posterior
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import EdgeTable
from kg_rec.split import Split

LIKED, OTHER, NONE = 0.9, 0.1, 0.02
POOL = 100
#: Of :class:`~kg_rec.feedback.posterior.LearningConfig`, to choose from.
PRIORS = (0.1, 0.25, 0.5, 1.0)
Floats = NDArray[np.float64]
#: From what is known of the weights to the policy that is followed next.
Learner = Callable[[Posterior], Policy]


def learners(draws: int = 100) -> dict[str, Learner]:
    return {
        "greedy": lambda _: Greedy(),
        "epsilon": lambda _: EpsilonGreedy(0.1),
        "thompson": lambda posterior: Thompson(posterior, draws, 0.0),
    }


class World:
    """Pools of the users with a rating in ``held``, and how likely each item of a pool is clicked."""

    def __init__(self, model: Recommender, held: EdgeTable) -> None:
        users = np.unique(held.source)
        stars = np.zeros((len(model.users), len(model.items)), dtype=np.float32)
        stars[held.source, held.target] = np.full(len(held), 5.0) if held.weight is None else held.weight
        found = list(pools(model, model.histories[users], model.seen[users], POOL))
        self.channels = channel_names(model)
        spread = np.concatenate([p.features for p in found]).std(axis=0)
        self.features = [p.features / np.maximum(spread, 1e-12) for p in found]  # equal influence
        self.chances: list[Floats] = []
        for user, pool in zip(users, found, strict=True):
            given = stars[user, pool.items]
            self.chances.append(np.where(given >= 4, LIKED, np.where(given > 0, OTHER, NONE)))

    def chosen_by(self, weights: Floats) -> list[float]:
        """Expected clicks of each user on the best item by fixed weights."""
        return [float(c[(f @ weights).argmax()]) for f, c in zip(self.features, self.chances, strict=True)]

    def value(self, weights: Floats) -> float:
        """:meth:`chosen_by`, averaged over the users."""
        return float(np.mean(self.chosen_by(weights)))

    def best(self, rounds: int = 3) -> Floats:
        """The best fixed weights found by coordinate ascent from three starts."""
        grid = np.array([0.0, 0.1, 0.25, 0.5, 0.8, 1.0, 1.25, 1.6, 2.0, 3.0, 5.0])
        found, figure = np.ones(len(self.channels)), -1.0
        rng = np.random.default_rng(0)
        for first in (
            np.ones(len(self.channels)),
            rng.gamma(1.0, size=len(self.channels)),
            np.eye(len(self.channels))[1],
        ):
            weights = first.astype(np.float64)
            value = self.value(weights)
            for _ in range(rounds):
                for channel in range(len(weights)):
                    for factor in grid:
                        tried = weights.copy()
                        tried[channel] = factor
                        if (reached := self.value(tried)) > value:
                            weights, value = tried, reached
            if value > figure:
                found, figure = weights, value
        return found


def run(
    world: World, learner: Learner, events: int, seed: int, best: Sequence[float], prior: float
) -> dict[str, float]:
    """Regret and the time of an update after so many events."""
    rng = np.random.default_rng(seed)
    scale = float(np.mean([f.sum(axis=1).max() for f in world.features]))
    posterior = Posterior.start(world.channels, scale, LearningConfig(prior=prior))
    regret, clicks, seconds = 0.0, 0, 0.0
    for _ in range(events):
        user = int(rng.integers(len(world.features)))
        features, chances = world.features[user], world.chances[user]
        pool = Pool(np.arange(len(features)), features, features @ posterior.weights)
        chosen = int(rng.choice(len(pool), p=learner(posterior).distribution(pool, np.empty(0, np.int64), rng)))
        clicked = bool(rng.random() < chances[chosen])
        regret += best[user] - chances[chosen]
        clicks += clicked
        start = time.perf_counter()
        posterior = posterior.update(features[chosen], float(clicked))
        seconds += time.perf_counter() - start
    return {
        "regret": regret,
        "clicks": clicks / events,
        "update_ms": 1000 * seconds / events,
        "value_at_end": world.value(posterior.weights),
    }


def simulate(
    model: Recommender, split: Split, events: int = 10_000, seeds: Sequence[int] = (1, 2, 3, 4, 5)
) -> dict[str, object]:
    """Medians over seeds."""
    other = World(model, split.valid)
    ideal = other.chosen_by(other.best())
    thompson = learners()["thompson"]
    validation = {
        prior: float(np.median([run(other, thompson, events, seed, ideal, prior)["regret"] for seed in seeds]))
        for prior in PRIORS
    }
    prior = min(validation, key=lambda p: validation[p])
    world = World(model, split.test)
    weights = world.best()
    best = world.chosen_by(weights)
    found: dict[str, dict[str, float]] = {}
    for name, learner in learners().items():
        runs = [run(world, learner, events, seed, best, prior) for seed in seeds]
        found[name] = {key: float(np.median([r[key] for r in runs])) for key in runs[0]}
    equal = world.value(np.ones(len(weights)))
    return {
        "events": events,
        "prior": prior,
        "validation_regret": {str(p): regret for p, regret in validation.items()},
        "regret_ratio": found["thompson"]["regret"] / found["epsilon"]["regret"],
        "update_ms": found["thompson"]["update_ms"],
        "best_fixed": world.value(weights),
        "at_start": equal,
        "cost_of_exploration": {
            name: 1 - one["clicks"] / max(found["greedy"]["clicks"], 1e-12) for name, one in found.items()
        },
        "policies": found,
    }
