"""The worker processes of `explain --all` end with the one that started them, however that ends."""

from __future__ import annotations

import time
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from toy_graph import everything

from kg_rec.api import Model


def children(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def explain_for_ever(model: Model, begun: Event) -> None:
    batches = model.explain_lists(None, 10, workers=2)
    next(batches)
    begun.set()
    time.sleep(600)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.timeout(300)
def test_workers_end_when_their_parent_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kg_rec.explain.lists._PAIRS", 20)  # many blocks: more than a pipe holds
    context = get_context("fork")
    begun = context.Event()
    parent = context.Process(target=explain_for_ever, args=(Model(everything()), begun))
    parent.start()
    assert begun.wait(120)
    assert parent.pid is not None
    workers = children(parent.pid)
    assert len(workers) == 2
    parent.kill()
    parent.join()
    until = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))
