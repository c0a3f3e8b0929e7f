from __future__ import annotations

import pytest
from explain_paths import Make

from kg_rec.schema import GraphSchema


@pytest.fixture(scope="session")
def films() -> Make:
    return Make(GraphSchema.bundled("movies"))


@pytest.fixture(scope="session")
def music() -> Make:
    return Make(GraphSchema.bundled("music"), item_name="Low")
