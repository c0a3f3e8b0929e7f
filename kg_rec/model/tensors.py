"""A model as named tensors, and back: all of it, or of a compressed model what cannot be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from kg_rec.errors import ArgumentError, ModelError
from kg_rec.model.again import Again
from kg_rec.model.chosen import Chosen
from kg_rec.model.cold.similarity import ColdItems, Similarity
from kg_rec.model.compression import MADE_AGAIN, made_again, of_facts
from kg_rec.model.config import TrainConfig
from kg_rec.model.fashion import Fashion
from kg_rec.model.item_paths import GatedPaths, PathFactors
from kg_rec.model.kernel import FactorKernel, Kernel, Matrix, MatrixKernel
from kg_rec.model.packing import Compression, Directions, Tensors, pack, unpack
from kg_rec.model.recommender import Channel, Recommender
from kg_rec.snapshot import Snapshot

#: The one tensor of a compressed model.
_PACKED = "packed"


def tensors_of(model: Recommender) -> Tensors:
    """Everything that a model consists of besides the numbers of ``model.json``; of a compressed one see :func:`_kept`.

    Raises:
        ModelError: it cannot be saved.
    """
    if model.compression is not None:
        return _kept(model, model.compression)
    tensors = _learned(model, {channel.name: channel.kernel for channel in model.channels})
    if model.text is not None:
        tensors["text"] = model.text
    for factors in model.similarity.factors:
        _put(tensors, f"similarity.{factors.relation}.source", factors.source)
        _put(tensors, f"similarity.{factors.relation}.target", factors.target)
    for paths in model.shared:
        _put(tensors, f"shared.{paths.factors.relation}.source", paths.factors.source)
        _put(tensors, f"shared.{paths.factors.relation}.target", paths.factors.target)
        tensors[f"shared.{paths.factors.relation}.gate"] = paths.gate
    if model.similarity.text is not None and model.similarity.centre is not None:
        tensors["similarity.text"], tensors["similarity.centre"] = model.similarity.text, model.similarity.centre
    for name, vectors in model.similarity.vectors.items():
        tensors[f"similarity.vector.{name}"] = vectors
        tensors[f"similarity.vector-centre.{name}"] = model.similarity.vector_centres[name]
    for name, values in model.similarity.numbers.items():
        tensors[f"number.{name}"] = values
    tensors["similarity.profile"] = model.similarity.profile
    return tensors


def _kept(model: Recommender, compression: Compression) -> Tensors:
    """The packed tensors of a compressed model, without what is made of its graph's facts again when it is read.

    Raises:
        ModelError: it was taken to a graph with other items or facts since.
    """
    if model.snapshot.facts_digest != compression.facts:
        raise ModelError(
            "a compressed model over a graph with other items or facts than in training cannot be saved: what is made "
            "of facts is made again when it is read; train on the graph of now, and compress that model"
        )
    kernels = {channel.name: channel.kernel for channel in model.channels if channel.name not in MADE_AGAIN}
    relational = kernels.get("relational")
    if isinstance(relational, FactorKernel):  # the regression places new items again
        known = np.where(model.cold[:, None], np.float32(0), relational.target)
        kernels["relational"] = FactorKernel(relational.source, known)
    tensors = _learned(model, kernels)
    text = compression.text
    if text is not None:
        tensors |= {"text.codes": text.codes, "text.scales": text.scales, "text.basis": text.basis}
    return {_PACKED: pack(tensors)}


def _learned(model: Recommender, kernels: Mapping[str, Kernel]) -> Tensors:
    """What was learned from interactions, with these kernels by channel."""
    tensors: Tensors = {"base": model.base, "cold": model.cold}
    if model.fashion is not None:
        tensors["base"] = model.fashion.lasting  # what is in fashion is counted again in the snapshot
    for channel in model.channels:
        tensors[f"channel.{channel.name}.weight"] = channel.weight
    for of, kernel in kernels.items():
        for name, matrix in parts_of(kernel).items():
            _put(tensors, f"channel.{of}.{name}", matrix)
    if model.regression is not None:
        tensors["regression.landmarks"] = model.regression.landmarks
        tensors["regression.coefficients"] = model.regression.coefficients
    return tensors


def assemble(about: Mapping[str, Any], tensors: Tensors, snapshot: Snapshot) -> Recommender:
    """The model of what ``model.json`` says and of its tensors.

    Raises:
        KeyError: a part is missing.
        ValueError: the parts do not fit each other.
    """
    config, chosen = TrainConfig.from_dict(about["config"]), Chosen.from_dict(about["choices"])
    compression, text = None, tensors.get("text")
    if about.get("compression") is not None:
        tensors = unpack(tensors[_PACKED])
        compression = _compression(about["compression"], tensors)
        text = None if compression.text is None else compression.text.vectors
    regression, cold = None, tensors["cold"]
    if about["ridge"] is not None:
        regression = ColdItems(tensors["regression.landmarks"], tensors["regression.coefficients"], about["ridge"])
    if compression is None:
        similarity, shared = _facts(about, tensors)
    else:
        similarity, shared = of_facts(snapshot, config, chosen, text, cold)
    channels = []
    for name in about["channels"]:
        if compression is None:
            kernel = _kernel(tensors, name)
        else:
            kept = None if name in MADE_AGAIN else _kernel(tensors, name)
            kernel = made_again(name, kept, similarity, shared, regression, cold, config, chosen)
        channels.append(Channel(name, kernel, tensors[f"channel.{name}.weight"]))
    parts = tuple(channels), tensors["base"], cold, shared, similarity, regression, text
    model = Recommender(snapshot, config, chosen, *parts, compression=compression)
    if about.get("again") is not None:
        g, fading, due = (float(about["again"][name]) for name in ("weight", "days", "due"))
        if not (np.isfinite(g) and fading > 0 and due >= 0):
            raise ArgumentError(f"again: expected a finite weight, days above 0, due from 0, got {g}, {fading}, {due}")
        model = replace(model, again=Again.of(g, fading, due, snapshot.liked()))
    if about.get("fashion") is None:
        return model
    weight, days = float(about["fashion"]["weight"]), int(about["fashion"]["days"])
    if not (np.isfinite(weight) and days > 1):
        raise ArgumentError(f"fashion: expected a finite weight and 2 days or more, got {weight} and {days}")
    return replace(model, fashion=Fashion.of(weight, days, model.base, snapshot.liked())).at(None)


def _compression(about: Mapping[str, Any], tensors: Tensors) -> Compression:
    text = None
    if "text.codes" in tensors:
        text = Directions(*(tensors[f"text.{part}"] for part in ("codes", "scales", "basis")))
    return Compression(float(about["keep"]), int(about["bits"]), text, str(about["facts"]))


def _facts(about: Mapping[str, Any], tensors: Tensors) -> tuple[Similarity, tuple[GatedPaths, ...]]:
    """The likeness of items and the paths of W, as they were written."""
    factors = tuple(_factors(tensors, "similarity", r) for r in about["relations"])
    shared = tuple(GatedPaths(_factors(tensors, "shared", r), tensors[f"shared.{r}.gate"]) for r in about["shared"])
    # in the order of the weights, as the sum of the kernel's parts depends on it in the last bit
    names = about["similarity"]["weights"]
    numbers = {name: tensors[f"number.{name}"] for name in names if f"number.{name}" in tensors}
    text, centre = tensors.get("similarity.text"), tensors.get("similarity.centre")
    of = [name.removeprefix("vector:") for name in names if name.startswith("vector:")]
    vectors = {name: tensors[f"similarity.vector.{name}"] for name in of}
    centres = {name: tensors[f"similarity.vector-centre.{name}"] for name in of}
    weighed = {**about["similarity"], "vectors": vectors, "vector_centres": centres}
    return Similarity(factors, text, centre, numbers, tensors["similarity.profile"], **weighed), shared


def _kernel(tensors: Tensors, channel: str) -> Kernel:
    prefix = f"channel.{channel}"
    if any(key.startswith(f"{prefix}.matrix") for key in tensors):
        return MatrixKernel(_get(tensors, f"{prefix}.matrix"))
    return FactorKernel(_get(tensors, f"{prefix}.source"), _get(tensors, f"{prefix}.target"))


def _factors(tensors: Tensors, part: str, relation: str) -> PathFactors:
    source, target = (_sparse(tensors, f"{part}.{relation}.{side}") for side in ("source", "target"))
    return PathFactors(relation, source, target)


def parts_of(kernel: Kernel) -> dict[str, Matrix]:
    """The matrices of a kernel by name.

    Raises:
        ModelError: it is of another type.
    """
    if isinstance(kernel, MatrixKernel):
        return {"matrix": kernel.matrix}
    if isinstance(kernel, FactorKernel):
        return {"source": kernel.source, "target": kernel.target}
    raise ModelError(f"cannot save a kernel of type {type(kernel).__name__}; expected MatrixKernel or FactorKernel")


def _put(tensors: Tensors, name: str, matrix: Matrix) -> None:
    if not sparse.issparse(matrix):
        tensors[name] = matrix
        return
    small = max(matrix.nnz, *matrix.shape) <= np.iinfo(np.int32).max  # as scipy has it, which would copy others
    kind = np.int32 if small else np.int64
    tensors[f"{name}.data"], tensors[f"{name}.indices"] = matrix.data, matrix.indices.astype(kind)
    tensors[f"{name}.indptr"], tensors[f"{name}.shape"] = matrix.indptr.astype(kind), np.array(matrix.shape, np.int64)


def _get(tensors: Tensors, name: str) -> Matrix:
    return tensors[name] if name in tensors else _sparse(tensors, name)


def _sparse(tensors: Tensors, name: str) -> sparse.csr_array:
    parts = tuple(tensors[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return sparse.csr_array(parts, shape=tuple(tensors[f"{name}.shape"].tolist()))
