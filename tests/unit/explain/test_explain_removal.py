"""The smallest set of interactions to take out, against all subsets of small cases."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from kg_rec.explain.counterfactuals.removal import Contest, Removal, smallest_removal


def leaves(contest: Contest, rows: tuple[int, ...]) -> bool:
    """By the definition: who is kept moves up in rank, and is weighted anew; ties overtake here."""
    kept = [r for r in range(len(contest.gains)) if r not in rows]
    weights = contest.decay[: len(kept)]
    mean = weights.mean() if kept else 1.0
    margin = contest.leads + (weights / mean) @ contest.gains[kept]
    if contest.own is not None:
        margin += contest.own[kept].sum(axis=0)
    return int((margin >= 0).sum()) >= contest.k


def brute(contest: Contest) -> int | None:
    """Size of the smallest set that does it, by trying all; None if none does."""
    m = len(contest.gains)
    for size in range(1, m + 1):
        if any(leaves(contest, rows) for rows in combinations(range(m), size)):
            return size
    return None


def case(seed: int, m: int, n: int, k: int, recency: float, spread: float, own: bool = False) -> Contest:
    """Random numbers; with ``own`` each interaction has an item of its own, the one asked about or another."""
    rng = np.random.default_rng(seed)
    gains = rng.normal(-0.3, 1, (m, n)) + rng.normal(0, 1, (m, 1))
    leads = rng.normal(-1, spread, n)
    decay = np.ones(m) if recency == 0 else np.exp(-np.arange(m) / recency) + 0.02
    if not own:
        return Contest(gains, leads, decay, k)
    alone = np.zeros((m, n + 1))
    alone[np.arange(m), rng.permutation(m + n)[:m] % (n + 1)] = rng.exponential(2, m)
    return Contest(gains, leads, decay, k, alone[:, :n] - alone[:, n:])


def check(contest: Contest, found: Removal) -> None:
    expected = brute(contest)
    assert found.proven
    if expected is None:
        assert found.rows is None
    else:
        assert found.rows is not None
        assert len(found.rows) == found.at_least == expected
        assert leaves(contest, found.rows)


@settings(max_examples=600, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    m=st.integers(1, 8),
    n=st.integers(1, 9),
    k=st.integers(1, 5),
    recency=st.sampled_from([0.0, 1.5, 5.0]),
    spread=st.sampled_from([0.1, 2.0, 6.0]),
    own=st.booleans(),
)
def test_the_set_is_the_smallest_of_all_subsets(
    seed: int, m: int, n: int, k: int, recency: float, spread: float, own: bool
) -> None:
    contest = case(seed, m, n, k, recency, spread, own and recency > 0)
    if leaves(contest, ()):  # not in the list to begin with
        return
    check(contest, smallest_removal(contest, lambda rows: leaves(contest, rows), 60))


@pytest.mark.parametrize("recency", [0.0, 3.0])
def test_ties_are_decided_by_the_caller(recency: float) -> None:
    """Whole numbers make many exact ties; with strict overtaking the answer differs, and is still the smallest."""
    hard = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        m = 6
        decay = np.ones(m) if recency == 0 else 2.0 ** -np.arange(m)
        contest = Contest(rng.integers(-2, 2, (m, 4)).astype(float), rng.integers(-2, 2, 4).astype(float), decay, 2)

        def strictly(rows: tuple[int, ...], contest: Contest = contest) -> bool:
            kept = [r for r in range(len(contest.gains)) if r not in rows]
            weights = contest.decay[: len(kept)] / (contest.decay[: len(kept)].mean() if kept else 1.0)
            return int((contest.leads + weights @ contest.gains[kept] > 1e-9).sum()) >= contest.k

        if strictly(()):
            continue
        sizes = [s for s in range(1, m + 1) if any(strictly(rows) for rows in combinations(range(m), s))]
        found = smallest_removal(contest, strictly, 60)
        assert found.proven
        assert (None if found.rows is None else len(found.rows)) == (sizes[0] if sizes else None)
        hard += bool(sizes) and sizes[0] > 1
    assert hard > 5


def test_without_time_the_answer_says_what_is_proven() -> None:
    unproven = 0
    for seed in range(40):
        contest = case(seed, 8, 9, 5, 0.0, 1.0)
        if leaves(contest, ()):
            continue
        found = smallest_removal(contest, lambda rows, c=contest: leaves(c, rows), 0.0)  # type: ignore[misc]
        smallest = brute(contest)
        assert found.at_least <= (9 if smallest is None else smallest)
        if found.rows is not None:
            assert leaves(contest, found.rows)
            assert smallest is not None
            assert len(found.rows) >= smallest
        if found.proven:
            check(contest, found)
        else:
            unproven += 1
    assert unproven


def test_too_few_others_can_never_overtake() -> None:
    contest = Contest(np.array([[-1.0]]), np.array([0.0]), np.ones(1), 2)
    assert smallest_removal(contest, lambda _: False, 1) == Removal(None, 2, True)


@pytest.mark.parametrize("recency", [0.0, 3.0])
def test_a_bound_that_reaches_the_set_at_hand_proves_it(recency: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program stops for want of time, with a bound: as large as the set that is known, or smaller."""
    tried = 0
    for seed in range(200):
        contest = case(seed, 8, 9, 4, recency, 1.0)
        if leaves(contest, ()):
            continue
        known = smallest_removal(contest, lambda rows, c=contest: leaves(c, rows), 0.0)  # type: ignore[misc]
        if known.proven or known.rows is None:
            continue
        size = len(known.rows)
        for bound, proven in ((size - 0.4, True), (size - 1.4, False)):
            out_of_time = SimpleNamespace(x=None, mip_dual_bound=bound, status=1)
            monkeypatch.setattr(optimize, "milp", lambda *_, found=out_of_time, **__: found)
            found = smallest_removal(contest, lambda rows, c=contest: leaves(c, rows), 60)  # type: ignore[misc]
            assert found == Removal(known.rows, max(int(np.ceil(bound)), known.at_least), proven)
        tried += 1
    assert tried > 2
