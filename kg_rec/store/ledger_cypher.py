"""Cypher of the run ledger and of the lists that runs write back, by pure functions; it runs on every store.

``KgRecRun``, ``KgRecChunk`` and ``KgRecLatest`` are nodes of kg_rec's own, like ``KgRecSchema``: no schema names them.
"""

from __future__ import annotations

from collections.abc import Sequence

from kg_rec.schema import GraphSchema
from kg_rec.store.mapping import key, keyed, node, quoted, value

RUN, CHUNK, LATEST = "KgRecRun", "KgRecChunk", "KgRecLatest"
#: The relation type from user to item that runs write.
RECOMMENDED = "RECOMMENDED"
#: The relation types from user to item that feedback is kept in; no schema names them.
SHOWN_TYPE, REACTED_TYPE = "KG_REC_SHOWN", "KG_REC_REACTED"
#: The relation type from user to a node that what users say of themselves is kept in; no schema names it.
PREFERS_TYPE = "KG_REC_PREFERS"
#: Relation types that are no facts of the graph but kg_rec's own.
OWN_RELATIONS = (RECOMMENDED, SHOWN_TYPE, REACTED_TYPE, PREFERS_TYPE)

RUN_PROPERTIES = ("run", "job", "state", "started", "finished", "about", "report", "error")
CHUNK_PROPERTIES = (
    *("id", "run", "number", "state", "users", "rows", "short", "first", "last", "seconds", "at", "quantiles", "error"),
)
#: What a chunk's record holds besides, a value per user; read for one chunk at a time.
CHUNK_DIGESTS = ("keys", "digests")

PREPARE = tuple(
    f"CREATE CONSTRAINT {quoted(f'kg_rec_{label}_{key}')} IF NOT EXISTS FOR (n:{label}) REQUIRE n.{key} IS UNIQUE"
    for label, key in ((RUN, "run"), (CHUNK, "id"), (LATEST, "job"))
)

SAVE_RUN = f"MERGE (r:{RUN} {{run: $run}}) SET " + ", ".join(f"r.{p} = ${p}" for p in RUN_PROPERTIES[1:])
READ_RUNS = f"MATCH (r:{RUN}) RETURN " + ", ".join(f"r.{p} AS {p}" for p in RUN_PROPERTIES) + " ORDER BY started, run"
READ_RUN = f"MATCH (r:{RUN}) WHERE r.run = $run RETURN " + ", ".join(f"r.{p} AS {p}" for p in RUN_PROPERTIES)
READ_CHUNKS = (
    f"MATCH (c:{CHUNK}) WHERE c.run = $run RETURN "
    + ", ".join(f"c.{p} AS {p}" for p in CHUNK_PROPERTIES)
    + " ORDER BY number"
)
READ_DIGESTS = f"MATCH (c:{CHUNK}) WHERE c.id = $id RETURN " + ", ".join(f"c.{p} AS {p}" for p in CHUNK_DIGESTS)
SAVE_CHUNK = (
    f"MERGE (c:{CHUNK} {{id: $id}}) SET c.run = $run WITH c WHERE coalesce(c.state, '') <> 'done' SET "
    + ", ".join(f"c.{p} = ${p}" for p in (*CHUNK_PROPERTIES[2:], *CHUNK_DIGESTS))
)
CHUNKS_OF_USER = (
    f"MATCH (c:{CHUNK}) WHERE $user IN c.keys OR c.first = $user OR c.last = $user "
    "RETURN c.id AS id, c.keys AS keys, c.digests AS digests ORDER BY id"
)
SAVE_KEYS = (
    f"MATCH (c:{CHUNK}) WHERE c.id = $id SET c.keys = $keys, c.digests = $digests, c.first = $first, c.last = $last"
)
DELETE_CHUNK = f"MATCH (c:{CHUNK}) WHERE c.id = $id DELETE c"
DELETE_RUN = f"MATCH (r:{RUN}) WHERE r.run = $run DELETE r"
SAVE_LATEST = f"MERGE (p:{LATEST} {{job: $job}}) SET p.runs = $runs, p.at = $at"
READ_LATEST = f"MATCH (p:{LATEST}) WHERE p.job = $job RETURN p.runs AS runs"

#: Locks a chunk's record until the transaction ends, so that two writers of one chunk come one after the other.
LOCK_CHUNK = f"MERGE (c:{CHUNK} {{id: $id}}) SET c.run = $run"


def create_lists(schema: GraphSchema, properties: Sequence[str]) -> str:
    """Create the edges of ``$lists`` unless the chunk ``$id`` is done.

    ``$items`` holds each item's key once; a list is ``[user, places in $items, column ...]`` with one column per
    name of ``properties``, and the rank is the place in the list.  So a user and an item are looked up once a chunk.
    """
    user, item = schema.user, schema.item
    values = ["run: $run", "rank: n + 1", *(f"{quoted(p)}: l[{i}][n]" for i, p in enumerate(properties, 2))]
    return (
        f"MATCH (c:{CHUNK} {{id: $id}}) WHERE coalesce(c.state, '') <> 'done' "
        "UNWIND range(0, size($items) - 1) AS n "
        f"OPTIONAL MATCH {keyed(item, 'i', '$items[n]')} "
        "WITH c, n, i ORDER BY n WITH c, collect([i]) AS items "
        f"UNWIND $lists AS l MATCH {keyed(user, 'u', 'l[0]')} "
        "UNWIND range(0, size(l[1]) - 1) AS n WITH u, l, n, items[l[1][n]][0] AS i WHERE i IS NOT NULL "
        f"CREATE (u)-[:{RECOMMENDED} {{{', '.join(values)}}}]->(i)"
    )


def delete_lists(schema: GraphSchema) -> str:
    """Delete the edges of the run ``$run`` that leave users from ``$first`` to ``$last``."""
    user = key(schema.user, "u")
    return (
        f"MATCH {node(schema.user, 'u')} WHERE {user} >= $first AND {user} <= $last "
        f"MATCH (u)-[r:{RECOMMENDED}]->() WHERE r.run = $run DELETE r"
    )


def delete_users_lists(schema: GraphSchema) -> str:
    """Delete the edges of ``$runs`` that leave the users ``$users``."""
    return (
        f"MATCH {node(schema.user, 'u')}-[r:{RECOMMENDED}]->() "
        f"WHERE {key(schema.user, 'u')} IN $users AND r.run IN $runs DELETE r"
    )


def read_list(schema: GraphSchema, job: str | None = None) -> str:
    """One line of Cypher that reads the list of ``$user`` as it is now: it follows the job's pointer.

    A run that re-scored only some users stands before the runs it adds to; a user's list is that of the newest run
    that has one.  ``job`` is put in for ``$job``.
    """
    user, item = schema.user, schema.item
    named = next((p for p in item.properties if p.use == "name"), item.properties[0])
    given = "$job" if job is None else f'"{job}"'
    return (
        f"MATCH (p:{LATEST} {{job: {given}}}) MATCH {keyed(user, 'u', '$user')} MATCH (u)"
        f"-[r:{RECOMMENDED}]->{node(item, 'i')} WHERE r.run IN p.runs WITH r.run AS run, collect({{rank: r.rank, "
        f"item: {key(item, 'i')}, name: {value(item, named, 'i')}, score: r.score}}) AS list ORDER BY run DESC LIMIT 1 "
        "UNWIND list AS row RETURN row.rank AS rank, row.name AS name, row.item AS item, row.score AS score "
        "ORDER BY rank"
    )
