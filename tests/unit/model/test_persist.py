"""Models on disk: the same scores bit by bit, nothing pickled, damage told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import sparse
from toy_graph import everything, films

from kg_rec.errors import ModelError, SnapshotError
from kg_rec.model.kernel import MatrixKernel
from kg_rec.model.persist import load, save
from kg_rec.model.recommender import Channel, Recommender

USERS = np.arange(60)


@pytest.fixture(scope="module")
def model() -> Recommender:
    return everything()


@pytest.fixture(scope="module")
def saved(model: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "new" / "model"
    save(model, folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_scores_are_equal_bit_by_bit(model: Recommender, saved: Path) -> None:
    again = load(saved)
    np.testing.assert_array_equal(again.scores(USERS), model.scores(USERS))
    for user, item in ((0, 3), (7, 44), (59, 41)):
        one, two = model.contributions(user, item), again.contributions(user, item)
        assert two.score == one.score
        for name in one.values:
            np.testing.assert_array_equal(two.values[name], one.values[name])


def test_a_sparse_operator_comes_back(model: Recommender, tmp_path: Path) -> None:
    def thinned(c: Channel) -> Channel:
        return replace(c, kernel=MatrixKernel(sparse.csr_array(c.kernel.matrix))) if c.name == "sequence" else c  # type: ignore[attr-defined]

    large = replace(model, channels=tuple(thinned(c) for c in model.channels))
    save(large, tmp_path / "large")
    again = load(tmp_path / "large")
    assert sparse.issparse(next(c for c in again.channels if c.name == "sequence").kernel.matrix)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.scores(USERS), large.scores(USERS))


def test_everything_else_comes_back(model: Recommender, saved: Path) -> None:
    again = load(saved)
    assert again.config == model.config
    assert again.chosen == model.chosen
    assert again.snapshot.digest == model.snapshot.digest
    assert [c.name for c in again.channels] == [c.name for c in model.channels]
    items = np.arange(45)
    np.testing.assert_array_equal(again.similarity(items, items), model.similarity(items, items))
    assert again.regression is not None
    assert model.regression is not None
    np.testing.assert_array_equal(
        again.regression.embed(again.similarity, items), model.regression.embed(model.similarity, items)
    )
    assert again.regression.ridge == model.regression.ridge
    np.testing.assert_array_equal(again.text, model.text)


def test_only_plain_formats(saved: Path) -> None:
    kinds = {p.suffix for p in saved.rglob("*") if p.is_file()}
    assert kinds == {".json", ".safetensors", ".arrow", ".ttl"}
    for file in saved.rglob("*"):
        if file.is_file():
            assert file.read_bytes()[:2] not in (b"\x80\x04", b"\x80\x05", b"PK")  # pickle, torch archive


def test_the_description_is_readable(model: Recommender, saved: Path) -> None:
    about = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    assert about["seed"] == model.config.seed
    assert about["schema"] == {"name": "movies", "sha256": model.snapshot.schema.digest}
    assert about["snapshot"] == model.snapshot.digest
    assert about["items"] == 45
    assert set(about["versions"]) >= {"kg-rec", "numpy", "torch"}
    assert about["config"]["gnn"]["epochs"] == model.config.gnn.epochs


def test_saving_twice_gives_the_same_bytes(model: Recommender, saved: Path, tmp_path: Path) -> None:
    save(model, tmp_path)
    for file in saved.rglob("*"):
        if file.is_file():
            assert (tmp_path / file.relative_to(saved)).read_bytes() == file.read_bytes(), file.name


def test_a_loaded_model_can_be_saved_over_itself_and_over_another(model: Recommender, copy: Path) -> None:
    """The snapshot is memory-mapped from the folder that is written to."""
    first = load(copy)
    save(first, copy)
    np.testing.assert_array_equal(load(copy).scores(USERS), model.scores(USERS))
    e = model.snapshot.interactions
    fewer = model.with_interactions(e.take(np.arange(len(e)) % 2 == 0))
    save(fewer, copy)
    np.testing.assert_array_equal(load(copy).scores(USERS), fewer.scores(USERS))
    np.testing.assert_array_equal(first.scores(USERS), model.scores(USERS))


def test_a_model_without_text_cold_items_or_graph(model: Recommender, tmp_path: Path) -> None:
    bare = replace(
        model,
        channels=tuple(c for c in model.channels if c.name == "taste"),
        similarity=replace(
            model.similarity, factors=(), text=None, numbers={}, profile=model.similarity.profile[:, :0], weights={}
        ),
        regression=None,
        text=None,
    )
    save(bare, tmp_path)
    again = load(tmp_path)
    np.testing.assert_array_equal(again.scores(USERS), bare.scores(USERS))
    assert again.regression is None
    assert again.text is None


def test_an_unknown_kernel_cannot_be_saved(model: Recommender, tmp_path: Path) -> None:
    class Strange:
        pass

    with pytest.raises(ModelError, match="cannot save a kernel of type Strange"):
        save(replace(model, channels=(Channel("taste", Strange(), model.base),)), tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / "model.json").exists()


# --- damage --------------------------------------------------------------------------------------------


def edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(about)
    (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")


def drop_tensor(folder: Path, name: str) -> None:
    tensors = load_file(folder / "tensors.safetensors")
    del tensors[name]
    save_file(tensors, folder / "tensors.safetensors")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (lambda f: (f / "model.json").unlink(), ModelError, "not a model .*; write one with `kg-rec train`"),
        (lambda f: cut(f / "model.json"), ModelError, "not a model"),
        (lambda f: (f / "model.json").write_text("[1]"), ModelError, "not a model|expected model format"),
        (lambda f: (f / "tensors.safetensors").unlink(), ModelError, "not a model"),
        (lambda f: cut(f / "tensors.safetensors"), ModelError, "not a model"),
        (lambda f: edit(f, lambda a: a.update(format=99)), ModelError, "expected model format 2, got 99; train again"),
        (lambda f: edit(f, lambda a: a.update(snapshot="0" * 64)), ModelError, "not the one the model was trained on"),
        (lambda f: edit(f, lambda a: a.pop("snapshot")), ModelError, "'snapshot' is missing; train again"),
        (lambda f: edit(f, lambda a: a.pop("choices")), ModelError, "'choices' is missing; train again"),
        (lambda f: edit(f, lambda a: a["config"].update(new=1)), ModelError, "unknown setting new"),
        (lambda f: edit(f, lambda a: a["choices"].update(new=1)), ModelError, "new"),
        (lambda f: drop_tensor(f, "channel.taste.matrix"), ModelError, "channel.taste.* is missing; train again"),
        (lambda f: drop_tensor(f, "base"), ModelError, "'base' is missing; train again"),
        (lambda f: shutil.rmtree(f / "snapshot"), SnapshotError, "not a snapshot"),
        (lambda f: cut(f / "snapshot/nodes/Film.arrow"), SnapshotError, r"Film\.arrow: cannot read"),
        (lambda f: (f / "snapshot/edges/RATED.arrow").unlink(), SnapshotError, r"RATED\.arrow: cannot read"),
    ],
)
def test_a_damaged_folder_is_told(copy: Path, harm: Callable[[Path], object], error: type, message: str) -> None:
    harm(copy)
    with pytest.raises(error, match=message) as caught:
        load(copy)
    assert str(copy) in str(caught.value)


def test_the_snapshot_of_another_graph_is_refused(copy: Path) -> None:
    films(items=40).save(copy / "snapshot")
    with pytest.raises(ModelError, match="the snapshot is not the one the model was trained on; train again"):
        load(copy)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model"):
        load(tmp_path / "none")
