"""The service over a real graph: fresh lists, reasons that add up, roles, limits, problems; on both stores."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.testclient import TestClient
from toy_graph import everything, fill, films

from kg_rec.api import Model
from kg_rec.errors import ConfigError, StoreUnavailableError
from kg_rec.feedback.events import EventLog
from kg_rec.feedback.learn import Learned, LearnedFile, start
from kg_rec.model import persist
from kg_rec.people.evolution_words import evolution_json
from kg_rec.people.features import Feature
from kg_rec.people.kept import Kept
from kg_rec.people.preferences import Preference
from kg_rec.people.profile_words import profile_json
from kg_rec.serve.app import create_app
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.live import Live
from kg_rec.serve.tokens import add_token, read_tokens
from kg_rec.serve.wire import plain_list
from kg_rec.store import GraphStore, connect
from kg_rec.store.ledger import Run, RunLedger

MODEL = everything()
USER = MODEL.users.key(0)


class World:
    """A graph, a model's folder, and applications over them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.opened: list[Live] = []

    def client(self, **settings: object) -> TestClient:
        live = Live(lambda: connect(self.url, read_only=True), self.folder)
        self.opened.append(live)
        app = create_app(live, lambda: connect(self.url), ServeConfig(**settings))  # type: ignore[arg-type]
        return TestClient(app, raise_server_exceptions=False)


def opened(store: GraphStore, place: Path) -> Iterator[World]:
    """The toy films in an empty store, and their model."""
    fill(store, films())
    store.close()
    persist.save(MODEL, place / "model")
    made = World(store.url, place / "model")
    yield made
    for live in made.opened:
        live.close()


@pytest.fixture
def world(films_store: GraphStore, tmp_path: Path) -> Iterator[World]:
    """On each store."""
    yield from opened(films_store, tmp_path)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[World]:
    """For what the model or the request alone decides, once the graph is read."""
    yield from opened(connect(str(tmp_path / "graph")), tmp_path)


def rate(world: World, user: str, item: str, rating: float = 5.0) -> None:
    """As another program would write to the graph."""
    schema = MODEL.snapshot.schema
    relation = schema.interaction
    with_weight = f" SET r.{relation.weight} = $rating" if relation.weight else ""
    store = connect(world.url)
    try:
        store.transact(
            [
                (
                    f"MATCH (u:{schema.user.name} {{{schema.user.key}: $user}}) "
                    f"MATCH (i:{schema.item.name} {{{schema.item.key}: $item}}) MERGE (u)-[r:{relation.name}]->(i)"
                    + with_weight,
                    {"user": user, "item": item, "rating": rating},
                )
            ]
        )
    finally:
        store.close()


def test_a_list_adds_up_is_the_models_and_can_be_checked_in_the_graph(world: World) -> None:
    with world.client() as client:
        found = client.get("/v1/recommendations", params={"user": USER, "k": 5}).json()
        top, scores = MODEL.rank(MODEL.users.indices([USER]), 5)
        assert [one["item"] for one in found["items"]] == [MODEL.items.key(i) for i in top[0]]
        for one, score in zip(found["items"], scores[0], strict=True):
            assert one["score"] == pytest.approx(score, rel=1e-6)
            assert one["base"] + sum(one["channels"].values()) == pytest.approx(one["score"], rel=1e-5)
            assert one["why"]
        item = found["items"][0]["item"]
        why = client.get("/v1/explanation", params={"user": USER, "item": item}).json()
        assert why["base"] + sum(t["value"] for t in why["terms"]) == pytest.approx(why["score"], rel=1e-5)
        checked = client.get("/v1/check", params={"user": USER, "item": item}).json()
        assert checked["wrong"] == []
        assert checked["paths"] == len(why["paths"])
        likeness = [step["type"] is None for path in why["paths"] for step in path["relations"]]
        assert checked["by_likeness"] == sum(likeness)


def delete(world: World, user: str, item: str) -> None:
    schema = MODEL.snapshot.schema
    ends = f"(:{schema.user.name} {{{schema.user.key}: $user}})-[r:{schema.interaction.name}]->"
    store = connect(world.url)
    store.transact(
        [(f"MATCH {ends}(:{schema.item.name} {{{schema.item.key}: $item}}) DELETE r", {"user": user, "item": item})]
    )
    store.close()


def get(client: TestClient, **ask: object) -> list[dict[str, object]]:
    answer = client.get("/v1/recommendations", params={"user": USER, "k": 3, **ask})  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]  # type: ignore[no-any-return]


