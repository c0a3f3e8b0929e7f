"""The channels that ship keep the contract of channels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from toy_graph import everything

from kg_rec.model.recommender import Channel
from kg_rec.testing.channels import ChannelContract

#: The channels of the films, which have no pictures; for those see ``tests/contracts/model/test_alike_vectors.py``.
CHANNELS = ("taste", "relational", "sequence", "knowledge", "meaning")


@pytest.fixture(params=CHANNELS)
def channel(request: pytest.FixtureRequest) -> Channel:
    return next(c for c in everything().channels if c.name == request.param)


class TestChannels(ChannelContract):
    """The contract, for each."""


def test_the_model_has_every_channel_once() -> None:
    assert sorted(c.name for c in everything().channels) == sorted(CHANNELS)


def test_only_paths_that_exist_count(channel: Channel) -> None:
    """A film without interactions has no taste and no sequence; in the graph and in text it is like others."""
    scores = channel.kernel.scores(sparse.csr_array(np.eye(45, dtype=np.float32)))
    cold = everything().cold
    assert cold.sum() == 6
    assert bool(scores[:, cold].any()) == (channel.name not in ("taste", "sequence"))
    assert bool(channel.weight[cold].any()) == (channel.name not in ("taste", "sequence"))
