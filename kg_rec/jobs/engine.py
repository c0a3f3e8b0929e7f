"""Where chunks are computed: threads of this process, or a Ray cluster.  Both give the same bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from kg_rec.jobs.chunk import Lists, Scorer
from kg_rec.jobs.cluster import connected

T = TypeVar("T")
U = TypeVar("U")


def local(scorer: Scorer, numbers: Iterable[int], workers: int) -> Iterator[Lists]:
    """The chunks in their order, ``workers`` at a time and as many waiting: memory is bounded by that."""
    with threadpool_limits(1):
        yield from in_order(scorer, numbers, workers, workers + 1)


def in_order(function: Callable[[T], U], values: Iterable[T], threads: int, ahead: int) -> Iterator[U]:
    """``map`` by threads, the results in order; at most ``ahead`` values are taken that are not given back yet.

    When it is closed, what was begun is carried to its end.
    """
    taken: deque[Future[U]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for value in values:
                taken.append(pool.submit(function, value))
                if len(taken) >= ahead:
                    yield taken.popleft().result()
            while taken:
                yield taken.popleft().result()
        finally:
            for future in taken:
                future.cancel()


def on_ray(scorer: Scorer, numbers: Iterable[int], workers: int) -> Iterator[Lists]:
    """The chunks in their order, on the Ray cluster of ``RAY_ADDRESS``, else on one that is started here.

    The scorer (model and snapshot) is put into the object store once; a chunk is a task, which Ray repeats when its
    worker or node dies.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    with connected() as ray:
        shared = ray.put(scorer)
        task = ray.remote(num_cpus=1, max_retries=-1)(_compute)

        def compute(number: int) -> Lists:
            lists: Lists = ray.get(task.remote(shared, number))
            return lists

        yield from in_order(compute, numbers, workers + 1, workers + 1)  # threads that only wait


def _compute(scorer: Scorer, number: int) -> Lists:
    with threadpool_limits(1):
        return scorer(number)