#: Longer than the poll that goes with it.
POLL, LATER = 0.2, 0.3


def test_a_kept_list_is_the_one_that_is_made_anew(world: World) -> None:
    asks = [
        {"user": user, "k": k, "why": why}
        for user in MODEL.users.keys.to_pylist()[:4]
        for k in (1, 4)
        for why in (0, 1)
    ]
    with world.client(poll=1000.0) as client:
        made = [client.get("/v1/recommendations", params=ask) for ask in asks]
        client.app.state.service.live.of_user = None  # type: ignore[attr-defined]  # it would fail if it were called
        kept = [client.get("/v1/recommendations", params=ask) for ask in asks]
        assert [one.content for one in kept] == [one.content for one in made]
        for one, other in zip(kept, made, strict=True):
            assert one.headers == other.headers
        told = client.get("/metrics").text
        assert f'{{route="/v1/recommendations",status="200"}} {2.0 * len(asks)}' in told
        for user in {str(ask["user"]) for ask in asks}:
            item = json.loads(made[0].content)["items"][0]["item"]
            client.post("/v1/feedback", json=[{"event": f"of {user}", "user": user, "item": item, "kind": "click"}])
        answer = client.get("/v1/recommendations", params=asks[0])
        assert answer.status_code == 500  # a list is never kept over feedback
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_plain_request_gets_what_the_route_gives(embedded: World) -> None:
    with embedded.client() as client:
        for asked in ("", "&k=3", "&lang=zh&k=2", "&why=false"):
            path = f"/v1/recommendations?user={USER}{asked}"
            assert plain_list(path.partition("?")[2].encode()) is not None
            by_route = client.get(f"{path}&odd=1")
            assert client.get(path).content == by_route.content
        for asked in ("k=0", "k=101", "k=-3", "k=1.5", "why=perhaps", "lang=xx", "lang=", "user=", "user"):
            query = f"user={USER}&{asked}" if asked.partition("=")[0] != "user" else asked
            assert plain_list(query.encode()) is None
            assert client.get(f"/v1/recommendations?{query}").status_code == 422
    assert plain_list(b"user=%C3%A9+1&why=false") == ("\u00e9 1", 10, "en", False)
    assert plain_list(b"user=1&user=2") is None  # the route says which counts


def test_reasons_of_a_list_are_those_of_each_item(embedded: World) -> None:
    from kg_rec.api import Model

    with embedded.client() as client:
        for lang in ("en", "zh"):
            for one in get(client, k=6, lang=lang):
                found = Model(MODEL).explain(USER, str(one["item"]), lang=lang)
                channels: dict[str, float] = {}
                for term in found.terms:
                    channels[term.channel] = channels.get(term.channel, 0.0) + term.value
                assert (one["base"], one["channels"], one["why"]) == (found.base, channels, found.text)


def test_a_rating_and_a_deletion_that_anybody_writes_count_after_a_poll(world: World) -> None:
    with world.client(poll=POLL) as client:
        before = get(client)
        assert get(client) == before
        rate(world, USER, str(before[0]["item"]))
        time.sleep(LATER)
        after = get(client)
        assert before[0]["item"] not in [one["item"] for one in after]
        delete(world, USER, str(before[0]["item"]))
        time.sleep(LATER)
        again = get(client)
        assert [(one["item"], one["score"], one["why"]) for one in again] == [
            (one["item"], one["score"], one["why"]) for one in before
        ]


def test_a_new_item_and_a_swapped_model_are_in_lists_that_were_kept(world: World) -> None:
    schema = MODEL.snapshot.schema
    with world.client(poll=1000.0) as client:
        live = client.app.state.service.live  # type: ignore[attr-defined]
        first = client.get("/v1/recommendations", params={"user": USER}).json()
        assert client.get("/v1/recommendations", params={"user": USER}).json() == first
        store = connect(world.url)
        title = schema.item.name_property
        made = f"CREATE (:{schema.item.name} {{{schema.item.key}: $key, {title}: $title}})"
        store.transact([(made, {"key": "new", "title": "A new film"})])
        store.close()
        live.refresh()
        second = client.get("/v1/recommendations", params={"user": USER}).json()
        assert second["state"] > first["state"]
        assert "new" in live.state.model.recommender.items
        halved = replace(MODEL, channels=tuple(replace(c, weight=c.weight / 2) for c in MODEL.channels))
        time.sleep(0.01)  # so that the file has another time
        persist.save(halved, world.folder)
        live.refresh()
        third = client.get("/v1/recommendations", params={"user": USER}).json()
        assert third["state"] > second["state"]
        assert third["items"][0]["score"] != second["items"][0]["score"]


