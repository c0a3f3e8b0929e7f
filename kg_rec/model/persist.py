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
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from kg_rec.atomic import new_parts, part, state
from kg_rec.errors import ArgumentError, ConfigError, ModelError, SnapshotError
from kg_rec.model.channels.registry import channel_names
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import ColdItems, Similarity
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import Fashion
from kg_rec.model.item_paths import GatedPaths, PathFactors
from kg_rec.model.kernel import FactorKernel, Kernel, Matrix, MatrixKernel
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.snapshot import Snapshot

_FORMAT = 4
_PIECE = 1 << 20
_PACKAGES = ("kg-rec", "numpy", "torch", "torch-geometric", "transformers")
Tensors = dict[str, NDArray[Any]]


def save(model: Recommender, folder: str | Path) -> None:
    """Write a model and its snapshot into a folder (created; an earlier model there is replaced).

    Killed or out of space at any moment, the folder holds the earlier model or this one, never some of both.
    """
    tensors: Tensors = {"base": model.base, "cold": model.cold}
    if model.fashion is not None:
        tensors["base"] = model.fashion.lasting  # what is in fashion is counted again in the snapshot
    if model.text is not None:
        tensors["text"] = model.text
    for channel in model.channels:
        tensors[f"channel.{channel.name}.weight"] = channel.weight
        for name, matrix in _parts(channel.kernel).items():
            _put(tensors, f"channel.{channel.name}.{name}", matrix)
    for factors in model.similarity.factors:
        _put(tensors, f"similarity.{factors.relation}.source", factors.source)
        _put(tensors, f"similarity.{factors.relation}.target", factors.target)
    for paths in model.shared:
        _put(tensors, f"shared.{paths.factors.relation}.source", paths.factors.source)
        _put(tensors, f"shared.{paths.factors.relation}.target", paths.factors.target)
        tensors[f"shared.{paths.factors.relation}.gate"] = paths.gate
    if model.similarity.text is not None and model.similarity.centre is not None:
        tensors["similarity.text"], tensors["similarity.centre"] = model.similarity.text, model.similarity.centre
    for name, values in model.similarity.numbers.items():
        tensors[f"number.{name}"] = values
    tensors["similarity.profile"] = model.similarity.profile
    if model.regression is not None:
        tensors["regression.landmarks"] = model.regression.landmarks
        tensors["regression.coefficients"] = model.regression.coefficients
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
        "choices": model.chosen.to_dict(),
        "config": model.config.to_dict(),
    }
    with new_parts(Path(folder)) as new:
        model.snapshot.save(new / "snapshot")
        file = new / "tensors.safetensors"
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, file)
        about["tensors"] = file_digest(file)
        about["sha256"] = _digest(about)
        (new / "model.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        file.chmod((new / "model.json").stat().st_mode)  # safetensors makes files that only their owner can read


def load(folder: str | Path) -> Recommender:
    """Read a model.

    Raises:
        ModelError: the folder holds no model, another format, or parts that are damaged or do not fit together.
        SnapshotError: its snapshot is damaged.
    """
    folder = Path(folder)
    while True:
        before = state(folder, "model.json")
        try:
            return _load(folder)
        except (ModelError, SnapshotError):
            if before == state(folder, "model.json"):  # else it was replaced while it was read: read the new one
                raise


def digest(folder: str | Path) -> str:
    """SHA-256 over a model's settings and tensors, hexadecimal."""
    whole = hashlib.sha256()
    for name in ("model.json", "tensors.safetensors"):
        with part(Path(folder), name).open("rb") as file:
            while piece := file.read(_PIECE):
                whole.update(piece)
    return whole.hexdigest()


def _load(folder: Path) -> Recommender:
    try:
        about = json.loads(part(folder, "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{folder}: not a model ({error}); write one with `kg-rec train`") from error
    found = about.get("format") if isinstance(about, dict) else None
    if found != _FORMAT:
        raise ModelError(f"{folder}: expected model format {_FORMAT}, got {found}; train again")
    if about.get("sha256") != _digest(about):
        raise ModelError(f"{folder}: model.json was changed or damaged after it was written; train again")
    tensors_file = part(folder, "tensors.safetensors")
    try:
        if about.get("tensors") != file_digest(tensors_file):
            raise ModelError(
                f"{folder}: tensors.safetensors is damaged, or not the one written with model.json; train again"
            )
        tensors = load_file(tensors_file)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a model ({error}); write one with `kg-rec train`") from error
    snapshot = Snapshot.load(part(folder, "snapshot"))
    try:
        if snapshot.digest != about["snapshot"] or len(snapshot.items) != about["items"]:
            raise ModelError(f"{folder}: the snapshot is not the one the model was trained on; train again")
        missing = [name for name in about["channels"] if name not in channel_names()]
        if missing:
            raise ModelError(
                f"{folder}: the model has the channel {missing[0]!r}, which is not known here; install the package "
                "that brings it (entry point kg_rec.channels)"
            )
        model = _assemble(about, tensors, snapshot)
        _check(model)
        return model
    except KeyError as error:
        raise ModelError(f"{folder}: the part {error} is missing; train again") from error
    except (ConfigError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{folder}: its parts do not fit this version or each other ({error}); train again") from error


def _digest(about: Mapping[str, Any]) -> str:
    """SHA-256 of what ``model.json`` says, without the digest itself and whatever the spaces."""
    said = {name: value for name, value in about.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def file_digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check(model: Recommender) -> None:
    """Raise ValueError where a part has a shape, a place in the matrix or a number that cannot be."""
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
        for name, matrix in _parts(channel.kernel).items():
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
    if model.regression is not None:
        landmarks = model.regression.landmarks
        _expect("regression.landmarks", landmarks, (None,))
        _expect("regression.coefficients", model.regression.coefficients, (len(landmarks), None))
        if len(landmarks) and not (landmarks.min() >= 0 and landmarks.max() < n):
            raise ArgumentError(f"regression.landmarks: expected items from 0 to {n - 1}")


def _expect(name: str, found: Matrix, shape: tuple[int | None, ...]) -> None:
    """Raise ValueError unless a tensor has the shape (None: any) and finite numbers."""
    if len(found.shape) != len(shape) or any(w is not None and w != f for w, f in zip(shape, found.shape, strict=True)):
        raise ArgumentError(f"{name}: expected the shape {shape}, got {found.shape}")
    if sparse.issparse(found):
        found.check_format(full_check=True)
    if not np.isfinite(found.data if sparse.issparse(found) else found).all():
        raise ArgumentError(f"{name}: expected finite numbers")


def _assemble(about: Mapping[str, Any], tensors: Tensors, snapshot: Snapshot) -> Recommender:
    channels = []
    for name in about["channels"]:
        prefix = f"channel.{name}"
        kernel: Kernel
        if any(key.startswith(f"{prefix}.matrix") for key in tensors):
            kernel = MatrixKernel(_get(tensors, f"{prefix}.matrix"))
        else:
            kernel = FactorKernel(_get(tensors, f"{prefix}.source"), _get(tensors, f"{prefix}.target"))
        channels.append(Channel(name, kernel, tensors[f"{prefix}.weight"]))
    factors = tuple(_factors(tensors, "similarity", r) for r in about["relations"])
    shared = tuple(GatedPaths(_factors(tensors, "shared", r), tensors[f"shared.{r}.gate"]) for r in about["shared"])
    # in the order of the weights, as the sum of the kernel's parts depends on it in the last bit
    names = about["similarity"]["weights"]
    numbers = {name: tensors[f"number.{name}"] for name in names if f"number.{name}" in tensors}
    profile = tensors["similarity.profile"]
    text, centre = tensors.get("similarity.text"), tensors.get("similarity.centre")
    similarity = Similarity(factors, text, centre, numbers, profile, **about["similarity"])
    regression = None
    if about["ridge"] is not None:
        regression = ColdItems(tensors["regression.landmarks"], tensors["regression.coefficients"], about["ridge"])
    model = Recommender(
        snapshot,
        TrainConfig.from_dict(about["config"]),
        Chosen.from_dict(about["choices"]),
        tuple(channels),
        tensors["base"],
        tensors["cold"],
        shared,
        similarity,
        regression,
        tensors.get("text"),
    )
    if about.get("fashion") is None:
        return model
    weight, days = float(about["fashion"]["weight"]), int(about["fashion"]["days"])
    if not (np.isfinite(weight) and days > 1):
        raise ArgumentError(f"fashion: expected a finite weight and 2 days or more, got {weight} and {days}")
    return replace(model, fashion=Fashion.of(weight, days, model.base, snapshot.liked())).at(None)


def _factors(tensors: Tensors, part: str, relation: str) -> PathFactors:
    source, target = (_sparse(tensors, f"{part}.{relation}.{side}") for side in ("source", "target"))
    return PathFactors(relation, source, target)


def _parts(kernel: Kernel) -> dict[str, Matrix]:
    if isinstance(kernel, MatrixKernel):
        return {"matrix": kernel.matrix}
    if isinstance(kernel, FactorKernel):
        return {"source": kernel.source, "target": kernel.target}
    raise ModelError(f"cannot save a kernel of type {type(kernel).__name__}; expected MatrixKernel or FactorKernel")


def _put(tensors: Tensors, name: str, matrix: Matrix) -> None:
    if not sparse.issparse(matrix):
        tensors[name] = matrix
        return
    tensors[f"{name}.data"], tensors[f"{name}.indices"] = matrix.data, matrix.indices
    tensors[f"{name}.indptr"], tensors[f"{name}.shape"] = matrix.indptr, np.array(matrix.shape, dtype=np.int64)


def _get(tensors: Tensors, name: str) -> Matrix:
    return tensors[name] if name in tensors else _sparse(tensors, name)


def _sparse(tensors: Tensors, name: str) -> sparse.csr_array:
    parts = tuple(tensors[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return sparse.csr_array(parts, shape=tuple(tensors[f"{name}.shape"].tolist()))
