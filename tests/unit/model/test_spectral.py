"""The low-pass filter by message passing against its formula in dense numpy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from toy_graph import films

from kg_rec.model.channels.spectral import InteractionFilter
from kg_rec.snapshot import Snapshot


@pytest.fixture(scope="module")
def seen() -> Snapshot:
    """The films with liked interactions only, as training sees them."""
    return films().with_edges("RATED", films().liked())


def dense_hop(snapshot: Snapshot, exponent: float) -> np.ndarray:
    """A = D_item^-b R D_user^-2a R^T D_item^-b."""
    r = np.zeros((45, 60))
    r[snapshot.interactions.target, snapshot.interactions.source] = 1
    items, users = np.maximum(r.sum(axis=1), 1), np.maximum(r.sum(axis=0), 1)
    left = items[:, None] ** -exponent * r * users[None, :] ** -exponent
    return left @ left.T


def test_a_hop_is_the_dense_formula(seen: Snapshot) -> None:
    features = np.random.default_rng(1).normal(size=(45, 5)).astype(np.float32)
    found = InteractionFilter(seen, 0.3, "cpu")(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(found, dense_hop(seen, 0.3) @ features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("exponent", "iterations"), [(0.3, 12), (0.5, 40)])
def test_the_embeddings_come_from_the_leading_eigenvectors(seen: Snapshot, exponent: float, iterations: int) -> None:
    layer = InteractionFilter(seen, exponent, "cpu")
    vectors = layer.eigenvectors(6, iterations, seed=9)
    found = vectors.numpy()
    values, all_vectors = np.linalg.eigh(dense_hop(seen, exponent))
    expected = all_vectors[:, ::-1][:, :6]
    assert np.diff(values[::-1][:7]).max() < -1e-3  # else the eigenvectors would not be determined
    np.testing.assert_allclose(np.abs((found * expected).sum(axis=0)), 1, atol=2e-3)
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-5)
    assert (found[np.abs(found).argmax(axis=0), np.arange(6)] > 0).all()  # the sign rule
    popularity = np.maximum(np.bincount(seen.interactions.target, minlength=45), 1)[:, None]
    kernel = layer.kernel(vectors)
    np.testing.assert_allclose(kernel.source, popularity**-exponent * found, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(kernel.target, popularity**exponent * found, rtol=1e-5, atol=1e-6)


def test_they_do_not_depend_on_the_random_start(seen: Snapshot) -> None:
    layer = InteractionFilter(seen, 0.3, "cpu")
    one, two = (layer.eigenvectors(6, 12, seed).numpy() for seed in (1, 2))
    np.testing.assert_allclose(one, two, atol=2e-3)
    assert layer.eigenvectors(6, 12, 1).equal(torch.from_numpy(one))


def test_more_dimensions_than_items(seen: Snapshot) -> None:
    assert InteractionFilter(seen, 0.3, "cpu").eigenvectors(200, 12, 0).shape == (45, 45)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none here")
def test_cuda_gives_what_the_cpu_gives(seen: Snapshot) -> None:
    layers = [InteractionFilter(seen, 0.3, device) for device in ("cpu", "cuda")]
    eye = sparse.csr_array(sparse.eye_array(45))
    one, two = (layer.kernel(layer.eigenvectors(6, 40, 3)).scores(eye) for layer in layers)
    np.testing.assert_allclose(one, two, atol=1e-2 * np.abs(one).max())


def test_building_it_warns_of_nothing(seen: Snapshot) -> None:
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            InteractionFilter(seen, 0.3, "cpu").eigenvectors(4, 2, 0)
    finally:
        torch.set_warn_always(False)
