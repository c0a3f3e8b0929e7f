"""Delimited text, read as columns that remember their lines.

One reader for every text format: plain or gzip, any delimiter, quoted or not.  It streams, checks the number
of fields and the encoding of each line, and gives Arrow tables of strings together with the 1-based line of
each row, so that every later check can still name the line at fault.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import pyarrow as pa

from kg_rec.errors import LoadError
from kg_rec.textfile import HIDDEN, TOO_LONG, Block, csv_cell, is_link_outside, line_blocks, not_text

_CSV_ROWS = 50_000
_DELIMITERS = (";", "\t", ",", "|")


class Faults:
    """Where malformed rows go: the first is an exception, or all of them go to a file.

    Args:
        stop: raise at the first fault.
        rejects: CSV file for the faults when not stopping (columns file, line, reason, row); None: only count.
    """

    def __init__(self, stop: bool = True, rejects: Path | None = None) -> None:
        self.count = 0
        self._stop = stop
        self._seen: set[tuple[Path, int]] = set()
        self._file: IO[str] | None = None
        if rejects is not None and not stop:
            self._file = rejects.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(("file", "line", "reason", "row"))

    def add(self, path: Path, line: int | None, reason: str, row: Sequence[object] = ()) -> None:
        """Take one fault; a row that is at fault for two reasons is listed twice and counted once.

        Raises:
            LoadError: this object stops at the first fault.
        """
        if self._stop:
            raise LoadError(reason, path, line)
        if line is None or (path, line) not in self._seen:
            self.count += 1
        if line is not None:
            self._seen.add((path, line))
        if self._file is not None:
            text = "\t".join("" if value is None else str(value) for value in row)
            if is_link_outside(path):
                reason, text = HIDDEN, ""
            self._writer.writerow((path, "" if line is None else line, csv_cell(reason), csv_cell(text)))

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a table came from.

    Attributes:
        path: the file.
        lines: (rows,) int64, the 1-based line (row, in files without lines) of each row.
        subjects: (rows,) string, what a row is about, where the file has no lines (Turtle); None where it has.
    """

    path: Path
    lines: pa.Array
    subjects: pa.Array | None = None

    def take(self, rows: pa.Array) -> Origin:
        """The origin of some of the rows."""
        subjects = None if self.subjects is None else self.subjects.take(rows)
        return Origin(self.path, self.lines.take(rows), subjects)

    def about(self, row: int) -> str:
        """What a message about a row begins with."""
        subject = None if self.subjects is None else self.subjects[row].as_py()
        return "" if subject is None else f"<{subject:.200}>: "


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file: all columns as read, and where they came from."""

    table: pa.Table
    origin: Origin


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text file is written.

    Attributes:
        delimiter: between fields; one character where ``quoted``.
        names: column names of a file without a header line; None: the first line holds them.
        encoding: of the text.
        fallback: encoding of single lines that are not valid in ``encoding``, or None.
        quoted: fields may be quoted as in RFC 4180.
        least: smallest number of fields; absent ones at the end are empty.  None: all of them.
    """

    delimiter: str = "\t"
    names: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    fallback: str | None = None
    quoted: bool = False
    least: int | None = None


