"""The cache holds what it may, and gives up what was not used for longest."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from toy_graph import films

from kg_rec.errors import ArgumentError
from kg_rec.pyg import SeededNeighborSampler, prefetched
from kg_rec.pyg.cache import ENTRY_BYTES, Cache


def entry(numbers: int) -> tuple[np.ndarray, None]:
    return np.zeros(numbers, np.int64), None


def test_it_never_holds_more_than_it_may() -> None:
    cache = Cache(3 * ENTRY_BYTES + 8 * 30)
    for key in "abc":
        cache.keep({key: entry(10)})
    assert set(cache.found("abcd")) == {"a", "b", "c"}
    cache.found("a")  # used just now
    cache.keep({"d": entry(10)})
    assert set(cache.found("abcd")) == {"a", "c", "d"}
    assert cache.held_bytes == cache.most_bytes
    cache.keep({"d": entry(5)})
    assert cache.held_bytes == cache.most_bytes - 40
    cache.keep({"large": entry(10_000)})
    assert cache.found(["large"]) == {}
    assert cache.held_bytes <= cache.most_bytes


def test_none_holds_nothing() -> None:
    cache = Cache(0)
    cache.keep({"a": entry(0)})
    assert cache.found("a") == {}


def test_another_process_begins_with_an_empty_one() -> None:
    cache = Cache(10_000)
    cache.keep({"a": entry(1)})
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.most_bytes, copy.held_bytes) == (10_000, 0)
    copy.keep({"b": entry(1)})
    assert set(copy.found("ab")) == {"b"}


def test_who_stops_early_ends_the_thread() -> None:
    made = []

    def loader() -> Iterator[int]:
        for n in range(1000):
            made.append(n)
            yield n

    batches = iter(prefetched(loader(), ahead=2))
    assert [next(batches), next(batches)] == [0, 1]
    batches.close()  # type: ignore[attr-defined]
    assert len(made) <= 5
    assert not any(t.name == "kg_rec-prefetch" for t in threading.enumerate())


def test_a_graph_without_edges_to_walk_is_refused() -> None:
    data = films().to_pyg()
    del data["Film", "STARRING", "Person"].edge_index
    data["Film", "STARRING", "Person"].strength = 1
    with pytest.raises(ArgumentError, match=r"'STARRING'.*expected edges in edge_index, got \['strength'\]"):
        SeededNeighborSampler(data, [2], seed=0)
