"""A real HTTP server on 127.0.0.1 that speaks as a chat-completions endpoint does, well or badly, as told."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What to do with a request: gets the handler and the request's body.
Act = Callable[["Handler", dict[str, Any]], None]


@dataclass
class ChatServer:
    """What the server will do, and what it was asked.

    Attributes:
        url: its base URL.
        acts: one for each request to come; the last one stays.
        requests: bodies so far.
        headers: their headers.
        done: set when the test ends: slow acts wait for it.
    """

    url: str
    acts: list[Act] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the next act."""

    state: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state = self.state
        state.requests.append(body)
        state.headers.append(dict(self.headers))
        state.paths.append(self.path)
        act = state.acts.pop(0) if len(state.acts) > 1 else state.acts[0]
        act(self, body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def reply(self, status: int, data: bytes | str, headers: Mapping[str, str] | None = None) -> None:
        data = data.encode() if isinstance(data, str) else data
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def chat_server(*acts: Act) -> Iterator[ChatServer]:
    state = ChatServer("", list(acts))
    handler = type("BoundHandler", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.done.set()
        server.shutdown()
        server.server_close()
        thread.join()


# --- acts ---------------------------------------------------------------------------------------------


def completion(content: object, usage: object = None, **choice: object) -> str:
    """A chat completion whose text is this content; what is no text becomes JSON."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    found: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": text}, **choice}]}
    return json.dumps(found if usage is None else {**found, "usage": usage})


def says(*sentences: str, usage: object = None) -> Act:
    """A good answer."""
    return lambda handler, _: handler.reply(200, completion({"sentences": sentences}, usage))


def sends(data: bytes | str, status: int = 200, headers: Mapping[str, str] | None = None) -> Act:
    """These bytes."""
    return lambda handler, _: handler.reply(status, data, headers)


def hangs(handler: Handler, _: dict[str, Any]) -> None:
    """No answer until the test ends."""
    handler.state.done.wait(30)


def drips(handler: Handler, _: dict[str, Any]) -> None:
    """A byte now and then: each comes in time, the whole never does."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not handler.state.done.wait(0.05):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return


def floods(handler: Handler, _: dict[str, Any]) -> None:
    """A body without end."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while not handler.state.done.is_set():
            handler.wfile.write(b" " * 65536)
    except OSError:
        return


def resets(handler: Handler, _: dict[str, Any]) -> None:
    """The connection breaks without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def breaks_off(handler: Handler, _: dict[str, Any]) -> None:
    """Half of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def quoted_sentence(body: dict[str, Any]) -> str:
    """The sentence that a request asks to reword."""
    text = body["messages"][-1]["content"]
    line = next(line for line in text.splitlines() if line.startswith(("Sentence: ", "原句：")))
    sentence = json.loads(line[line.index('"') :])
    assert isinstance(sentence, str)
    return sentence


def repeats(handler: Handler, body: dict[str, Any]) -> None:
    """A safe answer: the sentence as it was."""
    handler.reply(200, completion({"sentences": [quoted_sentence(body)]}))


def changes(change: Callable[[str], str]) -> Act:
    """The sentence, changed."""
    return lambda handler, body: handler.reply(200, completion({"sentences": [change(quoted_sentence(body))]}))
