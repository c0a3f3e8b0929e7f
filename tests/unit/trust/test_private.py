"""Private training: what one user can move, what is kept, and that nothing else of the users is read."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from toy_graph import everything

from benchmarks.trust.small import catalogue
from kg_rec.errors import ModelError
from kg_rec.model.config import TrainConfig
from kg_rec.model.persist import load, save
from kg_rec.trust.gaussian import Budget
from kg_rec.trust.places import ModelPlace
from kg_rec.trust.private import fit, popularities, projected, train_private, without_users

QUIET = Budget(100.0, 1e-3)


def some(users: int, items: int, seed: int) -> sparse.csr_array:
    random = np.random.default_rng(seed)
    return sparse.csr_array((random.random((users, items)) < random.random((users, 1))).astype(np.float64))


@pytest.mark.parametrize("seed", range(5))
def test_one_user_moves_each_sum_by_at_most_one(seed: int) -> None:
    liked, random = some(30, 20, seed), np.random.default_rng(seed)
    basis, common = random.normal(size=(20, 6)) * 50, random.normal(size=6)
    tastes = projected(liked, basis, common)
    for user in range(30):
        others = np.arange(30) != user
        assert np.linalg.norm(popularities(liked) - popularities(liked[others])) <= 1 + 1e-9
        moved = tastes.T @ tastes - tastes[others].T @ tastes[others]
        assert np.linalg.norm(moved) <= 1 + 1e-9
        # what another user says of a third one is the same with and without this one
        assert np.allclose(projected(liked[others], basis, common), tastes[others], atol=1e-9)


def test_noise_of_another_seed_gives_another_model_and_of_the_same_the_same() -> None:
    liked, likeness = some(40, 15, 3), np.eye(15) + 0.1
    first, again, other = (fit(liked, likeness, Budget(1.0), np.random.default_rng(s))[0].popularity for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_model_holds_no_user_and_says_what_it_cost(tmp_path: Path) -> None:
    graph = everything().snapshot
    model = train_private(graph, Budget(2.0, 1e-4), TrainConfig())
    assert len(model.users) == 0
    assert len(model.snapshot.interactions) == 0
    assert model.chosen.privacy is not None
    assert model.chosen.privacy["spent"] == pytest.approx(2.0, rel=1e-6)
    assert len(model.chosen.privacy["looks"]) == 2
    save(model, tmp_path / "model")
    held = b"".join(f.read_bytes() for f in (tmp_path / "model").rglob("*") if f.is_file() and "schema" not in f.name)
    assert [key for key in graph.users.keys.to_pylist() if len(key) > 3 and key.encode() in held] == []
    again = load(tmp_path / "model")
    assert again.chosen.privacy == model.chosen.privacy
    lists, _ = again.with_snapshot(graph).rank(np.arange(len(graph.users)), 5)
    assert lists.shape == (len(graph.users), 5)
    forgotten = ModelPlace(tmp_path / "model").erase(graph.users.key(0))
    assert (forgotten.had, forgotten.before) == ({}, forgotten.after)
    assert "it holds no user" in forgotten.notes[0]


def test_too_many_items_and_items_that_nothing_is_known_of_are_refused() -> None:
    with pytest.raises(ModelError, match="2 to 6,000 items, got 6,001"):
        train_private(catalogue(6_001, 3, 10, seed=1), QUIET)
    with pytest.raises(ModelError, match="needs public facts, numbers or texts of the items; the graph has none"):
        train_private(catalogue(20, 3, 10, seed=1), QUIET)


def test_the_noise_does_not_come_from_the_seed_of_the_settings() -> None:
    graph = everything().snapshot
    first, second = (train_private(graph, Budget(1.0), TrainConfig(seed=7)) for _ in range(2))
    assert not np.allclose(first.base, second.base)


def test_addends_are_the_score() -> None:
    graph = everything().snapshot
    model = train_private(graph, QUIET, random=np.random.default_rng(0)).with_snapshot(graph)
    scores = model.scores(np.array([0]))[0]
    for item in range(0, len(graph.items), 7):
        assert model.contributions(0, item).score == pytest.approx(scores[item], abs=1e-5 * np.abs(scores).max())


def test_the_public_part_is_the_same_whoever_uses_the_graph() -> None:
    graph = everything().snapshot
    fewer = graph.with_edges(graph.schema.interaction.name, graph.interactions.take(np.arange(5)))
    assert without_users(graph).digest == without_users(fewer).digest
