"""A model's own rules hold in every place that makes lists, and change no score."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cli_world import run
from people_world import known_viewers
from starlette.testclient import TestClient
from toy_graph import NO_TEXT, fill, films

from kg_rec.api import Model
from kg_rec.errors import ConfigError
from kg_rec.feedback.explore import show
from kg_rec.feedback.policy import EpsilonGreedy
from kg_rec.jobs.ranking import by_rules
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.model import persist
from kg_rec.model.shown import LimitConfig, ShownConfig
from kg_rec.model.train.train import fit_again, train
from kg_rec.serve.app import create_app
from kg_rec.serve.config import ServeConfig
from kg_rec.serve.live import Live
from kg_rec.snapshot import Snapshot
from kg_rec.store import connect

#: Westerns are the films whose number is a multiple of three; of the others some are for those who are 1900 years old.
RULES = ShownConfig(("genre:western",), (LimitConfig("year", "age"),))
YOUNG, OLD, AGELESS = "u05", "u41", "u07"
USERS = (YOUNG, OLD, AGELESS)


@cache
def graph() -> Snapshot:
    """Films 1, 4, 7 … have a year that only the older viewers' ages reach; of one viewer no age is known."""
    found = known_viewers().snapshot
    film, user = found.nodes["Film"], found.nodes["User"]
    years = pa.array([1900 if i % 3 == 1 else None for i in range(45)], pa.int64())
    ages = pa.array([None if u == 7 else 1880 + u for u in range(60)], pa.int64())
    nodes = {
        **found.nodes,
        "Film": film.set_column(film.column_names.index("year"), "year", years),
        "User": user.set_column(user.column_names.index("age"), "age", ages),
    }
    return Snapshot(found.schema, found.source, nodes, found.edges)


@cache
def model() -> Model:
    return Model(replace(known_viewers(), snapshot=graph())).with_rules(RULES)


def kept(user: str | None, items: list[str]) -> bool:
    """Whether a list is not empty and keeps the rules."""
    numbers = {int(item[1:]) % 3 for item in items}
    return bool(numbers) and numbers <= ({1, 2} if user == OLD else {2})


def test_without_rules_these_lists_hold_what_the_rules_forbid() -> None:
    """So the tests below could fail."""
    free = model().with_rules(ShownConfig())
    for user in USERS:
        assert not kept(user, free.recommend([user], 20)["item"].to_pylist())


@pytest.mark.parametrize("user", USERS)
def test_lists(user: str) -> None:
    assert kept(user, model().recommend([user], 20)["item"].to_pylist())
    for rules in (CandidatesConfig(), CandidatesConfig(calibrate="genre"), CandidatesConfig(diversity=0.3)):
        rows = [row for batch in by_rules(model().recommender, [user], 10, rules) for row in batch.to_pylist()]
        assert kept(user, [row["item"] for row in rows])
    told = pa.Table.from_batches(model().explain_lists(users=[user], k=10, workers=1))
    assert kept(user, told["item"].to_pylist())


@pytest.mark.parametrize("user", USERS)
def test_what_is_asked_in_words(user: str) -> None:
    session = model().session(user, lang="en")
    for request in ("something good", "a western", "more"):
        items = [one.item for one in session.ask(request, 20).items]
        assert not items or kept(user, items)
    assert kept(None, [one.item for one in model().ask(None, "something good", 20).items])
    session.ask("something good")
    assert any("among what may be listed" in remark for remark in session.ask("why not Western 0?").remarks)


def test_newcomers_by_what_they_say_of_themselves() -> None:
    assert kept(None, model().newcomer(likes=["f02"]).recommend(20)["item"].to_pylist())
    older = model().newcomer(likes=["f02"], attributes={"age": 1930}).recommend(20)["item"].to_pylist()
    assert kept(OLD, older)
    assert any(int(item[1:]) % 3 == 1 for item in older)


@pytest.mark.parametrize("user", USERS)
def test_lists_that_people_change(user: str) -> None:
    edited = model().editor.apply(user, model().editor.read("more westerns")[0])
    assert kept(user, edited.recommend(10)["item"].to_pylist())
    assert kept(user, [model().recommender.items.key(i) for i in edited.best(10, edited=False).tolist()])


