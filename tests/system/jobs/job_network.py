"""A line between the driver and a server that can be cut: real sockets, bytes passed on as they come."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

#: The Bolt message COMMIT as a chunk of its own: https://neo4j.com/docs/bolt/current/bolt/message/
_COMMIT = b"\x00\x02\xb0\x12\x00\x00"


@dataclass(frozen=True)
class Cut:
    """A fault of the line.

    Attributes:
        kind: ``closed`` (all connections are closed, new ones are refused for some seconds), ``unanswered`` (the
            request reaches the server, and the connection is closed instead of passing on the answer) or ``silent``
            (the connections stay open and carry nothing any more, either way; new ones work).
        at: the request that it happens at, from 1.
        commits: count only requests that end with a COMMIT.
        seconds: how long new connections are refused.
    """

    kind: str
    at: int
    commits: bool = False
    seconds: float = 0.0


@dataclass(eq=False)
class _Connection:
    client: socket.socket
    server: socket.socket
    silent: bool = False
    unanswered: bool = False

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass
class Line:
    """Listens on a loopback port while it is open.

    Attributes:
        server: URL of the server.
        requests: what the client sent since :meth:`expect`, and in how many of them it committed.
        happened: set when the fault happened.
    """

    server: str
    requests: int = 0
    commits: int = 0
    happened: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Line:
        self._cut: Cut | None = None
        self._lock = threading.RLock()
        self._connections: list[_Connection] = []
        self._port = 0
        self._open = True
        self._listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._lock:
            self._open = False
            self._close()

    @property
    def url(self) -> str:
        """The server's URL by way of the line."""
        return f"bolt://127.0.0.1:{self._port}"

    def expect(self, cut: Cut | None) -> None:
        """Count from now on, and let the fault happen."""
        with self._lock:
            self._cut, self.requests, self.commits = cut, 0, 0
            self.happened.clear()

    def _listen(self) -> None:
        with self._lock:
            if not self._open:
                return
            self._listener = socket.create_server(("127.0.0.1", self._port))
            self._port = self._listener.getsockname()[1]
        _thread(self._accept, self._listener)

    def _close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        place = urlsplit(self.server)
        while True:
            try:
                client = listener.accept()[0]
            except OSError:  # the listener was closed
                return
            connection = _Connection(client, socket.create_connection((str(place.hostname), int(place.port or 0))))
            for end in (connection.client, connection.server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.append(connection)
            _thread(self._pass_on, connection, connection.client, connection.server)
            _thread(self._pass_on, connection, connection.server, connection.client)

    def _pass_on(self, connection: _Connection, source: socket.socket, target: socket.socket) -> None:
        asks = source is connection.client
        with suppress(OSError):  # an end was closed
            while data := source.recv(1 << 16):
                if asks:
                    self._request(connection, data)
                elif connection.unanswered:
                    break
                if not connection.silent:
                    target.sendall(data)
        if not connection.silent:
            connection.close()

    def _request(self, connection: _Connection, data: bytes) -> None:
        with self._lock:
            commits = data.endswith(_COMMIT)
            self.requests, self.commits = self.requests + 1, self.commits + commits
            cut = self._cut
            if cut is None or (self.commits if cut.commits else self.requests) < cut.at:
                return
            self._cut = None
            self.happened.set()
            if cut.kind == "closed":
                self._close()
                later = threading.Timer(cut.seconds, self._listen)
                later.daemon = True
                later.start()
            elif cut.kind == "unanswered":
                connection.unanswered = True
            else:
                for each in self._connections:
                    each.silent = True


def _thread(work: object, *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()  # type: ignore[arg-type]
