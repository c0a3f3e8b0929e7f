"""HTTP as uvicorn reads it with httptools, which costs less than its reader in Python, with a bound on heads."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Longest head of a request, in bytes besides those that came together with its first ones; httptools has no bound.
LONGEST_HEAD = 1 << 16


class Protocol(HttpToolsProtocol):
    """One connection; it is closed where the head of a request is too long."""

    _in_head = _fresh = False
    _head = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._fresh = True
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head has ended."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Some bytes came; those of a head that began before them and has not ended are counted."""
        self._fresh = False
        super().data_received(data)
        if self._in_head and not self._fresh and not self.transport.is_closing():
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.send_400_response("The head of the request is too long.")
