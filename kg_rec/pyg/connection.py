"""One store for all processes of a data loader: each opens it for itself."""

from __future__ import annotations

import os

from kg_rec.errors import ArgumentError
from kg_rec.store import GraphStore, connect


class Connection:
    """A store that a worker process opens anew, for reading, by its URL and with the credentials of the environment.

    Args:
        store: the store of this process.
    """

    def __init__(self, store: GraphStore) -> None:
        self._url = store.url
        self._stores = {os.getpid(): store}  # that of the process this one was copied from stays open, and is not used

    @property
    def store(self) -> GraphStore:
        """The store of this process.

        Raises:
            ArgumentError: this process is a copy of another (fork), and the graph is in that one's memory.
            StoreError: the store cannot be opened.
        """
        process = os.getpid()
        if process not in self._stores:
            if self._stores and "://" not in self._url:
                raise ArgumentError(
                    f"{self._url}: an embedded graph is held in memory by threads, which a forked worker has not; use "
                    'num_workers=0 with kg_rec.pyg.prefetched, or multiprocessing_context="spawn"'
                )
            self._stores[process] = connect(self._url, read_only=True)
        return self._stores[process]

    def __getstate__(self) -> str:
        return self._url

    def __setstate__(self, url: str) -> None:
        self._url, self._stores = url, {}
