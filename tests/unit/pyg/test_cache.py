"""The cache: right, bounded, and without what was not used for long; the thread that makes mini-batches ahead."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from toy_graph import films

from kg_rec.arrays.segments import bounds_of
from kg_rec.errors import ArgumentError
from kg_rec.pyg import SeededNeighborSampler, prefetched
from kg_rec.pyg.cache import BYTES_PER_NODE, KEYS_PER_LOOKUP, Cache, Segments


class Source:
    """Node n has n % 4 values, each n; what is asked for is written down."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, nodes: np.ndarray) -> Segments:
        self.asked.append(nodes.tolist())
        return Segments(bounds_of(nodes % 4), (np.repeat(nodes, nodes % 4), None))


def values(cache: Cache, nodes: list[int], source: Source, kind: str = "a") -> list[int]:
    """What the cache says of nodes, which must be right."""
    found = cache.values(kind, np.array(nodes, np.int64), source)
    assert found.columns[1] is None
    assert np.diff(found.bounds).tolist() == [n % 4 for n in nodes]
    assert found.columns[0].tolist() == [n for n in nodes for _ in range(n % 4)]
    return source.asked.pop() if source.asked else []


def test_what_is_here_is_not_looked_up_again() -> None:
    cache, source = Cache(1 << 20), Source()
    assert values(cache, [5, 3, 5, 8], source) == [3, 5, 8]
    assert values(cache, [8, 3, 9], source) == [9]
    assert values(cache, [9, 9, 3, 5], source) == []
    assert values(cache, [3], source, kind="b") == [3]
    assert values(cache, [], source) == []
    assert cache.held_bytes == 5 * BYTES_PER_NODE + 8 * (3 + 1 + 0 + 1 + 3)


@pytest.mark.parametrize("most", [0, 100, 1_000, 5_000, 1 << 20])
def test_it_is_right_and_never_holds_more_than_it_may(most: int) -> None:
    cache, source, rng = Cache(most), Source(), np.random.default_rng(0)
    for _ in range(300):
        values(cache, rng.integers(0, 200, rng.integers(0, 12)).tolist(), source, rng.choice(["a", "b"]))
        assert cache.held_bytes <= most


def test_what_was_not_used_for_long_goes_first() -> None:
    cache, source = Cache(2 * 10 * BYTES_PER_NODE), Source()
    looked_up = 0
    for n in range(0, 400, 4):  # nodes without values; each half has room for ten
        values(cache, [n], source)
        looked_up += len(values(cache, [0], source))
    assert looked_up == 0  # always used just before
    assert values(cache, [396], source) == []
    assert values(cache, [4], source) == [4]


def test_many_nodes_are_looked_up_some_at_a_time() -> None:
    source = Source()
    Cache(0).values("a", np.arange(KEYS_PER_LOOKUP + 5), source)
    assert [len(asked) for asked in source.asked] == [KEYS_PER_LOOKUP, 5]


def test_another_process_begins_with_an_empty_one() -> None:
    cache, source = Cache(10_000), Source()
    values(cache, [1], source)
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.most_bytes, copy.held_bytes) == (10_000, 0)
    assert values(copy, [1], source) == [1]


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
