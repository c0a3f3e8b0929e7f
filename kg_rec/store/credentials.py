"""Where a server's address and credentials come from.  Passwords never stand in URLs, messages or logs."""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from kg_rec.errors import AuthenticationError, StoreError
from kg_rec.textfile import read_text

_log = logging.getLogger(__name__)

_EXAMPLE = "neo4j://localhost:7687?database=neo4j"


def split_url(url: str) -> tuple[str, str]:
    """The URL without options, and the name of the database (``?database=``, default ``neo4j``).

    Raises:
        StoreError: the URL carries credentials, a path or an unknown option.  The message shows nothing of the URL
            that may be a password.
    """
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query, keep_blank_values=True)
        host = parts.hostname
        _ = parts.port
    except ValueError:  # its message repeats what stands where the port should
        raise StoreError(
            f"the server's URL cannot be read: expected a host and a port number, as in {_EXAMPLE}"
        ) from None
    if "@" in url or {"user", "username", "password"} & {k.lower() for k in options}:
        raise StoreError(
            "the server's URL must not carry credentials; "
            "set NEO4J_USERNAME and NEO4J_PASSWORD, or NEO4J_AUTH_FILE, instead"
        )
    unknown = sorted(set(options) - {"database"})
    shown = f"{parts.scheme}://{parts.netloc}"  # what follows may be a password in the wrong place
    if not host or parts.path.strip("/") or parts.fragment or unknown:
        raise StoreError(f"{shown}: expected an address like {_EXAMPLE}, with no other parts")
    database = options.get("database", ["neo4j"])[-1]
    if not database:
        raise StoreError(
            f"{parts.scheme}://{parts.netloc}: the database has no name; expected an address like {_EXAMPLE}"
        )
    return shown, database


class Credentials(NamedTuple):
    """Who connects, as Neo4j's drivers call it.

    Attributes:
        principal: the user.
        credentials: the password; not shown.
    """

    principal: str
    credentials: str

    def __repr__(self) -> str:
        return f"Credentials(principal={self.principal!r})"


def read_credentials() -> Credentials | None:
    """User and password from the environment, or from the file that ``NEO4J_AUTH_FILE`` names.

    The environment variables win over the file.  The file has the user on line one and the password on line two
    (or both on one line as ``user/password``).  Where others can access it, as in mounted secrets, the log says so.

    Returns:
        None where neither is given, for servers without authentication.

    Raises:
        AuthenticationError: only one of the two variables is set, or the file is not as described.
    """
    user, password = os.environ.get("NEO4J_USERNAME"), os.environ.get("NEO4J_PASSWORD")
    if user and password:
        return Credentials(user, password)
    if user or password:
        raise AuthenticationError("only one of NEO4J_USERNAME and NEO4J_PASSWORD is set; set both")
    named = os.environ.get("NEO4J_AUTH_FILE")
    if not named:
        return None
    path = Path(named)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise AuthenticationError(f"NEO4J_AUTH_FILE {path}: cannot read it: {error.strerror}") from None
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        _log.warning("NEO4J_AUTH_FILE %s: other users can access it; run chmod 600 on it", path)
    lines = read_text(path, AuthenticationError).split("\n")
    if not any(lines[1:]) and "/" in lines[0]:
        user, _, password = lines[0].partition("/")
        lines = [user, password]
    if len(lines) < 2 or not lines[0] or not lines[1]:
        raise AuthenticationError(
            f"NEO4J_AUTH_FILE {path}: expected the user on line one and the password on line two, or user/password"
        )
    return Credentials(lines[0], lines[1])
