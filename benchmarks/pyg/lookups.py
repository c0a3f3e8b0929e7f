"""The look-ups that mini-batches make, written down, and made again by a bare driver that does nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import neo4j

from kg_rec.store import GraphStore, cypher
from kg_rec.store.catalog import find_node_type, find_relation
from kg_rec.store.credentials import read_credentials, split_url


class Watched:
    """A store whose look-ups are timed, and may be held back as by a server far away.

    Args:
        store: the store.
        delay: seconds that each look-up takes besides.
    """

    def __init__(self, store: GraphStore, delay: float = 0.0) -> None:
        self._store, self._delay = store, delay
        self.seconds = 0.0
        self.keys = 0
        self.found = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read_nodes(self, node_type: str, keys: Sequence[str], *, columns: Sequence[str] | None = None) -> Any:
        return self._timed(keys, lambda: self._store.read_nodes(node_type, keys, columns=columns))

    def read_edges(self, relation: str, keys: Sequence[str], *, end: Any = "source") -> Any:
        return self._timed(keys, lambda: self._store.read_edges(relation, keys, end=end))

    def _timed(self, keys: Sequence[str], work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        table = work()
        time.sleep(self._delay)
        self.seconds += time.perf_counter() - started
        self.keys += len(keys)
        self.found += table.num_rows
        return table


class Recorded(Watched):
    """A store that writes down the statements of its look-ups: as lists in one row, as it sends them, and as rows."""

    def __init__(self, store: GraphStore) -> None:
        super().__init__(store)
        self.lists: list[tuple[str, list[str]]] = []
        self.rows: list[tuple[str, list[str]]] = []

    def read_nodes(self, node_type: str, keys: Sequence[str], *, columns: Sequence[str] | None = None) -> Any:
        wanted = find_node_type(self._store.schema(), node_type, columns)
        self.lists.append((cypher.neo4j_nodes(wanted), list(keys)))
        self.rows.append((cypher.nodes(wanted), list(keys)))
        return super().read_nodes(node_type, keys, columns=columns)

    def read_edges(self, relation: str, keys: Sequence[str], *, end: Any = "source") -> Any:
        parts = find_relation(self._store.schema(), relation)
        self.lists.append((cypher.neo4j_edges(*parts, end), list(keys)))
        self.rows.append((cypher.edges(*parts, end), list(keys)))
        return super().read_edges(relation, keys, end=end)


def seconds_of_bare_driver(url: str, lookups: Sequence[tuple[str, list[str]]]) -> float:
    """How long the official driver takes for the same statements and keys, one after the other; it drops what comes."""
    address, database = split_url(url)
    with (
        neo4j.GraphDatabase.driver(address, auth=read_credentials()) as driver,
        driver.session(database=database, default_access_mode=neo4j.READ_ACCESS) as session,
    ):
        started = time.perf_counter()
        for statement, keys in lookups:
            session.execute_read(lambda tx, s=statement, k=keys: [record.values() for record in tx.run(s, keys=k)])
        return time.perf_counter() - started
