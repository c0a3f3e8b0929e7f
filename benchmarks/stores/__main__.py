"""What a store promises, measured: speed, right answers, limits kept, nothing lost.

    python -m benchmarks.stores --interactions 100000 1000000
    python -m benchmarks.stores --url neo4j://localhost:7687
    python -m benchmarks.stores --kills 200

Without ``--url`` an embedded graph in a temporary folder is measured; a server has to be empty.  With ``--json`` one
JSON object stands on stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.stores import answers, hostile, kills, speed
from kg_rec.cli.console import print_table
from kg_rec.store import connect


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="URL of an empty store; default: an embedded graph in a temporary folder")
    parser.add_argument("--interactions", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=200, help="random counts over several hops")
    parser.add_argument("--hostile", type=int, help="run only so many of the hostile queries")
    parser.add_argument("--kills", type=int, default=0, help="kills of a writer into an embedded graph")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    sizes: list[dict[str, Any]] = []
    found: dict[str, Any] = {"url": options.url or "embedded", "seed": options.seed, "sizes": sizes}
    with tempfile.TemporaryDirectory(prefix="kg_rec-stores-") as name:
        for size in options.interactions if options.url is None else options.interactions[:1]:
            sizes.append(speed.measured(options.url or str(Path(name) / str(size)), size, options.seed))
            print(f"{size:,} interactions are measured", file=sys.stderr)
        if options.url is None:
            store = connect(str(Path(name) / "small"))
            edges = answers.random_graph(store, options.seed)
            wrong = answers.wrong_answers(store, edges, options.questions, options.seed)
            found["questions"] = {"asked": options.questions, "wrong": wrong}
            over = hostile.over_limit(store, options.hostile)
            asked = len(list(hostile.queries())[: options.hostile])
            found["hostile"] = {"asked": asked, "over_limit": over}
            store.close()
        if options.kills:
            faults = kills.lost_or_wrong(options.kills, options.seed)
            found["kills"] = {"killed": options.kills, "lost_or_wrong": faults}
    if options.json:
        print(json.dumps(found))
        return 0
    names = list(sizes[0]) if sizes else []
    print_table(names, [[f"{row[n]:,.0f}" if row[n] > 20 else f"{row[n]:.2f}" for n in names] for row in sizes])
    for what in ("questions", "hostile", "kills"):
        if what in found:
            (asked_name, count), (fault_name, lines) = found[what].items()
            print(f"{what}: {count} {asked_name}, {len(lines)} {fault_name.replace('_', ' ')}")
            for line in lines:
                print(f"  {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
