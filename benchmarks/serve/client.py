"""An HTTP client that costs little, so that what is measured is the server: asyncio, kept connections."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any


@dataclass
class Answers:
    """What came back.

    Attributes:
        seconds: per answer; in :func:`at_rate` from the moment at which the request was due.
        errors: answers of another status than 200, and connections that were lost.
    """

    seconds: list[float] = field(default_factory=list)
    errors: int = 0

    def ms(self, share: float) -> float:
        """A quantile of the times, in milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Connection:
    """One connection, opened again when it was lost; one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            OSError: the connection was refused or lost.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sent = b"" if body is None else json.dumps(body).encode()
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
        try:
            writer.write(head.encode() + b"\r\n" + sent)
            lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            length = next(int(line[15:]) for line in lines if line.lower().startswith(b"content-length:"))
            return int(lines[0].split()[1]), await reader.readexactly(length)
        except (asyncio.IncompleteReadError, StopIteration) as error:
            self.close()
            raise ConnectionError("the answer was cut off") from error

    def close(self) -> None:
        """Let go of it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def at_rate(port: int, paths: Iterator[str], rate: float, seconds: float, connections: int = 64) -> Answers:
    """Requests at a steady rate, whether or not earlier ones were answered: waiting for a connection counts."""
    found = Answers()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(Connection(port))

    async def one(path: str, due: float) -> None:
        connection = await free.get()
        try:
            status, _ = await connection.ask(path)
            found.seconds.append(time.perf_counter() - due)
            found.errors += status != 200
        except OSError:
            found.errors += 1
        finally:
            free.put_nowait(connection)

    start, tasks = time.perf_counter(), []
    for n in range(int(rate * seconds)):
        due = start + n / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(next(paths), due)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().close()
    return found


async def as_fast(
    port: int, paths: Iterator[str], seconds: float, connections: int = 16, most: int | None = None
) -> tuple[Answers, float]:
    """Requests one after the other on each connection; the answers, and how many a second."""
    found, start = Answers(), time.perf_counter()

    async def loop() -> None:
        connection = Connection(port)
        while time.perf_counter() - start < seconds and (most is None or len(found.seconds) < most):
            began = time.perf_counter()
            try:
                status, _ = await connection.ask(next(paths))
            except OSError:
                found.errors += 1
                continue
            found.seconds.append(time.perf_counter() - began)
            found.errors += status != 200
        connection.close()

    await asyncio.gather(*(loop() for _ in range(connections)))
    return found, len(found.seconds) / (time.perf_counter() - start)


async def changed(port: int, users: Iterator[str], count: int, list_of: Callable[[str], str]) -> Answers:
    """A dismissal of the first item of a list, and the list after it: the time of both together.

    A list that still holds the item counts as an error.  A user who has every item has an empty list, which is right;
    the next user is taken.
    """
    found, connection = Answers(), Connection(port)
    n = 0
    for user in islice(users, 10 * count):
        if n == count:
            break
        try:
            _, before = await connection.ask(list_of(user))
            items = json.loads(before)["items"]
            if not items:
                continue
            item = items[0]["item"]
            event = {"event": f"benchmark-{time.time_ns()}-{n}", "user": user, "item": item, "kind": "dismiss"}
            began = time.perf_counter()
            status, _ = await connection.ask("/v1/feedback", [event])
            _, after = await connection.ask(list_of(user))
            found.seconds.append(time.perf_counter() - began)
            found.errors += status != 200 or item in [row["item"] for row in json.loads(after)["items"]]
        except (OSError, KeyError):
            found.errors += 1
        n += 1
    connection.close()
    found.errors += count - n  # nobody was left to ask
    return found
