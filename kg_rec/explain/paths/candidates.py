"""Groups of paths that may be shown, and what the searches for them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats64, Ints
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.paths.forms import Forms
from kg_rec.model.recommender import Addends, Recommender


@dataclass(frozen=True)
class Candidates:
    """Groups of paths that may be shown, with the largest paths of each.

    A path's value is ``unit`` times the ``scale`` of its group, so that scores of one user share paths.

    Attributes:
        pair, form, key: the score, the form, and what the paths share; int64, shape (groups,).
        entity: dense index of the shared entity in its type, -1 without one; int64, shape (groups,).
        start, stop: the group's paths, best first, are ``start:stop``; int64, shape (groups,).
        scale: shape (groups,).
        common: share of all items that have the shared fact, 0 without one; shape (groups,).
        rank: what groups are ordered by: the sum of their paths' values, weighed by the preferences; shape (groups,).
        source, bridge, others: dense indices of the items j and t (-1 without), how many others; shape (paths,).
        unit: shape (paths,).
    """

    pair: Ints
    form: Ints
    key: Ints
    entity: Ints
    start: Ints
    stop: Ints
    scale: Floats64
    common: Floats64
    rank: Floats64
    source: Ints
    bridge: Ints
    others: Ints
    unit: Floats64


@dataclass(frozen=True)
class Search:
    """What the parts of the search share.

    Attributes:
        model: the model.
        config: what is shown.
        addends: the terms.
        forms: all forms.
        shown: per form, whether it may be shown.
        channels: channels whose paths may be shown.
        liked: per pair, whether the user liked the item itself.
        recent: per addend, what its paths' values are multiplied with to order them.
        popular: the same per column of the model's links.
    """

    model: Recommender
    config: ExplainConfig
    addends: Addends
    forms: Forms
    shown: NDArray[np.bool_]
    channels: frozenset[str]
    liked: NDArray[np.bool_]
    recent: Floats64
    popular: Floats64


def joined(parts: Sequence[Candidates]) -> Candidates:
    """The groups of several searches as one."""
    if len(parts) == 1:
        return parts[0]
    shift = np.cumsum([0, *(len(p.unit) for p in parts)])
    columns: dict[str, Any] = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Candidates)}
    for name in ("start", "stop"):
        columns[name] = np.concatenate([getattr(p, name) + s for p, s in zip(parts, shift, strict=False)])
    return Candidates(**columns)
