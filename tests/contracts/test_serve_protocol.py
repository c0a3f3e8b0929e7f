"""A connection of the service: a head without end is refused, whatever else is long is not."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from kg_rec.serve.protocol import LONGEST_HEAD, Protocol


class _Line(asyncio.Transport):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self._over = b"", False

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self._over = True

    def is_closing(self) -> bool:
        return self._over

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _lengths(_: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    body = str(length).encode()
    head = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _answered(*parts: bytes) -> _Line:
    """The line after some bytes came, one part after the other."""

    async def asked() -> _Line:
        config = uvicorn.Config(_lengths, http=Protocol, log_level="critical")
        line, protocol = _Line(), Protocol(config, ServerState(), {})
        protocol.connection_made(line)
        for part in parts:
            protocol.data_received(part)
            await asyncio.sleep(0.01)
            if line.is_closing():
                break
        return line

    return asyncio.run(asked())


def test_a_head_without_end_is_refused() -> None:
    some = b"X-Some: " + 1000 * b"a" + b"\r\n"
    line = _answered(b"GET / HTTP/1.1\r\n", *((LONGEST_HEAD // len(some) + 1) * [some]))
    assert line.sent.startswith(b"HTTP/1.1 400 ")
    assert line.is_closing()


def test_a_long_body_is_read_and_the_next_request_too() -> None:
    whole, part = 4 * LONGEST_HEAD, LONGEST_HEAD
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {whole}\r\n\r\n".encode()
    last = part * b"b" + b"GET / HTTP/1.1\r\nHost: a\r\n"
    line = _answered(head, *(3 * [part * b"b"]), last, b"\r\n")
    assert not line.is_closing()
    assert line.sent.count(b"HTTP/1.1 200 OK") == 2
    assert str(whole).encode() in line.sent
