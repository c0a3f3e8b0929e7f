"""A Ray cluster: the one of ``RAY_ADDRESS``, else one that is started here.  Ray is an extra."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from kg_rec.errors import MissingDependencyError

U = TypeVar("U")


@dataclass(frozen=True)
class RayShards:
    """Shards of training's sums (:class:`kg_rec.model.shards.Shards`) as tasks of a cluster that is connected.

    Ray repeats a task when its worker or node dies.

    Attributes:
        rows: rows of a result per task.
    """

    rows: int = 2048

    def hold(self, value: Any) -> Any:
        """A reference to the value in the object store."""
        return _ray().put(value)

    def map(self, function: Callable[..., U], parts: Iterable[Any], *shared: Any) -> Iterator[U]:
        """See :class:`kg_rec.model.shards.Shards`; a shared value is put into the object store once."""
        ray = _ray()
        refs = [value if isinstance(value, ray.ObjectRef) else ray.put(value) for value in shared]
        task = ray.remote(num_cpus=1, max_retries=-1)(_apply)
        waiting = deque(task.remote(function, part, *refs) for part in parts)
        while waiting:
            yield ray.get(waiting.popleft())


@contextmanager
def ray_shards(rows: int = RayShards.rows) -> Iterator[RayShards]:
    """Shards on a cluster, which is connected for as long: ``kg.train(snapshot, shards=shards)``.

    Args:
        rows: rows of a result per task.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    with connected():
        yield RayShards(rows)


@contextmanager
def connected() -> Iterator[Any]:
    """The module ``ray``, initialised; shut down at the end if it was not before.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _apply(function: Callable[..., U], part: Any, *shared: Any) -> U:
    with threadpool_limits(1):
        return function(part, *shared)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("Ray is not installed; pip install 'kg-rec[ray]', or use engine local") from error
    return ray
