"""Embeddings that are kept on disk, by a digest of what was embedded and of the model."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

#: Keys that are looked up with one statement.
_KEYS = 500


def default_cache() -> Path:
    """Where embeddings are kept: ``$KG_REC_CACHE``, or ``kg_rec`` in the user's cache folder."""
    root = os.environ.get("KG_REC_CACHE")
    return Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kg_rec"


class VectorCache:
    """An open file of embeddings; several processes may use it at once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE IF NOT EXISTS embedding (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    def known(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The vectors that are there, float32, by key."""
        vectors: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _KEYS):
            part = keys[start : start + _KEYS]
            marks = ",".join("?" * len(part))
            vectors.update(self._database.execute(f"SELECT key, vector FROM embedding WHERE key IN ({marks})", part))  # noqa: S608
        return vectors

    def keep(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Write vectors by key, all of them or none."""
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?)", rows)


@contextmanager
def opened(folder: Path, name: str) -> Iterator[VectorCache]:
    """The cache in a file of a folder; both are made where they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / name, timeout=60)) as database:
        yield VectorCache(database)