def test_a_rating_that_anybody_writes_counts_in_the_next_list_that_is_made(world: World) -> None:
    with world.client(poll=1000.0) as client:
        before = client.get("/v1/recommendations", params={"user": USER, "k": 4}).json()["items"]
        rate(world, USER, before[0]["item"])
        after = client.get("/v1/recommendations", params={"user": USER, "k": 3}).json()["items"]
        assert before[0]["item"] not in [one["item"] for one in after]
        assert after[0]["score"] != before[1]["score"]
        history = client.get("/v1/history", params={"user": USER}).json()["items"]
        assert before[0]["item"] in [one["item"] for one in history]


def test_what_a_user_says_counts_in_the_next_answers(world: World) -> None:
    with world.client(poll=1000.0) as client:
        before = get(client, k=4)[:3]  # of another length: what was asked before is kept for a poll
        other = client.get("/v1/recommendations", params={"user": MODEL.users.key(1), "k": 3}).json()
        node = MODEL.snapshot.schema.node_types["Genre"]
        features = [Feature("HAS_GENRE", node.name, key, key) for key in ("western", "romance")]
        said = [Preference("never", features[0]), Preference("more", features[1])]
        store = connect(world.url)
        Kept.of(store).add(USER, said, 100)
        store.close()
        expected = Model(MODEL).with_preferences(USER, said).recommend([USER], 3)
        after = get(client)
        assert [one["item"] for one in after] == expected["item"].to_pylist() != [one["item"] for one in before]
        for one in after:
            assert one["base"] + sum(one["channels"].values()) == pytest.approx(one["score"], rel=1e-5)
        assert "stated" in after[0]["channels"]
        assert "more of" in after[0]["why"]
        why = client.get("/v1/explanation", params={"user": USER, "item": after[0]["item"]}).json()
        assert [one["text"] for one in why["stated"]] == ["You asked for more of “romance”."]
        answer = client.post("/v1/ask", params={"user": USER}, json={"text": "a western"}).json()
        assert answer["items"] == []
        assert client.get("/v1/recommendations", params={"user": MODEL.users.key(1), "k": 3}).json() == other


def test_a_profile_counts_what_is_in_the_graph_now(world: World) -> None:
    with world.client(poll=1000.0) as client:
        before = client.get("/v1/profile", params={"user": USER}).json()
        assert before == profile_json(Model(MODEL).profile(USER))
        new = next(i for i in range(len(MODEL.items)) if i not in MODEL.seen[[0]].indices)
        rate(world, USER, MODEL.items.key(new))
        after = client.get("/v1/profile", params={"user": USER, "lang": "zh"}).json()
        assert (after["total"], after["lang"]) == (before["total"] + 1, "zh")
        event = {"event": "c", "user": USER, "item": get(client)[0]["item"], "kind": "click"}
        client.post("/v1/feedback", json=[event])  # no interaction of the graph, so the Cypher would not count it
        clicked = client.get("/v1/profile", params={"user": USER, "lang": "zh"}).json()
        assert clicked == after
        live = client.app.state.service.live  # type: ignore[attr-defined]
        for clause in clicked["clauses"]:
            counted = {
                row["what"]: row["count"] for row in live.query(clause["cypher"], clause["parameters"]).to_pylist()
            }
            assert (counted["count"], counted["total"]) == (clause["count"], clause["total"])
        assert client.get("/v1/profile", params={"user": "nobody"}).status_code == 404


