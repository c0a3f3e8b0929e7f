"""The files of an embedded graph: opened for writing or for reading, and refused where they do not fit into memory.

KGLite keeps a graph in memory, and in a folder ``graph.kgl``, the graph as of the last checkpoint, and
``graph.kgl-wal``, the log of what was committed since.  A commit is on the disk (fsync) before it is acknowledged; who
opens the graph next has it, whatever happened to the process.  One process writes; KGLite's lease on
``graph.kgl.lock`` sees to that, and the system frees it when the process ends, however it ends.  Readers take no
lease and write nothing into the folder: they read checkpoint and log as they are when they open, and neither wait
for a writer nor make one wait.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

import kglite

from kg_rec.errors import StoreError, StoreUnavailableError
from kg_rec.store.embedded.memory import require_memory

_log = logging.getLogger(__name__)

GRAPH = "graph.kgl"
_LOG = "graph.kgl-wal"
#: Files that a folder may hold and still be the folder of a graph: KGLite's, and the lock of older versions.
_OURS = (GRAPH, "lock")
#: The file of the engine that kg_rec had before.
_OLD = "graph.lbug"
#: What KGLite says where a writer put another checkpoint in place meanwhile, and how often it is tried in all.
_CHANGED, _TRIES = "changed while it was loading", 20
#: Memory that a byte of the log takes when it is read again.
_LOG_FACTOR = 6


def check_folder(folder: Path, *, exists: bool) -> None:
    """Refuse a folder that is not one of an embedded graph, or of a graph of another engine.

    Args:
        folder: the folder.
        exists: whether a graph has to be there; else it may be made there.

    Raises:
        StoreUnavailableError: the message says what is there and what to do.
    """
    if folder.is_file():
        raise StoreUnavailableError(f"{folder}: expected a folder for the embedded graph, got a file")
    if (folder / _OLD).exists():
        raise StoreUnavailableError(
            f"{folder}: this graph was written by kg_rec 0.1 before its engine changed, and cannot be read any more; "
            "load the same files again into a new folder (kg-rec load ... --graph FOLDER)"
        )
    there = (folder / GRAPH).exists() or (folder / _LOG).exists()
    if exists and not there:
        raise StoreUnavailableError(f"{folder}: no graph here; load one first, or check the path")
    if folder.is_dir() and not there:
        others = [name for name in os.listdir(folder) if not name.startswith(_OURS)]
        if others:
            raise StoreUnavailableError(
                f"{folder}: the folder holds other files ({min(others)}); choose a new or an empty folder"
            )


def open_for_writing(folder: Path) -> kglite.KnowledgeGraph:
    """The graph of the folder, made if need be; what a killed writer had committed is there again.

    Raises:
        StoreUnavailableError: another connection has it open for writing, or the folder cannot be written.
        StoreError: its files are damaged, or it does not fit into memory.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(f"{folder}: cannot make the folder: {error}") from error
    require_memory(_memory_needed(folder), f"{folder}: opening the graph")
    try:
        return kglite.open(str(folder / GRAPH), storage="memory", durable="full")
    except kglite.WriterLeaseHeldError as error:
        raise StoreUnavailableError(f"{folder}: {_holder(error)}") from error
    except (kglite.KgError, OSError, RuntimeError, ValueError) as error:
        raise _damaged(folder, error) from error


def open_for_reading(folder: Path) -> kglite.KnowledgeGraph:
    """The graph as it is now, with what is committed but not yet in its checkpoint.

    Where the log holds commits that the checkpoint lacks, they are replayed in a temporary folder, from a copy of the
    log beside a link to the checkpoint; the log is copied first, so that it never begins after the checkpoint ends.

    Raises:
        StoreUnavailableError: the files cannot be read.
        StoreError: they are damaged, or do not fit into memory.
    """
    require_memory(_memory_needed(folder), f"{folder}: opening the graph")
    for _ in range(_TRIES - 1):
        try:
            return _read(folder)
        except StoreError as error:
            if _CHANGED not in str(error):
                raise
    return _read(folder)


def _read(folder: Path) -> kglite.KnowledgeGraph:
    try:
        with tempfile.TemporaryDirectory(prefix="kg_rec-") as name:
            here = Path(name)
            if (folder / _LOG).exists():
                shutil.copyfile(folder / _LOG, here / _LOG)
            checkpoint = folder / GRAPH
            if checkpoint.exists():
                (here / GRAPH).symlink_to(checkpoint.resolve())
            graph = kglite.open(
                str(here / GRAPH), storage="memory", durable="normal", lock=False, auto_checkpoint_wal_mib=0
            )
            graph.read_only(True)
            return graph
    except OSError as error:
        raise StoreUnavailableError(f"{folder}: cannot read the graph: {error}") from error
    except (kglite.KgError, RuntimeError, ValueError) as error:
        raise _damaged(folder, error) from error


def close(graph: kglite.KnowledgeGraph, folder: Path) -> None:
    """Write a checkpoint and free the lease.  Where the disk is full the log keeps everything."""
    try:
        graph.close()
    except (kglite.KgError, OSError, ValueError) as error:
        _log.warning("%s: the checkpoint was not renewed (%s); the log holds what it lacks", folder, first_line(error))


def _memory_needed(folder: Path) -> int:
    needed = 0
    checkpoint, log = folder / GRAPH, folder / _LOG
    try:
        if checkpoint.exists():
            needed = int(kglite.estimate_load_memory(str(checkpoint))["total_peak_bytes"])
        if log.exists():
            needed += log.stat().st_size * _LOG_FACTOR
    except (kglite.KgError, OSError) as error:
        raise _damaged(folder, error) from error
    return needed


def _holder(error: kglite.WriterLeaseHeldError) -> str:
    holder = getattr(error, "holder", None) or {}
    pid = f" (process {holder['pid']})" if holder.get("pid") else ""
    return f"the graph is in use: another connection{pid} has it open for writing; close that one first"


def _damaged(folder: Path, error: object) -> StoreError:
    return StoreError(f"{folder}: cannot open the graph: {first_line(error)}; load it again")


def first_line(error: object) -> str:
    """The first line of an error of KGLite's, at most 300 characters."""
    return str(error).strip().split("\n")[0][:300]
