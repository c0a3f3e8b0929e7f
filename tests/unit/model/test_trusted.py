"""Who is learned from: the evidence against each user, recomputed by hand, and what training makes of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_graph import NO_TEXT, edges, everything

from kg_rec.errors import ModelError, SettingError
from kg_rec.model.config import TrainConfig
from kg_rec.model.persist import load, save
from kg_rec.model.train.train import fit_again
from kg_rec.model.trusted import RobustConfig, _log_evidence, evidence, learned_from, placed, trusted
from kg_rec.snapshot import EdgeTable
from kg_rec.trust.gaussian import Budget
from kg_rec.trust.private import train_private

ITEMS, REAL, FAKES = 60, 240, 8
ON = RobustConfig(fakes=0.05)


def town(fakes: int = FAKES, seed: int = 3) -> EdgeTable:
    """Real users like items of their own third; fake ones, the last, have any items."""
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
    assert found.trusted[:REAL].mean() > 0.95
    assert found.coherence[REAL:].mean() == pytest.approx(0.5, abs=0.1)
    assert np.median(found.coherence[:REAL]) > 0.75
    kept = learned_from(town(), (REAL + FAKES, ITEMS), ON, 1)
    assert set(kept.source.tolist()) == set(np.flatnonzero(found.trusted).tolist())


def test_who_expects_more_fake_users_finds_everybody_more_likely_one() -> None:
    few, many = (evidence(town(), (REAL + FAKES, ITEMS), ON, f, 1).chance for f in (0.001, 0.4))
    assert (few <= many).all()
    assert (few < many).sum() > REAL


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


def test_the_odds_are_those_of_the_formula() -> None:
    """Recomputed with loops, from where each item stands."""
    rng = np.random.default_rng(4)
    user = np.repeat(np.arange(4), [3, 50, 1, 20])
    q, by_chance = rng.random(len(user)) ** 0.3, rng.random(500) ** 0.7
    found = _log_evidence(q, by_chance, user, 5)

    def density(values: np.ndarray) -> np.ndarray:
        counts = np.array([1 + sum(int(min(v * 20, 19)) == cell for v in values) for cell in range(20)])
        return 20 * counts / counts.sum()

    g, tables = density(q), (np.ones(20), density(by_chance))
    for one in range(4):
        cells = [int(min(v * 20, 19)) for v in q[user == one]]
        power = min(1, 40 / len(cells))
        ratios = []
        for h in tables:
            for share in (0.5, 1.0):
                product = np.prod([(share * h[c] + (1 - share) * g[c]) / g[c] for c in cells])
                ratios += [product**power]
        assert found[one] == pytest.approx(np.log(np.mean(ratios)))
    assert found[4] == pytest.approx(0)  # who has nothing


def test_an_item_is_compared_with_what_the_others_of_the_history_say() -> None:
    rng = np.random.default_rng(0)
    kernel = rng.integers(-2, 3, (50, 50)).astype(float)  # with ties
    np.fill_diagonal(kernel, 0)
    had, compared = np.sort(rng.choice(50, 9, replace=False)), np.sort(rng.choice(50, 30, replace=False))
    row = np.zeros(50)
    row[had] = 1
    found = placed(row @ kernel, had, kernel[np.ix_(had, compared)], had, compared)
    for item, share in zip(had.tolist(), found.tolist(), strict=True):
        left = row.copy()
        left[item] = 0
        scores = left @ kernel
        others = [o for o in compared.tolist() if o not in had]
        assert share == pytest.approx(
            np.mean([(scores[o] < scores[item]) + 0.5 * (scores[o] == scores[item]) for o in others])
        )


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
