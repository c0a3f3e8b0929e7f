"""A run of pytest that measures which test touches which line, and then judges changes, each in a fork of it.

The tests are imported once; a fork takes over the changed code and runs the tests that touch its line, the quickest
first, until one fails.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import coverage
import pytest
from _pytest.runner import runtestprotocol

from benchmarks.mutations.changes import Mutation, lines_around, put_in_place

#: What the exit code of a fork says, None for no end in time; every other one says that a test failed.
_SAID = {0: "survived", 3: "outside", None: "slow"}


@dataclass
class Touched:
    """What the tests do where nothing is changed."""

    #: Seconds of each test that passes, by its id.
    seconds: dict[str, float] = field(default_factory=dict)
    #: Tests that fail; they are not asked.
    failing: list[str] = field(default_factory=list)
    #: Source file -> line -> the tests that touch it.
    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def tests_for(self, path: str, around: range) -> list[str]:
        """The tests that touch some lines of a file, the quickest first."""
        lines = self.lines.get(path, {})
        met = {test for line in around for test in lines.get(str(line), ())}
        return sorted(met & self.seconds.keys(), key=self.seconds.__getitem__)


class Judge:
    """A plugin of pytest that takes the place of its loop over the tests.

    Args:
        changes: what to judge.
        limit: seconds for the tests of one change.
        known: a file of what the tests touch; made if absent.
        told: takes each verdict: ``killed``, ``survived``, ``slow`` (the time is over), ``untested`` (no test touches
            the line) or ``outside`` (the change cannot be made in a running process).
        say: takes a line of progress.
    """

    def __init__(
        self,
        changes: list[Mutation],
        limit: float,
        known: Path,
        told: Callable[[Mutation, str, int], None],
        say: Callable[[str], None],
    ) -> None:
        self.changes, self.limit, self.known, self.told, self.say = changes, limit, known, told, say
        self.touched = Touched()
        self._sound: set[str] = set()
        self._switch: Callable[[str], None] = lambda _: None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure, and judge."""
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} files of tests cannot be read")
        if self.known.exists():
            self.touched = Touched(**json.loads(self.known.read_text(encoding="utf-8")))
        else:
            self.touched = self._measured(session)
            self.known.write_text(json.dumps(vars(self.touched)), encoding="utf-8")
        items = {item.nodeid: item for item in session.items}
        for change in self.changes:
            file = session.config.rootpath / change.path
            source = file.read_text(encoding="utf-8")
            around = lines_around(source, change.line)
            tests = [items[name] for name in self.touched.tests_for(change.path, around) if name in items]
            verdict = self._verdict(str(file), source, change.applied(source), tests) if tests else "untested"
            self.told(change, verdict, len(tests))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """What a fixture of a file makes is used by every test of the file."""
        self._switch(item.nodeid.partition("::")[0])
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """What is used by one test."""
        self._switch(item.nodeid)
        return (yield)

    def _measured(self, session: pytest.Session) -> Touched:
        touched, package = Touched(), session.config.rootpath / "kg_rec"
        measured = coverage.Coverage(data_file=None, source=[str(package)], messages=False)
        measured.start()
        self._switch = measured.switch_context
        by_file: dict[str, list[str]] = {}
        for n, item in enumerate(session.items):
            begun = time.perf_counter()
            following = session.items[n + 1] if n + 1 < len(session.items) else None
            reports = runtestprotocol(item, log=False, nextitem=following)
            if all(report.passed for report in reports):
                touched.seconds[item.nodeid] = round(time.perf_counter() - begun, 3)
                by_file.setdefault(item.nodeid.partition("::")[0], []).append(item.nodeid)
            elif any(report.failed for report in reports):
                touched.failing.append(item.nodeid)
            self.say(f"measured {n + 1} of {len(session.items)}: {item.nodeid}")
        self._switch = lambda _: None
        measured.stop()
        data = measured.get_data()
        for file in sorted(data.measured_files()):
            found = touched.lines.setdefault(os.path.relpath(file, session.config.rootpath), {})
            for line, names in data.contexts_by_lineno(file).items():
                tests = [test for name in names for test in ([name] if "::" in name else by_file.get(name, []))]
                found[str(line)] = sorted(set(tests))
        return touched

    def _verdict(self, file: str, source: str, changed: str, tests: list[pytest.Item]) -> str:
        """What the tests say of a change; one that fails in a fork without it too is not asked again."""
        while True:
            asked = [item for item in tests if item.nodeid not in self.touched.failing]
            verdict, killer = self._fork(file, changed, asked)
            if killer is None or killer in self._sound:
                return verdict
            control, _ = self._fork(file, source, [item for item in asked if item.nodeid == killer])
            if control == "survived":
                self._sound.add(killer)
            else:
                self.touched.failing.append(killer)

    def _fork(self, file: str, source: str, tests: list[pytest.Item]) -> tuple[str, str | None]:
        """The verdict on a file with that source, and the test that fails."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 2
            try:
                os.setsid()
                put_in_place(file, source)
                for n, item in enumerate(tests):
                    following = tests[n + 1] if n + 1 < len(tests) else None
                    os.write(writing, f"{n}\n".encode())
                    if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                        os._exit(1)
                code = 0
            except ValueError:
                code = 3
            finally:
                os._exit(code)
        os.close(writing)
        ended = self._waited(pid)
        with os.fdopen(reading) as begun:
            last = begun.read().split()
        if ended in _SAID:
            return _SAID[ended], None
        return "killed", tests[int(last[-1])].nodeid if last else None

    def _waited(self, pid: int) -> int | None:
        """The exit code of a process; None where the time is over."""
        until = time.monotonic() + self.limit
        while time.monotonic() < until:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return None
