"""From events to channel weights: learned one shown item at a time, kept by version, and taken back if bad."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.errors import ConfigError, FeedbackError
from kg_rec.feedback.explore import channel_names
from kg_rec.feedback.posterior import REWARDS, LearningConfig, Posterior
from kg_rec.model.recommender import Recommender
from kg_rec.textfile import parse_json, read_text

#: The segment of users that have no value of the segments' property, and of all users where there is no property.
EVERYBODY = ""
#: Versions that are kept.
_KEPT = 20


@dataclass(frozen=True)
class Learned:
    """What feedback taught, per segment of users.

    Attributes:
        posteriors: by segment.
        property: the property of users that names their segment; None for one segment.
        until: time of the latest event that was learned from, Unix seconds.
    """

    posteriors: Mapping[str, Posterior]
    property: str | None = None
    until: int = -(2**62)

    def of(self, segment: str) -> Posterior:
        """The posterior of a segment; that of :data:`EVERYBODY` where nothing was learned of it."""
        return self.posteriors.get(segment) or self.posteriors[EVERYBODY]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "property": self.property,
            "until": self.until,
            "segments": {name: posterior.to_dict() for name, posterior in self.posteriors.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Learned:
        """Read what :meth:`to_dict` gave.

        Raises:
            ConfigError: it is not that.
        """
        try:
            segments = {str(n): Posterior.from_dict(p) for n, p in values["segments"].items()}
            return cls(segments, values["property"], int(values["until"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ConfigError(f"not what was learned from feedback: {error!r}; learn again") from error


def start(model: Recommender, config: LearningConfig | None = None, property_name: str | None = None) -> Learned:
    """Before any feedback: the weights of the trained model.

    The scale is the mean absolute score of the first places of all lists (at most 1,000 users).

    Raises:
        FeedbackError: users have no such property.
    """
    user = model.snapshot.schema.user
    if property_name is not None and property_name not in {p.name for p in user.properties}:
        raise FeedbackError(f"{user.name} has no property {property_name!r}; expected one of its schema")
    step = max(1, len(model.users) // 1000)
    _, scores = model.rank(np.arange(0, len(model.users), step), 10)
    finite = scores[np.isfinite(scores)]
    scale = float(np.abs(finite).mean()) if finite.size else 1.0
    posterior = Posterior.start(channel_names(model), max(scale, 1e-9), config)
    return Learned({EVERYBODY: posterior}, property_name)


def rewards(shown: pa.Table, reactions: pa.Table) -> NDArray[np.float64]:
    """z f of each shown item: the sum over what was done with it in its list; 0 where nothing was; shape (rows,).

    A reaction that names no list counts for the latest list before it that showed the item to the user.
    """
    by_list: dict[tuple[str, str], float] = defaultdict(float)
    loose: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for row in reactions.to_pylist():
        reward = REWARDS[row["kind"]] * row["value"]
        if row["list"]:
            by_list[row["list"], row["item"]] += reward
        else:
            loose[row["user"], row["item"]].append((row["at"], reward))
    rows = shown.select(["list", "user", "item", "at"]).to_pylist()
    rewards_of_rows = np.array([by_list.get((row["list"], row["item"]), 0.0) for row in rows], dtype=np.float64)
    places: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for place, row in enumerate(rows):
        if (row["user"], row["item"]) in loose:
            places[row["user"], row["item"]].append((row["at"], place))
    for pair, events in loose.items():
        for at, reward in events:
            before = [place for place in places[pair] if place[0] <= at]
            if before:
                rewards_of_rows[max(before)[1]] += reward
    return rewards_of_rows


def learn(learned: Learned, shown: pa.Table, earned: NDArray[np.float64], segments: Iterable[str]) -> Learned:
    """One update per shown item, in the table's order.

    Args:
        learned: what is known so far.
        shown: a table of :data:`~kg_rec.feedback.explore.SHOWN`.
        earned: z f of each row, shape (rows,).
        segments: of each row's user.

    Raises:
        FeedbackError: a row has other channels than the model.
    """
    posteriors, until = dict(learned.posteriors), learned.until
    first = learned.posteriors[EVERYBODY]
    for row, reward, segment in zip(shown.to_pylist(), earned, segments, strict=True):
        if tuple(row["channels"]) != first.channels:
            raise FeedbackError(
                f"event {row['event']} was shown by a model with the channels {', '.join(row['channels'])}, this one "
                f"has {', '.join(first.channels)}; learn from events after the model was trained (--since)"
            )
        known = posteriors.get(segment)
        if known is None:
            known = Posterior.start(first.channels, first.scale, first.config)
        posteriors[segment] = known.update(np.array(row["features"], dtype=np.float64), float(reward))
        until = max(until, row["at"])
    return Learned(posteriors, learned.property, until)


def segments_of(model: Recommender, users: Iterable[str], property_name: str | None) -> list[str]:
    """The segment of each user."""
    if property_name is None:
        return [EVERYBODY for _ in users]
    column = model.snapshot.nodes[model.snapshot.schema.user.name].column(property_name)
    return [str(value) if (value := column[model.users.index(u)].as_py()) is not None else EVERYBODY for u in users]


def reweighted(model: Recommender, posterior: Posterior) -> Recommender:
    """The model with the weights that feedback taught: the score stays a sum, only lambda moves.

    Raises:
        FeedbackError: the model has other channels.
    """
    if channel_names(model) != posterior.channels:
        raise FeedbackError(
            f"feedback was learned for the channels {', '.join(posterior.channels)}, the model has "
            f"{', '.join(channel_names(model))}; learn again"
        )
    base, *weights = posterior.weights.astype(np.float32)
    channels = tuple(
        replace(channel, weight=channel.weight * weight)
        for channel, weight in zip(model.channels, weights, strict=True)
    )
    fashion = None if model.fashion is None else model.fashion.scaled(float(base))
    again = None if model.again is None else replace(model.again, weight=model.again.weight * float(base))
    return replace(model, base=model.base * base, channels=channels, fashion=fashion, again=again)


@dataclass(frozen=True)
class LearnedFile:
    """The versions of what was learned, newest last, in one JSON file.

    Attributes:
        path: the file.
    """

    path: Path

    @classmethod
    def beside(cls, model: Path) -> LearnedFile:
        """The file in a model's folder."""
        return cls(model / "feedback.json")

    def newest(self) -> Learned | None:
        """What was learned last; None before any lesson.

        Raises:
            FeedbackError: the file is not one of this kind.
        """
        versions = self.versions()
        return versions[-1] if versions else None

    def versions(self) -> list[Learned]:
        """All versions that are kept; none where there is no file.

        Raises:
            FeedbackError: the file is not one of this kind.
        """
        if not self.path.exists():
            return []
        try:
            versions = parse_json(read_text(self.path, FeedbackError))["versions"]
            return [Learned.from_dict(version) for version in versions]
        except (ValueError, KeyError, TypeError, ConfigError) as error:
            raise FeedbackError(f"{self.path}: {error}; delete the file and learn again") from error

    def add(self, learned: Learned) -> int:
        """Keep one more version; returns how many there are."""
        versions = [*self.versions(), learned][-_KEPT:]
        self._write(versions)
        return len(versions)

    def rollback(self) -> Learned | None:
        """Take the newest version back; returns the one that holds now, None for the trained model.

        Raises:
            FeedbackError: there is none to take back.
        """
        versions = self.versions()
        if not versions:
            raise FeedbackError(f"{self.path}: nothing was learned yet, so there is nothing to take back")
        self._write(versions[:-1])
        return versions[-2] if len(versions) > 1 else None

    def _write(self, versions: list[Learned]) -> None:
        new = self.path.with_name(f".{self.path.name}.new")
        new.write_text(json.dumps({"versions": [v.to_dict() for v in versions]}) + "\n", encoding="utf-8")
        os.replace(new, self.path)
