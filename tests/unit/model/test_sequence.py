"""The directed item-item operator against pairs counted one by one and the regression that it stands for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from toy_graph import edges, films

from kg_rec.errors import ConfigError, ModelError
from kg_rec.model.channels.base import TrainingData
from kg_rec.model.channels.sequence import SEQUENCE, STEPS, SequenceConfig, pair_counts, sequence_kernel
from kg_rec.model.channels.sums import Sums
from kg_rec.model.channels.taste import TasteConfig, gram, operator
from kg_rec.model.histories import histories
from kg_rec.model.kernel import FactorKernel
from kg_rec.snapshot import NO_TIME, EdgeTable

TASTE = TasteConfig(dropout=0.25, user_power=0.0)
ITEMS = 9


def record(seed: int = 3, users: int = 20) -> EdgeTable:
    """Every user's items in an order of their own, one every ten seconds."""
    rng = np.random.default_rng(seed)
    rated, times = [], []
    for u in range(users):
        for step, i in enumerate(rng.permutation(ITEMS)[: rng.integers(2, ITEMS + 1)].tolist()):
            rated.append((u, i))
            times.append(1000 + 10 * step)
    return edges(rated, time=times)


def test_pairs_counted_one_by_one() -> None:
    config = SequenceConfig(blocks=3, span=4, far=0.5)
    table = record()
    near, directed = np.zeros((ITEMS, ITEMS)), np.zeros((ITEMS, ITEMS))
    for u in range(20):
        rows = np.flatnonzero(table.source == u)
        items = table.target[rows[np.argsort(table.time[rows])]]
        n = len(items)
        for p, j in enumerate(items):
            for q, i in enumerate(items):
                back = [n - 1 - p, n - 1 - q]  # ranks from the latest
                together = [(back[0] + offset) // 4 == (back[1] + offset) // 4 for offset in (0, 2)]
                near[j, i] += (np.mean(together) + 0.5) / 1.5
                directed[j, i] += 1 + 0.4 * np.sign(q * 3 // n - p * 3 // n)
    found = pair_counts(table, ITEMS, 0.0, config, 0.4)
    np.testing.assert_allclose(found[0].toarray(), near, atol=1e-9)
    np.testing.assert_allclose(found[1].toarray(), directed, atol=1e-9)


@pytest.mark.parametrize("direction", [0.0, 0.4])
def test_what_comes_within_a_few_steps_counts_more(direction: float) -> None:
    config, table = SequenceConfig(blocks=3, span=4, far=0.5), record()
    soon = np.zeros((ITEMS, ITEMS))
    for u in range(20):
        rows = np.flatnonzero(table.source == u)
        items = table.target[rows[np.argsort(table.time[rows])]]
        for p, j in enumerate(items):
            for q in range(p + 1, len(items)):
                soon[j, items[q]] += np.exp(-(q - p - 1) / STEPS)
    near, without = pair_counts(table, ITEMS, 0.0, config, direction)
    if without is None:
        without = gram(histories(table, (20, ITEMS), 0), 0.0)
    found = pair_counts(table, ITEMS, 0.0, config, direction, soon=1.5)
    np.testing.assert_array_equal(found[0].toarray(), near.toarray())
    np.testing.assert_allclose(found[1].toarray(), without.toarray() + 1.5 * soon, atol=1e-9)


def test_what_happened_at_one_time_counts_half_in_either_order() -> None:
    tied = edges([(0, 0), (0, 1), (0, 2)], time=[5, 5, 9])
    found = pair_counts(tied, 3, 0.0, SequenceConfig(), 0.0, soon=1.0)[1].toarray() - 1
    np.testing.assert_allclose(found, [[0, 0.5, np.exp(-1 / STEPS)], [0.5, 0, 1], [0, 0, 0]])


def test_each_column_is_the_ridge_regression_of_later_items_on_the_others() -> None:
    config, table = SequenceConfig(blocks=3, span=4, far=0.5), record()
    near, directed = (m.toarray() for m in pair_counts(table, ITEMS, 0.0, config, 0.4))
    operator = sequence_kernel(table, ITEMS, TASTE, config, 0.4, 2.0).alone.matrix
    for item in range(ITEMS):
        others = [j for j in range(ITEMS) if j != item]
        left = near[np.ix_(others, others)]
        left = left + np.diag(2.0 + 0.25 / 0.75 * np.diag(left))
        np.testing.assert_allclose(operator[others, item], np.linalg.solve(left, directed[others, item]), atol=1e-6)
    assert (np.diag(operator) == 0).all()
    assert operator.dtype == np.float32


def test_the_neighbours_form_with_every_neighbour_is_the_dense_one() -> None:
    config, table = SequenceConfig(), record(users=60)
    dense = sequence_kernel(table, ITEMS, TASTE, config, 0.5, 2.0).alone.matrix
    near = sequence_kernel(table, ITEMS, replace(TASTE, max_items=ITEMS - 1), config, 0.5, 2.0).alone.matrix
    assert sparse.issparse(near)
    np.testing.assert_allclose(near.toarray(), dense, atol=1e-6)


def test_a_large_catalogue_pairs_the_latest_interactions() -> None:
    """Two users had 0, 1, 2 in this order; of the latest two interactions, only 1 and 2 are a pair."""
    table = edges([(u, i) for u in (0, 1) for i in range(3)], time=[1, 2, 3] * 2)
    config = SequenceConfig(latest=2)
    found = sequence_kernel(table, 3, replace(TASTE, max_items=2), config, 0.5, 2.0).alone.matrix.toarray()
    assert sorted(zip(*np.nonzero(found), strict=True)) == [(1, 2), (2, 1)]
    assert np.count_nonzero(sequence_kernel(table, 3, TASTE, config, 0.5, 2.0).alone.matrix) == 6


def test_without_direction_and_nearness_it_is_the_taste_operator() -> None:
    table, config = record(), SequenceConfig(span=1000)
    binary = histories(table, (20, ITEMS), 0)
    for power in (0.0, 0.5):
        taste = replace(TASTE, user_power=power)
        np.testing.assert_allclose(
            pair_counts(table, ITEMS, power, config, 0.0)[0].toarray(), gram(binary, power).toarray(), rtol=1e-12
        )
        found = sequence_kernel(table, ITEMS, taste, config, 0.0, 3.0).alone.matrix
        np.testing.assert_allclose(found, operator(gram(binary, taste.user_power), taste, 3.0).alone.matrix, atol=1e-6)


def test_what_follows_weighs_more_than_what_went_before() -> None:
    """Everybody had 0, then 1: 0 speaks for 1 more than 1 for 0."""
    table = edges([(u, i) for u in range(8) for i in (0, 1)], time=[5, 9] * 8)
    forth, back = (sequence_kernel(table, 2, TASTE, SequenceConfig(), 0.5, 2.0).alone.matrix[a, 1 - a] for a in (0, 1))
    assert forth > back > 0


def test_missing_times_come_first_and_equal_times_go_by_item() -> None:
    tied = edges([(0, 0), (0, 1), (1, 0), (1, 1)], time=[9, NO_TIME, 5, 5])
    directed = pair_counts(tied, 2, 0.0, SequenceConfig(), 1.0)[1].toarray()
    assert directed.tolist() == [[2, 2], [2, 2]]  # 1 then 0, and 0 then 1: each pair once in its order, twice over


def test_one_interaction_or_none_makes_no_sequence() -> None:
    for table in (edges([], time=[]), edges([(0, 1)], time=[3])):
        assert not sequence_kernel(table, 3, TASTE, SequenceConfig(), 0.5, 1.0).alone.matrix.any()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("directions", (0.5, 1.5)),
        ("directions", (-0.1,)),
        ("soon", (2.0, -1.0)),
        ("far", -1.0),
        ("span", 1),
        ("blocks", 0),
    ],
)
def test_settings_out_of_range_are_named(setting: str, value: Any) -> None:
    with pytest.raises(
        ConfigError, match=re.escape(f"sequence.{setting}: expected ") + ".*, got " + re.escape(f"{value}")
    ):
        SequenceConfig(**{setting: value})


