"""Models on disk: the same scores bit by bit, nothing pickled, damage told."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import sparse
from toy_graph import everything, films

from kg_rec.errors import KgRecError, ModelError, SnapshotError
from kg_rec.model import persist
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
    assert about["config"]["gnn"]["iterations"] == model.config.gnn.iterations


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


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(about)
    about["sha256"] = persist._digest(about)
    (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")


def drop_tensor(folder: Path, name: str) -> None:
    tensors = load_file(folder / "tensors.safetensors")
    del tensors[name]
    save_file(tensors, folder / "tensors.safetensors")
    sign(folder)


def change_tensor(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    tensors = load_file(folder / "tensors.safetensors")
    tensors[name] = np.ascontiguousarray(change(tensors[name]))
    save_file(tensors, folder / "tensors.safetensors")
    sign(folder)


def sign(folder: Path) -> None:
    """Make the digests fit, as one who changes a model on purpose would."""
    digest = hashlib.sha256((folder / "tensors.safetensors").read_bytes()).hexdigest()
    edit(folder, lambda about: about.update(tensors=digest))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (lambda f: (f / "model.json").unlink(), ModelError, "not a model .*; write one with `kg-rec train`"),
        (lambda f: cut(f / "model.json"), ModelError, "not a model"),
        (lambda f: (f / "model.json").write_text("[1]"), ModelError, "not a model|expected model format"),
        (lambda f: (f / "tensors.safetensors").unlink(), ModelError, "not a model"),
        (lambda f: cut(f / "tensors.safetensors"), ModelError, "tensors.safetensors is damaged, or not the one"),
        (lambda f: edit(f, lambda a: a.update(format=99)), ModelError, "expected model format 4, got 99; train again"),
        (lambda f: edit(f, lambda a: a.update(snapshot="0" * 64)), ModelError, "not the one the model was trained on"),
        (lambda f: edit(f, lambda a: a.pop("snapshot")), ModelError, "'snapshot' is missing; train again"),
        (lambda f: edit(f, lambda a: a.pop("choices")), ModelError, "'choices' is missing; train again"),
        (lambda f: edit(f, lambda a: a["config"].update(new=1)), ModelError, "unknown setting new"),
        (lambda f: edit(f, lambda a: a["choices"].update(new=1)), ModelError, "new"),
        (lambda f: drop_tensor(f, "channel.taste.matrix"), ModelError, "channel.taste.* is missing; train again"),
        (lambda f: drop_tensor(f, "base"), ModelError, "'base' is missing; train again"),
        (lambda f: shutil.rmtree(f / "snapshot"), SnapshotError, "not a snapshot"),
        (lambda f: cut(f / "snapshot/nodes/Film.arrow"), SnapshotError, "damaged after it was written; train again"),
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


def test_60_of_60_flipped_bits_are_found(saved: Path, tmp_path: Path) -> None:
    chosen = random.Random(1)
    for n in range(60):
        folder = Path(shutil.copytree(saved, tmp_path / str(n)))
        file = chosen.choice(sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"))
        data = bytearray(file.read_bytes())
        place = chosen.randrange(len(data))
        data[place] ^= 1 << chosen.randrange(8)
        file.write_bytes(data)
        with pytest.raises(KgRecError):
            load(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("base", lambda a: a[:-1], r"base: expected the shape \(45,\), got \(44,\)"),
        ("base", lambda a: np.where(np.arange(45) == 3, np.nan, a), "base: expected finite numbers"),
        ("cold", lambda a: a.astype(np.float32), "cold: expected true or false, got float32"),
        ("channel.taste.weight", lambda a: a[None], r"channel.taste.weight: expected the shape"),
        ("channel.taste.matrix", lambda a: a[:, :-1], r"channel.taste.matrix: expected the shape \(45, 45\)"),
        ("channel.taste.matrix", lambda a: a * np.float32(np.inf), "channel.taste.matrix: expected finite numbers"),
        ("similarity.DIRECTED_BY.source.indices", lambda a: a + 1000, "indices|indptr"),
        ("similarity.DIRECTED_BY.source.indptr", lambda a: a[::-1], "ind|ptr"),
        ("similarity.profile", lambda a: a[:-1], "similarity.profile: expected the shape"),
        ("regression.landmarks", lambda a: a - 1000, "regression.landmarks: expected items from 0 to 44"),
        ("regression.coefficients", lambda a: a[:-1], "regression.coefficients: expected the shape"),
        ("text", lambda a: a[0], "text: expected the shape"),
    ],
)
def test_tensors_that_cannot_be_are_refused(copy: Path, name: str, change: Callable[[Any], Any], message: str) -> None:
    change_tensor(copy, name, change)
    with pytest.raises(ModelError, match=message):
        load(copy)


@pytest.mark.parametrize("names", [["taste", "taste"], ["taste", "gossip"]])
def test_channels_are_known_and_each_there_once(copy: Path, names: list[str]) -> None:
    edit(copy, lambda about: about.update(channels=names))
    with pytest.raises(ModelError, match=r"expected channels among|'gossip', which is not known here|missing"):
        load(copy)


def test_a_changed_description_is_refused(copy: Path) -> None:
    text = (copy / "model.json").read_text(encoding="utf-8")
    (copy / "model.json").write_text(text.replace('"items": 45', '"items": 46'), encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.json was changed or damaged"):
        load(copy)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}"])
def test_a_description_made_to_break_the_reader_is_no_model(copy: Path, text: str) -> None:
    (copy / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="not a model"):
        load(copy)


# --- replacing -----------------------------------------------------------------------------------------


def test_a_kill_after_the_new_parts_count_and_before_they_are_moved(copy: Path, model: Recommender) -> None:
    ready = copy / ".ready"
    ready.mkdir()
    for name in ("tensors.safetensors", "snapshot"):  # model.json was moved already
        (copy / name).rename(ready / name)
    np.testing.assert_array_equal(load(copy).scores(USERS), model.scores(USERS))
    save(model, copy)
    assert not ready.exists()
    np.testing.assert_array_equal(load(copy).scores(USERS), model.scores(USERS))


def test_a_full_disk_leaves_the_old_model(copy: Path, model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = persist.digest(copy)
    monkeypatch.setattr(persist, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        save(model, copy)
    assert persist.digest(copy) == before
    assert {p.name for p in copy.iterdir()} == {"model.json", "tensors.safetensors", "snapshot"}


def test_two_writers_of_one_folder_leave_one_whole_model(model: Recommender, saved: Path, tmp_path: Path) -> None:
    threads = [threading.Thread(target=save, args=(model, tmp_path / "m")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load(tmp_path / "m")
    assert persist.digest(tmp_path / "m") == persist.digest(saved)


def test_all_files_have_the_same_rights(saved: Path) -> None:
    assert len({stat.S_IMODE(p.stat().st_mode) for p in saved.rglob("*") if p.is_file()}) == 1
