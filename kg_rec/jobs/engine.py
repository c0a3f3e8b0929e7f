"""Where chunks are computed: threads of this process, or a Ray cluster.  Both give the same bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from threadpoolctl import threadpool_limits

from kg_rec.jobs.chunk import Lists, Scorer


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
