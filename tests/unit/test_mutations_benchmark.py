"""The changes of benchmarks.mutations take effect in the process that runs the tests."""

from __future__ import annotations

import gc
import importlib.util
from pathlib import Path

from benchmarks.mutations.changes import Running, mutations


def test_a_change_is_made_in_functions_that_the_collector_has_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "larger.py"
    file.write_text("def larger(a, b):\n    return a > b\n")
    spec = importlib.util.spec_from_file_location("larger", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (change,) = mutations("larger.py", file.read_text())
    gc.freeze()  # as tests/conftest.py does
    Running.here().put(str(file), change.applied(file.read_text()))
    assert module.larger(1, 1)
