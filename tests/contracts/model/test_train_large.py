"""Training as a large catalogue has it: sparse operator, sampled candidates, bounded work, exact sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from toy_graph import edges, snapshot

import kg_rec.model.operator as operator_module
from kg_rec.arrays.topk import masked, top_k, topk_candidates
from kg_rec.evaluation.evaluate import rank_split
from kg_rec.model.channels.meaning import MeaningConfig
from kg_rec.model.channels.relational import GnnConfig
from kg_rec.model.channels.taste import TasteConfig
from kg_rec.model.config import FusionConfig, TrainConfig
from kg_rec.model.kernel import MatrixKernel
from kg_rec.model.recommender import Recommender
from kg_rec.model.train.train import train
from kg_rec.model.train.validation import Validation
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot
from kg_rec.split import Split, random_split

N_USERS, N_ITEMS, GROUPS = 300, 6_000, 20
CONFIG = TrainConfig(
    device="cpu",
    # max_users=0: with 300 users the operator would be kept as exact factors, and the form of neighbours not tried
    taste=TasteConfig(l2=(20.0, 100.0), max_users=0, max_items=1_000, neighbours=30),
    gnn=GnnConfig(dimensions=(8, 16), exponents=(0.3,)),
    meaning=MeaningConfig(encoder="none"),
    fusion=FusionConfig(rounds=1, candidates=800),
)


def counts() -> Snapshot:
    """Users of three groups of items each, popularity by a power law, counts for ratings, no times, no facts."""
    rng = np.random.default_rng(4)
    popularity = 1 / (np.arange(N_ITEMS) + 5.0)
    pairs = set()
    for user in range(N_USERS):
        for group in rng.choice(GROUPS, 3, replace=False):
            items = np.arange(group, N_ITEMS, GROUPS)
            p = popularity[items] / popularity[items].sum()
            pairs |= {(user, int(i)) for i in rng.choice(items, 8, replace=False, p=p)}
    ordered = sorted(pairs)
    schema = GraphSchema.bundled("interactions")
    nodes = {
        kind.name: pa.table({kind.key: [f"{kind.name}-{n:05d}" for n in range(count)]})
        for kind, count in ((schema.user, N_USERS), (schema.item, N_ITEMS))
    }
    none = [0] * len(ordered) if schema.interaction.time else None
    table = edges(ordered, rng.geometric(0.3, len(ordered)).astype(float).tolist(), none)
    if schema.interaction.time:
        table = EdgeTable(table.source, table.target, table.weight, np.full(len(ordered), NO_TIME))
    return snapshot(schema, nodes, {schema.interaction.name: table})


@pytest.fixture(scope="module")
def split() -> Split:
    return random_split(counts().liked(), N_ITEMS, seed=1)


@pytest.fixture(scope="module")
def model(split: Split) -> Recommender:
    return train(counts(), CONFIG, split=split)


def test_a_large_catalogue_is_scored_by_a_sparse_operator(model: Recommender) -> None:
    kernels = {c.name: c.kernel for c in model.channels}
    assert isinstance(kernels["taste"], MatrixKernel)
    assert sparse.issparse(kernels["taste"].matrix)
    assert model._merged is None
    scores = model.scores(np.arange(20))
    for user, item in np.random.default_rng(2).integers(0, (20, N_ITEMS), (300, 2)).tolist():
        assert model.contributions(user, item).score == pytest.approx(scores[user, item], rel=1e-5, abs=1e-7)


def test_lists_are_the_best_scores_and_batch_equals_single(model: Recommender) -> None:
    users = np.arange(50)
    top, values = model.rank(users, 10)
    expected = masked(model.scores(users), model.seen[users], None)
    np.testing.assert_array_equal(top, top_k(expected, 10))
    np.testing.assert_allclose(values, np.take_along_axis(expected, top, axis=1), rtol=1e-9)
    for user in (0, 17, 49):
        single, its = model.rank(np.array([user]), 10)
        np.testing.assert_array_equal(single[0], top[user])
        np.testing.assert_array_equal(its[0], values[user])  # to the last bit


def test_blocks_are_bounded_by_cells(model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.rank(np.arange(60), 10)
    held = []
    monkeypatch.setattr(
        operator_module, "topk_candidates", lambda s, *rest: held.append(s.shape) or topk_candidates(s, *rest)
    )
    monkeypatch.setattr(operator_module, "_CELLS", 20 * N_ITEMS)
    blocks = model.rank(np.arange(60), 10)
    assert held == [(20, N_ITEMS)] * 3
    for one, other in zip(whole, blocks, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_ranks_far_better_than_popularity(model: Recommender, split: Split) -> None:
    popular = train(counts(), replace(CONFIG, channels=()), split=split)
    best, baseline = (rank_split(m, split, "test").mean()["ndcg@10"] for m in (model, popular))
    assert best > 2 * baseline > 0


def test_validation_ranks_a_bounded_number_of_items(split: Split) -> None:
    shape = (N_USERS, N_ITEMS)
    view = Validation.of(split.train, split, shape, FusionConfig(users=100, candidates=800), seed=3)
    assert view.items is not None
    assert len(view.items) == 800
    assert (np.diff(view.items) > 0).all()
    assert len(view.rows) == view.judge.relevant.shape[0] == 100
    whole = Validation.of(split.train, split, shape, FusionConfig(users=100, candidates=N_ITEMS), seed=3)
    assert whole.items is None
    # whatever is to be found is ranked, and so is what is most popular
    np.testing.assert_array_equal(view.judge.relevant.sum(axis=1), whole.judge.relevant.sum(axis=1))
    popularity = np.bincount(split.train.target, minlength=N_ITEMS)
    assert set(np.argsort(-popularity, kind="stable")[:100]) <= set(view.items)
    again = Validation.of(split.train, split, shape, FusionConfig(users=100, candidates=800), seed=3)
    np.testing.assert_array_equal(again.items, view.items)
