"""Shared taste, in closed form: items that the same users like, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.arrays.types import Floats64
from kg_rec.errors import ModelError
from kg_rec.metrics import standard_error
from kg_rec.model.channels.about import About
from kg_rec.model.channels.base import PRIOR_FACTOR, ChannelKind, Fitted, TrainingData, settings_of
from kg_rec.model.channels.ridge import Penalty, Rest, dense, of_neighbours, of_rank
from kg_rec.model.kernel import FactorKernel, Kernel, SumKernel
from kg_rec.model.propensity import inverse_weighted, of_graph
from kg_rec.model.shards import HERE, Shards, transposed_product
from kg_rec.progress import Progress, no_progress
from kg_rec.settings import expect

#: Standard errors by which another exponent has to be better than the first.
_CERTAIN = 2.0
#: How often the grid of penalties may grow.
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class TasteConfig:
    """The closed-form item-item operator (:mod:`kg_rec.model.channels.ridge`).

    Attributes:
        l2: ridge penalties to choose from on validation, in interactions; beyond the ends it is doubled or halved as
            long as that is better.
        dropout: probability p of the emphasised denoising penalty p/(1-p) diag(G), in [0, 1).
        user_power: users are weighted by (number of interactions)^-user_power in the Gram matrix.
        prior: how many times what the graph says the operator is shrunk to; values to choose from on validation, of
            those within ``fusion.tolerance`` of the best the largest.
        propensity: strengths s to choose from on validation, with which an interaction counts propensity^-s in the Gram
            matrix: inverse propensity scoring (Schnabel et al., ICML 2016; :mod:`kg_rec.model.propensity`), with the
            propensity estimated from the item's popularity and from what the graph knows of user and item.  1 corrects
            in full for what people choose to look at, 0 not at all.  Validation has the same selection, so the first
            stays unless another one ranks better even there by more than chance; a single value is taken as given.
        popularity: exponents to choose from on validation; scores of an item with n interactions are scaled by n to
            that power.  The first stays unless another one is better by more than chance.
        max_users: where there are fewer users than items and at most so many, the operator is kept as factors of
            their number, which is exact for any number of items.
        max_items: largest catalogue for the dense operator; beyond it each item is regressed on its neighbours.
        neighbours: neighbours per item of that sparse form.
    """

    l2: tuple[float, ...] = (50.0, 200.0, 800.0)
    dropout: float = 0.4
    user_power: float = 0.2
    prior: tuple[float, ...] = (0.0, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 2.0)
    propensity: tuple[float, ...] = (0.0,)
    popularity: tuple[float, ...] = (-0.1, 0.0, -0.2, -0.3)
    max_users: int = 2_500
    max_items: int = 10_000
    neighbours: int = 100

    def __post_init__(self) -> None:
        expect(min(self.l2) >= 0, "taste.l2", "numbers from 0", self.l2)
        expect(0 <= self.dropout < 1, "taste.dropout", "a number from 0 to below 1", self.dropout)
        within = len(self.propensity) > 0 and min(self.propensity) >= 0 and max(self.propensity) <= 1
        expect(within, "taste.propensity", "numbers from 0 to 1", self.propensity)
        expect(min(self.prior) >= 0, "taste.prior", "numbers from 0", self.prior)
        expect(self.max_users >= 0, "taste.max_users", "a number from 0", self.max_users)
        expect(self.neighbours > 0, "taste.neighbours", "at least 1", self.neighbours)


def gram(interactions: sparse.csr_array, user_power: float, shards: Shards = HERE) -> sparse.csr_array:
    """G = sum over users of n_u^-user_power x_u x_u^T, scaled to keep the trace of X^T X; shape (n, n).

    Args:
        interactions: X, CSR, shape (users, items).
        user_power: exponent of the users' weights.
        shards: where rows of G are computed.
    """
    weighted = weighted_rows(interactions, user_power)
    return transposed_product(weighted, weighted, shards)


def weighted_rows(interactions: sparse.csr_array, user_power: float) -> sparse.csr_array:
    """X with rows n_u^(-user_power / 2) x_u, scaled to keep the trace of X^T X; float64 CSR, shape (users, items)."""
    counts = np.maximum(np.diff(interactions.indptr), 1).astype(np.float64)
    scale = np.repeat(counts ** (-user_power / 2), np.diff(interactions.indptr))
    weighted = interactions.astype(np.float64)
    trace = float((weighted.data**2).sum())
    weighted.data = weighted.data * scale
    weighted.data *= np.sqrt(trace / max(float((weighted.data**2).sum()), 1e-12))
    if weighted.nnz < 2**31:  # half the memory of what follows
        weighted.indices, weighted.indptr = weighted.indices.astype(np.int32), weighted.indptr.astype(np.int32)
    return weighted


def operator(
    g: sparse.csr_array,
    config: TasteConfig,
    l2: float,
    wanted: sparse.csr_array | None = None,
    prior: FactorKernel | None = None,
    progress: Progress = no_progress,
    items: NDArray[np.int64] | None = None,
    shards: Shards = HERE,
) -> Rest:
    """The dense form up to ``max_items`` items, that of neighbours beyond; see :mod:`.ridge`."""
    penalty = Penalty(l2, config.dropout)
    if g.shape[0] <= config.max_items:
        return dense(g, penalty, wanted, prior)
    return of_neighbours(g, penalty, config.neighbours, wanted, prior, items, progress, shards)


@dataclass(frozen=True)
class Choice:
    """What was chosen, the kernel T, and its validation NDCG@10 by user, together with the graph's part."""

    l2: float
    factor: float
    exponent: float
    kernel: Kernel
    by_user: Floats64

    @property
    def metric(self) -> float:
        """The mean."""
        return float(self.by_user.mean())

    def surpasses(self, other: Choice) -> bool:
        """Whether it is better by more than chance."""
        return self.metric - other.metric > _CERTAIN * standard_error(self.by_user, other.by_user)


