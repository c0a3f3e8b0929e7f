"""Sites with noise: what each sends, how noise adds up, and what is refused."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from toy_graph import everything

from kg_rec.errors import ModelError
from kg_rec.model.config import TrainConfig
from kg_rec.snapshot import Snapshot
from kg_rec.trust.gaussian import Budget
from kg_rec.trust.private import PublicPart, popularities, train_private
from kg_rec.trust.private_sites import Noised, basis_of, noised_moments, noised_popularity, train_noised_sites

SITES = ("A", "B", "C")
CONFIG = TrainConfig()
#: With hardly any noise.
QUIET = Budget(100.0, 0.5)


def graph() -> Snapshot:
    return everything().snapshot


@cache
def public() -> PublicPart:
    return PublicPart.of(graph(), CONFIG)


def of_site(site: str) -> Snapshot:
    edges = graph().interactions
    return graph().with_edges(
        graph().schema.interaction.name, edges.take(edges.source % len(SITES) == SITES.index(site))
    )


def sent(budget: Budget, seed: int = 0, sites: tuple[str, ...] = SITES) -> tuple[Noised, list[Noised]]:
    random = np.random.default_rng(seed)
    first = [noised_popularity(of_site(site), site, budget, random) for site in sites]
    basis = basis_of(public(), first)
    return basis, [noised_moments(of_site(site), site, basis, random) for site in sites]


def test_the_noise_of_each_site_is_that_of_its_own_budget() -> None:
    """So a site's file is private whatever the others do."""
    budget = Budget(2.0, 1e-4)
    alone = train_private(of_site("A"), budget, CONFIG).chosen.privacy
    assert alone is not None
    exact = popularities(PublicPart.liked_of(of_site("A")))
    draws = np.random.default_rng(1)
    off = [noised_popularity(of_site("A"), "A", budget, draws).tensors["popularity"] - exact for _ in range(40)]
    assert np.std(off) == pytest.approx(alone["looks"][0]["sigma"], rel=0.1)
    basis, _ = sent(budget)
    exact = basis.basis.moments(PublicPart.liked_of(of_site("A")))
    off = [np.diag(noised_moments(of_site("A"), "A", basis, draws).tensors["moments"] - exact) for _ in range(40)]
    assert np.std(off) == pytest.approx(alone["looks"][1]["sigma"], rel=0.1)


def test_hardly_any_noise_gives_the_model_of_one_place() -> None:
    _, parts = sent(QUIET)
    found = train_noised_sites(public(), parts).with_snapshot(graph())
    expected = train_private(graph(), QUIET, CONFIG, random=np.random.default_rng(5)).with_snapshot(graph())
    users = np.arange(60)
    same = [len({*a} & {*b}) for a, b in zip(found.rank(users, 10)[0], expected.rank(users, 10)[0], strict=True)]
    assert np.mean(same) > 6
    _, noisy = sent(Budget(0.5, 1e-4))
    other = train_noised_sites(public(), noisy).with_snapshot(graph())
    far = [len({*a} & {*b}) for a, b in zip(other.rank(users, 10)[0], expected.rank(users, 10)[0], strict=True)]
    assert np.mean(far) < np.mean(same)


def test_the_model_holds_no_user_and_says_what_each_paid() -> None:
    _, parts = sent(Budget(2.0, 1e-4))
    model = train_noised_sites(public(), parts)
    assert len(model.users) == 0
    assert model.chosen.privacy is not None
    assert model.chosen.privacy["spent"] == pytest.approx(2.0, rel=1e-6)
    assert model.chosen.privacy["sites"] == list(SITES)


def test_the_model_knows_of_the_noise_of_all_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    from kg_rec.trust.private import Basis

    told: list[float] = []
    plain = Basis.kernel
    monkeypatch.setattr(Basis, "kernel", lambda own, m, sigma: told.append(sigma) or plain(own, m, sigma))
    budget = Budget(2.0, 1e-4)
    one = train_private(graph(), budget, CONFIG)
    train_noised_sites(public(), sent(budget)[1])
    assert one.chosen.privacy is not None
    assert told[1] == pytest.approx(math.sqrt(3) * told[0])


def test_a_site_that_drops_out_in_between_is_not_waited_for() -> None:
    _, parts = sent(Budget(3.0, 1e-4))
    model = train_noised_sites(public(), parts[:2])
    assert model.chosen.privacy is not None
    assert model.chosen.privacy["sites"] == ["A", "B"]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    basis, parts = sent(Budget(3.0, 1e-4))
    with pytest.raises(ModelError, match="each site once"):
        train_noised_sites(public(), [parts[0], parts[0]])
    with pytest.raises(ModelError, match="different directions"):
        train_noised_sites(public(), [parts[0], sent(Budget(3.0, 1e-4), seed=1)[1][1]])
    budgets = [noised_popularity(of_site(s), s, Budget(e)) for s, e in (("A", 2.0), ("B", 1.0))]
    with pytest.raises(ModelError, match="different budgets"):
        basis_of(public(), budgets)
    with pytest.raises(ModelError, match="without D"):
        noised_moments(of_site("A"), "D", basis)
    basis.save(tmp_path / "basis")
    with pytest.raises(ModelError, match="expected a site's moments, got its basis"):
        Noised.load(tmp_path / "basis", "moments")
    (tmp_path / "other").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="not a file of `kg-rec site sum --epsilon`"):
        Noised.load(tmp_path / "other", "moments")
    parts[1].save(tmp_path / "B.2")
    assert (Noised.load(tmp_path / "B.2", "moments").tensors["moments"] == parts[1].tensors["moments"]).all()
