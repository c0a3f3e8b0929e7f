"""Whether an explanation is true, checked by other means than those that made it.

- :func:`missing`: every node, edge and count of every path is looked up in the snapshot.  The same question is put to
  the store by the explanation's own Cypher (:func:`kg_rec.explain.show.cypher.mismatches`).
- :func:`error`: base and terms against the model's score, and paths against the terms they are parts of.

The finished text is read back by :mod:`kg_rec.explain.verify.reading`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.path import Path
from kg_rec.model.recommender import Recommender
from kg_rec.snapshot import Snapshot

#: An error is told relative to the score, or to this part of all that speaks for the item and against it, if more.
LEAST_WHOLE = 0.1


@dataclass(frozen=True)
class Facts:
    """A snapshot as sets, to look edges up.

    Attributes:
        snapshot: the graph.
        edges: per relation type, source index * number of targets + target index of every edge; positive ones only
            for the interaction.
        users_of_items: per item key, the keys of the users who liked it.
        items_of_users: per user key, the keys of the items that the user liked.
    """

    snapshot: Snapshot
    edges: Mapping[str, frozenset[int]]
    users_of_items: Mapping[str, frozenset[str]]
    items_of_users: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Facts:
        """The facts of a snapshot."""
        edges = {}
        for name, relation in snapshot.schema.relation_types.items():
            table = snapshot.liked() if relation.interaction else snapshot.edges[name]
            codes = table.source * len(snapshot.ids[relation.target]) + table.target
            edges[name] = frozenset(codes.tolist())
        users_of_items: defaultdict[str, set[str]] = defaultdict(set)
        items_of_users: defaultdict[str, set[str]] = defaultdict(set)
        liked, users, items = snapshot.liked(), snapshot.users.keys.to_pylist(), snapshot.items.keys.to_pylist()
        for user, item in zip(liked.source.tolist(), liked.target.tolist(), strict=True):
            users_of_items[items[item]].add(users[user])
            items_of_users[users[user]].add(items[item])
        frozen = ({key: frozenset(keys) for key, keys in some.items()} for some in (users_of_items, items_of_users))
        return cls(snapshot, edges, *frozen)

    def holds(self, relation: str, source: str, target: str) -> bool:
        """Whether the graph has an edge between two keys."""
        kind = self.snapshot.schema.relation_types[relation]
        sources, targets = self.snapshot.ids[kind.source], self.snapshot.ids[kind.target]
        if source not in sources or target not in targets:
            return False
        return sources.index(source) * len(targets) + targets.index(target) in self.edges[relation]

    def who_liked(self, item: str) -> frozenset[str]:
        """The keys of the users who liked an item; none for an unknown one."""
        return self.users_of_items.get(item, frozenset())

    def liked_by(self, user: str) -> frozenset[str]:
        """The keys of the items that a user liked; none for an unknown one."""
        return self.items_of_users.get(user, frozenset())


def missing(facts: Facts, explanation: Explanation) -> tuple[str, ...]:
    """What the paths of an explanation show and the graph does not hold, one line each; empty if all is there.

    A step of likeness is no edge; both its ends are looked up, and that they have a vector of the property.  A set of
    others must be as many users, besides the one it is for, as liked both items beside it.
    """
    return tuple(line for path in explanation.paths for line in _missing(facts, path))


def _missing(facts: Facts, path: Path) -> list[str]:
    snapshot, missing = facts.snapshot, []
    for node in path.nodes:
        if node.key is not None and node.key not in snapshot.ids[node.type]:
            missing.append(f"no {node.type} {node.key}")
        elif node.key is not None and snapshot.name(node.type, snapshot.ids[node.type].index(node.key)) != node.name:
            missing.append(f"{node.type} {node.key} is not called {node.name!r}")
    for n, edge in enumerate(path.edges):
        one, two = path.nodes[n : n + 2] if edge.forward else path.nodes[n : n + 2][::-1]
        if edge.alike is not None:
            column = snapshot.nodes[one.type].column(edge.alike)
            ids = snapshot.ids[one.type]
            ends = [n.key for n in (one, two) if n.key is not None and n.key in ids]
            missing += [f"{one.type} {key} has no {edge.alike}" for key in ends if not column[ids.index(key)].is_valid]
        if edge.type is None or one.key is None or two.key is None:
            continue
        if not facts.holds(edge.type, one.key, two.key):
            missing.append(f"no {edge.type} from {one.key} to {two.key}")
    for n, node in enumerate(path.nodes):
        if node.key is not None:
            continue
        first, second = (facts.who_liked(str(path.nodes[m].key)) for m in (n - 1, n + 1))
        others = len(first & second - {str(path.nodes[0].key)})
        if others != node.count or not others:
            missing.append(
                f"{others} others liked {path.nodes[n - 1].key} and {path.nodes[n + 1].key}, not {node.count}"
            )
    return missing


def error(explanation: Explanation, score: float) -> float:
    """How far the parts are from the whole, relative to the score, or to :data:`LEAST_WHOLE` of all its parts.

    The largest of: base + terms against ``score``, and against the explanation's own; and, for shared knowledge and
    similar text, what the shown paths of one interaction have beyond its term.  A score near 0 is the difference of two
    large sums, and rankings add in single precision: relative to the score alone their rounding has no bound.

    Args:
        explanation: the explanation.
        score: the model's score, from :meth:`Recommender.scores` and not from the explanation.
    """
    parts_of_score = explanation.speaks_for + explanation.speaks_against
    whole = max(abs(score), LEAST_WHOLE * parts_of_score, 1e-9)
    total = explanation.base + sum(t.value for t in explanation.terms)
    worst = max(abs(total - score), abs(total - explanation.score))
    parts: defaultdict[tuple[str, str | None], float] = defaultdict(float)
    for path in explanation.paths:
        if path.channel in ("knowledge", "meaning"):
            parts[path.channel, path.nodes[1].key] += path.value
    terms = {(str(t.channel), t.source): t.value for t in explanation.terms}
    beyond = [value - terms.get((channel, str(key)), 0.0) for (channel, key), value in parts.items()]
    return max(worst, *beyond, 0.0) / whole


def scores_of(model: Recommender, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[Any]:
    """The model's scores of pairs, as its rankings use them, shape (pairs,)."""
    known, place = np.unique(users, return_inverse=True)
    scores = np.empty(len(users))
    for start in range(0, len(known), 512):
        rows = np.flatnonzero((place >= start) & (place < start + 512))
        scores[rows] = model.scores(known[start : start + 512])[place[rows] - start, items[rows]]
    return scores
