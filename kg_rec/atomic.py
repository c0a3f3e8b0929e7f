"""Files and folders that appear whole or not at all, whoever is killed and whoever else writes.

A file is written beside its place under a name of its own and then renamed.  The parts of a folder (a model's) are
written into ``.new`` inside it; renaming that to ``.ready`` is the moment when the new parts count, and
:func:`part` finds them there until they have been moved to their names.  Other files in the folder are left alone.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_NEW = ".new"
_READY = ".ready"


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A path to write to; it takes the name ``target`` when the block ends, and is deleted when the block fails.

    Two writers of one target do not disturb each other: the last to finish wins.  What a killed writer left is
    deleted by the next one.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    for left in target.parent.glob(f".{target.name}.*.partial"):
        _delete_unless_locked(left)
    try:
        mark = partial.open("wb")
    except OSError as error:  # it names the file that was asked for
        raise OSError(error.errno, error.strerror, str(target)) from error
    with mark:
        _lock(mark.fileno())
        try:
            yield partial
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def new_parts(folder: Path) -> Iterator[Path]:
    """An empty folder to write parts into; they replace those of the same names in ``folder`` when the block ends.

    ``folder`` is made.  A second writer waits until the first is done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _move_ready(folder)
        new = folder / _NEW
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            yield new
            for file in new.rglob("*"):
                if file.is_file():
                    _sync(file)
            new.rename(folder / _READY)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        _move_ready(folder)


def part(folder: Path, name: str) -> Path:
    """Where a part is: in ``folder``, or still in the new parts if their writer was killed before it moved them."""
    ready = folder / _READY / name
    return ready if ready.exists() else folder / name


def state(folder: Path, name: str) -> tuple[object, ...]:
    """Changes when the part ``name`` is replaced or new parts are moved: a reader that failed meanwhile begins anew."""
    try:
        found = part(folder, name).stat()
        ready = folder / _READY
        waiting = sorted(p.name for p in ready.iterdir()) if ready.is_dir() else []
        return found.st_ino, found.st_mtime_ns, *waiting
    except OSError:
        return ()


def _move_ready(folder: Path) -> None:
    ready = folder / _READY
    if not ready.is_dir():
        return
    for new in sorted(ready.iterdir()):
        old = folder / new.name
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        os.replace(new, old)
    ready.rmdir()


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _lock(descriptor: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _delete_unless_locked(file: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
    except OSError:  # its writer lives, or is just done
        return
