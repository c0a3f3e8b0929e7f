"""What is told of each score, before there are words: paths put together as one sentence tells them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.segments import bounds_of, largest, sums
from kg_rec.explain.paths.forms import PathPattern
from kg_rec.explain.paths.search import PathTable
from kg_rec.explain.words.patterns import Link

#: Names in a list before the others are counted.
MAX_NAMED = 3
#: An item of the user that takes away this share of what speaks for an item is named among those against it.
AGAINST_EACH = 0.01
#: Most of them that are named.
MAX_AGAINST = 2


@dataclass(slots=True)
class Reason:
    """The paths that one sentence tells.

    Attributes:
        form: the form of all paths, besides the channel, as the table numbers it.
        rows: for each path (j, t, entity), in order: how many others.
        share: of all paths together.
    """

    form: int
    rows: dict[tuple[int, int, int], int]
    share: float = 0.0


def reasons(table: PathTable, described: bool, most: int) -> Iterator[list[Reason]]:
    """What is told of each score, in order: groups of equal steps together, attributes of the same items too.

    Args:
        table: the paths.
        described: see :func:`link_of`.
        most: reasons of a score.
    """
    forms, entities, every = table.form.tolist(), table.entity.tolist(), table.forms.every
    shared = {form: link_of(every[form], described) == "shared" for form in set(forms)}
    bridged = {form: every[form].bridged for form in shared}
    steps: dict[object, int] = {}
    step_of = {form: steps.setdefault(every[form].edges, form) for form in sorted(shared)}
    groups, paths = table.groups.tolist(), table.paths.tolist()
    sources, others, bridges, shares = (x.tolist() for x in (table.source, table.others, table.bridge, table.share))
    for pair in range(len(groups) - 1):
        told: dict[tuple[int, object], Reason] = {}
        for group in range(groups[pair], groups[pair + 1]):
            form, entity = forms[group], entities[group]
            start, stop = paths[group], paths[group + 1]
            alike: object = None
            if bridged[form]:
                alike = entity if shared[form] else bridges[start]
            elif shared[form]:
                few = stop - start <= MAX_NAMED  # the items that have the fact are counted where they are many
                alike = frozenset(sources[start:stop]) if few else entity
            reason = told.setdefault((step_of[form], alike), Reason(form, {}))
            for path in range(start, stop):  # several channels may know a row
                reason.rows[sources[path], bridges[path], entity] = others[path]
                reason.share += shares[path]
        yield list(told.values())[:most]


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


@dataclass(frozen=True, slots=True)
class Against:
    """What speaks against an item.

    Attributes:
        count: how many of the user's items do.
        named: those of them that matter most, most first; dense indices, at most :data:`MAX_AGAINST`.
        share: how much all of them take away, by what speaks for the item.
    """

    count: int
    named: tuple[int, ...]
    share: float


def against(table: PathTable, net: NDArray[np.float64]) -> list[Against | None]:
    """What speaks against each item of a table; None where nothing does, or nothing speaks for it.

    Args:
        table: the paths.
        net: the sum of each addend over the channels.
    """
    addends, count = table.addends, len(table.score)
    less = np.maximum(-net, 0)
    numbers = np.bincount(addends.pairs[less > 0], minlength=count).tolist()
    share = np.divide(sums(less, addends.pairs, count), table.positive, out=np.zeros(count), where=table.positive > 0)
    strong = np.flatnonzero((less > 0) & (less >= AGAINST_EACH * table.positive[addends.pairs]))
    most, bounds = largest(less[strong], bounds_of(np.bincount(addends.pairs[strong], minlength=count)), MAX_AGAINST)
    named, starts = addends.sources[strong[most]].tolist(), bounds.tolist()
    return [
        Against(n, tuple(named[starts[pair] : starts[pair + 1]]), much) if n and much else None
        for pair, (n, much) in enumerate(zip(numbers, share.tolist(), strict=True))
    ]
