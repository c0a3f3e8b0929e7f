"""Explanations in words: deterministic, offline, and every name, number and relation in the text is on a path.

A reason is first a kind of sentence and what fills its slots (:class:`Row`), made straight from a
:class:`~kg_rec.explain.paths.search.PathTable` on dense indices; sentences are taken apart once and then only filled.
A text says in this order: that more speaks against the item than for it, where that is so; how much speaks for it;
the largest reasons, weighed; what speaks against it, where it matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.errors import SchemaError
from kg_rec.explain.path import PathEdge, PathNode
from kg_rec.explain.paths.forms import PathPattern
from kg_rec.explain.paths.search import PathTable
from kg_rec.explain.words.grammar import sentences
from kg_rec.explain.words.languages.base import Language, speaker
from kg_rec.explain.words.patterns import Lead, Link, Role, SentenceKind, Tone, pattern
from kg_rec.explain.words.slots import Template
from kg_rec.explain.words.wording import Wording
from kg_rec.model.recommender import Recommender
from kg_rec.schema import GraphSchema

#: Names in a list before the others are counted.
MAX_NAMED = 3
#: Least share of a reason with a word of its own: "mainly", "also"; below the second it is "a little".
WEIGHTS = (0.25, 0.08)
#: A reason with a smaller share is told only where it is the largest.
LEAST = 0.03
#: What speaks against an item is told from this share of what speaks for it; an item of the user from the second.
AGAINST, AGAINST_EACH = 0.1, 0.03
#: Most of them that are named.
MAX_AGAINST = 2
#: Counts that are kept in words, so that a service that runs for weeks does not grow.
_COUNTS = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One reason.

    Attributes:
        kind: of its sentence.
        texts: what fills the slots, besides the recommended item and the share.
        share: its part of what speaks for the item, 0 to 1.
    """

    kind: SentenceKind
    texts: Mapping[Role, str]
    share: float


@dataclass(frozen=True)
class Sentences:
    """The sentences of one schema in one wording, taken apart.

    Attributes:
        language: speaks about the schema.
        tone: which sentences.
        phrases: texts by key and tone that are spoken in place of those that ship.
    """

    language: Language
    tone: Tone
    phrases: Mapping[tuple[str, Tone], tuple[str, ...]]
    _known: dict[tuple[SentenceKind, bool, str], tuple[Template, ...]] = field(default_factory=dict, repr=False)
    _remarks: dict[str, Template] = field(default_factory=dict, repr=False)

    def templates(self, kind: SentenceKind, named: bool = True, weight: str = "") -> tuple[Template, ...]:
        """The sentences for a kind, at least one.

        Args:
            kind: the kind.
            named: whether they name the recommended item; else they say "this film".
            weight: what stands before them: "Mainly: ".

        Raises:
            SchemaError: the schema cannot say a relation in this language.
        """
        found = self._known.get((kind, named, weight))
        if found is None:
            said = pattern(self.language.schema, self.language.code, kind)
            texts = self.phrases.get((said.key, self.tone)) or sentences(said, self.tone)
            if not texts:
                raise SchemaError(
                    f"schema {self.language.schema.name}: the pattern {said.key!r} cannot be said in "
                    f"{self.language.title}; check the words of its relation for brackets and braces"
                )
            roles = {tag: role for role, tag in said.tags.items()}
            found = self._known[kind, named, weight] = tuple(
                Template.parse(self._placed(text, said.tags["item"], named, weight), roles) for text in texts
            )
        return found

    def _placed(self, text: str, item: str, named: bool, weight: str) -> str:
        if not named:
            text = text.replace(f"[{item}]", self.language.this_item())
            text = text[:1].upper() + text[1:]
        return weight + self.language.opened(text) if weight else text

    def say(self, row: Row, item: str | None = None, seed: int = 0, weight: str = "") -> str:
        """One reason in words.

        Args:
            row: the reason.
            item: the recommended item's name as it is written; None where it was named before.
            seed: chooses among the sentences.
            weight: see :meth:`templates`.
        """
        known = self.templates(row.kind, item is not None, weight)
        texts = {**row.texts, "item": item or "", "share": self.language.percent(row.share)}
        return known[seed % len(known)].fill(texts)

    def remark(self, name: str, texts: Mapping[str, str]) -> str:
        """A sentence about the score as a whole; see :attr:`Language.remarks`."""
        found = self._remarks.get(name)
        if found is None:
            words = self.language.words((), "none", False, False)
            text = re.sub(r"\{(\w+)\}", lambda m: words[m.group(1)][0], self.language.remarks[name])
            found = self._remarks[name] = Template.parse(text)
        return found.fill(texts)


