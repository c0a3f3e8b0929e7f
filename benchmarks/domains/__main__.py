"""Do two joined catalogues help somebody who is new to one of them?

    python -m benchmarks.domains [--members 400] [--seeds 3] [--json]

A library that is made up (:mod:`benchmarks.domains.library`): books in one file, films in another, tied by
``owl:sameAs``.  A quarter of the members have films alone; their books are held out, and books are ranked for them.
``bridged``: the others have both, so taste can lead from films to books too.  ``apart``: nobody has both, and the graph
is the only way.

Prints NDCG@10 with 95 % intervals over these members, of the model, of the same without the graph's facts, of the same
whose films are tied to wrong books, of books by popularity, and of books in random order; and, as ``kg-rec check`` has
it, how many times as many members as by chance like a film and the book it is based on, of right and of wrong joins.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.domains.library import Library
from kg_rec.checks.agreement import agreement
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.evaluation.ablations import without
from kg_rec.evaluation.bootstrap import bootstrap
from kg_rec.loaders.base import load
from kg_rec.metrics import per_user
from kg_rec.model.config import TrainConfig
from kg_rec.model.train.train import train
from kg_rec.progress import Progress
from kg_rec.schema import GraphSchema
from kg_rec.snapshot import Snapshot, export
from kg_rec.store import connect

#: Without texts, and with few settings to choose from.
CONFIG = {
    "channels": ["taste", "relational", "sequence", "knowledge"],
    "recency": [0.0],
    "taste": {"l2": [5.0, 50.0]},
    "gnn": {"dimensions": [16], "exponents": [0.3]},
    "fusion": {"rounds": 1},
    "cold": {"rounds": 1},
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.domains", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=400, metavar="N", help="[default: 400]")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="libraries made  [default: 3]")
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    try:
        with progress_bar() as progress:
            found = {
                name: measured(name == "bridged", options.members, options.seeds, progress)
                for name in ("bridged", "apart")
            }
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=None if options.json else 2))
    return 0


def measured(bridged: bool, members: int, seeds: int, progress: Progress) -> dict[str, Any]:
    """Figures of some libraries together; each member is one value."""
    values: dict[str, list[NDArray[np.float64]]] = {}
    fits: dict[str, list[float]] = {"joined": [], "wrongly_joined": []}
    for seed in range(seeds):
        library = Library.made(members, bridged, seed)
        snapshot = loaded(library)
        wrong = loaded(library.wrongly_joined(seed))
        for name, of in (("joined", snapshot), ("wrongly_joined", wrong)) if bridged else ():
            fits[name] += [r.ratio for r in agreement(of, seed=seed, progress=progress) if r.relation == "BASED_ON"]
        config = TrainConfig.from_dict({**CONFIG, "seed": seed})
        popularity = np.bincount(snapshot.interactions.target, minlength=len(snapshot.items))
        plain, _ = without("no_graph", snapshot, popularity, config)
        ranked = {
            "kg_rec": lists(snapshot, library, config, progress),
            "without_facts": lists(plain, library, config, progress),
            "wrongly_joined": lists(wrong, library, config, progress),
            "popular": by_score(snapshot, library, popularity.astype(float)),
        }
        rng = np.random.default_rng(seed)
        draws = [by_score(snapshot, library, rng.random(len(snapshot.items))) for _ in range(20)]
        relevant = held_out(snapshot, library)
        for name, top in ranked.items():
            values.setdefault(name, []).append(per_user(top, relevant, 10)["ndcg"])
        values.setdefault("random", []).append(np.mean([per_user(top, relevant, 10)["ndcg"] for top in draws], axis=0))
    result: dict[str, Any] = {"members": sum(len(v) for v in values["kg_rec"])}
    for name, parts in values.items():
        both = np.concatenate(parts)
        result[name] = {"ndcg": float(both.mean()), "interval": list(bootstrap(both, 0))}
    if bridged:
        result["based_on_shares_members"] = {name: statistics.fmean(ratios) for name, ratios in fits.items()}
    return result


def loaded(library: Library) -> Snapshot:
    """The library through files, loaders and an embedded graph."""
    with tempfile.TemporaryDirectory() as place, closing(connect(str(Path(place) / "graph"))) as store:
        books, films, likes, mapping = library.write(Path(place))
        load(store, "rdf", books, schema=GraphSchema.bundled("library"))
        load(store, "rdf", films)
        load(store, "table", likes, mapping=mapping)
        return export(store)


def lists(snapshot: Snapshot, library: Library, config: TrainConfig, progress: Progress) -> NDArray[np.int64]:
    """The ten best books of each member who is new to books."""
    model = train(snapshot, config, progress=progress)
    users = snapshot.users.indices(library.new_to_books)
    return model.rank(users, 10, _books(snapshot))[0]


def by_score(snapshot: Snapshot, library: Library, scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The same ten books for all of them."""
    order = np.argsort(-np.where(_books(snapshot), scores, -np.inf), kind="stable")[:10]
    return np.tile(order, (len(library.new_to_books), 1))


def held_out(snapshot: Snapshot, library: Library) -> sparse.csr_array:
    """The books that they liked, which are not in the graph."""
    pairs = [(row, book) for row, books in enumerate(library.held_out) for book in books]
    items = snapshot.items.indices([book for _, book in pairs])
    shape = (len(library.new_to_books), len(snapshot.items))
    return sparse.csr_array((np.ones(len(pairs)), ([row for row, _ in pairs], items)), shape=shape)


def _books(snapshot: Snapshot) -> NDArray[np.bool_]:
    return np.array([key.startswith("book-") for key in snapshot.items.keys.to_pylist()])


if __name__ == "__main__":
    sys.exit(main())
