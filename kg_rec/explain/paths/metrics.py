"""The path quality metrics of the field, computed on the paths that explanations show.

One path is selected per recommended item: the one that adds most to its score.  Names and definitions are those of
hopwise (https://github.com/tail-unica/hopwise, ``hopwise/evaluator/metrics.py``), which follow Balloccu et al., "Post
Processing Recommender Systems with Knowledge Graphs for Recency, Popularity, and Diversity of Explanations" (SIGIR
2022) and "Knowledge is Power, Understanding is Impact" (ECIR 2023).  Let P_u be the selected paths of user u, one per
item of the top k that has one; averages are over users with a list unless said otherwise.

========  =============================================================================================================
LIR       linking interaction recency: mean over all paths of the recency of the interaction the path starts with;
          per user an exponential moving average over the sorted times, scaled to 0 (oldest) ... 1 (latest)
SEP       shared entity popularity: mean over paths of the popularity of the node before the item; per node type an
          exponential moving average over the sorted numbers of facts, scaled to 0 (fewest) ... 1 (most)
LID       linking interaction diversity: distinct linking interactions / |P_u|
LITD      linking interaction type diversity: distinct types of the linking nodes / |P_u| (always items here)
SED       shared entity diversity: distinct nodes before the item / |P_u|
SETD      shared entity type diversity: distinct types of these nodes / |P_u|
PTD       path type diversity (ETD in the paper): distinct last relations / min(|P_u|, number of relation types)
PTC       path type concentration: 1 - sum of n_t (n_t - 1) / (|P_u| (|P_u| - 1)) over last relations t (Simpson)
PPT       path pattern types: distinct sequences of relations / min(|P_u|, number of sequences that occur)
Fidelity  share of the top k that has at least one path
========  =============================================================================================================

Where this differs, because the paths do.  Other users on a path are a counted set without a name: it is one entity for
SED, of the user type for SETD, and has no popularity, so SEP is over the other paths (``sep_paths`` is their share).
Similar text is a relation of its own, ``~text``, and so is each property of vectors, ``~picture``.  hopwise averages
Fidelity over the users with a path; here users without one count as 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kg_rec.explain.path import Path
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot

#: What :func:`path_metrics` gives.
PATH_METRICS = ("lir", "sep", "sep_paths", "lid", "litd", "sed", "setd", "ptd", "ptc", "ppt", "fidelity")

#: (node type, key); the key is None for a set of other users.
_Node = tuple[str, str | None]


def path_metrics(snapshot: Snapshot, lists: Mapping[str, Sequence[Path | None]], k: int) -> dict[str, float]:
    """Every metric of :data:`PATH_METRICS`; see the module for their definitions.

    Args:
        snapshot: the graph, with the interactions that the users are known by.
        lists: by user key, the selected path of each recommended item, None where it has none; at most k per user.
        k: length of the lists.

    Returns:
        Figures from 0 to 1.  NaN for LIR, SEP and the diversities where there is no path at all.
    """
    told = {user: [p for p in paths[:k] if p is not None] for user, paths in lists.items()}
    explained = {user: paths for user, paths in told.items() if paths}
    every = [p for paths in explained.values() for p in paths]
    popularity = entity_popularity(snapshot, {p.nodes[-2].type for p in every})
    shared = [(p.nodes[-2].type, p.nodes[-2].key) for p in every]
    known = [popularity[node] for node in shared if node[1] is not None]
    recency = []
    for user, paths in explained.items():
        by_item = interaction_recency(snapshot, user)
        recency += [by_item.get(p.nodes[1].key or "", 0.0) for p in paths]
    types = {name for name, edges in snapshot.edges.items() if len(edges)} | {_last(p) for p in every}
    patterns = {_relations(p) for p in every}
    return {
        "lir": _mean(recency),
        "sep": _mean(known),
        "sep_paths": len(known) / len(every) if every else float("nan"),
        "lid": _diversity(explained, lambda p: (p.nodes[1].type, p.nodes[1].key)),
        "litd": _diversity(explained, lambda p: p.nodes[1].type),
        "sed": _diversity(explained, lambda p: (p.nodes[-2].type, p.nodes[-2].key)),
        "setd": _diversity(explained, lambda p: p.nodes[-2].type),
        "ptd": _diversity(explained, _last, len(types)),
        "ptc": _mean([_simpson(Counter(map(_last, paths))) for paths in explained.values()]),
        "ppt": _diversity(explained, _relations, len(patterns)),
        "fidelity": _mean([len(paths) / k for paths in told.values()]),
    }


def interaction_recency(snapshot: Snapshot, user: str) -> dict[str, float]:
    """LIR of each of a user's interactions, by item key; 0 for those without a time, and where there is only one.

    Raises:
        NotFoundError: the user is unknown.
    """
    items, recency = recency_of(snapshot.interactions, snapshot.users.index(user))
    return dict(zip([snapshot.items.key(i) for i in items.tolist()], recency.tolist(), strict=True))


def recency_of(edges: EdgeTable, user: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A user's items by dense index, ascending, and the LIR of each."""
    start, end = np.searchsorted(edges.source, [user, user + 1])
    recency = np.zeros(end - start)
    if edges.time is not None:
        timed = np.flatnonzero(edges.time[start:end] != NO_TIME)
        recency[timed] = _scaled(edges.time[start:end][timed])
    return edges.target[start:end], recency


