"""A lock on the folder of an embedded graph: one writer, or several readers."""

from __future__ import annotations

import sys
from pathlib import Path

from kg_rec.errors import StoreUnavailableError

if sys.platform != "win32":
    import fcntl


class FolderLock:
    """Held from construction to :meth:`release`; the system frees it when the process ends, however it ends.

    Ladybug locks its file between processes but lets one process open it twice, which would damage it; this lock
    covers both.  On Windows only Ladybug's own lock is there.

    Raises:
        StoreUnavailableError: another holder, here or in another process, excludes this one.
    """

    def __init__(self, folder: Path, *, shared: bool) -> None:
        path = folder / "lock"
        try:
            self._file = path.open("r" if shared else "a")
        except OSError as error:
            raise StoreUnavailableError(f"{folder}: cannot open the lock file: {error}") from error
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except OSError as error:
                self._file.close()
                raise StoreUnavailableError(
                    f"{folder}: the graph is in use by another connection; close that one first"
                ) from error

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        self._file.close()
