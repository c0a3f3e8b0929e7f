"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import kg_rec

PACKAGE = Path(kg_rec.__file__).parent
MODULES = sorted(
    ".".join(["kg_rec", *file.relative_to(PACKAGE).with_suffix("").parts])
    for file in PACKAGE.rglob("*.py")
    if "    >>> " in file.read_text(encoding="utf-8")
)


def test_there_are_examples_to_run() -> None:
    assert {"kg_rec.quantity", "kg_rec.schema.schema", "kg_rec.model.config"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
