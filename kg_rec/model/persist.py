"""A model on disk: ``model.json`` (settings, what was chosen, versions), ``tensors.safetensors`` and the snapshot.

Nothing is pickled.  A model replaces an earlier one as a whole (:mod:`kg_rec.atomic`).  ``model.json`` holds the
digests of itself, of the tensors and of the snapshot; loading checks them, and then shapes, ranges and finiteness.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from kg_rec.atomic import new_parts, part, state
from kg_rec.errors import ArgumentError, ConfigError, ModelError, SnapshotError
from kg_rec.model.channels.registry import channel_names
from kg_rec.model.config import TrainConfig
from kg_rec.model.kernel import Matrix
from kg_rec.model.packing import Tensors
from kg_rec.model.recommender import Recommender
from kg_rec.model.tensors import assemble, parts_of, tensors_of
from kg_rec.snapshot import Snapshot
from kg_rec.textfile import parser_fault

_FORMAT = 4
_PACKAGES = ("kg-rec", "numpy", "torch", "torch-geometric", "transformers")
#: The types that tensors have, by their names in safetensors.
_TYPES = {"F32": np.float32, "I64": np.int64, "I32": np.int32, "BOOL": np.bool_}
#: Numbers that are looked through at a time.
_CELLS = 1 << 20


def save(model: Recommender, folder: str | Path) -> None:
    """Write a model and its snapshot into a folder (created; an earlier model there is replaced).

    Killed or out of space at any moment, the folder holds the earlier model or this one, never some of both.

    Raises:
        ModelError: it is that of one user, with what the user said.
    """
    model.refuse_stated()
    tensors, small = tensors_of(model), model.compression
    compression = None if small is None else {"keep": small.keep, "bits": small.bits, "facts": small.facts}
    about = {
        "format": _FORMAT,
        "versions": {package: version(package) for package in _PACKAGES},
        "schema": {"name": model.snapshot.schema.name, "sha256": model.snapshot.schema.digest},
        "snapshot": model.snapshot.digest,
        "items": len(model.items),
        "seed": model.config.seed,
        "channels": [c.name for c in model.channels],
        "relations": [f.relation for f in model.similarity.factors],
        "shared": [paths.factors.relation for paths in model.shared],
        "similarity": {
            "weights": dict(model.similarity.weights),
            "text_power": model.similarity.text_power,
        },
        "ridge": None if model.regression is None else model.regression.ridge,
        "fashion": None if model.fashion is None else {"weight": model.fashion.weight, "days": model.fashion.days},
        "again": None
        if (again := model.again) is None
        else {"weight": again.weight, "days": again.days, "due": again.due},
        "choices": model.chosen.to_dict(),
        "config": model.config.to_dict(),
        "compression": compression,
    }
    with new_parts(Path(folder)) as new:
        model.snapshot.save(new / "snapshot", packed=small is not None)
        file = new / "tensors.safetensors"
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, file)
        about["tensors"] = file_digest(file)
        about["sha256"] = _digest(about)
        (new / "model.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        file.chmod((new / "model.json").stat().st_mode)  # safetensors makes files that only their owner can read


def load(folder: str | Path, *, mmap: bool = False) -> Recommender:
    """Read a model.

    Args:
        folder: that :func:`save` wrote.
        mmap: leave its tensors in the file, of which the operating system reads what is used, and keep nothing that is
            as large: for models larger than memory.  Scores are the same but for rounding; many lists take longer.

    Raises:
        ModelError: the folder holds no model, another format, or parts that are damaged or do not fit together; or a
            compressed one, with ``mmap``.
        SnapshotError: its snapshot is damaged.
    """
    folder = Path(folder)
    while True:
        before = state(folder, "model.json")
        try:
            return _load(folder, mmap)
        except (ModelError, SnapshotError):
            if before == state(folder, "model.json"):  # else it was replaced while it was read: read the new one
                raise


def size(folder: str | Path) -> int:
    """Bytes that a model's parts take on disk, with its snapshot."""
    parts = [part(Path(folder), name) for name in ("model.json", "tensors.safetensors", "snapshot")]
    files = [file for found in parts for file in (found.rglob("*") if found.is_dir() else [found])]
    return sum(file.stat().st_size for file in files if file.is_file())


def digest(folder: str | Path) -> str:
    """SHA-256 of a model, hexadecimal: of ``model.json``, which holds those of its tensors and of its snapshot."""
    return file_digest(part(Path(folder), "model.json"))


def settings(folder: str | Path) -> TrainConfig:
    """What a model was trained with, and the rules of its lists, without reading the rest of it.

    Raises:
        ModelError: the folder holds no model, or another format.
    """
    about = _about(Path(folder))
    try:
        return TrainConfig.from_dict(about["config"])
    except (ConfigError, KeyError) as error:
        raise ModelError(f"{folder}: its settings do not fit this version ({error}); train again") from error