def test_a_list_of_candidates_is_the_librarys_and_cypher_is_only_read(world: World, tmp_path: Path) -> None:
    schema = MODEL.snapshot.schema
    keys = MODEL.items.keys.to_pylist()
    some = keys[: len(keys) // 2]
    item = schema.item
    with world.client() as client:

        def wanted(**body: object) -> list[str]:
            answer = client.post("/v1/recommendations", params={"user": USER}, json={"k": 4, "why": False, **body})
            assert answer.status_code == 200, answer.text
            return [one["item"] for one in answer.json()["items"]]

        expected = Model(MODEL).recommend([USER], 4, candidates=some).column("item").to_pylist()
        assert wanted(candidates=some) == expected
        assert wanted(candidates=some, never_items=expected[:1]) == wanted(candidates=some, k=5)[1:]
        cypher = f"MATCH (i:{item.name}) WHERE i.{item.key} IN {some[:6]!r} RETURN i.{item.key}"
        assert set(wanted(only=[cypher])) <= set(some[:6])
        assert not set(wanted(never=[cypher], k=20)) & set(some[:6])
        facts = (r for r in schema.knowledge_relations if item.name == r.source)
        relation = next(r for r in facts if len(MODEL.snapshot.edges[r.name]))
        edges = MODEL.snapshot.edges[relation.name]
        node = MODEL.snapshot.ids[relation.target].keys[int(edges.target[0])].as_py()
        tied = {keys[i] for i in edges.source[edges.target == edges.target[0]].tolist()}
        assert set(wanted(only_facts=[f"{relation.name}:{node}"], k=50)) <= tied
        assert not set(wanted(never_facts=[f"{relation.name}:{node}"], k=50)) & tied
        for body, status in (
            ({"candidates": ["no such item"]}, 404),
            ({"only_facts": ["no:such"]}, 422),
            ({"only": ["MATCH (n) DETACH DELETE n RETURN 1"]}, 422),
            ({"only": ["MATCH (n RETURN"]}, 422),
        ):
            answer = client.post("/v1/recommendations", params={"user": USER}, json=body)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), body
    file = tmp_path / "tokens"
    head = {"Authorization": f"Bearer {add_token(file, 'shop', 'app')}"}
    with world.client(tokens=file) as client:
        for body, status in (({"candidates": some}, 200), ({"only": [cypher]}, 403)):
            answer = client.post("/v1/recommendations", params={"user": USER}, json=body, headers=head)
            assert answer.status_code == status


def test_what_a_user_says_is_tried_kept_and_forgotten(world: World) -> None:
    ask = {"user": USER}
    genre = next(t for t in MODEL.snapshot.schema.node_types if t == "Genre")
    name = MODEL.snapshot.names(genre)[0].as_py()
    with world.client(poll=1000.0) as client:

        def said() -> list[dict[str, object]]:
            found: list[dict[str, object]] = client.get("/v1/preferences", params=ask).json()["preferences"]
            return found

        tried = client.post("/v1/preferences", params=ask, json={"say": [f"no {name}"]}).json()
        assert [p["kind"] for p in tried["preferences"]] == ["never"]
        assert said() == []
        kept = client.post("/v1/preferences", params=ask, json={"say": [f"no {name}"], "keep": True}).json()
        assert kept["preferences"] == tried["preferences"] == said()
        has = Model(MODEL).editor.profiler.features
        banned = has.has(Model(MODEL).editor.read(f"no {name}")[0][0].feature)
        assert not any(banned[MODEL.items.index(one["item"])] for one in kept["items"])
        client.post("/v1/preferences", params=ask, json={"forget": True, "keep": True})
        assert said() == []
        profile = client.get("/v1/profile", params=ask).json()["clauses"]
        if profile:
            body = {"strike": [profile[0]["feature"]["name"]], "keep": True}
            assert client.post("/v1/preferences", params=ask, json=body).status_code == 200
            left = client.get("/v1/profile", params=ask).json()["clauses"]
            assert profile[0]["feature"] not in [clause["feature"] for clause in left]
        assert client.post("/v1/preferences", params=ask, json={"strike": ["nothing"]}).status_code == 422


def test_change_over_time_is_the_librarys(embedded: World) -> None:
    with embedded.client() as client:
        found = client.get("/v1/evolution", params={"user": USER, "lang": "zh"}).json()
        assert found == evolution_json(MODEL.snapshot, Model(MODEL).evolution(USER), "zh")
        assert client.get("/v1/drift").json() == evolution_json(MODEL.snapshot, Model(MODEL).evolution())


def test_drift_is_tested_once_for_a_state(embedded: World) -> None:
    with embedded.client() as client:
        first = client.get("/v1/drift").json()
        live = embedded.opened[-1]
        untested = SimpleNamespace(recommender=live.state.model.recommender)  # it would fail if it were tested again
        live._state = replace(live.state, model=untested)  # type: ignore[arg-type]
        assert client.get("/v1/drift", params={"lang": "en"}).json() == first
        assert client.get("/v1/drift", params={"lang": "zh"}).json() != first


