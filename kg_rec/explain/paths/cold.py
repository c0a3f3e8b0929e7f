"""The relational paths of items without interactions: you - j - others - t - what t and the item share - item.

Such an item gets its embedding from known items t by kernel ridge (:class:`kg_rec.model.cold.similarity.ColdItems`), so
its relational score is a sum over pairs (j, t).  The largest are followed: each splits into the likeness of t and the
item, which is a sum over shared entities, relations and text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.segments import grouped, largest, ranges, stored, sums
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.errors import ModelError
from kg_rec.explain.paths.candidates import Candidates, Search
from kg_rec.explain.paths.forms import Forms
from kg_rec.model.cold.similarity import TEXT, ColdItems
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.recommender import Addends, Recommender


@dataclass(frozen=True)
class _ColdPaths:
    """Paths of scores, one element each.

    Attributes:
        pair: the score.
        form: the form.
        key: what paths of a group share: the entity, or t, or -1.
        entity: dense index of the shared entity in its type; -1 without one.
        column: its column in the model's links; -1 for similar text.
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
class _Leads:
    """The pairs (j, t) that are followed: per pair its score, addend, t, others, and value per unit of likeness."""

    pair: Ints
    cell: Ints
    known: Ints
    others: Ints
    unit: Floats64
    same: NDArray[np.bool_]


def cold_groups(search: Search, pairs: Ints) -> tuple[Candidates, Floats64]:
    """The groups of some scores of items without interactions, with their largest paths.

    Args:
        search: what is asked.
        pairs: the scores of new items.

    Returns:
        The groups that may be shown, and per score the sum of all positive pairs (j, t), shape (len(pairs),).

    Raises:
        ModelError: the model's relational channel is no product of embeddings.
    """
    found, totals = _paths(search.model, search.addends, pairs, search.config.followed, search.forms)
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


def _paths(
    model: Recommender, addends: Addends, pairs: Ints, followed: int, forms: Forms
) -> tuple[_ColdPaths, Floats64]:
    """The paths that speak for the items, over the ``followed`` largest pairs (j, t) of each score; all pairs' sum."""
    leads, totals = _leads(model, addends, pairs, followed)
    parts = [_linked(model, addends, leads, forms), _alike(model, addends, leads, forms)]
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _ColdPaths.__dataclass_fields__}
    return _ColdPaths(**columns), totals


def _leads(model: Recommender, addends: Addends, pairs: Ints, followed: int) -> tuple[_Leads, Floats64]:
    channel = next(c for c in model.channels if c.name == "relational")
    regression, kernel = model.regression, channel.kernel
    if regression is None or not isinstance(kernel, FactorKernel):
        raise ModelError("expected a model with a regression for items without interactions; train again")
    landmarks = regression.landmarks
    alike: dict[int, Floats64] = {}
    known: dict[int, Floats64] = {}
    found, totals = [], []
    for pair in pairs.tolist():
        user, item = int(addends.users[pair]), int(addends.items[pair])
        cells = np.arange(addends.bounds[pair], addends.bounds[pair + 1])
        if item not in alike:
            alike[item] = model.similarity(np.array([item]), landmarks)[0].astype(np.float64)
        if user not in known:
            known = {user: _reasons(kernel, regression, addends, cells)}
        values = (known[user] * alike[item] * float(channel.weight[item])).ravel()
        totals.append(values[values > 0].sum())
        best = _best(values, followed)
        row, column = np.divmod(best, len(landmarks))
        found.append((np.full(len(best), pair), cells[row], landmarks[column], values[best] / alike[item][column]))
    pair, cell, landmark, unit = (np.concatenate(parts) for parts in zip(*found, strict=True))
    source = addends.sources[cell]
    others = model.co_count(source, landmark) - stored(model.histories, addends.users[pair], landmark)
    same = source == landmark
    real = same | (others > 0)
    others = np.where(same, 0, others)
    return _Leads(pair[real], cell[real], landmark[real], others[real], unit[real], same[real]), np.array(totals)


def _reasons(kernel: FactorKernel, regression: ColdItems, addends: Addends, cells: Ints) -> Floats64:
    """What each interaction says for each known item, shape (interactions, landmarks)."""
    said = addends.weights[cells][:, None] * kernel.source[addends.sources[cells]]
    found: Floats64 = (said @ regression.coefficients.T).astype(np.float64)
    return found


def _best(values: Floats64, most: int) -> Ints:
    """Positions of the largest positive values, the largest first."""
    best = np.flatnonzero(values > 0)
    if len(best) > most:
        best = np.sort(best[np.argpartition(-values[best], most - 1)[:most]])
    return best[np.argsort(-values[best], kind="stable")]


def _linked(model: Recommender, addends: Addends, leads: _Leads, forms: Forms) -> _ColdPaths:
    """By what t and the item share in the graph."""
    links, items = model.links, addends.items[leads.pair]
    width = len(links.node)
    lengths = np.diff(links.source.indptr)[leads.known]
    lead = np.repeat(np.arange(len(leads.pair)), lengths)
    steps = ranges(links.source.indptr[leads.known], lengths)
    column = links.source.indices[steps].astype(np.int64)
    # the same columns among those of the items, which are sorted
    asked, place = np.unique(items, return_inverse=True)
    sizes = np.diff(links.target.indptr)[asked]
    ends = ranges(links.target.indptr[asked], sizes)
    keys = np.repeat(np.arange(len(asked)), sizes) * width + links.target.indices[ends]
    wanted = place[lead] * width + column
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    shared = np.flatnonzero(keys[at] == wanted) if len(keys) else np.empty(0, dtype=np.int64)
    lead, steps, column, at = lead[shared], steps[shared], column[shared], at[shared]
    cosine = links.source.data[steps] * links.target.data[ends[at]]
    same, way = leads.same[lead], links.way[column]
    known, bridge = np.array(forms.known_ways, np.int64), np.array(forms.bridge_ways, np.int64)
    through = np.array([w.through is not None for w in links.ways], dtype=bool)[way]
    landmark = np.where(same, -1, leads.known[lead])
    entity = np.where(through, links.node[column], -1)
    return _ColdPaths(
        pair=leads.pair[lead],
        form=np.where(same, known[way], bridge[way]),
        key=np.where(through, entity, landmark),
        entity=entity,
        column=column,
        cell=leads.cell[lead],
        bridge=landmark,
        others=leads.others[lead],
        value=leads.unit[lead] * links.weight[column] * cosine,
    )


def _alike(model: Recommender, addends: Addends, leads: _Leads, forms: Forms) -> _ColdPaths:
    """By similar text."""
    similarity, items = model.similarity, addends.items[leads.pair]
    value = np.zeros(len(items))
    if similarity.text is not None and similarity.weights[TEXT] > 0:
        cosine = np.einsum("nd,nd->n", similarity.text[leads.known], similarity.text[items]).astype(np.float64)
        value = leads.unit * similarity.weights[TEXT] * np.maximum(cosine, 0) ** similarity.text_power
    some = np.flatnonzero(value > 0)
    same = leads.same[some]
    landmark = np.where(same, -1, leads.known[some])
    none = np.full(len(some), -1)
    return _ColdPaths(
        pair=leads.pair[some],
        form=np.where(same, forms.known_text, forms.bridge_text),
        key=landmark,
        entity=none,
        column=none,
        cell=leads.cell[some],
        bridge=landmark,
        others=leads.others[some],
        value=value[some],
    )
