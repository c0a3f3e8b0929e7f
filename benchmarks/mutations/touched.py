"""Which tests touch which line, and how long each test takes: each file of tests runs once in a process of its own.

A value that a file of tests makes once (a fixture of a module, a cached model) touches its lines in the first test that
asks for it.  So the tests to run for a line are those that touch it, and then the rest of their files.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Touched:
    """What a run of the unmutated tests did."""

    #: Seconds of each test that passes, by its id.
    seconds: dict[str, float] = field(default_factory=dict)
    #: Tests that fail without any change; they are not asked.
    failing: list[str] = field(default_factory=list)
    #: Source file -> line -> the tests that touch it; "FILE::" stands for the import by a file of tests.
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    def add(self, other: Touched) -> None:
        self.seconds.update(other.seconds)
        self.failing += other.failing
        for path, lines in other.lines.items():
            for line, tests in lines.items():
                self.lines.setdefault(path, {}).setdefault(line, []).extend(tests)

    def tests_for(self, path: str, first: int, last: int) -> tuple[list[str], list[str]]:
        """The tests that touch lines ``first`` to ``last``, and the others of their files; the quickest first.

        A line that runs at import only is everybody's who touches anything of its file, else who imports it.
        """
        lines = self.lines.get(path, {})
        met = {test for line in range(first, last + 1) for test in lines.get(line, ())}
        touching = {test for test in met if not test.endswith("::")}
        if met and not touching:
            everyone = {test for tests in lines.values() for test in tests}
            touching = {test for test in everyone if not test.endswith("::")}
        files = {test.partition("::")[0] for test in touching or met}
        others = {test for test in self.seconds if test.partition("::")[0] in files} - touching
        wanted = touching & self.seconds.keys()
        return sorted(wanted, key=self.seconds.__getitem__), sorted(others, key=self.seconds.__getitem__)

    @classmethod
    def from_json(cls, text: str) -> Touched:
        parts = json.loads(text)
        lines = {path: {int(n): tests for n, tests in found.items()} for path, found in parts["lines"].items()}
        return cls(parts["seconds"], parts["failing"], lines)

    def to_json(self) -> str:
        return json.dumps({"seconds": self.seconds, "failing": self.failing, "lines": self.lines})


class _Contexts:
    """A plugin of pytest that says to coverage which test runs."""

    def __init__(self, measured: Any, tests: str) -> None:
        self.measured, self.tests, self.told = measured, tests, Touched()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.measured.switch_context(item.nodeid)
        begun = time.perf_counter()
        result = yield
        if item.nodeid not in self.told.failing:
            self.told.seconds[item.nodeid] = round(time.perf_counter() - begun, 3)
        self.measured.switch_context(f"{self.tests}::")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed" and report.nodeid not in self.told.failing:
            self.told.failing.append(report.nodeid)


def of_file(folder: Path, tests: str) -> Touched:
    """Run one file of tests in this process, and measure."""
    import coverage

    measured = coverage.Coverage(data_file=None, source=[str(folder / "kg_rec")], messages=False)
    plugin = _Contexts(measured, tests)
    measured.start()
    measured.switch_context(f"{tests}::")
    pytest.main(["-q", "-p", "no:cacheprovider", "-m", "unit or contract", tests], plugins=[plugin])
    measured.stop()
    data = measured.get_data()
    for file in sorted(data.measured_files()):
        path = os.path.relpath(file, folder)
        plugin.told.lines[path] = {
            line: [name for name in names if name] for line, names in sorted(data.contexts_by_lineno(file).items())
        }
    return plugin.told
