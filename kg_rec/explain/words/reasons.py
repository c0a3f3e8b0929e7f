"""What is told of each score, before there are words: paths put together as one sentence tells them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import numpy as np

from kg_rec.arrays.segments import bounds_of, grouped, largest, places, ranges, spans, sums
from kg_rec.arrays.types import Floats64, Ints
from kg_rec.explain.paths.forms import PathPattern
from kg_rec.explain.paths.search import PathTable
from kg_rec.explain.words.patterns import Link

#: Names in a list before the others are counted.
MAX_NAMED = 3
#: Least share of a large reason, and of a middle one; below the second it is small.
WEIGHTS = (0.25, 0.08)
#: What speaks against an item is told from this share of what speaks for it.
AGAINST = 0.1
#: An item of the user that takes away this share of what speaks for an item is named among those against it.
AGAINST_EACH = 0.01
#: Most of them that are named.
MAX_AGAINST = 2


@dataclass(frozen=True)
class Several:
    """Some nodes of each reason: those of reason r are ``values[bounds[r]:bounds[r + 1]]``, each once, in order."""

    bounds: Ints
    values: Ints

    @property
    def counts(self) -> Ints:
        """How many each reason has."""
        return spans(self.bounds)


@dataclass(frozen=True)
class Reasons:
    """What sentences tell, one element each: the paths of a group, or of groups that differ in the shared attribute.

    Attributes:
        pair: the score, ascending; the reasons of a score stand by weight, otherwise as the table has them.
        place: how many reasons of the score stand before.
        weight: 0 of a large one, 1 of a middle one, 2 of a small one; see :data:`WEIGHTS`.
        form: the form of all its paths, besides the channel, as the table numbers it.
        share: of all its paths together.
        liked: the user's items j that they lead through; dense indices.
        others: how many others the path through each of these leads through, the first where there are several; as
            long as ``liked.values``.
        bridges: the known items t.
        shared: the shared attributes.
    """

    pair: Ints
    place: Ints
    weight: Ints
    form: Ints
    share: Floats64
    liked: Several
    others: Ints
    bridges: Several
    shared: Several


def reasons(table: PathTable, most: int, least: float) -> Reasons:
    """What is told of each score: groups of equal steps together, attributes of the same items too.

    Args:
        table: the paths.
        most: reasons of a score.
        least: share of a reason; the first of a score is told in any case.
    """
    if spans(table.groups).max(initial=0) < 2:  # nothing to put together, and nothing to leave out
        first = groups = reason = np.arange(len(table.form))
        share, weight = table.total_share, _weight(table.total_share)
    else:
        reason, first = _merged(table)
        share, pair = sums(table.total_share, reason, len(first)), table.pair[first]
        place = places(pair)
        told = ((place < most) & ((place == 0) | (share >= least))).nonzero()[0]
        weight = _weight(share[told])
        by_weight = np.lexsort((weight, pair[told]))
        told, weight = told[by_weight], weight[by_weight]
        number = np.full(len(first), -1)
        number[told] = np.arange(len(told))
        of_all = number[reason]
        groups = grouped(of_all + 1, len(told) + 1)[0]
        groups = groups[of_all[groups] >= 0]
        first, share, reason = first[told], share[told], of_all[groups]
    form, pair, lengths = table.form[groups], table.pair[first], spans(table.paths)[groups]
    paths, of_path = ranges(table.paths[groups], lengths), reason.repeat(lengths)
    sharing, over = table.forms.sharing[form], table.forms.bridged[form].repeat(lengths)
    liked, at = _each_once(table.source[paths], of_path, len(first))
    return Reasons(
        pair=pair,
        place=places(pair),
        weight=weight,
        form=table.form[first],
        share=share,
        liked=liked,
        others=table.others[paths][at],
        bridges=_each_once(table.bridge[paths][over], of_path[over], len(first))[0],
        shared=_each_once(table.entity[groups][sharing], reason[sharing], len(first))[0],
    )


def _weight(share: Floats64) -> Ints:
    """See :attr:`Reasons.weight`."""
    large, middle = WEIGHTS
    found: Ints = (share < large).astype(np.int64) + (share < middle)
    return found


def _merged(table: PathTable) -> tuple[Ints, Ints]:
    """The reason that each group belongs to, and the first group of each reason, ascending."""
    form, start, lengths = table.form, table.paths[:-1], spans(table.paths)
    step, shares, bridged = table.forms.steps[form], table.forms.sharing, table.forms.bridged
    alike = np.full((MAX_NAMED + 1, len(form)), -1)
    alike[0] = np.where(shares[form], table.entity, np.where(bridged[form], table.bridge[start], -1))
    # the items that have the fact are counted where they are many; where they are few, they are what is alike
    few = np.flatnonzero(shares[form] & ~bridged[form] & (lengths <= MAX_NAMED))
    named = np.full((MAX_NAMED, len(few)), -1)
    for n in range(MAX_NAMED):
        there = lengths[few] > n
        named[n, there] = table.source[start[few[there]] + n]
    alike[0, few], alike[1:, few] = -1, np.sort(named, axis=0)
    keys = np.stack([table.pair, step, *alike])
    order = np.lexsort(keys[::-1])
    new = np.concatenate([np.ones(min(1, len(order)), np.bool_), (np.diff(keys[:, order]) != 0).any(axis=0)])
    first = order[new]  # equal ones stand as they did
    number = np.empty(len(first), np.int64)
    number[first.argsort()] = np.arange(len(first))
    found = np.empty(len(order), np.int64)
    found[order] = number[new.cumsum() - 1]
    return found, np.sort(first)


def _each_once(values: Ints, reason: Ints, count: int) -> tuple[Several, Ints]:
    """The values of each reason without repetition, and where they were; ``reason`` ascends."""
    if not len(values):
        return Several(np.zeros(count + 1, np.int64), values), values
    code = reason * (int(values.max()) + 1) + values
    order = code.argsort(kind="stable")
    ordered, new = code[order], np.ones(len(order), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    first = np.sort(order[new])
    return Several(bounds_of(np.bincount(reason[first], minlength=count)), values[first]), first


def link_of(form: PathPattern, described: bool) -> Link:
    """What leads from the known item to the recommended one.

    Args:
        form: of the paths.
        described: whether items have descriptions; else their titles and facts are what is alike.
    """
    if form.through is not None:
        return "shared"
    tail = form.edges[3 if form.crowd else 1 :]
    if not tail or tail[0].type is not None:
        return "direct" if tail else "none"
    return "vectors" if tail[0].alike is not None else "text" if described else "facts"


class Against(NamedTuple):
    """What speaks against an item.

    Attributes:
        number: how many of the user's items do.
        named: those of them that matter most, most first; dense indices, at most :data:`MAX_AGAINST`.
        disliked: those of the named that the user did not like.
        share: how much all of them take away, by what speaks for the item: items that add to the score, and the base.
    """

    number: int
    named: list[int]
    disliked: list[int]
    share: float


def against(table: PathTable, net: Floats64) -> dict[int, Against]:
    """What speaks against items of a table, where it matters: from :data:`AGAINST` on, and for scores of at most 0.

    Args:
        table: the paths.
        net: the sum of each addend over the channels.

    Returns:
        By the number of the score; none where nothing speaks for the item.
    """
    addends, count = table.addends, len(table.score)
    less = np.maximum(-net, 0)
    taken = sums(less, addends.pairs, count)
    gain = sums(np.maximum(net, 0), addends.pairs, count) + np.maximum(addends.base, 0)
    share = np.divide(taken, gain, out=np.zeros(count), where=gain > 0)
    told = (share > 0) & ((table.score <= 0) | (share >= AGAINST))
    if not told.any():
        return {}
    speaking = ((less > 0) & told[addends.pairs]).nonzero()[0]
    pairs, less = addends.pairs[speaking], less[speaking]
    strong = less >= AGAINST_EACH * gain[pairs]
    most, bounds = largest(less[strong], bounds_of(np.bincount(pairs[strong], minlength=count)), MAX_AGAINST)
    at = speaking[strong][most]
    named, bad = addends.sources[at].tolist(), (addends.weights[at] <= 0).tolist()
    which = np.flatnonzero(told)
    columns = np.bincount(pairs, minlength=count)[which], share[which], bounds[which], bounds[which + 1]
    return {
        pair: Against(number, named[start:stop], [*compress(named[start:stop], bad[start:stop])], much)
        for pair, number, much, start, stop in zip(which.tolist(), *(x.tolist() for x in columns), strict=True)
    }
