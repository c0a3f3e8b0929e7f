"""What feedback says about the weights of the channels: Bayesian linear regression, one observation at a time.

An item that was shown has the features x: what each channel adds to its score.  Its reward is z f: z says what the
user did (:data:`REWARDS`), f what it is worth.  The model of the reward is

    z f = a + w·x + noise,   (a, w) ~ Normal(mean, covariance)

and each observation is one rank-one update of the inverse (Sherman & Morrison 1950), with forgetting: before each
update the past counts ``forget`` times as much, so that weights can follow people who change.  Lists are ranked by w·x,
so the score stays a sum over channels, interactions and paths; only its weights move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.errors import ConfigError

#: z: what an event says about a shown item; an item that was shown and left alone counts 0.
REWARDS: Mapping[str, float] = {"click": 1.0, "like": 1.0, "buy": 1.0, "dismiss": -1.0}


@dataclass(frozen=True)
class LearningConfig:
    """How fast feedback moves the weights.

    Attributes:
        noise: standard deviation of the reward of one shown item.
        prior: standard deviation of a channel's weight before any feedback, as a share of the weight.
        rate: reward that is expected of an item whose score is one ``scale``; it puts scores and rewards in one unit.
        forget: how much the past counts after one more observation; 1 never forgets, .999 halves it in 693.
    """

    noise: float = 0.5
    prior: float = 0.5
    rate: float = 0.1
    forget: float = 1.0

    def __post_init__(self) -> None:
        if not (self.noise > 0 and self.prior > 0 and self.rate > 0):
            raise ConfigError(f"noise, prior and rate: expected numbers above 0, got {self}")
        if not 0.9 <= self.forget <= 1:
            raise ConfigError(f"forget: expected a number from .9 to 1, got {self.forget}")


@dataclass(frozen=True)
class Posterior:
    """Normal distribution of the intercept and the channel weights.

    Attributes:
        channels: names of the channels, ``base`` among them, c of them.
        scale: typical score of a shown item; features are divided by it.
        mean: of the intercept and the weights, shape (1 + c,), in rewards per scaled feature.
        covariance: theirs, shape (1 + c, 1 + c).
        config: settings.
        observed: shown items that were learned from.
    """

    channels: tuple[str, ...]
    scale: float
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    config: LearningConfig
    observed: int = 0

    @classmethod
    def start(cls, channels: Sequence[str], scale: float, config: LearningConfig | None = None) -> Posterior:
        """Before any feedback: each channel counts as the trained model says.

        Args:
            channels: their names.
            scale: typical score of a shown item, for example the mean over lists.
            config: settings.

        Raises:
            ConfigError: the scale is not above 0.
        """
        if not scale > 0:
            raise ConfigError(f"scale: expected a score above 0, got {scale}")
        config = config or LearningConfig()
        mean = np.full(1 + len(channels), config.rate)
        mean[0] = 0.0
        deviation = np.full(1 + len(channels), config.prior * config.rate)
        deviation[0] = 1.0
        return cls(tuple(channels), scale, mean, np.diag(deviation**2), config)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each channel is multiplied by; 1 where feedback agrees with the trained model; shape (c,)."""
        weights: NDArray[np.float64] = self.mean[1:] / self.config.rate
        return weights

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Standard deviations of :attr:`weights`, shape (c,)."""
        deviations: NDArray[np.float64] = np.sqrt(np.diag(self.covariance)[1:]) / self.config.rate
        return deviations

    def expected(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected rewards of items, shape (p,), for features of shape (p, c)."""
        rewards: NDArray[np.float64] = self.mean[0] + (features / self.scale) @ self.mean[1:]
        return rewards

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """n draws of the weights, in the unit of :attr:`weights`, shape (n, c)."""
        half = np.linalg.cholesky(self.covariance[1:, 1:])
        drawn: NDArray[np.float64] = self.mean[1:] + rng.standard_normal((n, len(self.channels))) @ half.T
        return drawn / self.config.rate

    def update(self, features: NDArray[np.float64], reward: float) -> Posterior:
        """After one shown item and its reward.

        With P the covariance over the noise's variance, x = (1, features / scale) and g = forget:

            P' = (P - P x x^T P / (g + x^T P x)) / g,   mean' = mean + P' x (reward - x^T mean)

        Args:
            features: what each channel added to the item's score, shape (c,).
            reward: z f.

        Raises:
            ConfigError: a number is not finite, or there are more or fewer features than channels.
        """
        if features.shape != (len(self.channels),) or not (np.isfinite(features).all() and np.isfinite(reward)):
            raise ConfigError(f"expected {len(self.channels)} finite features and a finite reward, got {features}")
        variance, forget = self.config.noise**2, self.config.forget
        x = np.concatenate([[1.0], features / self.scale])
        p = self.covariance / variance
        px = p @ x
        p = (p - np.outer(px, px) / (forget + x @ px)) / forget
        p = (p + p.T) / 2
        if forget < 1:  # what is never observed is not forgotten beyond what was known before any feedback
            first = np.sqrt(np.diag(Posterior.start(self.channels, self.scale, self.config).covariance) / variance)
            shrink = np.minimum(1.0, first / np.sqrt(np.diag(p)))
            p = p * np.outer(shrink, shrink)
        mean = self.mean + p @ x * (reward - x @ self.mean)
        return replace(self, mean=mean, covariance=p * variance, observed=self.observed + 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as :meth:`from_dict` takes them."""
        return {
            "channels": list(self.channels),
            "scale": self.scale,
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
            "observed": self.observed,
            "noise": self.config.noise,
            "prior": self.config.prior,
            "rate": self.config.rate,
            "forget": self.config.forget,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Posterior:
        """Read what :meth:`to_dict` gave.

        Raises:
            ConfigError: a value is missing, of the wrong shape or not finite.
        """
        try:
            config = LearningConfig(**{k: float(values[k]) for k in ("noise", "prior", "rate", "forget")})
            channels = tuple(str(c) for c in values["channels"])
            mean = np.array(values["mean"], dtype=np.float64)
            covariance = np.array(values["covariance"], dtype=np.float64)
            scale, observed = float(values["scale"]), int(values["observed"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"not what was learned from feedback: {error!r}; learn again") from error
        size = 1 + len(channels)
        if mean.shape != (size,) or covariance.shape != (size, size) or not np.isfinite(covariance).all():
            raise ConfigError("not what was learned from feedback: shapes or numbers are off; learn again")
        return cls(channels, scale, mean, covariance, config, observed)
