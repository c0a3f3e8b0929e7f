"""What a person says of themselves, and what it does to the list: a clause struck, more, less or none of something.

    s'(u, i) = s(u, i) + sum over what was said of x [i has e]

x is +w or -w standard deviations of the user's own scores for more or less of a feature e, and -v(u, e) for a struck
clause (:mod:`kg_rec.people.profile`): after that, items with e score for the user, on average, as much above the others
as they do for everybody.  "None of it" and "only that" say which items may be listed at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats64
from kg_rec.ask.answer import AskConfig
from kg_rec.ask.atoms import bare, key
from kg_rec.ask.request import Constraint, Node, Request
from kg_rec.ask.session import Asker
from kg_rec.ask.tell import remarks_of
from kg_rec.ask.words import language_of, words_of
from kg_rec.errors import ArgumentError, ConfigError
from kg_rec.model.recommender import Recommender
from kg_rec.people.features import Feature
from kg_rec.people.profile import Profiler
from kg_rec.schema import GraphSchema

Kind = Literal["struck", "more", "less", "never", "only"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Years that bound nothing.
_FIRST, _LAST = 0, 9999


@dataclass(frozen=True, slots=True)
class Preference:
    """Something that a person said.

    Attributes:
        kind: ``struck`` (a clause of the profile that shall not count), ``more``, ``less``, ``never`` or ``only``.
        feature: what it is about; an empty relation stands for any that ties items to the node.
    """

    kind: Kind
    feature: Feature

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ArgumentError(f"expected one of {', '.join(KINDS)}, got {self.kind!r}")


@dataclass(frozen=True)
class Edited:
    """A user's scores with what the user said.

    Attributes:
        user: user key.
        preferences: what was said.
        model: the model.
        yours: s(u, i), the scores without it, shape (items,).
        parts: what each preference adds, float64, shape (preferences, items).
        listed: the items that each preference lets be listed, shape (preferences, items).
        out: items that are not listed whatever is said: the user had them, or the model's rules keep them away;
            shape (items,).
    """

    user: str
    preferences: tuple[Preference, ...]
    model: Recommender
    yours: Floats64
    parts: Floats64
    listed: NDArray[np.bool_]
    out: NDArray[np.bool_]

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Items that may be listed, shape (items,)."""
        allowed: NDArray[np.bool_] = np.logical_and.reduce(self.listed, axis=0)
        return allowed

    @cached_property
    def scores(self) -> Floats64:
        """s'(u, i), shape (items,)."""
        scores: Floats64 = self.yours + self.parts.sum(axis=0)
        return scores

    def best(self, k: int, *, edited: bool = True) -> NDArray[np.int64]:
        """The best k items that the user did not have, best first; without what was said if not ``edited``.

        Raises:
            ConfigError: k is below 1.
        """
        if k < 1:
            raise ConfigError(f"expected k of at least 1, got {k}")
        scores = self.scores if edited else self.yours
        items = np.flatnonzero(~self.out & self.allowed if edited else ~self.out)
        best: NDArray[np.int64] = items[np.lexsort((items, -scores[items]))[:k]]
        return best

    def recommend(self, k: int = 10) -> pa.Table:
        """The list as an Arrow table with the columns rank, item, name, score."""
        best = self.best(k)
        place = pa.array(best)
        names = self.model.snapshot.names(self.model.snapshot.schema.item.name)
        return pa.table(
            {
                "rank": pa.array(np.arange(1, len(best) + 1, dtype=np.int32)),
                "item": self.model.items.keys.take(place),
                "name": names.take(place),
                "score": pa.array(self.scores[best]),
            }
        )

    def addends(self, item: str) -> tuple[tuple[Preference | None, float], ...]:
        """The parts of an item's score, the user's own first (None); those that are 0 are left out.

        Raises:
            NotFoundError: the item is unknown.
        """
        i = self.model.items.index(item)
        pairs = zip(self.preferences, self.parts[:, i].tolist(), strict=True)
        return ((None, float(self.yours[i])), *((p, v) for p, v in pairs if v))


