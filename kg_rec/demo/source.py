"""What the demo loads, by the files that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kg_rec.errors import ConfigError
from kg_rec.loaders.demo import FILMS

#: Readable facts beside RecBole's files: item_id, relation, name.
FACTS = "dbpedia_facts.tsv"


@dataclass(frozen=True)
class Source:
    """What is loaded: calls of :func:`load`, and words about them."""

    loads: tuple[tuple[str, Path, Mapping[str, Any]], ...]
    words: str
    simulated: bool
    notes: tuple[str, ...] = ()


def source_of(data: Path | None, viewers: int, seed: int) -> Source:
    """What to load, by the files in a folder; without one, the bundled films with simulated viewers.

    Raises:
        ConfigError: the files are of no known format.
    """
    if data is None:
        load_films = ("demo", FILMS, {"viewers": viewers, "seed": seed})
        return Source((load_films,), f"the bundled films with {viewers:,} simulated viewers", True)
    folder = data if data.is_dir() else data.parent
    recbole = (data.is_dir() and any(data.glob("*.inter*"))) or ".inter" in data.name
    if not recbole and not any(any(folder.glob(f"{name}*")) for name in ("u.data", "ratings.dat", "ratings.csv")):
        raise ConfigError(
            f"{data}: expected a folder with u.data, ratings.dat or ratings.csv (GroupLens) or *.inter (RecBole); "
            "unpack the data and give its folder"
        )
    form = "recbole" if recbole else "movielens"
    options: dict[str, Any] = {}
    facts = folder / FACTS
    if not facts.is_file():
        notes: tuple[str, ...] = ()
        if recbole and any(folder.glob("*.kg")):
            notes = ("The knowledge graph (.kg) names its entities by machine ids, and so do the explanations.",)
        return Source(((form, data, options),), f"{folder.name} ({form} files)", False, notes)
    left_out: tuple[str, ...] = ()
    if recbole and any(folder.glob("*.kg")):
        options["kg"] = "none"
        left_out = (f"The .kg file is left out: its entities have machine ids; the facts of {FACTS} have names.",)
    words = f"{folder.name} ({form} files, facts from {FACTS})"
    return Source(((form, data, options), ("table", facts, {})), words, False, left_out)
