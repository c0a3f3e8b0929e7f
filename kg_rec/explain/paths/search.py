"""The paths of many scores at once: which parts of the terms are paths of the graph, and which of them are shown.

Every score is a sum of terms, one per interaction and channel.  A term of the channels that score what users have in
common (taste, relational, sequence) is one path you - j - others - item; one of text is you - j - similar text - item;
one of knowledge splits into the paths you - j - shared - item.  The relational term of an item without interactions
splits into you - j - others - t - shared - item over the known items t that it is like.

Paths of one form that share an entity are a group.  Groups are found where they begin, at the entities of the item and
those of the user's items, so no path is made that is not among the largest of its group.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.segments import Ints, bounds_of, grouped, largest, ranges, sums
from kg_rec.errors import ConfigError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.paths.cold import cold_paths
from kg_rec.explain.paths.forms import TEXT, Forms, forms_of
from kg_rec.explain.paths.metrics import popularity_of, recency_of
from kg_rec.model.recommender import Addends, Recommender

Reals = NDArray[np.float64]

#: Channels that split into paths of their own; all others score what users have in common.
_SPLIT = ("knowledge", "meaning")


@dataclass(frozen=True)
class Candidates:
    """Groups of paths that may be shown, with the largest paths of each.

    A path's value is ``unit`` times the ``scale`` of its group, so that scores of one user share paths.

    Attributes:
        pair, form, key: the score, the form, and what the paths share; int64, shape (groups,).
        entity: dense index of the shared entity in its type, -1 without one; int64, shape (groups,).
        start, stop: the group's paths, best first, are ``start:stop``; int64, shape (groups,).
        scale: shape (groups,).
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
    scale: Reals
    rank: Reals
    source: Ints
    bridge: Ints
    others: Ints
    unit: Reals


@dataclass(frozen=True)
class PathTable:
    """The paths shown for many scores.

    Attributes:
        addends: the terms.
        score: shape (pairs,).
        positive: the sum of all positive addends, shown or not; shape (pairs,).
        shown_share: the part of it that the shown paths account for; shape (pairs,).
        forms: the forms that ``form`` numbers.
        groups: the groups of pair p are ``groups[p]:groups[p + 1]``, most important first; shape (pairs + 1,).
        form, entity: per group; see :class:`Candidates`.
        total, total_share: per group, the sums of its paths' values and shares.
        paths: the paths of group g are ``paths[g]:paths[g + 1]``; shape (groups + 1,).
        source, bridge, others, value, share: per path; see :class:`Candidates` and
            :class:`kg_rec.explain.path.Path`.
    """

    addends: Addends
    score: Reals
    positive: Reals
    shown_share: Reals
    forms: Forms
    groups: Ints
    form: Ints
    entity: Ints
    total: Reals
    total_share: Reals
    paths: Ints
    source: Ints
    bridge: Ints
    others: Ints
    value: Reals
    share: Reals


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
    recent: Reals
    popular: Reals


def find(model: Recommender, users: Ints, items: Ints, config: ExplainConfig) -> PathTable:
    """The paths of scores s(users[p], items[p]).

    Args:
        model: a trained model.
        users: dense indices, shape (pairs,).
        items: dense indices, shape (pairs,).
        config: which paths are shown.

    Raises:
        ConfigError: a channel or a blocked relation type is unknown.
    """
    search = _search(model, model.addends(users, items), config)
    addends, count = search.addends, len(users)
    cold = model.cold[items] & (model.regression is not None) & ("relational" in addends.values)
    positive, together = np.zeros(count), np.zeros(len(addends.pairs))
    for channel, values in addends.values.items():
        if channel == "relational" and cold.any():
            values = np.where(cold[addends.pairs], 0, values)
        positive += sums(np.maximum(values, 0), addends.pairs, count)
        if channel in search.channels and channel not in _SPLIT:
            together += values
    found = [_co_liked(search, together)]
    if "meaning" in search.channels:
        found.append(_similar(search, addends.values["meaning"]))
    if "knowledge" in search.channels:
        found.append(_knowledge(search))
    if cold.any():
        part, totals = _cold(search, np.flatnonzero(cold))
        positive[cold] += totals
        found += [part] if "relational" in search.channels else []
    return _shown(search, positive, _joined(found))


