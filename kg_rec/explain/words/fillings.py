"""What fills the slots of a model's sentences: names, lists of names, counts and shares; kept once made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import Generic, TypeVar, get_args
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.arrays.segments import bounds_of, ranges
from kg_rec.arrays.types import Ints
from kg_rec.explain.path import PathNode
from kg_rec.explain.paths.forms import Forms, PathPattern
from kg_rec.explain.words.languages.base import Language
from kg_rec.explain.words.patterns import Lead, Role
from kg_rec.explain.words.reasons import MAX_NAMED, Reasons
from kg_rec.model.recommender import Addends, Recommender
from kg_rec.snapshot import Snapshot

#: Ways in which a sentence starts, numbered.
LEADS: tuple[Lead, ...] = get_args(Lead)
_NUMBER = {lead: number for number, lead in enumerate(LEADS)}
#: How a reason starts: by whether it leads through others, has several bridges, and several of the user's items.
_STARTS: tuple[Lead, ...] = ("one", "several", "one", "several", "counted", "counts", "crowd", "crowd")
_STARTS_NUMBERED = np.array([_NUMBER[lead] for lead in _STARTS], np.int64)
#: What fills the slots of a reason's sentence, in the order in which it is passed.
SLOTS: tuple[Role, ...] = ("item", "liked", "shared", "bridge", "count", "rate", "share")
#: Counts that are kept in words, so that a service that runs for weeks does not grow.
_COUNTS = 100_000
#: From so many names on, Arrow is faster when it gives all at once.
_MANY = 50

K = TypeVar("K")
V = TypeVar("V")


class Kept(dict[K, V], Generic[K, V]):
    """What is made when it is asked for first; all is forgotten where it would be more than ``most``."""

    def __init__(self, make: Callable[[K], V], most: int = sys.maxsize) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, key: K) -> V:
        if len(self) >= self._most:
            self.clear()
        found = self[key] = self._make(key)
        return found


@dataclass(frozen=True)
class Fillings:
    """Names and numbers of a model in one language.

    Attributes:
        model: the model.
        language: speaks about its schema.
        names: by node type and dense index: the name as it is written.
        facts: the same where a sentence says that an item has it: "the United States".
        having: by relation type and whether it leads to items, and by the entity: the items that have it.
    """

    model: Recommender
    language: Language
    names: Kept[str, Kept[int, str]] = field(repr=False)
    facts: Kept[str, Kept[int, str]] = field(repr=False)
    having: Kept[tuple[str, bool], Kept[int, frozenset[int]]] = field(repr=False)

    @classmethod
    def of(cls, model: Recommender, language: Language) -> Fillings:
        """Nothing is made yet."""
        snapshot = model.snapshot
        names, facts = (Kept(partial(_named, snapshot, say)) for say in (language.name, language.fact))
        return cls(model, language, names, facts, Kept(partial(_having, snapshot)))

    def about(self, model: Recommender) -> Fillings:
        """Of a model with the same nodes and facts, and other interactions; shares the names once written."""
        return Fillings(model, self.language, self.names, self.facts, self.having)

    @cached_property
    def items(self) -> Kept[int, str]:
        """The names of items by dense index."""
        return self.names[self._item]

    def known(self, items: Ints) -> None:
        """Write the names of items that are not written yet all at once, where they are many."""
        missing = np.array([item for item in set(items.tolist()) if item not in self.items], np.int64)
        if len(missing) < _MANY:
            return
        snapshot, kind = self.model.snapshot, self._item
        keys, names = (column.take(pa.array(missing)) for column in (snapshot.ids[kind].keys, snapshot.names(kind)))
        for item, key, name in zip(missing.tolist(), keys.to_pylist(), names.to_pylist(), strict=True):
            self.items[item] = self.language.name(PathNode(kind, key, name))

    @cached_property
    def numbers(self) -> Kept[int, str]:
        """Whole numbers in words of the language: "2,481"."""
        return Kept(self.language.number, _COUNTS)

    @cached_property
    def starts(self) -> Kept[int, int]:
        """By user: the checksum of the key and a zero byte, from which that of an item's key goes on."""
        key = self.model.users.key
        return Kept(lambda user: crc32(f"{key(user)}\0".encode("utf-8", "surrogatepass")), _COUNTS)

    @cached_property
    def keys(self) -> Kept[int, bytes]:
        """By item: the key in UTF-8."""
        key = self.model.items.key
        return Kept(lambda item: key(item).encode("utf-8", "surrogatepass"), _COUNTS)

    @cached_property
    def _item(self) -> str:
        return self.model.snapshot.schema.item.name

    @cached_property
    def people(self) -> Kept[tuple[int, int], str]:
        """By (how many others, item that they liked): "112 of the 147 other viewers"."""
        others, people = self._others, self.language.people
        return Kept(lambda key: people(key[0], others[key[1]]), _COUNTS)

    @cached_property
    def people_of(self) -> Kept[tuple[int, int, bool], str]:
        """By (item, how many, whether it stands first): "112 of the 147 other viewers who liked A"."""
        others, people_of, names = self._others, self.language.people_of, self.items
        return Kept(lambda key: people_of(names[key[0]], key[1], others[key[0]], key[2]), _COUNTS)

    @cached_property
    def rates(self) -> Kept[int, str]:
        """By item: which share of all users liked it."""
        others, language, users = self._others, self.language, len(self.model.users)
        return Kept(lambda item: language.percent((others[item] + 1) / users), _COUNTS)

    @cached_property
    def _others(self) -> Kept[int, int]:
        """By item: how many users besides the one who is told liked it, where that one did."""
        likes = self.model.interacted.likes
        return Kept(lambda item: int(likes[item]) - 1, _COUNTS)

    def of_reasons(
        self, reasons: Reasons, leads: Ints, addends: Addends, forms: Sequence[PathPattern], *, shares: bool
    ) -> list[tuple[str, ...]]:
        """What fills the slots of each reason's sentence, in the order :data:`SLOTS`; "" where it has no such slot.

        Args:
            reasons: the reasons.
            leads: how their sentences start; see :func:`leads_of`.
            addends: the terms of their scores.
            forms: the forms that the reasons number.
            shares: whether the sentences tell the share of each reason.
        """
        items = addends.items[reasons.pair].tolist()
        if len(items) >= _MANY:
            self.known(np.concatenate([addends.items, reasons.liked.values, reasons.bridges.values]))
        counted = leads == _NUMBER["counted"]
        first = reasons.liked.bounds[:-1][counted]
        who = zip(reasons.others[first].tolist(), reasons.liked.values[first].tolist(), strict=True)
        where = counted.nonzero()[0].tolist()
        count, rate, empty = [""] * len(items), [""] * len(items), [""] * len(items)
        for n, key in zip(where, who, strict=True):
            count[n], rate[n] = self.people[key], self.rates[items[n]]
        columns: dict[Role, list[str]] = {
            "item": [self.items[item] for item in items],
            "liked": self._liked(reasons, leads, addends, forms),
            "shared": self._shared(reasons, forms),
            "bridge": self._bridges(reasons),
            "count": count,
            "rate": rate,
            "share": [self.language.percent(share) for share in reasons.share.tolist()] if shares else empty,
        }
        return list(zip(*(columns[role] for role in SLOTS), strict=True))

    def _liked(self, reasons: Reasons, leads: Ints, addends: Addends, forms: Sequence[PathPattern]) -> list[str]:
        """The user's items; where they are many and share one fact, how many more have it in the graph."""
        liked, counts = reasons.liked, reasons.liked.counts
        many = (leads == _NUMBER["several"]) & (counts > MAX_NAMED) & (reasons.shared.counts == 1)
        lengths = np.minimum(counts, np.where(many, MAX_NAMED - 1, MAX_NAMED))
        cells, owner, bounds = ranges(liked.bounds[:-1], lengths), leads.repeat(lengths), bounds_of(lengths)
        texts = [self.items[j] for j in liked.values[cells].tolist()]
        at = (owner == _NUMBER["counts"]).nonzero()[0]
        begins = np.zeros(len(owner) + 1, np.bool_)
        begins[bounds] = True
        first = begins[at]
        told = zip(liked.values[cells[at]].tolist(), reasons.others[cells[at]].tolist(), first.tolist(), strict=True)
        for n, key in zip(at.tolist(), told, strict=True):
            texts[n] = self.people_of[key]
        found = self._joined(texts, bounds, leads == _NUMBER["crowd"])
        chosen = many.nonzero()[0]
        if not len(chosen):
            return found
        histories: dict[int, frozenset[int]] = {}
        pairs, facts = reasons.pair[chosen], reasons.shared.values[reasons.shared.bounds[chosen]]
        columns = chosen, pairs, addends.users[pairs], addends.items[pairs], reasons.form[chosen], facts, bounds[chosen]
        for n, pair, user, item, form, fact, start in zip(*(x.tolist() for x in columns), strict=True):
            history = histories.get(user)
            if history is None:
                mine = slice(addends.bounds[pair], addends.bounds[pair + 1])
                history = histories[user] = frozenset(addends.sources[mine][addends.weights[mine] > 0].tolist())
            last = forms[form].edges[-1]
            having = self.having[last.type or "", last.forward][fact]
            others = len(having & history) - (item in having and item in history) - (MAX_NAMED - 1)
            found[n] = self.language.listed(texts[start : start + MAX_NAMED - 1], others, self._item)
        return found

    def _shared(self, reasons: Reasons, forms: Sequence[PathPattern]) -> list[str]:
        if not len(reasons.shared.values):
            return [""] * len(reasons.form)
        through = np.array([form.through for form in forms], object)[reasons.form]
        types = np.repeat(through, reasons.shared.counts).tolist()
        texts = [self.facts[kind][entity] for kind, entity in zip(types, reasons.shared.values.tolist(), strict=True)]
        return self._joined(texts, reasons.shared.bounds)

    def _bridges(self, reasons: Reasons) -> list[str]:
        bridges, counts = reasons.bridges, reasons.bridges.counts
        if not len(bridges.values):
            return [""] * len(counts)
        lengths = np.minimum(counts, MAX_NAMED)
        texts = [self.items[t] for t in bridges.values[ranges(bridges.bounds[:-1], lengths)].tolist()]
        return self._joined(texts, bounds_of(lengths), counts > 1)

    def _joined(self, texts: list[str], bounds: Ints, either: NDArray[np.bool_] | None = None) -> list[str]:
        """Lists of texts, each as one; joined with "or" where ``either``."""
        join, ends = self.language.join, bounds.tolist()
        ors = [False] * (len(ends) - 1) if either is None else either.tolist()
        return [
            texts[start] if stop - start == 1 else join(texts[start:stop], either=other) if stop > start else ""
            for (start, stop), other in zip(pairwise(ends), ors, strict=True)
        ]


def leads_of(reasons: Reasons, forms: Forms) -> Ints:
    """How the sentence of each reason starts: its place in :data:`LEADS`."""
    crowd, bridges, liked = forms.crowded[reasons.form], reasons.bridges.counts > 1, reasons.liked.counts != 1
    found: Ints = _STARTS_NUMBERED.take(4 * crowd + 2 * bridges + liked)
    return found


def _named(snapshot: Snapshot, say: Callable[[PathNode], str], node_type: str) -> Kept[int, str]:
    key, name = snapshot.ids[node_type].key, partial(snapshot.name, node_type)
    return Kept(lambda index: say(PathNode(node_type, key(index), name(index))))


def _having(snapshot: Snapshot, edge: tuple[str, bool]) -> Kept[int, frozenset[int]]:
    edges = snapshot.edges[edge[0]]
    entities, items = (edges.source, edges.target) if edge[1] else (edges.target, edges.source)
    return Kept(lambda entity: frozenset(items[entities == entity].tolist()))
