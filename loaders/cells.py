"""What a cell of a table means as a text (a key, a name) and as a time, in one place for every format.

A value that is neither text nor number (a list, an object, bytes) is at fault by its row; it never spoils its column.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg_rec.errors import ArgumentError

#: Times at which somebody may have done something, in Unix seconds: the years 1600 to 2199.
LEAST_TIME, MOST_TIME = -11_676_096_000, 7_258_118_399
_WORDS: dict[type, str] = {dict: "an object", list: "a list", bytes: "bytes", tuple: "a list"}
_YEAR = 366 * 86_400
#: Times before this, in Unix seconds, are hardly times: what people did in 1970 and 1971 is not in such data.
_UNLIKELY = 42_100_000
#: 1990 to 2050 in days since 1970, and units larger than a second.
_LEAST_DAY, _MOST_DAY = 7_305, 29_220
_LARGE_UNITS = (("minutes", 60), ("hours", 3_600), ("days", 86_400))
_UNITS = (("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))
_INTEGER = re.compile(r"\s*[+-]?\d{1,18}\s*")

Faults = dict[int, str]


def text_of(value: Any) -> str | None:
    """A value as the text that stands for it as a key: whole numbers in full, NaN as a missing value.

    Raises:
        ArgumentError: it is neither text nor number, or no text that can be written; with the reason.
    """
    if value is None or isinstance(value, str):
        if value is not None and not value.isascii():
            _check_text(value)
        if value is not None and "\0" in value:
            raise ArgumentError("expected text, got one with a NUL character; correct it")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | np.floating | Decimal):
        return _number(value)
    if isinstance(value, datetime | date | UUID):
        return str(value)
    raise ArgumentError(f"expected text or a number, got {_WORDS.get(type(value), type(value).__name__)}; correct it")


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        shown = f"\\u{ord(value[error.start]):04x}"
        raise ArgumentError(
            f"expected text, got half a character ({shown}) at {error.start + 1}; correct it"
        ) from error


def _number(value: float | Decimal | np.floating[Any]) -> str | None:
    if value != value:  # NaN
        return None
    if value in (float("inf"), float("-inf")):
        raise ArgumentError("expected text or a finite number, got infinity; correct it")
    if abs(float(value)) < 2**63 and value == int(value):
        return str(int(value))
    return format(value.normalize(), "f") if isinstance(value, Decimal) else repr(float(value))


def texts(column: pa.Array) -> tuple[pa.Array, Faults]:
    """A column as strings, and why each row at fault is (these become null)."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return column.cast(pa.string()), {}
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and not pa.types.is_interval(kind):
        return column.cast(pa.string()), {}
    if _is_text(kind):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:  # bytes that are no UTF-8
            return _each(column.cast(pa.large_binary(), safe=False), lambda v: text_of(v.decode()))
        values = column if pa.types.is_string(kind) else column.cast(pa.string())
        if not pc.any(pc.match_substring(values, "\0")).as_py():
            return values, {}
        return _each(values, text_of)
    return _each(column, text_of)


def seconds(column: pa.Array) -> tuple[pa.Array, Faults]:
    """A column of times as Unix seconds, int64, and why each row at fault is (these become null).

    Understood are whole and broken numbers of seconds, ISO 8601 texts (UTC where they name no zone), dates and
    timestamps.  NaN and empty text are no time.  What lies outside the years 1600 to 2199 is at fault, and so is a day
    written as the number YYYYMMDD, unless other numbers show that few seconds are meant.
    """
    kind = column.type
    faults: Faults = {}
    if pa.types.is_dictionary(kind):
        return seconds(column.dictionary_decode())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        values = column.cast(pa.timestamp("s", getattr(kind, "tz", None)), safe=False).cast(pa.int64())
    elif pa.types.is_signed_integer(kind) or pa.types.is_null(kind):
        values = column.cast(pa.int64())
    else:
        try:
            if not _is_text(kind):
                raise pa.ArrowInvalid("not whole numbers")
            values = column.cast(pa.string()).cast(pa.int64())
        except pa.ArrowInvalid:
            values, faults = _each(column, _second, pa.int64())
    wrong = pc.or_(pc.less(values, LEAST_TIME), pc.greater(values, MOST_TIME))
    for row in np.flatnonzero(pc.fill_null(wrong, False).to_numpy(zero_copy_only=False)).tolist():
        faults[row] = _implausible(values[row].as_py())
    if pa.types.is_temporal(kind):
        return values, faults
    numbers = pc.fill_null(values, -1).to_numpy()
    days = _days_as_numbers(numbers)
    if days.any() and not ((numbers >= 0) & (numbers < _YEAR) & ~days).any():
        for row in np.flatnonzero(days).tolist():
            day = f"{numbers[row]:08}"
            faults[row] = (
                f"expected a time in seconds since 1970, got {day}, which looks like a day; "
                f"write it as {day[:4]}-{day[4:6]}-{day[6:]}"
            )
    return values, faults