def _about(folder: Path) -> dict[str, Any]:
    """What ``model.json`` says."""
    try:
        about: dict[str, Any] = json.loads(part(folder, "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        fault = f"no {folder / 'model.json'}" if isinstance(error, FileNotFoundError) else parser_fault(error)
        raise ModelError(f"{folder}: not a model ({fault}); write one with `kg-rec train`") from error
    version = about.get("format") if isinstance(about, dict) else None
    if version != _FORMAT:
        raise ModelError(f"{folder}: expected model format {_FORMAT}, got {version}; train again")
    if about.get("sha256") != _digest(about):
        raise ModelError(f"{folder}: model.json was changed or damaged after it was written; train again")
    return about


def _load(folder: Path, mmap: bool) -> Recommender:
    about = _about(folder)
    if mmap and about.get("compression") is not None:
        raise ModelError(f"{folder}: a compressed model is unpacked into memory; load it without mmap")
    tensors_file = part(folder, "tensors.safetensors")
    try:
        if about.get("tensors") != file_digest(tensors_file):
            raise ModelError(
                f"{folder}: tensors.safetensors is damaged, or not the one written with model.json; train again"
            )
        tensors = mapped(tensors_file) if mmap else load_file(tensors_file)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a model ({parser_fault(error)}); write one with `kg-rec train`") from error
    try:
        snapshot = Snapshot.load(part(folder, "snapshot"))
    except SnapshotError as error:  # what to do about it is another thing for a model's
        raise SnapshotError(f"{str(error).rpartition('; ')[0]}; train again") from error
    try:
        if snapshot.digest != about["snapshot"] or len(snapshot.items) != about["items"]:
            raise ModelError(f"{folder}: the snapshot is not the one the model was trained on; train again")
        missing = [name for name in about["channels"] if name not in channel_names()]
        if missing:
            raise ModelError(
                f"{folder}: the model has the channel {missing[0]!r}, which is not known here; install the package "
                "that brings it (entry point kg_rec.channels)"
            )
        model = replace(assemble(about, tensors, snapshot), mapped=mmap)
        _check(model)
        return model
    except KeyError as error:
        raise ModelError(f"{folder}: the part {error} is missing; train again") from error
    except (ConfigError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{folder}: its parts do not fit this version or each other ({error}); train again") from error


def mapped(file: Path) -> Tensors:
    """The tensors of a safetensors file, each a view of the file, which is read where a number is used.

    The format: eight bytes with the length of a JSON text, the text, which says type, shape and place of each tensor,
    and the tensors.

    Raises:
        ValueError: it is no such file.
    """
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
    whole = np.memmap(file, np.uint8, "r", 8 + length)
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__":
            first, last = about["data_offsets"]
            tensors[name] = whole[first:last].view(_TYPES[about["dtype"]]).reshape(about["shape"])
    return tensors


def _digest(about: Mapping[str, Any]) -> str:
    """SHA-256 of what ``model.json`` says, without the digest itself and whatever the spaces."""
    said = {name: value for name, value in about.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def file_digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check(model: Recommender) -> None:
    """Raise ArgumentError where a part has a shape, a place in the matrix or a number that cannot be."""
    n = len(model.items)
    names = [channel.name for channel in model.channels]
    known = model.config.channels
    if len(set(names)) < len(names) or not set(names) <= set(known):
        raise ArgumentError(f"expected channels among {', '.join(known)}, each once, got {', '.join(names)}")
    _expect("base", model.base, (n,))
    _expect("cold", model.cold, (n,))
    if model.cold.dtype != np.bool_:
        raise ArgumentError(f"cold: expected true or false, got {model.cold.dtype}")
    for channel in model.channels:
        _expect(f"channel.{channel.name}.weight", channel.weight, (n,))
        for name, matrix in parts_of(channel.kernel).items():
            wide = n if name == "matrix" else channel.kernel.source.shape[1]  # type: ignore[attr-defined]
            _expect(f"channel.{channel.name}.{name}", matrix, (n, wide))
    similarity = model.similarity
    for factors in similarity.factors:
        for name in ("source", "target"):
            _expect(f"similarity.{factors.relation}.{name}", getattr(factors, name), (n, factors.source.shape[1]))
    for name, values in similarity.numbers.items():
        _expect(f"number.{name}", np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf), (n,))
    _expect("similarity.profile", similarity.profile, (n, None))
    for name, text in (("similarity.text", similarity.text), ("text", model.text)):
        if text is not None:
            _expect(name, text, (n, None))
    if similarity.text is not None:
        if similarity.centre is None:
            raise ArgumentError("similarity.centre: expected the mean of the texts, got none")
        _expect("similarity.centre", similarity.centre, similarity.text.shape[1:])
    for name, vectors in similarity.vectors.items():
        _expect(f"similarity.vector.{name}", vectors, (n, None))
        _expect(f"similarity.vector-centre.{name}", similarity.vector_centres[name], vectors.shape[1:])
    if model.regression is not None:
        landmarks = model.regression.landmarks
        _expect("regression.landmarks", landmarks, (None,))
        _expect("regression.coefficients", model.regression.coefficients, (len(landmarks), None))
        if len(landmarks) and not (landmarks.min() >= 0 and landmarks.max() < n):
            raise ArgumentError(f"regression.landmarks: expected items from 0 to {n - 1}")


def _expect(name: str, matrix: Matrix, shape: tuple[int | None, ...]) -> None:
    """Raise ArgumentError unless a tensor has the shape (None: any) and finite numbers."""
    if len(matrix.shape) != len(shape) or any(
        w is not None and w != f for w, f in zip(shape, matrix.shape, strict=True)
    ):
        raise ArgumentError(f"{name}: expected the shape {shape}, got {matrix.shape}")
    if sparse.issparse(matrix):
        matrix.check_format(full_check=True)
    values = matrix.data if sparse.issparse(matrix) else matrix
    rows = max(1, _CELLS // max(1, values.size // max(1, len(values))))
    if not all(np.isfinite(values[start : start + rows]).all() for start in range(0, len(values), rows)):
        raise ArgumentError(f"{name}: expected finite numbers")
