"""Train, validation and test interactions.

Ways to split a graph's positive interactions (random per user, temporal per user, by calendar, cold items, cold users),
and one to read a split from files.  Numbering is that of the snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from kg_rec.errors import LoadError, SplitError
from kg_rec.schema import RelationType
from kg_rec.snapshot import NO_TIME, EdgeTable, Snapshot
from kg_rec.snapshot.tables import counts_against
from kg_rec.textfile import nothing_told_of_links

Protocol = Literal["random", "temporal", "calendar", "cold-items", "cold-users"]

_COLUMNS = ("user", "item", "rating", "timestamp")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Split:
    """A split of interactions.

    Attributes:
        protocol: how it was made.
        train: interactions that the model sees.
        valid: interactions for choosing hyperparameters.
        test: interactions for the final figures.
        valid_candidates: items ranked in validation, boolean, shape (items,).
        test_candidates: items ranked in the test, boolean, shape (items,).
        withheld: interactions that happened and that nobody learns from, to measure how much less is enough; None for
            none.  They are not ranked, so that a model is not blamed for recommending them.
        disliked: what users said not to like before anything of theirs is to be found; None for none.  A model may let
            it weigh against other items, and no list of an evaluation has it.
    """

    protocol: Protocol
    train: EdgeTable
    valid: EdgeTable
    test: EdgeTable
    valid_candidates: NDArray[np.bool_]
    test_candidates: NDArray[np.bool_]
    withheld: EdgeTable | None = None
    disliked: EdgeTable | None = None

    def given(self, *, live: bool = False) -> EdgeTable:
        """What the users did before the test, liked or not; what they liked in training alone where not ``live``."""
        liked = self.known if live else self.train
        return liked if self.disliked is None else join(liked, self.disliked)

    @property
    def known(self) -> EdgeTable:
        """Train and validation interactions together."""
        return join(self.train, self.valid)

    def moment(self, part: str) -> int | None:
        """When the lists of ``valid`` or ``test`` are made, in Unix seconds: one moment for everybody, by calendar.

        It is that of the first interaction to be found.  None for the other protocols, which have no such moment.
        """
        wanted = self.valid if part == "valid" else self.test
        if self.protocol != "calendar" or wanted.time is None or not len(wanted):
            return None
        return int(wanted.time.min())

    def masked(self, part: str) -> EdgeTable:
        """What the ranking of ``valid`` or ``test`` leaves out: everything that the user had before."""
        seen = self.train if part == "valid" else self.known
        return seen if self.withheld is None else join(seen, self.withheld)


def with_disliked(split: Split, interactions: EdgeTable, interaction: RelationType) -> Split:
    """The split with what users said not to like; in a split by time only what was before all that is to be found.

    Args:
        split: of the interactions that count as positive.
        interactions: all.
        interaction: their type.
    """
    found = interactions.take(counts_against(interactions, interaction))
    held = join(split.valid, split.test)
    if split.protocol in ("temporal", "calendar") and found.time is not None and held.time is not None and len(held):
        first = np.full(int(max(found.source.max(initial=0), held.source.max())) + 1, np.iinfo(np.int64).max)
        if split.protocol == "calendar":
            first[:] = held.time.min()
        else:
            np.minimum.at(first, held.source, held.time)
        found = found.take(found.time < first[found.source])
    return replace(split, disliked=found) if len(found) else split


def join(first: EdgeTable, second: EdgeTable) -> EdgeTable:
    """All edges of both, sorted by (source, target)."""

    def both(a: NDArray | None, b: NDArray | None) -> NDArray | None:  # type: ignore[type-arg]
        return None if a is None or b is None else np.concatenate([a, b])

    edges = EdgeTable(
        np.concatenate([first.source, second.source]),
        np.concatenate([first.target, second.target]),
        both(first.weight, second.weight),
        both(first.time, second.time),
        None if first.times is None or second.times is None else pa.concat_arrays([first.times, second.times]),
    )
    return edges.take(np.lexsort((edges.target, edges.source)))


def random_split(edges: EdgeTable, n_items: int, seed: int, share: float = 0.1) -> Split:
    """Per user, k = max(1, floor(share n + 0.5)) interactions each for test and validation, the others for training.

    Users with fewer than three interactions stay in training whole.
    """
    order = np.random.default_rng(seed).random(len(edges))
    return _per_user("random", edges, n_items, order, share)


def holdout_split(edges: EdgeTable, n_items: int, seed: int, share: float) -> Split:
    """Train and validation alone: k = max(1, floor(share n + 0.5)) interactions per user are held out; no test."""
    drawn = random_split(edges, n_items, seed, share)
    nothing = edges.take(np.zeros(len(edges), dtype=bool))
    return replace(drawn, train=join(drawn.train, drawn.test), test=nothing)


def split_by(protocol: Protocol, edges: EdgeTable, n_items: int, seed: int) -> Split:
    """The split that a protocol makes; ``seed`` is that of its random choices, where it has any.

    Raises:
        SplitError: the interactions carry no times where the protocol needs them, or are too few.
    """
    if protocol == "random":
        return random_split(edges, n_items, seed)
    if protocol == "temporal":
        return temporal_split(edges, n_items)
    if protocol == "calendar":
        return calendar_split(edges, n_items)
    if protocol == "cold-items":
        return cold_items_split(edges, n_items, seed)
    return cold_users_split(edges, n_items, seed)


def temporal_split(edges: EdgeTable, n_items: int, share: float = 0.1) -> Split:
    """As :func:`random_split`, by time: the last k interactions of a user are the test, the k before them validation.

    Raises:
        SplitError: an interaction carries no time.
    """
    rank = np.empty(len(edges))
    rank[np.lexsort((edges.target, _times(edges, "temporal")))] = np.arange(len(edges))
    return _per_user("temporal", edges, n_items, rank, share)


def calendar_split(edges: EdgeTable, n_items: int, share: float = 0.1) -> Split:
    """One moment for everybody: about the last ``share`` of all interactions is the test, as many before it validation.

    Interactions of one time are never parted, so that all of a part come before all of the next.  Candidates are all
    items that occur.  Users and items of the test may be new.

    Raises:
        SplitError: an interaction carries no time, or the times are too few to part at two of them.
    """
    time = _times(edges, "calendar")
    order, n = np.sort(time), len(edges)
    part = np.zeros(n, np.int8)
    for held in (1, 2) if n else ():
        part += time >= order[n - max(held, int(held * share * n + 0.5))]
    if set(part.tolist()) != {0, 1, 2}:
        raise SplitError(
            f"expected interactions at three times or more, spread over time, for a split by calendar, got "
            f"{len(edges)} at {len(np.unique(time))}; use the random protocol"
        )
    everything = np.zeros(n_items, dtype=bool)
    everything[edges.target] = True
    return Split(
        "calendar", edges.take(part == 0), edges.take(part == 1), edges.take(part == 2), everything, everything.copy()
    )


def calendar_holdout(edges: EdgeTable, n_items: int, share: float) -> Split:
    """Train and validation alone: about the last ``share`` of all interactions is held out; no test.

    Raises:
        SplitError: as :func:`calendar_split`.
    """
    drawn = calendar_split(edges, n_items, share)
    return replace(drawn, train=drawn.known, valid=drawn.test, test=edges.take(np.zeros(len(edges), dtype=bool)))


def is_by_calendar(split: Split) -> bool:
    """Whether every interaction has a time and none of a part is later than one of the next part."""
    times = [part.time for part in (split.train, split.valid, split.test)]
    if any(time is None or not len(time) or (time == NO_TIME).any() for time in times):
        return False
    train, valid, test = (time for time in times if time is not None)
    return bool(train.max() <= valid.min() and valid.max() <= test.min())


def _times(edges: EdgeTable, protocol: str) -> NDArray[np.int64]:
    """The times of edges.

    Raises:
        SplitError: one is missing.
    """
    without = len(edges) if edges.time is None else int((edges.time == NO_TIME).sum())
    if edges.time is None or without:
        raise SplitError(
            f"expected a time on every interaction for a {protocol} split, got {without} of {len(edges)} without one; "
            "use the random protocol"
        )
    return edges.time


def _per_user(protocol: Protocol, edges: EdgeTable, n_items: int, order: NDArray[np.float64], share: float) -> Split:
    rows = np.lexsort((-order, edges.source))
    counts = np.bincount(edges.source)
    starts = np.concatenate([[0], np.cumsum(counts)])
    position = np.arange(len(edges)) - starts[edges.source[rows]]
    held = np.where(counts >= 3, np.maximum(1, np.floor(share * counts + 0.5)), 0)[edges.source[rows]]
    part = np.empty(len(edges), dtype=np.int8)
    part[rows] = np.where(position < held, 2, np.where(position < 2 * held, 1, 0))
    everything = np.zeros(n_items, dtype=bool)
    everything[edges.target] = True
    return Split(
        protocol, edges.take(part == 0), edges.take(part == 1), edges.take(part == 2), everything, everything.copy()
    )


def cold_items_split(edges: EdgeTable, n_items: int, seed: int, fold: int = 0, folds: int = 10) -> Split:
    """Of the items with 5 or more interactions, ``1/folds`` are test items, half as many others validation."""
    counts = np.bincount(edges.target, minlength=n_items)
    eligible = np.random.default_rng(seed).permutation(np.flatnonzero(counts >= 5))
    test_items = eligible[fold::folds]
    valid_items = eligible[(fold + 1) % folds :: folds][::2]
    return _by_item("cold-items", edges, n_items, valid_items, test_items)


def _by_item(
    protocol: Protocol, edges: EdgeTable, n_items: int, valid: NDArray[np.int64], test: NDArray[np.int64]
) -> Split:
    part = np.zeros(n_items, dtype=np.int8)
    part[valid], part[test] = 1, 2
    of_edge = part[edges.target]
    return Split(
        protocol, edges.take(of_edge == 0), edges.take(of_edge == 1), edges.take(of_edge == 2), part == 1, part == 2
    )


def cold_users_split(edges: EdgeTable, n_items: int, seed: int, given: int = 5, share: float = 0.1) -> Split:
    """A share of the users each for test and validation give only ``given`` interactions; the rest is to be found."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(np.unique(edges.source))
    k = max(1, int(share * len(users)))
    part_of_user = np.zeros(int(edges.source.max()) + 1, dtype=np.int8)
    part_of_user[users[:k]], part_of_user[users[k : 2 * k]] = 2, 1
    rows = np.lexsort((rng.random(len(edges)), edges.source))
    starts = np.concatenate([[0], np.cumsum(np.bincount(edges.source))])
    position = np.empty(len(edges), dtype=np.int64)
    position[rows] = np.arange(len(edges)) - starts[edges.source[rows]]
    part = np.where(position < given, 0, part_of_user[edges.source])
    everything = np.ones(n_items, dtype=bool)
    return Split(
        "cold-users", edges.take(part == 0), edges.take(part == 1), edges.take(part == 2), everything, everything.copy()
    )


