"""Settings of training: what may be chosen from, and what is fixed.

The settings of a channel stand in its file, those of items without interactions in :mod:`kg_rec.model.cold.config`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from kg_rec.errors import ArgumentError
from kg_rec.model.again import AgainConfig
from kg_rec.model.channels.base import settings_of
from kg_rec.model.channels.registry import SHIPPED, kinds
from kg_rec.model.cold.config import ColdConfig
from kg_rec.model.fashion import FashionConfig
from kg_rec.model.shown import ShownConfig
from kg_rec.model.trusted import RobustConfig
from kg_rec.settings import expect, from_dict, from_toml

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """Choice of the channel weights lambda by coordinate ascent on validation NDCG@10.

    Attributes:
        steps: factors tried on one weight at a time.
        rounds: passes over all weights.
        least: what a move of a weight must add, in standard errors of the difference over the validation users;
            smaller gains are chance.
        users: most validation users scored (sampled with the seed); where they rank many items fewer, so that users x
            items stays within 60 million.
        candidates: most items they rank.  Where there are more, these are ranked: the items to be found, and of the
            others the most popular ones and as many random ones.
        tolerance: validation NDCG@10 that may be given up for more weight of the knowledge channel, whose paths run
            through named facts that people can check, in standard errors of the difference over the users.
        holdout: share of each user's interactions held out for validation, if no split is given.
        holdout_by: ``user`` holds out some interactions of each user; ``time`` the last of all by calendar,
            so that what is in fashion can be chosen.  Where users have items again (``kr:again``), and all
            interactions have times, it is ``time`` whatever is set.
    """

    steps: tuple[float, ...] = (0.0, 0.35, 0.6, 0.8, 1.25, 1.7, 3.0)
    rounds: int = 3
    least: float = 1.0
    users: int = 10_000
    candidates: int = 20_000
    tolerance: float = 1.0
    holdout: float = 0.1
    holdout_by: str = "user"

    def __post_init__(self) -> None:
        expect(0 < self.holdout < 0.5, "fusion.holdout", "a number between 0 and 0.5", self.holdout)
        expect(self.holdout_by in ("user", "time"), "fusion.holdout_by", "user or time", self.holdout_by)
        expect(self.users > 0, "fusion.users", "at least 1", self.users)
        expect(self.candidates > 0, "fusion.candidates", "at least 1", self.candidates)
        expect(self.least >= 0, "fusion.least", "a number from 0", self.least)


@dataclass(frozen=True, init=False)
class TrainConfig:
    """Everything that decides a model, besides the snapshot.

    The settings of each channel are arguments by the name of their table, such as
    ``TrainConfig(gnn=GnnConfig(iterations=20))``.

    Attributes:
        seed: of every random choice.
        device: ``cpu``, ``cuda``, or ``auto``: cuda where there is one.
        channels: the parts of the score to use; those of this package if nothing is said.
        recency: interactions are weighted 1/(1 + rank/recency) by their rank from the user's latest; values to
            choose from on validation, 0 for equal weights.
        rating: strengths to choose from on validation, with which an interaction counts by its weight (rating, number
            of plays): from 1 - strength for the lowest to 1 + strength for the highest.  0 for equal weights.
        against: weights to choose from on validation, with which a pair that says that an item was not liked speaks
            against items like it; 0 for none, which stays unless another one is better by more than chance.
        cold: items without interactions.
        fusion: the channel weights.
        fashion: what is in fashion at the time of a list.
        again: what users have again and again.
        robust: defence against fake users; off unless it is set.
        blocked: relation types of items' facts that no score may use: the model is that of a graph without them, and
            stays so over a graph that has them.  No explanation shows them either, as they explain nothing.
        shown: rules that every list made by the model keeps to; no part of training, so they can be changed later
            (:meth:`kg_rec.Model.with_rules`).
        parts: the settings of each channel that there is, in the order of the channels.
    """

    seed: int = 2026
    device: str = "auto"
    channels: tuple[str, ...] = tuple(SHIPPED)
    recency: tuple[float, ...] = (0.0, 5.0, 20.0)
    rating: tuple[float, ...] = (0.0, 0.4)
    against: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0)
    cold: ColdConfig = field(default_factory=ColdConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    fashion: FashionConfig = field(default_factory=FashionConfig)
    again: AgainConfig = field(default_factory=AgainConfig)
    robust: RobustConfig = field(default_factory=RobustConfig)
    blocked: tuple[str, ...] = ()
    shown: ShownConfig = field(default_factory=ShownConfig)
    parts: tuple[Any, ...] = ()

    def __init__(
        self,
        *,
        seed: int = seed,
        device: str = device,
        channels: tuple[str, ...] = channels,
        recency: tuple[float, ...] = recency,
        rating: tuple[float, ...] = rating,
        against: tuple[float, ...] = against,
        cold: ColdConfig | None = None,
        fusion: FusionConfig | None = None,
        fashion: FashionConfig | None = None,
        again: AgainConfig | None = None,
        robust: RobustConfig | None = None,
        blocked: tuple[str, ...] = blocked,
        shown: ShownConfig | None = None,
        parts: Sequence[object] = (),
        **tables: object,
    ) -> None:
        own = []
        for kind in kinds():
            settings = tables.pop(kind.table, None) or settings_of(parts, kind.settings)
            if not isinstance(settings, kind.settings):
                raise ArgumentError(f"{kind.table}: expected {kind.settings.__name__}, got {settings!r}")
            own.append(settings)
        if tables:
            known = ", ".join(sorted(self.setting_types()))
            raise ArgumentError(f"unknown setting {min(tables)!r}; expected one of {known}")
        values = {"seed": seed, "device": device, "channels": channels, "recency": recency, "rating": rating}
        values["against"] = against
        last = {
            "cold": cold or ColdConfig(),
            "fusion": fusion or FusionConfig(),
            "fashion": fashion or FashionConfig(),
            "again": again or AgainConfig(),
            "robust": robust or RobustConfig(),
            "blocked": blocked,
            "shown": shown or ShownConfig(),
        }
        for name, value in {**values, **last, "parts": tuple(own)}.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        """The settings of a channel by the name of their table."""
        for kind in () if name.startswith("_") else kinds():
            if kind.table == name:
                return self.of(kind.settings)
        raise AttributeError(f"TrainConfig has no setting {name!r}")

    def of(self, settings: type[SettingsT]) -> SettingsT:
        """The settings of a type, such as ``config.of(TasteConfig)``."""
        return settings_of(self.parts, settings)

    def with_parts(self, *settings: object) -> TrainConfig:
        """The same with other settings of some channels, such as ``config.with_parts(GnnConfig(iterations=20))``."""
        return replace(self, parts=(*settings, *self.parts))

    @classmethod
    def setting_types(cls) -> dict[str, Any]:
        """The type of each setting by its name in files, in the order in which they are saved."""
        types = {name: kind for name, kind in get_type_hints(cls).items() if name != "parts"}
        last = {name: types.pop(name) for name in ("cold", "fusion", "fashion", "again", "robust", "blocked", "shown")}
        return {**types, **{kind.table: kind.settings for kind in kinds()}, **last}

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, as saved with a model; ``blocked`` and ``shown`` are left out if empty."""
        values = {name: getattr(self, name) for name in self.setting_types()}
        values = {name: value for name, value in values.items() if value or name not in ("blocked", "shown")}
        return {
            name: value if isinstance(value, int | str | tuple) else asdict(value) for name, value in values.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Inverse of :meth:`to_dict`; missing keys keep their defaults.

        Raises:
            ConfigError: a key is unknown or a value has the wrong type.

        >>> config = TrainConfig.from_dict({"seed": 7, "gnn": {"iterations": 20}})
        >>> config.seed, config.gnn.iterations, config.channels[:2]
        (7, 20, ('taste', 'relational'))
        """
        return from_dict(cls, values)

    @classmethod
    def from_toml(cls, path: str | Path) -> TrainConfig:
        """Read a TOML file.

        Raises:
            ConfigError: not TOML, a key is unknown, or a value has the wrong type; the message names file and line.
        """
        return from_toml(cls, path)