def _search(model: Recommender, addends: Addends, config: ExplainConfig) -> Search:
    schema, known = model.snapshot.schema, [c.name for c in model.channels]
    if not set(config.channels) <= set(known):
        raise ConfigError(f"expected channels among {known}, got {sorted(config.channels)}")
    relations = [*(r.name for r in schema.knowledge_relations), TEXT]
    if not set(config.blocked) <= set(relations):
        raise ConfigError(f"expected blocked relation types among {relations}, got {sorted(config.blocked)}")
    forms = forms_of(schema.user.name, schema.item.name, schema.interaction.name, model.links.ways)
    shown = [len(f.edges) <= config.max_hops and f.relations.isdisjoint(config.blocked) for f in forms.every]
    itself = addends.sources == addends.items[addends.pairs]
    return Search(
        model=model,
        config=config,
        addends=addends,
        forms=forms,
        shown=np.array(shown),
        channels=frozenset(config.channels or known),
        liked=np.bincount(addends.pairs[itself], minlength=len(addends.users)) > 0,
        recent=_recent(model, addends, config.recency),
        popular=_popular(model, config.popularity),
    )


def _recent(model: Recommender, addends: Addends, recency: float) -> Reals:
    if not recency:
        return np.ones(1)
    found = np.ones(len(addends.sources))
    for user in np.unique(addends.users).tolist():
        items, latest = recency_of(model.snapshot.interactions, user)
        for pair in np.flatnonzero(addends.users == user).tolist():
            cells = slice(addends.bounds[pair], addends.bounds[pair + 1])
            found[cells] = np.exp(recency * latest[np.searchsorted(items, addends.sources[cells])])
    return found


def _popular(model: Recommender, popularity: float) -> Reals:
    if not popularity:
        return np.ones(1)
    found = np.ones(len(model.links.node))
    shared = {n: way.through for n, way in enumerate(model.links.ways) if way.through is not None}
    of_type = {node_type: popularity_of(model.snapshot, node_type) for node_type in set(shared.values())}
    for way, node_type in shared.items():
        columns = model.links.way == way
        found[columns] = np.exp(popularity * of_type[node_type][model.links.node[columns]])
    return found


def _co_liked(search: Search, values: Reals) -> Candidates:
    """Paths you - j - others - item.  A learned weight without a common user has no path: it stays a term."""
    addends = search.addends
    others = search.model.common(addends.sources, addends.items[addends.pairs]) - search.liked[addends.pairs]
    return _of_terms(search, search.forms.taste, np.where(others > 0, values, 0), others)


def _similar(search: Search, values: Reals) -> Candidates:
    """Paths you - j - similar text - item."""
    return _of_terms(search, search.forms.text, values, np.zeros(len(values), dtype=np.int64))


def _of_terms(search: Search, form: int, values: Reals, others: Ints) -> Candidates:
    """One group per score, its paths are whole terms."""
    rank, bounds = values * search.recent, search.addends.bounds
    best, bounds = largest(rank, bounds, search.config.paths_per_group if search.shown[form] else 0)
    pair = np.flatnonzero(np.diff(bounds))
    none = np.full(len(pair), -1)
    owner = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    return Candidates(
        pair=pair,
        form=np.full(len(pair), form),
        key=none,
        entity=none,
        start=bounds[pair],
        stop=bounds[pair + 1],
        scale=np.ones(len(pair)),
        rank=sums(rank[best], owner, len(bounds) - 1)[pair],
        source=search.addends.sources[best],
        bridge=np.full(len(best), -1),
        others=others[best],
        unit=values[best],
    )


