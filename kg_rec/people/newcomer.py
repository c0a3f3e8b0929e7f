"""People of whom the model knows nothing yet: served from attributes, a sentence, a few likes, or all at once.

    s(i) = w_p p_i + w_a sum_a d_ai + w_l sum_j (d_ji + w_o o_ji / unit) + w_s <e - m, t_i> + w_x sum_x +-[i has x]

p_i is the share of all users who liked item i.  d_gi is how much more often a group g chose it: those who share the
attribute a, or who liked the item j as well, ``d_gi = n_g / (n_g + prior) (n_gi / n_g - p_i)``, which shrinks small
groups to everybody.  o_ji is what the like adds to i in the trained model, e the embedding of the sentence, t_i that of
the item's text, both without the mean m of all texts; x are the nodes and years that the sentence names
(:mod:`kg_rec.people.preferences`): more or less of them; "no horror" and "only westerns" say what may be listed.  Every
addend is told: the counts are those of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64
from kg_rec.errors import ArgumentError, ConfigError, ModelError
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.cold.similarity import centred_texts
from kg_rec.model.encoders.text import TextEncoder, find_encoder
from kg_rec.model.recommender import Recommender, positions
from kg_rec.people.features import Features
from kg_rec.people.groups import Choices, Group
from kg_rec.people.preferences import Preference
from kg_rec.people.statements import differing, group_statement
from kg_rec.settings import expect
from kg_rec.store import GraphStore
from kg_rec.tabular import Tabular

#: Likes by which the scale of the trained model's addends is measured.
_SAMPLE = 200

Kind = Literal["popularity", "attribute", "like", "model", "sentence", "said"]


@dataclass(frozen=True, slots=True)
class NewcomerConfig:
    """How newcomers are scored.

    The defaults of ``attributes``, ``likes``, ``operator`` and ``prior`` were chosen on held-out validation users of
    MovieLens 100K who told attributes and three likes.  ``sentence`` was chosen where a sentence is all that is known;
    beside likes validation chose 0 there, and on test users a sentence was no better than what everybody likes.

    Attributes:
        popularity: weight w_p of the share of all users who liked an item.
        attributes: weight w_a of what those who share an attribute chose.
        likes: weight w_l of each like.
        operator: weight w_o, within a like, of what it adds in the trained model.
        sentence: weight w_s of the sentence.
        said: weight w_x of a node or years that it names, in standard deviations of the rest of the score; set by hand,
            as :class:`~kg_rec.ask.answer.AskConfig` has it.
        prior: users of average taste that are added to each group.
        least: a group of fewer users says nothing, so that no count tells of one person.
        blocked: attributes that are never used.
        sensitive: attributes that are used with a warning; names are compared in small letters.
    """

    popularity: float = 1.0
    attributes: float = 0.75
    likes: float = 0.5
    operator: float = 0.02
    sentence: float = 0.4
    said: float = 3.0
    prior: float = 20.0
    least: int = 5
    blocked: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = (
        *("age", "birth_year", "birthday", "gender", "sex", "race", "ethnicity", "nationality", "religion"),
        *("disability", "health", "orientation", "politics", "income", "zip_code", "postcode"),
    )

    def __post_init__(self) -> None:
        for name in ("popularity", "attributes", "likes", "operator", "sentence", "said", "prior"):
            value = getattr(self, name)
            expect(np.isfinite(value) and value >= 0, f"newcomer.{name}", "a number from 0", value)
        expect(self.least >= 1, "newcomer.least", "at least 1", self.least)


@dataclass(frozen=True)
class Newcomer:
    """What is known of a person.

    Attributes:
        likes: keys of items.
        attributes: values by name of a property that the schema gives to users.
        sentence: what the person says; data, never an instruction.
    """

    likes: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Addend:
    """One addend of a newcomer's score.

    Attributes:
        kind: ``popularity``, ``attribute``, ``like`` (by counts), ``model`` (a like, in the trained model),
            ``sentence`` (as a whole) or ``said`` (a node or years that the sentence names).
        name: the attribute, the key of the liked item, ``more`` or ``less``; empty for the others.
        shared: what the group shares, or what more or less is wanted of, as told; empty for the others.
        value: what it adds.
        chose: how many of the group, or of everybody, liked the item; None where nothing is counted.
        users: how many they are; None where nothing is counted.
    """

    kind: Kind
    name: str
    shared: str
    value: float
    chose: int | None = None
    users: int | None = None


@dataclass(frozen=True, repr=False)
class Served(Tabular):
    """A newcomer as the model sees them: a score for every item, and the addends of each.

    Attributes:
        newcomer: what is known.
        config: settings.
        model: the model.
        groups: the groups that speak, attributes first.
        parts: what each addend gives to every item, in the order popularity, groups, likes in the model, sentence, what
            it names; float64, shape (addends, items).
        likes: dense indices of the liked items, shape (m,).
        silent: kind and name of the attributes and likes that say nothing by counts, as too few users share them.
        everybody: share of all users who liked each item, shape (items,).
        users: how many users there are who liked something.
        said: what the sentence names, more or less of it.
        allowed: items that may be listed by what it says, shape (items,).
    """

    newcomer: Newcomer
    config: NewcomerConfig
    model: Recommender
    groups: tuple[Group, ...]
    parts: Floats64
    likes: NDArray[np.int64]
    silent: tuple[tuple[Kind, str], ...]
    everybody: Floats64
    users: int
    said: tuple[Preference, ...]
    allowed: NDArray[np.bool_]

    @cached_property
    def scores(self) -> Floats64:
        """The score of every item, shape (items,)."""
        scores: Floats64 = self.parts.sum(axis=0)
        return scores

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of each addend, in the order of :attr:`parts`."""
        counted: list[Kind] = ["popularity", *(group.kind for group in self.groups)]
        rest: list[Kind] = ["model"] * len(self.likes)
        named: list[Kind] = ["said"] * len(self.said)
        return (*counted, *rest, *(("sentence",) if self.newcomer.sentence else ()), *named)

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Attributes in use that are sensitive."""
        used = {g.name for g in self.groups if g.kind == "attribute"}
        return tuple(sorted(name for name in used if name.casefold() in self.config.sensitive))

    def best(self, k: int, candidates: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """The best k items without those liked, best first, equal scores by index.

        The model's own rules hold: a limit compares with what the person's attributes say.

        Raises:
            ConfigError: k is below 1.
        """
        if k < 1:
            raise ConfigError(f"expected k of at least 1, got {k}")
        allowed = self.allowed & self.model.shown.to_person(self.newcomer.attributes)
        allowed &= True if candidates is None else candidates
        allowed[self.likes] = False
        items = np.flatnonzero(allowed)
        best: NDArray[np.int64] = items[np.lexsort((items, -self.scores[items]))[:k]]
        return best

    def recommend(self, k: int = 10) -> pa.Table:
        """The list as an Arrow table with the columns rank, item, name, score."""
        best = self.best(k)
        names = self.model.snapshot.names(self.model.snapshot.schema.item.name)
        place = pa.array(best)
        return pa.table(
            {
                "rank": pa.array(np.arange(1, len(best) + 1, dtype=np.int32)),
                "item": self.model.items.keys.take(place),
                "name": names.take(place),
                "score": pa.array(self.scores[best]),
            }
        )

    def to_arrow(self) -> pa.Table:
        """The best ten items, as :meth:`recommend` lists them."""
        return self.recommend()

    def addends(self, item: str) -> tuple[Addend, ...]:
        """Every addend of an item's score, in the order of :attr:`parts`; they sum to it.

        Raises:
            NotFoundError: the item is unknown.
        """
        i = self.model.items.index(item)
        values = iter(self.parts[:, i].tolist())
        chose = round(float(self.everybody[i]) * self.users)
        addends = [Addend("popularity", "", "", next(values), chose, self.users)]
        for group in self.groups:
            counts = (int(group.chose[i]), group.users)
            addends.append(Addend(group.kind, group.name, group.told(), next(values), *counts))
        addends += [Addend("model", self.model.items.key(j), "", next(values)) for j in self.likes.tolist()]
        if self.newcomer.sentence:
            addends.append(Addend("sentence", "", "", next(values)))
        addends += [Addend("said", p.kind, p.feature.name, next(values)) for p in self.said]
        return tuple(addends)

    def statements(self, item: str) -> tuple[tuple[str, dict[str, Any]] | None, ...]:
        """Per addend of an item's score the statement that returns its counts; None where nothing is counted.

        See :func:`kg_rec.people.statements.group_statement`.  A like is no reason for itself: it has no counts there.
        """
        schema, groups = self.model.snapshot.schema, iter(self.groups)
        statements = []
        for addend in self.addends(item):
            group = next(groups) if addend.kind in ("attribute", "like") else None
            counted = addend.users is not None and not (addend.kind == "like" and addend.name == item)
            statements.append(group_statement(schema, group, item) if counted else None)
        return tuple(statements)

    def differences(self, store: GraphStore, item: str) -> tuple[str, ...]:
        """Where a store counts otherwise than the addends of an item say, one line each; empty if it agrees."""
        lines = []
        for addend, said in zip(self.addends(item), self.statements(item), strict=True):
            if said is not None:
                told = {"users": addend.users, "chose": addend.chose}
                differences = differing(store, said, told, "for the newcomer")
                lines += [f"{addend.kind} {addend.name}: {line}" for line in differences]
        return tuple(lines)

    def without_sensitive(self) -> Served:
        """The same person served without the sensitive attributes."""
        kept = {n: v for n, v in self.newcomer.attributes.items() if n not in self.sensitive}
        dropped = [1 + n for n, g in enumerate(self.groups) if g.kind == "attribute" and g.name in self.sensitive]
        groups = tuple(g for g in self.groups if not (g.kind == "attribute" and g.name in self.sensitive))
        person = Newcomer(self.newcomer.likes, kept, self.newcomer.sentence)
        return replace(self, newcomer=person, groups=groups, parts=np.delete(self.parts, dropped, axis=0))


@dataclass(frozen=True)
class Welcome:
    """Serves newcomers by a model; keeps what does not depend on the person.

    Attributes:
        model: a trained model.
        config: settings.
    """

    model: Recommender
    config: NewcomerConfig = NewcomerConfig()

    @cached_property
    def choices(self) -> Choices:
        """Who chose what."""
        return Choices(self.model, self.config.least)

    @cached_property
    def _unit(self) -> float:
        """Root mean square of what a like adds to an item in the trained model, over the most liked items."""
        counts = np.diff(self.model.users_of_items.indptr)
        liked = np.argsort(-counts, kind="stable")[:_SAMPLE]
        size = float(np.sqrt(np.mean(np.square(self._operator(liked))))) if len(liked) else 0.0
        return size or 1.0

    @cached_property
    def _encoder(self) -> TextEncoder:
        meaning = self.model.config.of(MeaningConfig)
        return TextEncoder(find_encoder(meaning.encoder), meaning.batch_size, meaning.max_tokens)

    def serve(self, person: Newcomer, said: Sequence[Preference] = ()) -> Served:
        """Score every item for a person.

        Args:
            person: what is known.
            said: what the sentence names, as :meth:`kg_rec.people.preferences.Editor.read` reads it.

        Raises:
            NotFoundError: a liked item is unknown.
            ArgumentError: an attribute is unknown, or an item is liked twice, or nothing is known.
            ModelError: there is a sentence, and the model has no texts.
        """
        if len(set(person.likes)) < len(person.likes):
            raise ArgumentError(f"expected each item once in the likes, got {', '.join(person.likes)}")
        likes = positions(self.model.items, person.likes)
        blocked = {name.casefold() for name in self.config.blocked}
        unknown = blocked - {name.casefold() for name in self.choices.properties}
        if unknown:
            raise ArgumentError(f"blocked {sorted(unknown)[0]!r}: expected an attribute of users in the schema")
        used = {n: v for n, v in person.attributes.items() if n.casefold() not in blocked and v is not None}
        attributes = tuple(self.choices.of_attributes(used))
        together = tuple(self.choices.of_likes(likes))
        groups = (*attributes, *together)
        rows = [self.config.popularity * self.choices.shares[None, :]]
        rows += [self.weight_of(g) * self.lift(g)[None, :] for g in groups]
        factor = self.config.likes * self.config.operator / self._unit
        rows += [factor * self._operator(likes)]
        if person.sentence:
            rows.append(self.config.sentence * self.likeness(person.sentence)[None, :])
        weighed = tuple(p for p in said if p.kind in ("more", "less"))
        allowed = np.ones(len(self.model.items), np.bool_)
        for p in said:
            if p.kind in ("never", "only"):
                allowed &= self._features.has(p.feature) == (p.kind == "only")
        spread = float(np.concatenate(rows).sum(axis=0)[allowed].std()) if weighed and allowed.any() else 0.0
        size = self.config.said * (spread if spread > 1e-9 else 1.0)
        signs = [size if p.kind == "more" else -size for p in weighed]
        named = zip(signs, weighed, strict=True)
        rows += [sign * self._features.has(p.feature).astype(np.float64)[None, :] for sign, p in named]
        told: list[tuple[Kind, str]] = [*(("attribute", n) for n in used), *(("like", n) for n in person.likes)]
        spoken = {(g.kind, g.name) for g in groups}
        return Served(
            newcomer=person,
            config=self.config,
            model=self.model,
            groups=groups,
            parts=np.concatenate(rows),
            likes=likes,
            silent=tuple(one for one in told if one not in spoken),
            everybody=self.choices.shares,
            users=self.choices.users,
            said=weighed,
            allowed=allowed,
        )

    @cached_property
    def _features(self) -> Features:
        return Features(self.model)

    def weight_of(self, group: Group) -> float:
        """The weight of a group's addend."""
        return self.config.attributes if group.kind == "attribute" else self.config.likes

    def lift(self, group: Group) -> Floats64:
        """d_g of every item: how much more often the group chose it, shrunk to everybody; shape (items,)."""
        lift: Floats64 = (group.chose - group.users * self.choices.shares) / (group.users + self.config.prior)
        if group.kind == "like":
            lift[self.model.items.index(group.name)] = 0
        return lift

    def likeness(self, sentence: str) -> Floats64:
        """<e - m, t_i> of every item, unit vectors, shape (items,); the sentence is not kept anywhere."""
        texts, centre = self.model.similarity.text, self.model.similarity.centre
        if texts is None or centre is None:
            raise ModelError("the model has no texts, so a sentence says nothing; train it with meaning.encoder=auto")
        embedded = centred_texts(self._encoder.addends(sentence)[0].sum(axis=0)[None], centre)[0]
        cosines: Floats64 = texts.astype(np.float64) @ embedded.astype(np.float64)
        return cosines

    def _operator(self, likes: NDArray[np.int64]) -> Floats64:
        """What each like adds to every item in the trained model, float64, shape (m, items)."""
        ends = (np.arange(len(likes)), likes)
        rows = sparse.csr_array((np.ones(len(likes), np.float32), ends), shape=(len(likes), len(self.model.items)))
        scores = self.model.scores_of(rows) - self.model.base.astype(np.float64)
        scores[ends] = 0
        return np.asarray(scores, dtype=np.float64)
