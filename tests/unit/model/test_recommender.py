"""The additive model: every score is its addends, and a user is what the user did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from toy_graph import everything, pairs, with_user

import kg_rec.model.recommender as recommender_module
from kg_rec.errors import NotFoundError
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel
from kg_rec.model.recommender import Recommender, positions
from kg_rec.snapshot import EdgeTable, Snapshot

USERS, ITEMS = np.arange(60), np.arange(45)


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


def sparsely(kernel: Kernel) -> Kernel:
    """As training makes it for a large catalogue."""
    return MatrixKernel(sparse.csr_array(kernel.matrix)) if isinstance(kernel, MatrixKernel) else kernel


@pytest.fixture(scope="module")
def apart(model: Recommender) -> Recommender:
    """The same model as a large catalogue has it: channel by channel, without the merged matrix."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommender_module, "_MERGE", 0)
        found = replace(model, channels=tuple(replace(c, kernel=sparsely(c.kernel)) for c in model.channels))
        assert found._merged is None  # cached
    return found


@pytest.mark.parametrize("which", ["model", "apart"])
def test_a_thousand_scores_are_their_addends(which: str, request: pytest.FixtureRequest) -> None:
    model: Recommender = request.getfixturevalue(which)
    scores = model.scores(USERS)
    assert (scores.shape, scores.dtype) == ((60, 45), np.float64)
    some = pairs(model, 1000)
    assert {bool(model.cold[i]) for _, i in some} == {True, False}
    for user, item in some:
        found = model.contributions(user, item)
        total = found.base + sum(v.sum() for v in found.values.values())
        assert total == pytest.approx(scores[user, item], rel=1e-5, abs=0), (user, item)
        assert found.score == total


def test_addends_are_weight_times_lambda_times_kernel(model: Recommender) -> None:
    found = model.contributions(3, 7)
    assert found.sources.tolist() == np.flatnonzero(model.histories[[3]].toarray()[0]).tolist()
    assert found.base == float(model.base[7])
    for channel in model.channels:
        expected = found.weights * channel.weight[7] * channel.kernel.values(found.sources, 7)
        np.testing.assert_allclose(found.values[channel.name], expected, rtol=1e-6)


def test_merged_equals_apart_and_batch_equals_single(model: Recommender, apart: Recommender) -> None:
    scores = model.scores(USERS)
    np.testing.assert_allclose(apart.scores(USERS), scores, rtol=1e-5, atol=1e-7)
    for user in (0, 17, 59):
        np.testing.assert_allclose(model.scores(np.array([user]))[0], scores[user], rtol=1e-12)
        np.testing.assert_allclose(apart.scores(np.array([user]))[0], scores[user], rtol=1e-5, atol=1e-7)
    shuffled = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(model.scores(shuffled), scores[shuffled], rtol=1e-12)
    top, values = model.rank(shuffled, 7)
    single = [model.rank(np.array([u]), 7) for u in shuffled]
    assert top.tolist() == [s[0][0].tolist() for s in single]
    np.testing.assert_allclose(values, [s[1][0] for s in single], rtol=1e-12)


def without(table: EdgeTable, user: int, item: int) -> EdgeTable:
    return table.take((table.source != user) | (table.target != item))


def test_removing_an_interaction_takes_exactly_its_addends(model: Recommender) -> None:
    assert model.chosen.recency == 0
    liked = model.snapshot.interactions
    for user, item in pairs(model, 25, seed=4):
        before = model.contributions(user, item)
        row = (user + item) % len(before.sources)
        less = model.with_interactions(without(liked, user, int(before.sources[row])))
        stated = sum(v[row] for v in before.values.values())
        after = less.scores(np.array([user]))[0, item]
        assert after == pytest.approx(before.score - stated, rel=1e-5, abs=1e-7)
    others = np.setdiff1d(USERS, [user])
    np.testing.assert_array_equal(less.scores(others), model.scores(others))


def test_recency_weighs_the_addends(model: Recommender) -> None:
    recent = replace(model, chosen=replace(model.chosen, recency=2.0))
    scores = recent.scores(USERS)
    assert not np.allclose(scores, model.scores(USERS))
    for user, item in pairs(model, 100, seed=6):
        assert recent.contributions(user, item).score == pytest.approx(scores[user, item], rel=1e-5)


