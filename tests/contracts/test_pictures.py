"""Real image files through a real vision model, made here and small: into the graph, then into lists and reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner
from pictures import CUSTOMERS, LOOKS, NEW, PRODUCTS, looks
from PIL import Image
from toy_graph import NO_TEXT, fill

from kg_rec.cli import main
from kg_rec.errors import ArgumentError, ModelError, NotFoundError
from kg_rec.explain.config import ExplainConfig
from kg_rec.explain.single import explain
from kg_rec.model.encoders.image import ImageEncoder
from kg_rec.model.item_vectors import item_vectors
from kg_rec.model.train.train import train
from kg_rec.pictures import write_pictures
from kg_rec.snapshot.from_store import export
from kg_rec.store import connect

#: What products of each look are painted in.
COLOURS = ((220, 30, 30), (30, 200, 40), (40, 60, 230))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of a few thousand weights, which was never trained: it tells colours and stripes apart all the same."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": 99, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    state = torch.get_rng_state()
    torch.manual_seed(3)
    config = CLIPConfig(
        text_config={**small, **words}, vision_config={**small, "image_size": 32, "patch_size": 8}, projection_dim=6
    )
    CLIPModel(config).save_pretrained(folder)
    torch.set_rng_state(state)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def painted(look: int, seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A picture of one look, each a little different."""
    rng = np.random.default_rng(seed)
    pixels = np.array(COLOURS[look]) + rng.normal(0, 25, (size[1], size[0], 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture a product, two of the first one, none of p02; and what goes wrong."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(1, PRODUCTS):
        if i != 2:
            painted(i % LOOKS, i).save(folder / f"p{i:02d}.{('png', 'jpg', 'webp')[i % 3]}")
    (folder / "p00").mkdir()
    painted(0, 0).save(folder / "p00" / "front.png")
    painted(0, 99, (40, 60)).convert("P").save(folder / "p00" / "back.gif")
    (folder / "p00" / "broken.png").write_bytes((folder / "p00" / "front.png").read_bytes()[:200])
    (folder / "p02.jpg").write_text("<html>404</html>", encoding="utf-8")
    (folder / "p03.bmp").write_bytes(b"")
    Image.new("1", (9000, 9000)).save(folder / "p04.png")
    painted(1, 5).save(folder / "nobody.png")
    (folder / ".DS_Store").write_bytes(b"x")
    return folder


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """The shop without its vectors."""
    shop = looks()
    bare = shop.nodes["Product"].drop_columns(["picture", "sound"])
    none = pa.nulls(PRODUCTS, pa.list_(pa.float64()))
    bare = bare.append_column("picture", none).append_column("sound", none)
    store = connect(str(tmp_path / "graph"))
    fill(store, replace(shop, nodes={**shop.nodes, "Product": bare}))
    store.close()
    return tmp_path / "graph"


def encoder(clip: Path, tmp_path: Path, **settings: int) -> ImageEncoder:
    return ImageEncoder(str(clip), cache=tmp_path / "cache", **settings)  # type: ignore[arg-type]


def test_from_files_to_lists_and_reasons(
    clip: Path, photos: Path, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KG_REC_CACHE", str(tmp_path / "cache"))
    asked = ["pictures", str(photos), "--graph", str(graph), "--encoder", str(clip), "--property", "picture"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert "47 items have a vector of 6 numbers in picture, from 48 pictures; 1 item has none" in done.stdout
    for name, why in (
        ("broken.png", "no picture that can be read"),
        ("p02.jpg", "no picture that can be read"),
        ("p03.bmp", "the file is empty"),
        ("p04.png", "9000 x 9000 pixels, more than 64,000,000"),
        ("nobody.png", "no item has the key nobody"),
    ):
        assert any(name in line and why in line for line in done.stderr.splitlines()), (name, done.stderr)
    assert ".DS_Store" not in done.output
    again = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)
    assert (again["items"], again["files"], again["without"]) == (47, 48, 1)
    assert sorted(Path(b["file"]).name for b in again["bad"]) == ["broken.png", "p02.jpg", "p03.bmp", "p04.png"]
    assert [Path(file).name for file in again["unknown"]] == ["nobody.png"]

    store = connect(str(graph), read_only=True)
    shop = export(store)
    store.close()
    rows = item_vectors(shop)["picture"]
    assert set(np.flatnonzero(~rows.any(axis=1)).tolist()) == {2}
    model = train(shop, NO_TEXT)
    best = model.scores(np.arange(CUSTOMERS))[:, -NEW:].argmax(axis=1) + PRODUCTS - NEW
    assert (best % LOOKS == np.arange(CUSTOMERS) % LOOKS).mean() > 0.8  # nobody bought them: only their looks tell
    shown = [
        explain(model, f"c{c:02d}", f"p{int(i):02d}", config=ExplainConfig(groups=9, least_share=0.0)).text
        for c, i in enumerate(best[:6])
    ]
    assert any("picture" in text for text in shown), shown


def test_several_pictures_become_their_mean(clip: Path, photos: Path, graph: Path, tmp_path: Path) -> None:
    one = encoder(clip, tmp_path, batch_size=2)
    both, bad = one.encode([photos / "p00" / "back.gif", photos / "p00" / "front.png"])
    assert bad == []
    assert one.dimensions == 6
    assert np.linalg.norm(both, axis=1) == pytest.approx(1.0)
    store = connect(str(graph))
    write_pictures(store, photos, one, property="picture")
    rows = item_vectors(export(store))["picture"]
    store.close()
    mean = both.sum(axis=0) / np.linalg.norm(both.sum(axis=0))
    np.testing.assert_allclose(rows[0], mean, rtol=1e-5)


def test_the_cache_goes_by_content(clip: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(photos.glob("p1*.*"))
    first, _ = encoder(clip, tmp_path).encode(files)
    moved = tmp_path / "elsewhere.png"
    moved.write_bytes(files[0].read_bytes())
    fresh = encoder(clip, tmp_path)
    assert fresh.dimensions == 6
    monkeypatch.setattr(ImageEncoder, "_forward", lambda *_: pytest.fail("embedded again"))
    found, _ = fresh.encode([*files[1:], moved])
    np.testing.assert_array_equal(found, [*first[1:], first[0]])


def test_another_vision_model_without_texts(photos: Path, tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ViTModel(ViTConfig(**small, image_size=32, patch_size=8)).save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "vit")
    found, bad = encoder(tmp_path / "vit", tmp_path).encode([photos / "p01.jpg", photos / "p02.jpg"])
    assert found.shape == (2, 16)
    assert found[0].any()
    assert not found[1].any()
    assert [b.file.name for b in bad] == ["p02.jpg"]


def test_what_does_not_fit_is_said(clip: Path, photos: Path, graph: Path, tmp_path: Path) -> None:
    store = connect(str(graph))
    one = encoder(clip, tmp_path)
    with pytest.raises(ArgumentError, match=r"kr:use kr:vector \(picture, sound\), got None"):
        write_pictures(store, photos, one)
    with pytest.raises(ArgumentError, match=r"got 'name'"):
        write_pictures(store, photos, one, property="name")
    with pytest.raises(ArgumentError, match=r"says vectors of 2 numbers, .* gives 6: set kr:dimensions 6"):
        write_pictures(store, photos, one, property="sound")
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "absent"):
        with pytest.raises(NotFoundError, match="expected"):
            write_pictures(store, tmp_path / folder, one, property="picture")
    with pytest.raises(ModelError, match="cannot load the image model"):
        write_pictures(store, photos, encoder(tmp_path / "empty", tmp_path), property="picture")
    store.close()
