"""Processes forked from one that has imported what they need, and has done nothing else: imports take seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

#: A module that is not on the path of a test is left out.
_IMPORTED = [
    "job_faults",
    "kg_rec.api",
    "kg_rec.cli",
    "kg_rec.jobs.run",
    "kg_rec.model.train.train",
    "kg_rec.store.embedded",
    "kg_rec.store.neo4j",
    "pytest",  # the program of the tests, which each process reads
]


def context() -> ForkServerContext:
    """Makes such processes; all tests fork from one."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(_IMPORTED)
    return found


def start(more: Sequence[str]) -> None:
    """Start the process that all fork from, if it is not at work yet, with more modules than most tests need."""
    context().set_forkserver_preload([*_IMPORTED, *more])
    forkserver.ensure_running()


class Program:
    """Code at work in a process of its own, as ``python -c``.

    Args:
        code: as text.
        folder: where it works.
        environment: all of its variables; None for those of the tests.
        arguments: what follows the code.
    """

    def __init__(
        self, code: str, folder: Path, environment: dict[str, str] | None = None, arguments: Sequence[str] = ()
    ) -> None:
        self._place = tempfile.TemporaryDirectory()
        self._written = [Path(self._place.name) / name for name in ("out", "err")]
        given = code, arguments, folder, {**(os.environ if environment is None else environment)}, *self._written
        self._process = context().Process(target=_run, args=given)
        self._process.start()

    def end(self) -> tuple[int | None, str, str]:
        """Its exit status, and what it prints to stdout and to stderr."""
        self._process.join()
        out, err = (path.read_text(encoding="utf-8") for path in self._written)
        self._place.cleanup()
        return self._process.exitcode, out, err


def kg_rec(arguments: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> Program:
    """``kg-rec`` with these arguments."""
    return Program("from kg_rec.cli import main\nmain()", folder, environment, arguments)


def _run(code: str, arguments: Sequence[str], folder: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    for number, path in enumerate((out, err), start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["kg-rec", *arguments]
    exec(code, {"__name__": "__main__"})