def test_a_new_user_is_served_without_training(model: Recommender) -> None:
    twin = model.snapshot.interactions
    assert twin.weight is not None
    own = (twin.source == 5) & np.isin(twin.target, model.histories[[5]].indices)
    rated = dict(zip(twin.target[own].tolist(), twin.weight[own].tolist(), strict=True))
    graph = with_user(model.snapshot, "u05b", rated)
    later = model.with_snapshot(graph)
    new = later.users.index("u05b")
    assert new == 6
    np.testing.assert_allclose(later.scores(np.array([new])), model.scores(np.array([5])), rtol=1e-12)
    np.testing.assert_allclose(later.scores(np.array([7])), model.scores(np.array([6])), rtol=1e-12)
    assert len(twin) + len(rated) == len(graph.interactions)


def test_nothing_a_user_had_is_ranked_liked_or_not(model: Recommender) -> None:
    top, scores = model.rank(USERS, 45)
    for user in USERS:
        e = model.snapshot.interactions
        had = set(e.target[e.source == user].tolist())
        ranked = top[user][top[user] >= 0].tolist()
        assert set(ranked) == set(range(45)) - had
        assert len(ranked) == 45 - len(had)
        assert (top[user][len(ranked) :] == -1).all()
        assert np.isneginf(scores[user][len(ranked) :]).all()
        found = scores[user][: len(ranked)]
        assert (np.diff(found) <= 0).all()
        np.testing.assert_allclose(found, model.scores(np.array([user]))[0, ranked], rtol=1e-12)
    e = model.snapshot.interactions
    assert e.weight is not None
    assert (e.weight < 3).any()  # there are disliked ones


def test_only_candidates_are_ranked_and_the_list_may_be_short(model: Recommender) -> None:
    allowed = np.zeros(45, dtype=bool)
    allowed[[1, 2, 44]] = True
    top, scores = model.rank(USERS, 5, allowed)
    assert top.shape == (60, 5)
    assert set(np.unique(top)) <= {-1, 1, 2, 44}
    assert (top[:, 3:] == -1).all()
    assert np.isneginf(scores[:, 3:]).all()
    assert (model.rank(USERS, 5, np.zeros(45, dtype=bool))[0] == -1).all()


def test_a_user_without_interactions_gets_the_base(model: Recommender) -> None:
    graph = with_user(model.snapshot, "u99", {})
    later = model.with_snapshot(graph)
    user = later.users.index("u99")
    np.testing.assert_array_equal(later.scores(np.array([user]))[0], model.base.astype(np.float64))
    found = later.contributions(user, 3)
    assert len(found.sources) == 0
    assert found.score == float(model.base[3])


def test_likes_of_the_own_kind_rank_first(model: Recommender) -> None:
    """Viewer u likes films i with i % 3 == u % 3: so does the top of the list, cold films among them."""
    top, _ = model.rank(USERS, 3)
    assert (top % 3 == USERS[:, None] % 3).mean() > 0.7
    cold = np.flatnonzero(model.cold)
    best = cold[model.scores(USERS)[:, cold].argmax(axis=1)]
    assert (best % 3 == USERS % 3).mean() > 0.8


def test_positions(model: Recommender) -> None:
    assert positions(model.users, ["u03", "u00"]).tolist() == [3, 0]
    with pytest.raises(NotFoundError, match="no Film with key 'x' in the snapshot; expected one of 45 keys such as"):
        positions(model.items, ["f01", "x"])


# --- facts that are deleted ----------------------------------------------------------------------------


def lost(model: Recommender, relation: str, item: int) -> tuple[Recommender, dict[int, float]]:
    """The model without one attribute edge of an item, and what the edge added to W with each other item."""
    edges = model.snapshot.edges[relation]
    row = int(np.flatnonzero(edges.source == item)[0])
    middle = int(edges.target[row])
    paths = next(p for p in model.shared if p.factors.relation == relation)
    source, target = (
        paths.factors.source[:, [middle]].toarray()[:, 0],
        paths.factors.target[[item]].toarray()[0, middle],
    )
    shared = source * target * float(paths.gate[middle])
    kept = edges.take(np.arange(len(edges)) != row)
    return model.with_snapshot(model.snapshot.with_edges(relation, kept)), dict(enumerate(shared.tolist()))


