"""Processes that run a job and are killed with SIGKILL, at the n-th call of kg_rec's code or after some time."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any

from forked import context

from kg_rec.jobs.config import JobConfig
from kg_rec.jobs.run import resume, start
from kg_rec.store import connect
from kg_rec.store.ledger import RunLedger

_OURS = tuple(str(Path(start.__code__.co_filename).parents[1] / part) for part in ("jobs", "store"))


@dataclass(frozen=True)
class Fault:
    """When to kill: at a call, or after a share of the usual time."""

    call: int | None = None
    share: float | None = None


def plan(seed: int, count: int, calls: int) -> Iterator[Fault]:
    """A seeded fault plan: half of the kills at random calls out of ``calls``, half at random times."""
    rng = random.Random(seed)
    for n in range(count):
        yield Fault(call=rng.randrange(calls)) if n % 2 == 0 else Fault(share=rng.random())


def carry(job: JobConfig, run: str, call: int | None, began: Event, counted: Any, settings: dict[str, str]) -> None:
    """Start the run, or resume it where it is in the ledger; count its calls, if asked to, and die at one."""
    os.environ.update(settings)

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_OURS):
            counted.value += 1
            if counted.value == call:
                os.kill(os.getpid(), signal.SIGKILL)

    began.set()
    if counted is not None:  # which takes longer than the run
        threading.setprofile(profile)
        sys.setprofile(profile)
    store = connect(job.graph)
    if RunLedger(store).find(run) is None:
        start(job, store, run)
    else:
        resume(store, run)
    store.close()


class Killer:
    """RunLedger jobs in processes of their own; a process that is not killed has to end well."""

    def __init__(self) -> None:
        self._context = context()
        self.calls, self.seconds = 0, 0.0

    def count(self, job: JobConfig, run: str) -> int:
        """Carry a run to its end: its calls."""
        counted = self._context.Value("q", 0)
        self._ended(self._started(job, run, None, counted))
        return int(counted.value)

    def undisturbed(self, job: JobConfig, run: str) -> float:
        """Carry a run to its end: its time."""
        process, since = self._started(job, run), time.monotonic()
        self._ended(process)
        return time.monotonic() - since

    def killed(self, job: JobConfig, run: str, fault: Fault) -> bool:
        """Whether the process was killed before its end."""
        if fault.share is None:
            process = self._started(job, run, fault.call, self._context.Value("q", 0))
        else:
            process = self._started(job, run)
            process.join(fault.share * self.seconds)
            process.kill()
        process.join(300)
        assert process.exitcode in (0, -signal.SIGKILL)
        return process.exitcode != 0

    def _ended(self, process: ForkServerProcess) -> None:
        process.join(300)
        assert process.exitcode == 0

    def _started(self, job: JobConfig, run: str, call: int | None = None, counted: Any = None) -> ForkServerProcess:
        settings = {name: value for name, value in os.environ.items() if name.startswith("NEO4J_")}
        began = self._context.Event()
        process = self._context.Process(target=carry, args=(job, run, call, began, counted, settings))
        process.start()
        assert began.wait(120)
        return process
