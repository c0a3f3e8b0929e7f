"""The exceptions of kg_rec: one small tree.

Each message says what was expected, what was got and what to do.  The command line turns any
:class:`KgRecError` into one line on stderr and exit status 1.
"""

from __future__ import annotations

from pathlib import Path


class KgRecError(Exception):
    """Base of every error that kg_rec raises on purpose."""


class ConfigError(KgRecError):
    """A setting is unknown, of the wrong type or out of range."""


class SchemaError(KgRecError):
    """A graph schema file is not valid; the message names file, subject and what is missing."""


class LoadError(KgRecError):
    """An input file is malformed.

    Args:
        message: what was expected, what was got and what to do.
        path: the file that holds the fault.
        line: its 1-based line, where there is one.
    """

    def __init__(self, message: str, path: str | Path, line: int | None = None) -> None:
        self.path = Path(path)
        self.line = line
        place = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {message}")


class StoreError(KgRecError):
    """A graph store refused or failed an operation."""


class StoreUnavailableError(StoreError):
    """No server answers, or the database does not exist."""


class AuthenticationError(StoreError):
    """The server refused the credentials, or none were given."""


class SchemaNotAppliedError(StoreError):
    """The store holds no kg_rec schema yet, or another one than was asked for."""


class QueryRefusedError(StoreError):
    """User-supplied Cypher was not provably read-only, or is not valid."""


class SnapshotError(KgRecError):
    """A snapshot folder is missing, damaged or does not fit its schema."""


class MissingDependencyError(KgRecError):
    """An optional part (a text model, a plotting library) is not installed."""


class ModelError(KgRecError):
    """A model cannot be trained, saved or loaded as asked."""


class NotFoundError(KgRecError):
    """A user or an item is not in the graph that the model was trained on."""


class LanguageModelError(KgRecError):
    """A language model or its endpoint cannot be used, or gave nothing that can."""


class JobError(KgRecError):
    """A run of a batch job cannot go on; the message says how to resume it or why that is not possible."""
