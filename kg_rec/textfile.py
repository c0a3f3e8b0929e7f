"""Text files that people write: one reader for mappings, settings, schemas, lists of keys, phrases and data.

What an editor or a spreadsheet adds means nothing: a byte order mark, CRLF or CR at the ends of lines, UTF-16 or UTF-32
(with a mark, or told from the zero bytes of its ASCII characters).  Text in no such form is refused by file and line,
and so is a line too long to be one.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kg_rec.errors import ArgumentError, ConfigError, KgRecError, LoadError

#: The longest line, in bytes.
LINE_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: How files begin that are no text, and what they are.
_OTHERS = (
    (b"PK\x03\x04", "a ZIP or Excel file; unpack it, or save its table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel file of an old kind; save its table as CSV"),
    (b"PAR1\x15", "a Parquet file; let its name end in .parquet"),
    (b"\x1f\x8b\x08", "a gzipped file; let its name end in .gz"),
    (b"BZh91AY&SY", "a file of bzip2; let its name end in .bz2, or unpack it"),
    (b"SQLite format 3\0", "an SQLite database; export its tables as CSV"),
    (b"%PDF-", "a PDF"),
)
TOO_LONG = f"the line is longer than {LINE_BYTES >> 20} MiB; is this a text file with one record a line?"
#: Said instead of what is wrong, where that would tell what stands in a file that nobody meant to read.
HIDDEN = (
    "does not fit; the path is a link to a file outside its folder, so what it holds is not shown: "
    "give the file itself to see what is wrong"
)
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines of a file.

    Attributes:
        line: 1-based number of the first.
        data: the lines as bytes, each but the last of the file with its line feed; empty where ``too_long``.
        encoding: of ``data``; a line feed is the byte 10 in it.
        too_long: the block stands for one line beyond :data:`LINE_BYTES`.
    """

    line: int
    data: bytes
    encoding: str
    too_long: bool = False


def read_text(path: str | Path, raises: type[KgRecError] = LoadError, stream: IO[bytes] | None = None) -> str:
    """A whole text file with line feeds as its only line ends and without a byte order mark.

    Args:
        path: of the file, plain or packed (``.gz``, ``.bz2``); for messages alone where there is a stream.
        raises: the class of the error.
        stream: what to read instead, such as standard input.

    Raises:
        KgRecError: ``raises``, where the file cannot be read, is no text, or has a line beyond :data:`LINE_BYTES`.
    """
    path = Path(path)
    parts = []
    try:
        for block in line_blocks(path, stream=stream):
            if block.too_long:
                raise LoadError(TOO_LONG, path, block.line)
            try:
                parts.append(block.data.decode(block.encoding))
            except UnicodeDecodeError as error:
                line = block.line + block.data.count(b"\n", 0, error.start)
                raise LoadError(not_text(block.encoding, block.data, error), path, line) from error
    except LoadError as error:
        raise error if raises is LoadError else raises(str(error)) from error
    return "".join(parts).replace("\r\n", "\n")


def read_lines(path: str | Path, raises: type[KgRecError] = LoadError, stream: IO[bytes] | None = None) -> list[str]:
    """:func:`read_text` as lines, exactly as they are written, without those that are empty or blank."""
    return [line for line in read_text(path, raises, stream).split("\n") if line.strip()]


#: A key of TOML in fifty parts.
_DEEP_KEY = re.compile(r"""(?m)(?:^|[{,])[ \t]*\[*[ \t]*((?:[\w"'-]+[ \t]*\.[ \t]*){50})""")


def read_toml(path: str | Path, raises: type[KgRecError] = ConfigError) -> tuple[dict[str, Any], str]:
    """What a TOML file says, and its text.

    Raises:
        KgRecError: ``raises``, naming file and line.
    """
    text = read_text(path, raises)
    deep = _DEEP_KEY.search(text)
    if deep is not None:  # the parser takes memory and time by the square of a key's parts
        line = text.count("\n", 0, deep.start(1)) + 1
        raise raises(f"{path}:{line}: lists or tables stand too deep in one another; make them flat")
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        message, line = (str(error)[: place.start()], int(place[1])) if place else (str(error), text.count("\n") + 1)
        raise raises(f"{path}:{line}: {message}") from error
    except RecursionError:
        raise raises(f"{path}: lists or tables stand too deep in one another; make them flat") from None
    except ValueError as error:  # a number of thousands of digits
        raise raises(f"{path}: {parser_fault(error)}") from error


def parse_json(text: str) -> Any:
    """A JSON value.

    Raises:
        ArgumentError: it is none, with the reason; also for NaN, for a key that comes twice and for what is too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ArgumentError(f"not valid JSON: {error.msg} at column {error.colno}") from error
    except RecursionError:
        raise ArgumentError("lists or objects stand too deep in one another") from None
    except ArgumentError:  # a key that comes twice, or NaN
        raise
    except ValueError as error:  # a number of thousands of digits
        raise ArgumentError(parser_fault(error)) from None


def parser_fault(error: Exception) -> str:
    """What a library's parser found wrong with a text, in one line of at most 300 characters."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if "set_int_max_str_digits" in str(error):
        return "it holds a whole number of thousands of digits"
    return " ".join(str(error).split())[:300]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ArgumentError(f"the key {next(k for k, n in Counter(keys).items() if n > 1)!r} comes twice")
    return value


def _constant(name: str) -> Any:
    raise ArgumentError(f"not valid JSON: {name}; write null for a missing number")


def not_text(encoding: str, data: bytes, error: UnicodeDecodeError) -> str:
    """Why some bytes are no text, with the column of the first that is not."""
    column = error.start - data.rfind(b"\n", 0, error.start)
    return f"expected {encoding} text, got byte 0x{data[error.start]:02x} at column {column}; convert it to {encoding}"


