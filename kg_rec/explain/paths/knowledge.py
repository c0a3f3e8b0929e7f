"""The groups of paths of the knowledge channel: you - j - shared entity - item, and you - j - item by a relation.

A group is an item and one of its entities.  What a user's items and one entity have between them is a segment: scores
of the same user share it, so the largest paths of a group are found once a user and an entity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg_rec.arrays.segments import grouped, largest, lengths_of, ranges, spans, sums
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.explain.paths.candidates import Candidates, Search


@dataclass(frozen=True)
class _Ends:
    """The entities of the items, one element each: the score, the column of the model's links, value per unit."""

    pair: Ints
    column: Ints
    scale: Floats64


@dataclass(frozen=True)
class _Segments:
    """What histories and entities have between them.

    Attributes:
        of_end: the segment of each end, shape (ends,).
        bounds: the steps of segment s are ``bounds[s]:bounds[s + 1]``.
        cell: per step, the addend of j.
        unit: per step, its value by the scale of an end.
    """

    of_end: Ints
    bounds: Ints
    cell: Ints
    unit: Floats64


@dataclass(frozen=True)
class _Best:
    """The largest steps of every segment, best first: their bounds, positions, and the sum of what orders them."""

    bounds: Ints
    steps: Ints
    rank: Floats64


def knowledge_groups(search: Search) -> Candidates:
    """Every group of every score, with its largest paths."""
    addends, links = search.addends, search.model.links
    ends = entities_of_items(search)
    segments = segments_of_histories(search, ends)
    best = best_of_segments(search, segments)
    filled = best.bounds[segments.of_end + 1] > best.bounds[segments.of_end]
    pair, column, segment = (x[filled] for x in (ends.pair, ends.column, segments.of_end))
    scale = ends.scale[filled]
    form = np.array(search.forms.ways, dtype=np.int64)[links.way[column]]
    entity = np.where(search.forms.sharing[form], links.node[column], -1)
    popular = search.popular[column] if search.config.popularity else search.popular
    return Candidates(
        pair=pair,
        form=form,
        key=entity,
        entity=entity,
        start=best.bounds[segment],
        stop=best.bounds[segment + 1],
        scale=scale,
        common=links.commonness[column],
        rank=best.rank[segment] * scale * popular,
        source=addends.sources[segments.cell[best.steps]],
        bridge=np.full(len(best.steps), -1),
        others=np.zeros(len(best.steps), dtype=np.int64),
        unit=segments.unit[best.steps],
    )


def entities_of_items(search: Search) -> _Ends:
    """What the recommended items have in the graph: where the paths end, if they may be shown and add something."""
    model, items, links = search.model, search.addends.items, search.model.links
    weight = next(c.weight for c in model.channels if c.name == "knowledge").astype(np.float64)
    lengths = lengths_of(links.target, items)
    cells = ranges(links.target.indptr[items], lengths)
    pair, column = np.repeat(np.arange(len(items)), lengths), links.target.indices[cells].astype(np.int64)
    scale = weight[items][pair] * links.weight[column] * links.target.data[cells]
    forms = np.array(search.forms.ways, dtype=np.int64)
    keep = (scale > 0) & search.shown[forms[links.way[column]]]
    return _Ends(pair[keep], column[keep], scale[keep])


def segments_of_histories(search: Search, ends: _Ends) -> _Segments:
    """The steps from the users' items to the entities of the ends.

    There is one history per user, and one without the item for each item that its user liked: no path leads from an
    item to itself.
    """
    addends, links, catalogue = search.addends, search.model.links, len(search.model.items)
    owner = addends.users * (catalogue + 1) + np.where(search.liked, addends.items, catalogue)
    _, first, history = np.unique(owner, return_index=True, return_inverse=True)
    asked, place = np.unique(ends.column, return_inverse=True)
    number = np.full(len(links.node), -1)
    number[asked] = np.arange(len(asked))
    key = history[ends.pair] * len(asked) + place
    numbered = np.zeros(len(first) * len(asked), dtype=np.int64)
    numbered[key] = 1
    count = int(numbered.sum())
    numbered = np.where(numbered > 0, np.cumsum(numbered) - 1, -1)
    # the items of each history
    lengths = spans(addends.bounds)[first]
    cells, mine = ranges(addends.bounds[first], lengths), np.repeat(np.arange(len(first)), lengths)
    other = ~(search.liked[first][mine] & (addends.sources[cells] == addends.items[first][mine]))
    cells, mine = cells[other], mine[other]
    # and the entities of each of them
    lengths = lengths_of(links.source, addends.sources[cells])
    steps = ranges(links.source.indptr[addends.sources[cells]], lengths)
    entity = number[links.source.indices[steps]]
    known = np.flatnonzero(entity >= 0)
    at = np.repeat(np.arange(len(cells)), lengths)[known]
    segment = numbered[mine[at] * len(asked) + entity[known]]
    inside = segment >= 0
    order, bounds = grouped(segment[inside], count)
    cell, steps = cells[at[inside][order]], steps[known[inside][order]]
    unit = addends.weights[cell].astype(np.float64) * links.source.data[steps]
    return _Segments(numbered[key], bounds, cell, unit)


def best_of_segments(search: Search, segments: _Segments) -> _Best:
    """The steps that are shown of every segment."""
    rank = segments.unit * (search.recent[segments.cell] if search.config.recency else search.recent)
    steps, bounds = largest(rank, segments.bounds, search.config.paths_per_group)
    count = len(bounds) - 1
    return _Best(bounds, steps, sums(rank[steps], np.repeat(np.arange(count), spans(bounds)), count))
