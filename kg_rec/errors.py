"""The exceptions of kg_rec: one small tree, all of it here.

::

    KgRecError                     every error that kg_rec raises on purpose
    ├── ConfigError                a setting or an argument is wrong
    │   ├── SettingError           one setting; ``setting`` names it
    │   └── ArgumentError          one argument of a function (also a ValueError)
    ├── SchemaError                a graph schema file is not valid
    ├── LoadError                  an input file is malformed; ``path`` and ``line`` say where
    ├── StoreError                 a graph store refused or failed an operation
    │   ├── StoreUnavailableError  no server answers, or there is no such database
    │   ├── AuthenticationError    the server refused the credentials
    │   ├── SchemaNotAppliedError  the store holds no schema of kg_rec, or another one
    │   └── QueryRefusedError      a user's Cypher is not provably read-only, or not valid
    ├── SnapshotError              a snapshot is missing, damaged, or does not fit its schema
    ├── SplitError                 interactions cannot be split as asked
    ├── ModelError                 a model cannot be trained, saved or loaded as asked
    ├── NotFoundError              a user or an item is not in the model's graph
    ├── MissingDependencyError     an optional part is not installed
    ├── WorkerError                a worker process ended before its work was done
    ├── PhraseError                a phrasebook is malformed, or a phrase does not fit
    ├── LanguageModelError         a language model cannot be used, or gave nothing that can
    │   ├── AnswerError            one answer cannot be used; others may be good
    │   ├── BudgetSpentError       the next request could exceed a cap; it was not sent
    │   └── TemporaryFaultError    no answer this time; a later try may succeed
    ├── EvaluationError            a log cannot answer what is asked of it
    ├── FeedbackError              an event is not valid, or there is nothing to learn from
    └── JobError                   a run of a batch job cannot go on
        ├── StoppedError           the run was asked to stop; it can be resumed
        └── CancelledError         another process cancelled the run

Each message says what was expected, what was got and what to do.  The command line turns any
:class:`KgRecError` into one line on stderr and exit status 1.
"""

from __future__ import annotations

from pathlib import Path

#: The longest message, in characters; of a longer one the middle is left out.
MOST_CHARACTERS = 2_000


class KgRecError(Exception):
    """Base of every error that kg_rec raises on purpose.

    What a message quotes from a file can be printed: it is bounded, and half a character is shown as an escape.
    """

    def __init__(self, message: str = "") -> None:
        text = message.encode("utf-8", "backslashreplace").decode()
        if len(text) > MOST_CHARACTERS:
            half = MOST_CHARACTERS // 2
            text = f"{text[:half]} ... {text[-half + 5 :]}"
        super().__init__(text)


class ConfigError(KgRecError):
    """A setting or an argument is unknown, of the wrong type or out of range."""


class SettingError(ConfigError):
    """A fault of one setting.

    Args:
        message: what was expected and what was got.
        setting: its path, such as ``gnn.iterations`` or ``candidates.caps[0].most``.
    """

    def __init__(self, message: str, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


class ArgumentError(ConfigError, ValueError):
    """An argument of a function is out of range, or does not fit the others; a ``ValueError`` as well."""


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


class SplitError(KgRecError):
    """Interactions cannot be split as asked: they carry no times, or are too few."""


class ModelError(KgRecError):
    """A model cannot be trained, saved or loaded as asked."""


class NotFoundError(KgRecError):
    """A user or an item is not in the graph that the model was trained on."""


class MissingDependencyError(KgRecError):
    """An optional part (a text model, a plotting library) is not installed."""


class WorkerError(KgRecError):
    """A worker process ended before its work was done."""


class PhraseError(KgRecError):
    """A phrasebook file is malformed, or one of its phrases does not fit; the message names file and line."""


class LanguageModelError(KgRecError):
    """A language model or its endpoint cannot be used, or gave nothing that can."""


class AnswerError(LanguageModelError):
    """One answer cannot be used: it is no JSON, has another form, or was cut off.  Others may be good."""


class BudgetSpentError(LanguageModelError):
    """The next request could exceed the cap on requests or on cost; it was not sent."""


class TemporaryFaultError(LanguageModelError):
    """The endpoint gave no answer this time: too many requests, a timeout, a lost connection.

    Args:
        message: what happened.
        wait: seconds that the server asked to wait before the next try; 0 where it named none.
    """

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class EvaluationError(KgRecError):
    """A log cannot answer what is asked of it: too few rounds, or numbers that are no probabilities."""


class FeedbackError(KgRecError):
    """An event of feedback is not valid, or there is nothing to learn from or to take back."""


class JobError(KgRecError):
    """A run of a batch job cannot go on; the message says how to resume it or why that is not possible."""


class StoppedError(JobError):
    """The run was asked to stop; it can be resumed."""


class CancelledError(JobError):
    """The run was cancelled by another process."""