def sentences_of(schema: GraphSchema, wording: Wording) -> Sentences:
    """The sentences of a schema in a wording; the same arguments give the same object, with what it took apart.

    Raises:
        PhraseError: a phrase of the book is refused.
        SchemaError: the schema cannot say a relation in the language.
    """
    return _sentences_of(_Schema(schema), wording)


@dataclass(frozen=True, eq=False)
class _Schema:
    """A schema as a key: its digest stands for it."""

    schema: GraphSchema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and other.schema.digest == self.schema.digest

    def __hash__(self) -> int:
        return hash(self.schema.digest)


@lru_cache(maxsize=32)
def _sentences_of(key: _Schema, wording: Wording) -> Sentences:
    book, lang = wording.phrasebook, wording.lang
    return Sentences(speaker(key.schema, lang), wording.tone, book.for_schema(key.schema, lang) if book else {})


def seed_of(user: str, item: str) -> int:
    """A whole number for a user and an item, the same on every machine (CRC-32)."""
    return crc32(f"{user}\0{item}".encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class _Reason:
    """The paths that one sentence tells.

    Attributes:
        form: of all paths, besides the channel.
        link: what leads to the item.
        rows: for each path (j, t, entity), in order: how many others, and its share.
    """

    form: PathPattern
    link: Link
    rows: dict[tuple[int, int, int], tuple[int, float]]


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
    _numbers: dict[tuple[int, int], str] = field(default_factory=dict, repr=False)
    _groups: dict[tuple[int, int, bool], str] = field(default_factory=dict, repr=False)
    _kinds: dict[tuple[PathPattern, Lead, bool], SentenceKind] = field(default_factory=dict, repr=False)
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
        language, item_type = spoken.language, model.snapshot.schema.item.name
        users = model.users.keys.take(pa.array(addends.users)).to_pylist()
        items = model.items.keys.take(pa.array(addends.items)).to_pylist()
        scores, positive = table.score.tolist(), table.positive.tolist()
        net = np.sum(list(addends.values.values()), axis=0) if addends.values else np.zeros(len(addends.pairs))
        speaking = np.bincount(addends.pairs[net > 0], minlength=len(users)).tolist()
        against = _against(table, net)
        weighed = spoken.tone != "audit"
        found = []
        for pair, (reasons, remarks) in enumerate(zip(self._reasons(table), notes, strict=True)):
            item = int(addends.items[pair])
            name, seed = self._name(item_type, item), seed_of(users[pair], items[pair])
            history = addends.sources[addends.bounds[pair] : addends.bounds[pair + 1]].tolist()
            rows = [self._row(one, history, item) for one in reasons]
            rows = [row for n, row in enumerate(rows) if not n or row.share >= LEAST]
            told: list[str] = []
            if scores[pair] <= 0 and speaking[pair]:
                told.append(spoken.remark("low", self._sides(table, net, pair, name)))
            if rows and speaking[pair] > 1:
                share = language.percent(min(1.0, sum(row.share for row in rows)))
                told.append(
                    spoken.remark("whole", {"ITEM": name, "NUMBER": language.number(speaking[pair]), "SHARE": share})
                )
            for n, row in enumerate(rows):
                weight = _weight(language, row.share) if weighed and len(rows) > 1 else ""
                told.append(spoken.say(row, None if told else name, seed + n, weight))
            if not told:
                empty = "no_path" if _any_term(table, pair) else "base_only"
                empty = "no_interactions" if "no_interactions" in remarks else empty
                told.append(spoken.remark(empty, {"ITEM": name}))
            fashion = model.fashion
            if fashion is not None and fashion.values[item] >= LEAST * positive[pair] and fashion.counts[item] > 1:
                crowd = language.crowd(int(fashion.counts[item]))
                told.append(spoken.remark("in_fashion", {"CROWD": crowd, "DAYS": language.number(fashion.days)}))
            if pair in against and (scores[pair] <= 0 or against[pair][1] >= AGAINST * positive[pair]):
                which, much = against[pair]
                texts = {
                    "LIKED": language.join([self._name(item_type, j) for j in which]),
                    "SHARE": language.percent(much / positive[pair]),
                }
                told.append(spoken.remark("against" if len(which) == 1 else "against_several", texts))
            if "already_interacted" in remarks:
                told.append(spoken.remark("already_interacted", {}))
            found.append(language.gap.join(told))
        return found

    def _sides(self, table: PathTable, net: NDArray[np.float64], pair: int, name: str) -> dict[str, str]:
        """The two sides of a score as numbers: they differ by it."""
        cells = slice(table.addends.bounds[pair], table.addends.bounds[pair + 1])
        base, values = float(table.addends.base[pair]), net[cells]
        sides = (
            float(values[values > 0].sum()) + max(base, 0.0),
            -float(values[values < 0].sum()) - min(base, 0.0),
        )
        return {"ITEM": name, "FOR": f"{sides[0]:.4g}", "AGAINST": f"{sides[1]:.4g}"}

    def _reasons(self, table: PathTable) -> Iterator[list[_Reason]]:
        """What is told of each score, in order: groups of equal steps together, attributes of the same items too."""
        forms, entities, every = table.form.tolist(), table.entity.tolist(), table.forms.every
        links = {form: self._link(every[form]) for form in set(forms)}
        steps: dict[object, int] = {}
        step_of = {form: steps.setdefault(every[form].edges, form) for form in sorted(links)}
        groups, paths = table.groups.tolist(), table.paths.tolist()
        sources, others, bridges, shares = (x.tolist() for x in (table.source, table.others, table.bridge, table.share))
        for pair in range(len(groups) - 1):
            told: dict[tuple[int, object], _Reason] = {}
            for group in range(groups[pair], groups[pair + 1]):
                form, entity = forms[group], entities[group]
                start, stop = paths[group], paths[group + 1]
                link = links[form]
                key: tuple[int, object] = (step_of[form], None)
                if every[form].bridged:
                    key = (step_of[form], entity if link == "shared" else bridges[start])
                elif link == "shared":
                    few = stop - start <= MAX_NAMED  # the items that have the fact are counted where they are many
                    key = (step_of[form], frozenset(sources[start:stop]) if few else entity)
                if key not in told:
                    told[key] = _Reason(every[form], link, {})
                rows = told[key].rows
                for path in range(start, stop):
                    row = (sources[path], bridges[path], entity)  # several channels may know a row
                    rows[row] = (others[path], shares[path] + rows.get(row, (0, 0.0))[1])
            yield list(told.values())[: self.wording.sentences]

    def _link(self, form: PathPattern) -> Link:
        if form.through is not None:
            return "shared"
        tail = form.edges[3 if form.crowd else 1 :]
        return "none" if not tail else "direct" if tail[0].type is not None else "text" if self._described else "facts"

    @cached_property
    def _described(self) -> bool:
        """Whether items have descriptions in the graph: values of a property that the schema marks as text."""
        item = self.model.snapshot.schema.item
        columns = (self.model.snapshot.nodes[item.name].column(name) for name in item.text_properties)
        return any(column.null_count < len(column) for column in columns)

    def _row(self, reason: _Reason, history: list[int], item: int) -> Row:
        form, rows = reason.form, reason.rows
        item_type = self.model.snapshot.schema.item.name
        language = self.sentences.language
        liked = list(dict.fromkeys([row[0] for row in rows])) if len(rows) > 1 else [next(iter(rows))[0]]
        bridges = list(dict.fromkeys([row[1] for row in rows])) if form.bridged else []
        shared = list(dict.fromkeys([row[2] for row in rows])) if reason.link == "shared" else []
        lead: Lead = "one" if len(liked) == 1 else "several"
        if form.crowd:
            lead = "crowd" if len(bridges) > 1 else "counted" if len(liked) == 1 else "counts"
        texts: dict[Role, str] = {}
        if lead == "counts":
            counts: dict[int, int] = {}
            for row, (others, _) in rows.items():
                counts.setdefault(row[0], others)
            texts["liked"] = self._counted(counts)
        else:
            texts["liked"] = self._list(reason, liked, shared, history, item)
        if lead == "counted":
            texts["count"] = self._people(next(iter(rows.values()))[0], liked[0])
            texts["rate"] = self._rate(item)
        if form.bridged:
            texts["bridge"] = language.join(
                [self._name(item_type, t) for t in bridges[:MAX_NAMED]], either=len(bridges) > 1
            )
        if shared:
            texts["shared"] = language.join([self._name(form.through or item_type, e) for e in shared])
        return Row(self._kind(reason, lead, len(shared) > 1), texts, sum([share for _, share in rows.values()]))

    def _kind(self, reason: _Reason, lead: Lead, several: bool) -> SentenceKind:
        key = (reason.form, lead, several)
        found = self._kinds.get(key)
        if found is None:
            last = reason.form.edges[-1]
            steps = (PathEdge(last.type, not last.forward),) if reason.link in ("shared", "direct") else ()
            found = self._kinds[key] = SentenceKind(lead, reason.link, steps, several)
        return found

    def _name(self, node_type: str, index: int) -> str:
        names = self._names.setdefault(node_type, {})
        found = names.get(index)
        if found is None:
            key, name = self.model.snapshot.ids[node_type].key(index), self.model.snapshot.name(node_type, index)
            found = names[index] = self.sentences.language.name(PathNode(node_type, key, name))
        return found

    def _list(self, reason: _Reason, liked: list[int], shared: list[int], history: list[int], item: int) -> str:
        """Names of the user's items; where they share one fact, how many more have it in the graph."""
        item_type, language = self.model.snapshot.schema.item.name, self.sentences.language
        if len(liked) > MAX_NAMED and len(shared) == 1 and not reason.form.crowd:
            having = self._having(reason.form.edges[-1], shared[0])
            named = [self._name(item_type, j) for j in liked[: MAX_NAMED - 1]]
            total = sum(j in having for j in history if j != item)
            return language.listed(named, total - len(named), item_type)
        return language.join([self._name(item_type, j) for j in liked[:MAX_NAMED]], either=reason.form.crowd)

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
        first = [self._people_of(j, n, place == 0) for place, (j, n) in enumerate(list(counts.items())[:MAX_NAMED])]
        return self.sentences.language.join(first)

    def _people_of(self, source: int, common: int, first: bool) -> str:
        key = (source, common, first)
        found = self._groups.get(key)
        if found is None:
            name = self._name(self.model.snapshot.schema.item.name, source)
            total = self._others_who_liked(source)
            if len(self._groups) >= _COUNTS:
                self._groups.clear()
            found = self._groups[key] = self.sentences.language.people_of(name, common, total, first)
        return found

    def _others_who_liked(self, item: int) -> int:
        """How many users besides the one who is told liked an item of theirs."""
        indptr = self.model.users_of_items.indptr
        return int(indptr[item + 1] - indptr[item]) - 1

    def _rate(self, item: int) -> str:
        found = self._numbers.get((-1, item))
        if found is None:
            count = self._others_who_liked(item) + 1
            found = self._numbers[-1, item] = self.sentences.language.percent(count / len(self.model.users))
        return found


def _against(table: PathTable, net: NDArray[np.float64]) -> dict[int, tuple[list[int], float]]:
    """By score, the user's items that speak most against it, two at most, and how much they take away together."""
    addends = table.addends
    found: dict[int, tuple[list[int], float]] = {}
    strong = np.flatnonzero(net < -AGAINST_EACH * table.positive[addends.pairs])
    for cell in strong[np.argsort(net[strong], kind="stable")].tolist():
        pair = int(addends.pairs[cell])
        which, much = found.get(pair, ([], 0.0))
        if len(which) < MAX_AGAINST and table.positive[pair] > 0:
            found[pair] = ([*which, int(addends.sources[cell])], much - float(net[cell]))
    return found


def _weight(language: Language, share: float) -> str:
    place = 0 if share >= WEIGHTS[0] else 1 if share >= WEIGHTS[1] else 2
    return language.weights[place]


def _any_term(table: PathTable, pair: int) -> bool:
    cells = slice(table.addends.bounds[pair], table.addends.bounds[pair + 1])
    return any(values[cells].any() for values in table.addends.values.values())
