"""What a job would do: its plan and its Cypher, with nothing written."""

from __future__ import annotations

from typing import Any

from kg_rec.errors import ConfigError
from kg_rec.jobs.candidates import file_keys, queried_keys, queried_pairs
from kg_rec.jobs.config import JobConfig, check_files, queries
from kg_rec.progress import Progress, no_progress
from kg_rec.schema import GraphSchema
from kg_rec.store import ledger_cypher, mapping
from kg_rec.store.base import GraphStore
from kg_rec.store.ledger import check_lists, read_list
from kg_rec.store.neo4j.vectors import similar_items
from kg_rec.tables import table_formats


def preview(job: JobConfig, store: GraphStore, progress: Progress = no_progress) -> dict[str, Any]:
    """The plan in plain sentences (``lines``), and pairs of a title and a statement (``cypher``).

    Runs the job's own queries, to count what they find.

    Raises:
        ConfigError: a file is missing, or a query finds no keys.
        SchemaError: the schema has no place for what is written back.
        QueryRefusedError: the database refuses a query.
    """
    check_files(job)
    schema = store.schema()
    check_sinks(job, store)
    counts = []
    for n, (setting, text) in enumerate(queries(job)):
        progress(n, len(queries(job)), "ask")
        ask = queried_pairs if setting == "candidates.never_for" else queried_keys
        counts.append((setting, len(ask(store, text, setting))))
    users = dict(counts).get("users.cypher")
    if users is None:
        known = mapping.where(mapping.conditions(schema.user, "u"))
        everyone = f"MATCH {mapping.node(schema.user, 'u')}{known} RETURN count(u) AS users"
        users = len(file_keys(job.users.file)) if job.users.file else store.query(everyone)["users"][0].as_py()
    titles = {name: table_format.title for name, table_format in table_formats().items()}
    sinks = [f"{titles[name]} in {folder}" for name, folder in job.sinks.files.items()]
    sinks += ["RECOMMENDED relationships in the graph"] if job.sinks.graph else []
    sinks += ["vectors of the items in a vector index"] if job.sinks.vectors else []
    chunks = job.chunks(users)
    lines = [
        f"job {job.name}: top {job.k} for {users:,} users of {job.graph}, by the model {job.model}",
        f"{chunks:,} chunk(s) of up to {job.users_per_chunk:,} users, {job.workers} at a time ({job.engine})",
        *(f"{setting}: {count:,} {'pairs' if setting.endswith('_for') else 'keys'}" for setting, count in counts),
        *_rules(job),
        f"sinks: {', '.join(sinks)}; the newest {job.keep} runs are kept",
    ]
    if job.changed_since:
        last = job.changed_since == "last"
        what = "interactions are not those of their list" if last else f"interactions are since {job.changed_since}"
        lines.append(f"only users whose {what}")
    return {"users": users, "chunks": chunks, "lines": lines, "cypher": _statements(job, store, schema)}


def check_sinks(job: JobConfig, store: GraphStore) -> None:
    """Raise SchemaError or ConfigError unless the graph has a place for what the job writes."""
    if job.sinks.graph:
        check_lists(store.schema(), written(job))
    if job.sinks.vectors and not store.capabilities.vector_index:
        raise ConfigError(
            f"sinks.vectors: a vector index needs a Neo4j server, and {store.url} is none; set it to false"
        )
    if job.sinks.vectors and store.schema().mapped:
        raise ConfigError(
            "sinks.vectors: vectors are properties of the items, and these nodes belong to others (the schema has "
            "kr:from); set it to false"
        )


def written(job: JobConfig) -> list[str]:
    """The properties of RECOMMENDED that a job writes."""
    return ["run", "rank", "score", *(("reason", "paths") if job.explanations != "off" else ())]


def _rules(job: JobConfig) -> list[str]:
    c = job.candidates
    rules = [] if c.exclude_seen else ["what users had already may be in their lists"]
    rules += [f"allowed: the keys in {c.allow_file}"] if c.allow_file else []
    rules += [f"left out: the keys in {c.block_file}"] if c.block_file else []
    rules += [f"novelty of at least {c.minimum_novelty:g}"] if c.minimum_novelty else []
    rules += [f"at most {cap.most} of one {cap.relation}" for cap in c.caps]
    rules += [f"left out: what has {group}" for group in c.never_facts]
    rules += [f"{limit.item} of an item at most {limit.user} of the user" for limit in c.limits]
    rules += [f"diversity {c.diversity:g} among the best {c.pool}"] if c.diversity else []
    rules += [f"calibrated by {c.calibrate}, strength {c.strength:g}, among the best {c.pool}"] if c.calibrate else []
    return rules + [f"at least {floor.share:.0%} of a list's exposure for {floor.group}" for floor in c.floors]


def _statements(job: JobConfig, store: GraphStore, schema: GraphSchema) -> list[tuple[str, str]]:
    statements = list(queries(job))
    if job.sinks.vectors:
        statements.append(("items like an item", similar_items(schema)))
    if not job.sinks.graph:
        return statements
    statements.append(("write a chunk", ledger_cypher.create_lists(schema, written(job)[2:])))
    statements.append(("delete a chunk of an old run", ledger_cypher.delete_lists(schema)))
    statements.append(("show a run to readers", ledger_cypher.SAVE_LATEST))
    return [*statements, ("a user's list as it is now", read_list(schema, job.name))]