def test_beside_no_taste_it_is_as_taste_begins() -> None:
    """Nothing was chosen for taste: the first of its penalties and exponents, and nothing of what the graph says."""
    taste, table = replace(TASTE, l2=(2.0, 9.0), popularity=(-0.3, 0.2)), record()
    factors = np.random.default_rng(5).normal(size=(ITEMS, 3)).astype(np.float32)
    data = TrainingData(
        snapshot=films(),
        edges=table,
        interactions=histories(table, (20, ITEMS), 0),
        settings=(taste, SequenceConfig()),
        chosen={},
        seed=0,
        device="cpu",
        prior=FactorKernel(factors, factors),
    )
    (_, tried), *_ = SEQUENCE.candidates(data)
    expected = sequence_kernel(table, ITEMS, taste, SequenceConfig(), SequenceConfig().directions[0], 2.0).alone
    rows = sparse.csr_array(np.eye(ITEMS, dtype=np.float32))
    np.testing.assert_array_equal(tried.scores(rows), expected.scores(rows))
    assert SEQUENCE.popularity_exponent(data.settings, {}) == -0.3
    assert [chosen for chosen, _ in SEQUENCE.candidates(data)] == [{"direction": 0.0}, {"direction": 0.5}]
    (chosen, tried), *_ = SEQUENCE.candidates(replace(data, live=True))
    assert chosen == {"direction": 0.0, "soon": 2.0}
    np.testing.assert_array_equal(SEQUENCE.fit(data, chosen).kernel.scores(rows), tried.scores(rows))
    sums = Sums(np.ones(ITEMS, np.int64), *[np.eye(ITEMS)] * 3)
    with pytest.raises(ModelError, match=r"needs the users; choose with sequence.soon = \[0.0\]"):
        SEQUENCE.fit(replace(data, sums=sums), chosen)
