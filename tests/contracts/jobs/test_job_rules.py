"""Rules of lists in jobs: the lists are those of the ranker, moves are told, what a limit reads makes lists anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from job_world import World, edges, model

from kg_rec.errors import ConfigError
from kg_rec.jobs.preview import preview
from kg_rec.jobs.ranking import by_rules
from kg_rec.jobs.run import start
from kg_rec.store import GraphStore

RULES = {
    "calibrate": "genre",
    "strength": 0.6,
    "floors": [{"group": "directed by:p1", "share": 0.2}],
    "never_facts": ["directed by:p4"],
}


def test_a_job_tells_the_moves(world: World, store: GraphStore) -> None:
    job = world.job(candidates=RULES, explanations="sentences")
    start(job, store, "0")
    rows = world.rows("0")
    fitted = replace(model()).with_snapshot(model().snapshot)
    expected = [row for batch in by_rules(fitted, None, 5, job.candidates) for row in batch.to_pylist()]
    told = [{name: row[name] for name in ("user", "rank", "item", "name", "moved")} for row in rows]
    assert told == [{name: row[name] for name in ("user", "rank", "item", "name", "moved")} for row in expected]
    assert any(row["moved"] for row in rows)
    for row in rows:
        assert (row["moved"] or "moved from") in (row["reason"] if row["moved"] else f"{row['reason']} moved from")
        assert ("moved from" in row["reason"]) == bool(row["moved"])
    assert len(edges(store, "0")) == len(rows)
    lines = preview(job, store)["lines"]
    assert "calibrated by genre, strength 0.6, among the best 100" in lines
    assert "at least 20% of a list's exposure for directed by:p1" in lines
    assert "left out: what has directed by:p4" in lines


def test_who_grew_older_gets_a_new_list(world: World, store: GraphStore) -> None:
    store.transact([("MATCH (u:User) SET u.age = 2000", {})])
    rules = {"limits": [{"item": "year", "user": "age"}]}
    start(world.job(candidates=rules), store, "0")
    assert start(world.job(candidates=rules, changed_since="last"), store, "00").report["users"] == 0
    store.transact([("MATCH (u:User) WHERE u.user_id = 'u07' SET u.age = 1949", {})])
    younger = start(world.job(candidates=rules, changed_since="last"), store, "000")
    assert younger.report["users"] == 1
    years = {
        r["item_id"]: r["year"]
        for r in store.query("MATCH (f:Film) RETURN f.item_id AS item_id, f.year AS year").to_pylist()
    }
    assert all(years[row["item"]] is None for row in world.rows("000"))
    with pytest.raises(ConfigError, match=r"not as in run 0+: candidates\.limits"):
        start(world.job(changed_since="last"), store)
