"""Every statement that the package emits: recorded while it works on an embedded graph, then given to Neo4j."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from job_world import make_world
from starlette.testclient import TestClient
from test_random_graphs import plain
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.checks.check import check
from kg_rec.checks.infer import infer
from kg_rec.checks.manage import contradictions
from kg_rec.errors import SchemaError
from kg_rec.feedback.events import EventLog
from kg_rec.feedback.explore import show
from kg_rec.feedback.policy import PlackettLuce
from kg_rec.jobs.run import start
from kg_rec.people.features import Feature
from kg_rec.people.kept import Kept
from kg_rec.people.preferences import Preference
from kg_rec.serve.app import create_app
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.live import Live
from kg_rec.snapshot import export
from kg_rec.store import GraphStore, connect
from kg_rec.store.embedded import EmbeddedStore
from kg_rec.store.ledger import RunLedger

pytestmark = pytest.mark.neo4j

_SEVENTIES = Preference("more", Feature.of_years("year", 1970, 1979))
_WRITES = ("apply_schema", "write_nodes", "write_edges", "transact")


class Recorder:
    """The calls of all embedded stores of this process, in their order, and the answers to their questions."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = []
        for name in (*_WRITES, "query"):
            patch.setattr(EmbeddedStore, name, self._recorded(name, getattr(EmbeddedStore, name)))

    def _recorded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(store: EmbeddedStore, *values: Any, **named: Any) -> Any:
            result = method(store, *values, **named)
            self.calls.append((name, values, named, result))
            return result

        return call

    def questions(self) -> Iterator[str]:
        """The texts, each once, without their values."""
        yield from dict.fromkeys(values[0] for name, values, _, _ in self.calls if name == "query")


def work(folder: Path) -> None:
    """All that reads and writes a graph, once."""
    world = make_world(folder, str(folder / "graph"))
    user = everything().users.key(0)
    with closing(world.open()) as store:
        export(store)
        check(store, permutations=99)
        contradictions(store, store.schema())
        rules = {
            "only": [
                "MATCH (f:Film)-[:HAS_GENRE]->(g:Genre) WHERE g.name IN ['space', 'western'] RETURN f.item_id AS k"
            ],
            "never": ["MATCH (f:Film)-[:DIRECTED_BY]->(p:Person {person_id: 'p1'}) RETURN DISTINCT f.item_id"],
        }
        asked = (
            "MATCH (u:User)-[r:RATED]->(f:Film) WITH u, count(f) AS n WHERE n > 8 RETURN u.user_id ORDER BY u.user_id"
        )
        for run in ("0", "1"):
            start(world.job(candidates=rules, users={"cypher": asked}), store, run)
        RunLedger(store).forget("0")
        model = Model(everything())
        for one in everything().users.keys.to_pylist()[:6]:
            for item in model.recommend([one], k=2)["item"].to_pylist():
                explained = model.explain(one, item)
                store.query(explained.cypher, explained.parameters)
        log = EventLog.of(store)
        log.record_shown(show(everything(), [user], 3, PlackettLuce(0.5), at=1000, seed=1))
        log.shown()
        log.prune(before=1500)
        profile = model.profile(user)
        for clause in profile.clauses:
            store.query(*profile.cypher(clause))
        kept = Kept.of(store)
        said = (Preference("never", Feature("HAS_GENRE", "Genre", "space", "space")), _SEVENTIES)
        kept.add(user, said, at=1000)
        assert kept.read(user) == said
        kept.remove(user, [_SEVENTIES.feature])
        kept.remove(user)
    live = Live(lambda: connect(world.url, read_only=True), folder / "model")
    with TestClient(create_app(live, lambda: connect(world.url), ServeConfig(poll=1000.0))) as client:
        found = client.get("/v1/recommendations", params={"user": user, "k": 2}).json()
        assert client.get("/v1/check", params={"user": user, "item": found["items"][0]["item"]}).json()["wrong"] == []
        assert client.get("/v1/history", params={"user": user}).status_code == 200
    live.close()


def test_a_schema_is_inferred_only_from_a_graph_that_others_made(tmp_path: Path) -> None:
    with closing(connect(str(tmp_path / "graph"))) as store, pytest.raises(SchemaError, match="graph that others made"):
        infer(store)


def test_a_server_answers_each_statement_as_the_embedded_graph_did(
    tmp_path: Path, films_neo4j: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    work(tmp_path)
    assert len(list(recorder.questions())) > 60
    wrong = []
    with closing(connect(films_neo4j)) as server:
        for name, values, named, result in recorder.calls:
            if name in _WRITES:
                getattr(server, name)(*values, **named)
            elif not same(result, server, *values, **named):
                wrong.append((values, result.to_pylist()[:5], server.query(*values, **named).to_pylist()[:5]))
    assert wrong == []


def same(result: Any, server: GraphStore, cypher: str, parameters: Any = None, **named: Any) -> bool:
    """Whether the server gives the same rows; of rows cut off by a LIMIT in no order, as many."""
    found = server.query(cypher, parameters, **named)
    if re.search(r"\bLIMIT\b", cypher) and "ORDER BY" not in cypher:
        return bool(found.num_rows == result.num_rows)
    return bool(comparable(found) == comparable(result))


def comparable(table: Any) -> Any:
    """Columns and sorted rows."""
    rows = [tuple(map(plain, row.values())) for row in table.to_pylist()]
    return table.column_names, sorted(rows, key=repr)
