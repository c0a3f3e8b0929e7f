"""People of whom the model knows nothing: all interactions of some users are held out, and they are served from others.

The interactions of all files of the split are drawn again by user: a fifth of the users is the test, a fifth is for
choosing, the model learns from the others alone.  Of each of these users ten liked items are drawn; the first N are
told to the model with ``--from likes=N``, EASE is told all ten, and all ten are left out of every list.  No data set
has sentences of users, so ``--from sentence`` makes one from the facts that most of the first three of the ten share.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.quality.graph import Files, build, split_of
from benchmarks.quality.linear import LinearAutoencoder
from benchmarks.quality.run import Keep, Plan
from kg_rec.arrays.topk import masked, top_k
from kg_rec.evaluation.bootstrap import bootstrap, ratio_interval
from kg_rec.metrics import per_user
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.people.newcomer import Newcomer, NewcomerConfig, Welcome
from kg_rec.progress import Progress
from kg_rec.split import cold_users_split, join

#: Liked items that are drawn of each person; EASE is told all of them.
ASKED = 10
#: Values that are tried on the validation users.
GRIDS: Mapping[str, tuple[float, ...]] = {
    "attributes": (0.0, 0.25, 0.5, 0.75, 1.0),
    "likes": (0.0, 0.5, 0.75, 1.0, 1.5, 2.0),
    "operator": (0.0, 0.02, 0.05, 0.1, 0.2, 0.4),
    "sentence": (0.0, 0.02, 0.05, 0.1, 0.2, 0.4),
}
PRIORS = (5.0, 20.0, 60.0)
L2 = (100.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)


def measure_newcomers(
    folder: Path, files: Files, plan: Plan, sources: Sequence[str], progress: Progress, keep: Keep
) -> dict[str, Any]:
    """The figures of one draw of users.

    Args:
        folder: of the split, whose interactions are drawn again.
        files: what is known of the items and of the users.
        plan: training settings and seed; its ablations and peers do not apply.
        sources: ``attributes``, ``sentence``, ``likes=N``; used all at once.
        progress: called as the work advances.
        keep: called with what is known after each step.
    """
    snapshot, _ = build(folder, files, progress)
    split = split_of(folder, snapshot, plan.protocol)
    every = join(split.known, split.test)
    drawn = cold_users_split(every, len(snapshot.items), plan.seed, given=0, share=0.2)
    model = train(
        snapshot.with_edges(snapshot.schema.interaction.name, drawn.train), replace(plan.config, seed=plan.seed),
        progress=progress,
    )  # fmt: skip
    likes = max([int(s.partition("=")[2]) for s in sources if s.startswith("likes=")], default=0)
    people = {
        part: _People.draw(model, histories(edges, model.shape, 0), sources, likes, plan.seed)
        for part, edges in (("valid", drawn.valid), ("test", drawn.test))
    }
    config, valid = _chosen(model, people["valid"], sources)
    test = people["test"]
    scores, seconds = test.scores(Welcome(model, config))
    figures = test.metrics(scores)
    popular = test.metrics(np.tile(Welcome(model, config).choices.shares, (len(test.persons), 1)))
    gain = figures["ndcg@10"] - popular["ndcg@10"]
    result: dict[str, Any] = {
        "protocol": "cold-users",
        "from": list(sources),
        "users": len(test.persons),
        "items": model.shape[1],
        "seed": plan.seed,
        "metrics": {name: float(values.mean()) for name, values in figures.items()},
        "intervals": {name: bootstrap(values, plan.seed) for name, values in figures.items()},
        "valid": {"ndcg@10": valid},
        "chosen": {k: v for k, v in asdict(config).items() if k in (*GRIDS, "prior")},
        "popular": {"ndcg@10": float(popular["ndcg@10"].mean()), "gain": float(gain.mean()),
                    "interval": bootstrap(gain, plan.seed)},
        "milliseconds": {"median": 1e3 * float(np.median(seconds)), "p99": 1e3 * float(np.quantile(seconds, 0.99))},
    }  # fmt: skip
    keep(result)
    if "attributes" in sources:
        result["sensitive"] = _sensitive(model, config, test, figures, plan.seed)
    if "sentence" in sources:
        result["sentence"] = test.persons[0].sentence
    if likes:
        result["ease_ten"] = _ease_ten(model, people, figures, plan.seed)
    return result


class _People:
    """Users of one part: what is told of them, and what is to be found.

    Args:
        rows: dense indices of the users, shape (u,).
        persons: what is told of each.
        asked: the drawn likes, CSR, shape (u, items).
        relevant: what is to be found, CSR, shape (u, items).
    """

    def __init__(self, rows: NDArray[np.int64], persons: Sequence[Newcomer], asked: Any, relevant: Any) -> None:
        self.rows, self.persons, self.asked, self.relevant = rows, persons, asked, relevant

    @classmethod
    def draw(cls, model: Recommender, liked: sparse.csr_array, sources: Sequence[str], n: int, seed: int) -> _People:
        """Draw ten likes of each user with more than ten."""
        rng = np.random.default_rng(seed)
        known = np.diff(model.users_of_items.indptr) > 0
        rows, persons, asked = [], [], []
        for row in np.flatnonzero(np.diff(liked.indptr)).tolist():
            own = liked.indices[liked.indptr[row] : liked.indptr[row + 1]]
            own = rng.permutation(own[known[own]])
            if len(own) > ASKED:
                rows.append(row)
                asked.append(own[:ASKED])
                persons.append(_person(model, row, own[:ASKED], sources, n))
        index = np.array(rows, dtype=np.int64)
        ends = (np.repeat(np.arange(len(rows)), ASKED), np.concatenate(asked))
        given = sparse.csr_array((np.ones(len(ends[1]), np.float32), ends), shape=(len(rows), liked.shape[1]))
        relevant = sparse.csr_array(liked[index] - given)
        relevant.eliminate_zeros()
        return cls(index, persons, given, relevant)

    def scores(self, welcome: Welcome) -> tuple[NDArray[np.float64], list[float]]:
        """Scores of all items, shape (u, items), and the seconds that each person's took."""
        welcome.serve(self.persons[0])  # what does not depend on the person
        found, seconds = [], []
        for person in self.persons:
            start = time.perf_counter()
            served = welcome.serve(person)
            served.recommend(10)
            seconds.append(time.perf_counter() - start)
            found.append(served.scores)
        return np.stack(found), seconds

    def metrics(self, scores: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Test metrics per user."""
        top = top_k(masked(scores.copy(), self.asked, None), 20)
        return {f"{name}@{k}": v for k in (10, 20) for name, v in per_user(top, self.relevant, k).items()}


def _person(model: Recommender, row: int, asked: NDArray[np.int64], sources: Sequence[str], n: int) -> Newcomer:
    attributes = {}
    if "attributes" in sources:
        user = model.snapshot.nodes[model.snapshot.schema.user.name].slice(row, 1).to_pylist()[0]
        attributes = {p.name: user[p.name] for p in model.snapshot.schema.user.properties[1:] if user[p.name]}
    keys = [model.items.key(i) for i in asked.tolist()]
    sentence = made_sentence(model, asked[:3]) if "sentence" in sources else ""
    return Newcomer(tuple(keys[:n]), attributes, sentence)


def made_sentence(model: Recommender, items: NDArray[np.int64]) -> str:
    """A sentence as a person might say it: what most of some items share, by name."""
    schema, found = model.snapshot.schema, Counter[str]()
    for relation in schema.item_relations:
        if relation.target == schema.item.name:
            continue
        edges = model.snapshot.edges[relation.name]
        for node in edges.target[np.isin(edges.source, items)].tolist():
            found[model.snapshot.name(relation.target, node)] += 1
    told = [name for name, _ in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:5]]
    noun = schema.item.plurals.get("en", schema.item.labels.get("en", schema.item.name))
    return f"I like {noun} such as {', '.join(told)}" if told else ""


def _chosen(model: Recommender, people: _People, sources: Sequence[str]) -> tuple[NewcomerConfig, float]:
    """The weights with the best validation NDCG@10, one after the other, twice."""
    names = [name for name in GRIDS if name in _weights(sources)]
    best, config = -1.0, NewcomerConfig()
    for prior in PRIORS:
        parts = _Parts(Welcome(model, replace(NewcomerConfig(), prior=prior)), people)
        mine, ndcg = replace(NewcomerConfig(), prior=prior), -1.0
        for _, name in itertools.product(range(2), names):
            for value in GRIDS[name]:
                tried = replace(mine, **{name: value})
                reached = float(people.metrics(parts.scores(tried))["ndcg@10"].mean())
                if reached > ndcg:
                    ndcg, mine = reached, tried
        print(f"note: prior {prior:g}: validation NDCG@10 {ndcg:.4f}", file=sys.stderr)
        if ndcg > best:
            best, config = ndcg, mine
    return config, best


def _weights(sources: Sequence[str]) -> set[str]:
    told = {source.partition("=")[0] for source in sources}
    return told | ({"operator"} if "likes" in told else set())


class _Parts:
    """Scores of some people by what each weight multiplies, so that weights can be tried at once."""

    def __init__(self, welcome: Welcome, people: _People) -> None:
        unit = replace(welcome.config, popularity=1.0, attributes=1.0, likes=1.0, operator=1.0, sentence=1.0)
        one = Welcome(welcome.model, unit)
        served = [one.serve(person) for person in people.persons]
        self._kinds = {
            kind: np.stack([s.parts[[k == kind for k in s.kinds]].sum(axis=0) for s in served])
            for kind in ("popularity", "attribute", "like", "model", "sentence")
        }

    def scores(self, config: NewcomerConfig) -> NDArray[np.float64]:
        """Scores with other weights, shape (u, items)."""
        kinds = self._kinds
        found = config.popularity * kinds["popularity"] + config.attributes * kinds["attribute"]
        found += config.likes * (kinds["like"] + config.operator * kinds["model"])
        total: NDArray[np.float64] = found + config.sentence * kinds["sentence"]
        return total


def _sensitive(
    model: Recommender, config: NewcomerConfig, people: _People, full: Mapping[str, NDArray[np.float64]], seed: int
) -> dict[str, Any]:
    """What the sensitive attributes did: NDCG@10 without them, and how many places of the lists they changed."""
    names = sorted({n for p in people.persons for n in p.attributes if n.casefold() in config.sensitive})
    if not names:
        return {"attributes": []}
    bare = Welcome(model, replace(config, blocked=tuple(names)))
    with_all = Welcome(model, config)
    scores, _ = people.scores(bare)
    drop = full["ndcg@10"] - people.metrics(scores)["ndcg@10"]
    changed = [
        len(set(with_all.serve(p).best(10).tolist()) - set(bare.serve(p).best(10).tolist())) for p in people.persons
    ]
    return {"attributes": names, "drop": float(drop.mean()), "interval": bootstrap(drop, seed),
            "places_changed": float(np.mean(changed))}  # fmt: skip


def _ease_ten(
    model: Recommender, people: Mapping[str, _People], full: Mapping[str, NDArray[np.float64]], seed: int
) -> dict[str, Any]:
    """EASE, told ten likes of the same people, its penalty chosen on the validation users."""
    rows = histories(model.snapshot.liked(), model.shape, 0)
    tried = {l2: LinearAutoencoder(rows, l2) for l2 in L2}
    valid = {
        l2: float(people["valid"].metrics(ease.scores(people["valid"].asked))["ndcg@10"].mean())
        for l2, ease in tried.items()
    }
    best = max(valid, key=lambda l2: valid[l2])
    mine, other = full["ndcg@10"], people["test"].metrics(tried[best].scores(people["test"].asked))["ndcg@10"]
    interval = ratio_interval(mine, other, seed)
    ratio = float(mine.mean() / other.mean())
    return {"l2": best, "ndcg@10": float(other.mean()), "ndcg_ratio": ratio, "ndcg_ratio_interval": interval}
