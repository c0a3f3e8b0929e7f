"""Re-ranking of a user's best items: caps, diversity, calibration, floors of exposure, places for new items.

The score of an item stays what it is; where a list does not follow it, :mod:`kg_rec.jobs.moves` says so and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kg_rec.arrays.types import Floats32, Floats64, Ints
from kg_rec.errors import ConfigError
from kg_rec.explain.words.languages.base import speaker
from kg_rec.explain.words.slots import clean_name
from kg_rec.jobs.mix import divergence, mix_of_items
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.jobs.swaps import swapped
from kg_rec.metrics import discounts
from kg_rec.model.item_groups import items_of_group
from kg_rec.model.kernel import FactorKernel
from kg_rec.model.recommender import Recommender
from kg_rec.schema import RelationType
from kg_rec.snapshot.item_facts import item_relation, other_end

_BLOCK = 128
#: Most kinds that lists are calibrated by.
_MOST_KINDS = 500


class Why(IntEnum):
    """Why an item stands where it does."""

    SCORE = 0
    MIX = 1
    FLOOR = 2
    NEW = 3
    DIVERSE = 4


@dataclass(frozen=True)
class Floor:
    """A floor of exposure.

    Attributes:
        label: what the group is called in sentences.
        members: boolean, shape (items,).
        share: of each list's exposure.
    """

    label: str
    members: NDArray[np.bool_]
    share: float


@dataclass(frozen=True)
class Calibration:
    """What lists are calibrated by.

    Attributes:
        label: of the relation type, in sentences.
        names: of the kinds.
        mix: p(g | i), dense, shape (items, kinds).
        strength: from 0 to 1.
    """

    label: str
    names: tuple[str, ...]
    mix: Floats64
    strength: float


@dataclass(frozen=True)
class Reranked:
    """Lists in the order chosen.

    Attributes:
        items: dense indices, -1 for none, shape (b, k).
        scores: theirs, -inf for none, shape (b, k).
        before: rank by score alone, from 1; -r where it is known only that it was beyond rank r; 0 for none, shape
            (b, k).
        why: :class:`Why` of each, shape (b, k).
        floor: which floor an item was chosen for, -1 for none, shape (b, k).
    """

    items: Ints
    scores: Floats64
    before: Ints
    why: Ints
    floor: Ints

    @classmethod
    def empty(cls, users: int, k: int) -> Reranked:
        """Lists to be filled."""
        shape = (users, k)
        return cls(
            np.full(shape, -1, np.int64),
            np.full(shape, -np.inf),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.full(shape, -1, np.int64),
        )

    @classmethod
    def by_score(cls, items: Ints, scores: Floats64) -> Reranked:
        """Lists that follow the scores."""
        empty = cls.empty(*items.shape)
        return replace(empty, items=items, scores=scores, before=np.where(items >= 0, np.arange(items.shape[1]) + 1, 0))

    def put(self, rows: Ints, other: Reranked) -> None:
        """Replace some rows by those of other lists of the same length."""
        for name in ("items", "scores", "before", "why", "floor"):
            getattr(self, name)[rows] = getattr(other, name)


@dataclass(frozen=True)
class Reranker:
    """Chooses a list among a user's best items.

    Attributes:
        categories: per cap, the categories of each item, padded with -1, shape (n, width).
        most: per cap, items of one category in a list.
        vectors: unit vectors of the items, float32, shape (n, d); None without diversity.
        diversity: weight of dissimilarity.
        pool: items to choose from.
        new: which items had no interaction when the model was trained, boolean, shape (n,).
        reserved: places of a list for these: its last ones, where the others hold fewer.
        calibration: None for none.
        floors: of exposure.
        lang: language of what is said of moves.
    """

    categories: tuple[Ints, ...]
    most: tuple[int, ...]
    vectors: Floats32 | None
    diversity: float
    pool: int
    new: NDArray[np.bool_]
    reserved: int
    calibration: Calibration | None = None
    floors: tuple[Floor, ...] = field(default=())
    lang: str = "en"

    @property
    def also(self) -> tuple[NDArray[np.bool_], ...]:
        """Groups whose best items are chosen from too, if they are not among the best of all."""
        return (*((self.new,) if self.reserved else ()), *(floor.members for floor in self.floors))

    def __call__(
        self, items: Ints, scores: Floats64, k: int, own: Floats64 | None = None, ranked: int | None = None
    ) -> Reranked:
        """Choose k of the items of each row: greedily, and a calibration without caps and diversity then by swaps.

        Args:
            items: dense indices, best first, -1 for none, shape (b, p).
            scores: theirs, shape (b, p).
            k: length of the lists.
            own: mix of kinds of what each user liked, shape (b, kinds); for a calibration.
            ranked: so many columns are the best of all, those after them the best of some group; None for all.
        """
        width = items.shape[1] if ranked is None else ranked
        reranked = Reranked.empty(len(items), k)
        for start in range(0, len(items), _BLOCK):
            block = slice(start, start + _BLOCK)
            mine = None if own is None else own[block]
            places, why, floor = _Lists(self, items[block], scores[block], k, mine).choose()
            rows, filled = np.arange(len(places))[:, None], places >= 0
            reranked.items[block] = np.where(filled, items[block][rows, places], -1)
            reranked.scores[block] = np.where(filled, scores[block][rows, places], -np.inf)
            reranked.before[block] = np.where(filled, np.where(places < width, places + 1, -width), 0)
            reranked.why[block], reranked.floor[block] = why, floor
        return reranked


class _Lists:
    """A block of lists in the making; see :class:`Reranker` for the arguments."""

    def __init__(self, rules: Reranker, items: Ints, scores: Floats64, k: int, own: Floats64 | None) -> None:
        self.rules, self.items, self.scores, self.k, self.own = rules, items, scores, k, own
        self.rows = np.arange(len(items))
        self.free = items >= 0
        with np.errstate(invalid="ignore"):
            low = np.where(self.free, scores, np.inf).min(axis=1, keepdims=True)
            span = np.maximum(scores.max(axis=1, keepdims=True) - low, 1e-12)
            relevance = np.where(self.free, (scores - low) / span, 0.0)
        calibration = rules.calibration
        self.relevance = (
            relevance * (1 - rules.diversity) * (1 - (0.0 if calibration is None else calibration.strength))
        )
        self.near = np.zeros(items.shape)
        self.pooled = None if rules.vectors is None else rules.vectors[items]
        self.held = [c[items] for c in rules.categories]
        self.new, self.owed = rules.new[items] & self.free, np.full(len(items), rules.reserved)
        self.counts = [np.zeros((len(items), int(c.max(initial=-1)) + 2), dtype=np.int32) for c in rules.categories]
        self.inside = [floor.members[items] & self.free for floor in rules.floors]
        self.shown = np.zeros((len(rules.floors), len(items)))
        self.worth = discounts(k)
        kinds = 0 if calibration is None else calibration.mix.shape[1]
        self.mixed, self.sorted = np.zeros((len(items), kinds)), np.zeros(len(items))

    def choose(self) -> tuple[Ints, Ints, Ints]:
        """Places in the pool, -1 for none; :class:`Why`; and the floor that was kept; each of shape (b, k)."""
        shape = (len(self.items), self.k)
        places, why, kept = np.full(shape, -1, np.int64), np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
        for step in range(self.k):
            usable, reserved, floor = self._usable(step)
            worth = np.where(usable, self.relevance - self.rules.diversity * self.near - self._cost(), -np.inf)
            best = worth.argmax(axis=1)
            there = usable[self.rows, best]
            if not there.any():
                break
            by_score = np.where(usable, self.scores, -np.inf).argmax(axis=1)
            reason = np.where(best == by_score, Why.SCORE, Why.DIVERSE if self.own is None else Why.MIX)
            reason = np.where(floor >= 0, Why.FLOOR, np.where(reserved, Why.NEW, reason))
            places[there, step], why[there, step], kept[there, step] = best[there], reason[there], floor[there]
            self._take(best, there, step)
        calibration, own = self.rules.calibration, self.own
        if calibration is None or own is None or self.rules.diversity:
            return places, why, kept
        if not self.rules.categories:
            mix, movable = calibration.mix[self.items], self._movable(places, why)
            swapped_places = swapped(places, movable, self.free, self.relevance, mix, own, calibration.strength)
            why[swapped_places != places], places = Why.MIX, swapped_places
        return self._by_score(places, why, kept)

    def _movable(self, places: Ints, why: Ints) -> NDArray[np.bool_]:
        """Which items of the lists no floor and no reserved place holds, shape (b, k)."""
        held = np.maximum(places, 0)
        movable = np.isin(why, (Why.SCORE, Why.MIX))
        for inside in (*self.inside, *([self.new] if self.rules.reserved else [])):
            movable &= ~inside[self.rows[:, None], held]
        return movable

    def _usable(self, step: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Ints]:
        """What may be chosen; where only new items may; and the floor that has to be served now, -1 for none."""
        rows, usable = self.rows, self.free.copy()
        for cats, count, most in zip(self.held, self.counts, self.rules.most, strict=True):
            usable &= ~((count[rows[:, None, None], cats] >= most) & (cats >= 0)).any(axis=2)
        reserved = (self.owed >= self.k - step) & (usable & self.new).any(axis=1)
        usable &= self.new | ~reserved[:, None]
        floor = np.full(len(rows), -1)
        total, later = self.worth.sum(), self.worth[step + 1 :].sum()
        shares = np.array([f.share for f in self.rules.floors])[:, None]
        needed = np.maximum(shares * total - self.shown, 0)
        wasted = np.maximum((needed > 0).sum(axis=0) - 1, 0) * self.worth[step]  # a rank may be worth more than needed
        due = needed.sum(axis=0) > later - wasted + 1e-12  # what is left after this rank may not be enough
        for n in np.argsort([-f.share for f in self.rules.floors], kind="stable").tolist():
            now = due & (needed[n] > 0) & (floor < 0) & (usable & self.inside[n]).any(axis=1)
            usable &= self.inside[n] | ~now[:, None]
            floor[now] = n
        return usable, reserved, floor

    def _cost(self) -> Floats64 | float:
        """Strength times the divergence of the list with each item of the pool, shape (b, p)."""
        calibration = self.rules.calibration
        if calibration is None or self.own is None:
            return 0.0
        added = calibration.mix[self.items]
        number = self.sorted[:, None] + (added.sum(axis=2) > 0)
        shown = (self.mixed[:, None] + added) / np.maximum(number, 1)[:, :, None]
        cost: Floats64 = calibration.strength * divergence(self.own[:, None], shown)
        return cost

    def _take(self, best: Ints, there: NDArray[np.bool_], step: int) -> None:
        rows = self.rows
        self.free[rows[there], best[there]] = False
        self.owed -= there & self.new[rows, best]
        for n, inside in enumerate(self.inside):
            self.shown[n] += self.worth[step] * (there & inside[rows, best])
        for cats, count in zip(self.held, self.counts, strict=True):
            chosen = cats[rows, best]
            held_by = np.broadcast_to(rows[:, None], chosen.shape)
            count[held_by[there], chosen[there]] += 1  # padding counts in the last column, which nothing reads
        if self.pooled is not None:
            cosine = np.einsum("bpd,bd->bp", self.pooled, self.pooled[rows, best]).astype(np.float64)
            self.near = cosine if step == 0 else np.maximum(self.near, cosine)
        if self.rules.calibration is not None:
            added = self.rules.calibration.mix[self.items[rows, best]] * there[:, None]
            self.mixed += added
            self.sorted += added.sum(axis=1) > 0

    def _by_score(self, places: Ints, why: Ints, kept: Ints) -> tuple[Ints, Ints, Ints]:
        """The mix of a list does not depend on its order, so its items stand in the order of their scores.

        Those of a group that has a floor keep their ranks, which the floor counts.
        """
        held = places >= 0
        scores = np.where(held, self.scores[self.rows[:, None], places], -np.inf)
        fixed = ~held
        for inside in self.inside:
            fixed |= inside[self.rows[:, None], places] & held
        order = np.tile(np.arange(self.k), (len(places), 1))
        for row in np.flatnonzero((~fixed).any(axis=1)).tolist():
            some = np.flatnonzero(~fixed[row])
            order[row, some] = some[np.lexsort((places[row, some], -scores[row, some]))]
        one, other, last = (np.take_along_axis(array, order, axis=1) for array in (places, why, kept))
        return one, other, last


def reranker(config: CandidatesConfig, model: Recommender, k: int, lang: str = "en") -> Reranker | None:
    """The rule that re-ranks a user's best items, with its words in a language; None where there is none.

    Raises:
        ConfigError: a cap, a calibration or a floor names what is not in the graph, or the model has no embeddings for
            diversity.
        SchemaError: there is no such language.
    """
    if not (config.caps or config.diversity or config.new_items or config.calibrate or config.floors):
        return None
    schema, snapshot = model.snapshot.schema, model.snapshot
    known = {r.name: r for r in schema.item_relations}
    categories = []
    for n, cap in enumerate(config.caps):
        if cap.relation not in known:
            raise ConfigError(
                f"candidates.caps[{n}].relation: expected one of {', '.join(known)}, which leave {schema.item.name}; "
                f"got {cap.relation}"
            )
        edges = snapshot.edges[cap.relation]
        categories.append(_padded(edges.source, edges.target, len(snapshot.items)))
    vectors = embeddings(model) if config.diversity else None
    if config.diversity and vectors is None:
        raise ConfigError("candidates.diversity: the model has neither text nor relational embeddings; set it to 0")
    floors, words = [], speaker(schema, lang).what_if
    for n, floor in enumerate(config.floors):
        group, members = items_of_group(snapshot, floor.group, f"candidates.floors[{n}]")
        label = words[group] if isinstance(group, str) else f"{_label(group[0], lang)} {clean_name(group[1])}"
        floors.append(Floor(label, members, floor.share))
    return Reranker(
        categories=tuple(categories),
        most=tuple(c.most for c in config.caps),
        vectors=vectors,
        diversity=config.diversity,
        pool=max(config.pool, k),
        new=model.cold,
        reserved=min(config.new_items, k),
        calibration=_calibration(config, model, lang) if config.calibrate else None,
        floors=tuple(floors),
        lang=lang,
    )


def _label(relation: RelationType, lang: str) -> str:
    return clean_name(relation.labels.get(lang, relation.labels.get("en", relation.name)))


def _calibration(config: CandidatesConfig, model: Recommender, lang: str) -> Calibration:
    snapshot = model.snapshot
    relation = item_relation(snapshot.schema, config.calibrate, "candidates.calibrate")
    names = snapshot.names(other_end(snapshot.schema, relation)).to_pylist()
    if len(names) > _MOST_KINDS:
        raise ConfigError(
            f"candidates.calibrate: {relation.name} has {len(names):,} kinds; lists are calibrated by at most "
            f"{_MOST_KINDS}: choose a relation with fewer, such as genres"
        )
    mix = mix_of_items(snapshot, relation).toarray()
    return Calibration(_label(relation, lang), tuple(map(clean_name, names)), mix, config.strength)


def embeddings(model: Recommender) -> Floats32 | None:
    """Unit vectors of the items: the text and the relational embedding side by side, each of length 1 before."""
    parts = [] if model.text is None else [model.text]
    kernels = [c.kernel for c in model.channels if c.name == "relational"]
    parts += [np.asarray(kernel.target) for kernel in kernels if isinstance(kernel, FactorKernel)]
    units = [p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-12) for p in parts]
    if not units:
        return None
    joined = np.concatenate(units, axis=1)
    return np.asarray(joined / np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def _padded(source: Ints, target: Ints, n: int) -> Ints:
    """Targets of each source in a row, -1 beyond, shape (n, width)."""
    counts = np.bincount(source, minlength=n)
    padded = np.full((n, max(int(counts.max(initial=0)), 1)), -1, dtype=np.int64)
    starts = np.cumsum(counts) - counts
    padded[source, np.arange(len(source)) - starts[source]] = target
    return padded
