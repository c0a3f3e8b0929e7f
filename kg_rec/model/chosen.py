"""What training chooses on validation: a few numbers, saved with the model as JSON.

Nothing here needs torch, so that recommending and explaining start quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RatingScale:
    """How strongly an interaction counts by its weight (a rating, a number of plays), as a factor of a_uj.

    The factor is 1 + strength (2q - 1), where q is the mid-rank of the weight among those of training, in [0, 1]: any
    scale of ratings or counts will do, and the mean factor is 1.  Between levels it is interpolated.

    Attributes:
        levels: weights, ascending.
        factors: the factor of each.
    """

    levels: tuple[float, ...]
    factors: tuple[float, ...]


@dataclass(frozen=True)
class Chosen:
    """The hyperparameters of a model.

    Attributes:
        channels: what was chosen for each channel, as numbers that JSON can hold; see the channel's file.
        recency: decay of a_uj in ranks; 0 for equal weights.
        rating: factor of a_uj by the interaction's weight; None if it does not matter.
        similarity: weight of each relation type, number and text in the similarity k.
        ridge: penalty of the regression for items without interactions.
        warm: fusion weight per channel, and ``base``, for items with interactions, in units of the channel.
        cold: the same for items without interactions, relative to the first channel that scores them, whose weight is
            that for items with interactions.
        units: standard deviation of each channel's scores on the validation users; weights are divided by it.
        valid: validation NDCG@10 of the fused model.
        alone: validation NDCG@10 of each channel by itself.
        against: a pair that says that an item was not liked has the weight -against in its user's history; 0 if that
            did not help.
        privacy: of a model that was trained with differential privacy (:mod:`kg_rec.trust.private`), the guarantee;
            nothing was chosen on validation then, and ``valid`` is 0.
        fashion: days in which what was chosen is in fashion; its weight is ``warm["fashion"]``.  None where it is off.
        again: ``days`` and ``due`` of what users have again; its weight is ``warm["again"]``.  None where it is off.
    """

    channels: Mapping[str, Mapping[str, Any]]
    recency: float
    rating: RatingScale | None
    similarity: Mapping[str, float]
    ridge: float
    warm: Mapping[str, float]
    cold: Mapping[str, float]
    units: Mapping[str, float]
    valid: float
    alone: Mapping[str, float]
    against: float = 0.0
    privacy: Mapping[str, Any] | None = None
    fashion: int | None = None
    again: Mapping[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary for JSON."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """:meth:`to_dict` without what is learned for each node of the graph."""
        values = self.to_dict()
        channels = {
            name: {k: v for k, v in own.items() if k != "deviation"} for name, own in values["channels"].items()
        }
        return {**values, "channels": channels}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Chosen:
        """Inverse of :meth:`to_dict`."""
        rating = values["rating"]
        scale = None if rating is None else RatingScale(tuple(rating["levels"]), tuple(rating["factors"]))
        return cls(**{**values, "rating": scale})
