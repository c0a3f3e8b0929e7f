"""Are requests in words understood, and is what they state obeyed?

    python -m benchmarks.ask [--requests FILE] [--films MODEL] [--shop MODEL] [--json]

Without ``--films`` the bundled films are loaded and a model is trained on them (a minute or two); the shop is that of
``benchmarks/ask/shop.py``.  No language model takes part.

**The file** (default: ``requests.tsv`` beside this) has one request a line: a table with tabs and a line of names, or
JSON Lines, or a JSON array, with these names.  All but ``text`` may be left out, which says that there is nothing.

========  ==============================================================================================
graph     ``films`` (default), ``shop``, or the folder of a model
lang      ``en`` or ``zh``; default: as the text is written
text      the request
after     the requests before it in the conversation, separated by `` || ``, or a JSON array
user      key of the user who asks; default: the first user of the graph
like      names of items to be like
want      names of nodes that items should have: genres, people, countries, brands; ``DIRECTED_BY:Clint Eastwood``
          where the relation type matters; a word of the request ("violent") where there is no one name
avoid     the same of what items should not have, and of items that are not wanted
where     bounds: ``year>=1980``, ``price<20``, ``year=1994``, ``year in 1980..1989``, ``year not in 1980..1989``,
          ``price<*`` for "cheaper" with no number; fields: year, price, duration (minutes), rating;
          in JSON also ``{"field": "year", "op": ">=", "value": 1980}``
count     how many items
turn      ``why 2``, ``why -1`` (the last), ``why-not NAME``, ``more``, ``refine``, ``reset``
========  ==============================================================================================

Several values are separated by ``;`` or are a JSON array.  In JSON the slots may also stand in an object ``expect``.

**What is printed.**

- ``slots``: slots right / slots in all.  Each value that must be there is a slot, and so is each value that was
  understood but is not in the file, which is wrong.  < and <= count as the same.
- ``obeyed``: of the bounds, and names in ``avoid``, that the file states, the share that every item of the list obeys.
  Left out are bounds on what the graph does not hold, and what was understood as a matter of more or less.
- ``p99_ms``: 99th percentile of the time of an answer (parsing, filter, scores, words), after one unmeasured request;
  ``p99_cpu_ms``: the same in processor time, which a busy machine does not lengthen.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ask.requests import Case, read, slots
from benchmarks.ask.shop import shop
from kg_rec.api import Model, train
from kg_rec.ask.answer import Answer
from kg_rec.ask.atoms import key
from kg_rec.ask.session import Asker
from kg_rec.ask.words import language_of
from kg_rec.cli.console import progress_bar
from kg_rec.errors import KgRecError
from kg_rec.loaders.base import load
from kg_rec.loaders.demo import FILMS
from kg_rec.model.config import TrainConfig
from kg_rec.progress import Progress
from kg_rec.snapshot import export
from kg_rec.store import connect

REQUESTS = Path(__file__).with_name("requests.tsv")


def film_model(progress: Progress) -> Model:
    """A model of the bundled films."""
    with tempfile.TemporaryDirectory() as folder:
        store = connect(f"{folder}/films.graph")
        load(store, "demo", FILMS, progress=progress)
        snapshot = export(store, progress)
        store.close()
        return train(snapshot, progress=progress)


def shop_model(progress: Progress) -> Model:
    """A model of the made-up shop."""
    return train(shop(), TrainConfig.from_dict({"channels": ["taste", "knowledge", "meaning"]}), progress=progress)


def obeyed(case: Case, answer: Answer, asker: Asker) -> tuple[int, int]:
    """Stated bounds and exclusions that every item obeys, and all of them; read without the filter."""
    snapshot, fields = asker.model.snapshot, asker.scorer.fields
    items = [snapshot.items.index(s.item) for s in answer.items]
    right = whole = 0
    ranges: dict[str, list[float]] = {}
    tests: dict[str, Callable[[float, float], bool]] = {
        "<": lambda v, x: v < x, "<=": lambda v, x: v <= x, ">": lambda v, x: v > x, ">=": lambda v, x: v >= x,
    }  # fmt: skip
    for field, op, value in case.where:
        if field not in fields.properties or value is None:
            continue
        if op == "not in":
            ranges.setdefault(field, []).append(value)
            continue
        found = fields.values(field)[items].tolist()
        whole, right = whole + 1, right + all(tests[op](v, value) for v in found)
    for field, ends in ranges.items():
        found = fields.values(field)[items].tolist()
        whole, right = whole + 1, right + all(not ends[0] <= v <= ends[-1] for v in found)
    soft = {key(n.name) for w in answer.request.wishes if not w.must for n in w.nodes}
    soft |= {key(w.said) for w in answer.request.wishes if not w.must}
    for name in case.avoid:
        plain = key(name.rpartition(":")[2])
        if plain in soft:
            continue
        whole, right = whole + 1, right + all(plain not in names_of(asker, i) for i in items)
    return right, whole


def names_of(asker: Asker, item: int) -> set[tuple[str, ...]]:
    """The names of an item and of all that it is tied to."""
    snapshot = asker.model.snapshot
    mine = snapshot.schema.item.name
    found = {key(snapshot.name(mine, item))}
    for relation in snapshot.schema.item_relations:
        edges = snapshot.edges[relation.name]
        found |= {key(snapshot.name(relation.target, t)) for t in edges.target[edges.source == item].tolist()}
    return found


def measure(cases: list[Case], asker_of: Callable[[str], Asker]) -> dict[str, Any]:
    """The figures over all cases."""
    right = whole = kept = stated = lists = empty = 0
    times: list[float] = []
    worked_times: list[float] = []
    faults: list[str] = []
    by_kind: dict[str, list[int]] = {}
    warm: set[tuple[str, str]] = set()
    for case in cases:
        asker = asker_of(case.graph)
        language = case.lang or language_of(case.text)
        if (case.graph, language) not in warm:
            asker.parser(language).near.ready()
            asker.session(None, language).ask("warm")
            warm.add((case.graph, language))
        session = asker.session(case.user or asker.model.users.key(0), case.lang or None)
        for earlier in case.after:
            session.ask(earlier)
        start, worked = time.perf_counter(), time.process_time()
        answer = session.ask(case.text)
        times.append(1000 * (time.perf_counter() - start))
        worked_times.append(1000 * (time.process_time() - worked))
        good, of, wrong = slots(case, answer.request, answer.asked)
        ok, said = obeyed(case, answer, asker)
        right, whole, kept, stated = right + good, whole + of, kept + ok, stated + said
        faults += [f"{case.text}  ->  {w}" for w in wrong] + ([f"{case.text}  ->  not obeyed"] if ok < said else [])
        for kind in (case.graph, language):
            counts = by_kind.setdefault(kind, [0, 0])
            counts[0], counts[1] = counts[0] + good, counts[1] + of
        lists += bool(answer.items)
        empty += answer.request.turn.kind in ("new", "refine", "more") and not answer.items
        for one in answer.items:
            total = sum(a.value for a in one.addends)
            assert abs(total - one.score) <= 1e-5 * max(abs(one.score), 1), f"{case.text}: {one.name} does not add up"
    return {
        "slots": right / max(whole, 1),
        "obeyed": kept / max(stated, 1),
        "p99_ms": float(np.percentile(times, 99)) if times else 0.0,
        "p99_cpu_ms": float(np.percentile(worked_times, 99)) if times else 0.0,
        "p50_ms": float(np.percentile(times, 50)) if times else 0.0,
        "requests": len(cases),
        "slots_right": right,
        "slots_all": whole,
        "stated": stated,
        "lists": lists,
        "empty_lists": empty,
        "slots_by": {kind: a / max(b, 1) for kind, (a, b) in by_kind.items()},
        "faults": faults,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ask", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=Path, default=REQUESTS, metavar="FILE", help="the file of requests")
    parser.add_argument(
        "--films", type=Path, metavar="MODEL", help="a model of the bundled films that is trained already"
    )
    parser.add_argument("--shop", type=Path, metavar="MODEL", help="a model of another shop than the made-up one")
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    askers: dict[str, Asker] = {}
    try:
        with progress_bar() as progress:
            progress(0, None, "read requests")
            cases = read(options.requests)
            given = {"films": options.films, "shop": options.shop}
            makers = {"films": film_model, "shop": shop_model}

            def asker_of(graph: str) -> Asker:
                if graph not in askers:
                    folder = given.get(graph) or (None if graph in makers else Path(graph))
                    model = makers[graph](progress) if folder is None else Model.load(folder)
                    askers[graph] = Asker(model.recommender)
                return askers[graph]

            for graph in dict.fromkeys(case.graph for case in cases):
                asker_of(graph)
            progress(0, None, "ask")
            found = measure(cases, asker_of)
    except (KgRecError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    for line in found.pop("faults"):
        print(line)
    by = found.pop("slots_by")
    for name, value in {**found, **{f"slots, {kind}": v for kind, v in by.items()}}.items():
        print(f"{name:<16}{value:>10.4f}" if isinstance(value, float) else f"{name:<16}{value:>10,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
