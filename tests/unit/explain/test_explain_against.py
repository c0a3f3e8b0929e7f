"""What a user did not like weighs against items like it, is told as what speaks against them, never as chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from toy_graph import NO_TEXT, edges, everything, snapshot

from kg_rec.evaluation.evaluate import rank_split
from kg_rec.explain.counterfactuals.counterfactual import counterfactual
from kg_rec.explain.counterfactuals.what_if import what_if
from kg_rec.explain.lists import explain_lists
from kg_rec.explain.single import explain
from kg_rec.explain.verify.reading import Reading, read
from kg_rec.explain.verify.truth import Facts, error, missing
from kg_rec.explain.words.wording import Wording
from kg_rec.jobs.ranking import user_rows
from kg_rec.metrics import standard_error
from kg_rec.model.histories import histories
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import Snapshot, positive
from kg_rec.snapshot.tables import counts_against, counts_as_positive
from kg_rec.split import random_split, temporal_split, with_disliked

WEIGHT = 0.5


@pytest.fixture(scope="module")
def plain() -> Recommender:
    return everything()


@pytest.fixture(scope="module")
def model(plain: Recommender) -> Recommender:
    """The toy model, in which ratings below 3 weigh against."""
    return replace(plain, chosen=replace(plain.chosen, against=WEIGHT))


def disliked(graph: Snapshot) -> set[tuple[int, int]]:
    every = graph.interactions
    found = every.take(counts_against(every, graph.schema.interaction))
    return set(zip(found.source.tolist(), found.target.tolist(), strict=True))


def test_the_scores_are_those_of_the_liked_less_those_of_the_disliked(plain: Recommender, model: Recommender) -> None:
    every, users = plain.snapshot.interactions, np.arange(len(plain.users))
    pairs = disliked(plain.snapshot)
    assert len(pairs) > 50
    rows = histories(edges(sorted(pairs)), plain.shape, 0)
    base = plain.base.astype(np.float64)
    expected = plain.scores(users) - WEIGHT * (plain.scores_of(rows) - base)
    np.testing.assert_allclose(model.scores(users), expected, rtol=1e-5, atol=1e-6)
    assert len(positive(every, plain.snapshot.schema.interaction)) + len(pairs) == len(every)
    rows, seen, _ = user_rows(model, users)
    assert (rows != model.histories).nnz == 0
    top, values = model.best(rows, seen, 10)
    np.testing.assert_array_equal(top, model.rank(users, 10)[0])
    assert not any((u, int(i)) in pairs for u in users.tolist() for i in top[u] if i >= 0)
    assert np.isfinite(values[top >= 0]).all()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_speaks_against_is_told_and_true(model: Recommender, lang: str) -> None:
    facts, pairs = Facts.of(model.snapshot), disliked(model.snapshot)
    told = 0
    for u in range(0, 60, 3):
        mine = [model.snapshot.name("Film", j) for v, j in sorted(pairs) if v == u]
        for i in (u % 3 + 3, 20, 40, 44):
            found = explain(model, model.users.key(u), model.items.key(i), wording=Wording(lang=lang))
            score = model.contributions(u, i).score
            assert error(found, score) < 1e-5
            assert missing(facts, found) == ()
            assert not {path.nodes[1].name for path in found.paths} & set(mine)
            assert read(facts, found) == Reading((), ())
            marks = ("Against it:", "反对的理由")
            before, mark, after = next(
                (found.text.partition(m) for m in marks if m in found.text), (found.text, "", "")
            )
            assert not any(f"{name}," in before for name in mine)
            named = bool(mark) and any(f"“{name}”" in after or f"《{name}》" in after for name in mine)
            assert ("You did not like" in found.text or "你不喜欢" in found.text) == named
            told += named
    assert told > 5


def test_one_explanation_and_many_say_the_same(model: Recommender) -> None:
    rows = [row for batch in explain_lists(model, [model.users.key(4)], k=3) for row in batch.to_pylist()]
    assert len(rows) == 3
    for row in rows:
        assert explain(model, row["user"], row["item"]).text == row["text"]


def test_what_is_taken_out_leaves_what_speaks_against(model: Recommender) -> None:
    user = model.users.key(4)
    target = model.items.key(int(model.rank(np.array([4]), 1)[0][0, 0]))
    found = counterfactual(model, user, target, 3)
    assert found.removed
    keys = tuple(key for key, _ in found.removed)
    after = what_if(model, user, removed=keys, k=3)
    change = next(c for c in after.changes if c.item == target)
    assert change.rank_after is None or change.rank_after > 3
    bad = model.items.key(next(j for v, j in sorted(disliked(model.snapshot)) if v == 4))
    freed = what_if(model, user, removed=[bad], k=3).changes
    assert any(c.score_after != c.score for c in freed)


def by_kinds(telling: bool) -> Snapshot:
    """Everybody likes 4 films of 3 kinds out of 12, and dislikes 12 films: of the other kinds, or any."""
    rng, kind, rows = np.random.default_rng(1), np.arange(48) // 4, []
    for user in range(400):
        mine = np.flatnonzero(np.isin(kind, rng.permutation(12)[:3]))
        liked = rng.choice(mine, 4, replace=False)
        disliked = rng.choice(np.setdiff1d(np.arange(48), mine if telling else liked), 12, replace=False)
        rows += [(user, int(i), 5.0) for i in liked] + [(user, int(i), 1.0) for i in disliked]
    nodes = {
        "User": pa.table({"user_id": [f"u{u:03d}" for u in range(400)]}),
        "Film": pa.table({"item_id": [f"f{i:02d}" for i in range(48)]}),
        "Genre": pa.table({"genre_id": [f"g{k:02d}" for k in range(12)]}),
    }
    relations = {
        "RATED": edges([row[:2] for row in rows], [row[2] for row in rows], [0] * len(rows)),
        "HAS_GENRE": edges(enumerate(kind.tolist())),
    }
    return snapshot(GraphSchema.bundled("movies"), nodes, relations)


def test_the_weight_is_learned_where_it_helps_and_0_where_it_does_not() -> None:
    config = replace(NO_TEXT, channels=("taste", "knowledge"))
    for telling in (True, False):
        graph = by_kinds(telling)
        split = with_disliked(random_split(graph.liked(), 48, seed=0), graph.interactions, graph.schema.interaction)
        learned = train(graph, config, split=split)
        assert (learned.chosen.against > 0) == telling
        without = replace(learned, chosen=replace(learned.chosen, against=0.0))
        ours, plain = (rank_split(m, split, "test").metrics["ndcg@10"] for m in (learned, without))
        gain = ours.mean() - plain.mean()
        assert gain > 5 * standard_error(ours, plain) if telling else gain == 0


def test_a_split_by_time_keeps_what_was_disliked_before_alone() -> None:
    rows = [(0, 0, 5.0), (0, 1, 5.0), (0, 2, 5.0), (0, 3, 1.0), (0, 4, 1.0), (1, 0, 5.0), (1, 5, 2.0)]
    every = edges([row[:2] for row in rows], [row[2] for row in rows], [10, 20, 30, 15, 25, 12, 40])
    relation = GraphSchema.bundled("movies").interaction
    liked = positive(every, relation)
    for made, kept in (
        (random_split(liked, 6, seed=0), {3, 4, 5}),
        (temporal_split(liked, 6), {3, 5}),  # of user 0 the likes from 20 on are to be found; of user 1 none
    ):
        split = with_disliked(made, every, relation)
        assert split.disliked is not None
        assert set(split.disliked.target.tolist()) == kept
        assert set(split.given(live=True).target.tolist()) == {*split.known.target.tolist(), *kept}


@pytest.mark.parametrize(
    ("repeats", "least", "against"),
    [
        (None, 3.0, [-1, 0, 1]),
        ("last", None, [-1]),
        ("sum", 2.0, [-1, 0]),
        ("max", 2.0, [-1]),
        ("count", None, [-1]),
    ],
)
def test_little_of_an_amount_is_no_dislike(repeats: Any, least: float | None, against: list[int]) -> None:
    relation = replace(GraphSchema.bundled("movies").interaction, repeats=repeats, positive_from=least)
    weights = [-1.0, 0.0, 1.0, 3.0, float("nan")]
    some = edges([(0, i) for i in range(5)], weights, [0] * 5)
    found = counts_against(some, relation)
    assert [weights[i] for i in np.flatnonzero(found)] == against
    assert not (found & counts_as_positive(some, relation)).any()
