"""What was forgotten, as a paper for whoever asked for it: places, amounts and digests, and no name.

The user's key is in it as SHA-256 of a random receipt and the key.  Who has the receipt and the key can show that the
paper is theirs; who has the paper alone cannot try keys.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kg_rec.errors import ConfigError
from kg_rec.store.ledger import now
from kg_rec.textfile import parse_json, read_text
from kg_rec.trust.places import Erased

#: What a certificate tells, in its own words.
WHAT = (
    "one user was forgotten; each place is told as the run that wrote this found it and left it: "
    "what an earlier run deleted that was cut short is not counted"
)


def refuse_unwritable(path: Path, places: Iterable[Path]) -> None:
    """A file that no certificate could be written into is told of before anything is deleted.

    Args:
        path: where the certificate shall be.
        places: files and folders that the user is deleted from; the certificate must not stand in their place.

    Raises:
        ConfigError: it is a folder, or in no folder, or may not be written, or is one of the places or within one.
    """
    file = path.resolve()
    if file.is_dir():
        reason = "this is a folder"
    elif not file.parent.is_dir():
        reason = f"there is no folder {path.parent}"
    elif not os.access(file if file.exists() else file.parent, os.W_OK):
        reason = "it may not be written there"
    elif any(file.is_relative_to(place.resolve()) for place in places):
        reason = "the user is deleted from there"
    else:
        return
    raise ConfigError(
        f"{path}: expected a file to write the certificate into, but {reason}; nothing was deleted: name another file"
    )


def certificate(user: str, erased: Sequence[Erased]) -> tuple[dict[str, Any], str]:
    """A certificate, for JSON, and the receipt that goes with it."""
    receipt = secrets.token_hex(16)
    said = {
        "what": WHAT,
        "by": f"kg-rec {version('kg-rec')}",
        "at": now(),
        "user": _commitment(user, receipt),
        "places": [asdict(place) for place in erased],
    }
    return {**said, "sha256": _digest(said)}, receipt


def read(path: Path) -> dict[str, Any]:
    """A certificate that was written into a file.

    Raises:
        ConfigError: it holds none, or one whose parts are not what they should be.
    """
    expected = f"{path}: expected a certificate that `kg-rec forget --certificate` wrote"
    try:
        content = parse_json(read_text(path, ConfigError))
    except ValueError as error:  # no JSON, or a number of thousands of digits
        raise ConfigError(f"{expected}, {error}") from error
    if not isinstance(content, dict) or not {"user", "at", "places", "sha256"} <= content.keys():
        raise ConfigError(f"{expected}, got other JSON")
    for name in ("user", "at", "sha256"):
        if not isinstance(content[name], str):
            raise ConfigError(f"{expected}; {name}: expected text, got {content[name]!r}")
    if not isinstance(content["places"], list):
        raise ConfigError(f"{expected}; places: expected a list, got {content['places']!r}")
    for i, place in enumerate(content["places"]):
        if not _is_place(place):
            raise ConfigError(
                f"{expected}; places[{i}]: expected the name of a place and how much it had, got {place!r}"
            )
    return content


def _is_place(place: object) -> bool:
    if not isinstance(place, dict) or not isinstance(place.get("place"), str):
        return False
    had = place.get("had")
    return isinstance(had, dict) and all(type(count) is int for count in had.values())


def is_whole(content: Mapping[str, Any]) -> bool:
    """Whether a certificate says what it said when it was written."""
    return content.get("sha256") == _digest({name: value for name, value in content.items() if name != "sha256"})


def is_of(content: Mapping[str, Any], user: str, receipt: str) -> bool:
    """Whether a certificate is that of a user, by the receipt."""
    return content.get("user") == _commitment(user, receipt)


def _commitment(user: str, receipt: str) -> str:
    return hashlib.sha256(f"{receipt}\n{user}".encode()).hexdigest()


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
