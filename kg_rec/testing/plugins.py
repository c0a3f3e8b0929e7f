"""A package that is installed for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def installed(folder: Path, group: str, name: str, value: str) -> Iterator[None]:
    """Make an entry point known, as installing a package does.

    Args:
        folder: an empty folder; it gets the package's metadata and stands on ``sys.path`` meanwhile.
        group: of the entry point, such as ``kg_rec.tables``.
        name: its name.
        value: ``module:object``; the module has to be importable, as the test's own module is.
    """
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