class Editor:
    """Reads what people say, and applies it.

    Args:
        profiler: makes profiles by a model.
        asker: reads requests over the same model.
        config: how much words count.
    """

    def __init__(self, profiler: Profiler, asker: Asker, config: AskConfig | None = None) -> None:
        self.profiler, self.asker, self.config = profiler, asker, config or AskConfig()
        self.model = profiler.model

    def read(
        self, text: str, lang: str | None = None, *, near: bool = True
    ) -> tuple[tuple[Preference, ...], tuple[str, ...]]:
        """What a sentence such as "no horror, more from the seventies" says.

        Args:
            text: the sentence.
            lang: ``en`` or ``zh``; None for the language that it is written in.
            near: whether words count that name no node and only say what it is like: "sad", "space".

        Returns:
            What was understood, and what there is to say of the rest, in the sentence's language.

        Raises:
            ConfigError: sentences in the language are not understood.
        """
        parser = self.asker.parser(lang or language_of(text))
        request = parser.parse(text)
        words = words_of(request.language).plain
        only, less = (_holds(request, words[kind]) for kind in ("only", "less"))
        schema = self.model.snapshot.schema
        preferences, rest = list[Preference](), list[str]()
        for wish in request.wishes:
            if not (near or wish.must or key(wish.said) in parser.names.nodes):
                continue
            kind: Kind = ("only" if only and wish.must else "more") if wish.wanted else "never" if wish.must else "less"
            for node in wish.nodes:
                if node.type == schema.item.name:
                    rest.append(wish.said)
                else:
                    preferences.append(Preference(kind, feature_of(schema, node, wish.relation)))
        for constraint in request.constraints:
            years = _years(constraint)
            if years is None or constraint.property is None:
                rest.append(constraint.said)
                continue
            wanted: Kind = "only" if only else "less" if less else "more"
            kind = "never" if constraint.op == "not in" else wanted
            preferences.append(Preference(kind, Feature.of_years(constraint.property, *years)))
        rest += [anchor.said for anchor in request.anchors]
        plain = replace(request, constraints=(), anchors=(), not_understood=(*request.not_understood, *rest))
        return tuple(dict.fromkeys(preferences)), tuple(remarks_of(plain, schema, text))

    def clause(self, user: str, name: str) -> Preference:
        """The preference that strikes the clause of a user's profile whose feature has this name or key.

        Raises:
            NotFoundError: the user is unknown.
            ArgumentError: the profile has no such clause.
        """
        clauses = self.profiler.profile(user).clauses
        for clause in clauses:
            if bare(name) in (bare(clause.feature.name), bare(clause.feature.key)):
                return Preference("struck", clause.feature)
        known = ", ".join(c.feature.name for c in clauses) or "none"
        raise ArgumentError(f"expected the name of a clause of the profile of {user!r} ({known}), got {name!r}")

    def apply(self, user: str, preferences: Sequence[Preference], model: Recommender | None = None) -> Edited:
        """A user's scores with what the user said.

        Args:
            user: user key.
            preferences: what was said.
            model: the same model with a newer history of the user; None for the editor's own.

        Raises:
            NotFoundError: the user, or a node, is unknown.
        """
        model = model or self.model
        index = model.users.index(user)
        yours = model.scores(np.array([index]))[0]
        had = np.zeros(len(model.items), np.bool_)
        had[model.seen[[index]].indices] = True
        spread = float(yours[~had].std()) if not had.all() else 0.0
        size = self.config.wish * (spread if spread > 1e-9 else 1.0)
        listed = np.ones((len(preferences), len(model.items)), np.bool_)
        parts = np.zeros((len(preferences), len(model.items)))
        for n, preference in enumerate(preferences):
            has = self.profiler.features.has(preference.feature)
            if preference.kind == "never":
                listed[n] = ~has
            elif preference.kind == "only":
                listed[n] = has
            elif preference.kind == "struck":
                parts[n, has] = -self.profiler.worth(model.histories[[index]], has)
            else:
                parts[n, has] = size if preference.kind == "more" else -size
        return Edited(user, tuple(preferences), model, yours, parts, listed, had | ~model.shown.to(index))


def feature_of(schema: GraphSchema, node: Node, relation: str | None) -> Feature:
    """The feature of the items that are tied to a node: by the relation type given, or by any."""
    ends = {schema.item.name, node.type}
    ties = [r.name for r in schema.knowledge_relations if {r.source, r.target} == ends]
    known = relation or (ties[0] if len(ties) == 1 else "")
    return Feature(known, node.type, node.key, node.name)


def _years(constraint: Constraint) -> tuple[int, int] | None:
    """The years that a bound leaves, or takes away where it is ``not in``."""
    if constraint.field != "year" or not constraint.values:
        return None
    low, high = int(constraint.values[0]), int(constraint.values[-1])
    ranges = {"<": (_FIRST, low - 1), "<=": (_FIRST, low), ">": (low + 1, _LAST), ">=": (low, _LAST)}
    return ranges.get(constraint.op, (low, high))


def _holds(request: Request, words: Sequence[str]) -> bool:
    """Whether a request has one of these words."""
    text = bare(request.text)
    if request.language == "zh":
        return any(word in text for word in words)
    return any(re.search(rf"\b{re.escape(word)}\b", text) for word in words)


def kind_of(text: str) -> Kind:
    """A kind by its name.

    Raises:
        ArgumentError: there is none.
    """
    if text not in KINDS:
        raise ArgumentError(f"expected one of {', '.join(KINDS)}, got {text!r}")
    return text
