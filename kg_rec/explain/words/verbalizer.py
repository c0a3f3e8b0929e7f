"""Explanations in words: deterministic, offline, and every name, number and relation in the text is on a path.

What fills the slots of a sentence is made straight from a :class:`~kg_rec.explain.paths.search.PathTable` on dense
indices; the sentences are those of :mod:`kg_rec.explain.words.sentences`.
A text says in this order: that more speaks against the item than for it, where that is so; how much speaks for it;
the largest reasons, weighed; what speaks against it, where it matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.paths.forms import PathPattern
from kg_rec.explain.paths.search import PathTable
from kg_rec.explain.words.languages.base import Language
from kg_rec.explain.words.patterns import Lead, Role, SentenceKind
from kg_rec.explain.words.reasons import MAX_NAMED, Against, Reason, against, link_of, reasons
from kg_rec.explain.words.sentences import Sentences, sentences_of
from kg_rec.explain.words.slots import Template
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender

#: Least share of a reason with a word of its own: "mainly", "also"; below the second it is "a little".
WEIGHTS = (0.25, 0.08)
#: A reason with a smaller share is told only where it is the largest.
LEAST = 0.03
#: What speaks against an item is told from this share of what speaks for it.
AGAINST = 0.1
#: Counts that are kept in words, so that a service that runs for weeks does not grow.
_COUNTS = 100_000


def seed_of(user: str, item: str) -> int:
    """A whole number for a user and an item, the same on every machine (CRC-32)."""
    return crc32(f"{user}\0{item}".encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Verbalizer:
    """Puts the paths of a model into words; keeps names and numbers once made.

    Attributes:
        model: the model.
        wording: how.
        sentences: what it speaks.

    Raises:
        PhraseError: a phrase of the book is refused.
        SchemaError: the schema cannot say a relation in the language.
    """

    model: Recommender
    wording: Wording = field(default_factory=Wording)
    sentences: Sentences = field(init=False, repr=False)
    _names: dict[str, dict[int, str]] = field(default_factory=dict, repr=False)
    _entities: dict[str, dict[int, str]] = field(default_factory=dict, repr=False)
    _numbers: dict[tuple[int, int], str] = field(default_factory=dict, repr=False)
    _groups: dict[tuple[int, int, bool], str] = field(default_factory=dict, repr=False)
    _facts: dict[tuple[str, int], frozenset[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """A phrasebook that does not fit is refused before anything is computed."""
        object.__setattr__(self, "sentences", sentences_of(self.model.snapshot.schema, self.wording))

    def about(self, model: Recommender) -> Verbalizer:
        """Speaks about a model with the same nodes and facts, and other interactions; shares the names once written."""
        return replace(self, model=model, _numbers={}, _groups={})

    def tell(self, table: PathTable, notes: Sequence[tuple[str, ...]]) -> list[str]:
        """The explanations of all scores in words.

        Args:
            table: the paths shown.
            notes: remarks per score.
        """
        spoken, model, addends = self.sentences, self.model, table.addends
        language, every = spoken.language, table.forms.every
        owners, dense = addends.users.tolist(), addends.items.tolist()
        users, items = model.users.texts(owners), model.items.texts(dense)
        scores, positive = table.score.tolist(), table.positive.tolist()
        net = np.sum(list(addends.values.values()), axis=0) if addends.values else np.zeros(len(addends.pairs))
        speaking = np.bincount(addends.pairs[net > 0], minlength=len(users)).tolist()
        opposed = against(table, net)
        weighed = spoken.tone != "audit"
        kinds: dict[tuple[int, Lead, bool], SentenceKind] = {}
        templates: dict[tuple[int, Lead, bool, bool, str], tuple[Template, ...]] = {}
        history: frozenset[int] = frozenset()
        of = -1
        found = []
        told_of = reasons(table, self._described, self.wording.sentences)
        for pair, (some, remarks) in enumerate(zip(told_of, notes, strict=True)):
            item = dense[pair]
            name, seed = self._name(self._item, item), seed_of(users[pair], items[pair])
            if owners[pair] != of:
                of = owners[pair]
                cells = slice(addends.bounds[pair], addends.bounds[pair + 1])
                history = frozenset(addends.sources[cells][addends.weights[cells] > 0].tolist())
            some = [reason for n, reason in enumerate(some) if not n or reason.share >= LEAST]
            told: list[str] = []
            if scores[pair] < 0 or (scores[pair] == 0 and speaking[pair]):
                told.append(spoken.remark("low", self._sides(table, net, pair, name)))
            if some and speaking[pair] > 1:
                share = language.percent(min(1.0, sum([reason.share for reason in some])))
                told.append(
                    spoken.remark("whole", {"ITEM": name, "NUMBER": language.number(speaking[pair]), "SHARE": share})
                )
            for n, reason in enumerate(some):
                weight = _weight(language, reason.share) if weighed and len(some) > 1 else ""
                lead, several, texts = self._texts(reason, every[reason.form], history, item)
                key = (reason.form, lead, several, not told, weight)
                known = templates.get(key)
                if known is None:
                    kind = kinds.get(key[:3])
                    if kind is None:
                        kind = kinds[key[:3]] = self._kind(every[reason.form], lead, several)
                    known = templates[key] = spoken.templates(kind, not told, weight)
                texts["item"] = name
                if not weighed:
                    texts["share"] = language.percent(reason.share)
                told.append(known[(seed + n) % len(known)].fill(texts))
            if not some and not (told and speaking[pair]):
                empty = "no_path" if _any_term(table, pair) else "base_only"
                empty = "no_interactions" if "no_interactions" in remarks else empty
                told.append(spoken.remark(empty, {"ITEM": name}))
            fashion = model.fashion
            if fashion is not None and fashion.values[item] >= LEAST * positive[pair] and fashion.counts[item] > 1:
                crowd = language.crowd(int(fashion.counts[item]))
                told.append(spoken.remark("in_fashion", {"CROWD": crowd, "DAYS": language.number(fashion.days)}))
            stated = model.stated
            if stated is not None and stated.user == int(addends.users[pair]):
                told += [text for text, _ in stated.about(item, language.code)]
            other = opposed[pair]
            if other is not None and (scores[pair] <= 0 or other.share >= AGAINST):
                told.append(self._opposed(other))
                if disliked := [j for j in other.named if j not in history]:
                    names = language.join([self._name(self._item, j) for j in disliked])
                    told.append(spoken.remark("disliked", {"LIKED": names}))
            if "already_interacted" in remarks:
                told.append(spoken.remark("already_interacted", {}))
            found.append(language.gap.join(told))
        return found

    def _opposed(self, other: Against) -> str:
        language = self.sentences.language
        texts = {"SHARE": language.percent(other.share), "NUMBER": language.number(other.count)}
        if other.named:
            texts["LIKED"] = language.join([self._name(self._item, j) for j in other.named])
        few = "against" if other.count == 1 else "against_several"
        which = few if other.count == len(other.named) else "against_most" if other.named else "against_each"
        return self.sentences.remark(which, texts)

    def _sides(self, table: PathTable, net: NDArray[np.float64], pair: int, name: str) -> dict[str, str]:
        """The two sides of a score as numbers: they differ by it."""
        cells = slice(table.addends.bounds[pair], table.addends.bounds[pair + 1])
        base, values = float(table.addends.base[pair]), net[cells]
        sides = (
            float(values[values > 0].sum()) + max(base, 0.0),
            -float(values[values < 0].sum()) - min(base, 0.0),
        )
        speaks_for, opposed = (np.format_float_positional(side, 4, fractional=False, trim="-") for side in sides)
        return {"ITEM": name, "FOR": speaks_for, "AGAINST": opposed}

    @cached_property
    def _described(self) -> bool:
        """Whether items have descriptions in the graph: values of a property that the schema marks as text."""
        item = self.model.snapshot.schema.item
        columns = (self.model.snapshot.nodes[item.name].column(name) for name in item.text_properties)
        return any(column.null_count < len(column) for column in columns)

    @cached_property
    def _item(self) -> str:
        return self.model.snapshot.schema.item.name

    def _texts(
        self, reason: Reason, form: PathPattern, history: frozenset[int], item: int
    ) -> tuple[Lead, bool, dict[Role, str]]:
        """How a reason's sentence starts, whether several attributes are shared, and what fills it."""
        rows, language = reason.rows, self.sentences.language
        if form.crowd and not form.bridged:
            if len(rows) > 1:
                return "counts", False, {"liked": self._counted({row[0]: others for row, others in rows.items()})}
            ((source, _, _), others), *_ = rows.items()
            name, count = self._name(self._item, source), self._people(others, source)
            return "counted", False, {"liked": name, "count": count, "rate": self._rate(item)}
        liked = list(dict.fromkeys([row[0] for row in rows]))
        shared = list(dict.fromkeys([row[2] for row in rows])) if form.through is not None else []
        texts: dict[Role, str] = {}
        if shared:
            texts["shared"] = language.join([self._fact(form.through or self._item, e) for e in shared])
        if not form.crowd:
            texts["liked"] = self._list(form, liked, shared, history, item)
            return "one" if len(liked) == 1 else "several", len(shared) > 1, texts
        bridges = list(dict.fromkeys([row[1] for row in rows]))
        texts["bridge"] = language.join(
            [self._name(self._item, t) for t in bridges[:MAX_NAMED]], either=len(bridges) > 1
        )
        if len(bridges) == 1 and len(liked) > 1:
            counts: dict[int, int] = {}
            for row, others in rows.items():
                counts.setdefault(row[0], others)
            texts["liked"] = self._counted(counts)
            return "counts", len(shared) > 1, texts
        texts["liked"] = language.join([self._name(self._item, j) for j in liked[:MAX_NAMED]], either=True)
        if len(bridges) > 1:
            return "crowd", len(shared) > 1, texts
        texts["count"], texts["rate"] = self._people(next(iter(rows.values())), liked[0]), self._rate(item)
        return "counted", len(shared) > 1, texts

    def _kind(self, form: PathPattern, lead: Lead, several: bool) -> SentenceKind:
        last, link = form.edges[-1], link_of(form, self._described)
        steps = (PathEdge(last.type, not last.forward),) if link in ("shared", "direct") else ()
        steps = (last,) if link == "vectors" else steps
        return SentenceKind(lead, link, steps, several)

    def _name(self, node_type: str, index: int) -> str:
        names = self._names.setdefault(node_type, {})
        found = names.get(index)
        if found is None:
            key, name = self.model.snapshot.ids[node_type].key(index), self.model.snapshot.name(node_type, index)
            found = names[index] = self.sentences.language.name(PathNode(node_type, key, name))
        return found

    def _fact(self, node_type: str, index: int) -> str:
        names = self._entities.setdefault(node_type, {})
        found = names.get(index)
        if found is None:
            key, name = self.model.snapshot.ids[node_type].key(index), self.model.snapshot.name(node_type, index)
            found = names[index] = self.sentences.language.fact(PathNode(node_type, key, name))
        return found

    def _list(self, form: PathPattern, liked: list[int], shared: list[int], history: frozenset[int], item: int) -> str:
        """Names of the user's items; where they share one fact, how many more have it in the graph."""
        language = self.sentences.language
        if len(liked) > MAX_NAMED and len(shared) == 1:
            having = self._having(form.edges[-1], shared[0])
            named = [self._name(self._item, j) for j in liked[: MAX_NAMED - 1]]
            total = len(having & history) - (item in having and item in history)
            return language.listed(named, total - len(named), self._item)
        return language.join([self._name(self._item, j) for j in liked[:MAX_NAMED]])

    def _having(self, edge: PathEdge, entity: int) -> frozenset[int]:
        """The items that have a fact in the graph; ``edge`` leads from the entity to an item."""
        key = (edge.type or "", entity)
        found = self._facts.get(key)
        if found is None:
            edges = self.model.snapshot.edges[key[0]]
            entities, items = (edges.source, edges.target) if edge.forward else (edges.target, edges.source)
            found = self._facts[key] = frozenset(items[entities == entity].tolist())
        return found

    def _people(self, common: int, source: int) -> str:
        key = (common, source)
        found = self._numbers.get(key)
        if found is None:
            if len(self._numbers) >= _COUNTS:
                self._numbers.clear()
            found = self._numbers[key] = self.sentences.language.people(common, self._others_who_liked(source))
        return found

    def _counted(self, counts: Mapping[int, int]) -> str:
        """The others of several items, the largest reasons first, as many as are named."""
        first = [self._people_of(j, n, not place) for place, (j, n) in enumerate(islice(counts.items(), MAX_NAMED))]
        return self.sentences.language.join(first)

    def _people_of(self, source: int, common: int, first: bool) -> str:
        key = (source, common, first)
        found = self._groups.get(key)
        if found is None:
            name = self._name(self._item, source)
            total = self._others_who_liked(source)
            if len(self._groups) >= _COUNTS:
                self._groups.clear()
            found = self._groups[key] = self.sentences.language.people_of(name, common, total, first)
        return found

    def _others_who_liked(self, item: int) -> int:
        """How many users besides the one who is told liked an item of theirs."""
        return int(self.model.interacted.likes[item]) - 1

    def _rate(self, item: int) -> str:
        found = self._numbers.get((-1, item))
        if found is None:
            count = self._others_who_liked(item) + 1
            found = self._numbers[-1, item] = self.sentences.language.percent(count / len(self.model.users))
        return found


def _weight(language: Language, share: float) -> str:
    place = 0 if share >= WEIGHTS[0] else 1 if share >= WEIGHTS[1] else 2
    return language.weights[place]


def _any_term(table: PathTable, pair: int) -> bool:
    cells = slice(table.addends.bounds[pair], table.addends.bounds[pair + 1])
    return any(values[cells].any() for values in table.addends.values.values())