def _knowledge(search: Search) -> Candidates:
    """Paths you - j - shared entity - item, and you - j - item along a relation between items.

    A segment is what a user's items and one entity have between them; scores of the same user share it.
    """
    model, addends, links = search.model, search.addends, search.model.links
    forms = np.array(search.forms.ways, dtype=np.int64)
    weight = next(c.weight for c in model.channels if c.name == "knowledge").astype(np.float64)
    # the entities of each item: a group each
    lengths = np.diff(links.target.indptr)[addends.items]
    cells = ranges(links.target.indptr[addends.items], lengths)
    pair, column = np.repeat(np.arange(len(addends.items)), lengths), links.target.indices[cells].astype(np.int64)
    scale = weight[addends.items][pair] * links.weight[column] * links.target.data[cells]
    keep = (scale > 0) & search.shown[forms[links.way[column]]]
    pair, column, scale = pair[keep], column[keep], scale[keep]
    # histories: one per user, and one without the item for each item that its user liked
    owner = addends.users * (len(model.items) + 1) + np.where(search.liked, addends.items, len(model.items))
    _, first, history = np.unique(owner, return_index=True, return_inverse=True)
    asked, place = np.unique(column, return_inverse=True)
    number = np.full(len(links.node), -1)
    number[asked] = np.arange(len(asked))
    segment_of = np.zeros(len(first) * len(asked), dtype=np.int64)
    key = history[pair] * len(asked) + place
    segment_of[key] = 1
    segments = int(segment_of.sum())
    segment_of = np.where(segment_of > 0, np.cumsum(segment_of) - 1, -1)
    # the entities of each item of a history
    sizes = np.diff(addends.bounds)[first]
    cells = ranges(addends.bounds[first], sizes)
    mine = np.repeat(np.arange(len(first)), sizes)
    other = ~(search.liked[first][mine] & (addends.sources[cells] == addends.items[first][mine]))
    cells, mine = cells[other], mine[other]
    sources = addends.sources[cells]
    lengths = np.diff(links.source.indptr)[sources]
    steps = ranges(links.source.indptr[sources], lengths)
    column_of_step = number[links.source.indices[steps]]
    steps_asked = np.flatnonzero(column_of_step >= 0)
    cell_of_step = np.repeat(np.arange(len(cells)), lengths)[steps_asked]
    segment = segment_of[mine[cell_of_step] * len(asked) + column_of_step[steps_asked]]
    inside = segment >= 0
    segment, cell_of_step, steps = segment[inside], cell_of_step[inside], steps[steps_asked[inside]]
    order, bounds = grouped(segment, segments)
    cell_of_step = cells[cell_of_step[order]]
    unit = addends.weights[cell_of_step].astype(np.float64) * links.source.data[steps[order]]
    rank = unit * (search.recent[cell_of_step] if search.config.recency else search.recent)
    best, bounds = largest(rank, bounds, search.config.paths_per_group)
    total = sums(rank[best], np.repeat(np.arange(segments), np.diff(bounds)), segments)
    # back to the groups
    found = segment_of[key]
    keep = bounds[found + 1] > bounds[found]
    pair, column, scale, found = pair[keep], column[keep], scale[keep], found[keep]
    through = np.array([way.through is not None for way in links.ways], dtype=bool)[links.way[column]]
    entity = np.where(through, links.node[column], -1)
    return Candidates(
        pair=pair,
        form=forms[links.way[column]],
        key=entity,
        entity=entity,
        start=bounds[found],
        stop=bounds[found + 1],
        scale=scale,
        rank=total[found] * scale * (search.popular[column] if search.config.popularity else search.popular),
        source=addends.sources[cell_of_step[best]],
        bridge=np.full(len(best), -1),
        others=np.zeros(len(best), dtype=np.int64),
        unit=unit[best],
    )