def choose(rest_of: Callable[[float], Rest], config: TasteConfig, data: TrainingData) -> Choice:
    """Penalty, factor of W and exponent of popularity, by the NDCG@10 of the whole operator B.

    The grid of penalties grows at an end that is chosen.  Of the factors that are as good as the best, give or take
    ``data.tolerance`` standard errors, the largest is taken: paths through facts can be checked.
    """
    if data.judge is None:
        raise ModelError("expected a validation metric to choose the operator by; give TrainingData.judge")
    judge = data.judge
    counts = np.bincount(data.edges.target, minlength=data.interactions.shape[1])
    popularity = np.maximum(counts, 1).astype(np.float32)
    factors = config.prior if data.prior is not None else (0.0,)

    def metric(rest: Rest, factor: float, exponent: float) -> Floats64:
        parts = ((1.0, rest.alone), (-factor, rest.taken), (factor, data.prior))
        known = tuple((f, kernel) for f, kernel in parts if kernel is not None and f)
        # new items have W alone, on a scale of their own, which is chosen later
        return judge(SumKernel(known, popularity ** np.float32(exponent) * (counts > 0)))

    def tried(l2: float) -> Choice:
        data.progress(0, 1, f"fit taste, penalty {l2:g}")
        rest, first = rest_of(l2), config.popularity[0]
        metrics = {factor: metric(rest, factor, first) for factor in factors}
        means = {f: float(m.mean()) for f, m in metrics.items()}
        data.log({"stage": "taste", "l2": l2, "ndcg@10 by prior": means})
        top = max(means, key=lambda f: means[f])
        near = {f: data.tolerance * standard_error(m, metrics[top]) for f, m in metrics.items()}
        factor = max(f for f, m in means.items() if means[top] - m <= near[f])
        exponents = {e: metric(rest, factor, e) for e in config.popularity}
        exponent = first
        for other, m in exponents.items():
            gain = float(m.mean() - exponents[exponent].mean())
            if gain > _CERTAIN * standard_error(m, exponents[exponent]):
                exponent = other
        return Choice(l2, factor, exponent, rest.at(factor), exponents[exponent])

    grid = sorted(config.l2)
    best = max((tried(l2) for l2 in grid), key=lambda c: c.metric)
    for end, step in ((grid[0], 0.5), (grid[-1], 2.0)):
        for _ in range(_GROWTH if best.l2 == end else 0):
            further = tried(best.l2 * step)
            if further.metric <= best.metric:
                break
            best = further
    return best


