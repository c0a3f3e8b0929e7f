"""kg_rec: knowledge-graph recommendations whose every score adds up.

The public names are loaded on first use, so that importing the package stays quick; ``docs/python.md`` lists them.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kg_rec.api import Model, train
    from kg_rec.audit.config import AuditConfig
    from kg_rec.checks.check import check
    from kg_rec.errors import (
        AnswerError,
        ArgumentError,
        AuthenticationError,
        BudgetSpentError,
        CancelledError,
        ConfigError,
        EvaluationError,
        FeedbackError,
        JobError,
        KgRecError,
        LanguageModelError,
        LoadError,
        MissingDependencyError,
        ModelError,
        NotFoundError,
        PhraseError,
        QueryRefusedError,
        SchemaError,
        SchemaNotAppliedError,
        SettingError,
        SnapshotError,
        SplitError,
        StoppedError,
        StoreError,
        StoreUnavailableError,
        TemporaryFaultError,
        WorkerError,
    )
    from kg_rec.evaluation.evaluate import evaluate
    from kg_rec.explain.config import ExplainConfig
    from kg_rec.explain.explanation import Explanation
    from kg_rec.explain.words.wording import Wording
    from kg_rec.loaders.base import load
    from kg_rec.model.config import TrainConfig
    from kg_rec.people.newcomer import NewcomerConfig
    from kg_rec.people.profile import ProfileConfig
    from kg_rec.schema import GraphSchema
    from kg_rec.snapshot import Snapshot, export
    from kg_rec.split import Split
    from kg_rec.store import connect
    from kg_rec.trust.compress import compress

_HOMES = {
    "AuditConfig": "kg_rec.audit.config",
    "ExplainConfig": "kg_rec.explain.config",
    "Explanation": "kg_rec.explain.explanation",
    "GraphSchema": "kg_rec.schema",
    "Model": "kg_rec.api",
    "NewcomerConfig": "kg_rec.people.newcomer",
    "ProfileConfig": "kg_rec.people.profile",
    "Snapshot": "kg_rec.snapshot",
    "Split": "kg_rec.split",
    "TrainConfig": "kg_rec.model.config",
    "Wording": "kg_rec.explain.words.wording",
    "check": "kg_rec.checks.check",
    "compress": "kg_rec.trust.compress",
    "connect": "kg_rec.store",
    "evaluate": "kg_rec.evaluation.evaluate",
    "export": "kg_rec.snapshot",
    "load": "kg_rec.loaders.base",
    "train": "kg_rec.api",
}

__all__ = [
    "AnswerError",
    "ArgumentError",
    "AuditConfig",
    "AuthenticationError",
    "BudgetSpentError",
    "CancelledError",
    "ConfigError",
    "EvaluationError",
    "ExplainConfig",
    "Explanation",
    "FeedbackError",
    "GraphSchema",
    "JobError",
    "KgRecError",
    "LanguageModelError",
    "LoadError",
    "MissingDependencyError",
    "Model",
    "ModelError",
    "NewcomerConfig",
    "NotFoundError",
    "PhraseError",
    "ProfileConfig",
    "QueryRefusedError",
    "SchemaError",
    "SchemaNotAppliedError",
    "SettingError",
    "Snapshot",
    "SnapshotError",
    "Split",
    "SplitError",
    "StoppedError",
    "StoreError",
    "StoreUnavailableError",
    "TemporaryFaultError",
    "TrainConfig",
    "Wording",
    "WorkerError",
    "check",
    "compress",
    "connect",
    "evaluate",
    "export",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("kg-rec")
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "kg_rec.errors")), name)
    raise AttributeError(f"module 'kg_rec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _check_links(package: Path) -> None:
    """Two folders of the package are links to folders at the top of the repository; without links they are files."""
    for name in ("loaders", "graph_schemas"):
        if (package / name).is_file():
            raise ImportError(
                f"{package / name} is a text file where a link to the folder {name}/ should be: this checkout was made "
                "without links; run `git config core.symlinks true && git checkout -- kg_rec`, or install a wheel"
            )


_check_links(Path(__file__).parent)