def _cold(search: Search, pairs: Ints) -> tuple[Candidates, Reals]:
    """Paths you - j - others - t - shared - item, for items known by their likeness to items t; see ``cold.py``."""
    found, totals = cold_paths(search.model, search.addends, pairs, search.config.followed, search.forms)
    shown = np.flatnonzero(search.shown[found.form])
    pair, form, key = found.pair[shown], found.form[shown], found.key[shown]
    code = (pair * len(search.shown) + form) * (int(key.max(initial=0)) + 2) + key + 1
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    order, bounds = grouped(group, len(first))
    entity, shown = found.entity[shown[first]], shown[order]
    rank = found.value[shown]
    if search.config.recency:
        rank = rank * search.recent[found.cell[shown]]
    if search.config.popularity:
        rank = rank * np.where(found.column[shown] >= 0, search.popular[found.column[shown]], 1)
    best, bounds = largest(rank, bounds, search.config.paths_per_group)
    part = Candidates(
        pair=pair[first],
        form=form[first],
        key=key[first],
        entity=entity,
        start=bounds[:-1],
        stop=bounds[1:],
        scale=np.ones(len(first)),
        rank=sums(rank[best], np.repeat(np.arange(len(first)), np.diff(bounds)), len(first)),
        source=search.addends.sources[found.cell[shown[best]]],
        bridge=found.bridge[shown[best]],
        others=found.others[shown[best]],
        unit=found.value[shown[best]],
    )
    return part, totals


def _joined(parts: list[Candidates]) -> Candidates:
    shift = np.cumsum([0, *(len(p.unit) for p in parts)])
    columns: dict[str, Any] = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Candidates)}
    for name in ("start", "stop"):
        columns[name] = np.concatenate([getattr(p, name) + s for p, s in zip(parts, shift, strict=False)])
    return Candidates(**columns)


def _shown(search: Search, positive: Reals, found: Candidates) -> PathTable:
    """The first groups of every score, with their values and shares."""
    config, count = search.config, len(positive)
    order = np.lexsort((found.key, found.form, -found.rank, found.pair))
    if config.groups_per_pattern:
        pattern = found.pair[order] * len(search.shown) + found.form[order]
        order = order[_place(pattern) < config.groups_per_pattern]
    order = order[_place(found.pair[order]) < config.groups]
    pair, start = found.pair[order], found.start[order]
    lengths = found.stop[order] - start
    steps, group = ranges(start, lengths), np.repeat(np.arange(len(order)), lengths)
    value = found.unit[steps] * found.scale[order][group]
    share = value / positive[pair[group]]
    share_of_group = sums(share, group, len(order))
    large = (_place(pair) == 0) | (share_of_group >= config.least_share)
    kept = large[group]
    steps, value, share = steps[kept], value[kept], share[kept]
    order, pair, lengths, share_of_group = order[large], pair[large], lengths[large], share_of_group[large]
    total = sums(value, np.repeat(np.arange(len(order)), lengths), len(order))
    shown = sums(total, pair, count)
    return PathTable(
        addends=search.addends,
        score=search.addends.sums(),
        positive=positive,
        shown_share=np.minimum(1.0, np.divide(shown, positive, out=np.zeros(count), where=positive > 0)),  # 1: rounding
        forms=search.forms,
        groups=bounds_of(np.bincount(pair, minlength=count)),
        form=found.form[order],
        entity=found.entity[order],
        total=total,
        total_share=share_of_group,
        paths=bounds_of(lengths),
        source=found.source[steps],
        bridge=found.bridge[steps],
        others=found.others[steps],
        value=value,
        share=share,
    )


def _place(numbers: Ints) -> Ints:
    """How many equal numbers stand before each, shape as given."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), bool), ordered[1:] != ordered[:-1]]))
    place = np.empty(len(numbers), dtype=np.int64)
    place[order] = np.arange(len(numbers)) - np.repeat(begins, np.diff(np.append(begins, len(numbers))))
    return place
