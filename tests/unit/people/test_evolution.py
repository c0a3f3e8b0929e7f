"""Change: windows that sum to the profile, scores whose change adds up, a test that finds planted changes only."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from people_world import known_viewers
from scipy import sparse
from toy_graph import edges, with_user

from kg_rec.api import Model
from kg_rec.errors import ArgumentError, ConfigError, NotFoundError
from kg_rec.model.chosen import Chosen
from kg_rec.people.changepoint import change_point, directions
from kg_rec.people.evolution import Evolution, EvolutionConfig
from kg_rec.people.evolution_words import evolution_json, tell_drift, tell_shift, tell_strand
from kg_rec.people.profile import ProfileConfig
from kg_rec.snapshot import EdgeTable

EVERYTHING = ProfileConfig(clauses=50, least=2, evidence=0.0)
SOME = EvolutionConfig(features=50, permutations=199)


@cache
def changed() -> Model:
    """A viewer who liked 12 westerns, and then 12 films of space, one an hour, with recency in the weights."""
    base = known_viewers()
    rated = dict.fromkeys([*range(0, 36, 3), *range(1, 37, 3)], 5.0)
    graph = with_user(base.snapshot, "zz", rated)
    e = graph.interactions
    assert e.time is not None
    mine = e.source == graph.users.index("zz")
    time = e.time.copy()
    kind, nth = e.target[mine] % 3, e.target[mine] // 3
    time[mine] = 2_000_000 + 3600 * (12 * kind + nth)
    chosen: Chosen = replace(base.chosen, recency=10.0)
    model = replace(base, chosen=chosen)
    return Model(model.with_snapshot(graph.with_edges("RATED", EdgeTable(e.source, e.target, e.weight, time))))


def evolution(config: EvolutionConfig = SOME) -> Evolution:
    return changed().evolution("zz", config=config)


def test_the_windows_hold_every_like_once_and_in_order() -> None:
    found = evolution(EvolutionConfig(windows=3))
    assert [w.total for w in found.windows] == [8, 8, 8]
    assert [w.first for w in found.windows] == [2_000_000 + 3600 * 8 * n for n in range(3)]
    assert all(a.last < b.first for a, b in zip(found.windows, found.windows[1:], strict=False))


def test_counts_are_those_of_the_edges() -> None:
    western = next(s for s in evolution().strands if s.feature.key == "western")
    assert western.counts == (6, 6, 0, 0)
    assert (western.before, western.after) == (12, 0)
    space = next(s for s in evolution().strands if s.feature.key == "space")
    assert space.counts == (0, 0, 6, 6)


def test_what_the_windows_add_sums_to_the_profile() -> None:
    clauses = {c.feature: c for c in changed().profile("zz", config=EVERYTHING).clauses}
    compared = 0
    for strand in evolution().strands:
        clause = clauses.get(strand.feature)
        if clause is not None and strand.values is not None:
            assert sum(strand.values) == pytest.approx(clause.value + clause.everybody, rel=1e-9, abs=1e-12)
            compared += 1
    assert compared > 5


def test_the_planted_change_is_found_with_its_time() -> None:
    found = evolution()
    assert found.drift is not None
    assert found.drift.since == 2_000_000 + 3600 * 12
    assert (found.drift.before, found.drift.after) == (12, 12)
    assert found.drift.p <= 0.01
    assert "changed most around 1970-01-24" in tell_drift(changed().recommender.snapshot, found)
    told = [tell_strand(changed().recommender.snapshot, found, s) for s in found.strands]
    assert "“western”: 12 of 12 before, 0 of 12 since." in told


def test_somebody_who_liked_little_is_not_tested() -> None:
    found = changed().evolution("u03", config=EvolutionConfig())
    assert found.drift is None
    assert "too few" in tell_drift(changed().recommender.snapshot, found)
    assert sum(w.total for w in found.windows) == changed().profile("u03").total


@pytest.mark.parametrize("item", ["f37", "f40", "f44"])
def test_the_change_of_a_score_is_the_sum_of_its_shifts(item: str) -> None:
    """Scores by the history up to a time, made from that history alone."""
    since, until = 2_000_000 + 3600 * 9, 2_000_000 + 3600 * 20
    found = changed().score_change("zz", item, since, until)
    model = changed().recommender
    for time, score in ((since, found.before), (until, found.after)):
        e = model.snapshot.interactions
        assert e.time is not None
        kept = model.with_interactions(e.take(e.time <= time))
        expected = kept.scores(np.array([model.users.index("zz")]))[0, model.items.index(item)]
        assert score == pytest.approx(expected, rel=1e-6)
    assert sum(s.value for s in found.shifts) == pytest.approx(found.after - found.before, rel=1e-5, abs=1e-6)
    assert sum(s.new for s in found.shifts) == 11
    assert any(not s.new and s.value for s in found.shifts)  # older ones count less, by recency
    nothing = changed().score_change("zz", item, until, until)
    assert (nothing.shifts, nothing.before) == ((), nothing.after)


def test_the_population_is_tested_by_users() -> None:
    """Viewers come by their numbers, their kinds by turns: nothing changes; then it is made to change."""
    model = Model(known_viewers())
    found = model.evolution(config=SOME)
    assert found.user is None
    assert sum(w.total for w in found.windows) == len(known_viewers().snapshot.liked())
    assert found.drift is not None
    assert found.drift.before + found.drift.after == 60
    e = known_viewers().snapshot.interactions
    assert e.time is not None
    later = EdgeTable(e.source, e.target, e.weight, e.time + 10_000_000 * (e.source % 3 == 2))
    drifted = Model(known_viewers().with_interactions(later)).evolution(config=SOME)
    assert drifted.drift is not None
    assert drifted.drift.p <= 0.01
    assert drifted.drift.p < found.drift.p
    assert drifted.drift.since > 10_000_000
    assert "all viewers" in tell_drift(known_viewers().snapshot, drifted)
    assert all(s.values is None for s in drifted.strands)


def test_p_values_of_random_orders_are_uniform() -> None:
    """Of 200 sequences without a change about 5 % have p up to .05, about half up to .5."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(200):
        rows = rng.random((40, 3))
        point = change_point(rows, np.arange(40), least=5, permutations=99, seed=int(rng.integers(1 << 30)))
        assert point is not None
        found.append(point.p)
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.1
    assert 0.4 <= np.mean(np.array(found) <= 0.5) <= 0.6