def entity_popularity(snapshot: Snapshot, types: set[str]) -> dict[_Node, float]:
    """SEP of every node of some types, by (type, key): from the number of its edges besides interactions."""
    popularity: dict[_Node, float] = {}
    for name in sorted(types - {snapshot.schema.user.name}):
        keys = snapshot.ids[name].keys.to_pylist()
        popularity.update(
            {(name, key): value for key, value in zip(keys, popularity_of(snapshot, name).tolist(), strict=True)}
        )
    return popularity


def popularity_of(snapshot: Snapshot, node_type: str) -> NDArray[np.float64]:
    """SEP of every node of a type, by dense index."""
    degree = np.zeros(len(snapshot.ids[node_type]), dtype=np.int64)
    for relation in snapshot.schema.relation_types.values():
        edges = snapshot.edges[relation.name]
        if snapshot.schema.user.name in (relation.source, relation.target):
            continue
        for end, ends in ((relation.source, edges.source), (relation.target, edges.target)):
            if end == node_type:
                degree += np.bincount(ends, minlength=len(degree))
    return _scaled(degree)


def _scaled(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Exponential moving average over the sorted values, scaled to 0 ... 1, in the order of the values.

    As hopwise: ``pandas.Series(sorted).ewm(span=len).mean()``, that is, with a = 2 / (n + 1), the mean of the values so
    far with the weights (1 - a)^age; equal values throughout are replaced by their ranks; a single value gives 0.
    """
    if len(values) < 2:
        return np.zeros(len(values))
    order = np.argsort(values, kind="stable")
    ascending = (values[order] - values.min()).astype(np.float64)
    if not ascending[-1]:
        ascending = np.arange(len(values), dtype=np.float64)
    fade, total, weight = 1 - 2 / (len(values) + 1), 0.0, 0.0
    smooth = np.empty(len(values))
    for n, value in enumerate(ascending.tolist()):
        total, weight = value + fade * total, 1 + fade * weight
        smooth[n] = total / weight
    scaled = np.empty(len(values))
    scaled[order] = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return scaled


def _diversity(lists: Mapping[str, Sequence[Path]], what: Callable[[Path], Hashable], most: int | None = None) -> float:
    """Mean over users of distinct values / number of paths, or / ``most`` if that is less."""
    return _mean([len({what(p) for p in paths}) / min(len(paths), most or len(paths)) for paths in lists.values()])


def _simpson(counts: Counter[str]) -> float:
    total = counts.total()
    return 1 - sum(n * (n - 1) for n in counts.values()) / (total * (total - 1)) if total > 1 else 0.0


def _relations(path: Path) -> tuple[str, ...]:
    return tuple(edge.type or edge.likeness for edge in path.edges)


def _last(path: Path) -> str:
    return _relations(path)[-1]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
