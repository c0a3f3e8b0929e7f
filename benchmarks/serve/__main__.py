"""How fast does the service answer, and how soon does a click count?  Beside a bare ASGI echo, in the same run.

    python -m benchmarks.serve --json
    python -m benchmarks.serve --graph neo4j://localhost:7687 --json
    python -m benchmarks.serve --data ../shared/data/ml-100k --json

Without --data the graph is generated: --users, --items, --interactions; it is in a folder, or with --graph on a server,
which has to be empty.  Each list has ten items with their reasons in words.  One object with --json:

- ``p50_ms``, ``p99_ms``: lists of random users, asked for at --rate a second whether or not earlier ones were answered;
- ``per_second``: lists of few users asked for again and again, as fast as 16 connections can;
- ``fresh_p99_ms``: a dismissal is sent, then the list asked for, which must have changed: both together;
- ``echo_p99_ms``, ``echo_per_second``: an application that does nothing, asked in the same ways;
- ``errors``: answers of another status than 200, and lists that did not change;
- ``memory_mb``: of the service and its workers after the first phase, after the dismissals, after a tenth of --requests
  lists more and after all of them: the last two tell whether it stays flat;
- ``load``: the machine's, as the mean of the last minute, before the first phase and after the last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.jobs.stages import Size, export_all, fit, is_empty, load
from benchmarks.serve.client import Connection, as_fast, at_rate, changed
from kg_rec.cli.console import print_table, progress_bar
from kg_rec.errors import KgRecError

#: Users whose lists are asked for again and again.
_HOT = 100
_SECONDS_TO_START = 300


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="kg_rec-serve-") as name, progress_bar() as progress:
            progress(0, None, "make the graph and the model")
            graph, model, users = _world(options, Path(name), progress)
            found = asyncio.run(_measured(options, graph, model, users, progress))
    except KgRecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found))
    else:
        print_table(["measure", "figure"], [(name, _shown(value)) for name, value in found.items()], ["figure"])
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="MovieLens 100K with named facts")
    parser.add_argument("--graph", metavar="URL", help="an empty Neo4j server for the graph  [default: a folder]")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second  [default: 200]")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each phase  [default: 15]")
    parser.add_argument("--fresh", type=int, default=200, help="dismissals  [default: 200]")
    parser.add_argument("--requests", type=int, default=0, help="lists more, for the memory  [default: 0]")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service  [default: 1]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    found = parser.parse_args(arguments)
    if found.graph is not None and found.data is not None:
        parser.error("--graph is for generated graphs; leave out --data")
    return found


def _world(options: argparse.Namespace, place: Path, progress: Any) -> tuple[str, Path, list[str]]:
    """URL of the graph, folder of the model, keys of the users."""
    if options.data is not None:
        from benchmarks.explanations.graph import prepared

        model, graph = prepared(options.data, place, None, 2026, progress)
        return graph, place / "model-2026", model.recommender.users.keys.to_pylist()
    graph = options.graph or str(place / "graph")
    if options.graph is not None and not is_empty(graph):
        raise KgRecError(f"{graph} is not empty, and this benchmark would delete what is there; give an empty server")
    size = Size(options.interactions, options.users, options.items, options.users, options.seed)
    load(graph, size)
    export_all(graph, place)
    fit(place)
    return graph, place / "model", [str(user) for user in range(options.users)]


async def _measured(
    options: argparse.Namespace, graph: str, model: Path, users: list[str], progress: Any
) -> dict[str, Any]:
    rng = random.Random(options.seed)
    store = "neo4j" if "://" in graph else "embedded"
    shape = {"users": len(users), "rate": options.rate, "store": store, "workers": options.workers}

    def path(user: str) -> str:
        return f"/v1/recommendations?user={quote(user, safe='')}&k=10"

    def anybody() -> Iterator[str]:
        while True:
            yield rng.choice(users)

    def lists(of: Iterator[str]) -> Iterator[str]:
        return (path(user) for user in of)

    load = [os.getloadavg()[0]]
    hot = rng.sample(users, min(_HOT, len(users)))
    uvicorn = [sys.executable, "-m", "uvicorn", "benchmarks.serve.echo:app", "--log-level", "warning"]
    with _served([*uvicorn, "--port"]) as (port, _):
        progress(0, None, "ask an application that does nothing")
        echo = await at_rate(port, lists(anybody()), options.rate, options.seconds)
        _, echoes = await as_fast(port, lists(cycle(hot)), options.seconds)
    serve = [sys.executable, "-c", "from kg_rec.cli import main; main()", "serve", str(model), "--graph", graph]
    serve += ["--workers", str(options.workers)]
    with _served([*serve, "--port"]) as (port, pid):
        progress(0, None, f"lists at {options.rate:g} a second")
        words = Connection(port)  # what is computed once: the text model loads in the background
        await words.ask(f"/v1/ask?user={quote(hot[0], safe='')}", {"text": "something new"})
        words.close()
        await as_fast(port, lists(anybody()), 2.0, connections=1)
        steady = await at_rate(port, lists(anybody()), options.rate, options.seconds)
        memory = [_resident(pid)]
        progress(0, None, "lists that are kept")
        await as_fast(port, lists(iter(hot)), 60.0, connections=1, most=len(hot))
        kept, per_second = await as_fast(port, lists(cycle(hot)), options.seconds)
        progress(0, None, "dismissals")
        fresh = await changed(port, anybody(), options.fresh, path)
        memory.append(_resident(pid))
        if options.requests:
            progress(0, None, f"{options.requests:,} lists")
            first = max(1, options.requests // 10)  # what is kept of names and lists is there after these
            for part in (first, options.requests - first):
                await as_fast(port, lists(anybody()), float("inf"), most=part)
                memory.append(_resident(pid))
    load.append(os.getloadavg()[0])
    return {
        **shape,
        "p50_ms": steady.ms(0.5),
        "p99_ms": steady.ms(0.99),
        "per_second": per_second,
        "fresh_p50_ms": fresh.ms(0.5),
        "fresh_p99_ms": fresh.ms(0.99),
        "echo_p50_ms": echo.ms(0.5),
        "echo_p99_ms": echo.ms(0.99),
        "echo_per_second": echoes,
        "errors": steady.errors + kept.errors + fresh.errors,
        "memory_mb": memory,
        "load": load,
    }


@contextmanager
def _served(command: list[str]) -> Iterator[tuple[int, int]]:
    """A server on a free port, and its process id; stopped afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([*command, str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(_SECONDS_TO_START * 10):
            if process.poll() is not None:
                raise KgRecError(f"{' '.join(command)} ended with {process.returncode}")
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    break
            except OSError:
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _resident(pid: int) -> float:
    """Memory of a process and its workers that is in RAM, in MB; what several of them map counts for each."""
    found = 0.0
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            found = int(line.split()[1]) / 1024
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return found + sum(_resident(int(worker)) for worker in workers)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