def test_a_change_lies_between_two_times() -> None:
    rows = np.repeat([[0.0], [1.0]], 10, axis=0)
    found = change_point(rows, np.repeat([1, 2, 3, 4], 5), least=5, permutations=99, seed=0)
    assert found is not None
    assert found.place == 10
    assert change_point(rows, np.zeros(20, np.int64), least=5, permutations=99, seed=0) is None
    assert change_point(rows[:9], np.arange(9), least=5, permutations=99, seed=0) is None
    assert change_point(rows[:0], np.arange(0), least=5, permutations=99, seed=0) is None


def test_the_scan_is_the_distance_of_the_means() -> None:
    rows = np.random.default_rng(0).random((30, 4))
    found = change_point(rows, np.arange(30), least=5, permutations=19, seed=0)
    assert found is not None
    distances = {
        t: t * (30 - t) / 30 * np.square(rows[:t].mean(axis=0) - rows[t:].mean(axis=0)).sum() for t in range(5, 26)
    }
    assert found.place == max(distances, key=lambda t: distances[t])
    assert found.statistic == pytest.approx(max(distances.values()))


def test_main_directions_keep_the_distances_that_matter() -> None:
    rng = np.random.default_rng(1)
    dense = (rng.random((60, 40)) < 0.2).astype(float)
    dense[:, :2] = np.repeat([[9, 0], [0, 9]], 30, axis=0)
    rows = directions(sparse.csr_array(dense))
    assert rows.shape == (60, 16)
    unit = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    far = np.linalg.norm(unit[:30].mean(axis=0) - unit[30:].mean(axis=0))
    assert np.linalg.norm(rows[:30].mean(axis=0) - rows[30:].mean(axis=0)) == pytest.approx(far, rel=0.02)


def test_what_is_wrong_is_refused_by_name() -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        changed().evolution("nobody")
    with pytest.raises(NotFoundError, match="nothing"):
        changed().score_change("zz", "nothing", 0, 1)
    with pytest.raises(ArgumentError, match="until"):
        changed().score_change("zz", "f01", 2, 1)
    with pytest.raises(ConfigError, match=r"evolution\.windows"):
        EvolutionConfig(windows=0)
    e = known_viewers().snapshot.interactions
    timeless = known_viewers().with_interactions(edges(zip(e.source.tolist(), e.target.tolist(), strict=True)))
    with pytest.raises(ArgumentError, match="time"):
        Model(timeless).evolution("u03")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_same_is_told_as_data(lang: str) -> None:
    snapshot = changed().recommender.snapshot
    data = evolution_json(snapshot, evolution(), lang)
    assert data == evolution_json(snapshot, evolution(), lang)  # the test's orders follow from the seed
    assert [w["total"] for w in data["windows"]] == [6, 6, 6, 6]
    assert data["likes_since"] == 12
    shift = changed().score_change("zz", "f40", 2_000_000, 3_000_000).shifts[0]
    assert f"{'“' if lang == 'en' else '《'}{snapshot.name('Film', snapshot.items.index(shift.item))}" in tell_shift(
        snapshot, shift, lang
    )
