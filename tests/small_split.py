"""A tiny split in files, and settings that train on it in a second; for the tests of the benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

#: Settings of training, with ``{l2}`` for the penalties to choose from.
QUICK = """
recency = [0.0]
[taste]
l2 = {l2}
[gnn]
dimensions = [4]
exponents = [0.3]
[meaning]
encoder = "none"
[fusion]
rounds = 1
"""


def write_split(
    folder: Path,
    histories: Mapping[str, Iterable[int]],
    items: int,
    l2: list[float],
    key: Callable[[int], str] = str,
) -> Path:
    """The folder, with train.tsv, valid.tsv, test.tsv, facts.tsv (made in: odd or even) and quick.toml.

    Args:
        folder: the folder.
        histories: items by user; the first two are the test, the next two validation.
        items: how many there are.
        l2: penalties of taste to choose from.
        key: of an item.
    """
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user, chosen in histories.items():
        for place, item in enumerate(chosen):
            part = "test" if place < 2 else "valid" if place < 4 else "train"
            parts[part].append(f"{user}\t{key(item)}\t1")
    for part, rows in parts.items():
        (folder / f"{part}.tsv").write_text("user\titem\tplays\n" + "\n".join(rows) + "\n", encoding="utf-8")
    facts = [f"{key(item)}\tmade_in\t{'odd' if item % 2 else 'even'}" for item in range(items)]
    (folder / "facts.tsv").write_text("item_id\trelation\tname\n" + "\n".join(facts) + "\n", encoding="utf-8")
    (folder / "quick.toml").write_text(QUICK.format(l2=l2), encoding="utf-8")
    return folder
