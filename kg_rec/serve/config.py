"""Settings of the service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from kg_rec.errors import ConfigError

#: Scheme, host and port; ``*`` is none: it would let every page read what this machine may ask.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


@dataclass(frozen=True)
class ServeConfig:
    """How the service runs.

    Attributes:
        host: address to listen on; any but this machine's own needs ``tokens``.
        port: port to listen on; 0 for a free one.
        poll: seconds between looks at the graph and at the model's folder.
        tokens: file that `kg-rec serve-token` writes; None lets everybody on this machine ask anything.
        rate: requests per minute from one address or token; 0 for no bound.
        body: most bytes of a request.
        audit: file that gets a line per look at a user: time, who, what, which user; None for none.
        cached: lists that are kept.
        least_crowd: fewest other users that may be told of: paths through fewer are not shown.
        timeout: seconds after which a request is answered with 504.
        cors: origins (``https://shop.example``) whose pages may read answers in a browser; none unless set.
        workers: processes that answer.
        shared: folder that these processes share, made by :func:`kg_rec.serve.workers.run`; None for one process.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    poll: float = 1.0
    tokens: Path | None = None
    rate: int = 0
    body: int = 1 << 20
    audit: Path | None = None
    cached: int = 10_000
    least_crowd: int = 1
    timeout: float = 30.0
    cors: tuple[str, ...] = ()
    workers: int = 1
    shared: Path | None = None

    def __post_init__(self) -> None:
        if not (self.poll > 0 and self.timeout > 0) or self.rate < 0 or not 0 <= self.port < 65536:
            raise ConfigError(f"expected poll and timeout above 0, rate of at least 0 and a port, got {self}")
        if self.body < 1 or self.least_crowd < 1 or self.cached < 1 or self.workers < 1:
            raise ConfigError(f"expected body, least_crowd, cached and workers of at least 1, got {self}")
        for origin in self.cors:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"cors: expected origins such as https://shop.example, without a path, got {origin!r}"
                )
        if self.tokens is None and not _own(self.host):
            raise ConfigError(
                f"host {self.host} can be reached by others; make tokens with `kg-rec serve-token` and name their file "
                "with --tokens, or listen on 127.0.0.1"
            )


def _own(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