def told_of_small(least: int, most: int) -> str:
    """What Unix seconds from ``least`` to ``most`` may be, where all are times in 1970 or so; else empty."""
    if not 0 <= least < most < _UNLIKELY:
        return ""
    for unit, size in _LARGE_UNITS:
        if least * size >= _LEAST_DAY * 86_400 and most * size <= _MOST_DAY * 86_400:
            return f"they look like {unit} since 1970; multiply them by {size:,}"
    return "if they are no seconds, such as days, multiply them"


def _days_as_numbers(values: np.ndarray) -> np.ndarray:
    """Which numbers are days of 1900 to 2099 as YYYYMMDD."""
    year, month, day = values // 10_000, values // 100 % 100, values % 100
    longest = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[np.clip(month, 0, 12)]
    in_month = (month >= 1) & (month <= 12) & (day >= 1) & (day <= longest)
    return np.asarray((year >= 1900) & (year <= 2099) & in_month)


def _second(value: Any) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        try:
            value = int(text) if _INTEGER.fullmatch(text) else float(text)
        except ValueError:
            value = _iso(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | np.number):
        raise ArgumentError(f"expected a time in seconds since 1970, got {value!r:.80}; correct it")
    number = float(value)
    if number != number:
        return None
    if abs(number) >= 2**63:
        raise ArgumentError(f"expected a time in seconds since 1970, got {value!r:.80}; correct it")
    return int(value) if isinstance(value, int) else int(number // 1)


def _iso(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentError(
            f"expected a time in seconds since 1970 or as YYYY-MM-DDTHH:MM:SS, got {text!r:.80}; correct it"
        ) from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() // 1)


def _implausible(value: int) -> str:
    for digits, factor in ((14, 10**6), (12, 10**4)):
        if len(str(value)) == digits and _days_as_numbers(np.array([value // factor]))[0]:
            return (
                f"expected a time in seconds since 1970, got {value}, which looks like a date and time; "
                "write it as YYYY-MM-DDTHH:MM:SS"
            )
    if 0 < value < 253_402_300_800:  # a date before the year 10000, such as one that stands for never
        year = datetime.fromtimestamp(value, UTC).year
        return f"expected a time in the years 1600 to 2199, got one in {year}; correct it, or leave it empty"
    for unit, factor in _UNITS:
        if 0 <= value // factor <= 4_102_444_800:  # up to 2100
            return f"expected a time in seconds since 1970, got {value}, which looks like {unit}; divide by {factor:,}"
    return f"expected a time in seconds since 1970 in the years 1600 to 2199, got {value}; correct it"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _each(column: pa.Array, meaning: Callable[[Any], Any], to: pa.DataType | None = None) -> tuple[pa.Array, Faults]:
    faults: Faults = {}
    values: list[Any] = []
    for row, value in enumerate(column.to_pylist()):
        try:
            values.append(None if value is None else meaning(value))
        except UnicodeDecodeError:
            values.append(None)
            faults[row] = "expected UTF-8 text, got other bytes; correct it"
        except (ValueError, OverflowError) as error:
            values.append(None)
            faults[row] = str(error)
    return pa.array(values, to or pa.string()), faults
