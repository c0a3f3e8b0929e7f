"""The files that sites send: tensors, and a header that says as JSON what kind of file it is and what it is of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from kg_rec.atomic import new_file
from kg_rec.errors import ArgumentError

_FORMAT = 1


def write(path: Path, kind: str, about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write a file; it appears whole or not at all.

    Args:
        path: where.
        kind: what :func:`read` has to be given.
        about: JSON values.
        tensors: by name.
    """
    with new_file(path) as partial:
        save_file(dict(tensors), partial, {"about": json.dumps({kind: _FORMAT, **about})})


def read(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What :func:`write` was given: what the file says of itself, and its tensors.

    Raises:
        ArgumentError: it is no such file of this kind.
    """
    try:
        with safe_open(path, "numpy") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})["about"])
            tensors: dict[str, NDArray[np.generic]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.pop(kind) != _FORMAT:
            raise ArgumentError("another format")
    except (OSError, SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ArgumentError(str(error)) from error
    return about, tensors
