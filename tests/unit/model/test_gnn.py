"""The gates: message passing and the learner's scores against dense numpy, and gates whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from toy_graph import edges, films

from kg_rec.model.channels.gnn import GatedHop, batch_of, learn, scores_of
from kg_rec.model.channels.knowledge import KnowledgeConfig, factors_of, prior_of
from kg_rec.model.channels.ridge import Penalty, dense
from kg_rec.model.item_paths import GatedPaths
from kg_rec.model.kernel import FactorKernel
from kg_rec.snapshot import Snapshot

CONFIG = KnowledgeConfig()
NONE = FactorKernel(sparse.csr_array((45, 1)), sparse.csr_array((45, 1)))


def dense_prior(paths: list[GatedPaths]) -> np.ndarray:
    kernel = prior_of(paths) or NONE
    w = (kernel.source @ kernel.target.T).toarray().astype(np.float64)
    np.fill_diagonal(w, 0)
    return w


def test_a_gated_hop_is_the_dense_formula() -> None:
    """Attributes that leave the item, and a relation between items, each node with a gate of its own."""
    factors = factors_of(films(), CONFIG)
    assert {"HAS_GENRE", "FOLLOWED_BY"} <= {f.relation for f in factors}
    rng = np.random.default_rng(0)
    gates = [rng.uniform(-1, 1, f.source.shape[1]).astype(np.float32) for f in factors]
    features = rng.normal(size=(45, 5)).astype(np.float32)
    found = GatedHop(films(), factors, "cpu")([torch.from_numpy(g) for g in gates], torch.from_numpy(features))
    w = dense_prior([GatedPaths(f, g) for f, g in zip(factors, gates, strict=True)])
    np.testing.assert_allclose(found.numpy(), w.T @ features, atol=1e-5)


def test_the_scores_it_learns_from_are_those_of_the_operator_with_its_prior() -> None:
    rng = np.random.default_rng(0)
    x = sparse.csr_array((rng.random((20, 12)) < 0.5).astype(np.float32))
    source = sparse.csr_array((rng.random((12, 5)) < 0.4) * np.float32(0.3))
    prior = FactorKernel(source, sparse.csr_array((source > 0).astype(np.float32)))
    w = (prior.source @ prior.target.T).toarray()
    np.fill_diagonal(w, 0)
    batch = batch_of(x, 3.0, 0.4, 0.2, 0.4, 100, 100, 1, "cpu")
    assert batch is not None
    found = scores_of(batch, lambda f: torch.from_numpy(w.T.astype(np.float32)) @ f).numpy().T
    rows = batch.given.numpy().T.astype(np.float64)
    rest = dense(sparse.csr_array(rows.T @ rows), Penalty(3.0, 0.4), None, prior)
    expected = (rows > 0) @ (rest.at(1.0).scores(sparse.csr_array(np.eye(12))) + w)
    unseen = rows == 0
    np.testing.assert_allclose(found[unseen], expected[unseen], atol=5e-5)


def test_what_is_held_out_and_what_is_given_are_the_interactions() -> None:
    x = sparse.csr_array((np.random.default_rng(3).random((30, 12)) < 0.5).astype(np.float32))
    before = x.toarray()
    batch = batch_of(x, 3.0, 0.4, 0.2, 0.4, 100, 100, 1, "cpu")
    assert batch is not None
    np.testing.assert_array_equal(x.toarray(), before)  # not changed
    given, wanted = batch.seen.numpy().T, batch.wanted.numpy().T > 0
    assert not (given & wanted).any()
    users = {tuple(row) for row in before.astype(bool).tolist()}
    assert all(tuple(row) in users for row in (given | wanted).tolist())
    assert 0.3 < wanted.sum() / before.sum() < 0.5


def world(seed: int = 0) -> tuple[Snapshot, sparse.csr_array]:
    """Films of three genres, of which the genre decides taste and the director, dealt at random, does not."""
    rng = np.random.default_rng(seed)
    genre = np.arange(45) % 3
    liked = np.zeros((200, 45))
    for row in liked:
        weight = np.where(genre == rng.integers(3), 6.0, 1.0)
        row[rng.choice(45, 8, replace=False, p=weight / weight.sum())] = 1
    snapshot = films()
    for relation in snapshot.schema.knowledge_relations:
        snapshot = snapshot.with_edges(relation.name, edges([]))
    snapshot = snapshot.with_edges("HAS_GENRE", edges([(i, int(g)) for i, g in enumerate(genre)]))
    directors = rng.permutation(45) % 9
    snapshot = snapshot.with_edges("DIRECTED_BY", edges([(i, int(d)) for i, d in enumerate(directors)]))
    return snapshot, sparse.csr_array(liked.astype(np.float32))


def test_the_gate_of_what_decides_taste_opens_and_the_other_stays_shut() -> None:
    snapshot, liked = world()
    batch = batch_of(liked, 20.0, 0.4, 0.2, 0.4, 500, 500, 1, "cpu")
    assert batch is not None
    gates, losses = learn(snapshot, factors_of(snapshot, CONFIG), batch, 0.3, 30, "cpu")
    assert losses[-1] < losses[0]
    assert gates.mean["HAS_GENRE"] > 5 * gates.mean["DIRECTED_BY"]
    assert gates.mean["DIRECTED_BY"] >= 0


def test_where_the_graph_decides_taste_altogether_its_gates_stay_bounded() -> None:
    """Everybody likes films of one genre alone, so any larger gate ranks as well: W says 1 of what is held out."""
    rng = np.random.default_rng(0)
    genre = np.arange(45) % 2
    liked = np.zeros((40, 45), np.float32)
    for user, row in enumerate(liked):
        row[rng.choice(np.flatnonzero(genre == user % 2), 9, replace=False)] = 1
    snapshot = films()
    for relation in snapshot.schema.knowledge_relations:
        snapshot = snapshot.with_edges(relation.name, edges([]))
    snapshot = snapshot.with_edges("HAS_GENRE", edges([(i, int(g)) for i, g in enumerate(genre)]))
    factors = factors_of(snapshot, CONFIG)
    batch = batch_of(sparse.csr_array(liked), 5.0, 0.4, 0.2, 0.4, 100, 100, 1, "cpu")
    assert batch is not None
    gates, _ = learn(snapshot, factors, batch, 0.3, 20, "cpu")
    gate = gates.mean["HAS_GENRE"] * (1 + gates.deviation["HAS_GENRE"])
    w = dense_prior([GatedPaths(factors[0], gate.astype(np.float32))])
    said = ((batch.given.numpy() * batch.scale.numpy()).T @ w).T
    assert said[batch.wanted.numpy() > 0].mean() == pytest.approx(1.0, rel=1e-3)


def test_little_spread_shrinks_every_gate_to_its_type() -> None:
    snapshot, liked = world()
    batch = batch_of(liked, 20.0, 0.4, 0.2, 0.4, 500, 500, 1, "cpu")
    assert batch is not None
    near, far = (learn(snapshot, factors_of(snapshot, CONFIG), batch, s, 30, "cpu")[0] for s in (0.001, 1.0))
    assert np.abs(near.deviation["HAS_GENRE"]).max() < 0.01
    assert np.abs(far.deviation["HAS_GENRE"]).max() > 5 * np.abs(near.deviation["HAS_GENRE"]).max()


def test_the_same_seed_learns_the_same_gates() -> None:
    snapshot, liked = world()
    found = []
    for _ in range(2):
        batch = batch_of(liked, 20.0, 0.4, 0.2, 0.4, 100, 30, 7, "cpu")
        assert batch is not None
        assert batch.ranked.shape == (30,)
        found.append(learn(snapshot, factors_of(snapshot, CONFIG), batch, 0.3, 5, "cpu")[0].mean)
    assert found[0] == found[1]


def test_users_with_one_interaction_teach_nothing() -> None:
    assert batch_of(sparse.csr_array(np.eye(4, dtype=np.float32)), 1.0, 0.4, 0.2, 0.4, 10, 10, 1, "cpu") is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none here")
def test_cuda_gives_what_the_cpu_gives() -> None:
    snapshot, liked = world()
    found = []
    for device in ("cpu", "cuda"):
        batch = batch_of(liked, 20.0, 0.4, 0.2, 0.4, 500, 500, 1, device)
        assert batch is not None
        found.append(learn(snapshot, factors_of(snapshot, CONFIG), batch, 0.3, 10, device)[0].mean["HAS_GENRE"])
    assert found[0] == pytest.approx(found[1], rel=0.05)
