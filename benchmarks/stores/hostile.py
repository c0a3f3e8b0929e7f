"""Queries that ask for too much, and whether a store keeps its limits."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kg_rec.errors import StoreError
from kg_rec.store.base import GraphStore

#: Timeout of each query, and seconds by the clock after which it has to have ended all the same.
TIMEOUT, MOST_SECONDS = 3.0, 6.0
#: Rows asked for, and memory that a query may take, in this process or in one of its own.
LIMIT, MOST_MIB = 1000, 1536


def queries() -> Iterator[str]:
    """Deep and long texts, huge values, endless loops, too many rows, and files."""
    for n in (200, 2_000, 20_000):
        yield f"RETURN {'NOT ' * n}true"
        yield f"RETURN {'(' * n}1{')' * n}"
        yield f"RETURN {'1+' * n}1"
        yield f"RETURN {'-' * n}1"
        yield f"RETURN {'[' * n}1{']' * n}"
        yield f"RETURN {'{a:' * n}1{'}' * n}"
        yield f"RETURN {'CASE WHEN true THEN ' * n}1{' ELSE 0 END' * n}"
        yield f"RETURN {' OR '.join(['true'] * n)}"
        yield f"RETURN {'toString(' * n}1{')' * n}"
        yield f"RETURN [{','.join(['1'] * n)}]"
        yield f"MATCH {','.join(['(:User)'] * n)} RETURN count(*)"
        yield f"MATCH (a){'-->()' * n} RETURN count(*)"
        yield " ".join(f"WITH 1 AS a{i}" for i in range(n)) + " RETURN 1"
        yield " UNION ".join(["RETURN 1 AS a"] * n)
        yield f"RETURN EXISTS {{ {'MATCH (a) WHERE EXISTS { ' * n}MATCH (b) {'} ' * n}}}"
        yield "RETURN 'a'" + " + 'a'" * n
    for n in (10_000_000, 1_000_000_000):
        yield f"RETURN range(1, {n})"
        yield f"RETURN size(range(1, {n}))"
        yield f"RETURN [x IN range(1, {n}) | x * 2]"
        yield f"RETURN [x IN range(1, {n}) | 'text ' + x]"
        yield f"RETURN reduce(s = 0, x IN range(1, {n}) | s + x)"
        yield f"RETURN reduce(s = [], x IN range(1, {n}) | s + x)"
        yield f"RETURN reduce(s = '', x IN range(1, {n}) | s + 'a')"
        yield f"UNWIND range(1, {n}) AS x RETURN x"
        yield f"UNWIND range(1, {n}) AS x RETURN sum(x)"
        yield f"UNWIND range(1, {n}) AS x RETURN collect(x)"
        yield f"UNWIND range(1, {n}) AS x RETURN collect(DISTINCT x % 1000000)"
        yield f"UNWIND range(1, {n}) AS x WITH x ORDER BY x DESC RETURN x LIMIT 1"
        yield f"UNWIND range(1, {n}) AS x RETURN DISTINCT x"
        yield f"RETURN any(x IN range(1, {n}) WHERE x < 0)"
        yield f"RETURN all(x IN range(1, {n}) WHERE x > 0)"
        yield f"WITH range(1, {n}) AS r RETURN r[0], r[-1]"
        yield f"RETURN repeat('abc', {n})"
        yield f"RETURN lpad('a', {n}, 'b')"
        yield f"RETURN size([x IN range(1, {n}) WHERE x % 2 = 0])"
        yield f"UNWIND range(1, {n}) AS x MATCH (u:User) RETURN count(*)"
    for start, step in (("'aaaaaaaaaaaaaaaa'", "x + x"), ("[1, 2, 3, 4]", "x + x"), ("'ab'", "replace(x, 'a', x)")):
        for n in (20, 31, 60):
            yield f"WITH {start} AS x " + f"WITH {step} AS x " * n + "RETURN x"
            yield f"WITH {start} AS x " + f"WITH {step} AS x " * n + "RETURN size(x)"
    for n in (2, 3, 4, 5, 6, 8):
        names = [f"(a{i})" for i in range(n)]
        yield f"MATCH {', '.join(names)} RETURN count(*)"
        yield f"MATCH {', '.join(names)} RETURN a0"
        yield f"MATCH {', '.join(names)} RETURN a0, a1 ORDER BY a1 LIMIT 5"
        loops = " ".join(f"UNWIND range(1, 100000) AS x{i}" for i in range(n))
        yield f"{loops} RETURN count(*)"
        yield f"{loops} RETURN sum(x0 * x1)"
    for pattern in ("*", "*1..10", "*..30", "*5..20", "*0.."):
        yield f"MATCH p = (a)-[{pattern}]-(b) RETURN count(p)"
        yield f"MATCH p = (a)-[{pattern}]-(b) RETURN p"
        yield f"MATCH p = (a:User)-[{pattern}]-(b:User) RETURN length(p) ORDER BY length(p) DESC LIMIT 1"
    for values in ("'aaaa'", "[1]"):
        for step in ("s + s", "[s, s]", "CASE WHEN x > 0 THEN s + s ELSE s END"):
            yield f"RETURN reduce(s = {values}, x IN range(1, 60) | {step}) AS r"
    yield "WITH [1] AS x " + "WITH [x, x] AS x " * 40 + "RETURN x"
    yield "WITH {a: 1} AS x " + "WITH {a: x, b: x} AS x " * 40 + "RETURN size(keys(x))"
    yield "WITH range(1, 1000000) AS r UNWIND r AS x WITH x, r RETURN count(r)"
    yield "RETURN [x IN range(1, 100000) | range(1, 1000)] AS l"
    yield "UNWIND range(1, 1000000) AS i MATCH (f:Film) RETURN collect(f.title + 'some text') AS c"
    yield "UNWIND range(1, 100000) AS i MATCH (f:Film) RETURN i, f.title ORDER BY f.title DESC, i"
    yield "MATCH p = shortestPath((a:User)-[*]-(b:User)) WHERE a <> b RETURN count(p)"
    yield "MATCH (a:User)-->(b)<--(c)-->(d)<--(e)-->(f)<--(g) RETURN count(*)"
    yield "RETURN 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' =~ '(a+)+b'"
    yield "RETURN 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' =~ '(a|a)*(a|a)*(a|a)*b'"
    yield "RETURN 9223372036854775807 + 1"
    yield "RETURN 2 ^ 100000"
    yield "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line"
    yield "MATCH (n) RETURN n LIMIT 1000000000"


def over_limit(store: GraphStore, most: int | None = None) -> list[str]:
    """Run the queries with a timeout and a limit of rows.

    Returns:
        A line for each that took too long, took too much memory, gave too many rows or ended in another error than
        one of kg_rec's.
    """
    found = []
    for query in list(queries())[:most]:
        before, children = _resident_mib(), _largest_child_mib()
        peak = _Peak()
        started = time.monotonic()
        try:
            rows = store.query(query, limit=LIMIT, timeout=TIMEOUT).num_rows
            outcome = "" if rows <= LIMIT else f"{rows} rows"
        except StoreError:
            outcome = ""
        except Exception as error:  # noqa: BLE001  # what else comes out is what is looked for
            outcome = f"{type(error).__name__}: {str(error)[:80]}"
        seconds = time.monotonic() - started
        taken = peak.stop() - before
        if _largest_child_mib() > children:  # what a child shares with this process is counted too
            taken = max(taken, _largest_child_mib() - before)
        if seconds > MOST_SECONDS:
            outcome = f"{seconds:.1f} s"
        if taken > MOST_MIB:
            outcome = f"{taken} MiB"
        if outcome:
            found.append(f"{query[:70]}: {outcome}")
    return found


class _Peak:
    """The largest resident memory of this process until :meth:`stop`."""

    def __init__(self) -> None:
        self._most = _resident_mib()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._end.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self._most = max(self._most, _resident_mib())


def _largest_child_mib() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10


def _resident_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20
