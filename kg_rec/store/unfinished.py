"""The mark of a load that has begun and not ended, in the graph itself.

A load writes batch by batch, each whole and durable.  One that is killed, or ends with an error, leaves what it wrote
and this mark, which readers of the whole graph name; a load that ends takes it away.
"""

from __future__ import annotations

from datetime import UTC, datetime

from kg_rec.store.base import GraphStore

LOAD = "KgRecLoad"
_NODE = f"(m:{LOAD} {{mark: 'load'}})"
_BEGIN = f"MERGE {_NODE} SET m.what = $what, m.since = $since"
_END = f"MATCH {_NODE} DELETE m"
_READ = f"MATCH {_NODE} RETURN m.what AS what, m.since AS since"


def begin_load(store: GraphStore, what: str) -> None:
    """Mark that ``what`` is being loaded."""
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    store.transact([(_BEGIN, {"what": what, "since": since})])


def end_load(store: GraphStore) -> None:
    """Take the mark away."""
    store.transact([(_END, {})])


def unfinished_load(store: GraphStore) -> str | None:
    """What was being loaded and since when, where a load has not ended; None otherwise."""
    rows = store.query(_READ).to_pylist()
    return f"{rows[0]['what']}, begun {rows[0]['since']}" if rows else None
