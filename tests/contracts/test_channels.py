"""The contract that every channel of a model keeps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from toy_graph import everything

from kg_rec.model.kernel import Kernel
from kg_rec.model.recommender import Channel

CHANNELS = ("taste", "relational", "sequence", "knowledge", "meaning")
ONE_ITEM = sparse.csr_array(np.eye(45, dtype=np.float32))


@pytest.fixture(params=CHANNELS)
def channel(request: pytest.FixtureRequest) -> Channel:
    return next(c for c in everything().channels if c.name == request.param)


@pytest.fixture
def kernel(channel: Channel) -> Kernel:
    return channel.kernel


def test_the_model_has_every_channel_once() -> None:
    assert sorted(c.name for c in everything().channels) == sorted(CHANNELS)


def test_values_are_the_scores_of_histories_of_one_item(kernel: Kernel) -> None:
    scores = kernel.scores(ONE_ITEM)
    largest = np.abs(scores).max()
    assert largest > 0
    for item in range(45):
        np.testing.assert_allclose(kernel.values(np.arange(45), item), scores[:, item], rtol=1e-5, atol=1e-6 * largest)


def test_scores_are_linear_in_the_history(kernel: Kernel) -> None:
    dense = np.random.default_rng(0).uniform(0, 2, (4, 45)) * (np.random.default_rng(1).random((4, 45)) < 0.3)
    dense[0] = 0
    found = kernel.scores(sparse.csr_array(dense.astype(np.float32)))
    expected = dense @ kernel.scores(ONE_ITEM).astype(np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert not found[0].any()


def test_no_item_is_a_reason_for_itself(kernel: Kernel) -> None:
    assert all(kernel.values(np.array([i]), i)[0] == 0 for i in range(45))
    scores = kernel.scores(sparse.csr_array(sparse.eye_array(45)))
    assert np.abs(np.diag(scores)).max() <= 3e-7 * np.abs(scores).max()


def test_single_precision_of_the_stated_shapes_and_finite(channel: Channel) -> None:
    scores = channel.kernel.scores(ONE_ITEM[:7])
    assert (scores.shape, scores.dtype) == ((7, 45), np.float32)
    values = channel.kernel.values(np.array([3, 1, 3]), 2)
    assert (values.shape, values.dtype) == ((3,), np.float32)
    assert values[0] == values[2]
    assert (channel.weight.shape, channel.weight.dtype) == ((45,), np.float32)
    assert np.isfinite(scores).all()
    assert np.isfinite(values).all()
    assert np.isfinite(channel.weight).all()


def test_only_paths_that_exist_count(channel: Channel) -> None:
    """A film without interactions has no taste and no sequence; in the graph and in text it is like others."""
    scores = channel.kernel.scores(ONE_ITEM)
    cold = everything().cold
    assert cold.sum() == 6
    assert bool(scores[:, cold].any()) == (channel.name not in ("taste", "sequence"))
    assert bool(channel.weight[cold].any()) == (channel.name not in ("taste", "sequence"))
