"""One user with 30,000 interactions, one item that everybody liked, one attribute that every item has."""

from __future__ import annotations

import logging
import resource

import numpy as np
import pyarrow as pa
import pytest

from kg_rec.model.config import TrainConfig
from kg_rec.model.histories import MOST_LEARNED
from kg_rec.model.train.train import train
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot

ITEMS, USERS = 30_000, 300
#: Every channel but the text, one value of what is chosen by training again, one step: each takes the memory of the
#: others.
QUICK = {
    "meaning": {"encoder": "none"},
    "recency": [0.0],
    "rating": [0.0],
    "taste": {"l2": [50.0], "prior": [0.0, 1.0]},
    "gnn": {"dimensions": [16], "exponents": [0.3], "epochs": 1},
    "cold": {"rounds": 1},
    "fusion": {"rounds": 1},
}


def heavy() -> Snapshot:
    """300 users with 20 items each, and one with all."""
    schema = GraphSchema.bundled("interactions")
    chosen = np.random.default_rng(0)
    pairs = [np.stack([np.full(20, user), chosen.choice(ITEMS, 20, replace=False)]) for user in range(USERS)]
    pairs += [np.stack([np.arange(USERS), np.zeros(USERS, int)])]
    pairs += [np.stack([np.full(ITEMS, USERS), np.arange(ITEMS)])]
    source, target = np.unique(np.concatenate(pairs, axis=1), axis=1)
    counts = {"User": USERS + 1, "Item": ITEMS, "Category": 1}
    nodes = {}
    for name, kind in schema.node_types.items():
        keys = pa.array([f"{name}{n:06}" for n in range(counts.get(name, 0))], pa.string())
        nodes[name] = pa.table(
            {p.name: keys if p.name == kind.key else pa.nulls(len(keys), pa.string()) for p in kind.properties}
        )
    none = np.zeros(0, np.int64)
    edges = {name: EdgeTable(none, none) for name in schema.relation_types}
    time = chosen.integers(1_600_000_000, 1_700_000_000, len(source))
    edges["INTERACTED"] = EdgeTable(source, target, np.ones(len(source), np.float32), time)
    edges["HAS_CATEGORY"] = EdgeTable(np.arange(ITEMS), np.zeros(ITEMS, np.int64))
    return Snapshot(schema, "test", nodes, edges)


@pytest.mark.timeout(1200)
def test_they_train_in_bounded_memory(caplog: pytest.LogCaptureFixture) -> None:
    """All pairs of 30,000 items would take 7.2 GB in each of several matrices."""
    config = TrainConfig.from_dict(QUICK)
    with caplog.at_level(logging.WARNING):
        model = train(heavy(), config)
    assert f"1 user has more than {MOST_LEARNED} interactions" in caplog.text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20  # KiB: 4 GiB
    top, scores = model.rank(np.array([0, USERS]), 5)
    assert np.isfinite(scores[0]).all()
    assert (top[1] == -1).all()  # who had everything gets nothing
