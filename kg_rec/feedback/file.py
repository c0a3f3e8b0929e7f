"""A file of what people did, one JSON object a line."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from kg_rec.errors import ArgumentError, LoadError
from kg_rec.feedback.events import REACTED
from kg_rec.feedback.posterior import REWARDS
from kg_rec.loaders.cells import LEAST_TIME, MOST_TIME, text_of
from kg_rec.textfile import nothing_told_of_links, parse_json, read_text

_TEXTS = ("event", "user", "item", "kind", "list")
_TYPES: dict[str, tuple[type, ...]] = {**dict.fromkeys(_TEXTS, (str,)), "at": (int,), "value": (int, float)}


def read_reactions(path: Path, now: int, stream: IO[bytes] | None = None) -> pa.Table:
    """The events of a file, a table of :data:`~kg_rec.feedback.events.REACTED`.

    Args:
        path: of the file; for messages alone where there is a stream.
        now: when an event was that does not say it, Unix seconds.
        stream: what to read instead, such as standard input.

    Raises:
        LoadError: a line is no event, named by file and line.
    """
    rows = []
    with nothing_told_of_links(path, LoadError):
        for number, line in enumerate(read_text(path, stream=stream).split("\n"), 1):
            if line.strip():
                try:
                    rows.append(_event(parse_json(line), now))
                except (ValueError, OverflowError) as error:
                    raise LoadError(str(error), path, number) from error
    return pa.Table.from_pylist(rows, schema=REACTED)


def _event(row: Any, now: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ArgumentError(f"expected a JSON object, got {row!r:.60}")
    unknown = sorted(set(row) - set(_TYPES))
    if unknown:
        raise ArgumentError(f"unknown key {unknown[0]!r:.60}; expected some of {', '.join(_TYPES)}")
    row = {"list": "", "at": now, "value": 1.0, **row}
    for key, kinds in _TYPES.items():
        value = row.get(key)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ArgumentError(f"{key}: expected {' or '.join(k.__name__ for k in kinds)}, got {value!r:.60}")
    for key in _TEXTS:
        text_of(row[key])
    if not row["event"] or row["kind"] not in REWARDS:
        raise ArgumentError(f"expected an id as event and a kind of {', '.join(REWARDS)}, got {row['kind']!r:.60}")
    if not LEAST_TIME <= row["at"] <= MOST_TIME:
        raise ArgumentError(f"at: expected Unix seconds, got {row['at']}; divide milliseconds by 1000")
    value = float(row["value"])
    if not abs(value) < float("inf"):
        raise ArgumentError(f"value: expected a finite number, got {row['value']}")
    return {**row, "value": value}
