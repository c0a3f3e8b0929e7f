"""Lists that leave something to chance, with the chance of everything in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import ConfigError
from kg_rec.feedback.policy import Policy, Pool, choose
from kg_rec.model.recommender import Recommender, positions

#: One row per item that was shown.
SHOWN = pa.schema(
    [
        ("event", pa.string()),  # list and rank
        ("list", pa.string()),
        ("user", pa.string()),
        ("item", pa.string()),
        ("rank", pa.int64()),  # from 1
        ("at", pa.int64()),  # Unix seconds
        ("policy", pa.string()),
        ("propensity", pa.float64()),  # P(item at this rank | the items above it)
        ("score", pa.float64()),
        ("explored", pa.bool_()),  # shown to learn: the best k do not hold it
        ("loss", pa.float64()),  # of the list, as a share of the best list's score
        ("channels", pa.list_(pa.string())),
        ("features", pa.list_(pa.float64())),  # what each channel adds to the score
    ]
)
_USERS = 64


@dataclass(frozen=True)
class ExploreConfig:
    """From which items a policy may choose.

    Attributes:
        pool: the best items of a user that a list is chosen from.
        most_loss: what a shown item may lack of the k-th best score, as a share of the distance between the best and
            the middle score of the pool; it bounds what exploration costs.
    """

    pool: int = 100
    most_loss: float = 0.5

    def __post_init__(self) -> None:
        if self.pool < 1 or not self.most_loss >= 0:
            raise ConfigError(f"expected a pool of at least 1 and a most_loss of at least 0, got {self}")


def channel_names(model: Recommender) -> tuple[str, ...]:
    """The features of a score: ``base``, then the channels."""
    return ("base", *(channel.name for channel in model.channels))


def pools(
    model: Recommender,
    rows: sparse.csr_array,
    seen: sparse.csr_array,
    size: int,
    candidates: NDArray[np.bool_] | None = None,
    factors: NDArray[np.float64] | None = None,
    again: sparse.csr_array | None = None,
) -> Iterator[Pool]:
    """The best ``size`` items of each history that rules and what was seen allow.

    Args:
        model: a trained model.
        rows: a_uj, float32 CSR, shape (b, items).
        seen: items left out, CSR, shape (b, items).
        size: most items of a pool.
        candidates: items allowed, boolean, shape (items,); None allows all.
        factors: of the channels, shape (c,), as feedback taught them: a score is the sum of factor times feature; None
            for 1.  The features are those of the trained model all the same.
        again: r of these histories, CSR, shape (b, items); None for 0.  It counts under ``base``, which is what
            feedback does not tell apart by channels.
    """
    names = channel_names(model)
    factors = np.ones(len(names)) if factors is None else factors
    for start in range(0, rows.shape[0], _USERS):
        part = rows[start : start + _USERS]
        base = np.broadcast_to(model.base.astype(np.float64), part.shape)
        sums = [base if again is None else base + again[start : start + _USERS].toarray()]
        sums += [c.kernel.scores(part).astype(np.float64) * c.weight for c in model.channels]
        scores = np.zeros(part.shape)
        for factor, channel in zip(factors, sums, strict=True):
            scores += factor * channel
        scores[sparse.csr_array(seen[start : start + _USERS]).nonzero()] = -np.inf
        if candidates is not None:
            scores[:, ~candidates] = -np.inf
        for row, values in enumerate(scores):
            best = np.argpartition(-values, size - 1)[:size] if size < len(values) else np.arange(len(values))
            best = np.sort(best[np.isfinite(values[best])])  # by number, so that equal scores have one order
            best = best[np.argsort(-values[best], kind="stable")]
            yield Pool(best, np.stack([channel[row, best] for channel in sums], axis=1), values[best])


def show(
    model: Recommender,
    users: Sequence[str],
    k: int,
    policy: Policy,
    *,
    at: int,
    seed: int,
    config: ExploreConfig | None = None,
    candidates: NDArray[np.bool_] | None = None,
    factors: NDArray[np.float64] | None = None,
) -> pa.Table:
    """One list for each user, chosen by a policy; a table of :data:`SHOWN`.

    An item outside the rules (``candidates``, and those of the model) or that a user had is never shown.  A user for
    whom nothing is left gets no rows.

    Args:
        model: a trained model.
        users: user keys.
        k: length of the lists.
        policy: how they are chosen.
        at: when they are shown, Unix seconds.
        seed: of the draws; the same seed gives the same lists.
        config: from which items.
        candidates: items allowed, boolean, shape (items,); None allows all.
        factors: of the channels, as feedback taught them, shape (c,); None for 1.

    Raises:
        NotFoundError: a user is unknown.
        ConfigError: k is below 1.
    """
    if k < 1:
        raise ConfigError(f"k: expected at least 1, got {k}")
    config = config or ExploreConfig()
    names = list(channel_names(model))
    places = positions(model.users, users)
    by_user: dict[int, Pool] = {}
    for some, allowed in model.shown.parts(places, candidates):
        mine = places[some]
        given, seen, again = model.histories[mine], model.seen[mine], model.again_of(mine)
        own = pools(model, given, seen, max(config.pool, k), allowed, factors, again)
        by_user.update(zip(some.tolist(), own, strict=True))
    rows: list[dict[str, object]] = []
    for n, (user, place) in enumerate(zip(users, places, strict=True)):
        whole = by_user[n]
        if not len(whole):
            continue
        pool = whole.within(k, config.most_loss)
        slate = choose(policy, pool, k, np.random.default_rng([seed, int(place)]))
        best = set(pool.items[np.argsort(-pool.scores, kind="stable")[:k]].tolist())
        name = uuid.uuid4().hex
        for rank, (chosen, propensity) in enumerate(zip(slate.places, slate.propensities, strict=True), 1):
            item = int(pool.items[chosen])
            rows.append(
                {
                    "event": f"{name}-{rank}",
                    "list": name,
                    "user": user,
                    "item": model.items.key(item),
                    "rank": rank,
                    "at": at,
                    "policy": policy.name,
                    "propensity": float(propensity),
                    "score": float(pool.scores[chosen]),
                    "explored": item not in best,
                    "loss": slate.loss,
                    "channels": names,
                    "features": pool.features[chosen].tolist(),
                }
            )
    return pa.Table.from_pylist(rows, schema=SHOWN)