def test_operators_see_runs_reactions_lessons_audits_and_versions(world: World) -> None:
    run = Run("r1", "nightly", "done", "2026-11-29T01:00:00.000Z", report={"users": 3, "rows": 9, "drift": 0.25})
    with world.client(poll=1000.0) as client:
        store = connect(world.url)
        RunLedger(store).prepare()
        RunLedger(store).save(run)
        store.close()
        (told,) = client.get("/v1/runs").json()["runs"]
        assert (told["run"], told["state"], told["rows"], told["drift"]) == ("r1", "done", 9, 0.25)
        event = {"event": "a", "user": USER, "item": MODEL.items.key(1), "kind": "dismiss"}
        client.post("/v1/feedback", json=[event])
        LearnedFile.beside(world.folder).add(start(MODEL))
        found = client.get("/v1/reactions").json()
        assert found["kinds"] == {"dismiss": 1}
        assert [w["weight"] for w in found["lessons"][0]["weights"]] == pytest.approx([1.0] * (len(MODEL.channels) + 1))
        assert client.get("/v1/fairness").json() == {"audit": None}
        parts = {"protocol": "random", "users": 9, "items": 8, "k": 5, "means": {}, "gaps": [], "exposure": []}
        (world.folder / "audit.json").write_text(json.dumps({**parts, "more": 1}))
        assert client.get("/v1/fairness").json() == {"audit": parts}
        (world.folder / "audit.json").write_text("[]")
        assert client.get("/v1/fairness").status_code == 422
        models = client.get("/v1/models").json()
        assert (models["users"], models["items"]) == MODEL.shape
        client.post("/v1/refresh")
        states = client.get("/v1/models").json()["states"]
        assert [one["state"] for one in states[:2]] == [states[0]["state"], states[0]["state"] - 1]


