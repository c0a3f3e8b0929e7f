"""How small a model may become: how much is left out is chosen on validation, never on a test.

Some interactions of each user are held out, as training does it; the model is fitted to the others with the
hyperparameters that it has, and compressed further and further (:mod:`kg_rec.model.compression`) as long as NDCG@10 on
what was held out drops by no more than is allowed, with one standard error to spare.  The model itself, fitted to
everything, is compressed as far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kg_rec.api import Model
from kg_rec.arrays.types import Floats64
from kg_rec.errors import ArgumentError, ModelError
from kg_rec.metrics import standard_error
from kg_rec.model.compression import compressed, entries
from kg_rec.model.packing import Directions
from kg_rec.model.recommender import Recommender
from kg_rec.model.tensors import tensors_of
from kg_rec.model.train.validation import Validation, held_out
from kg_rec.progress import Progress, no_progress

#: What the drop of NDCG@10 may be if nothing else is said, as a share of it.
MAX_DROP = 0.01
#: Shares of the entries of learned matrices to choose from, one after the other.
KEEP = (1.0, 0.5, 0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.035, 0.025, 0.018, 0.012, 0.008)
#: Bits of a number to choose from, one after the other.
BITS = (16, 8, 6, 5, 4, 3)
#: Directions of texts to choose from, one after the other; more than there are dimensions are all of them.
DIRECTIONS = (384, 192, 128, 96, 64, 48, 32)
#: Bits of a number of a text's embedding at least, so that `kg-rec explain --verify` still tells it from others.
_TEXT_BITS = 8
#: The part of the drop that 8 bits and fewer directions may take, before entries are left out.
_BEFORE = 0.5
#: Most entries that a compressed model has.
_MOST = 50_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the curve.

    Attributes:
        keep: share of the entries of learned matrices that is kept.
        bits: of each number; those of texts have 8 at least.
        directions: of texts; 0 in a model without texts.
        bytes: of the packed tensors.
        smaller: how many times more the tensors take that are not compressed.
        ndcg: validation NDCG@10.
        drop: how much less that is than without compression, as a share of it.
        error: the standard error of the drop, over the users.
    """

    keep: float
    bits: int
    directions: int
    bytes: int
    smaller: float
    ndcg: float
    drop: float
    error: float

    @property
    def most(self) -> float:
        """The drop, and one standard error more."""
        return self.drop + self.error


@dataclass(frozen=True)
class Compressed:
    """A model that was made small.

    Attributes:
        model: the model.
        ndcg: validation NDCG@10 of the model fitted to what was not held out, before it is compressed.
        curve: what was tried, the largest first.
        taken: the smallest point of the curve whose NDCG@10 drops by no more than is allowed.
    """

    model: Model
    ndcg: float
    curve: tuple[Point, ...]
    taken: Point

    def to_dict(self) -> dict[str, Any]:
        """The curve, for JSON."""
        curve = [asdict(point) for point in self.curve]
        return {"ndcg@10": self.ndcg, "curve": curve, "taken": asdict(self.taken)}


def compress(model: Model, max_drop: float = MAX_DROP, *, progress: Progress = no_progress) -> Compressed:
    """The model in as few bytes as the quality allows.

    ::

        small = kg.compress(kg.Model.load("model"), max_drop=0.01)
        small.model.save("small")

    What is saved is the compressed model, and its scores are sums of its own addends, as exactly as before.

    Args:
        model: as it was trained.
        max_drop: how much of the validation NDCG@10 may be given up, as a share of it.
        progress: called as the work advances.

    Raises:
        ArgumentError: ``max_drop`` is not from 0 to below 1.
        ModelError: the model is compressed already, holds no users to choose on, has an NDCG@10 of 0 on what is held
            out, or has a channel that cannot be compressed.
    """
    if not 0 <= max_drop < 1:
        raise ArgumentError(f"max_drop: expected a share from 0 to below 1, got {max_drop}")
    whole = model.recommender
    _refuse(whole)
    ndcg, curve, taken = _curve(whole, max_drop, progress)
    progress(0, 1, "compress the model")
    small = _made(whole, taken.keep, taken.bits, taken.directions)
    return Compressed(Model(small), ndcg, tuple(sorted(curve, key=lambda p: -p.bytes)), taken)


