"""A model whose tensors stay in the file: the same lists, scores and addends."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import sparse
from toy_graph import everything

from kg_rec.api import Model
from kg_rec.model.kernel import FactorKernel, Kernel, MatrixKernel
from kg_rec.model.mapped import MappedOperator
from kg_rec.model.persist import load, mapped, save
from kg_rec.model.recommender import Recommender

USERS = np.arange(60)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense matrix, a sparse one, dense factors and sparse ones."""
    model = everything()
    channels = tuple(
        replace(c, kernel=MatrixKernel(sparse.csr_array(c.kernel.matrix))) if c.name == "sequence" else c  # type: ignore[attr-defined]
        for c in model.channels
    )
    folder = tmp_path_factory.mktemp("mapped") / "model"
    save(replace(model, channels=channels), folder)
    return folder


def parts(model: Recommender) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for channel in model.channels:
        kernel = channel.kernel
        matrices = [kernel.matrix] if isinstance(kernel, MatrixKernel) else [kernel.source, kernel.target]  # type: ignore[attr-defined]
        for matrix in matrices:
            found += [matrix.data, matrix.indices, matrix.indptr] if sparse.issparse(matrix) else [matrix]
    return found


def test_the_tensors_are_those_that_safetensors_reads(saved: Path) -> None:
    file = saved / "tensors.safetensors"
    expected, found = load_file(file), mapped(file)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_kernels_are_views_of_the_file(saved: Path) -> None:
    model = load(saved, mmap=True)
    for array in parts(model):
        base = array
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)
    assert not any(isinstance(a.base, np.memmap) or isinstance(a, np.memmap) for a in parts(load(saved)))


def test_lists_and_scores_are_the_same(saved: Path) -> None:
    model, found = load(saved), load(saved, mmap=True)
    expected = model.scores(USERS)
    np.testing.assert_allclose(found.scores(USERS), expected, rtol=1e-6, atol=1e-6)
    allowed = np.arange(45) % 4 != 0
    for candidates in (None, allowed):
        top, values = model.rank(USERS, 7, candidates)
        again, of_mapped = found.rank(USERS, 7, candidates)
        np.testing.assert_allclose(of_mapped, values, rtol=1e-6, atol=1e-6)
        near = np.isclose(values[:, :-1], values[:, 1:], rtol=1e-5).any(axis=1)
        np.testing.assert_array_equal(again[~near], top[~near])
    alone, _ = found.rank(USERS[9:10], 7)
    np.testing.assert_array_equal(alone, found.rank(USERS, 7)[0][9:10])


def test_nothing_dense_is_made_and_addends_sum_to_scores(saved: Path) -> None:
    model = load(saved, mmap=True)
    users, items = np.divmod(np.arange(60 * 45), 45)
    sums = model.addends(users, items).sums().reshape(60, 45)
    np.testing.assert_allclose(sums, model.scores(USERS), rtol=1e-5, atol=1e-6)
    assert model._merged is None
    assert not any("transposed" in vars(c.kernel) for c in model.channels)


def test_explanations_and_other_states_of_the_graph(saved: Path) -> None:
    model, found = Model.load(saved), Model.load(saved, mmap=True)
    assert found.explain("u03", "f06").text == model.explain("u03", "f06").text
    edges = model.recommender.snapshot.interactions
    fewer = edges.take(np.arange(len(edges)) % 3 > 0)
    moved, expected = (m.recommender.with_interactions(fewer) for m in (found, model))
    np.testing.assert_allclose(moved.scores(USERS), expected.scores(USERS), rtol=1e-6, atol=1e-6)
    again = found.with_snapshot(model.recommender.snapshot)
    assert again.recommender.mapped
    assert again.recommend(["u03"]).column("item").equals(found.recommend(["u03"]).column("item"))


@pytest.mark.parametrize("cells", [1, 7, 1 << 20])
@pytest.mark.parametrize("kind", ["dense", "sparse", "factors", "sparse factors"])
def test_blocks_of_any_size_give_the_same(kind: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kg_rec.model.mapped._CELLS", cells)
    rng = np.random.default_rng(2)
    matrix = (rng.normal(size=(12, 12)) * (rng.random((12, 12)) < 0.4)).astype(np.float32)
    np.fill_diagonal(matrix, 0)
    source, target = matrix[:, :5].copy(), matrix[:, 5:10].copy()
    made: dict[str, Kernel] = {
        "dense": MatrixKernel(matrix),
        "sparse": MatrixKernel(sparse.csr_array(matrix)),
        "factors": FactorKernel(source, target),
        "sparse factors": FactorKernel(sparse.csr_array(source), sparse.csr_array(target)),
    }
    weight, base = rng.random(12).astype(np.float32), rng.random(12).astype(np.float32)
    rows = sparse.csr_array(rng.random((4, 12)).astype(np.float32) * (rng.random((4, 12)) < 0.5))
    found = MappedOperator.of([(made[kind], weight)], base).scores(rows)
    np.testing.assert_allclose(found, made[kind].scores(rows) * weight + base, rtol=1e-5, atol=1e-6)