def find(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder, plain or gzipped, or None."""
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def bare_name(path: Path) -> str:
    """File name without ``.gz`` or ``.bz2``."""
    return path.name.removesuffix(".gz").removesuffix(".bz2")


def header(path: Path, layout: Layout) -> list[str]:
    """Column names of a file.

    Raises:
        LoadError: the file is empty or unreadable.
    """
    return _header(path, next(_blocks(path, layout, Faults(stop=False)), ((), [])), layout)


def read(path: Path, layout: Layout, faults: Faults, expect: Sequence[str] = ()) -> Iterator[Chunk]:
    """Read a file as chunks of string columns, in bounded memory.

    Args:
        path: text, or gzipped text where the name ends in ``.gz``.
        layout: how it is written.
        faults: takes lines with a wrong number of fields or a wrong encoding.
        expect: columns that must be there.

    Raises:
        LoadError: the file is absent, empty, cut or damaged, or its header lacks an expected column.
    """
    names: list[str] | None = list(layout.names) if layout.names else None
    rows_seen = False
    blocks = _blocks(path, layout, faults)
    if names is None:
        numbers, first = next(blocks, ((), []))
        names = _header(path, (numbers, first), layout)
        blocks = _chain((numbers[1:], first[1:]), blocks)
    missing = [name for name in expect if name not in names]
    if missing:
        other = next((d for d in _DELIMITERS if d != layout.delimiter and len(names) == 1 and d in names[0]), None)
        hint = "" if other is None else f"; are the fields separated by {_shown(other)}? then say delimiter"
        raise LoadError(
            f"expected the columns {', '.join(expect)}; {', '.join(missing)} not among {', '.join(names)}{hint}",
            path,
            1,
        )
    rows = _quoted(path, blocks, layout, faults) if layout.quoted else _plain(blocks, layout)
    for line_numbers, fields in rows:
        fitting, lines_kept = _fit(path, fields, line_numbers, names, layout, faults)
        rows_seen = rows_seen or bool(fields)
        if fitting:
            columns = [pa.array(column, pa.string()) for column in zip(*fitting, strict=True)]
            yield Chunk(pa.table(columns, names=names), Origin(path, pa.array(lines_kept, pa.int64())))
    if not rows_seen:
        raise LoadError(f"the file holds no rows; expected rows of {', '.join(names)}", path)


def read_whole(path: Path, layout: Layout, faults: Faults, expect: Sequence[str] = ()) -> Chunk:
    """:func:`read`, all chunks as one (about 100 bytes a row of four short columns)."""
    return concat(list(read(path, layout, faults, expect)), path, list(layout.names or expect))


def concat(chunks: Sequence[Chunk], path: Path, names: Sequence[str]) -> Chunk:
    """Chunks of one file as one; of ``names`` without rows where there are none."""
    if not chunks:
        empty = pa.table({name: pa.array([], pa.string()) for name in names})
        return Chunk(empty, Origin(path, pa.array([], pa.int64())))
    table = pa.concat_tables([c.table for c in chunks]).combine_chunks()
    return Chunk(table, Origin(path, pa.concat_arrays([c.origin.lines for c in chunks])))


def lines(path: Path, faults: Faults, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Lines of a text file with their numbers, blank ones left out, in bounded memory."""
    for numbers, block in _blocks(path, Layout(encoding=encoding), faults):
        yield from zip(numbers, block, strict=True)


def _shown(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else repr(delimiter)


_Block = tuple[Sequence[int], list[str]]


def _chain(first: _Block, rest: Iterator[_Block]) -> Iterator[_Block]:
    if first[1]:
        yield first
    yield from rest


def _header(path: Path, block: _Block, layout: Layout) -> list[str]:
    numbers, text = block
    if not text:
        raise LoadError("the file is empty; expected a header line and rows", path)
    if numbers[0] != 1:
        raise LoadError(f"expected column names in {layout.encoding} on the first line; correct it", path, 1)
    line = text[0]
    try:
        names = next(csv.reader([line], delimiter=layout.delimiter)) if layout.quoted else line.split(layout.delimiter)
    except csv.Error as error:
        raise LoadError(f"expected column names on the first line: {error}; correct it", path, 1) from error
    names = [name.strip() for name in names]
    twice = len(set(names)) < len(names)
    if names[0].lower().startswith("sep="):
        raise LoadError("expected column names on the first line, got Excel's sep=; delete that line", path, 1)
    if twice or "" in names:
        raise LoadError(f"column names must differ and not be empty, got {', '.join(names):.300}", path, 1)
    return names


def _blocks(path: Path, layout: Layout, faults: Faults) -> Iterator[_Block]:
    """Decoded lines with their numbers, without blank lines (but a quoted field may hold some)."""
    for block in line_blocks(path, layout.encoding):
        if block.too_long:
            faults.add(path, block.line, TOO_LONG)
            continue
        try:
            text = block.data.decode(block.encoding).replace("\r\n", "\n").removesuffix("\n").split("\n")
            numbers: Sequence[int] = range(block.line, block.line + len(text))
        except UnicodeError:
            numbers, text = _decode_lines(path, block, layout, faults)
        if "" in text and not layout.quoted:
            kept = [(n, line) for n, line in zip(numbers, text, strict=True) if line]
            numbers, text = [n for n, _ in kept], [line for _, line in kept]
        if text:
            yield numbers, text


def _decode_lines(path: Path, block: Block, layout: Layout, faults: Faults) -> tuple[list[int], list[str]]:
    numbers: list[int] = []
    text: list[str] = []
    for number, line in enumerate(block.data.removesuffix(b"\n").split(b"\n"), block.line):
        line = line.removesuffix(b"\r")
        try:
            decoded = line.decode(block.encoding)
        except UnicodeDecodeError as error:
            if layout.fallback is None:
                faults.add(path, number, not_text(block.encoding, line, error), [line[:200]])
                continue
            decoded = line.decode(layout.fallback)
        numbers.append(number)
        text.append(decoded)
    return numbers, text


_Rows = tuple[Sequence[int], list[list[str]]]


def _plain(blocks: Iterator[_Block], layout: Layout) -> Iterator[_Rows]:
    delimiter = layout.delimiter
    for numbers, text in blocks:
        yield numbers, [line.split(delimiter) for line in text]


def _quoted(path: Path, blocks: Iterator[_Block], layout: Layout, faults: Faults) -> Iterator[_Rows]:
    taken: list[tuple[int, str]] = []  # lines that the row being read has used
    again: deque[tuple[int, str]] = deque()  # lines to read anew, since the row before was none
    lines = (pair for block in blocks for pair in zip(*block, strict=True))

    def feed() -> Iterator[str]:
        while (pair := again.popleft() if again else next(lines, None)) is not None:
            taken.append(pair)
            yield pair[1] + "\n"

    feeding = feed()
    reader = csv.reader(feeding, delimiter=layout.delimiter, strict=True)
    numbers: list[int] = []
    rows: list[list[str]] = []
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            number, line = taken[0]
            reason = f"not valid CSV: {error}; check the quotes of this line"
            if "new-line character" in str(error):
                reason = "a carriage return stands within the line; end all lines of the file alike, by LF or by CRLF"
            faults.add(path, number, reason, [line[:200]])
            again.extendleft(reversed(taken[1:]))
            taken.clear()
            feeding = feed()  # the one before may have ended
            reader = csv.reader(feeding, delimiter=layout.delimiter, strict=True)
            continue
        if row:
            numbers.append(taken[0][0])
            rows.append(row)
        taken.clear()
        if len(rows) == _CSV_ROWS:
            yield numbers, rows
            numbers, rows = [], []
    if rows:
        yield numbers, rows


def _fit(
    path: Path, rows: list[list[str]], numbers: Sequence[int], names: list[str], layout: Layout, faults: Faults
) -> tuple[list[list[str]], Sequence[int]]:
    """Rows with the right number of fields; the others are faults."""
    width = len(names)
    if set(map(len, rows)) == {width}:
        return rows, numbers
    least = width if layout.least is None else layout.least
    kept: list[list[str]] = []
    kept_numbers: list[int] = []
    for number, row in zip(numbers, rows, strict=True):
        if least <= len(row) <= width:
            kept.append(row + [""] * (width - len(row)))
            kept_numbers.append(number)
        else:
            reason = (
                f"expected {width} fields separated by {_shown(layout.delimiter)} ({', '.join(names)}), got {len(row)}"
            )
            faults.add(path, number, f"{reason}; correct the line", row)
    return kept, kept_numbers