def test_a_new_user_is_served_at_once_and_an_unknown_one_is_a_problem(world: World) -> None:
    schema = MODEL.snapshot.schema
    with world.client(poll=1000.0) as client:
        answer = client.get("/v1/recommendations", params={"user": "newcomer"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert "newcomer" in answer.json()["detail"]
        store = connect(world.url)
        store.transact([(f"CREATE (:{schema.user.name} {{{schema.user.key}: $u}})", {"u": "newcomer"})])
        store.close()
        rate(world, "newcomer", MODEL.items.key(0))
        found = client.get("/v1/recommendations", params={"user": "newcomer", "k": 2})
        assert found.status_code == 200
        assert len(found.json()["items"]) == 2


def test_what_if_and_counterfactual_are_the_librarys(embedded: World) -> None:
    from kg_rec.api import Model

    with embedded.client() as client:
        item = client.get("/v1/recommendations", params={"user": USER, "k": 1}).json()["items"][0]["item"]
        removed = client.get("/v1/history", params={"user": USER}).json()["items"][0]["item"]
        body = {"remove": [removed], "k": 5}
        found = client.post("/v1/what-if", params={"user": USER}, json=body).json()
        expected = Model(MODEL).what_if(USER, removed=[removed], k=5).to_dict()
        assert [c["item"] for c in found["after"]] == [c["item"] for c in expected["after"]]
        found = client.get("/v1/counterfactual", params={"user": USER, "item": item, "k": 5}).json()
        assert {r["item"] for r in found["removed"]} == {
            key for key, _ in Model(MODEL).counterfactual(USER, item, 5).removed
        }


def test_why_not_versus_and_similar_are_the_librarys_and_add_up(embedded: World) -> None:
    with embedded.client() as client:
        listed = client.get("/v1/recommendations", params={"user": USER, "k": 6}).json()["items"]
        items = [one["item"] for one in listed]
        found = client.get("/v1/why-not", params={"user": USER, "item": items[5], "k": 3}).json()
        assert (found["standing"], found["rank"]) == ("not_listed", 6)
        lacking = sum(lack["last_value"] - lack["value"] for lack in found["lacks"])
        assert found["base_gap"] + lacking == pytest.approx(found["gap"], rel=1e-5)
        assert found["text"]
        found = client.get("/v1/versus", params={"user": USER, "item": items[0], "other": items[1]}).json()
        assert found["value"] == pytest.approx(found["first"]["score"] - found["second"]["score"])
        total = found["base"] + sum(d["value"] for d in found["differences"])
        assert total == pytest.approx(found["value"], rel=1e-5)
        similar = client.get("/v1/similar", params={"item": items[0], "k": 4}).json()["items"]
        assert items[0] not in [one["item"] for one in similar]
        for one in similar:
            assert sum(one["channels"].values()) == pytest.approx(one["score"])
        assert [one["score"] for one in similar] == sorted((one["score"] for one in similar), reverse=True)
        assert client.get("/v1/similar", params={"item": "none"}).status_code == 404


def test_a_reaction_changes_the_next_list_and_its_paths_are_told_apart(world: World) -> None:
    ask = {"user": USER, "k": 5}
    with world.client(poll=1000.0) as client:
        first = client.get("/v1/recommendations", params=ask).json()["items"]
        events = [
            {"event": "a", "user": USER, "item": first[0]["item"], "kind": "click"},
            {"event": "b", "user": USER, "item": first[1]["item"], "kind": "dismiss"},
        ]
        client.post("/v1/feedback", json=events)
        after = client.get("/v1/recommendations", params=ask).json()["items"]
        assert not {first[0]["item"], first[1]["item"]} & {one["item"] for one in after}
        for one in after:
            assert one["base"] + sum(one["channels"].values()) == pytest.approx(one["score"], rel=1e-5)
        history = {one["item"]: one["feedback"] for one in client.get("/v1/history", params=ask).json()["items"]}
        assert history[first[0]["item"]] == "click"
        assert first[1]["item"] not in history
        assert set(history.values()) == {None, "click"}
        by_feedback = 0
        for one in after:
            checked = client.get("/v1/check", params={"user": USER, "item": one["item"]}).json()
            assert checked["wrong"] == []
            by_feedback += checked["by_feedback"]
        assert by_feedback > 0


def test_learned_weights_are_taken_up(embedded: World) -> None:
    with embedded.client(poll=1000.0) as client:
        before = client.get("/v1/recommendations", params={"user": USER}).json()["items"]
        known = start(MODEL).of("")
        moved = replace(known, mean=known.mean * np.array([1.0, *(2.0 for _ in known.channels)]))
        LearnedFile.beside(embedded.folder).add(Learned({"": moved}))
        client.post("/v1/refresh")
        after = client.get("/v1/recommendations", params={"user": USER}).json()["items"]
        assert [one["score"] for one in after] == pytest.approx([2 * one["score"] for one in before], rel=1e-5)
        assert [one["item"] for one in after] == [one["item"] for one in before]


def test_no_small_number_of_others_is_told(embedded: World) -> None:
    def numbers(**settings: object) -> list[int]:
        found = []
        with embedded.client(**settings) as client:
            for user in MODEL.users.keys.to_pylist()[:5]:
                for one in client.get("/v1/recommendations", params={"user": user, "k": 5}).json()["items"]:
                    why = client.get("/v1/explanation", params={"user": user, "item": one["item"]}).json()
                    found += [n["count"] for path in why["paths"] for n in path["nodes"] if n["key"] is None]
        return found

    least = 4
    assert min(numbers()) < least
    assert min(numbers(least_crowd=least), default=least) >= least


def test_the_last_state_answers_while_the_graph_is_away(world: World) -> None:
    away = False

    def reader() -> GraphStore:
        if away:
            raise StoreUnavailableError("gone")
        return connect(world.url, read_only=True)

    def writer() -> GraphStore:
        if away:
            raise StoreUnavailableError("gone")
        return connect(world.url)

    live = Live(reader, world.folder)
    world.opened.append(live)
    app = create_app(live, writer, ServeConfig(poll=1000.0))
    event = {"event": "one", "user": USER, "item": MODEL.items.key(1), "kind": "click"}
    with TestClient(app, raise_server_exceptions=False) as client:
        before = client.get("/v1/recommendations", params={"user": USER}).json()["items"]
        with live.reading() as store:
            store.close()
        live._store, away = None, True
        if "://" not in world.url:
            next(Path(world.url).glob("*.kgl")).touch()  # else nothing has changed, and it need not be read
        stale = client.get("/v1/recommendations", params={"user": USER, "k": 10})  # another text: no kept answer
        assert stale.status_code == 200
        assert stale.json()["items"] == before
        assert "last known state" in stale.headers["warning"]
        assert client.get("/ready").status_code == 503
        refused = client.post("/v1/feedback", json=[event])
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert client.get("/v1/recommendations", params={"user": "unknown"}).status_code == 503
        away = False
        live.refresh()
        assert client.post("/v1/feedback", json=[event]).status_code == 200


def test_feedback_is_in_the_graph_when_the_answer_comes_and_sent_again_changes_nothing(world: World) -> None:
    event = {"event": "one", "user": USER, "item": MODEL.items.key(1), "kind": "click", "at": 5}
    with world.client() as client:
        for _ in range(2):
            assert client.post("/v1/feedback", json=[event]).json() == {"written": 1}
        store = connect(world.url, read_only=True)
        rows = EventLog.of(store).reactions().to_pylist()
        store.close()
        assert [(r["event"], r["user"], r["kind"], r["at"]) for r in rows] == [("one", USER, "click", 5)]
        wrong = client.post("/v1/feedback", json=[{**event, "event": "two", "user": "nobody"}])
        assert wrong.status_code == 404
        for bad in ({**event, "kind": "shrug"}, {**event, "more": 1}, {**event, "value": "much"}):
            answer = client.post("/v1/feedback", json=[bad])
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("path", ["recommendations", "explanation", "profile"])
def test_a_language_that_is_not_there_is_a_fault_of_the_request(embedded: World, path: str) -> None:
    with embedded.client() as client:
        asked = {"user": USER, "item": MODEL.items.key(1), "lang": "xx"}
        answer = client.get(f"/v1/{path}", params=asked)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert "expected one of en, zh" in answer.json()["detail"]


def test_feedback_of_one_leaves_what_is_known_of_others(tmp_path: Path) -> None:
    """An embedded graph that is open for feedback is written to by nobody else, so it is not asked of other users."""
    with closing(connect(str(tmp_path / "graph"))) as store:
        fill(store, films())
    persist.save(MODEL, tmp_path / "model")
    world = World(str(tmp_path / "graph"), tmp_path / "model")
    other = {"user": MODEL.users.key(1), "k": 3}
    with world.client(poll=1000.0) as client:
        live, asked = world.opened[-1], []
        before = client.get("/v1/recommendations", params=other)
        clicked = str(get(client)[0]["item"])
        client.post("/v1/feedback", json=[{"event": "one", "user": USER, "item": clicked, "kind": "click"}])
        inner = live.query
        live.query = lambda *given, **more: asked.append(given) or inner(*given, **more)  # type: ignore[assignment,func-returns-value,method-assign]
        of_user = live.of_user
        live.of_user = None  # type: ignore[assignment,method-assign]  # it would fail if it were called
        assert client.get("/v1/recommendations", params=other).content == before.content
        live.of_user = of_user  # type: ignore[method-assign]
        assert live.of_user(str(other["user"]))[1] is live.state.model
        assert live.refresh() is live.state
        assert asked == []
        assert clicked not in [one["item"] for one in get(client)]
        assert asked != []
    live.close()


def test_others_may_write_when_feedback_has_paused(world: World) -> None:
    with world.client(poll=POLL) as client:
        for turn in ("first", "second"):
            clicked = str(get(client)[0]["item"])
            client.post("/v1/feedback", json=[{"event": turn, "user": USER, "item": clicked, "kind": "click"}])
            after = get(client)
            assert clicked not in [one["item"] for one in after]
            for _ in range(100):
                time.sleep(POLL)
                try:
                    rate(world, USER, str(after[1]["item"]))
                    break
                except StoreUnavailableError:  # the service has the embedded graph open still
                    assert get(client) == after
            time.sleep(LATER)
            assert after[1]["item"] not in [one["item"] for one in get(client)]


def test_a_new_model_and_a_changed_graph_are_taken_up(world: World) -> None:
    with world.client(poll=1000.0) as client:
        first = client.get("/v1/version").json()
        live = world.opened[-1]
        assert live.refresh().number == first["state"]  # nothing changed
        rate(world, USER, MODEL.items.key(2))
        changed = live.refresh().number
        persist.save(MODEL, world.folder)
        assert live.refresh().number in (changed, changed + 1)  # the same bytes may have the same time
        assert client.post("/v1/refresh").json()["state"] > first["state"]


def test_many_threads_get_what_one_gets(world: World) -> None:
    before = threading.active_count()  # of other tests of this process
    users = MODEL.users.keys.to_pylist()[:8]
    with world.client() as client:

        def ask(user: str) -> str:
            return json.dumps(client.get("/v1/recommendations", params={"user": user, "k": 3}).json()["items"])

        alone = {user: ask(user) for user in users}
    with world.client(cached=1) as client, ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, users * 4))
    assert together == [alone[user] for user in users * 4]
    assert threading.active_count() - before < 50
    assert not [one for one in threading.enumerate() if one.name.startswith("kg_rec-list")]  # it is closed


