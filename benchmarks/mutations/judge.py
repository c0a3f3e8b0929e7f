"""A run of pytest that measures which test executes which statement, and then judges changes, each in a fork of it.

The tests are imported once; a fork takes over the changed code and runs the tests that execute its statement, the
quickest first, until one fails.  At the end those that failed run in forks without any change: one that fails there
too proves nothing.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from benchmarks.mutations.changes import Mutation, Running, first_line, with_marks

#: What the exit code of a fork says, None for no end in time; every other one says that a test failed.
_SAID = {0: "survived", 3: "outside", None: "slow"}
#: The parts of the package that no model depends on.
_NOT_OF_MODELS = ("kg_rec/explain/", "kg_rec/jobs/", "kg_rec/store/")


@dataclass
class Touched:
    """What is known of the changes so far; kept in a file, so that a run that was broken off goes on.

    Attributes:
        of: the sources and the statements that all this is true of.
        seconds: processor time of each test that passes, by its id.
        failing: tests that fail where nothing is changed; they are not asked.
        tests: for each statement (``file:line``), the tests that execute it.
        killed: for each change that a test noticed, that test.
    """

    of: str
    seconds: dict[str, float] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    tests: dict[str, list[str]] = field(default_factory=dict)
    killed: dict[str, str] = field(default_factory=dict)


class Judge:
    """A plugin of pytest that takes the place of its loop over the tests.

    Args:
        changes: what to judge.
        limit: seconds of processor time for the tests of one change.
        known: a file of what is known of the changes; made if absent, or if it is of other sources.
        of: what the sources are.
        told: takes each verdict: ``killed``, ``survived``, ``slow`` (the time is over), ``untested`` (no test executes
            the statement) or ``outside`` (the change cannot be made in a running process); and the tests asked.
        say: takes a line of progress.
    """

    def __init__(
        self,
        changes: list[Mutation],
        limit: float,
        known: Path,
        of: str,
        told: Callable[[Mutation, str, int], None],
        say: Callable[[str], None],
    ) -> None:
        self.changes, self.limit, self.known, self.told, self.say = changes, limit, known, told, say
        self.touched = Touched(of)
        if known.exists():
            before = Touched(**json.loads(known.read_text(encoding="utf-8")))
            self.touched = before if before.of == of else self.touched
        self._switch: Callable[[str], None] = lambda _: None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure, and judge."""
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} files of tests cannot be read")
        root = session.config.rootpath
        sources = {path: (root / path).read_text(encoding="utf-8") for path in {c.path for c in self.changes}}
        for path in sources:  # a fork that imports a file by itself would read what is not changed
            importlib.import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        self._measure(session.items, root, sources)
        if toys := sys.modules.get("toy_graph"):
            toys.everything()  # made once here, not in each fork
        running = Running.here()
        gc.freeze()  # so that forks share what there is
        items = {item.nodeid: item for item in session.items}
        left = self.changes
        while left:
            verdicts: list[tuple[Mutation, str, int]] = []
            for change in left:
                source = sources[change.path]
                names = self.touched.tests.get(f"{change.path}:{first_line(source, change.line)}", [])
                tests = [items[name] for name in sorted(names, key=self.touched.seconds.__getitem__) if name in items]
                verdict = "killed" if self.touched.killed.get(str(change)) in items else "untested"
                if tests and verdict == "untested":
                    verdict, killer = self._verdict(running, root, change, source, tests)
                    self.say(f"{verdict} {change} {killer or ''}")
                verdicts.append((change, verdict, len(tests)))
            for of_models in (True, False):
                some = [c for c, v, _ in verdicts if v == "killed" and of_models != c.path.startswith(_NOT_OF_MODELS)]
                killers = sorted({self.touched.killed[str(c)] for c in some})
                if killers:
                    path = some[0].path
                    self._controlled(running, root, path, sources[path], [items[name] for name in killers])
            left = [c for c, v, _ in verdicts if v == "killed" and str(c) not in self.touched.killed]
            for change, verdict, count in verdicts:
                if change not in left:
                    self.told(change, verdict, count)
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

    def _measure(self, items: list[pytest.Item], root: Path, sources: dict[str, str]) -> None:
        """Run the tests that nothing is known of, with marks at the statements of the changes."""
        known = {*self.touched.seconds, *self.touched.failing}
        new = [item for item in items if item.nodeid not in known]
        if not new:
            return
        context = ""
        met: set[tuple[str, str]] = set()
        running = Running.here()
        for path, source in sources.items():
            lines = {first_line(source, change.line) for change in self.changes if change.path == path}
            marked = with_marks(source, {line: f"{path}:{line}" for line in lines})
            running.put(str(root / path), marked, lambda statement: met.add((statement, context)))

        def switch(to: str) -> None:
            nonlocal context
            context = to

        self._switch = switch
        for n, item in enumerate(new):
            begun = time.process_time()
            following = new[n + 1] if n + 1 < len(new) else None
            reports = runtestprotocol(item, log=False, nextitem=following)
            if all(report.passed for report in reports):
                self.touched.seconds[item.nodeid] = round(time.process_time() - begun, 3)
            elif any(report.failed for report in reports):
                self.touched.failing.append(item.nodeid)
            self.say(f"measured {n + 1} of {len(new)}: {item.nodeid}")
            if following is None or following.path != item.path:
                self._note(met, [i.nodeid for i in new if i.path == item.path])
                met.clear()
        self._switch = lambda _: None
        for path, source in sources.items():
            running.put(str(root / path), source)

    def _note(self, met: Iterable[tuple[str, str]], of_file: list[str]) -> None:
        """Keep which tests of one file met which statement."""
        passing = [name for name in of_file if name in self.touched.seconds]
        for statement, name in met:
            tests = self.touched.tests.setdefault(statement, [])
            more = [name] if "::" in name else passing
            tests += [test for test in more if test in self.touched.seconds and test not in tests]
        self._keep()

    def _keep(self) -> None:
        self.known.write_text(json.dumps(vars(self.touched)), encoding="utf-8")

    def _verdict(
        self, running: Running, root: Path, change: Mutation, source: str, tests: list[pytest.Item]
    ) -> tuple[str, str | None]:
        """What the tests say of a change, and the test that fails."""
        asked = [item for item in tests if item.nodeid not in self.touched.failing]
        verdict, killer = self._fork(running, root, change.path, change.applied(source), asked)
        if killer is not None:
            self.touched.killed[str(change)] = killer
            self._keep()
        return verdict, killer

    def _controlled(self, running: Running, root: Path, path: str, source: str, killers: list[pytest.Item]) -> None:
        """Find the tests that fail in a fork without any change too; they are not asked again."""
        while killers:
            _, failing = self._fork(running, root, path, source, killers)
            if failing is None:
                return
            self.touched.failing.append(failing)
            self.touched.killed = {c: name for c, name in self.touched.killed.items() if name != failing}
            self._keep()
            killers = [item for item in killers if item.nodeid != failing]

    def _fork(
        self, running: Running, root: Path, path: str, source: str, tests: list[pytest.Item]
    ) -> tuple[str, str | None]:
        """The verdict on a file with that source, and the test that fails."""
        reading, writing = os.pipe()
        models = tempfile.mkdtemp()
        pid = os.fork()
        if pid == 0:
            code = 2
            try:
                os.setsid()
                gc.disable()
                resource.setrlimit(resource.RLIMIT_CPU, (int(self.limit) + 1, int(self.limit) + 2))
                signal.signal(signal.SIGXCPU, lambda *_: os._exit(4))
                running.put(str(root / path), source)
                running.forget(() if path.startswith(_NOT_OF_MODELS) else ("/tests/",))
                if toys := sys.modules.get("toy_graph"):
                    toys.MODELS = toys.MODELS if path.startswith(_NOT_OF_MODELS) else Path(models)
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
        shutil.rmtree(models, ignore_errors=True)
        with os.fdopen(reading) as begun:
            last = begun.read().split()
        if ended in _SAID:
            return _SAID[ended], None
        return ("killed", tests[int(last[-1])].nodeid) if last else ("outside", None)

    def _waited(self, pid: int) -> int | None:
        """The exit code of a process; None where the time is over, on the clock ten times the processor's."""
        until = time.monotonic() + 10 * self.limit
        while time.monotonic() < until:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return None if code in (4, -signal.SIGXCPU, -signal.SIGKILL) else code
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return None