def csv_cell(value: object) -> object:
    """A value that a spreadsheet will not run: text that it would take for a formula gets a ' before it."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def is_link_outside(path: Path) -> bool:
    """Whether a path is a link to a file outside its folder: what stands there must not be told in messages."""
    return path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve())


@contextmanager
def nothing_told_of_links(path: str | Path, raises: type[KgRecError]) -> Iterator[None]:
    """What goes wrong with a file is told without what it holds, where its path is a link to one outside its folder.

    Raises:
        KgRecError: ``raises`` in place of the error for such a path, any other error as it is.
    """
    try:
        yield
    except KgRecError:
        if is_link_outside(Path(path)):
            raise (LoadError(HIDDEN, path) if raises is LoadError else raises(f"{path}: {HIDDEN}")) from None
        raise


def line_blocks(path: Path, encoding: str = "utf-8", stream: IO[bytes] | None = None) -> Iterator[Block]:
    """The lines of a file in blocks of about a megabyte; memory is bounded, whatever the file.

    Args:
        path: plain, or gzipped where the name ends in ``.gz``.
        encoding: of a file that does not show another one itself.
        stream: what to read instead.

    Raises:
        LoadError: it cannot be read, is cut or damaged, or is not in a wide encoding that it begins with.
    """
    with _opened(path) if stream is None else nullcontext(stream) as file:
        pieces = _read(path, file)
        start = next(pieces, b"")
        _refuse_others(start, path)
        form, mark = _form(start, encoding)
        pieces = _joined(start[mark:], pieces)
        if "\n".encode(form) != b"\n":
            pieces, form = _recoded(path, pieces, form), "utf-8"
        yield from _lines(_line_feeds(pieces), form)


def _refuse_others(start: bytes, path: Path) -> None:
    """Refuse a file that begins as one of another kind does.

    Raises:
        LoadError: it does.
    """
    for mark, what in _OTHERS:
        if start.startswith(mark):
            raise LoadError(f"expected text, got {what}", path)


def _opened(path: Path) -> IO[bytes]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    if path.suffix == ".bz2":
        return bz2.BZ2File(file)
    return gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file  # type: ignore[return-value]


def _unreadable(path: Path, error: OSError) -> LoadError:
    return LoadError(f"cannot read it: {error.strerror or error}; check the path and its permissions", path)


def _read(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    lines = 0
    try:
        while piece := file.read(_BLOCK_BYTES):
            yield piece
            lines += piece.count(b"\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LoadError(
            f"the compressed file is cut or damaged after line {lines} ({error}); fetch it again", path, lines or None
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _joined(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _form(start: bytes, encoding: str) -> tuple[str, int]:
    """The encoding of a file that begins so, and the length of its byte order mark."""
    for mark, form in _MARKS:
        if start.startswith(mark):
            return form, len(mark)
    wide = encoding.lower().replace("_", "-")
    if wide.startswith(("utf-16", "utf-32", "utf16", "utf32", "utf-8", "utf8")) and (found := _wide(start[:4096])):
        return found, 0
    defaults = {"utf-16": "utf-16-le", "utf16": "utf-16-le", "utf-32": "utf-32-le", "utf32": "utf-32-le"}
    return {**defaults, "utf-8-sig": "utf-8"}.get(wide, encoding), 0


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 by where the zero bytes of ASCII characters stand; None for anything else."""
    fourth = max(len(sample) // 4, 1)
    zeros = [sample[place::4].count(0) / fourth for place in range(4)]
    if len(sample) < 2 or not any(zeros):
        return None
    if min(zeros[2:]) > 0.9 and zeros[0] < 0.1:
        return "utf-32-le"
    if min(zeros[:2]) > 0.9 and zeros[3] < 0.1:
        return "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if max(even, odd) > 0.4 and max(even, odd) > 4 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _recoded(path: Path, pieces: Iterator[bytes], form: str) -> Iterator[bytes]:
    """As UTF-8; half a surrogate pair stays one, so that the line it stands on is found."""
    errors = "surrogatepass" if form.startswith("utf-") and form != "utf-7" else "strict"
    decoder = codecs.getincrementaldecoder(form)(errors)
    lines = 0
    try:
        for piece in pieces:
            text = decoder.decode(piece).encode("utf-8", "surrogatepass")
            lines += text.count(b"\n")
            yield text
        yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        reason = f"expected {form} text; the file is cut or damaged here ({error}); convert it to utf-8"
        raise LoadError(reason, path, lines + 1) from error


def _line_feeds(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Where the lines of a file end with CR alone, LF instead."""
    start = next(pieces, b"")
    if start.endswith(b"\r"):
        start += next(pieces, b"")
    if b"\r" not in start or b"\n" in start:
        yield start
        yield from pieces
    else:
        yield start.replace(b"\r", b"\n")
        yield from (piece.replace(b"\r", b"\n") for piece in pieces)


def _lines(pieces: Iterator[bytes], form: str) -> Iterator[Block]:
    line, rest, size, skipping = 1, io.BytesIO(), 0, False
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        first = piece.find(b"\n") + 1
        if skipping or size + (first or len(piece)) > LINE_BYTES:
            if not skipping:  # told at once: the line may never end
                yield Block(line, b"", form, too_long=True)
            rest, size, skipping = io.BytesIO(), 0, not first
            if skipping:
                continue
            line += 1
            piece, cut = piece[first:], cut - first
        if cut:
            rest.write(piece[:cut])
            whole = rest.getvalue()
            yield Block(line, whole, form)
            line += whole.count(b"\n")
            rest, size = io.BytesIO(), 0
        rest.write(piece[cut:])
        size += len(piece) - cut
    if size:
        yield Block(line, rest.getvalue(), form)