def test_roles_are_asked_for_and_looks_are_written_down(embedded: World, tmp_path: Path) -> None:
    file, audit = tmp_path / "tokens", tmp_path / "audit"
    tokens = {role: add_token(file, f"the {role}", role) for role in ("app", "support", "admin")}
    assert file.stat().st_mode & 0o077 == 0
    assert not any(token in file.read_text() for token in tokens.values())

    def head(role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens[role]}"}

    with embedded.client(tokens=file, audit=audit) as client:
        ask = {"user": USER, "item": MODEL.items.key(0)}
        assert client.get("/v1/recommendations", params=ask).status_code == 401
        assert client.get("/v1/recommendations", params=ask, headers={"Authorization": "Bearer no"}).status_code == 401
        assert client.get("/v1/recommendations", params=ask, headers=head("app")).status_code == 200
        assert client.get("/v1/explanation", params=ask, headers=head("app")).status_code == 403
        assert client.get("/v1/explanation", params=ask, headers=head("support")).status_code == 200
        assert client.get("/v1/check", params=ask, headers=head("support")).status_code == 403
        assert client.get("/v1/check", params=ask, headers=head("admin")).status_code == 200
        assert client.get("/health").status_code == 200
    looks = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [(look["who"], look["what"], look["user"]) for look in looks] == [
        ("the app", "recommendations", USER),
        ("the support", "explanation", USER),
        ("the admin", "check", USER),
    ]


