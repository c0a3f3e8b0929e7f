"""A disk that is really full: a small file system in memory, or what comes nearest where mounting is not permitted."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from pathlib import Path
from types import TracebackType

_SIZE = "2m"


class SmallDisk:
    """A folder whose disk can be filled, while it is entered.

    Args:
        folder: it is made.

    Attributes:
        way: what stands for the disk, in words.
        words: what the error of a write then says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(mount, capture_output=True, text=True, check=False)
            self._mounted, why = done.returncode == 0, done.stderr.strip()
        except OSError as error:
            self._mounted, why = False, str(error)
        self._usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        if self._mounted:
            self.way, self.words = f"a tmpfs of {_SIZE}", "No space left on device"
        else:
            self.way = f"a limit on the size of files: a tmpfs cannot be mounted here ({why})"
            self.words = "File too large"

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.free()
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """Leave one page, so that a write fails half-way."""
        if not self._mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, self._usual[1]))
            return
        page = bytes(resource.getpagesize())
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(page)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            file.truncate(os.fstat(file.fileno()).st_size - len(page))

    def free(self) -> None:
        """Give the space back."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._usual)
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"
