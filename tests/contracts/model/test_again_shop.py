"""A small shop in which people buy again at gaps of their own: lists, explanations, what-ifs and files know of it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
import toy_graph
from scipy import sparse

from kg_rec.api import Model
from kg_rec.explain.counterfactuals.counterfactual import counterfactual
from kg_rec.explain.counterfactuals.what_if import what_if, what_if_weights
from kg_rec.explain.counterfactuals.why_not import why_not
from kg_rec.explain.show.again import own_statement
from kg_rec.explain.show.view import ExplanationView
from kg_rec.explain.single import explain
from kg_rec.explain.verify.reading import read
from kg_rec.explain.verify.truth import Facts
from kg_rec.explain.words.wording import Wording
from kg_rec.feedback.apply import with_reactions
from kg_rec.feedback.events import REACTED
from kg_rec.jobs.ranking import by_rules
from kg_rec.jobs.rules import CandidatesConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.model.kernel import MatrixKernel
from kg_rec.model.one_user import with_history
from kg_rec.model.operator import Operator
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import EdgeTable, Snapshot
from kg_rec.snapshot.canonical import one_edge_a_pair
from kg_rec.store import connect

DAY, START, DAYS = 86_400, 1_600_000_000, 120
USERS, ITEMS, OWN = 60, 40, 4
RULE = "kr:repeats kr:sum ;"
SHOP = GraphSchema.bundled("shop")
AGAIN = GraphSchema.from_turtle(SHOP.turtle.replace(RULE, "kr:repeats kr:count ; kr:again true ;"))
QUICK = TrainConfig(channels=("taste",), fusion=FusionConfig(rounds=2))


def snapshot(schema: GraphSchema, edges: EdgeTable) -> Snapshot:
    nodes = {
        "Customer": pa.table({"customer_id": [f"c{u:02}" for u in range(USERS)]}),
        "Product": pa.table(
            {"product_id": [f"p{i:02}" for i in range(ITEMS)], "name": [f"Tea {i}" for i in range(ITEMS)]}
        ),
    }
    return toy_graph.snapshot(schema, nodes, {"BOUGHT": edges})


@cache
def shop() -> Snapshot:
    """Everybody buys four products of their own at gaps of 6 to 15 days, and others once, of one half of the shop."""
    rng, rows = np.random.default_rng(3), []
    for user in range(USERS):
        items = rng.choice(ITEMS // 2, OWN + 6, replace=False) + user % 2 * (ITEMS // 2)
        for item in items[:OWN]:
            gap = int(rng.integers(6, 16))
            rows += [(user, item, START + day * DAY + user) for day in range(int(rng.integers(gap)), DAYS, gap)]
        rows += [(user, item, START + int(rng.integers(DAYS)) * DAY + user) for item in items[OWN:]]
    source, target, time = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return snapshot(AGAIN, one_edge_a_pair(EdgeTable(source, target, None, time), AGAIN.interaction)[0])


@cache
def model() -> Recommender:
    return train(shop(), QUICK)


def test_the_gate_is_on_and_lists_hold_what_is_bought_again() -> None:
    own = model()
    assert own.again is not None
    assert own.again.weight > 0
    assert own.chosen.again == {"days": own.again.days, "due": own.again.due}
    top, scores = own.rank(np.arange(USERS), OWN)
    counts = np.zeros((USERS, ITEMS))
    edges = shop().interactions
    counts[edges.source, edges.target] = edges.weight
    bought = np.take_along_axis(counts, top, axis=1)
    assert (bought >= 3).mean() > 0.9
    whole = own.scores(np.arange(USERS))
    np.testing.assert_allclose(scores, np.take_along_axis(whole, top, axis=1), rtol=1e-12)
    jobs = pa.Table.from_batches(by_rules(own, None, OWN, CandidatesConfig()))
    assert jobs["item"].to_pylist() == [own.items.key(i) for i in top.ravel().tolist()]
    np.testing.assert_allclose(jobs["score"], scores.ravel(), rtol=1e-6)


def test_addends_sum_to_scores_and_the_term_is_at_the_item_itself() -> None:
    own, users, items = model(), np.repeat(np.arange(20), 10), np.tile(np.arange(10), 20)
    addends = own.addends(users, items)
    scores = own.scores(np.arange(20))[users, items]
    np.testing.assert_allclose(addends.sums(), scores, rtol=1e-5)
    r = addends.values["again"]
    assert (addends.sources[r != 0] == items[addends.pairs[r != 0]]).all()
    assert (r > 0).any()
    assert "again" not in replace(own, again=None).addends(users, items).values


def test_the_operator_of_a_large_catalogue_ranks_the_same() -> None:
    own, users = model(), np.arange(USERS)
    rows, seen, again = own.histories[users], own.seen[users], own.again_of(users)
    assert again is not None
    one = sparse.csr_array(sparse.eye_array(ITEMS, dtype=np.float32))
    matrix = sum((c.kernel.scores(one) * c.weight for c in own.channels), np.zeros((ITEMS, ITEMS), np.float32))
    operator = Operator.of([(MatrixKernel(sparse.csr_array(matrix)), np.ones(ITEMS, np.float32))], own.base)
    top, values = operator.best(rows, seen, 5, None, again)
    expected = operator.scores(rows) + again.toarray()
    order = np.argsort(-expected, axis=1, kind="stable")[:, :5]
    assert top.tolist() == order.tolist()
    np.testing.assert_allclose(values, np.take_along_axis(expected, order, axis=1), rtol=1e-12)


def with_one_more(user: int, item: int, *at: int) -> EdgeTable:
    """What a user bought, and an item at some times more."""
    edges = shop().interactions
    mine = edges.take(edges.source == user)
    pairs = zip(mine.target.tolist(), mine.times.to_pylist(), strict=True)  # type: ignore[union-attr]
    rows = [*((user, i, t) for i, times in pairs for t in times), *((user, item, t) for t in at)]
    source, target, time = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return one_edge_a_pair(EdgeTable(source, target, None, time), AGAIN.interaction)[0]


def test_what_happens_now_counts_at_once() -> None:
    own = model()
    assert own.again is not None
    mine = shop().interactions.source == 7
    fresh = int(np.setdiff1d(np.arange(ITEMS), shop().interactions.target[mine])[0])
    new = with_one_more(7, fresh, own.again.until, own.again.until)
    live = with_history(own, 7, new)
    user = np.array([7])
    gained = live.again_of(user)[0, fresh]  # type: ignore[index]
    assert gained == pytest.approx(2 * own.again.weight, rel=1e-6)
    np.testing.assert_allclose(live.addends(user, np.array([fresh])).sums(), live.scores(user)[:, fresh], rtol=1e-5)
    whole = own.with_interactions(live.snapshot.interactions)
    np.testing.assert_allclose(whole.scores(user), live.scores(user), rtol=1e-12)


def test_a_buy_counts_once_more_and_what_is_dismissed_stays_out() -> None:
    own = model()
    assert own.again is not None
    user, item = a_due_item(own)
    u, i, at = own.users.index(user), own.items.index(item), own.again.until

    def after(*kinds: str) -> Recommender:
        one = {"list": "", "user": user, "item": item, "value": 1.0}
        rows = [{**one, "event": str(n), "at": at + n, "kind": kind} for n, kind in enumerate(kinds)]
        return with_reactions(own, pa.Table.from_pylist(rows, schema=REACTED))

    before = own.again_of(np.array([u]))[0, i]  # type: ignore[index]
    clicked, bought, dismissed = after("click"), after("buy"), after("buy", "dismiss")
    assert clicked.again_of(np.array([u]))[0, i] == before  # type: ignore[index]
    assert (bought.habit(u, i).since[0], clicked.habit(u, i).since[0]) == (0, own.habit(u, i).since[0])  # type: ignore[union-attr]
    assert bought.habit(u, i).count[0] == own.habit(u, i).count[0] + 1  # type: ignore[union-attr]
    for now, listed in (
        (own, True),
        (clicked, True),
        (bought, True),
        (dismissed, False),
        (after("dismiss", "buy"), True),
    ):
        assert (i in now.rank(np.array([u]), ITEMS)[0][0].tolist()) is listed
    assert dismissed.again_of(np.array([u]))[0, i] == 0  # type: ignore[index]


def test_files_keep_it(tmp_path: Path) -> None:
    own = model()
    Model(own).save(tmp_path / "model")
    for mmap in (False, True):
        read_back = Model.load(tmp_path / "model", mmap=mmap).recommender
        assert read_back.again == own.again
        assert read_back.rank(np.arange(9), 5)[0].tolist() == own.rank(np.arange(9), 5)[0].tolist()


def a_due_item(own: Recommender) -> tuple[str, str]:
    top, _ = own.rank(np.arange(USERS), 1)
    return own.users.key(5), own.items.key(int(top[5, 0]))


def test_it_is_told_with_true_numbers_and_its_parts_add_up() -> None:
    own = model()
    user, item = a_due_item(own)
    schema = json.loads(files("kg_rec.explain").joinpath("explanation.schema.json").read_text(encoding="utf-8"))
    facts = Facts.of(own.snapshot)
    for lang in ("en", "zh"):
        told = explain(own, user, item, wording=Wording(lang))
        had = told.again
        assert had is not None
        gap, days = round(had.gap), int(had.since)
        words = {
            "en": f"You bought “{told.item_name}” {had.count} times, about every {gap} days; the last time ",
            "zh": f"你买过“{told.item_name}”{had.count}次，大约每{gap}天一次，上一次是",
        }
        assert words[lang] in told.text
        assert (f"{days} days ago" in told.text) or days < 2 or lang == "zh"
        assert "You know" not in told.text
        assert read(facts, told) == read(facts, replace(told))
        assert read(facts, told).numbers == ()
        false = replace(
            told,
            text=told.text.replace(f"{had.count} times", f"{had.count + 1} times").replace(
                f"{had.count}次", f"{had.count + 1}次"
            ),
        )
        assert read(facts, false).numbers != ()
        parts = dict(ExplanationView(told).channels)
        assert parts["again"] == pytest.approx(had.value, rel=1e-9)
        assert sum(parts.values()) == pytest.approx(told.score, rel=1e-5)
        assert told.base + sum(told.shap_values().values()) == pytest.approx(told.score, rel=1e-5)
        jsonschema.validate(json.loads(told.to("json")), schema)
        assert told.to("html")
        assert "$item" in had.cypher
    assert explain(replace(own, again=None), user, item).again is None


def test_the_statement_returns_the_times_of_the_graph(tmp_path: Path) -> None:
    own, edges = model(), shop().interactions
    assert edges.time is not None
    with closing(connect(str(tmp_path / "graph"))) as store:
        toy_graph.fill(
            store, own.snapshot.with_edges("BOUGHT", EdgeTable(edges.source, edges.target, None, edges.time))
        )
        for row in np.flatnonzero(edges.weight == 1)[:5].tolist():
            user, item = own.users.key(int(edges.source[row])), own.items.key(int(edges.target[row]))
            had = explain(own, user, item).again
            assert had is not None
            assert store.query(had.cypher, had.parameters).to_pylist() == [{"at": int(edges.time[row])}]
    for name in ("interactions", "music", "shop", "movies"):
        statement, parameters = own_statement(GraphSchema.bundled(name), "u'1", "i'1")
        assert statement.endswith("ORDER BY at")
        assert "'1" not in statement
        assert parameters == {"user": "u'1", "item": "i'1"}


def test_counterfactuals_and_what_ifs_know_of_it() -> None:
    own = model()
    user, item = a_due_item(own)
    found = counterfactual(own, user, item, 3)
    assert (found.outcome, found.proven) == ("leaves", True)
    assert [key for key, _ in found.removed] == [item]  # without that one, nothing speaks for buying it again
    more = what_if(own, user, added=[item], k=3)
    change = next(c for c in more.changes if c.item == item)
    assert change.rank_after is not None  # it may be listed all the same, and counts once more
    u, i = own.users.index(user), own.items.index(item)
    latest = int(own.snapshot.interactions.time[own.snapshot.interactions.source == u].max())  # type: ignore[index]
    bought = with_history(own, u, with_one_more(u, i, latest + 1))
    assert bought.scores(np.array([u]))[0, i] == pytest.approx(change.score_after, rel=1e-9)
    assert change.score_after != change.score
    less = what_if_weights(own, user, {"again": 0.0}, 3)
    assert {e.item for e in less.after} != {e.item for e in less.before}
    whole = own.scores(np.array([own.users.index(user)]))[0]
    far = own.items.key(int(np.argsort(whole)[ITEMS // 2]))
    answer = why_not(own, user, far, 3)
    assert answer.base_gap + sum(lack.last_value - lack.value for lack in answer.lacks) == pytest.approx(answer.gap)


def test_where_nothing_is_bought_again_it_is_off() -> None:
    edges = shop().interactions
    once = EdgeTable(edges.source, edges.target, None, edges.time)
    never = train(snapshot(AGAIN, one_edge_a_pair(once, AGAIN.interaction)[0]), QUICK)
    assert (never.again, never.chosen.again) == (None, None)
    other = train(snapshot(SHOP, once), QUICK)
    assert (other.again, other.chosen.again) == (None, None)
    assert "again" not in other.chosen.warm
