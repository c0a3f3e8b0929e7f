"""A question in a process of its own, so that its limits of time and memory hold whatever it builds.

KGLite looks at the clock between rows; a text or a list that doubles a few dozen times knows no clock and takes all
memory there is.  So a statement without MATCH, which has nothing to do but to build, is answered in a copy of this
process (fork), which may take no more than :data:`MEMORY` besides, and is killed when its time is over.  What reads the
graph is answered here: KGLite computes many rows in threads, which a copy of the process does not have.  Outside Linux
everything is.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

import pyarrow as pa

from kg_rec.errors import QueryRefusedError, StoreError
from kg_rec.store.gate import Token

if sys.platform == "linux":
    import resource

#: Memory that a question may take, in bytes, with its answer.
MEMORY = 1 << 30
#: Seconds after its timeout at which a question is killed that has not stopped by itself.
GRACE = 1.0
_SHOWN = {error.__name__: error for error in (QueryRefusedError, StoreError)}


def only_builds(found: Sequence[Token]) -> bool:
    """Whether a statement reads nothing from the graph."""
    return not any(token.word == "MATCH" for token in found)


def bounded(work: Callable[[], pa.Table], timeout: float, turn: AbstractContextManager[object]) -> pa.Table:
    """What ``work`` returns, from a process of its own.

    Args:
        work: makes the answer; it must not write, and must not wait for another thread.
        timeout: seconds.
        turn: held while the process is copied, so that nothing is half written in the copy.

    Raises:
        QueryRefusedError: ``work`` raised it.
        StoreError: ``work`` raised it, ran out of time, or took more memory than it may.
    """
    if sys.platform != "linux":
        return work()
    pa.array([0])  # imports what Arrow needs, which each child would do anew
    reader, writer = os.pipe()
    try:
        with turn:
            child = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        raise StoreError(f"cannot start a process for the query: {error}; free some memory") from error
    if not child:
        _answer(work, writer, timeout)
    os.close(writer)
    try:
        answer = _received(reader, child, timeout + GRACE)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if answer is None:
        raise StoreError(f"the query was stopped after {timeout:g} seconds; narrow it or raise the timeout")
    if answer[:1] == b"T":
        return pa.ipc.open_stream(answer[1:]).read_all()
    if answer[:1] == b"E":
        kind, message = json.loads(answer[1:])
        raise _SHOWN.get(kind, StoreError)(message)
    raise StoreError(f"the query needs more than {MEMORY >> 20:,} MiB of memory; narrow it, or return less at a time")


def _received(reader: int, child: int, seconds: float) -> bytes | None:
    """All that the child wrote, or None where it took too long."""
    end, ended = time.monotonic() + seconds, os.pidfd_open(child)
    parts: list[bytes] = []
    try:
        while True:
            ready, _, _ = select.select([reader, ended], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            part = os.read(reader, 1 << 20) if reader in ready else b""
            if not part:  # written to the end; a child of another thread may hold the pipe open beyond this one's end
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(ended)


def _answer(work: Callable[[], pa.Table], writer: int, timeout: float) -> NoReturn:
    """In the child: one letter and the answer or the error; nothing where memory did not suffice."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what is printed when memory ends
        faulthandler.disable()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        seconds = math.ceil(timeout + GRACE) + 1  # should this process's parent be killed
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        try:
            table = work()
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            payload = b"T" + sink.getvalue().to_pybytes()
        except StoreError as error:
            payload = b"E" + json.dumps([type(error).__name__, str(error)]).encode()
        view = memoryview(payload)
        while view:
            view = view[os.write(writer, view) :]
    finally:
        os._exit(0)