@pytest.mark.parametrize("user", USERS)
def test_questions_about_lists(user: str) -> None:
    found = model().why_not(user, "f00", 10)
    assert (found.standing, found.rank) == ("shut_out", None)
    assert kept(user, [found.last.item] if found.last else [])
    first = model().recommend([user], 1)["item"][0].as_py()
    assert kept(user, [entry.item for entry in model().counterfactual(user, first, 5).after])
    assert model().counterfactual(user, "f00", 5).outcome == "shut_out"
    changed = model().what_if(user, added=["f00"], k=20)
    assert kept(user, [entry.item for entry in (*changed.entered, *changed.left)] or [first])


def test_what_is_like_an_item() -> None:
    assert kept(None, model().similar("f00", 20)["item"].to_pylist() or ["f02"])
    assert kept(None, model().similar("f02", 20)["item"].to_pylist())


def test_lists_that_leave_something_to_chance() -> None:
    found = show(model().recommender, USERS, 8, EpsilonGreedy(0.9), at=0, seed=3)
    for user in USERS:
        items = [row["item"] for row in found.to_pylist() if row["user"] == user]
        assert kept(user, items)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph, and a model in a folder that `kg-rec rules` gave its rules to."""
    folder = tmp_path_factory.mktemp("rules")
    store = connect(str(folder / "graph"))
    fill(store, graph())
    store.close()
    model().with_rules(ShownConfig()).save(folder / "model")
    run("rules", folder / "model", "--never", "genre:western", "--limit", "year=age")
    return folder


def test_the_command_line(place: Path) -> None:
    url, folder = place / "graph", place / "model"
    assert persist.settings(folder).shown == RULES
    shown = run("rules", folder).stdout
    assert "never genre:western" in shown
    assert "year of an item at most age of the user" in shown
    for user in USERS:
        out = place / f"{user}.jsonl"
        run("recommend", folder, "--graph", url, "--users", user, "-k", 20, "--out", out)
        assert kept(user, [row["item"] for row in _rows(out)])
    run(
        "job",
        "run",
        "--graph",
        url,
        "--model",
        folder,
        "--set",
        f"work={place / 'work'}",
        "--json-lines",
        place / "lines",
    )
    rows = [row for file in sorted((place / "lines").rglob("*.jsonl")) for row in _rows(file)]
    for user in USERS:
        assert kept(user, [row["item"] for row in rows if row["user"] == user])


def test_the_service(place: Path) -> None:
    live = Live(lambda: connect(str(place / "graph"), read_only=True), place / "model")
    try:
        with TestClient(create_app(live, lambda: connect(str(place / "graph")), ServeConfig())) as client:
            for user in USERS:
                found = client.get("/v1/recommendations", params={"user": user, "k": 20}).json()
                assert kept(user, [one["item"] for one in found["items"]])
                asked = client.post("/v1/ask", params={"user": user}, json={"text": "something good", "k": 20}).json()
                assert kept(user, [one["item"] for one in asked["items"]])
            near = client.get("/v1/similar", params={"item": "f02", "k": 20}).json()
            assert kept(None, [one["item"] for one in near["items"]])
    finally:
        live.close()


def test_rules_change_no_score_and_stay_with_the_model() -> None:
    free = model().with_rules(ShownConfig()).recommender
    users = np.arange(60)
    assert (free.scores(users) == model().recommender.scores(users)).all()
    assert fit_again(model().recommender, graph()).config.shown == RULES
    assert model().with_snapshot(graph()).recommender.config.shown == RULES


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (ShownConfig(("genre:opera",)), r"shown.never_facts\[0\]: expected the name or key of a Genre"),
        (ShownConfig(limits=(LimitConfig("title", "age"),)), r"shown.limits\[0\].item: expected a property of Film"),
    ],
)
def test_rules_that_do_not_fit_are_refused(rules: ShownConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model().with_rules(rules)
    with pytest.raises(ConfigError, match=message):
        train(films(), replace(NO_TEXT, shown=rules))


def test_a_relation_that_is_blocked_can_shut_nothing_out() -> None:
    with pytest.raises(ConfigError, match="HAS_GENRE is blocked, so the model does not know"):
        train(films(), replace(NO_TEXT, shown=ShownConfig(("genre:western",)), blocked=("HAS_GENRE",)))


def _rows(file: Path) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