def test_limits_headers_and_metrics(embedded: World) -> None:
    with embedded.client(rate=5, body=200) as client:
        answer = client.get("/v1/version")
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.post("/v1/feedback", content=b"x" * 300).status_code == 413
        for _ in range(5):
            answer = client.get("/health")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "60"
    with embedded.client() as client:
        for path in ("/", "/page/app.js", "/health", "/ready"):  # as load balancers and link checkers ask
            answer = client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")
        client.get("/v1/recommendations", params={"user": USER})
        told = client.get("/metrics").text
        assert 'kg_rec_requests_total{route="/v1/recommendations",status="200"} 1.0' in told
        document = client.get("/openapi.json").json()
        assert "/v1/explanation" in document["paths"]


def test_pages_of_other_origins_read_answers_only_where_that_is_set(embedded: World) -> None:
    page = {"Origin": "https://shop.example"}
    ask = {"user": USER, "k": 2}
    with embedded.client() as client:
        for _ in range(2):  # made, then kept
            answer = client.get("/v1/recommendations", params=ask, headers=page)
            assert "access-control-allow-origin" not in answer.headers
    with embedded.client(cors=("https://shop.example",)) as client:
        for _ in range(2):
            answer = client.get("/v1/recommendations", params=ask, headers=page)
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
            other = client.get("/v1/recommendations", params=ask, headers={"Origin": "https://other.example"})
            assert "access-control-allow-origin" not in other.headers
    for origin in ("*", "shop.example", "https://shop.example/page"):
        with pytest.raises(ConfigError, match="expected origins such as"):
            ServeConfig(cors=(origin,))


def test_a_host_that_others_reach_needs_tokens() -> None:
    with pytest.raises(ConfigError, match="serve-token"):
        ServeConfig(host="0.0.0.0")
    assert ServeConfig(host="::1").tokens is None


def test_a_file_of_tokens_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text('{"name": "a", "role": "king", "sha256": "00"}\n')
    with pytest.raises(ConfigError, match=r"tokens:1: expected a role"):
        read_tokens(file)


def test_names_and_parsers_are_made_anew_only_when_what_they_are_made_of_changes(embedded: World) -> None:
    with embedded.client() as client:
        service = client.app.state.service  # type: ignore[attr-defined]
        first, names = service.asker(service.live.state), service.names()["item"]
        first.parser("en")
        rate(embedded, USER, MODEL.items.key(0))
        state = service.live.refresh(whole=True)
        assert service.asker(state) is not first
        assert service.asker(state).model is state.model.recommender
        assert service.asker(state)._parsers is first._parsers
        assert service.names()["item"] is not names
        assert service.names()["item"]._plain is names._plain
        with closing(connect(embedded.url)) as store:
            store.transact([("MATCH (:Film)-[r:DIRECTED_BY]->() DELETE r", {})])
        assert service.asker(service.live.refresh(whole=True))._parsers == {}
