"""Random questions over several hops, asked of a store and answered by brute force over the same edges."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa

from kg_rec.schema import GraphSchema
from kg_rec.store.base import GraphStore

_USERS, _FILMS, _PEOPLE = 60, 40, 15
#: One relationship: its type, and the node types it goes from and to.
_STEPS = {"RATED": ("User", "Film"), "DIRECTED_BY": ("Film", "Person"), "STARRING": ("Film", "Person")}
_KEYS = {"User": "user_id", "Film": "item_id", "Person": "person_id"}
_Edge = tuple[str, int, int, float]
#: The lowest and the highest rating that a path may have.
_ANY = (-math.inf, math.inf)


def random_graph(store: GraphStore, seed: int) -> dict[str, list[_Edge]]:
    """Fill an empty store with a small graph of films; returns its edges by type: (type, source, target, rating)."""
    rng = np.random.default_rng(seed)
    store.apply_schema(GraphSchema.bundled("movies"))
    for node_type, size in (("User", _USERS), ("Film", _FILMS), ("Person", _PEOPLE)):
        keys = pa.array([str(i) for i in range(size)])
        columns = {_KEYS[node_type]: keys, **({"title": keys} if node_type == "Film" else {})}
        store.write_nodes(node_type, pa.table(columns))
    found: dict[str, list[_Edge]] = {}
    sizes = {"User": _USERS, "Film": _FILMS, "Person": _PEOPLE}
    for kind, count in (("RATED", 500), ("DIRECTED_BY", 60), ("STARRING", 120)):
        source, target = _STEPS[kind]
        pairs = np.unique(rng.integers(0, sizes[source] * sizes[target], count))
        ends = [divmod(int(p), sizes[target]) for p in pairs]
        weights = rng.integers(1, 6, len(ends)).astype(float)
        table = {"source": [str(s) for s, _ in ends], "target": [str(t) for _, t in ends]}
        store.write_edges(kind, pa.table({**table, **({"rating": weights} if kind == "RATED" else {})}))
        found[kind] = [(kind, s, t, float(w)) for (s, t), w in zip(ends, weights, strict=True)]
    return found


def wrong_answers(store: GraphStore, edges: dict[str, list[_Edge]], questions: int, seed: int) -> list[str]:
    """Ask random paths of two to four hops with conditions on nodes and relationships.

    Returns:
        A line for each question whose count differs from the count by brute force, no relationship used twice.
    """
    rng = np.random.default_rng(seed)
    wrong = []
    for _ in range(questions):
        statement, expected = _question(rng, edges)
        got = store.query(statement)["c"].to_pylist()
        if got != [expected]:
            wrong.append(f"{statement}: expected {expected}, got {got}")
    return wrong


def _question(rng: np.random.Generator, edges: dict[str, list[_Edge]]) -> tuple[str, int]:
    node = str(rng.choice(["User", "Film", "Person"]))
    first = int(rng.integers(0, 15)) if rng.random() < 0.7 else None
    text = f"(n0:{node}" + (f" {{{_KEYS[node]}: '{first}'}})" if first is not None else ")")
    paths: list[tuple[int, frozenset[Any]]] = [
        (start, frozenset())
        for start in (range({"User": _USERS, "Film": _FILMS, "Person": _PEOPLE}[node]) if first is None else [first])
    ]
    conditions = []
    for hop in range(1, int(rng.integers(2, 5 if first is not None else 4)) + 1):
        kinds = [kind for kind, ends in _STEPS.items() if node in ends]
        kind = str(rng.choice(kinds))
        forward = _STEPS[kind][0] == node
        node = _STEPS[kind][1 if forward else 0]
        wanted, inside = _ANY, ""
        if kind == "RATED" and rng.random() < 0.6:
            rating = float(rng.integers(2, 5))
            if rng.random() < 0.3:
                wanted, inside = (rating, rating), f" {{rating: {rating}}}"
            else:
                wanted = (rating, math.inf)
                conditions.append(f"e{hop}.rating >= {rating}")
        edge_text = f"[e{hop}:{kind}{inside}]"
        text += f"-{edge_text}->(n{hop}:{node})" if forward else f"<-{edge_text}-(n{hop}:{node})"
        following = defaultdict(list)
        for edge in edges[kind]:
            if wanted[0] <= edge[3] <= wanted[1]:
                following[edge[1] if forward else edge[2]].append((edge[2] if forward else edge[1], edge[:3]))
        paths = [(end, used | {e}) for start, used in paths for end, e in following[start] if e not in used]
        if len(paths) > 200_000:
            break
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    if rng.random() < 0.5:
        return f"MATCH {text}{where} RETURN count(*) AS c", len(paths)
    last = text.count("(n") - 1
    return f"MATCH {text}{where} RETURN count(DISTINCT n{last}) AS c", len({end for end, _ in paths})
