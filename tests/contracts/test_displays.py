"""The displays that ship, and one of another package, keep the contract of displays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_graph import everything

from kg_rec.explain.explanation import Explanation
from kg_rec.explain.formats import Display, displays
from kg_rec.explain.single import explain
from kg_rec.testing.displays import DisplayContract
from kg_rec.testing.plugins import installed


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    model = everything()
    return explain(model, model.users.key(3), model.items.key(30))


class TestDisplays(DisplayContract):
    @pytest.fixture(params=sorted(displays()))
    def display(self, request: pytest.FixtureRequest) -> Display:
        return displays()[request.param]


def shout(explanation: Explanation) -> str:
    return explanation.text.upper()


SHOUT = Display("shout", "the text in capitals", f"{__name__}:shout", "text/plain", ".txt")


class TestADisplayOfAnotherPackage(DisplayContract):
    @pytest.fixture
    def display(self, tmp_path: Path) -> Iterator[Display]:
        with installed(tmp_path, "kg_rec.displays", "shout", f"{__name__}:SHOUT"):
            yield SHOUT
