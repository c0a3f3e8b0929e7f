"""A small world for the command line: thirty films in two kinds, forty viewers who each like one kind."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from kg_rec.cli import main

#: Quick settings.
SMALL = [
    "--no-text",
    *("--set", "gnn.dimensions=4", "--set", "gnn.exponents=[0.3]"),
    *("--set", "taste.l2=[5.0]", "--set", "fusion.rounds=1", "--set", "cold.rounds=1", "--set", "recency=[0.0]"),
]


@dataclass(frozen=True)
class World:
    """Where everything is."""

    folder: Path

    @property
    def ratings(self) -> Path:
        return self.folder / "tiny"

    @property
    def facts(self) -> Path:
        return self.folder / "facts.tsv"

    @property
    def graph(self) -> Path:
        return self.folder / "films.graph"

    @property
    def model(self) -> Path:
        return self.folder / "model"


def run(*args: object, code: int = 0) -> Result:
    """The result of ``kg-rec ARGS``, whose exit status is as expected."""
    result = CliRunner().invoke(main, [str(a) for a in args])
    shown = f"{result.output}\n{result.exception!r}"
    assert result.exit_code == code, shown
    return result


def write_ratings(folder: Path) -> None:
    rng = random.Random(3)
    folder.mkdir()
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(40):
        liked = [i for i in range(30) if i % 2 == user % 2]
        other = [i for i in range(30) if i % 2 != user % 2]
        films = [(i, 5) for i in rng.sample(liked, 9)] + [(i, 1) for i in rng.sample(other, 2)]
        rows += [f"u{user}\tf{i}\t{stars}\t{1_000_000 + 1000 * n}" for n, (i, stars) in enumerate(films)]
    (folder / "tiny.inter").write_text("\n".join(rows) + "\n", encoding="utf-8")
    rows = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    rows += [f"f{i}\tFilm № {i}\t{1990 + i}\t{'Western' if i % 2 else 'Comedy'}" for i in range(30)]
    (folder / "tiny.item").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_facts(path: Path) -> None:
    rows = ["item_id\trelation\tname"]
    rows += [f"f{i}\tdirected_by\tDirector {i % 2}{i % 3}" for i in range(30)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
