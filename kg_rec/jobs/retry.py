"""Trying again while a server does not answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from kg_rec.errors import StoreUnavailableError
from kg_rec.jobs.config import JobConfig

_log = logging.getLogger(__name__)
_FIRST_WAIT = 0.5
T = TypeVar("T")


def retry_while_unavailable(job: JobConfig, action: Callable[[], T]) -> T:
    """Try again while the server does not answer, up to ``retry_seconds`` from the first time that it did not."""
    until, wait = None, _FIRST_WAIT
    while True:
        try:
            return action()
        except StoreUnavailableError as error:
            until = time.monotonic() + job.retry_seconds if until is None else until
            if time.monotonic() + wait > until:
                raise
            _log.warning("the graph does not answer; trying again: %s", error)
            time.sleep(wait)
            wait = min(2 * wait, 10.0)
