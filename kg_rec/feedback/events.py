"""Events in the graph: what was shown, and what people did with it.

An event is an edge from user to item, of a relation type of kg_rec's own, so nothing is written into nodes, also where
the schema maps a graph that others made (``kr:from``).  SHOWN edges carry rank, propensity and policy, REACTED edges
a kind (:data:`kg_rec.feedback.posterior.REWARDS`).  Each has an id; writing an event again changes nothing, so a
sender may repeat what it is not sure of.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from kg_rec.errors import FeedbackError
from kg_rec.feedback.explore import SHOWN
from kg_rec.feedback.posterior import REWARDS
from kg_rec.schema import GraphSchema
from kg_rec.store import mapping
from kg_rec.store.base import GraphStore
from kg_rec.store.ledger_cypher import REACTED_TYPE, SHOWN_TYPE
from kg_rec.store.presence import require_keys

#: One row per thing that a person did.
REACTED = pa.schema(
    [
        ("event", pa.string()),
        ("list", pa.string()),  # the list it was done in; empty where that is unknown
        ("user", pa.string()),
        ("item", pa.string()),
        ("at", pa.int64()),  # Unix seconds
        ("kind", pa.string()),
        ("value", pa.float64()),  # f: what it is worth, 1 unless said
    ]
)
_MOST_ROWS = 50_000_000
_BATCH = 5_000


@dataclass(frozen=True)
class EventLog:
    """The events of one graph.

    Attributes:
        store: the graph, open for writing where something is written.
        schema: its schema.
    """

    store: GraphStore
    schema: GraphSchema

    @classmethod
    def of(cls, store: GraphStore) -> EventLog:
        """The events of a store.

        Raises:
            SchemaNotAppliedError: the store holds no schema.
        """
        return cls(store, store.schema())

    def record_shown(self, rows: pa.Table) -> int:
        """Write lists that were shown; a table of :data:`SHOWN`.

        Returns:
            Number of rows.

        Raises:
            NotFoundError: a user or an item is not in the graph; nothing is written.
        """
        return self._write(rows.cast(SHOWN), SHOWN_TYPE)

    def record_reactions(self, rows: pa.Table) -> int:
        """Write what people did; a table of :data:`REACTED`.

        Returns:
            Number of rows.

        Raises:
            FeedbackError: a kind is unknown, an id is missing, or a value is not finite; nothing is written.
            NotFoundError: a user or an item is not in the graph; nothing is written.
        """
        rows = rows.cast(REACTED)
        for row in rows.to_pylist():
            if not row["event"]:
                raise FeedbackError("each event needs an id of its own, which makes repeating it harmless; got none")
            if row["kind"] not in REWARDS:
                raise FeedbackError(f"event {row['event']}: kind is one of {', '.join(REWARDS)}, got {row['kind']!r}")
            if row["at"] is None or row["value"] is None or not abs(row["value"]) < float("inf"):
                raise FeedbackError(f"event {row['event']}: expected a time and a finite value, got {row}")
        return self._write(rows, REACTED_TYPE)

    def shown(self, since: int | None = None, until: int | None = None) -> pa.Table:
        """What was shown from ``since`` to before ``until`` (Unix seconds), by time, list and rank: :data:`SHOWN`."""
        return self._read(SHOWN_TYPE, SHOWN, since, until, "at, list, rank")

    def reactions(self, since: int | None = None, until: int | None = None, user: str | None = None) -> pa.Table:
        """What people, or one of them, did from ``since`` to before ``until``, by time: :data:`REACTED`."""
        return self._read(REACTED_TYPE, REACTED, since, until, "at, event", user)

    def users(self) -> frozenset[str]:
        """Keys of the users of whom there are reactions."""
        user = self.schema.user
        rows = self.store.query(
            f"MATCH {mapping.node(user, 'u')}-[e:{REACTED_TYPE}]->() "
            f"{mapping.where(mapping.conditions(user, 'u'))} RETURN DISTINCT {mapping.key(user, 'u')} AS user",
            limit=_MOST_ROWS,
            timeout=600,
        )
        return frozenset(rows.column("user").to_pylist())

    def kinds(self) -> dict[str, int]:
        """How many reactions of each kind there are."""
        rows = self.store.query(
            f"MATCH ()-[e:{REACTED_TYPE}]->() RETURN e.kind AS kind, count(e) AS n ORDER BY kind", timeout=600
        )
        return {str(row["kind"]): int(row["n"]) for row in rows.to_pylist()}

    def prune(self, before: int) -> int:
        """Delete all events before a time, Unix seconds; returns how many there were."""
        count = 0
        for kind in (SHOWN_TYPE, REACTED_TYPE):
            rows = self.store.query(
                f"MATCH ()-[e:{kind}]->() WHERE e.at < $before RETURN count(e) AS n", {"before": before}
            )
            count += int(rows.column("n")[0].as_py())
            self.store.transact([(f"MATCH ()-[e:{kind}]->() WHERE e.at < $before DELETE e", {"before": before})])
        return count

    def _write(self, rows: pa.Table, kind: str) -> int:
        self._check_ends(rows)
        user, item = self.schema.user, self.schema.item
        statement = (
            f"UNWIND $rows AS row MATCH {mapping.keyed(user, 'u', 'row.user')} "
            f"MATCH {mapping.keyed(item, 'i', 'row.item')} "
            f"MERGE (u)-[e:{kind} {{event: row.event}}]->(i) "
            + "SET "
            + ", ".join(f"e.{name} = row.{name}" for name in rows.schema.names if name not in ("user", "item", "event"))
        )
        for batch in rows.to_batches(max_chunksize=_BATCH):
            self.store.transact([(statement, {"rows": batch.to_pylist()})])
        return len(rows)

    def _check_ends(self, rows: pa.Table) -> None:
        for node_type, column in ((self.schema.user, "user"), (self.schema.item, "item")):
            keys = sorted({"" if key is None else key for key in rows.column(column).to_pylist()})
            require_keys(self.store, node_type, keys)

    def _read(
        self, kind: str, fields: pa.Schema, since: int | None, until: int | None, order: str, of: str | None = None
    ) -> pa.Table:
        user, item = self.schema.user, self.schema.item
        values = ", ".join(f"e.{name} AS {name}" for name in fields.names if name not in ("user", "item"))
        where = mapping.where(
            ["e.at >= $since", "e.at < $until", *mapping.conditions(user, "u"), *mapping.conditions(item, "i")]
        )
        start = f"MATCH {mapping.node(user, 'u')}"
        if of is not None:  # the user first, by the key's index
            start = f"MATCH {mapping.keyed(user, 'u', '$of')} MATCH (u)"
        rows = self.store.query(
            f"{start}-[e:{kind}]->{mapping.node(item, 'i')}{where} "
            f"RETURN {mapping.key(user, 'u')} AS user, {mapping.key(item, 'i')} AS item, {values} ORDER BY {order}",
            {
                "since": -(2**62) if since is None else since,
                "until": 2**62 if until is None else until,
                **({} if of is None else {"of": of}),
            },
            limit=_MOST_ROWS,
            timeout=600,
        )
        return pa.Table.from_pylist(rows.to_pylist(), schema=fields)
