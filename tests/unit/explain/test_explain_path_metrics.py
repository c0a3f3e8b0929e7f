"""Path quality metrics: known answers, and the moving average as pandas has it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_graph import edges, films

from kg_rec.explain.path import Path, PathEdge, PathNode
from kg_rec.explain.paths.metrics import (
    PATH_METRICS,
    _scaled,
    entity_popularity,
    interaction_recency,
    path_metrics,
)

RATED, BACK = PathEdge("RATED", True), PathEdge("RATED", False)


def path(user: str, liked: str, item: str, shared: str | None = None, relation: str = "STARRING") -> Path:
    """You - liked - shared person - item, or, without one, you - liked - others - item."""
    start, known, end = PathNode("User", user, user), PathNode("Film", liked, liked), PathNode("Film", item, item)
    if shared is None:
        return Path("taste", (start, known, PathNode("User", None, None, 3), end), (RATED, BACK, RATED), 1.0, 0.1)
    steps = (RATED, PathEdge(relation, True), PathEdge(relation, False))
    return Path("knowledge", (start, known, PathNode("Person", shared, shared), end), steps, 1.0, 0.1)


def text(user: str, liked: str, item: str) -> Path:
    nodes = PathNode("User", user, user), PathNode("Film", liked, liked), PathNode("Film", item, item)
    return Path("meaning", nodes, (RATED, PathEdge(None, True)), 1.0, 0.1)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=40))
def test_the_moving_average_is_that_of_pandas(values: list[int]) -> None:
    found = _scaled(np.array(values, dtype=np.int64))
    ranked = sorted(values) if max(values) > min(values) else list(range(len(values)))
    ema = pd.Series(ranked, dtype=float).ewm(span=len(values)).mean()
    expected = ((ema - ema.min()) / (ema.max() - ema.min())).to_numpy()
    assert sorted(found.tolist()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert found[int(np.argmin(values))] == 0
    assert (np.diff(found[np.argsort(values, kind="stable")]) >= 0).all()


def test_recency_is_that_of_the_interaction() -> None:
    snapshot = films()
    found = interaction_recency(snapshot, "u03")
    rows = np.flatnonzero(snapshot.interactions.source == 3)
    assert snapshot.interactions.time is not None
    by_time = rows[np.argsort(snapshot.interactions.time[rows])]
    ordered = [found[snapshot.items.key(int(i))] for i in snapshot.interactions.target[by_time]]
    assert ordered[0] == 0
    assert ordered[-1] == 1
    assert ordered == sorted(ordered)
    assert len(found) == len(rows)
    without = snapshot.with_edges("RATED", edges([(3, 1), (3, 2)], [5.0, 5.0], [np.iinfo(np.int64).min] * 2))
    assert set(interaction_recency(without, "u03").values()) == {0.0}


def test_popularity_grows_with_the_number_of_facts() -> None:
    snapshot = films()
    found = entity_popularity(snapshot, {"Person", "Film", "User"})
    facts = {
        f"p{p}": sum(int((snapshot.edges[r].target == p).sum()) for r in ("DIRECTED_BY", "STARRING")) for p in range(9)
    }
    people = sorted(facts, key=lambda p: facts[p])
    values = [found["Person", p] for p in people]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, 1.0)
    assert ("User", "u01") not in found
    assert ("Film", "f01") in found


def test_known_answers() -> None:
    snapshot = films()
    lists = {
        "u01": [path("u01", "f01", "f10", "p1"), path("u01", "f01", "f11", "p1"), path("u01", "f04", "f12"), None],
        "u02": [text("u02", "f05", "f10"), path("u02", "f08", "f14", "p2", "DIRECTED_BY")],
        "u03": [None],
    }
    found = path_metrics(snapshot, lists, 4)
    assert tuple(found) == PATH_METRICS
    recent = {user: interaction_recency(snapshot, user) for user in ("u01", "u02")}
    linking = [("u01", "f01"), ("u01", "f01"), ("u01", "f04"), ("u02", "f05"), ("u02", "f08")]
    assert found["lir"] == pytest.approx(np.mean([recent[u].get(i, 0.0) for u, i in linking]))
    popular = entity_popularity(snapshot, {"Person", "Film"})
    shared = [("Person", "p1"), ("Person", "p1"), ("Film", "f05"), ("Person", "p2")]
    assert found["sep"] == pytest.approx(np.mean([popular[n] for n in shared]))
    assert found["sep_paths"] == pytest.approx(4 / 5)
    assert found["lid"] == pytest.approx((2 / 3 + 2 / 2) / 2)
    assert found["litd"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found["sed"] == pytest.approx((2 / 3 + 2 / 2) / 2)
    assert found["setd"] == pytest.approx((2 / 3 + 2 / 2) / 2)
    assert found["ptd"] == pytest.approx((2 / 3 + 2 / 2) / 2)
    assert found["ptc"] == pytest.approx(((1 - 2 / 6) + 1) / 2)
    assert found["ppt"] == pytest.approx((2 / 3 + 2 / 2) / 2)
    assert found["fidelity"] == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)


def test_only_the_first_k_count_and_no_path_is_nan() -> None:
    snapshot = films()
    some = [path("u01", "f01", "f10", "p1"), path("u01", "f04", "f12", "p2")]
    assert path_metrics(snapshot, {"u01": some}, 1)["lid"] == 1.0
    assert path_metrics(snapshot, {"u01": some}, 1)["fidelity"] == 1.0
    nothing = path_metrics(snapshot, {"u01": [None]}, 1)
    assert nothing["fidelity"] == 0.0
    assert all(math.isnan(v) for name, v in nothing.items() if name != "fidelity")