@pytest.mark.parametrize("relation", ["HAS_GENRE", "DIRECTED_BY", "STARRING"])
def test_a_deleted_fact_takes_exactly_its_paths(relation: str) -> None:
    model = everything()
    knowledge = next(c for c in model.channels if c.name == "knowledge")
    for item in (1, 10, 23):
        less, shared = lost(model, relation, item)
        before, after = model.scores(USERS), less.scores(USERS)
        for user in (0, 20, 41):
            parts = model.contributions(user, item)
            per_unit = parts.weights * float(knowledge.weight[item])
            stated = sum(w * shared[int(j)] for w, j in zip(per_unit, parts.sources, strict=True) if j != item)
            assert before[user, item] - after[user, item] == pytest.approx(stated, rel=1e-4, abs=1e-7)
        others = np.setdiff1d(np.arange(39), [item])
        reasons = less.histories[:, [item]].toarray()[:, 0] == 0
        np.testing.assert_array_equal(after[reasons][:, others], before[reasons][:, others])


def test_a_deleted_fact_of_a_new_item_changes_its_embedding() -> None:
    model = everything()
    less, _ = lost(model, "STARRING", 44)
    assert less.regression is not None
    kernels = [next(c.kernel for c in m.channels if c.name == "relational") for m in (model, less)]
    assert all(isinstance(k, FactorKernel) for k in kernels)
    before, after = (np.asarray(k.target) for k in kernels if isinstance(k, FactorKernel))
    expected = less.similarity(np.array([44]), less.regression.landmarks) @ less.regression.coefficients
    np.testing.assert_allclose(after[44], expected[0], rtol=1e-5)
    assert not np.allclose(before[44], after[44])
    np.testing.assert_array_equal(np.delete(before, 44, axis=0), np.delete(after, 44, axis=0))


def test_a_deleted_relation_between_items_ends_in_both_directions() -> None:
    model = everything()
    edges = model.snapshot.edges["FOLLOWED_BY"]
    kept = edges.take((edges.source != 3) | (edges.target != 6))
    less = model.with_snapshot(model.snapshot.with_edges("FOLLOWED_BY", kept))
    one, two = (
        next(f for f in m.similarity.factors if f.relation == "FOLLOWED_BY").source.toarray() for m in (model, less)
    )
    changed = {tuple(cell) for cell in np.argwhere(one != two).tolist()}
    assert changed == {(3, 6), (6, 3)}
    assert two[3, 6] == two[6, 3] == 0


def test_other_nodes_may_come_and_go_and_new_facts_wait_for_training() -> None:
    model = everything()
    graph = model.snapshot
    people = graph.nodes["Person"]
    new = pa.table({n: pa.array(["p00"], t) for n, t in zip(people.column_names, people.schema.types, strict=True)})
    table = pa.concat_tables([people.slice(0, 1), new, people.slice(1)]).combine_chunks()
    moved = {}
    for name in ("DIRECTED_BY", "STARRING"):
        e = graph.edges[name]
        target = e.target + (e.target >= 1)
        source = np.append(e.source, [2])
        target = np.append(target, [1])  # film 2 and the new person
        moved[name] = EdgeTable(source, target).take(np.lexsort((target, source)))
    nodes, relations = {**graph.nodes, "Person": table}, {**graph.edges, **moved}
    later = model.with_snapshot(Snapshot(graph.schema, graph.source, nodes, relations))
    assert later.snapshot.ids["Person"].key(1) == "p00"
    np.testing.assert_allclose(later.scores(USERS), model.scores(USERS), rtol=1e-6)
    for one, two in zip(model.similarity.factors, later.similarity.factors, strict=True):
        gained = two.source.shape[1] - one.source.shape[1]
        assert gained == (one.relation in moved)
        kept = np.delete(two.source.toarray(), 1, axis=1) if gained else two.source.toarray()
        np.testing.assert_array_equal(kept, one.source.toarray())


def test_the_same_facts_keep_the_same_parts() -> None:
    model = everything()
    assert model.with_snapshot(model.snapshot).channels is model.channels
