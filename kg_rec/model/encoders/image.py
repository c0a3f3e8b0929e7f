"""Embeddings of image files by a vision model, with a cache on disk.

A model that puts pictures beside texts (CLIP, Radford et al. 2021, and its like) gives its projected picture features;
any other vision transformer its pooled state, or the mean of its last hidden states.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kg_rec.arrays.types import Floats32
from kg_rec.errors import ModelError
from kg_rec.model.encoders.cache import VectorCache, default_cache, opened
from kg_rec.progress import Progress, no_progress

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class BadImage:
    """A file that is no picture that can be read.

    Attributes:
        file: the file.
        reason: what is wrong with it, in one line.
    """

    file: Path
    reason: str


@dataclass(frozen=True)
class ImageEncoder:
    """Image files to unit vectors.

    Attributes:
        source: model folder or hub id, with a ``preprocessor_config.json``.
        batch_size: pictures per forward pass.
        device: torch device.
        max_pixels: pictures with more are not read: a small file can unpack to gigabytes.
        cache: folder of the cache.
    """

    source: str
    batch_size: int = 32
    device: str = "cpu"
    max_pixels: int = 64_000_000
    cache: Path = field(default_factory=default_cache)

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        from safetensors import SafetensorError
        from transformers import AutoImageProcessor, AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            # by Pillow alone: torchvision scales pictures a little differently, and is not needed
            read: Any = AutoImageProcessor.from_pretrained
            processor = read(self.source, trust_remote_code=False, backend="pil")
            model = AutoModel.from_pretrained(self.source, trust_remote_code=False, use_safetensors=True)
        except (OSError, ValueError, ImportError, SafetensorError) as error:
            raise ModelError(
                f"cannot load the image model {self.source!r}: expected a folder or hub id of a transformers model "
                f"with preprocessor_config.json and safetensors weights ({str(error)[:200]})"
            ) from error
        return processor, model.eval().to(self.device)

    @cached_property
    def identity(self) -> str:
        """Names the model in cache keys: SHA-256 of the folder's JSON files and of its weights, or of the hub id."""
        folder = Path(self.source)
        digest = hashlib.sha256(b"image" if folder.is_dir() else f"image {self.source}".encode())
        for file in sorted(folder.glob("*")) if folder.is_dir() else []:
            if file.suffix in (".json", ".safetensors"):
                with file.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
        return digest.hexdigest()

    @cached_property
    def dimensions(self) -> int:
        """Length of the vectors.

        Raises:
            ModelError: the model cannot be loaded.
        """
        from PIL import Image

        return int(self._forward([Image.new("RGB", (64, 64))]).shape[1])

    def encode(self, files: Sequence[Path], progress: Progress = no_progress) -> tuple[Floats32, list[BadImage]]:
        """Embed pictures; those seen before come from the cache, by their content.

        Args:
            files: of any format that Pillow reads; of an animation, the first frame counts.
            progress: called with the pictures done.

        Returns:
            float32, shape (len(files), dimensions), rows of length 1, or 0 for a file that cannot be read; and these
            files, in order.

        Raises:
            ModelError: the model cannot be loaded.
        """
        vectors = np.zeros((len(files), self.dimensions), np.float32)
        bad: list[BadImage] = []
        with opened(self.cache, "image.sqlite") as cache:
            for start in range(0, len(files), self.batch_size):
                progress(start, len(files), "encode pictures")
                self._batch(files[start : start + self.batch_size], vectors[start:], bad, cache)
        progress(len(files), len(files), "encode pictures")
        return vectors, bad

    def _batch(self, files: Sequence[Path], vectors: Floats32, bad: list[BadImage], cache: VectorCache) -> None:
        """Fill the first rows of ``vectors``."""
        places: list[int] = []
        images: list[Image] = []
        keys: list[bytes] = []
        for place, file in enumerate(files):
            try:
                content = file.read_bytes()
            except OSError as error:
                bad.append(BadImage(file, error.strerror or str(error)))
                continue
            key = hashlib.sha256(self.identity.encode() + content).digest()
            known = cache.known([key])
            if known:
                vectors[place] = np.frombuffer(known[key], np.float32)
                continue
            image = self._opened(content)
            if isinstance(image, str):
                bad.append(BadImage(file, image))
                continue
            places.append(place)
            images.append(image)
            keys.append(key)
        if not images:
            return
        encoded = self._forward(images)
        vectors[places] = encoded
        cache.keep((key, vector.tobytes()) for key, vector in zip(keys, encoded, strict=True))

    def _opened(self, content: bytes) -> Image | str:
        """The picture upright and in colours, or why there is none."""
        from io import BytesIO

        from PIL import Image, ImageOps

        if not content:
            return "the file is empty"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # our own limit is below Pillow's
                with Image.open(BytesIO(content)) as image:
                    if image.width * image.height > self.max_pixels:
                        return f"{image.width} x {image.height} pixels, more than {self.max_pixels:,}"
                    return ImageOps.exif_transpose(image).convert("RGB")
        except Exception as error:  # noqa: BLE001 -- Pillow's readers raise many unrelated classes for a bad file
            return f"no picture that can be read ({' '.join(str(error).split())[:120] or type(error).__name__})"

    def _forward(self, images: list[Image]) -> Floats32:
        import torch

        processor, model = self._parts
        given = processor(images=images, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            features = model.get_image_features(**given) if hasattr(model, "get_image_features") else model(**given)
        if not torch.is_tensor(features):
            pooled = getattr(features, "pooler_output", None)
            features = features.last_hidden_state.mean(1) if pooled is None else pooled
        features = features.flatten(1)
        unit = features / features.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return np.ascontiguousarray(unit.float().cpu().numpy())
