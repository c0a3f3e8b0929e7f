"""Where chunks are computed: threads of this process, or a Ray cluster.  Both give the same bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from kg_rec.errors import MissingDependencyError
from kg_rec.jobs.chunk import Lists, Scorer

T = TypeVar("T")
U = TypeVar("U")


def local(scorer: Scorer, numbers: Iterable[int], workers: int) -> Iterator[Lists]:
    """The chunks in their order, ``workers`` at a time and as many waiting: memory is bounded by that."""
    ahead: deque[Future[Lists]] = deque()
    with threadpool_limits(1), ThreadPoolExecutor(workers, thread_name_prefix="chunk") as pool:
        try:
            for number in numbers:
                ahead.append(pool.submit(scorer, number))
                if len(ahead) > workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def on_ray(scorer: Scorer, numbers: Iterable[int], workers: int) -> Iterator[Lists]:
    """The chunks in their order, on the Ray cluster of ``RAY_ADDRESS``, else on one that is started here.

    The scorer (model and snapshot) is put into the object store once; a chunk is a task, which Ray repeats when its
    worker or node dies.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    try:
        shared = ray.put(scorer)
        task = ray.remote(num_cpus=1, max_retries=-1)(_compute)
        ahead: deque[object] = deque()
        for number in numbers:
            ahead.append(task.remote(shared, number))
            if len(ahead) > workers:
                yield ray.get(ahead.popleft())
        while ahead:
            yield ray.get(ahead.popleft())
    finally:
        if ours:
            ray.shutdown()


def ray_map(function: Callable[[T], U], parts: Iterable[T]) -> list[U]:
    """``map`` on a Ray cluster that is initialised: sharded sums of training run on it.

    The results come in the order of the parts, so that adding them gives the bytes that one machine gives.
    """
    ray = _ray()
    task = ray.remote(num_cpus=1, max_retries=-1)(_apply)
    found: list[U] = ray.get([task.remote(function, part) for part in parts])
    return found


def _compute(scorer: Scorer, number: int) -> Lists:
    with threadpool_limits(1):
        return scorer(number)


def _apply(function: Callable[[T], U], part: T) -> U:
    with threadpool_limits(1):
        return function(part)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("Ray is not installed; pip install 'kg-rec[ray]', or use engine local") from error
    return ray
