"""kg_rec: knowledge-graph recommendations whose every score adds up.

The public names are loaded on first use, so that importing the package stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kg_rec.api import Model, train
    from kg_rec.checks.check import check
    from kg_rec.errors import KgRecError
    from kg_rec.evaluation.evaluate import evaluate
    from kg_rec.loaders.base import load
    from kg_rec.model.config import TrainConfig
    from kg_rec.schema import GraphSchema
    from kg_rec.snapshot import Snapshot, export
    from kg_rec.store import connect

_HOMES = {
    "GraphSchema": "kg_rec.schema",
    "KgRecError": "kg_rec.errors",
    "Model": "kg_rec.api",
    "Snapshot": "kg_rec.snapshot",
    "TrainConfig": "kg_rec.model.config",
    "check": "kg_rec.checks.check",
    "connect": "kg_rec.store",
    "evaluate": "kg_rec.evaluation.evaluate",
    "export": "kg_rec.snapshot",
    "load": "kg_rec.loaders.base",
    "train": "kg_rec.api",
}

__all__ = [
    "GraphSchema",
    "KgRecError",
    "Model",
    "Snapshot",
    "TrainConfig",
    "check",
    "connect",
    "evaluate",
    "export",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kg_rec' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
