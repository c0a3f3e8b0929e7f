"""The paths of many scores at once: which parts of the terms are paths of the graph, and which of them are shown.

Every score is a sum of terms, one per interaction and channel; each channel says what its terms become.  Those of the
channels that score what users have in common are together one path you - j - others - item; one of similar text is
you - j - similar text - item, and one of alike vectors is one for each property; one of knowledge splits into the paths
you - j - shared - item.  The relational term of an item without interactions splits into you - j - others - t - shared
- item over the known items t that it is like.

Paths of one form that share an entity are a group.  Groups are found where they begin, at the entities of the item and
those of the user's items, so no path is made that is not among the largest of its group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.segments import bounds_of, largest, places, ranges, spans, sums
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ConfigError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.paths.candidates import Candidates, Search, joined
from kg_rec.explain.paths.cold import cold_groups
from kg_rec.explain.paths.forms import TEXT, Forms, forms_of
from kg_rec.explain.paths.knowledge import knowledge_groups
from kg_rec.explain.paths.metrics import popularity_of, recency_of
from kg_rec.explain.paths.vectors import addends_of_vectors
from kg_rec.model.channels.about import PathKind
from kg_rec.model.channels.registry import kind_of, paths_of
from kg_rec.model.item_paths import Way
from kg_rec.model.recommender import Addends, Recommender

#: A fact of more than this share of all items is a hub: a genre, a language, not a director.
HUB = 0.05
_KINDS: tuple[PathKind, ...] = get_args(PathKind)


@dataclass(frozen=True)
class PathTable:
    """The paths shown for many scores.

    Attributes:
        addends: the terms.
        score: shape (pairs,).
        positive: the sum of all positive addends, shown or not; shape (pairs,).
        forms: the forms that ``form`` numbers.
        groups: the groups of pair p are ``groups[p]:groups[p + 1]``, most important first; shape (pairs + 1,).
        form, entity: per group; see :class:`Candidates`.
        total, total_share: per group, the sums of its paths' values and shares.
        paths: the paths of group g are ``paths[g]:paths[g + 1]``; shape (groups + 1,).
        source, bridge, others, value, share: per path; see :class:`Candidates` and
            :class:`kg_rec.explain.path.Path`.
    """

    addends: Addends
    score: Floats64
    positive: Floats64
    forms: Forms
    groups: Ints
    form: Ints
    entity: Ints
    total: Floats64
    total_share: Floats64
    paths: Ints
    source: Ints
    bridge: Ints
    others: Ints
    value: Floats64
    share: Floats64

    @cached_property
    def pair(self) -> Ints:
        """The score of each group, shape (groups,)."""
        return np.arange(len(self.groups) - 1).repeat(spans(self.groups))

    @cached_property
    def shown_share(self) -> Floats64:
        """The part of :attr:`positive` that the shown paths account for; shape (pairs,)."""
        addends, positive, count = self.addends, self.positive, len(self.score)
        shown = sums(self.total, self.pair, count)
        if "again" in addends.totals:  # it is always told, with its numbers
            shown = shown + np.maximum(addends.totals["again"], 0)
        share = np.divide(shown, positive, out=np.zeros(count), where=positive > 0)
        return np.minimum(1.0, share)  # 1: rounding


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
    addends = model.addends(users, items)
    search, count = _search(model, _told_as_liked(addends), config), len(users)
    cold = model.cold[items] & (model.regression is not None) & ("relational" in addends.values)
    positive, together, any_cold = np.zeros(count), np.zeros(len(addends.pairs)), bool(cold.any())
    of_vectors = addends_of_vectors(model, addends)
    for channel, values in addends.values.items():
        liked = search.addends.values[channel]
        if channel == "relational" and any_cold:
            values, liked = (np.where(cold[addends.pairs], 0, some) for some in (values, liked))
        kind = paths_of(channel)
        for addend in of_vectors.values() if kind == "vectors" else [values]:
            positive += sums(np.maximum(addend, 0), addends.pairs, count)
        if kind == "co-users" and channel in search.channels:
            together += liked
    searches = [_co_liked(search, together)]
    for (channel, by), form in search.forms.alike.items():
        if channel in search.channels:
            values = search.addends.values[channel] if by is None else np.where(addends.weights < 0, 0, of_vectors[by])
            searches.append(_similar(search, form, values))
    if "knowledge" in search.channels:
        searches.append(knowledge_groups(search))
    if any_cold:
        part, totals = cold_groups(search, np.flatnonzero(cold))
        positive[cold] += totals
        searches += [part] if "relational" in search.channels else []
    return _shown(search, addends, positive, joined(searches))


def _told_as_liked(addends: Addends) -> Addends:
    """The addends of what was liked: no path begins with "you liked" at an item that was disliked."""
    against = addends.weights < 0
    if not against.any():
        return addends
    values = {channel: np.where(against, 0, of) for channel, of in addends.values.items()}
    return replace(addends, weights=np.where(against, 0, addends.weights).astype(np.float32), values=values)


def _search(model: Recommender, addends: Addends, config: ExplainConfig) -> Search:
    schema, vectors = model.snapshot.schema, tuple(model.similarity.vectors)
    names = (schema.user.name, schema.item.name, schema.interaction.name)
    relations = tuple(relation.name for relation in schema.knowledge_relations) if config.blocked else ()
    kinds = tuple((channel.name, kind_of(channel.name).paths) for channel in model.channels)
    asked = tuple(config.channels), tuple(config.blocked), config.max_hops
    forms, shown, channels = _asked(names, relations, kinds, vectors, model.links.ways, *asked)
    itself = (addends.sources == addends.items[addends.pairs]) & (addends.weights > 0)
    return Search(
        model=model,
        config=config,
        addends=addends,
        forms=forms,
        shown=shown,
        channels=channels,
        liked=np.bincount(addends.pairs[itself], minlength=len(addends.users)) > 0,
        recent=_recent(model, addends, config.recency),
        popular=_popular(model, config.popularity),
    )


@lru_cache(maxsize=64)
def _asked(
    names: tuple[str, str, str],
    relations: tuple[str, ...],
    kinds: tuple[tuple[str, PathKind], ...],
    vectors: tuple[str, ...],
    ways: tuple[Way, ...],
    channels: tuple[str, ...],
    blocked: tuple[str, ...],
    hops: int,
) -> tuple[Forms, NDArray[np.bool_], frozenset[str]]:
    """What a search asks for, whatever the scores: the forms, which of them may be shown, and channels.

    Args:
        names: of the users' node type, the items', and the interaction.
        relations: those that tell facts, where some are blocked.
        kinds: channels of the model, and what their terms become.
        vectors: properties by which items are alike.
        ways: between items, through the graph.
        channels, blocked, hops: see :class:`ExplainConfig`.
    """
    known = [channel for channel, _ in kinds]
    if not set(channels) <= set(known):
        raise ConfigError(f"expected channels among {known}, got {sorted(channels)}")
    some = [*relations, TEXT, *vectors]
    if not set(blocked) <= set(some):
        raise ConfigError(f"expected blocked relation types among {some}, got {sorted(blocked)}")
    channels = channels or tuple(known)
    of_kind = {kind: tuple(channel for channel, paths in kinds if paths == kind) for kind in _KINDS}
    crowd = tuple(c for c in of_kind["co-users"] if c in channels)
    alike = [*((c, None) for c in of_kind["text"]), *((c, name) for c in of_kind["vectors"] for name in vectors)]
    forms = forms_of(names, ways, crowd, tuple(alike), vectors)
    shown = [len(f.edges) <= hops and not (blocked and f.relations.intersection(blocked)) for f in forms.every]
    return forms, np.array(shown), frozenset(channels)


def _recent(model: Recommender, addends: Addends, recency: float) -> Floats64:
    if not recency:
        return np.ones(1)
    factors = np.ones(len(addends.sources))
    for user in np.unique(addends.users).tolist():
        items, latest = recency_of(model.snapshot.interactions, user)
        for pair in np.flatnonzero(addends.users == user).tolist():
            cells = slice(addends.bounds[pair], addends.bounds[pair + 1])
            factors[cells] = np.exp(recency * latest[np.searchsorted(items, addends.sources[cells])])
    return factors


def _popular(model: Recommender, popularity: float) -> Floats64:
    if not popularity:
        return np.ones(1)
    factors = np.ones(len(model.links.node))
    shared = {n: way.through for n, way in enumerate(model.links.ways) if way.through is not None}
    of_type = {node_type: popularity_of(model.snapshot, node_type) for node_type in set(shared.values())}
    for way, node_type in shared.items():
        columns = model.links.way == way
        factors[columns] = np.exp(popularity * of_type[node_type][model.links.node[columns]])
    return factors


def _co_liked(search: Search, values: Floats64) -> Candidates:
    """Paths you - j - others - item.  A learned weight without a common user has no path: it stays a term."""
    addends, others = search.addends, np.zeros(len(values), np.int64)
    at = (values > 0).nonzero()[0]  # no other one becomes a path
    pairs = addends.pairs[at]
    others[at] = search.model.interacted.co_count(addends.sources[at], addends.items[pairs]) - search.liked[pairs]
    return _of_terms(search, search.forms.crowd, np.where(others >= search.config.least_crowd, values, 0), others)


def _similar(search: Search, form: int, values: Floats64) -> Candidates:
    """Paths you - j - similar text (or alike vectors) - item."""
    return _of_terms(search, form, values, np.zeros(len(values), dtype=np.int64))


def _of_terms(search: Search, form: int, values: Floats64, others: Ints) -> Candidates:
    """One group per score, its paths are whole terms."""
    rank, bounds = values * search.recent, search.addends.bounds
    best, bounds = largest(rank, bounds, search.config.paths_per_group if search.shown[form] else 0)
    lengths = spans(bounds)
    pair = lengths.nonzero()[0]
    none = np.full(len(pair), -1)
    owner = np.arange(len(lengths)).repeat(lengths)
    return Candidates(
        pair=pair,
        form=np.full(len(pair), form),
        key=none,
        entity=none,
        start=bounds[pair],
        stop=bounds[pair + 1],
        scale=np.ones(len(pair)),
        common=np.zeros(len(pair)),
        rank=sums(rank[best], owner, len(lengths))[pair],
        source=search.addends.sources[best],
        bridge=np.full(len(best), -1),
        others=others[best],
        unit=values[best],
    )


def _shown(search: Search, addends: Addends, positive: Floats64, candidates: Candidates) -> PathTable:
    """The first groups of every score, with their values and shares."""
    config, count = search.config, len(positive)
    order = _chosen(search, candidates)
    pair, start = candidates.pair[order], candidates.start[order]
    lengths = candidates.stop[order] - start
    steps, group = ranges(start, lengths), np.arange(len(order)).repeat(lengths)
    value = candidates.unit[steps] * candidates.scale[order][group]
    share = value / positive[pair[group]]
    share_of_group = sums(share, group, len(order))
    large = (places(pair) == 0) | (share_of_group >= config.least_share)
    if not large.all():
        common = candidates.common[order]
        specific = (common > 0) & (common <= HUB) & (share_of_group >= config.least_specific)
        first = np.flatnonzero(specific & ~large)
        large[first[places(pair[first]) == 0]] = True
        kept = large[group]
        steps, value, share = steps[kept], value[kept], share[kept]
        order, pair, lengths, share_of_group = order[large], pair[large], lengths[large], share_of_group[large]
        group = np.arange(len(order)).repeat(lengths)
    return PathTable(
        addends=addends,
        score=addends.sums(),
        positive=positive,
        forms=search.forms,
        groups=bounds_of(np.bincount(pair, minlength=count)),
        form=candidates.form[order],
        entity=candidates.entity[order],
        total=sums(value, group, len(order)),
        total_share=share_of_group,
        paths=bounds_of(lengths),
        source=candidates.source[steps],
        bridge=candidates.bridge[steps],
        others=candidates.others[steps],
        value=value,
        share=share,
    )


def _chosen(search: Search, candidates: Candidates) -> Ints:
    """The groups shown of every score, in order: by value, those that share a fact by value times rarity.

    A fact stands there once, through whichever channel it adds most, and at most some are hubs.
    """
    config, items = search.config, len(search.model.items)
    fact, rank, pair = candidates.common > 0, candidates.rank, candidates.pair
    facts = bool(fact.any())
    if not facts and (pair[1:] > pair[:-1]).all():  # one group of each score
        return np.arange(len(pair))
    if facts:
        rarity = np.ones(len(fact))
        rarity[fact] = np.log(np.maximum(1 / candidates.common[fact], 1)) / max(np.log(items), 1)
        rank = rank * rarity**config.specificity
    order = np.lexsort((candidates.key, candidates.form, -rank, pair))
    if config.groups_per_pattern:
        pattern = pair[order] * len(search.shown) + candidates.form[order]
        order = order[_place(pattern) < config.groups_per_pattern]
    if not facts:
        return order[places(pair[order]) < config.groups]
    forms, entities = search.forms, int(candidates.entity.max(initial=0)) + 1
    last = forms.last[candidates.form[order]]
    same = (pair[order] * len(forms.every) + last) * entities + candidates.entity[order]
    shared = np.flatnonzero(fact[order])
    again = shared[(_place(same[shared]) > 0) & (not config.repeats)]
    hub = np.flatnonzero(candidates.common[order] > HUB)
    left_out = np.zeros(len(order), np.bool_)
    left_out[again] = True
    hub = hub[~left_out[hub]]
    left_out[hub[places(pair[order][hub]) >= config.hubs]] = True
    order = order[~left_out]
    return order[places(pair[order]) < config.groups]


def _place(numbers: Ints) -> Ints:
    """How many equal numbers stand before each, shape as given."""
    order = np.argsort(numbers, kind="stable")
    place = np.empty(len(numbers), dtype=np.int64)
    place[order] = places(numbers[order])
    return place
