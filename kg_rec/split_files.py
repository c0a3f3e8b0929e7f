"""A split read from files: ``train.tsv``, ``valid.tsv`` and ``test.tsv`` of one folder.

Numbering is that of the snapshot.  A fault comes with its file and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from kg_rec.errors import LoadError, SplitError
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot
from kg_rec.snapshot.canonical import one_edge_a_pair
from kg_rec.split import Protocol, Split, is_by_calendar
from kg_rec.textfile import nothing_told_of_links

_COLUMNS = ("user", "item", "rating", "timestamp")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def read_split(folder: str | Path, snapshot: Snapshot, protocol: Protocol) -> Split:
    """Read ``train.tsv``, ``valid.tsv`` and ``test.tsv`` (columns user, item, and optionally rating, timestamp).

    Candidates are the items that occur in any of the three files, or for ``cold-items`` those of the file ranked.  Of
    several lines with one user and item in a file, the latest counts; where the schema says that users have items again
    (``kr:again``), all count, and a pair may be in several files.

    Raises:
        LoadError: a file or column is missing, a file has no row, a value is no number, a key is not in the snapshot,
            or a pair of user and item is in two of the files, though items are not had again: what is to be found must
            not be known.
        SplitError: ``calendar`` is asked for and no moment parts the files.
    """
    folder = Path(folder)
    parts = {}
    for name in ("train", "valid", "test"):
        with nothing_told_of_links(folder / f"{name}.tsv", LoadError):
            parts[name] = _read_edges(folder / f"{name}.tsv", snapshot)
        if not len(parts[name]):
            raise LoadError("expected interactions below the columns' names, got none", folder / f"{name}.tsv", 1)
    again = snapshot.schema.interaction.again
    if not again:
        _disjoint(folder, parts, snapshot)
    train, valid, test = parts.values()
    n_items = len(snapshot.items)
    masks = []
    for some in [(valid,), (test,)] if protocol == "cold-items" else [(train, valid, test)] * 2:
        mask = np.zeros(n_items, dtype=bool)
        for part in some:
            mask[part.target] = True
        masks.append(mask)
    split = Split(protocol, train, valid, test, masks[0], masks[1], again=again)
    if protocol == "calendar" and not is_by_calendar(split):
        raise SplitError(
            f"{folder}: expected a time in every row, and no row of train.tsv later than one of valid.tsv, nor of "
            "valid.tsv later than one of test.tsv, as one moment parts them for everybody; use another protocol"
        )
    return split


def _disjoint(folder: Path, parts: Mapping[str, EdgeTable], snapshot: Snapshot) -> None:
    """Raise LoadError where a pair is in two of the parts."""
    codes = {name: part.source * len(snapshot.items) + part.target for name, part in parts.items()}
    for later, earlier in (("valid", "train"), ("test", "train"), ("test", "valid")):
        both = np.intersect1d(codes[later], codes[earlier])
        if not len(both):
            continue
        tables = {name: read_rows(folder / f"{name}.tsv") for name in (later, earlier)}
        user, item = (
            snapshot.users.key(int(both[0] // len(snapshot.items))),
            snapshot.items.key(int(both[0] % len(snapshot.items))),
        )
        lines = {}
        for name, table in tables.items():
            same = pc.and_(pc.equal(table.column("user"), user), pc.equal(table.column("item"), item))
            lines[name] = int(np.argmax(same.to_numpy())) + 2
        raise LoadError(
            f"user {user} and item {item} are in {earlier}.tsv too (line {lines[earlier]}); what is to be found must "
            f"not be known: leave such pairs out of one of the files ({len(both)} in all)",
            folder / f"{later}.tsv",
            lines[later],
        )


def read_rows(path: Path) -> pa.Table:
    """The rows of one file of a split: ``user`` and ``item`` as texts, ``rating`` and ``timestamp`` if they are there.

    Ratings are float32.  Times are int64, whole seconds or what the file counts in; decimals are cut off, and a missing
    one is :data:`~kg_rec.snapshot.NO_TIME`.  Other columns are left out.

    Raises:
        LoadError: the file cannot be read, a column is missing, or a value is not what it should be; with its line.
    """
    with nothing_told_of_links(path, LoadError):
        return _rows(path)


def _rows(path: Path) -> pa.Table:
    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(("user", "item", "rating", "timestamp"), pa.string())
            ),
        )
        names = table.column_names
    except UnicodeDecodeError as error:
        raise LoadError("expected UTF-8 text, got other bytes; convert it to utf-8", path, 1) from error
    except (OSError, pa.ArrowInvalid) as error:
        row = re.search(r"Row #(\d+)", str(error))
        message = f"expected tab-separated user, item, rating, timestamp: {str(error).splitlines()[0]}"
        raise LoadError(message, path, int(row[1]) if row else None) from error
    if not {"user", "item"} <= set(names):
        raise LoadError(f"expected columns user and item, got {', '.join(names)}", path, 1)
    if repeated := [name for name in _COLUMNS if names.count(name) > 1]:
        raise LoadError(f"expected each column once, got {repeated[0]} {names.count(repeated[0])} times", path, 1)
    columns = {name: table.column(name).combine_chunks() for name in _COLUMNS if name in names}
    for name in ("user", "item"):
        _refuse(path, pc.equal(pc.utf8_trim_whitespace(columns[name]), ""), f"expected a key as {name}, got nothing")
    if "rating" in columns:
        columns["rating"] = _numbers(path, "rating", columns["rating"]).cast(pa.float32())
    if "timestamp" in columns:
        times = _numbers(path, "timestamp", columns["timestamp"])
        _refuse(path, pc.greater(pc.abs(times), 2.0**62), "expected a number as timestamp, got one too large")
        columns["timestamp"] = pc.trunc(times.fill_null(float(NO_TIME))).cast(pa.int64(), safe=False)
    return pa.table(columns)


def _numbers(path: Path, name: str, texts: pa.Array) -> pa.Array:
    """Float64 of texts; an empty one is missing, any other has to be a finite number."""
    texts = pc.utf8_trim_whitespace(texts)
    given = pc.if_else(pc.equal(texts, ""), None, texts)
    right = pc.match_substring_regex(given, _NUMBER)
    wrong = pc.fill_null(pc.invert(right), False)
    if pc.any(wrong).as_py():
        row = int(np.argmax(wrong.to_numpy(zero_copy_only=False)))
        raise LoadError(f"expected a number as {name}, got {texts[row].as_py()!r}", path, row + 2)
    return given.cast(pa.float64())


def _refuse(path: Path, wrong: pa.Array, message: str) -> None:
    """Raise LoadError at the first row that is wrong."""
    rows = np.flatnonzero(pc.fill_null(wrong, False).to_numpy(zero_copy_only=False))
    if len(rows):
        raise LoadError(message, path, int(rows[0]) + 2)


def _read_edges(path: Path, snapshot: Snapshot) -> EdgeTable:
    table = read_rows(path)
    ends = []
    for column, ids in (("user", snapshot.users), ("item", snapshot.items)):
        indices = ids.indices(table.column(column))
        if (indices < 0).any():
            row = int(np.argmax(indices < 0))
            raise LoadError(f"{column} {table.column(column)[row]} is not in the graph; load it first", path, row + 2)
        ends.append(indices)
    names = table.column_names
    weight = table.column("rating").to_numpy().astype(np.float32) if "rating" in names else None
    time = table.column("timestamp").to_numpy() if "timestamp" in names else None
    edges = EdgeTable(ends[0], ends[1], weight, time)
    if snapshot.schema.interaction.again:
        return one_edge_a_pair(edges, snapshot.schema.interaction)[0]
    latest = np.arange(len(edges)) if time is None else time
    edges = edges.take(np.lexsort((latest, edges.target, edges.source)))
    last = np.ones(len(edges), dtype=bool)
    last[:-1] = (np.diff(edges.source) != 0) | (np.diff(edges.target) != 0)
    return edges.take(last)
