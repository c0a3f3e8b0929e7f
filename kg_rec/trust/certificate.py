"""What was forgotten, as a paper for whoever asked for it: places, amounts and digests, and no name.

The user's key is in it as SHA-256 of a random receipt and the key.  Who has the receipt and the key can show that the
paper is theirs; who has the paper alone cannot try keys.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kg_rec.errors import ArgumentError, ConfigError
from kg_rec.store.ledger import now
from kg_rec.textfile import parse_json, read_text
from kg_rec.trust.places import Erased


def certificate(user: str, erased: Sequence[Erased]) -> tuple[dict[str, Any], str]:
    """A certificate, for JSON, and the receipt that goes with it."""
    receipt = secrets.token_hex(16)
    said = {
        "what": "one user was forgotten",
        "by": f"kg-rec {version('kg-rec')}",
        "at": now(),
        "user": _commitment(user, receipt),
        "places": [asdict(place) for place in erased],
    }
    return {**said, "sha256": _digest(said)}, receipt


def read(path: Path) -> dict[str, Any]:
    """A certificate that was written into a file.

    Raises:
        ConfigError: it holds none.
    """
    try:
        found = parse_json(read_text(path, ConfigError))
    except ArgumentError as error:
        raise ConfigError(
            f"{path}: expected a certificate that `kg-rec forget --certificate` wrote, {error}"
        ) from error
    if not isinstance(found, dict) or not {"user", "at", "places", "sha256"} <= found.keys():
        raise ConfigError(f"{path}: expected a certificate that `kg-rec forget --certificate` wrote, got other JSON")
    return found


def is_whole(found: Mapping[str, Any]) -> bool:
    """Whether a certificate says what it said when it was written."""
    return found.get("sha256") == _digest({name: value for name, value in found.items() if name != "sha256"})


def is_of(found: Mapping[str, Any], user: str, receipt: str) -> bool:
    """Whether a certificate is that of a user, by the receipt."""
    return found.get("user") == _commitment(user, receipt)


def _commitment(user: str, receipt: str) -> str:
    return hashlib.sha256(f"{receipt}\n{user}".encode()).hexdigest()


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
