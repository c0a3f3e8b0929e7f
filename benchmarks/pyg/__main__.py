"""Mini-batches of a graph in Neo4j and of an embedded one, against those from memory and against a bare driver.

    python -m benchmarks.pyg --json
    python -m benchmarks.pyg --graph neo4j://localhost:7687
    python -m benchmarks.pyg --data ../shared/data/ml-100k

The graph is the demonstration with --viewers simulated people, or with --data MovieLens 100K with named facts.  It is
put into a folder and, with --graph, into a server, which has to be empty; ``start`` (the default) starts one for the
benchmark, ``none`` leaves it out.  All loaders start from the same --links interactions, in mini-batches of --batch,
with as many negative ones and with --neighbors.  All are measured one after the other, --repeats times, and the best
counts.  One object with --json:

- ``samples_per_s``: links a second of one pass: ``memory`` (the exported graph, the same sampler), and of each store
  ``cold`` (empty caches) and ``warm`` (a second pass);
- ``lookup_s``: seconds of the look-ups in the cold pass, of each store, and of the official driver that makes those of
  Neo4j again and drops what comes: ``bare_driver`` as lists in one row (as kg_rec asks), ``bare_driver_rows`` as rows;
- ``train_per_s``: links a second while a network of two layers learns, with empty caches; ``prefetched``: mini-batches
  are made in a thread; ``--delay-ms`` holds each look-up back there, as by a server far away;
- ``ratios``: quotients of these;
- ``open_s``: seconds of ``remote_backend``, and of the export that it spares;
- ``lookups``: statements, keys and rows of a cold pass; ``different``: mini-batches that differ from memory's;
- ``load``: the machine's, as the mean of the last minute, before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import ToUndirected

from benchmarks.explanations.graph import FACTS
from benchmarks.jobs.__main__ import served
from benchmarks.jobs.stages import is_empty
from benchmarks.pyg.batches import Work, passed, trained
from benchmarks.pyg.lookups import Recorded, Watched, seconds_of_bare_driver
from kg_rec import pyg
from kg_rec.cli.console import print_table
from kg_rec.errors import KgRecError
from kg_rec.loaders.base import load
from kg_rec.loaders.demo import FILMS
from kg_rec.snapshot import export
from kg_rec.store import GraphStore, connect

T = TypeVar("T")


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    before = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="kg_rec-pyg-") as name, served(_server(options.graph)) as url:
            found = _measured(options, str(Path(name) / "graph"), url)
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found["load"] = [round(before, 2), round(os.getloadavg()[0], 2)]
    if options.json:
        print(json.dumps(found))
    else:
        _show(found)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pyg", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", default="start", metavar="URL", help="start, none, or an empty server")
    parser.add_argument("--data", type=Path, metavar="DIR", help="MovieLens 100K with named facts")
    parser.add_argument("--viewers", type=int, default=1000, help="of the demonstration  [default: 1000]")
    parser.add_argument("--links", type=int, default=10_240, help="to start from  [default: 10240]")
    parser.add_argument("--batch", type=int, default=256, help="links a mini-batch  [default: 256]")
    parser.add_argument("--neighbors", type=int, nargs="+", default=[10, 5], help="per hop  [default: 10 5]")
    parser.add_argument("--cache-mib", type=int, default=256, help="room of each cache  [default: 256]")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="of a look-up while training  [default: 0]")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, of which the best counts  [default: 3]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def _server(graph: str) -> str | None:
    return None if graph == "none" else graph


def _measured(options: argparse.Namespace, folder: str, url: str | None) -> dict[str, Any]:
    if url is not None and not is_empty(url):
        raise KgRecError(f"{url} is not empty; give an empty server")
    with ExitStack() as stack:
        stores = {"embedded": stack.enter_context(closing(connect(folder)))}
        if url is not None:
            stores["neo4j"] = stack.enter_context(closing(connect(url)))
        for store in stores.values():
            _fill(store, options)
        snapshot, export_s = _timed(lambda: export(stores["embedded"]))
        exported = ToUndirected(merge=False)(snapshot.to_pyg(numbers=True, drop_empty=True))
        work = _work(exported, options)
        measure = Measure(work, exported, options)
        measure.least("open_s", "export", export_s)
        bare = _lookups(measure, stores["neo4j"]) if "neo4j" in stores else {}
        for _ in range(options.repeats):
            measure.memory()
            for name, store in stores.items():
                measure.store(name, store)
            for form, lookups in bare.items():
                measure.least("lookup_s", form, seconds_of_bare_driver(str(url), lookups))
    found = measure.found
    found["repeats"] = options.repeats
    found["ratios"] = _ratios(found["samples_per_s"], found["train_per_s"], found["lookup_s"])
    return found


class Measure:
    """The best figures of several rounds."""

    def __init__(self, work: Work, exported: HeteroData, options: argparse.Namespace) -> None:
        self.work, self._exported = work, exported
        self._cache_mib, self._delay = options.cache_mib, options.delay_ms / 1000
        self._counts = {name: int(exported[name].num_nodes) for name in exported.node_types}
        self._digests = passed(work, exported)[1]
        edges = sum(exported[kind].edge_index.shape[1] for kind in exported.edge_types) // 2
        self.found: dict[str, Any] = {
            "graph": {"nodes": self._counts, "edges": edges},
            "links": work.links.shape[1],
            "batch": work.batch,
            "neighbors": list(work.neighbors),
            "cache_mib": self._cache_mib,
            "delay_ms": options.delay_ms,
            "samples_per_s": {},
            "lookup_s": {},
            "train_per_s": {},
            "open_s": {},
            "different": 0,
        }

    def best(self, part: str, name: str, speed: float) -> None:
        """Keep a speed if it is the best of its name."""
        self.found[part][name] = max(speed, self.found[part].get(name, 0.0))

    def least(self, part: str, name: str, seconds: float) -> None:
        """Keep a time if it is the best of its name."""
        self.found[part][name] = min(seconds, self.found[part].get(name, seconds))

    def opened(self, store: Any) -> Any:
        """The store with empty caches."""
        return pyg.remote_backend(store, numbers=True, drop_empty=True, cache_mib=self._cache_mib)

    def memory(self) -> None:
        """A round of the exported graph."""
        self.best("samples_per_s", "memory", passed(self.work, self._exported)[0])
        loader = self.work.loader(self._exported)
        self.best("train_per_s", "memory", trained(self.work, self._exported, loader, self._counts))

    def store(self, name: str, store: GraphStore) -> None:
        """A round of one store."""
        watched = Watched(store)
        data, seconds = _timed(lambda: self.opened(watched))
        self.least("open_s", name, seconds)
        for state in ("cold", "warm"):
            speed, digests = passed(self.work, data)
            self.best("samples_per_s", f"{name}_{state}", speed)
            if state == "cold":
                self.least("lookup_s", name, watched.seconds)
            self.found["different"] += sum(a != b for a, b in zip(self._digests, digests, strict=True))
        for how, ahead in ((name, False), (f"{name}_prefetched", True)):
            data = self.opened(Watched(store, self._delay))
            loader = self.work.loader(data)
            batches = pyg.prefetched(loader) if ahead else loader
            self.best("train_per_s", how, trained(self.work, data, batches, self._counts))


def _lookups(measure: Measure, server: GraphStore) -> dict[str, list[tuple[str, list[str]]]]:
    """What a pass with empty caches looks up, in two forms."""
    recorded = Recorded(server)
    passed(measure.work, measure.opened(recorded))
    measure.found["lookups"] = {
        "statements": len(recorded.lists),
        "keys": recorded.keys,
        "rows": recorded.found,
    }
    return {"bare_driver": recorded.lists, "bare_driver_rows": recorded.rows}


def _fill(store: GraphStore, options: argparse.Namespace) -> None:
    if options.data is None:
        load(store, "demo", FILMS, viewers=options.viewers)
    else:
        load(store, "recbole", options.data, kg="none")
        load(store, "table", options.data / FACTS)


def _work(exported: HeteroData, options: argparse.Namespace) -> Work:
    kind = next(k for k in exported.edge_types if "liked" in exported[k] and not k[1].startswith("rev_"))
    edges = exported[kind].edge_index
    order = torch.randperm(edges.shape[1], generator=torch.Generator().manual_seed(options.seed))
    return Work(kind, edges[:, order[: options.links]], tuple(options.neighbors), options.batch, options.seed)


def _ratios(speed: dict[str, float], train: dict[str, float], lookup: dict[str, float]) -> dict[str, float]:
    pairs = {f"{name} to memory": (speed[name], speed["memory"]) for name in speed if name != "memory"}
    for name in ("embedded", "neo4j"):
        if name in train:
            pairs[f"{name} prefetched to not, while training"] = (train[f"{name}_prefetched"], train[name])
            pairs[f"{name} prefetched to memory, while training"] = (train[f"{name}_prefetched"], train["memory"])
    for form in ("bare_driver", "bare_driver_rows"):
        if form in lookup:
            pairs[f"speed of look-ups, neo4j to {form}"] = (lookup[form], lookup["neo4j"])
    return {name: round(one / other, 3) for name, (one, other) in pairs.items()}


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _show(found: dict[str, Any]) -> None:
    rows = [(name, f"{value:,.0f} links/s") for name, value in found["samples_per_s"].items()]
    rows += [(f"look-ups, {name}", f"{value:.2f} s") for name, value in found["lookup_s"].items()]
    rows += [(f"training, {name}", f"{value:,.0f} links/s") for name, value in found["train_per_s"].items()]
    rows += [(f"open, {name}", f"{value:.2f} s") for name, value in found["open_s"].items()]
    rows += [(name, f"{value:.2f}") for name, value in found["ratios"].items()]
    rows += [(name, f"{value:,}") for name, value in found.get("lookups", {}).items()]
    rows += [("mini-batches that differ", str(found["different"])), ("load", "{} -> {}".format(*found["load"]))]
    print_table(["measure", "figure"], rows, ["figure"])


if __name__ == "__main__":
    sys.exit(main())
