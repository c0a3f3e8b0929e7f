"""Processes forked from one that has imported what they need, and has done nothing else: imports take seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from multiprocessing.context import ForkServerContext
from pathlib import Path

_IMPORTED = [
    "kg_rec.api",
    "kg_rec.cli",
    "kg_rec.jobs.run",
    "kg_rec.model.train.train",
    "kg_rec.store.embedded",
    "kg_rec.store.neo4j",
    "pytest",  # the program of the tests, which each process reads
]


def context() -> ForkServerContext:
    """Makes such processes."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(_IMPORTED)
    return found


class KgRec:
    """``kg-rec`` at work in a process of its own.

    Args:
        arguments: of the command line.
        folder: where it works.
        environment: all of its variables; None for those of the tests.
    """

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        self._place = tempfile.TemporaryDirectory()
        self._written = [Path(self._place.name) / name for name in ("out", "err")]
        given = arguments, folder, {**(os.environ if environment is None else environment)}, *self._written
        self._process = context().Process(target=_typed, args=given)
        self._process.start()

    def end(self) -> tuple[int | None, str]:
        """Its exit status, and what it prints to stdout, then to stderr."""
        self._process.join()
        said = "".join(path.read_text(encoding="utf-8") for path in self._written)
        self._place.cleanup()
        return self._process.exitcode, said


def _typed(arguments: list[str], folder: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    from kg_rec.cli import main

    for number, path in enumerate((out, err), start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["kg-rec", *arguments]
    main()
