"""What would another model or policy have brought?  The log of what was shown, replayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from kg_rec.errors import EvaluationError
from kg_rec.evaluation.off_policy import PolicyValue, cascade_doubly_robust, ips, list_weights, snips
from kg_rec.feedback.explore import ExploreConfig, pools
from kg_rec.feedback.learn import EVERYBODY, rewards, start
from kg_rec.feedback.policy import Policy, Pool, propensities
from kg_rec.feedback.posterior import Posterior
from kg_rec.model.again import Again
from kg_rec.model.histories import left_out, weighed
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import NO_TIME, EdgeTable, positive
from kg_rec.snapshot.tables import events_of, with_events

_LISTS = 64


@dataclass(frozen=True)
class Replay:
    """Values per list: the sum of its rewards.

    Attributes:
        policy: name of the policy that is asked about.
        logged: what the lists in the log brought.
        estimates: by estimator: ``ips``, ``snips``, ``doubly_robust``.
        lists: lists in the log.
        left_out: lists of users that the model does not know, or that have gaps in their ranks.
    """

    policy: str
    logged: float
    estimates: dict[str, PolicyValue]
    lists: int
    left_out: int


def replay(
    model: Recommender,
    policy: Policy,
    shown: pa.Table,
    reactions: pa.Table,
    *,
    config: ExploreConfig | None = None,
    candidates: NDArray[np.bool_] | None = None,
    factors: NDArray[np.float64] | None = None,
    least: float = 100,
    seed: int = 0,
) -> Replay:
    """Estimate the value of a list that ``policy`` would have chosen by ``model``.

    Each list is asked again with the history its user had when it was shown (interactions with a time before it;
    those without a time count always).  Lists are read from the top: a reward depends on its item and those above.

    Args:
        model: the model that is asked about, with the users' interactions.
        policy: how it would choose.
        shown: the log, a table of :data:`~kg_rec.feedback.explore.SHOWN`.
        reactions: what people did, a table of :data:`~kg_rec.feedback.events.REACTED`.
        config: from which items the policy may choose.
        candidates: items allowed, as when the lists were shown.
        factors: of the channels, as feedback taught them, shape (c,); None for 1.
        least: smallest effective sample size that is answered, in lists.
        seed: of draws and bootstrap.

    Raises:
        EvaluationError: the log holds no list that can be used, or says too little about the policy.
    """
    config = config or ExploreConfig()
    earned = rewards(shown, reactions)
    lists = _lists(shown, earned, model)
    total = len(pc.unique(shown.column("list")))
    if not lists:
        raise EvaluationError(
            f"none of {total} lists in the log can be replayed; log lists with `kg-rec feedback show`"
        )
    length = max(len(one.rewards) for one in lists)
    shape = (len(lists), length)
    r, other, logging = np.zeros(shape), np.ones(shape), np.ones(shape)  # ranks that a short list lacks weigh 1
    q_logged, q_other = np.zeros(shape), np.zeros(shape)
    values = _value_models(model, lists)
    for row, (one, whole) in enumerate(
        zip(lists, _pools_then(model, lists, config, length, candidates, factors), strict=True)
    ):
        k = len(one.rewards)
        rng = np.random.default_rng([seed, row])
        pool = whole.within(k, config.most_loss) if len(whole) else whole
        at = {int(item): place for place, item in enumerate(pool.items)}
        places = np.array([at.get(int(item), -1) for item in one.items])
        other[row, :k] = propensities(policy, pool, places, rng)
        logging[row, :k] = one.propensities
        r[row, :k] = one.rewards
        if values is not None and len(pool):
            q_logged[row, :k] = values[row % 2].expected(one.features)
            q = values[row % 2].expected(pool.features)
            for rank in range(k):
                if (places[:rank] < 0).any():
                    break  # the other policy would not have come here
                q_other[row, rank] = policy.distribution(pool, places[:rank], rng) @ q
    weights = list_weights(other, logging)
    estimates = {"ips": ips(r, weights, least=least, seed=seed), "snips": snips(r, weights, least=least, seed=seed)}
    if values is not None:
        estimates["doubly_robust"] = cascade_doubly_robust(r, weights, q_logged, q_other, least=least, seed=seed)
    return Replay(policy.name, float(r.sum() / len(lists)), estimates, len(lists), total - len(lists))


@dataclass(frozen=True)
class _List:
    user: int
    at: int
    items: NDArray[np.int64]
    propensities: NDArray[np.float64]
    rewards: NDArray[np.float64]
    features: NDArray[np.float64]
    channels: tuple[str, ...]


def _lists(shown: pa.Table, earned: NDArray[np.float64], model: Recommender) -> list[_List]:
    """The lists whose user is known and whose ranks go from 1 without gaps."""
    by_name: dict[str, list[tuple[int, dict[str, Any], float]]] = {}
    for row, reward in zip(shown.to_pylist(), earned, strict=True):
        by_name.setdefault(row["list"], []).append((row["rank"], row, float(reward)))
    lists = []
    for entries in by_name.values():
        entries.sort(key=lambda entry: entry[0])
        rows = [row for _, row, _ in entries]
        if [rank for rank, _, _ in entries] != list(range(1, len(entries) + 1)) or rows[0]["user"] not in model.users:
            continue
        lists.append(
            _List(
                model.users.index(rows[0]["user"]),
                rows[0]["at"],
                model.items.indices([row["item"] for row in rows]),
                np.array([row["propensity"] for row in rows], dtype=np.float64),
                np.array([reward for _, _, reward in entries]),
                np.array([row["features"] for row in rows], dtype=np.float64),
                tuple(rows[0]["channels"]),
            )
        )
    return lists


def _pools_then(
    model: Recommender,
    lists: list[_List],
    config: ExploreConfig,
    k: int,
    candidates: NDArray[np.bool_] | None,
    factors: NDArray[np.float64] | None,
) -> Iterator[Pool]:
    """What could have been shown instead of each list, by what its user had done before it."""
    edges, shape = model.snapshot.interactions, (_LISTS, len(model.items))
    for begin in range(0, len(lists), _LISTS):
        part = lists[begin : begin + _LISTS]
        cells, owners = [], []
        for n, one in enumerate(part):
            first, last = np.searchsorted(edges.source, [one.user, one.user + 1])
            mine = np.arange(first, last)
            if edges.time is not None:
                time = edges.time[mine]
                mine = mine[(time < one.at) | (time == NO_TIME)]
            cells.append(mine)
            owners.append(np.full(len(mine), n))
        known = replace(edges.take(np.concatenate(cells)), source=np.concatenate(owners))
        relation = model.snapshot.schema.interaction
        rows, seen = weighed(known, relation, shape, model.chosen), left_out(known, relation, shape)
        again = None if model.again is None else _again(model, model.again, part, known)
        yield from pools(model, rows[: len(part)], seen[: len(part)], max(config.pool, k), candidates, factors, again)


def _again(model: Recommender, again: Again, lists: list[_List], known: EdgeTable) -> sparse.csr_array:
    """r of each list at the time when it was shown, by what its user had done before, CSR, shape (lists, items)."""
    shown, relation = np.array([one.at for one in lists]), model.snapshot.schema.interaction
    edge, time = events_of(known)
    before = time < shown[known.source[edge]]
    past = positive(with_events(known, edge[before], time[before]), relation)
    rows = []
    for n, one in enumerate(lists):
        own = past.take(past.source == n)
        alone = replace(own, source=np.zeros(len(own), np.int64))
        rows.append(again.at(one.at, alone).matrix(alone, (1, len(model.items))))
    return sparse.csr_array(sparse.vstack(rows, format="csr"))


def _value_models(model: Recommender, lists: list[_List]) -> tuple[Posterior, Posterior] | None:
    """Linear models of the reward for even and odd lists, each fitted to the others.

    None where the log's channels are not the model's.
    """
    first = start(model).posteriors[EVERYBODY]
    if any(one.channels != first.channels for one in lists):
        return None
    fitted = [first, first]
    for row, one in enumerate(lists):
        for features, reward in zip(one.features, one.rewards, strict=True):
            fitted[1 - row % 2] = fitted[1 - row % 2].update(features, float(reward))
    return fitted[0], fitted[1]