class Taste(ChannelKind):
    """The channel; its attributes are those of :class:`~kg_rec.model.channels.base.ChannelKind`."""

    name = "taste"
    about = About(
        titles={"en": "taste", "zh": "口味"},
        lines={
            "en": "people who liked the one also liked the other: a closed-form item-item operator",
            "zh": "喜欢其中一个的人也喜欢另一个：封闭形式的项目间算子",
        },
        colour="#2f6fde",
    )
    paths = "co-users"
    table = "taste"
    settings = TasteConfig
    start = 1.0
    beyond_prior = True

    def popularity_exponent(self, settings: Sequence[object], chosen: Mapping[str, Mapping[str, Any]]) -> float:
        """See :class:`ChannelKind`."""
        first = settings_of(settings, TasteConfig).popularity[0]
        return float(chosen.get("taste", {}).get("popularity_exponent", first))

    def candidates(self, data: TrainingData) -> Iterator[tuple[Mapping[str, Any], Kernel]]:
        """See :class:`ChannelKind`; penalty, share of the graph and exponent are chosen together by ``data.judge``."""
        config = data.settings_of(TasteConfig)
        strength, *others = config.propensity
        p = of_graph(data.snapshot, data.edges, data.seed) if any(config.propensity) else None
        best = choose(self._rest(data, _weighted(data, p, strength)), config, data)
        data.log({"stage": "taste", "propensity": strength, "ndcg@10": best.metric})
        for tried in others:  # the weights are 1 in the mean, so the penalty that was best is near
            choice = choose(self._rest(data, _weighted(data, p, tried)), replace(config, l2=(best.l2,)), data)
            data.log({"stage": "taste", "propensity": tried, "ndcg@10": choice.metric})
            if choice.surpasses(best):
                strength, best = tried, choice
        chosen = {"l2": best.l2, PRIOR_FACTOR: best.factor, "popularity_exponent": best.exponent}
        yield chosen | ({"propensity": strength} if strength else {}), best.kernel

    def fit(self, data: TrainingData, chosen: Mapping[str, Any]) -> Fitted:
        """See :class:`ChannelKind`."""
        strength = chosen.get("propensity", 0.0)
        if data.sums is not None:
            if strength:
                raise ModelError("propensities need the users; choose with taste.propensity = [0.0]")
            g, config = data.sums.taste(), data.settings_of(TasteConfig)
            rest = operator(g, config, chosen["l2"], None, data.prior, data.progress, data.items, data.shards)
            return Fitted(rest.at(chosen[PRIOR_FACTOR]))
        p = of_graph(data.snapshot, data.edges, data.seed) if strength else None
        return Fitted(self._rest(data, _weighted(data, p, strength))(chosen["l2"]).at(chosen[PRIOR_FACTOR]))

    def _rest(self, data: TrainingData, x: sparse.csr_array) -> Callable[[float], Rest]:
        """The operator of the interactions X by penalty; what all have in common is computed once."""
        config, items = data.settings_of(TasteConfig), data.interactions.shape[1]
        active = x[np.diff(x.indptr) > 0]
        if active.shape[0] < items and active.shape[0] <= config.max_users and items > config.max_users:
            rows = weighted_rows(active, config.user_power)
            return lambda l2: of_rank(rows, Penalty(l2, config.dropout), data.prior)
        g = gram(x, config.user_power, data.shards)
        return lambda l2: operator(g, config, l2, None, data.prior, data.progress, data.items, data.shards)


def _weighted(data: TrainingData, p: Floats64 | None, strength: float) -> sparse.csr_array:
    """The interactions weighed by p^-strength; as they are without propensities p, or with a strength of 0."""
    if p is None or not strength:
        return data.interactions
    return inverse_weighted(data.edges, (data.interactions.shape[0], data.interactions.shape[1]), p, strength)


TASTE = Taste()