def read_split(folder: str | Path, snapshot: Snapshot, protocol: Protocol) -> Split:
    """Read ``train.tsv``, ``valid.tsv`` and ``test.tsv`` (columns user, item, and optionally rating, timestamp).

    Candidates are the items that occur in any of the three files, or for ``cold-items`` those of the file ranked.  Of
    several lines with one user and item in a file, the latest counts.

    Raises:
        LoadError: a file or column is missing, a file has no row, a value is no number, a key is not in the snapshot,
            or a pair of user and item is in two of the files: what is to be found must not be known.
        SplitError: ``calendar`` is asked for and no moment parts the files.
    """
    folder = Path(folder)
    parts = {}
    for name in ("train", "valid", "test"):
        with nothing_told_of_links(folder / f"{name}.tsv", LoadError):
            parts[name] = _read_edges(folder / f"{name}.tsv", snapshot)
        if not len(parts[name]):
            raise LoadError("expected interactions below the columns' names, got none", folder / f"{name}.tsv", 1)
    _disjoint(folder, parts, snapshot)
    train, valid, test = parts.values()
    n_items = len(snapshot.items)
    masks = []
    for some in [(valid,), (test,)] if protocol == "cold-items" else [(train, valid, test)] * 2:
        mask = np.zeros(n_items, dtype=bool)
        for part in some:
            mask[part.target] = True
        masks.append(mask)
    split = Split(protocol, train, valid, test, masks[0], masks[1])
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
        found = ids.indices(table.column(column))
        if (found < 0).any():
            row = int(np.argmax(found < 0))
            raise LoadError(f"{column} {table.column(column)[row]} is not in the graph; load it first", path, row + 2)
        ends.append(found)
    names = table.column_names
    weight = table.column("rating").to_numpy().astype(np.float32) if "rating" in names else None
    time = table.column("timestamp").to_numpy() if "timestamp" in names else None
    edges = EdgeTable(ends[0], ends[1], weight, time)
    latest = np.arange(len(edges)) if time is None else time
    edges = edges.take(np.lexsort((latest, edges.target, edges.source)))
    last = np.ones(len(edges), dtype=bool)
    last[:-1] = (np.diff(edges.source) != 0) | (np.diff(edges.target) != 0)
    return edges.take(last)
