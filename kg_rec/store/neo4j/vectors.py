"""A model's item vectors in vector indexes of Neo4j, changed under readers all at once.

There are two slots: the properties ``kg_rec_vector_a`` and ``kg_rec_vector_b`` of the items, each with an index of its
name.  Readers follow the node ``KgRecVectors``, whose ``slot`` names one of them; a run writes the other one, and the
name changes in the transaction that publishes the run.  A graph has one set of vectors, whatever the number of its
jobs: those of the run with vectors that was published last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kg_rec.progress import Progress, no_progress
from kg_rec.schema import GraphSchema
from kg_rec.store.base import GraphStore, Statement
from kg_rec.store.mapping import quoted

VECTORS = "KgRecVectors"
SLOTS = ("kg_rec_vector_a", "kg_rec_vector_b")

_NODE = f"(p:{VECTORS} {{id: 'items'}})"
_PREPARE = f"CREATE CONSTRAINT `kg_rec_{VECTORS}_id` IF NOT EXISTS FOR (p:{VECTORS}) REQUIRE p.id IS UNIQUE"
_READ = f"MATCH {_NODE} RETURN p.slot AS slot, p.next AS next, p.model AS model, p.writer AS writer"
_CLAIM = (
    f"MERGE {_NODE} SET p.writer = $run, p.next = CASE p.slot WHEN '{SLOTS[0]}' THEN '{SLOTS[1]}' ELSE '{SLOTS[0]}' END"
)
#: Locks the pointer, so that a batch is written before another run claims the slot, or not at all.
_LOCK = f"MERGE {_NODE} SET p.locked = true"
_OURS = f"MATCH {_NODE} WHERE p.writer = $run "
_SHOW = f"{_OURS} SET p.slot = p.next, p.model = $model, p.writer = null"
_ROWS = 1000
_CLEARED = 20_000


def similar_items(schema: GraphSchema, count: int = 10) -> str:
    """One line of Cypher that finds the items most like ``$item``; ``score`` is (1 + cosine) / 2."""
    item = schema.item
    name = item.name_property or item.key
    return (
        f"MATCH (p:{VECTORS}) MATCH (i:{quoted(item.name)} {{{quoted(item.key)}: $item}}) "
        f"CALL db.index.vector.queryNodes(p.slot, {count + 1}, i[p.slot]) YIELD node, score WHERE node <> i "
        f"RETURN node.{quoted(item.key)} AS item, node.{quoted(name)} AS name, score ORDER BY score DESC LIMIT {count}"
    )


def written_model(store: GraphStore) -> str | None:
    """Digest of the model whose vectors readers see; None without any."""
    found = store.query(_READ).to_pylist()
    return found[0]["model"] if found else None


def write_vectors(
    store: GraphStore, run: str, keys: list[str], vectors: NDArray[np.float32], progress: Progress = no_progress
) -> None:
    """Write the slot that readers do not see, and wait for its index.  Cut off, it is begun again.

    A run that begins after this one takes the slot over; what this one writes from then on is dropped.

    Args:
        store: on Neo4j, open for writing.
        run: name of the run, which :func:`show_vectors` names again.
        keys: of the items.
        vectors: theirs, shape (items, d).
        progress: items written.

    Raises:
        StoreUnavailableError: the server does not answer; the same call may succeed later.
    """
    item = store.schema().item
    label, key = quoted(item.name), quoted(item.key)
    store.transact([(_PREPARE, {})])
    store.transact([(_CLAIM, {"run": run})])
    state = store.query(_READ).to_pylist()[0]
    if state["writer"] != run:
        return
    slot = next(name for name in SLOTS if name == state["next"])
    store.transact([(f"DROP INDEX {slot} IF EXISTS", {})])
    old = store.query(f"MATCH (i:{label}) WHERE i.{slot} IS NOT NULL RETURN count(i) AS n")["n"][0].as_py()
    clear = f"{_OURS} MATCH (i:{label}) WHERE i.{slot} IS NOT NULL WITH i LIMIT {_CLEARED} REMOVE i.{slot}"
    for _ in range(0, old, _CLEARED):
        store.transact([(_LOCK, {}), (clear, {"run": run})])
    write = f"{_OURS} UNWIND $rows AS row MATCH (i:{label} {{{key}: row[0]}}) SET i.{slot} = row[1]"
    for start in range(0, len(keys), _ROWS):
        progress(start, len(keys), "vectors")
        part = slice(start, start + _ROWS)
        rows = [list(row) for row in zip(keys[part], vectors[part].tolist(), strict=True)]
        store.transact([(_LOCK, {}), (write, {"run": run, "rows": rows})])
    # without quantization, so that the scores are the cosines
    settings = "`vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false"
    options = f"{{`vector.dimensions`: {vectors.shape[1]}, {settings}}}"
    create = (
        f"CREATE VECTOR INDEX {slot} IF NOT EXISTS FOR (i:{label}) ON (i.{slot}) OPTIONS {{indexConfig: {options}}}"
    )
    store.transact([(create, {})])
    store.transact([(f"CALL db.awaitIndex('{slot}', 300)", {})])
    progress(len(keys), len(keys), "vectors")


def show_vectors(run: str, model: str) -> Statement:
    """The statement that lets readers see what ``run`` wrote, unless another run took the slot over."""
    return _SHOW, {"run": run, "model": model}
