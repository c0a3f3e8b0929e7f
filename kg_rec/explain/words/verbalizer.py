"""Explanations in words: deterministic, offline, and every name, number and relation in the text is on a path.

What is told of a score is first reasons (:mod:`kg_rec.explain.words.reasons`), made straight from a
:class:`~kg_rec.explain.paths.search.PathTable` on dense indices; each is a sentence whose slots are filled.
A text says in this order: that more speaks against the item than for it, where that is so; how much speaks for it;
the largest reasons, weighed; what speaks against it, where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.segments import bounds_of, sums
from kg_rec.arrays.types import Floats64
from kg_rec.explain.path import PathEdge
from kg_rec.explain.paths.forms import PathPattern
from kg_rec.explain.paths.search import PathTable
from kg_rec.explain.words.fillings import LEADS, SLOTS, Fillings, Kept, leads_of
from kg_rec.explain.words.patterns import Lead, SentenceKind
from kg_rec.explain.words.reasons import WEIGHTS, Against, Reasons, against, link_of, reasons
from kg_rec.explain.words.sentences import Sentences, sentences_of
from kg_rec.explain.words.wording import Wording
from kg_rec.model.again import Habits
from kg_rec.model.recommender import Addends, Recommender

#: A reason with a smaller share is told only where it is the largest.
LEAST = 0.03


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
        fillings: what fills their slots.

    Raises:
        PhraseError: a phrase of the book is refused.
        SchemaError: the schema cannot say a relation in the language.
    """

    model: Recommender
    wording: Wording = field(default_factory=Wording)
    sentences: Sentences = field(init=False, repr=False)
    fillings: Fillings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """A phrasebook that does not fit is refused before anything is computed."""
        object.__setattr__(self, "sentences", sentences_of(self.model.snapshot.schema, self.wording))
        object.__setattr__(self, "fillings", Fillings.of(self.model, self.sentences.language))

    def about(self, model: Recommender) -> Verbalizer:
        """Speaks about a model with the same nodes and facts, and other interactions; shares the names once written."""
        found = replace(self, model=model)
        object.__setattr__(found, "fillings", self.fillings.about(model))
        return found

    def tell(self, table: PathTable, notes: Sequence[tuple[str, ...]]) -> list[str]:
        """The explanations of all scores in words.

        Args:
            table: the paths shown.
            notes: remarks per score.
        """
        spoken, model, addends = self.sentences, self.model, table.addends
        language, names, numbers = spoken.language, self.fillings.items, self.fillings.numbers
        count = len(addends.users)
        net = _net(addends)
        speaking = np.bincount(addends.pairs[net > 0], minlength=count)
        some = reasons(table, self.wording.sentences, LEAST)
        counts = np.bincount(some.pair, minlength=count)
        habits, habit_share = self._habits(table)
        low = (table.score < 0) | ((table.score == 0) & (speaking > 0))
        whole = ((counts > 0) | (habit_share > 0)) & (speaking > 1)
        said, places = self._said(table, some, counts == 1, ~(low | whole)), bounds_of(counts).tolist()
        shares = np.minimum(1, sums(some.share, some.pair, count) + habit_share).tolist()
        opposed, speak_for = against(table, net), self._speaking
        fashion, stated = model.fashion, model.stated
        trendy = [False] * count
        if fashion is not None:
            much = fashion.values[addends.items] >= LEAST * table.positive
            trendy = (much & (fashion.counts[addends.items] > 1)).tolist()
        columns, this = (addends.users, addends.items, speaking, low, whole), language.this_item()
        found = []
        for pair, (user, item, number, weak, several) in enumerate(zip(*(x.tolist() for x in columns), strict=True)):
            told: list[str] = []
            if weak:
                told.append(spoken.remark("low", {"ITEM": names[item], **_sides(addends, net, pair)}))
            if several:
                told.append(speak_for(this if weak else names[item], numbers[number], language.percent(shares[pair])))
            if habits[pair]:
                told.append(habits[pair])
            told += said[places[pair] : places[pair + 1]]
            if not told or (weak and not number and len(told) == 1):
                empty = "no_path" if _any_term(addends, pair) else "base_only"
                empty = "no_interactions" if "no_interactions" in notes[pair] else empty
                told.append(spoken.remark(empty, {"ITEM": names[item]}))
            if trendy[pair] and fashion is not None:
                crowd = language.crowd(int(fashion.counts[item]))
                told.append(spoken.remark("in_fashion", {"CROWD": crowd, "DAYS": language.number(fashion.days)}))
            if stated is not None and stated.user == user:
                told += [text for text, _ in stated.about(item, language.code)]
            if pair in opposed:
                told += self._opposed(opposed[pair])
            if "already_interacted" in notes[pair]:
                told.append(spoken.remark("already_interacted", {}))
            found.append(language.gap.join(told))
        return found

    def _said(self, table: PathTable, some: Reasons, alone: NDArray[np.bool_], unnamed: NDArray[np.bool_]) -> list[str]:
        """A sentence for each reason; the first one of a score names the item where that is ``unnamed`` so far.

        Args:
            table: the paths shown.
            some: the reasons.
            alone: per score, whether it has but one.
            unnamed: per score.
        """
        addends, forms = table.addends, table.forms.every
        # one alone, or the first where it is not large, is told without a word for its weight
        first = some.place == 0
        plain = alone[some.pair] | (first & (some.weight > 0)) | (self.sentences.tone == "audit")
        sizes = len(WEIGHTS) + 1
        again = ~(plain | first)
        again[1:] &= (some.weight[:-1] == some.weight[1:]) & ~plain[:-1]
        weight = np.where(plain, 2 * sizes, some.weight + sizes * again)
        named = first & unnamed[some.pair]
        leads = leads_of(some, table.forms)
        columns = some.form, leads, some.shared.counts > 1, named, weight
        kinds = list(zip(*(column.tolist() for column in columns), strict=True))
        known = {(f, lead, s, n, w): self._fillers[forms[f], LEADS[lead], s, n, w] for f, lead, s, n, w in set(kinds)}
        starts, ends = self.fillings.starts, self.fillings.keys
        pairs = zip(addends.users.tolist(), addends.items.tolist(), strict=True)
        seeds = np.array([crc32(ends[item], starts[user]) for user, item in pairs], np.int64)  # see seed_of
        seed = (seeds[some.pair] + some.place).tolist()
        texts = self.fillings.of_reasons(some, leads, addends, forms, shares=self.sentences.tone == "audit")
        sentences = [known[kind] for kind in kinds]
        return [fills[n % len(fills)](*row) for fills, n, row in zip(sentences, seed, texts, strict=True)]

    def _habits(self, table: PathTable) -> tuple[list[str], Floats64]:
        """What is told of each item that the user had, empty where that is little; its share of what speaks for it."""
        addends, count = table.addends, len(table.score)
        if "again" not in addends.values:
            return [""] * count, np.zeros(count)
        share = np.divide(addends.totals["again"], table.positive, out=np.zeros(count), where=table.positive > 0)
        share[share < LEAST] = 0
        told = [""] * count
        for pair in np.flatnonzero(share).tolist():
            habit = self.model.habit(int(addends.users[pair]), int(addends.items[pair]))
            if habit is not None:
                told[pair] = self._habit(habit, self.fillings.items[int(addends.items[pair])])
        return told, share

    def _habit(self, habit: Habits, name: str) -> str:
        """You bought it 4 times, about every 9 days; the last time 8 days ago."""
        spoken, number = self.sentences, self.sentences.language.number
        count, mean, days = int(habit.count[0]), float(habit.gap[0]), int(habit.since[0])
        gap = max(1, round(mean))
        ago = spoken.remark(("ago_today", "ago_day", "ago")[min(days, 2)], {"DAYS": number(days)})
        every = "again_times" if mean < 0.5 else "again_daily" if gap == 1 else "again"
        texts = {"ITEM": name, "TIMES": number(count), "GAP": number(gap), "AGO": ago}
        return spoken.remark("again_once" if count == 1 else every, texts)

    def _opposed(self, other: Against) -> list[str]:
        spoken, names, language = self.sentences, self.fillings.items, self.sentences.language
        liked = language.join([names[j] for j in other.named]) if other.named else ""
        few = "against" if other.number == 1 else "against_several"
        which = few if other.number == len(other.named) else "against_most" if other.named else "against_each"
        told = [self._opposing[which](liked, self.fillings.numbers[other.number], language.percent(other.share))]
        if other.disliked:
            told.append(spoken.remark("disliked", {"LIKED": language.join([names[j] for j in other.disliked])}))
        return told

    @cached_property
    def _described(self) -> bool:
        """Whether items have descriptions in the graph: values of a property that the schema marks as text."""
        item = self.model.snapshot.schema.item
        columns = (self.model.snapshot.nodes[item.name].column(name) for name in item.text_properties)
        return any(column.null_count < len(column) for column in columns)

    @cached_property
    def _speaking(self) -> Callable[..., str]:
        """How much speaks for an item, as a function of its name, the number and their share."""
        return self.sentences.template("whole").filler(("ITEM", "NUMBER", "SHARE"))

    @cached_property
    def _opposing(self) -> Kept[str, Callable[..., str]]:
        """By name, what is said of the items against one, as a function of their names, number and share."""
        return Kept(lambda name: self.sentences.template(name).filler(("LIKED", "NUMBER", "SHARE")))

    @cached_property
    def _fillers(self) -> Kept[tuple[PathPattern, Lead, bool, bool, int], tuple[Callable[..., str], ...]]:
        """What :meth:`_filler` makes, by its arguments."""
        return Kept(lambda kind: self._filler(*kind))

    def _filler(
        self, form: PathPattern, lead: Lead, several: bool, named: bool, weight: int
    ) -> tuple[Callable[..., str], ...]:
        """The sentences for a form of paths, as functions of what fills the slots in the order :data:`SLOTS`."""
        last, link = form.edges[-1], link_of(form, self._described)
        steps = (PathEdge(last.type, not last.forward),) if link in ("shared", "direct") else ()
        steps = (last,) if link == "vectors" else steps
        language = self.sentences.language
        words = (*language.weights, *(language.weights_again or language.weights), "")[weight]
        templates = self.sentences.templates(SentenceKind(lead, link, steps, several), named, words)
        return tuple(template.filler(SLOTS) for template in templates)


def _net(addends: Addends) -> Floats64:
    """The sum of each addend over the channels."""
    net = np.zeros(len(addends.pairs))
    for values in addends.values.values():
        net += values
    return net


def _sides(addends: Addends, net: Floats64, pair: int) -> dict[str, str]:
    """The two sides of a score as numbers: they differ by it."""
    base, values = float(addends.base[pair]), net[addends.bounds[pair] : addends.bounds[pair + 1]]
    sides = (
        float(values[values > 0].sum()) + max(base, 0.0),
        -float(values[values < 0].sum()) - min(base, 0.0),
    )
    speaks_for, opposed = (np.format_float_positional(side, 4, fractional=False, trim="-") for side in sides)
    return {"FOR": speaks_for, "AGAINST": opposed}


def _any_term(addends: Addends, pair: int) -> bool:
    cells = slice(addends.bounds[pair], addends.bounds[pair + 1])
    return any(values[cells].any() for values in addends.values.values())
