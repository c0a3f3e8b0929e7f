"""Events in a real graph: shown, reacted, learned from, replayed, pruned; by library and command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from toy_graph import everything, fill, films

from kg_rec.cli import main
from kg_rec.errors import EvaluationError, FeedbackError, NotFoundError
from kg_rec.feedback.apply import with_reactions
from kg_rec.feedback.events import REACTED, EventLog
from kg_rec.feedback.explore import SHOWN, ExploreConfig, show
from kg_rec.feedback.learn import EVERYBODY, LearnedFile, learn, rewards, reweighted, start
from kg_rec.feedback.policy import EpsilonGreedy, Greedy, PlackettLuce, Thompson
from kg_rec.feedback.replay import replay
from kg_rec.model import persist
from kg_rec.store import GraphStore

MODEL = everything()
USERS = MODEL.users.keys.to_pylist()


@pytest.fixture
def log(films_store: GraphStore) -> EventLog:
    fill(films_store, films())
    return EventLog.of(films_store)


def reaction(event: str, user: str, item: str, kind: str, *, at: int = 2000, of: str = "", value: float = 1.0) -> dict:
    return {"event": event, "list": of, "user": user, "item": item, "at": at, "kind": kind, "value": value}


def reactions(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=REACTED)


def test_events_come_back_as_written_and_repeating_them_changes_nothing(log: EventLog) -> None:
    shown = show(MODEL, USERS[:3], 4, PlackettLuce(0.5), at=1000, seed=1)
    assert log.record_shown(shown) == 12
    assert log.record_shown(shown) == 12
    assert log.shown().sort_by("event").equals(shown.sort_by("event"))
    first = shown.to_pylist()[0]
    done = reactions(
        reaction("a", first["user"], first["item"], "click", of=first["list"]),
        reaction("b", first["user"], first["item"], "buy", at=2001, of=first["list"], value=9.5),
    )
    log.record_reactions(done)
    log.record_reactions(done)
    assert log.reactions().equals(done)
    assert log.shown(since=1001).num_rows == 0
    assert log.shown(until=1000).num_rows == 0
    assert log.prune(before=1500) == 12
    assert log.shown().num_rows == 0
    assert log.reactions().num_rows == 2


def test_nothing_of_a_wrong_batch_is_written(log: EventLog) -> None:
    item = MODEL.items.key(0)
    good = reaction("a", USERS[0], item, "click")
    with pytest.raises(NotFoundError, match="'nobody'; nothing was written"):
        log.record_reactions(reactions(good, reaction("b", "nobody", item, "click")))
    with pytest.raises(FeedbackError, match="kind is one of click, like, buy, dismiss, got 'shrug'"):
        log.record_reactions(reactions(good, reaction("b", USERS[0], item, "shrug")))
    with pytest.raises(FeedbackError, match="id of its own"):
        log.record_reactions(reactions(good, reaction("", USERS[0], item, "click")))
    with pytest.raises(FeedbackError, match="finite"):
        log.record_reactions(reactions(good, reaction("c", USERS[0], item, "click", value=float("nan"))))
    assert log.reactions().num_rows == 0


def test_shown_items_keep_rules_and_features_add_up() -> None:
    allowed = np.zeros(len(MODEL.items), dtype=bool)
    allowed[::2] = True
    shown = show(MODEL, USERS, 5, EpsilonGreedy(0.5), at=1, seed=3, candidates=allowed, config=ExploreConfig(50, 10.0))
    items = MODEL.items.indices(shown.column("item"))
    users = MODEL.users.indices(shown.column("user"))
    assert allowed[items].all()
    assert MODEL.seen[users, items].max() == 0
    features = np.array(shown.column("features").to_pylist())
    assert np.allclose(features.sum(axis=1), np.array(shown.column("score")), rtol=1e-5)
    scores = MODEL.scores(users)[np.arange(len(users)), items]
    assert np.allclose(scores, np.array(shown.column("score")), rtol=1e-5)
    assert any(shown.column("explored").to_pylist())
    assert not any(show(MODEL, USERS, 5, Greedy(), at=1, seed=3).column("explored").to_pylist())


def test_a_click_changes_the_next_list_and_a_dismissed_item_is_gone() -> None:
    before = show(MODEL, USERS[:1], 3, Greedy(), at=1, seed=0)
    first, second, _ = before.column("item").to_pylist()
    done = reactions(reaction("a", USERS[0], first, "click"), reaction("b", USERS[0], second, "dismiss"))
    model = with_reactions(MODEL, done)
    after = show(model, USERS[:1], 3, Greedy(), at=2, seed=0)
    assert first not in after.column("item").to_pylist()  # it is in the history now
    assert second not in after.column("item").to_pylist()
    assert model.histories[[0]].nnz == MODEL.histories[[0]].nnz + 1
    assert after.column("score").to_pylist() != before.column("score").to_pylist()
    changed = reactions(reaction("c", USERS[0], first, "dismiss", at=3000))
    model = with_reactions(MODEL, pa.concat_tables([done, changed]))  # the latest reaction counts
    assert model.histories[[0]].nnz == MODEL.histories[[0]].nnz
    assert first not in show(model, USERS[:1], 3, Greedy(), at=2, seed=0).column("item").to_pylist()
    bare = MODEL.with_interactions(replace(MODEL.snapshot.interactions, weight=None))
    model = with_reactions(bare, done)
    assert model.histories[[0]].nnz == bare.histories[[0]].nnz + 1
    assert model.seen[[0]].nnz == bare.seen[[0]].nnz + 2


def test_rewards_belong_to_their_list_or_to_the_latest_before_them() -> None:
    shown = pa.concat_tables([show(MODEL, USERS[:1], 2, Greedy(), at=at, seed=0) for at in (100, 200)])
    item = shown.column("item")[0].as_py()
    lists = shown.column("list").to_pylist()
    done = reactions(
        reaction("a", USERS[0], item, "click", of=lists[0], at=150),
        reaction("b", USERS[0], item, "buy", at=250, value=3.0),
        reaction("c", USERS[0], item, "dismiss", at=50),  # before anything was shown
    )
    assert rewards(shown, done).tolist() == [1.0, 0.0, 3.0, 0.0]


def test_weights_move_are_kept_by_version_and_taken_back(tmp_path: Path) -> None:
    shown = show(MODEL, USERS, 5, EpsilonGreedy(0.3), at=1000, seed=1)
    features = np.array(shown.column("features").to_pylist())
    names = shown.column("channels")[0].as_py()
    liked = features[:, names.index("knowledge")]
    earned = (liked > np.median(liked)).astype(float)  # people click on what the graph says
    known = start(MODEL)
    learned = learn(known, shown, earned, [EVERYBODY] * len(shown))
    posterior = learned.of(EVERYBODY)
    assert posterior.observed == len(shown)
    assert posterior.weights[names.index("knowledge")] > 1
    changed = reweighted(MODEL, posterior)
    users, items = np.array([0, 1]), np.array([3, 4])
    addends = changed.addends(users, items)
    assert np.allclose(addends.sums(), changed.scores(users)[[0, 1], items], rtol=1e-5)
    file = LearnedFile(tmp_path / "feedback.json")
    with pytest.raises(FeedbackError, match="nothing was learned yet"):
        file.rollback()
    assert (file.add(known), file.add(learned)) == (1, 2)
    assert np.array_equal(file.versions()[-1].of(EVERYBODY).mean, posterior.mean)
    back = file.rollback()
    assert back is not None
    assert np.array_equal(back.of(EVERYBODY).mean, known.of(EVERYBODY).mean)
    assert file.rollback() is None
    (tmp_path / "feedback.json").write_text('{"versions": [{}]}', encoding="utf-8")
    with pytest.raises(FeedbackError, match="learn again"):
        file.versions()


def test_a_replay_of_the_logging_policy_is_what_was_logged_and_of_a_better_one_more() -> None:
    rng = np.random.default_rng(0)
    config = ExploreConfig(20, 10.0)
    policy = PlackettLuce(1.0)
    tables = [show(MODEL, USERS, 2, policy, at=2_000_000_000 + n, seed=n, config=config) for n in range(40)]
    shown = pa.concat_tables(tables)
    done = []
    for n, row in enumerate(shown.to_pylist()):
        if rng.random() < 1 / (1 + np.exp(-2 * row["score"])):
            done.append(reaction(f"e{n}", row["user"], row["item"], "click", at=row["at"] + 1, of=row["list"]))
    log = reactions(*done)
    same = replay(MODEL, policy, shown, log, config=config)
    assert same.estimates["snips"].value == pytest.approx(same.logged, rel=1e-9)
    assert same.estimates["ips"].effective == pytest.approx(same.lists)
    better = replay(MODEL, PlackettLuce(0.7), shown, log, config=config)
    assert better.estimates["snips"].value > same.logged
    low, high = better.estimates["doubly_robust"].interval
    assert low < better.estimates["snips"].value < high
    with pytest.raises(EvaluationError, match="the log cannot tell"):
        replay(MODEL, Greedy(), shown, log, config=config, least=same.lists)


def test_the_command_line_from_a_list_to_a_lesson_and_back(log: EventLog, tmp_path: Path) -> None:
    url = log.store.url
    log.store.close()
    folder = tmp_path / "model"
    persist.save(MODEL, folder)

    def call(*arguments: str) -> dict:
        done = CliRunner().invoke(main, ["feedback", *arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    first = call("show", str(folder), "--graph", url, "--users", USERS[0], "-k", "3", "--seed", "5")
    assert first["logged"] == 3
    item = first["rows"][0]["item"]
    assert call("record", USERS[0], item, "click", "--graph", url, "--event", "one") == {"written": 1}
    assert call("record", USERS[0], item, "click", "--graph", url, "--event", "one") == {"written": 1}
    learned = call("learn", str(folder), "--graph", url)
    assert (learned["events"], learned["version"]) == (3, 1)
    assert call("learn", str(folder), "--graph", url)["events"] == 0
    status = call("status", str(folder), "--graph", url)
    assert (status["shown"], status["reactions"], status["versions"]) == (3, 1, 1)
    after = call("show", str(folder), "--graph", url, "--users", USERS[0], "-k", "3", "--policy", "greedy")
    assert item not in [row["item"] for row in after["rows"]]
    assert call("rollback", str(folder)) == {"versions": 0}
    counts = call("export", "--graph", url, "--out", str(tmp_path / "events"))
    assert (counts["shown"], counts["reactions"]) == (6, 1)
    assert pq.read_table(tmp_path / "events/shown.parquet").schema.equals(SHOWN)
    assert call("prune", "--graph", url, "--before", "99999999999") == {"deleted": 7}


def test_a_click_and_a_lesson_change_lists_and_reasons_that_add_up(log: EventLog, tmp_path: Path) -> None:
    folder, url = tmp_path / "model", log.store.url
    persist.save(MODEL, folder)
    log.record_shown(show(MODEL, USERS, 3, EpsilonGreedy(0.3), at=1000, seed=1))
    clicked = show(MODEL, USERS[:1], 1, Greedy(), at=1, seed=0).column("item")[0].as_py()
    log.record_reactions(reactions(reaction("a", USERS[0], clicked, "click")))
    log.store.close()

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def best(*more: str) -> list[dict]:
        found = call("recommend", str(folder), "--graph", url, "--users", USERS[0], "-k", "5", "--json", *more)
        return [json.loads(line) for line in found.splitlines()]

    assert clicked in [row["item"] for row in best()]  # a click alone is no interaction of the graph
    by_click = best("--learned")
    assert clicked not in [row["item"] for row in by_click]
    call("feedback", "learn", str(folder), "--graph", url, "--segment", "gender")
    learned = best("--learned")
    assert [row["score"] for row in learned] != [row["score"] for row in by_click]
    item = learned[0]["item"]
    why = json.loads(call("explain", str(folder), USERS[0], item, "--graph", url, "--learned", "--json"))
    assert why["score"] == pytest.approx(learned[0]["score"], rel=1e-5)
    assert why["base"] + sum(term["value"] for term in why["terms"]) == pytest.approx(why["score"], rel=1e-5)
    out = tmp_path / "all.parquet"
    call("explain", str(folder), "--all", "-k", "2", "--graph", url, "--learned", "--workers", "1", "--out", str(out))
    assert set(pq.read_table(out).column("user").to_pylist()) == set(USERS)
    both = ["explain", str(folder), USERS[0], item, "--graph", url, "--learned", "--verify"]
    refused = CliRunner().invoke(main, both)
    assert refused.exit_code == 2


def test_evaluate_replays_what_was_logged(log: EventLog, tmp_path: Path) -> None:
    for n in range(4):
        log.record_shown(show(MODEL, USERS, 2, PlackettLuce(1.0), at=2_000_000_000 + n, seed=n))
    url = log.store.url
    log.store.close()
    persist.save(MODEL, tmp_path / "model")
    call = ["evaluate", "--graph", url, "--replay", str(tmp_path / "model"), "--policy"]
    done = CliRunner().invoke(main, [*call, "plackett-luce:1.0", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    lists = 4 * len(USERS)
    found = json.loads(done.stdout)
    assert found["lists"] == lists
    assert found["estimates"]["ips"]["effective"] == pytest.approx(lists)
    wrong = CliRunner().invoke(main, [*call, "best"])
    assert wrong.exit_code == 2
    assert "expected greedy, thompson, epsilon:E or plackett-luce:T, got best" in wrong.stderr


def test_thompson_draws_are_repeatable() -> None:
    policy = Thompson(start(MODEL).of(EVERYBODY), draws=30)
    one, two = (show(MODEL, USERS[:5], 3, policy, at=1, seed=9).drop(["event", "list"]) for _ in range(2))
    assert one.equals(two)
