"""What every channel of the score has to hold."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from kg_rec.model.recommender import Channel


class ChannelContract:
    """Tests of one fitted channel; a subclass gives it by a fixture ``channel``.

    ::

        class TestMine(ChannelContract):
            @pytest.fixture
            def channel(self):
                return next(c for c in train(snapshot, config).channels if c.name == "mine")
    """

    def test_values_are_the_scores_of_histories_of_one_item(self, channel: Channel) -> None:
        """``values`` gives single cells of the matrix that ``scores`` multiplies with."""
        n = len(channel.weight)
        scores = channel.kernel.scores(_identity(n))
        largest = np.abs(scores).max()
        assert largest > 0
        for item in range(n):
            values = channel.kernel.values(np.arange(n), item)
            np.testing.assert_allclose(values, scores[:, item], rtol=1e-5, atol=1e-6 * largest)

    def test_scores_are_linear_in_the_history(self, channel: Channel) -> None:
        """The score of a history is the sum over its interactions; an empty history scores nothing."""
        n = len(channel.weight)
        rng = np.random.default_rng(0)
        dense = rng.uniform(0, 2, (4, n)) * (rng.random((4, n)) < 0.3)
        dense[0] = 0
        scores = channel.kernel.scores(sparse.csr_array(dense.astype(np.float32)))
        expected = dense @ channel.kernel.scores(_identity(n)).astype(np.float64)
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        assert not scores[0].any()

    def test_no_item_is_a_reason_for_itself(self, channel: Channel) -> None:
        """The diagonal is 0."""
        n = len(channel.weight)
        assert all(channel.kernel.values(np.array([i]), i)[0] == 0 for i in range(n))
        scores = channel.kernel.scores(_identity(n))
        assert np.abs(np.diag(scores)).max() <= 3e-7 * np.abs(scores).max()

    def test_single_precision_of_the_stated_shapes_and_finite(self, channel: Channel) -> None:
        """float32, shapes (b, n), (m,) and (n,), no infinity and no NaN."""
        n = len(channel.weight)
        rows = min(7, n)
        scores = channel.kernel.scores(_identity(n)[:rows])
        assert (scores.shape, scores.dtype) == ((rows, n), np.dtype("float32"))
        values = channel.kernel.values(np.array([n - 1, 0, n - 1]), n // 2)
        assert (values.shape, values.dtype) == ((3,), np.dtype("float32"))
        assert values[0] == values[2]
        assert (channel.weight.shape, channel.weight.dtype) == ((n,), np.dtype("float32"))
        assert np.isfinite(scores).all()
        assert np.isfinite(values).all()
        assert np.isfinite(channel.weight).all()


def _identity(n: int) -> sparse.csr_array:
    return sparse.csr_array(np.eye(n, dtype=np.float32))
