"""The relational paths of items without interactions: you - j - others - t - what t and the item share - item.

Such an item gets its embedding from known items t by kernel ridge (:class:`kg_rec.model.cold.similarity.ColdItems`):
its relational score is a sum over j, t and what t and the item share.  Single pairs (j, t) are large and cancel (their
positive ones come to a hundred times the score), so they are no reasons.  What is shown is summed over t: how much an
interaction j adds through one shared fact, similar text or alike vectors, over all known items t together.  These
parts are about as large as the score; with what numbers and the profile add, which are no path, they sum to the term of
j.  The item t named on a path is the one that adds most to its part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg_rec.arrays.segments import grouped, largest, sums
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ModelError
from kg_rec.explain.paths.candidates import Candidates, Search
from kg_rec.explain.paths.forms import Forms
from kg_rec.model.cold.similarity import TEXT, vector_key
from kg_rec.model.item_paths import Links
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.recommender import Recommender


@dataclass(frozen=True)
class _ColdPaths:
    """Paths of scores, one element each.

    Attributes:
        pair: the score.
        form: the form.
        key: what paths of a group share: the entity, or t, or -1.
        entity: dense index of the shared entity in its type; -1 without one.
        column: its column in the model's links; below 0 for likeness: -1 for similar text, then the properties.
        cell: the addend of j.
        bridge: dense index of t; -1 where t is j.
        others: how many others liked j and t; 0 where t is j.
        value: part of the score.
    """

    pair: Ints
    form: Ints
    key: Ints
    entity: Ints
    column: Ints
    cell: Ints
    bridge: Ints
    others: Ints
    value: Floats64


@dataclass(frozen=True)
class Shared:
    """What known items t share with one item, weighed as in its likeness to them.

    Attributes:
        columns: columns of the model's links that the item has, int64, shape (m,).
        parts: what t and the item have in common through each, then by text and by each property that has vectors:
            shape (t, m + 1 + properties).
        rest: what numbers and the profile add to the likeness, shape (t,).
    """

    columns: Ints
    parts: Floats64
    rest: Floats64


def cold_groups(search: Search, pairs: Ints) -> tuple[Candidates, Floats64]:
    """The groups of some scores of items without interactions, with their largest paths.

    Args:
        search: what is asked.
        pairs: the scores of new items.

    Returns:
        The groups that may be shown, and per score the sum of the positive parts of all positive terms, whether a path
        or not, shape (len(pairs),).

    Raises:
        ModelError: the model's relational channel is no product of embeddings.
    """
    paths, totals = _paths(search, pairs)
    shown = np.flatnonzero(search.shown[paths.form])
    pair, form, key = paths.pair[shown], paths.form[shown], paths.key[shown]
    code = (pair * len(search.shown) + form) * (int(key.max(initial=0)) + 2) + key + 1
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    order, bounds = grouped(group, len(first))
    shown_first = shown[first]
    entity, shown = paths.entity[shown_first], shown[order]
    rank = paths.value[shown]
    if search.config.recency:
        rank = rank * search.recent[paths.cell[shown]]
    if search.config.popularity:
        rank = rank * np.append(search.popular, 1.0)[np.maximum(paths.column[shown], -1)]  # likeness has none
    best, bounds = largest(rank, bounds, search.config.paths_per_group)
    part = Candidates(
        pair=pair[first],
        form=form[first],
        key=key[first],
        entity=entity,
        start=bounds[:-1],
        stop=bounds[1:],
        scale=np.ones(len(first)),
        common=np.where(
            entity >= 0, np.append(search.model.links.commonness, 0)[np.maximum(paths.column[shown_first], -1)], 0
        ),
        rank=sums(rank[best], np.repeat(np.arange(len(first)), np.diff(bounds)), len(first)),
        source=search.addends.sources[paths.cell[shown[best]]],
        bridge=paths.bridge[shown[best]],
        others=paths.others[shown[best]],
        unit=paths.value[shown[best]],
    )
    return part, totals


def shared_with(model: Recommender, item: int) -> Shared:
    """What the landmarks of the model's regression share with an item.

    Raises:
        ModelError: the model has no regression.
    """
    if model.regression is None:
        raise ModelError("expected a model with a regression for items without interactions; train again")
    landmarks, links, similarity = model.regression.landmarks, model.likeness, model.similarity
    ends = slice(links.target.indptr[item], links.target.indptr[item + 1])
    columns = links.target.indices[ends].astype(np.int64)
    weights = links.weight[columns] * links.target.data[ends]
    parts = np.zeros((len(landmarks), len(columns) + 1 + len(similarity.vectors)))
    parts[:, : len(columns)] = links.source[landmarks][:, columns].toarray() * weights
    embedded = [(TEXT, similarity.text), *((vector_key(name), v) for name, v in similarity.vectors.items())]
    for place, (name, rows) in enumerate(embedded, start=len(columns)):
        if rows is not None and similarity.weights[name] > 0:
            cosine = (rows[landmarks] @ rows[item]).astype(np.float64)
            parts[:, place] = similarity.weights[name] * np.maximum(cosine, 0) ** similarity.text_power
    whole = similarity(np.array([item]), landmarks)[0].astype(np.float64)
    return Shared(columns, parts, whole - parts.sum(axis=1))


def _paths(search: Search, pairs: Ints) -> tuple[_ColdPaths, Floats64]:
    """The paths with a part that speaks for the item, and the sum of all parts that do."""
    model, addends = search.model, search.addends
    channel = next(c for c in model.channels if c.name == "relational")
    regression, kernel = model.regression, channel.kernel
    if regression is None or not isinstance(kernel, FactorKernel):
        raise ModelError("expected a model with a regression for items without interactions; train again")
    landmarks, shared = regression.landmarks, {}
    found, totals = [], []
    for pair in pairs.tolist():
        item, start, end = int(addends.items[pair]), int(addends.bounds[pair]), int(addends.bounds[pair + 1])
        if item not in shared:
            shared[item] = shared_with(model, item)
        cells = start + np.flatnonzero(addends.values["relational"][start:end] > 0)
        sources = addends.sources[cells]
        said = addends.weights[cells][:, None].astype(np.float64) * kernel.source[sources]
        reasons = (said @ regression.coefficients.T.astype(np.float64)) * float(channel.weight[item])
        value = reasons @ shared[item].parts
        totals.append(np.maximum(value, 0).sum() + np.maximum(reasons @ shared[item].rest, 0).sum())
        row, part = np.nonzero(value > 0)
        others = _co_users(model, int(addends.users[pair]), sources, landmarks, search.config.least_crowd)
        best, real = _strongest(reasons, shared[item].parts, others, (row, part))
        row, part, best = row[real], part[real], best[real]
        paths = (np.full(len(row), pair), cells[row], landmarks[best], others[row, best], value[row, part])
        by = -1 - np.arange(shared[item].parts.shape[1] - len(shared[item].columns))
        column = np.append(shared[item].columns, by)[part]
        found.append(_described(model.likeness, search.forms, column, sources[row], paths))
    columns = {name: np.concatenate([getattr(p, name) for p in found]) for name in _ColdPaths.__dataclass_fields__}
    return _ColdPaths(**columns), np.array(totals)


def _co_users(model: Recommender, user: int, sources: Ints, landmarks: Ints, least: int) -> Ints:
    """How many others liked each source and each landmark; 0 for fewer than ``least``, -1 for an item with itself.

    Shape (sources, landmarks).
    """
    mine = np.isin(landmarks, model.interacted.liked_by(user))
    first, second = np.repeat(sources, len(landmarks)), np.tile(landmarks, len(sources))
    both = model.interacted.co_count(first, second).reshape(len(sources), len(landmarks)) - mine
    return np.where(sources[:, None] == landmarks, -1, np.where(both < least, 0, both))


def _strongest(reasons: Floats64, parts: Floats64, others: Ints, wanted: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Per wanted (row, part) the known item that adds most to it and that a path leads to, and where there is one."""
    row, part = wanted
    best, much = np.zeros(len(row), np.int64), np.zeros(len(row))
    for number in np.unique(part).tolist():  # part by part: all at once would be rows x parts x landmarks
        of = np.flatnonzero(part == number)
        adds = np.where(others[row[of]] != 0, reasons[row[of]] * parts[:, number], -np.inf)
        best[of] = adds.argmax(axis=1)
        much[of] = adds.max(axis=1)
    return best, np.flatnonzero(much > 0)


def _described(
    links: Links, forms: Forms, column: Ints, source: Ints, paths: tuple[Ints, Ints, Ints, Ints, Floats64]
) -> _ColdPaths:
    """The paths with their forms and what groups them."""
    pair, cell, known, others, value = paths
    same, alike = known == source, column < 0
    way = np.append(links.way, 0)[np.maximum(column, -1)] * ~alike
    through = np.array([w.through is not None for w in links.ways] or [False])[way] & ~alike
    ways = [np.array([*some, 0], np.int64)[way] for some in (forms.known_ways, forms.bridge_ways)]
    form = np.where(same, ways[0], ways[1])
    by = np.where(alike, -1 - column, 0)
    likeness = np.where(same, np.array(forms.known_alike)[by], np.array(forms.bridge_alike)[by])
    landmark = np.where(same, -1, known)
    entity = np.where(through, np.append(links.node, -1)[np.maximum(column, -1)], -1)
    return _ColdPaths(
        pair=pair,
        form=np.where(alike, likeness, form),
        key=np.where(through, entity, landmark),
        entity=entity,
        column=column,
        cell=cell,
        bridge=landmark,
        others=np.where(same, 0, others),
        value=value,
    )
