"""Who is learned from: the evidence against each user, recomputed by hand, and what training makes of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, stats
from toy_graph import NO_TEXT, edges, everything

from kg_rec.errors import ModelError, SettingError
from kg_rec.model.config import TrainConfig
from kg_rec.model.persist import load, save
from kg_rec.model.train.train import fit_again
from kg_rec.model.trusted import RobustConfig, evidence, learned_from, percentiles, trusted
from kg_rec.snapshot import EdgeTable
from kg_rec.trust.gaussian import Budget
from kg_rec.trust.private import train_private

ITEMS, REAL, FAKES = 60, 240, 8
ON = RobustConfig(fakes=0.05)


def town(fakes: int = FAKES, seed: int = 3) -> EdgeTable:
    """Real users like items of their own third; fake ones, the last, have any items and all have item 0."""
    rng = np.random.default_rng(seed)
    pairs = []
    for user in range(REAL + fakes):
        like = np.where(np.arange(ITEMS) % 3 == user % 3, 0.7, 0.08) if user < REAL else np.full(ITEMS, 0.4)
        if user >= REAL:
            like[0] = 1
        pairs += [(user, item) for item in np.flatnonzero(rng.random(ITEMS) < like).tolist()]
    return edges(pairs)


def test_users_of_random_items_are_not_learned_from() -> None:
    found = evidence(town(), (REAL + FAKES, ITEMS), ON, ON.fakes, 1)
    assert not found.trusted[REAL:].any()
    assert found.trusted[:REAL].mean() > 0.98
    assert found.coherence[REAL:].mean() == pytest.approx(0.5, abs=0.1)
    assert found.usual > 0.75
    kept = learned_from(town(), (REAL + FAKES, ITEMS), ON, 1)
    assert set(kept.source.tolist()) == set(np.flatnonzero(found.trusted).tolist())


def test_off_it_learns_from_everybody() -> None:
    given = town()
    assert learned_from(given, (REAL + FAKES, ITEMS), RobustConfig(), 1) is given
    assert trusted(given, (REAL + FAKES, ITEMS), RobustConfig(), 1).all()


def test_a_short_history_convicts_nobody() -> None:
    given = town(0)
    odd = edges([*zip(given.source.tolist(), given.target.tolist(), strict=True), (REAL, 0), (REAL, 1), (REAL + 1, 7)])
    found = evidence(odd, (REAL + 3, ITEMS), ON, ON.fakes, 1)
    assert found.trusted[REAL:].all()
    assert np.isnan(found.coherence[REAL + 2])


def test_the_odds_are_those_of_two_normals_and_the_prior() -> None:
    found = evidence(town(), (REAL + FAKES, ITEMS), ON, 0.03, 1)
    usual = found.coherence[found.items >= 20]
    middle = np.median(usual)
    sigma = 1.4826 * np.median(np.abs(usual - middle))
    deviation = np.sqrt(sigma**2 + 1 / (12 * found.items))
    coherence = np.maximum(found.coherence, 0.5)
    fake = stats.norm.pdf(coherence, 0.5, deviation) * 0.03
    real = stats.norm.pdf(coherence, middle, deviation) * 0.97
    assert found.usual == pytest.approx(middle)
    assert np.allclose(found.chance, fake / (fake + real), atol=1e-9)


def test_items_are_compared_with_equally_popular_ones_of_other_users() -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((4, 50))
    for user in range(4):
        rows[user, rng.choice(50, 9 + user, replace=False)] = 1
    kernel = rng.integers(-2, 3, (50, 50)).astype(float)  # with ties
    np.fill_diagonal(kernel, 0)
    order = rng.permutation(50)
    found = percentiles(sparse.csr_array(rows), rows @ kernel, lambda j, i: kernel[j, i], order)
    place = {int(item): n for n, item in enumerate(order)}
    for user in range(4):
        shares = []
        for item in np.flatnonzero(rows[user]).tolist():
            others = rows[user].copy()
            others[item] = 0
            scores = others @ kernel
            near = [o for o in range(50) if abs(place[o] - place[item]) <= 15 and not rows[user, o]]
            below = [(scores[o] < scores[item]) + 0.5 * (scores[o] == scores[item]) for o in near]
            shares.append(np.mean(below))
        assert found[user] == pytest.approx(np.mean(shares))


@pytest.mark.parametrize("timed", [True, False])
def test_of_two_nearly_identical_users_the_later_or_larger_is_the_copy(timed: bool) -> None:
    given = town(0)
    own = given.target[given.source == 5].tolist()
    pairs = list(zip(given.source.tolist(), given.target.tolist(), strict=True))
    other = next(item for item in range(ITEMS) if item not in own)
    pairs += [(REAL, item) for item in [*own, other]] + [(REAL + 1, 2), (REAL + 2, 2)]
    times = [1_000 - user if user < REAL else 5_000 for user, _ in pairs] if timed else None
    found = evidence(edges(pairs, time=times), (REAL + 3, ITEMS), ON, ON.fakes, 1)
    assert found.twin[REAL] == 5
    assert found.overlap[REAL] == pytest.approx(len(own) / (len(own) + 1))
    assert not found.trusted[REAL]
    assert found.trusted[5]
    # two people with the same single item are no copies of each other
    assert found.overlap[REAL + 2] == 1
    assert found.trusted[REAL + 1 :].all()


def test_training_with_it_is_training_without_those_users(tmp_path: Path) -> None:
    model = everything()
    config = replace(model.config, robust=RobustConfig(fakes=0.4, alike=0.5, least=3))
    guarded = fit_again(replace(model, config=config), model.snapshot)
    snapshot = model.snapshot
    liked, shape = snapshot.liked(), model.shape
    kept = trusted(liked, shape, config.robust, config.seed)
    assert 0 < (~kept).sum() < shape[0] / 2
    left = liked.take(kept[liked.source])
    expected = fit_again(model, snapshot.with_edges(snapshot.schema.interaction.name, left))
    every = np.arange(shape[0])
    assert np.array_equal(guarded.scores(every)[kept], expected.scores(every)[kept])
    # who is left out gets a list from the own history, whose addends are exact
    out = int(np.flatnonzero(~kept)[0])
    assert guarded.histories[[out]].nnz > 0
    parts = guarded.addends(np.full(shape[1], out), np.arange(shape[1]))
    assert np.allclose(parts.sums(), guarded.scores(np.array([out]))[0], rtol=1e-5, atol=1e-6)
    save(guarded, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.config.robust == config.robust
    assert np.allclose(again.scores(every), guarded.scores(every), atol=1e-6)


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ModelError, match=r"up to robust.max_items = 50 items, got 60"):
        learned_from(town(), (REAL + FAKES, ITEMS), replace(ON, max_items=50), 1)
    with pytest.raises(SettingError, match=r"robust.fakes: expected a number from 0 to below 0.5, got 0.5"):
        RobustConfig(fakes=0.5)
    assert TrainConfig.from_dict({"robust": {"fakes": 0.1}}).robust.fakes == 0.1
    with pytest.raises(ModelError, match=r"robust.fakes"):
        train_private(everything().snapshot, Budget(1.0), replace(NO_TEXT, robust=ON))
