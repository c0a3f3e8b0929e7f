"""Last.fm of HetRec 2011 (https://grouplens.org/datasets/hetrec-2011/): listeners, artists, tags, friends.

``user_artists.dat`` holds play counts, ``user_taggedartists.dat`` who tagged what, ``user_friends.dat`` friends
in both directions.  Tab-separated with a header; ``tags.dat`` mixes UTF-8 and Latin-1; some tagged artists are
not in ``artists.dat`` and are counted, not loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from kg_rec.errors import LoadError
from kg_rec.loaders.base import LoadContext
from kg_rec.loaders.batches import EdgeBatch, NodeBatch
from kg_rec.loaders.text import Chunk, Faults, Layout, Origin, find, read_whole
from kg_rec.schema import GraphSchema

_PLAIN = Layout(fallback="latin-1")


class LastFmLoader:
    """The folder of the release."""

    name = "hetrec-lastfm"
    description = "HetRec 2011 Last.fm: play counts, tags and friends (user_artists.dat and its siblings)"
    options: Mapping[str, str] = {}

    def schema(
        self, path: Path, options: Mapping[str, Any], base: GraphSchema | None, faults: Faults
    ) -> GraphSchema | None:
        """The chosen schema, or ``music``."""
        return base or GraphSchema.bundled("music")

    def read(self, path: Path, context: LoadContext) -> Iterator[NodeBatch | EdgeBatch]:
        """Artists, tags and listeners, then plays, tags given and friends; the last two files may be absent.

        Raises:
            LoadError: a file is missing or malformed.
        """
        plays = _read(path, "user_artists.dat", context, ("userID", "artistID", "weight"))
        artists = _read(path, "artists.dat", context, ("id", "name"), Layout(fallback="latin-1", least=2))
        columns = {"artist_id": artists.table["id"], "name": artists.table["name"]}
        if "url" in artists.table.column_names:
            columns["url"] = artists.table["url"]
        yield NodeBatch("Artist", pa.table(columns), artists.origin)
        yield _listeners(plays, "userID")
        table = pa.table(
            {"source": plays.table["userID"], "target": plays.table["artistID"], "plays": plays.table["weight"]}
        )
        yield EdgeBatch("LISTENED_TO", table, plays.origin)
        if find(path, "user_taggedartists.dat"):
            yield from _tags(path, context, set(artists.table["id"].to_pylist()))
        if find(path, "user_friends.dat"):
            friends = _read(path, "user_friends.dat", context, ("userID", "friendID"))
            yield _listeners(friends, "userID")
            yield _listeners(friends, "friendID")
            table = pa.table({"source": friends.table["userID"], "target": friends.table["friendID"]})
            yield EdgeBatch("FRIEND_OF", table, friends.origin)


def _read(folder: Path, name: str, context: LoadContext, expect: tuple[str, ...], layout: Layout = _PLAIN) -> Chunk:
    path = find(folder, name) if folder.is_dir() else None
    if path is None:
        raise LoadError(f"expected a folder with {name}, as in hetrec2011-lastfm-2k; unpack the whole release", folder)
    return read_whole(path, layout, context.faults, expect)


def _listeners(chunk: Chunk, column: str) -> NodeBatch:
    return NodeBatch("Listener", pa.table({"listener_id": chunk.table[column]}), chunk.origin, mention=True)


def _tags(folder: Path, context: LoadContext, artists: set[str]) -> Iterator[NodeBatch | EdgeBatch]:
    """Tags, and for each artist how many listeners gave it a tag."""
    tags = _read(folder, "tags.dat", context, ("tagID", "tagValue"))
    yield NodeBatch("Tag", pa.table({"tag_id": tags.table["tagID"], "name": tags.table["tagValue"]}), tags.origin)
    given = _read(folder, "user_taggedartists.dat", context, ("userID", "artistID", "tagID"))
    columns = (given.table[name].to_pylist() for name in ("userID", "artistID", "tagID"))
    who: set[tuple[str, str, str]] = set()
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    for user, artist, tag, line in zip(*columns, given.origin.lines.to_pylist(), strict=True):
        if artist not in artists:
            context.unmapped["user_taggedartists: artist not in artists.dat"] += 1
        elif (user, artist, tag) not in who:
            who.add((user, artist, tag))
            counts[artist, tag] += 1
            first.setdefault((artist, tag), line)
    table = pa.table(
        {
            "source": pa.array([artist for artist, _ in counts], pa.string()),
            "target": pa.array([tag for _, tag in counts], pa.string()),
            "listeners": pa.array(list(counts.values()), pa.int64()),
        }
    )
    yield EdgeBatch("HAS_TAG", table, Origin(given.origin.path, pa.array(list(first.values()), pa.int64())))
