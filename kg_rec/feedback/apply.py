"""What people did and what was learned from it, in the model: a click changes the next list, and its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats32
from kg_rec.feedback.learn import Learned, reweighted, segments_of
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import NO_TIME, EdgeTable
from kg_rec.snapshot.tables import events_of, own_times, with_events
from kg_rec.split import join

#: Kinds that count as interactions with an item.
POSITIVE = ("click", "like", "buy")


def with_feedback(
    model: Recommender, reactions: pa.Table, learned: Learned | None, users: Sequence[str] | None = None
) -> Iterator[tuple[Recommender, list[str]]]:
    """The model as feedback changed it, and the users it is for; one of each segment.

    Its scores are sums of paths like those of any model, so lists and explanations are made from it as from any.

    Args:
        model: a trained model.
        reactions: what people did; a table of :data:`~kg_rec.feedback.events.REACTED`.
        learned: the channels' weights that were learned; None for those of training.
        users: keys; None for all.

    Raises:
        NotFoundError: a user is unknown.
        FeedbackError: the weights were learned for other channels.
    """
    model = with_reactions(model, reactions)
    keys = model.users.keys.to_pylist() if users is None else list(users)
    if learned is None:
        yield model, keys
        return
    groups: dict[str, list[str]] = {}
    for key, segment in zip(keys, segments_of(model, keys, learned.property), strict=True):
        groups.setdefault(segment if segment in learned.posteriors else "", []).append(key)
    for segment, members in groups.items():
        yield reweighted(model, learned.of(segment)), members


def with_reactions(model: Recommender, reactions: pa.Table) -> Recommender:
    """The model with what people did as further interactions, and without what they dismissed.

    A user's latest reaction to an item counts.  A click, like or buy is an interaction of the time when it was done;
    where interactions have weights it gets the least weight that counts as positive, or the middle weight.  A dismissal
    is an interaction whose weight speaks against the item, so it is never recommended and never a reason.  An
    interaction that is in the graph stays as it is; but where items are had again (``kr:again``), a buy of such an item
    counts once more, unless the graph has it with the same time, and a later dismissal keeps the item away.

    Args:
        model: a trained model.
        reactions: a table of :data:`~kg_rec.feedback.events.REACTED`; rows of unknown users or items are left out.
    """
    edges = model.snapshot.interactions
    after = reacted(model, edges, reactions, liked_weight(model))
    return model if after is edges else model.with_interactions(after)


def liked_weight(model: Recommender) -> float:
    """The weight that a click, like or buy gets as an interaction; see :func:`with_reactions`.  NaN for none."""
    weights, least = model.snapshot.interactions.weight, model.snapshot.schema.interaction.positive_from
    if weights is None:
        return float("nan") if least is None else least
    return _weight(weights, least)


def reacted(model: Recommender, edges: EdgeTable, reactions: pa.Table, liked: float) -> EdgeTable:
    """Interactions, all or those of one user, with what people did as further ones; see :func:`with_reactions`.

    Args:
        model: for the keys of users and items.
        edges: interactions that are in the graph.
        reactions: what the same users did; a table of :data:`~kg_rec.feedback.events.REACTED`.
        liked: see :func:`liked_weight`.
    """
    rows = reactions.sort_by("at")
    users, items = model.users.indices(rows.column("user")), model.items.indices(rows.column("item"))
    kinds = np.array(rows.column("kind").to_pylist(), dtype=object)
    known = np.flatnonzero((users >= 0) & (items >= 0) & np.isin(kinds, (*POSITIVE, "dismiss")))[::-1]  # latest first
    if not len(known):
        return edges
    chosen = np.isin(kinds[known], POSITIVE)
    weight = None
    if edges.weight is not None or not chosen.all():
        least = model.snapshot.schema.interaction.positive_from
        there = np.full(len(edges), liked, dtype=np.float32) if edges.weight is None else edges.weight
        new = np.where(chosen, liked, 0.0 if least is None else min(0.0, least - 1))
        weight = np.concatenate([there, new.astype(np.float32)])
    source = np.concatenate([edges.source, users[known]])
    target = np.concatenate([edges.target, items[known]])
    time = np.full(len(edges), NO_TIME) if edges.time is None else edges.time
    time = np.concatenate([time, np.asarray(rows.column("at"), dtype=np.int64)[known]])
    pairs = source * model.shape[1] + target
    _, first = np.unique(pairs, return_index=True)  # sorted by user and item; an edge of the graph comes before others
    times = None
    if edges.times is not None:
        came = EdgeTable(users[known], items[known], time=time[len(edges) :])
        times = pa.concat_arrays([edges.times, own_times(came)])
    found = EdgeTable(source, target, weight, time, times).take(first)
    if not model.snapshot.schema.interaction.again:
        return found
    came = EdgeTable(users[known], items[known], time=time[len(edges) :])
    return _once_more(found, came, kinds[known], model.shape[1])


def _once_more(found: EdgeTable, came: EdgeTable, kinds: NDArray[Any], items: int) -> EdgeTable:
    """Interactions where items are had again: with what was bought once more, and without what was dismissed last.

    Args:
        found: one edge a pair, sorted; each pair of ``came`` has one.
        came: what people did, one edge each, latest first.
        kinds: of what they did.
        items: how many there are.
    """
    place = np.searchsorted(found.source * items + found.target, came.source * items + came.target)
    touched = np.unique(place)
    edge, time = events_of(found)
    there = np.isin(edge, touched)
    known = set(zip(edge[there].tolist(), time[there].tolist(), strict=True))
    buys = zip(place[kinds == "buy"].tolist(), own_times(came.take(kinds == "buy")).flatten().to_pylist(), strict=True)
    new = np.array(sorted(set(buys) - known), np.int64).reshape(-1, 2)
    latest, first = np.unique(place, return_index=True)
    if len(new):
        edge, time = np.concatenate([edge, new[:, 0]]), np.concatenate([time, new[:, 1]])
        order = np.lexsort((time, edge))
        order = order[np.isin(edge[order], new[:, 0])]
        rest = found.take(np.setdiff1d(np.arange(len(found)), new[:, 0]))
        found = join(rest, with_events(found, edge[order], time[order]))
    weight = np.ones(len(found), np.float32) if found.weight is None else found.weight.copy()
    weight[latest[kinds[first] == "dismiss"]] = -1
    return replace(found, weight=weight)


def _weight(weights: Floats32, least: float | None) -> float:
    finite = weights[np.isfinite(weights)]
    middle = float(np.median(finite)) if len(finite) else 1.0
    return middle if least is None else max(least, middle)
