"""Mini-batches of a graph in Neo4j and of an embedded one, against those from memory and against a bare driver.

    python -m benchmarks.pyg --json
    python -m benchmarks.pyg --graph neo4j://localhost:7687
    python -m benchmarks.pyg --data ../shared/data/ml-100k

The graph is the demonstration with --viewers simulated people, or with --data MovieLens 100K with named facts.  It is
put into a folder and, with --graph, into a server, which has to be empty; ``start`` (the default) starts one for the
benchmark, ``none`` leaves it out.  All loaders start from the same --links interactions, in mini-batches of --batch,
with as many negative ones and with --neighbors.  One object with --json:

- ``samples_per_s``: links a second of one pass: ``memory`` (the exported graph, the same sampler), and of each store
  ``cold`` (empty caches) and ``warm`` (a second pass); ``bare_driver``: the official driver makes the look-ups of the
  cold pass again, and drops what comes, as lists in one row (as kg_rec asks) and as ``rows``;
- ``train_per_s``: the same while a network of two layers learns, with empty caches; ``prefetched``: in a thread;
- ``ratios``: quotients of these;
- ``open_s``: seconds of ``remote_backend``, and of the export that it spares;
- ``lookups``: statements, keys and rows of the cold pass; ``different``: mini-batches that differ from memory's;
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
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import ToUndirected

from benchmarks.explanations.graph import FACTS
from benchmarks.jobs.__main__ import served
from benchmarks.jobs.stages import is_empty
from benchmarks.pyg.batches import Work, passed, trained
from benchmarks.pyg.lookups import Recorded, seconds_of_bare_driver
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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def _server(graph: str) -> str | None:
    return None if graph == "none" else graph


def _measured(options: argparse.Namespace, folder: str, url: str | None) -> dict[str, Any]:
    if url is not None and not is_empty(url):
        raise KgRecError(f"{url} is not empty; give an empty server")
    with closing(connect(folder)) as store:
        _fill(store, options)
        snapshot, export_s = _timed(lambda: export(store))
        exported = ToUndirected(merge=False)(snapshot.to_pyg(numbers=True, drop_empty=True))
        work = _work(exported, options)
        counts = {name: int(exported[name].num_nodes) for name in exported.node_types}
        speed: dict[str, float] = {}
        train: dict[str, float] = {}
        found: dict[str, Any] = {
            "graph": {"nodes": counts, "edges": sum(exported[k].edge_index.shape[1] for k in exported.edge_types) // 2},
            "links": work.links.shape[1],
            "batch": work.batch,
            "neighbors": list(work.neighbors),
            "cache_mib": options.cache_mib,
            "samples_per_s": speed,
            "train_per_s": train,
            "open_s": {"export": export_s},
            "different": 0,
        }
        passed(work, exported)
        speed["memory"], digests = passed(work, exported)
        train["memory"] = trained(work, exported, work.loader(exported), counts)
        _store(found, "embedded", store, work, digests, counts)
    if url is not None:
        with closing(connect(url)) as server:
            _fill(server, options)
            recorded = Recorded(server)
            passed(work, pyg.remote_backend(recorded, numbers=True, drop_empty=True, cache_mib=options.cache_mib))
            found["lookups"] = {
                "statements": len(recorded.lists),
                "keys": sum(len(keys) for _, keys in recorded.lists),
                "rows": recorded.found,
            }
            _store(found, "neo4j", server, work, digests, counts)
        for form, lookups in (("bare_driver", recorded.lists), ("bare_driver_rows", recorded.rows)):
            speed[form] = work.links.shape[1] / seconds_of_bare_driver(url, lookups)
    found["ratios"] = _ratios(speed, train)
    return found


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


def _store(
    found: dict[str, Any], name: str, store: GraphStore, work: Work, digests: list[str], counts: dict[str, int]
) -> None:
    """The figures of one store."""

    def opened() -> Any:
        return pyg.remote_backend(store, numbers=True, drop_empty=True, cache_mib=found["cache_mib"])

    data, found["open_s"][name] = _timed(opened)
    for state in ("cold", "warm"):
        found["samples_per_s"][f"{name}_{state}"], mine = passed(work, data)
        found["different"] += sum(one != other for one, other in zip(digests, mine, strict=True))
    data = opened()
    found["train_per_s"][name] = trained(work, data, work.loader(data), counts)
    data = opened()
    found["train_per_s"][f"{name}_prefetched"] = trained(work, data, pyg.prefetched(work.loader(data)), counts)


def _ratios(speed: dict[str, float], train: dict[str, float]) -> dict[str, float]:
    pairs = {f"{name} to memory": (speed[name], speed["memory"]) for name in speed if name.endswith(("cold", "warm"))}
    for name in ("embedded", "neo4j"):
        if name in train:
            pairs[f"{name} prefetched to not, while training"] = (train[f"{name}_prefetched"], train[name])
            pairs[f"{name} prefetched to memory, while training"] = (train[f"{name}_prefetched"], train["memory"])
    if "bare_driver" in speed:
        for form in ("bare_driver", "bare_driver_rows"):
            pairs[f"neo4j_cold to {form}"] = (speed["neo4j_cold"], speed[form])
    return {name: round(one / other, 3) for name, (one, other) in pairs.items()}


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _show(found: dict[str, Any]) -> None:
    rows = [(name, f"{value:,.0f} links/s") for name, value in found["samples_per_s"].items()]
    rows += [(f"training, {name}", f"{value:,.0f} links/s") for name, value in found["train_per_s"].items()]
    rows += [(f"open, {name}", f"{value:.2f} s") for name, value in found["open_s"].items()]
    rows += [(name, f"{value:.2f}") for name, value in found["ratios"].items()]
    rows += [(name, f"{value:,}") for name, value in found.get("lookups", {}).items()]
    rows += [("mini-batches that differ", str(found["different"])), ("load", "{} -> {}".format(*found["load"]))]
    print_table(["measure", "figure"], rows, ["figure"])


if __name__ == "__main__":
    sys.exit(main())