def _refuse(model: Recommender) -> None:
    if model.compression is not None:
        raise ModelError("the model is compressed already; compress the one that it was made of")
    if model.chosen.privacy is not None:
        raise ModelError(
            "how far to compress is chosen on people's interactions, which the epsilon of a model trained with "
            "--epsilon does not count; such a model is small as it is"
        )
    if not len(model.snapshot.liked()):
        raise ModelError("how far to compress is chosen on interactions, of which the model's folder holds none")


def _curve(whole: Recommender, max_drop: float, progress: Progress) -> tuple[float, list[Point], Point]:
    """Validation NDCG@10 without compression; what was tried; and what is taken of it.

    With 8 bits entries are left out as far as the drop allows.  Fewer bits can afford no fewer entries, so with each
    number of bits the search goes on from the share that is taken to larger ones, until a point drops by no more than
    is allowed, which is taken, or is no smaller than what is taken.
    """
    from kg_rec.model.train.train import fit_again  # torch takes seconds to import

    split = held_out(whole.snapshot, whole.config)
    known = whole.snapshot.with_edges(whole.snapshot.schema.interaction.name, split.train)
    model = fit_again(whole, known, progress)
    validation = Validation.of(split.train, split, model.shape, model.config.fusion, model.config.seed)
    users = _per_user(model, validation)
    ndcg = float(users.mean())
    if not ndcg > 0:
        raise ModelError(
            "how far to compress cannot be judged: NDCG@10 on the interactions that are held out is 0 before anything "
            "is left out, so no drop of it can be seen; train on more users who have items in common"
        )
    bytes_before = sum(tensor.nbytes for tensor in tensors_of(model).values())
    curve: list[Point] = []

    def tried(keep: float, bits: int, directions: int) -> Point:
        """The next point of the curve."""
        what = f"try {keep:.1%} of the entries, {bits} bits, {directions} directions of texts"
        progress(len(curve), None, what)
        small = _made(model, keep, bits, directions)
        size = sum(tensor.nbytes for tensor in tensors_of(small).values())
        metric = _per_user(small, validation)
        error = standard_error(users, metric) / ndcg
        mean = float(metric.mean())
        curve.append(Point(keep, bits, directions, size, bytes_before / size, mean, 1 - mean / ndcg, error))
        return curve[-1]

    def as_far(points: Iterator[Point], before: Point, most: float) -> Point:
        """The last of the points before the first that may cost more; ``before`` where that is the first."""
        for point in points:
            if point.most > most:
                break
            before = point
        return before

    first, *fewer = [keep for keep in KEEP if keep * entries(model) <= _MOST]
    dimensions = 0 if model.text is None else model.text.shape[1]
    plain, few, *fewest = BITS
    start = tried(first, plain, dimensions)
    coarse = ((few, d) for d in (dimensions, *(d for d in DIRECTIONS if d < dimensions)))
    start = as_far((tried(first, *one) for one in coarse), start, _BEFORE * max_drop)
    if start.most > max_drop:
        raise ModelError(
            f"{plain} bits a number alone may lower the validation NDCG@10 by {start.most:.2%} (the drop and its "
            "standard error); allow at least that"
        )
    taken = as_far((tried(keep, start.bits, start.directions) for keep in fewer), start, max_drop)
    for bits in fewest if start.bits == few else ():
        for keep in (keep for keep in (*reversed(fewer), first) if keep >= taken.keep):
            point = tried(keep, bits, start.directions)
            if point.bytes >= taken.bytes:
                break
            if point.most <= max_drop:
                taken = point
                break
    return ndcg, curve, taken


def _made(model: Recommender, keep: float, bits: int, directions: int) -> Recommender:
    text = None if model.text is None else Directions.of(model.text, directions, max(bits, _TEXT_BITS))
    return compressed(model, keep, bits, text)


def _per_user(model: Recommender, validation: Validation) -> Floats64:
    """NDCG@10 of each validation user, shape (users,)."""
    rows, items = model.histories[validation.rows], validation.items
    of = slice(None) if items is None else items
    scores = np.tile(model.base[of], (rows.shape[0], 1))
    for channel in model.channels:
        scores += channel.kernel.scores(rows, items) * channel.weight[of]
    return validation.judge.per_user(scores)
