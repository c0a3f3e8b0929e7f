"""The limits of a question to KGLite: time and memory hold, whatever it asks for.

KGLite looks at the clock between rows; a text or a list that doubles a few dozen times knows no clock and takes all
memory there is.  So a statement without MATCH, which has nothing to do but to build, is answered in a copy of this
process (fork), which is killed when its time is over or when it takes more than :data:`MEMORY` besides.  What reads the
graph is answered here, since KGLite computes many rows in threads, which a copy of the process does not have; when it
takes more, it is interrupted as by Ctrl-C, which only the main thread can be.  Memory is watched on Linux alone.
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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pyarrow as pa

from kg_rec.errors import QueryRefusedError, StoreError
from kg_rec.store.gate import Token

if sys.platform == "linux":
    import resource

#: Memory that a question may take, in bytes, with its answer.
MEMORY = 3 << 28
#: Seconds after its timeout at which a question is killed that has not stopped by itself.
GRACE = 1.0
_SECONDS_BETWEEN_LOOKS = 0.005
_SHOWN = {error.__name__: error for error in (QueryRefusedError, StoreError)}


def only_builds(found: Sequence[Token]) -> bool:
    """Whether a statement reads nothing from the graph."""
    return not any(token.word == "MATCH" for token in found)


def check_ends(found: Sequence[Token]) -> None:
    """Refuse a shortest path of which neither end is known: KGLite looks for all of them, and not at the clock.

    Raises:
        QueryRefusedError: with what to write instead.
    """
    for i, token in enumerate(found):
        if token.word not in ("SHORTESTPATH", "ALLSHORTESTPATHS"):
            continue
        before, depth, ends, known = {t.text for t in found[:i]}, 0, 0, False
        for j, inside in enumerate(found[i + 1 :], i + 1):
            depth += (inside.text == "(") - (inside.text == ")")
            if depth == 0:
                break
            if depth == 2 and inside.text == "(":
                ends += 1
                known = known or (found[j + 1].kind in ("word", "name") and found[j + 1].text in before)
            known = known or (depth == 2 and inside.text == "{")
        if ends and not known:
            raise QueryRefusedError(
                f"query refused: {token.text} between any two nodes does not keep its timeout in the embedded store; "
                "MATCH its ends first: MATCH (a:User), (b:Film) MATCH p = shortestPath((a)-[*]-(b)) ..."
            )


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
    raise _too_much()


class MemoryWatch:
    """Interrupts a question in the main thread when this process takes more than :data:`MEMORY` besides what it has.

    KGLite ends a question at SIGINT; a thread looks at the memory while one runs, and sends it.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._most: int | None = None
        self._running = self._over = self._closed = self._ignored = False

    def close(self) -> None:
        """End the thread."""
        with self._turn:
            self._closed = True
            self._turn.notify()

    @contextlib.contextmanager
    def limit(self) -> Iterator[None]:
        """For what runs within; in other threads, outside Linux, and where others handle SIGINT it does nothing.

        Raises:
            StoreError: it took more.
        """
        main, before = threading.current_thread() is threading.main_thread(), signal.getsignal(signal.SIGINT)
        if sys.platform != "linux" or not main or before not in (signal.default_int_handler, signal.SIG_IGN):
            yield
            return
        self._ignored = before is signal.SIG_IGN
        signal.signal(signal.SIGINT, self._interrupted)
        try:
            with self._turn:
                self._most, self._running, self._over = _resident("self") + MEMORY, True, False
                self._turn.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="kg_rec-memory", daemon=True)
                self._thread.start()
            yield
        except KeyboardInterrupt as error:
            if not self._over:
                raise
            raise _too_much() from error
        finally:
            self._running = False
            with self._turn:
                self._most = None
            signal.signal(signal.SIGINT, before)  # a signal that is on its way comes first

    def _look(self) -> None:
        with self._turn:
            while not self._closed:
                self._turn.wait_for(lambda: self._closed or self._most is not None)
                self._turn.wait(_SECONDS_BETWEEN_LOOKS)
                if self._most is not None and not self._over and _resident("self") > self._most:
                    self._over = True
                    signal.raise_signal(signal.SIGINT)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        wanted = self._running if self._over else not self._ignored  # what this sent may come too late
        if wanted:
            signal.default_int_handler(number, frame)


def _too_much() -> StoreError:
    return StoreError(f"the query needs more than {MEMORY >> 20:,} MiB of memory; narrow it, or return less at a time")


def _resident(process: int | str) -> int:
    """Bytes of a process that are in memory."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _received(reader: int, child: int, seconds: float) -> bytes | None:
    """All that the child wrote, nothing where it took too much memory, or None where it took too long."""
    end, ended, most = time.monotonic() + seconds, os.pidfd_open(child), _resident(child) + MEMORY
    parts: list[bytes] = []
    try:
        while True:
            ready, _, _ = select.select([reader, ended], [], [], _SECONDS_BETWEEN_LOOKS)
            if not ready:
                if time.monotonic() > end:
                    return None
                if _resident(child) > most:
                    return b""
                continue
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
