"""A model on disk: ``model.json`` (settings, what was chosen, versions), ``tensors.safetensors`` and the snapshot.

Nothing is pickled.  Loading checks the format, the schema and that the snapshot's items are those of the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from kg_rec.errors import ConfigError, ModelError
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import ColdItems, Similarity
from kg_rec.model.config import TrainConfig
from kg_rec.model.item_paths import PathFactors
from kg_rec.model.kernel import FactorKernel, Kernel, Matrix, MatrixKernel
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.snapshot import Snapshot

_FORMAT = 2
_PACKAGES = ("kg-rec", "numpy", "torch", "torch-geometric", "transformers")
Tensors = dict[str, NDArray[Any]]


def save(model: Recommender, folder: str | Path) -> None:
    """Write a model and its snapshot into a folder (created; an earlier model there is replaced)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors: Tensors = {"base": model.base, "cold": model.cold}
    if model.text is not None:
        tensors["text"] = model.text
    for channel in model.channels:
        tensors[f"channel.{channel.name}.weight"] = channel.weight
        for name, matrix in _parts(channel.kernel).items():
            _put(tensors, f"channel.{channel.name}.{name}", matrix)
    for factors in model.similarity.factors:
        _put(tensors, f"similarity.{factors.relation}.source", factors.source)
        _put(tensors, f"similarity.{factors.relation}.target", factors.target)
    if model.similarity.text is not None:
        tensors["similarity.text"] = model.similarity.text
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
        "similarity": {
            "weights": dict(model.similarity.weights),
            "text_power": model.similarity.text_power,
        },
        "ridge": None if model.regression is None else model.regression.ridge,
        "choices": model.chosen.to_dict(),
        "config": model.config.to_dict(),
    }
    model.snapshot.save(folder / "snapshot")
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, folder / "tensors.safetensors")
    (folder / "model.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def load(folder: str | Path) -> Recommender:
    """Read a model.

    Raises:
        ModelError: the folder holds no model, another format, or parts that do not fit together.
        SnapshotError: its snapshot is damaged.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "tensors.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a model ({error}); write one with `kg-rec train`") from error
    found = about.get("format") if isinstance(about, dict) else None
    if found != _FORMAT:
        raise ModelError(f"{folder}: expected model format {_FORMAT}, got {found}; train again")
    snapshot = Snapshot.load(folder / "snapshot")
    try:
        if snapshot.digest != about["snapshot"] or len(snapshot.items) != about["items"]:
            raise ModelError(f"{folder}: the snapshot is not the one the model was trained on; train again")
        return _assemble(about, tensors, snapshot)
    except KeyError as error:
        raise ModelError(f"{folder}: the part {error} is missing; train again") from error
    except (ConfigError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{folder}: model.json does not fit this version ({error}); train again") from error


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
    factors = tuple(
        PathFactors(r, _sparse(tensors, f"similarity.{r}.source"), _sparse(tensors, f"similarity.{r}.target"))
        for r in about["relations"]
    )
    # in the order of the weights, as the sum of the kernel's parts depends on it in the last bit
    names = about["similarity"]["weights"]
    numbers = {name: tensors[f"number.{name}"] for name in names if f"number.{name}" in tensors}
    profile = tensors["similarity.profile"]
    similarity = Similarity(factors, tensors.get("similarity.text"), numbers, profile, **about["similarity"])
    regression = None
    if about["ridge"] is not None:
        regression = ColdItems(tensors["regression.landmarks"], tensors["regression.coefficients"], about["ridge"])
    return Recommender(
        snapshot,
        TrainConfig.from_dict(about["config"]),
        Chosen.from_dict(about["choices"]),
        tuple(channels),
        tensors["base"],
        tensors["cold"],
        similarity,
        regression,
        tensors.get("text"),
    )


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
