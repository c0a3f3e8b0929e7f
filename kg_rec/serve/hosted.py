"""An embedded graph that several worker processes read and write: one process has it open, the others ask it.

The process that starts the workers opens the folder, as one writer may, and answers on a Unix socket in a folder of its
own user.  A question is JSON, an answer an Arrow table or JSON; nothing that is sent is run.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import pyarrow as pa

from kg_rec import errors
from kg_rec.errors import KgRecError, StoreError, StoreUnavailableError
from kg_rec.schema import GraphSchema
from kg_rec.serve.kept import Files, files_of
from kg_rec.store.base import GraphStore, Statement

#: The socket in the folder that the processes share.
SOCKET = "graph.socket"


class Host:
    """Has an embedded graph open for others: for reading, and for writing while they write.

    Args:
        read: opens it for reading.
        write: opens it for writing.
        idle: seconds without a write after which another program may write.
    """

    def __init__(self, read: Callable[[], GraphStore], write: Callable[[], GraphStore], idle: float) -> None:
        self._read, self._write, self._idle = read, write, idle
        self._listener: Listener | None = None
        self._reader: GraphStore | None = None
        self._writer: GraphStore | None = None
        self._files: Files = ()
        self._opened: Files = ()
        self._written, self._turn, self._over = 0.0, threading.Lock(), threading.Event()

    def listen(self, folder: Path) -> None:
        """Answer on a socket in a folder, in threads that end with this process."""
        listener = self._listener = Listener(str(folder / SOCKET), "AF_UNIX", backlog=64)

        def accept() -> None:
            with suppress(OSError):  # it was closed
                while True:
                    threading.Thread(target=self._serve, args=(listener.accept(),), daemon=True).start()

        def tidy() -> None:
            while not self._over.wait(self._idle):
                with self._turn:
                    if time.monotonic() - self._written >= self._idle:
                        self._let_go()

        for work in (accept, tidy):
            threading.Thread(target=work, name=f"kg_rec-{work.__name__}", daemon=True).start()

    def close(self) -> None:
        """Let go of the graph, and of the socket."""
        self._over.set()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        with self._turn:
            self._let_go()
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _let_go(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _serve(self, line: Connection) -> None:
        with line:
            while True:
                try:
                    asked = json.loads(line.recv_bytes())
                except (EOFError, OSError):
                    return
                try:
                    with self._turn:
                        answer = self._answer(asked)
                except KgRecError as error:
                    answer = b"E" + json.dumps([type(error).__name__, str(error)]).encode()
                line.send_bytes(answer)

    def _answer(self, asked: Mapping[str, Any]) -> bytes:
        if "statements" in asked:
            try:
                self._writing().transact([(text, values) for text, values in asked["statements"]])
            except StoreError:
                self._let_go()  # the next one opens it anew
                raise
            self._written = time.monotonic()
            return b"D"
        if "files" in asked:
            return b"F" + json.dumps(files_of(asked["files"]) if self._writer is None else self._opened).encode()
        store = self._writer or self._reading()
        if "cypher" not in asked:
            return b"S" + store.schema().turtle.encode()
        table = store.query(asked["cypher"], asked["parameters"], limit=asked["limit"], timeout=asked["timeout"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return b"T" + bytes(sink.getvalue())

    def _writing(self) -> GraphStore:
        if self._writer is None:
            self._writer = self._write()
            self._opened = files_of(self._writer.url)
        return self._writer

    def _reading(self) -> GraphStore:
        if self._reader is not None and self._files != files_of(self._reader.url):
            self._reader.close()  # it sees the graph as it was when it was opened
            self._reader = None
        if self._reader is None:
            self._reader = self._read()
            self._files = files_of(self._reader.url)
        return self._reader


class Hosted:
    """What a worker asks of the host's graph: the part of a :class:`~kg_rec.store.base.GraphStore` that it needs.

    Args:
        folder: where the host listens.
        url: of the graph.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.url, self._socket = url, str(folder / SOCKET)
        self._line: Connection | None = None
        self._turn = threading.Lock()

    def schema(self) -> GraphSchema:
        """See :meth:`kg_rec.store.base.GraphStore.schema`."""
        return self._kept_schema

    @cached_property
    def _kept_schema(self) -> GraphSchema:
        return GraphSchema.from_turtle(self._asked({}).decode(), origin=f"{self.url}: stored schema")

    def query(
        self, cypher: str, parameters: Mapping[str, Any] | None = None, *, limit: int = 100_000, timeout: float = 60.0
    ) -> pa.Table:
        """See :meth:`kg_rec.store.base.GraphStore.query`."""
        asked = {"cypher": cypher, "parameters": dict(parameters or {}), "limit": limit, "timeout": timeout}
        return pa.ipc.open_stream(self._asked(asked)).read_all()

    def transact(self, statements: Sequence[Statement]) -> None:
        """See :meth:`kg_rec.store.base.GraphStore.transact`."""
        self._asked({"statements": [[text, dict(values)] for text, values in statements]})

    def files(self) -> Files:
        """The graph's files, those from when it was opened while the host writes: nobody else does, and no facts."""
        return tuple((name, size, at) for name, size, at in json.loads(self._asked({"files": self.url})))

    def close(self) -> None:
        """Hang up."""
        with self._turn:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _asked(self, what: Mapping[str, Any]) -> bytes:
        with self._turn:
            try:
                if self._line is None:
                    self._line = Client(self._socket, "AF_UNIX")
                self._line.send_bytes(json.dumps(what).encode())
                answer = self._line.recv_bytes()
            except (EOFError, OSError) as error:
                self._hang_up()
                raise StoreUnavailableError(f"{self.url}: the process that has the graph open is gone") from error
        if answer[:1] == b"E":
            kind, message = json.loads(answer[1:])
            raise getattr(errors, kind, StoreError)(message)
        return answer[1:]
