"""Who may ask what: tokens with roles, of which only hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from kg_rec.errors import ConfigError
from kg_rec.textfile import nothing_told_of_links, parse_json, read_text

#: Each may do what those before it may: lists and feedback; why, search and what-if; Cypher and paths; operations.
ROLES = ("app", "support", "auditor", "admin")


@dataclass(frozen=True)
class Token:
    """One holder of a token.

    Attributes:
        name: who holds it, for the audit log.
        role: one of :data:`ROLES`.
        sha256: of the token, hexadecimal.  A token is 32 random bytes, so a plain hash cannot be guessed back.
    """

    name: str
    role: str
    sha256: str

    def may(self, role: str) -> bool:
        """Whether the holder may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


#: Who asks where no tokens are asked for.
ANYBODY = Token("local", "admin", "")


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens of a file, one JSON object a line.

    Raises:
        ConfigError: the file is missing or a line is not a token.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such file; make tokens with `kg-rec serve-token`")
    with nothing_told_of_links(path, ConfigError):
        return _tokens(path)


def _tokens(path: Path) -> tuple[Token, ...]:
    found = []
    for number, line in enumerate(read_text(path, ConfigError).split("\n"), 1):
        if not line.strip():
            continue
        try:
            token = Token(**parse_json(line))
            known = token.role in ROLES and len(bytes.fromhex(token.sha256)) == 32
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{path}:{number}: expected name, role and sha256 as a JSON object ({error})") from error
        if not known:
            raise ConfigError(f"{path}:{number}: expected a role of {', '.join(ROLES)} and a SHA-256 in hexadecimal")
        found.append(token)
    return tuple(found)


def add_token(path: Path, name: str, role: str) -> str:
    """Make a token, keep its hash in a file that only its owner can read, and return the token, which is kept nowhere.

    Raises:
        ConfigError: the role is unknown, or the file cannot be written.
    """
    if role not in ROLES:
        raise ConfigError(f"expected a role of {', '.join(ROLES)}, got {role!r}")
    token = secrets.token_urlsafe(32)
    line = json.dumps({"name": name, "role": role, "sha256": hashlib.sha256(token.encode()).hexdigest()})
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return token


def holder(tokens: tuple[Token, ...], header: str | None) -> Token | None:
    """Who sent ``Authorization: Bearer TOKEN``; None where no token fits.  Takes as long whichever fits."""
    scheme, _, given = (header or "").partition(" ")
    digest = hashlib.sha256(given.strip().encode()).hexdigest()
    found = None
    for token in tokens:
        if hmac.compare_digest(token.sha256, digest) and scheme.lower() == "bearer":
            found = token
    return found
