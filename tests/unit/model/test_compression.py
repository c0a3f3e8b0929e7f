"""A compressed model is a model: its scores are sums of its own addends, and it is read as it was written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet  # noqa: F401
import pytest
from scipy import sparse
from toy_graph import everything, films

from kg_rec.api import Model
from kg_rec.errors import ArgumentError, KgRecError, ModelError
from kg_rec.explain.single import explain
from kg_rec.explain.verify import truth
from kg_rec.explain.verify.alike import alike
from kg_rec.model import persist
from kg_rec.model.compression import compressed, entries
from kg_rec.model.kernel import FactorKernel, MatrixKernel
from kg_rec.model.packing import Directions
from kg_rec.model.persist import load, save
from kg_rec.model.recommender import Recommender

USERS = np.arange(60)


def small(keep: float = 0.3, directions: int = 24) -> Recommender:
    model = everything()
    assert model.text is not None
    return compressed(model, keep, 8, Directions.of(model.text, directions))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "model"
    save(small(), folder)
    return folder


def matrices(model: Recommender) -> dict[str, sparse.csr_array]:
    found = {c.name: c.kernel.matrix for c in model.channels if isinstance(c.kernel, MatrixKernel)}
    return {name: sparse.csr_array(matrix) for name, matrix in found.items() if name != "meaning"}


def test_the_share_of_the_entries_is_kept_that_moves_scores_most() -> None:
    model, found = everything(), small(0.3)
    before, after = matrices(model), matrices(found)
    assert after.keys() == before.keys() == {"taste", "sequence"}
    assert sum(m.nnz for m in after.values()) == pytest.approx(0.3 * entries(model), abs=2)
    users = np.maximum(np.bincount(model.snapshot.liked().target, minlength=45), 1)[:, None]
    weights = {c.name: c.weight for c in model.channels}
    kept, gone = [], []
    for name, matrix in before.items():
        moves = users * (weights[name] * matrix.toarray()) ** 2
        there = after[name].toarray() != 0
        kept.append(moves[there].min())
        gone.append(moves[~there].max())
    assert min(kept) >= max(gone)


def test_everything_kept_is_nearly_the_model_and_little_kept_is_not() -> None:
    model = everything()
    assert model.text is not None
    nearly = compressed(model, 1.0, 8, Directions.of(model.text, 384))
    expected = model.scores(USERS)
    assert (nearly.scores(USERS) - expected).std() < 0.02 * expected.std()
    assert (small(0.02, 2).scores(USERS) - expected).std() > 0.2 * expected.std()


def test_scores_are_equal_bit_by_bit_after_reading(saved: Path) -> None:
    model, again = small(), load(saved)
    np.testing.assert_array_equal(again.scores(USERS), model.scores(USERS))
    assert again.compression is not None
    assert again.compression.keep == 0.3
    np.testing.assert_array_equal(again.text, model.text)
    for one, other in zip(again.channels, model.channels, strict=True):
        assert (one.name, type(one.kernel)) == (other.name, type(other.kernel))
    items = np.arange(45)
    np.testing.assert_array_equal(again.similarity(items, items), model.similarity(items, items))
    assert again.snapshot.digest == model.snapshot.digest


def test_writing_what_was_read_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save(load(saved), tmp_path)
    for file in saved.rglob("*"):
        if file.is_file():
            assert (tmp_path / file.relative_to(saved)).read_bytes() == file.read_bytes(), file.name


def test_it_is_smaller_also_its_snapshot(saved: Path, tmp_path: Path) -> None:
    save(everything(), tmp_path)
    assert persist.size(saved) < persist.size(tmp_path) / 3
    edges = "snapshot/edges"
    packed, plain = saved / edges / "RATED.parquet", tmp_path / edges / "RATED.arrow"
    assert packed.stat().st_size < plain.stat().st_size / 4
    manifest = json.loads((saved / "snapshot/manifest.json").read_text("utf-8"))
    assert manifest["sha256"] == json.loads((tmp_path / "snapshot/manifest.json").read_text("utf-8"))["sha256"]


def test_addends_sum_to_the_scores_and_explanations_are_true(saved: Path) -> None:
    model = load(saved)
    scores = model.scores(USERS)
    users, items = np.divmod(np.arange(60 * 45), 45)
    sums = model.addends(users, items).sums().reshape(60, 45)
    np.testing.assert_allclose(sums, scores, rtol=1e-5, atol=1e-6)
    top, values = model.rank(USERS, 5)
    np.testing.assert_allclose(np.take_along_axis(scores, top, axis=1), values, rtol=1e-5, atol=1e-6)
    cold = int(np.flatnonzero(model.cold)[0])
    for user, item in [(0, int(top[0, 0])), (17, int(top[17, 1])), (5, cold)]:
        found = explain(model, model.users.key(user), model.items.key(item))
        facts = truth.Facts.of(model.snapshot)
        assert truth.error(found, float(scores[user, item])) < 1e-5
        assert found.paths
        assert not truth.missing(facts, found)


def test_new_items_are_placed_by_the_rounded_regression(saved: Path) -> None:
    model = load(saved)
    kernel = next(c.kernel for c in model.channels if c.name == "relational")
    assert isinstance(kernel, FactorKernel)
    assert model.regression is not None
    assert model.cold.any()
    placed = model.regression.embed(model.similarity, np.flatnonzero(model.cold))
    np.testing.assert_array_equal(kernel.target[model.cold], placed)


def test_texts_are_verified_in_the_directions_that_are_kept(saved: Path) -> None:
    model = load(saved)
    found = alike(model, [("f00", "f03"), ("f01", "f02")])
    assert all(one.holds for one in found)
    assert all(sum(value for _, value in one.parts) == pytest.approx(one.recomputed) for one in found)
    # and a model whose texts are those of other items is found out
    assert model.text is not None
    swapped = replace(model, text=np.roll(model.text, 1, axis=0))
    assert not any(one.holds for one in alike(swapped, [("f00", "f03")]))


def test_facts_that_are_gone_are_gone_and_such_a_model_is_not_saved(saved: Path, tmp_path: Path) -> None:
    model = load(saved)
    graph = model.snapshot
    none = graph.edges["HAS_GENRE"].take(np.zeros(len(graph.edges["HAS_GENRE"]), bool))
    moved = model.with_snapshot(graph.with_edges("HAS_GENRE", none))
    assert np.abs(moved.scores(USERS) - model.scores(USERS)).max() > 1e-6
    with pytest.raises(ModelError, match="other items or facts than in training cannot be saved"):
        save(moved, tmp_path / "moved")
    fewer = model.with_interactions(graph.interactions.take(np.arange(len(graph.interactions)) % 2 == 0))
    save(fewer, tmp_path / "fewer")
    np.testing.assert_array_equal(load(tmp_path / "fewer").scores(USERS), fewer.scores(USERS))


def test_a_graph_with_another_item_is_served(saved: Path) -> None:
    model = load(saved)
    found = model.with_snapshot(films(items=44))
    assert found.shape == (60, 44)
    assert np.isfinite(found.scores(USERS)).all()


def test_a_model_without_texts_facts_or_new_items(tmp_path: Path) -> None:
    model = everything()
    channels = tuple(c for c in model.channels if c.name == "taste")
    bare = replace(model, channels=channels, regression=None, text=None)
    found = compressed(bare, 0.5, 16, None)
    save(found, tmp_path)
    np.testing.assert_array_equal(load(tmp_path).scores(USERS), found.scores(USERS))


def test_factors_as_wide_as_users_are_many_become_a_matrix() -> None:
    model = everything()
    taste = next(c for c in model.channels if c.name == "taste")
    whole = taste.kernel.scores(sparse.csr_array(sparse.eye_array(45, dtype=np.float32)))
    left, values, right = np.linalg.svd(whole)
    factors = FactorKernel((left * values).astype(np.float32), right.T.astype(np.float32).copy())
    channels = tuple(replace(c, kernel=factors) if c.name == "taste" else c for c in model.channels)
    wide = replace(model, channels=channels)
    assert entries(wide) == 45 * 44 + matrices(model)["sequence"].nnz
    found = compressed(wide, 0.4, 8, Directions.of(model.text, 8))  # type: ignore[arg-type]
    kernel = next(c.kernel for c in found.channels if c.name == "taste")
    assert isinstance(kernel, MatrixKernel)
    assert not kernel.matrix.diagonal().any()
    assert kernel.matrix.nnz < 0.9 * 45 * 44
    there = kernel.matrix.toarray() != 0
    assert np.abs(kernel.matrix.toarray() - whole)[there].max() < 0.02 * np.abs(whole).max()
    users = np.maximum(np.bincount(model.snapshot.liked().target, minlength=45), 1)[:, None]
    moves = users * (taste.weight * whole) ** 2
    assert moves[there].min() > 0.99 * moves[~there & ~np.eye(45, dtype=bool)].max()


@pytest.mark.parametrize("keep", [0.0, -1.0, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(keep: float) -> None:
    with pytest.raises(ArgumentError, match="keep: expected a share above 0, at most 1"):
        compressed(everything(), keep, 8, None)


def test_flipped_bits_are_found(saved: Path, tmp_path: Path) -> None:
    for name in ("tensors.safetensors", "snapshot/edges/RATED.parquet", "snapshot/nodes/Film.arrow", "model.json"):
        folder = tmp_path / name.replace("/", "-")
        save(load(saved), folder)
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 4
        (folder / name).write_bytes(data)
        with pytest.raises(KgRecError):
            load(folder)


def test_mapping_a_compressed_model_is_refused(saved: Path) -> None:
    with pytest.raises(ModelError, match="a compressed model is unpacked into memory; load it without mmap"):
        Model.load(saved, mmap=True)
